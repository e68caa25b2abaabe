"""The files that `arb init DIR` writes, and the keys as rows of the table in docs/configuration.md.

A line `#: SECTION` in a template is replaced by the section's keys.
"""

from __future__ import annotations

import functools
import json
import os
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import tomli
from msgspec import Struct

from arb.config.parameters import params_keys
from arb.config.schema import MainFile
from arb.config.strict import KnownKey, known_keys
from arb.errors import InputError
from arb.files import write_atomically
from arb.strategies.parameters import Parameter

#: The main file, then one file per venue.
TEMPLATE_NAMES = ("arbitrage.toml", "binance.toml", "bybit.toml", "binance_usdm.toml", "bybit_linear.toml")

_MARK = re.compile(r"^#: (\S+)$", re.M)
_WIDTH = 118


@functools.cache
def template_text(name: str) -> str:
    """The text of one template, with all keys."""
    text = resources.files("arb").joinpath("templates", name).read_text(encoding="utf-8")
    return _MARK.sub(lambda mark: shown_keys(MainFile, mark[1]), text)


@functools.cache
def template_tree(name: str) -> dict[str, Any]:
    """The keys of one template with their values. Not to be changed."""
    return tomli.loads(template_text(name))


def template_folder() -> AbstractContextManager[Path]:
    """The folder of the templates as files, with the keys left at their defaults, while the context is open."""
    return resources.as_file(resources.files("arb").joinpath("templates"))


@contextmanager
def main_file(path: Path, *, is_sandbox: bool) -> Iterator[Path]:
    """The main file at `path`; with a sandbox, the template if the file does not exist."""
    if is_sandbox and not path.exists():
        with template_folder() as folder:
            yield folder / TEMPLATE_NAMES[0]
    else:
        yield path


def strategy_text(text: str, spec: str, parameters: Sequence[Parameter]) -> str:
    """The main template for a strategy of one's own: its name, and its parameters in `[strategy.params]`."""
    keys = [f"{line}\n" for key in params_keys(parameters) for line in shown_key(key)]
    text = re.sub(r'^function = ".*"$', lambda _: f"function = {json.dumps(spec)}", text, flags=re.M)
    return text.replace("[strategy.params]\n", "[strategy.params]\n" + "".join(keys))


def template_texts(spec: str = "", parameters: Sequence[Parameter] = ()) -> dict[str, str]:
    """The texts of all templates by file name.

    spec, parameters: of a strategy of one's own that the main file names.
    """
    texts = {name: template_text(name) for name in TEMPLATE_NAMES}
    if spec:
        texts[TEMPLATE_NAMES[0]] = strategy_text(texts[TEMPLATE_NAMES[0]], spec, parameters)
    return texts


def refuse_present(directory: str | os.PathLike[str]) -> None:
    """Raises InputError if `directory` has one of the files already."""
    targets = (Path(directory) / name for name in TEMPLATE_NAMES)
    present = [str(target) for target in targets if os.path.lexists(target)]
    if present:
        raise InputError(
            f"{', '.join(present)} exists already; arb init does not overwrite, name another folder"
        )


def write_templates(
    directory: str | os.PathLike[str], texts: Mapping[str, str] | None = None
) -> tuple[Path, ...]:
    """Writes the files of `arb init` into `directory`, which is created if needed, and returns the paths.

    texts: by file name; None for the templates. All or nothing: raises InputError, and leaves no file behind, if one of
    the files exists or cannot be written. Never replaces an existing file, not even one that is created meanwhile.
    """
    refuse_present(directory)
    folder = Path(directory)
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in (template_texts() if texts is None else texts).items():
            write_atomically(folder / name, text.encode(), is_new=True)
            written.append(folder / name)
    except OSError as error:
        for target in written:
            target.unlink(missing_ok=True)
        reason = error.strerror or type(error).__name__
        raise InputError(f"{folder}: cannot write the configuration here: {reason}") from error
    return tuple(written)


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
