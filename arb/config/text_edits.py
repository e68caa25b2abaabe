"""Sets keys of a TOML file as text, so that the user's comments and formatting stay. Pure.

The rules are simple: a table is found by its `[header]`, a key by a line of its own, and a missing table is appended.
The result is parsed and compared with what was meant: a file in another form is refused, never changed wrongly.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import tomli

from arb.errors import ConfigError

_BARE = re.compile(r"[A-Za-z0-9_-]+\Z")


def with_keys(
    text: str, table: Sequence[str], values: Mapping[str, str], file: str, comments: Sequence[str] = ()
) -> str:
    """The text of a TOML file with these keys in a table; keys that it has already are replaced.

    values: TOML values by key. comments: lines above the keys of a table that did not exist. A line `# key = ...` of a
    key that is set gives way to it. file: the name used in errors. Raises ConfigError, with the lines to write, if the
    file is in a form that these rules do not cover.
    """
    line_end = "\r\n" if "\r\n" in text else "\n"
    lines = text.split(line_end)
    name = ".".join(map(_written, table))
    start = _header_line(lines, table)
    if start is None:
        while lines and not lines[-1].strip():
            lines.pop()
        lines += [""] if lines else []
        lines += [f"[{name}]", *(f"# {comment}" for comment in comments)]
        lines += [*(f"{_written(key)} = {value}" for key, value in values.items()), ""]
    else:
        for key, value in reversed(list(values.items())):
            _set_key(lines, start, key, value)
    changed = line_end.join(lines)
    if not _is_tree(changed, _meant(text, table, values)):
        wanted = ", ".join(f"{key} = {value}" for key, value in values.items())
        raise ConfigError(
            f"{file}: [{name}] is not a table of its own with a key a line: write {wanted} there"
        )
    return changed


def _header_line(lines: Sequence[str], table: Sequence[str]) -> int | None:
    names = [rf"""(?:{re.escape(name)}|"{re.escape(name)}"|'{re.escape(name)}')""" for name in table]
    header = re.compile(r"\s*\[\s*" + r"\s*\.\s*".join(names) + r"\s*\]\s*(#.*)?$")
    return next((no for no, line in enumerate(lines) if header.match(line)), None)


def _set_key(lines: list[str], start: int, key: str, value: str) -> None:
    """Sets a key of the table whose header is line `start`."""
    end = next((no for no in range(start + 1, len(lines)) if re.match(r"\s*\[", lines[no])), len(lines))
    for before in (r"\s*", r"\s*#\s*"):
        line = re.compile(rf"{before}{re.escape(_written(key))}\s*=")
        for no in range(start + 1, end):
            if line.match(lines[no]):
                comment = re.search(r"\s+#[^\"']*$", lines[no].lstrip(" \t#"))
                lines[no] = f"{_written(key)} = {value}{comment[0] if comment else ''}"
                return
    lines.insert(start + 1, f"{_written(key)} = {value}")


def _written(name: str) -> str:
    """A key, or a part of a table's name, in TOML."""
    return name if _BARE.match(name) else json.dumps(name)


def _meant(text: str, table: Sequence[str], values: Mapping[str, str]) -> dict[str, Any] | None:
    """The tree of the file with the values in it; None if a part of the table's name is that of a value."""
    tree = inner = tomli.loads(text)
    for name in table:
        inner = inner.setdefault(name, {})
        if not isinstance(inner, dict):
            return None
    inner.update({key: tomli.loads(f"value = {value}")["value"] for key, value in values.items()})
    return tree


def _is_tree(text: str, tree: dict[str, Any] | None) -> bool:
    try:
        return tree is not None and tomli.loads(text) == tree
    except ValueError:
        return False
