"""`arb sweep best`: the best set of a sweep as TOML that `arb backtest` accepts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from arb.config.model import MAIN_SECTIONS
from arb.config.strict import toml_of
from arb.errors import InputError
from arb.sweep.columns import read_columns
from arb.sweep.judgement import best_first, is_high_good
from arb.sweep.ranking import DEFAULT, Bounds, ranked
from arb.sweep.sets import settings_of
from arb.sweep.table import SetResult, SweepHead, read_head


def best_toml(folder: Path, by: str | None, least: Sequence[str], most: Sequence[str]) -> Iterator[str]:
    """The lines of the best set's TOML. least, most: `FIGURE=NUMBER`. Raises InputError if no set is within them."""
    head = read_head(folder)
    by = by or DEFAULT
    within_bounds = Bounds(_bounds("--min", least), _bounds("--max", most))
    found = ranked(folder, by, 1, within_bounds, is_high=is_high_good(by))
    best = _best_mean(folder, by, within_bounds) if len(head.periods) > 1 else found.best
    if not best:
        bounds = " and ".join([*(f"--min {one}" for one in least), *(f"--max {one}" for one in most)])
        within = f" within {bounds}" if bounds else ""
        raise InputError(f"{folder}: none of its {found.results:,} results has a {by}{within}")
    yield from _lines(folder, head, best[0], by)


def _best_mean(folder: Path, by: str, bounds: Bounds) -> list[SetResult]:
    """Of a sweep with `--walk`: the set with the best mean over the test periods, if one is within the bounds."""
    columns = read_columns(folder, [by, *bounds.least, *bounds.most])
    for place in best_first(columns.figure(by), is_high=is_high_good(by)):
        figures: dict[str, bool | int | float | None] = {
            name: float(columns.figure(name)[place]) for name in columns.figures
        }
        values = {name: column[place] for name, column in columns.values.items()}
        one = SetResult(columns.set_nos[place], 0, values, columns.outcomes[place], figures=figures)
        if bounds.has(one):
            return [one]
    return []


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
