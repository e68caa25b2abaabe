"""The results of a sweep: what they have in common, and one row for each set of parameters and period.

`sweep.json` is a `SweepHead`; `results.jsonl` has a `SetResult` a line, in the order in which the sweep runs them:
set by set and, of one set, period by period. The other files of the folder are derived from these two.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from arb.errors import InputError

#: Names in the folder of a sweep.
HEAD, RESULTS = "sweep.json", "results.jsonl"
#: Version of both files; a reader refuses any other.
FORMAT = 1

#: Outcomes of a set: as in a manifest, and without the ones that end the whole sweep.
ENDED, HALTED, FAILED = "ended", "halted", "failed"
#: Roles of a period: of a sweep without `--walk`; on which a set is chosen; on which the choice is judged.
ALL, TRAIN, TEST = "all", "train", "test"

#: A value of a key, as in the configuration.
Value = bool | int | float | str | list[Any]


class Key(msgspec.Struct, frozen=True):
    """A varied key. values: those of a grid, in order; empty if they are drawn from `low` to `high`."""

    name: str
    values: list[Value] = []
    low: int | float | None = None
    high: int | float | None = None


class Period(msgspec.Struct, frozen=True):
    """A part of the data that every set runs over on its own, from flat.

    start, end: as options of `arb backtest`; end is None for the last day that all legs have. step: the number of the
    walk-forward step, whose train and test periods share it; 0 without `--walk`. returns_from_ns, returns_interval_ns:
    the grid of `SetResult.profits`, whose first interval begins at the former (UTC, ns), of `returns_count` intervals.
    """

    start: str
    end: str | None = None
    role: str = ALL
    step: int = 0
    returns_from_ns: int = 0
    returns_interval_ns: int = 0
    returns_count: int = 0


class SweepHead(msgspec.Struct, frozen=True):
    """What all results of a sweep have in common.

    config: the configuration without the varied keys, as in a manifest. code: SHA-256 of what determines a result
    beside it: the sources of arb, the strategy and the data. sets: their number, before any of them failed. source:
    how the values were chosen: grid, random, sobol, points or optuna. seed: of random choices. by: the figure that a
    search improves.
    """

    format: int
    command: str
    created: str
    arb: str
    code: str
    strategy: str
    legs: list[str]
    config: dict[str, Any]
    keys: list[Key]
    periods: list[Period]
    sets: int
    source: str = "grid"
    seed: int = 0
    by: str = ""
    notes: list[str] = []


class SetResult(msgspec.Struct, frozen=True):
    """One set of parameters over one period.

    set_no, period_no: places in the sweep's order and in `SweepHead.periods`. values: by key, as in
    `--set`. figures: the numbers of `summary.json` by their path (`round_trips.closed`, `legs.0.fills`); None where a
    figure is unknown. profits: change of the equity in quote, fees included, in each interval of the period's grid;
    None where the equity is unknown. fills, decisions: their number; the digests are SHA-256 of their rows (dtypes
    FILL, by venue time, and DECISION). A failed set has neither figures nor profits.
    """

    set_no: int
    period_no: int
    values: dict[str, Value]
    outcome: str
    error: str | None = None
    figures: dict[str, bool | int | float | None] = {}
    profits: list[float | None] = []
    fills: int = 0
    fills_sha256: str = ""
    decisions: int = 0
    decisions_sha256: str = ""


def numbers_of(summary: Mapping[str, Any]) -> dict[str, bool | int | float | None]:
    """The numbers of a summary by their path; texts, lists of texts and lists of outages are left out."""
    found: dict[str, bool | int | float | None] = {}
    _add("", summary, found)
    return found


def _add(path: str, value: Any, found: dict[str, Any]) -> None:
    # Numbers first: they are the most, and the question for a mapping takes longest.
    if value is None or isinstance(value, bool | int | float):
        found[path] = value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            _add(f"{path}.{name}" if path else name, inner, found)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        if path.rpartition(".")[2] != "outages":
            for number, inner in enumerate(value):
                _add(f"{path}.{number}", inner, found)


def read_head(folder: Path) -> SweepHead:
    """`sweep.json` of a sweep's folder. Raises InputError."""
    path = folder / HEAD
    try:
        head = msgspec.json.decode(path.read_bytes(), type=SweepHead)
    except FileNotFoundError:
        raise InputError(f"{folder}: no {HEAD} in it: name the folder of a sweep") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    if head.format != FORMAT:
        raise InputError(f"{path}: is of format {head.format}, this arb reads {FORMAT}")
    return head


def read_results(folder: Path) -> Iterator[SetResult]:
    """The results so far, in order, one at a time: a file of many sets is never held in memory. Raises InputError.

    The last line of an interrupted sweep may be incomplete; it is left out.
    """
    path = folder / RESULTS
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    return
                try:
                    yield msgspec.json.decode(line, type=SetResult)
                except (msgspec.MsgspecError, UnicodeError) as error:
                    raise InputError(f"{path}: line {number} cannot be read: {error}") from None
    except FileNotFoundError:
        return
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
