"""`arb sweep best`: the best set of a sweep as TOML that `arb backtest` accepts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from arb.config import load
from arb.config.model import MAIN_SECTIONS
from arb.config.strict import toml_of
from arb.errors import InputError, InvariantError
from arb.files import write_atomically
from arb.sweep.columns import read_columns
from arb.sweep.judgement import best_first, is_high_good
from arb.sweep.ranking import DEFAULT, Bounds, ranked
from arb.sweep.sets import settings_of
from arb.sweep.table import SetResult, SweepHead, read_head


def best_toml(folder: Path, by: str | None, least: Sequence[str], most: Sequence[str]) -> Iterator[str]:
    """The lines of the best set's TOML. least, most: `FIGURE=NUMBER`. Raises InputError if no set is within them."""
    head, best, by = _best_of(folder, by, least, most)
    yield from _lines(folder, head, best, by)


def write_best(folder: Path, by: str | None, least: Sequence[str], most: Sequence[str], out: Path) -> Path:
    """Writes the best set's whole configuration, venues' files included, to the folder `out`; its main file.

    `arb backtest --config` with it has the set's result. Raises InputError for a folder that exists, and as
    `best_toml`.
    """
    head, best, by = _best_of(folder, by, least, most)
    tree = _tree_of(head, best)
    venues = tree.pop("venues")
    for table in (tree["capital"], tree["account"], tree["data"]["grid"]):
        for name in set(table) - set(venues):  # venues without a leg, whose files a sweep does not have
            del table[name]
    if out.exists():
        raise InputError(f"{out}: exists already: name another folder")
    comment = [f"# Set {best.set_no} of {folder}: {by} = {best.figures[by]!r}."]
    try:
        out.mkdir(parents=True)
        for name, part in {"arbitrage": tree, **venues}.items():
            lines = [*comment, *_table((), part), ""]
            write_atomically(out / f"{name}.toml", "\n".join(lines).encode())
    except OSError as error:
        raise InputError(f"{out}: cannot be written: {error.strerror}") from None
    path = out / "arbitrage.toml"
    if load(path).as_dict() != {**tree, "venues": venues}:
        raise InvariantError(f"{path}: is not the configuration of set {best.set_no}")
    return path


def _best_of(
    folder: Path, by: str | None, least: Sequence[str], most: Sequence[str]
) -> tuple[SweepHead, SetResult, str]:
    head = read_head(folder)
    by = by or head.by or DEFAULT
    within_bounds = Bounds(_bounds("--min", least), _bounds("--max", most))
    found = ranked(folder, by, 1, within_bounds, is_high=is_high_good(by))
    best = _best_mean(folder, by, within_bounds) if len(head.periods) > 1 else found.best
    if not best:
        bounds = " and ".join([*(f"--min {one}" for one in least), *(f"--max {one}" for one in most)])
        within = f" within {bounds}" if bounds else ""
        raise InputError(f"{folder}: none of its {found.results:,} results has a {by}{within}")
    return head, best[0], by


def _tree_of(head: SweepHead, result: SetResult) -> dict[str, Any]:
    """The configuration of a set, as in a manifest."""
    tree: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(head.config))
    for name, value in result.values.items():
        *path, key = name.split(".")
        table = tree if path[0] in MAIN_SECTIONS else tree["venues"]
        for part in path:
            table = table.setdefault(part, {})
        table[key] = value
    return tree


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
    yield "# As --config this file needs the venues' files beside it; --out FOLDER writes all of them."
    tree = _tree_of(head, result)
    for name, value in result.values.items():
        venue, _, key = name.partition(".")
        if venue not in MAIN_SECTIONS:
            yield f"# In the file of {venue}: {key} = {toml_of(value)}"
    del tree["venues"]
    yield from _table((), tree)


def _table(path: tuple[str, ...], values: Mapping[str, Any]) -> Iterator[str]:
    """The lines of a table and of those within; without keys that have no value."""
    plain = {
        key: value for key, value in values.items() if not isinstance(value, Mapping) and value is not None
    }
    has_tables = any(isinstance(value, Mapping) for value in values.values())
    if plain or (values and not has_tables):
        yield from ("", f"[{'.'.join(map(_key, path))}]") if path else ()
        yield from (f"{_key(key)} = {toml_of(value)}" for key, value in plain.items())
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _table((*path, key), value)


def _key(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() and name.isascii() else toml_of(name)


def _quoted(setting: str) -> str:
    return f"'{setting}'" if set(setting) & set("\"' []") else setting
