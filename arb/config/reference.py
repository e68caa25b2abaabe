"""Keys as a commented file and as rows of a table: what `arb init` writes and docs/configuration.md lists. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from msgspec import Struct

from arb.config.strict import KnownKey, known_keys

_WIDTH = 118


def shown_keys(kind: type[Struct], section: str) -> str:
    """The keys of a section, each below its description; a key without a default as a comment."""
    keys = (key for key in known_keys(kind) if ".".join(key.path[:-1]) == section)
    return "\n".join(line for key in keys for line in shown_key(key))


def shown_key(key: KnownKey) -> Iterator[str]:
    """The lines of a key: its description, if it has one, and its default."""
    allowed = f"{key.unit}: {key.allowed}" if key.unit else key.allowed[:1].upper() + key.allowed[1:]
    comment = f"{key.text} {allowed}.".removeprefix(" ") if allowed else key.text
    yield from textwrap.wrap(
        comment, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False
    )
    if key.default == "absent":
        yield f"# {key.path[-1]} = {key.example}"
    else:
        yield f"{key.path[-1]} = {key.default}"


def table_rows(kind: type[Struct]) -> list[str]:
    """Rows of the table in docs/configuration.md."""
    rows = []
    for key in known_keys(kind):
        default = key.default if key.default in {"required", "absent"} else f"`{key.default}`"
        rows.append(
            f"| `{'.'.join(key.path)}` | {key.unit or '-'} | {key.allowed} | {default} | {key.text} |"
        )
    return rows
