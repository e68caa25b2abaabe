"""`arb sweep best`: the best set of a sweep as TOML that `arb backtest` accepts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from arb.config.model import MAIN_SECTIONS
from arb.config.strict import toml_of
from arb.errors import InputError
from arb.sweep.judgement import is_high_good
from arb.sweep.ranking import DEFAULT, Bounds, ranked
from arb.sweep.sets import settings_of
from arb.sweep.table import SetResult, SweepHead, read_head


def best_toml(folder: Path, by: str | None, least: Sequence[str], most: Sequence[str]) -> Iterator[str]:
    """The lines of the best set's TOML. least, most: `FIGURE=NUMBER`. Raises InputError if no set is within them."""
    head = read_head(folder)
    by = by or DEFAULT
    found = ranked(
        folder, by, 1, Bounds(_bounds("--min", least), _bounds("--max", most)), is_high=is_high_good(by)
    )
    if not found.best:
        bounds = " and ".join([*(f"--min {one}" for one in least), *(f"--max {one}" for one in most)])
        within = f" within {bounds}" if bounds else ""
        raise InputError(f"{folder}: none of its {found.results:,} results has a {by}{within}")
    yield from _lines(folder, head, found.best[0], by)


def _bounds(option: str, texts: Sequence[str]) -> Mapping[str, float]:
    found = {}
    for text in texts:
        name, _, number = text.partition("=")
        try:
            found[name.strip()] = float(number)
        except ValueError:
            raise InputError(
                f"{option} {text}: must be FIGURE=NUMBER, such as round_trips.closed=50"
            ) from None
    return found


def _lines(folder: Path, head: SweepHead, result: SetResult, by: str) -> Iterator[str]:
    yield f"# Set {result.set_no} of {folder}: {by} = {result.figures[by]!r}."
    yield "# Of the sweep's own configuration, arb backtest has this result with:"
    yield f"#   {' '.join(f'--set {_quoted(one)}' for one in settings_of(result.values))}"
    yield "# As --config this file needs the venues' files beside it."
    tree: dict[str, Any] = {name: part for name, part in head.config.items() if name in MAIN_SECTIONS}
    for name, value in result.values.items():
        *path, key = name.split(".")
        if path[0] not in MAIN_SECTIONS:
            yield f"# In the file of {path[0]}: {'.'.join([*path[1:], key])} = {toml_of(value)}"
            continue
        table = tree
        for part in path:
            table = table.setdefault(part, {})
        table[key] = value
    for section, values in tree.items():
        yield from _table((section,), values)


def _table(path: tuple[str, ...], values: Mapping[str, Any]) -> Iterator[str]:
    """The lines of a table and of those within; without keys that have no value."""
    plain = {
        key: value for key, value in values.items() if not isinstance(value, Mapping) and value is not None
    }
    if plain:
        yield ""
        yield f"[{'.'.join(path)}]"
        yield from (f"{key} = {toml_of(value)}" for key, value in plain.items())
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _table((*path, key), value)


def _quoted(setting: str) -> str:
    return f"'{setting}'" if set(setting) & set("\"' []") else setting
