"""The results of a sweep's folder by column: values, figures and moments of the sets that ended in every period.

Results are read one at a time; of each set its values and the chosen figures are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from arb.sweep.moments import Gathering, Moments
from arb.sweep.table import ALL, FAILED, TEST, Period, SetResult, SweepHead, Value, read_head, read_results
from arb.sweep.unknown import Unknown

#: Sets whose returns are gathered at once.
_SETS_AT_ONCE = 64


class Columns(NamedTuple):
    """A sweep by column.

    set_nos: of the sets that ended in every period; the columns have one entry for each. values: by key. figures: by
    path, (periods, sets) float64, NaN where unknown. outcomes: (sets,) the first one that is not "ended", else that.
    failed: number of sets that failed in a period; unfinished: of those without a result for every period. moments: of
    the returns in the periods that `judged_periods` lists.
    """

    head: SweepHead
    set_nos: Sequence[int]
    values: Mapping[str, Sequence[Value]]
    figures: Mapping[str, Any]
    outcomes: Sequence[str]
    failed: int
    unfinished: int
    moments: Moments | Unknown

    def figure(self, name: str) -> Any:
        """(sets,) a figure over the whole sweep: with `--walk` its mean over the test periods, else as it is."""
        of_periods = self.figures[name][judged_periods(self.head.periods)]
        if len(of_periods) == 1:
            return of_periods[0]
        # A mean that leaves out periods would compare sets over different times.
        return of_periods.mean(axis=0) if len(of_periods) else np.full(len(self.set_nos), np.nan)


def judged_periods(periods: Sequence[Period]) -> list[int]:
    """The periods by whose results sets are compared: all of a sweep without `--walk`, else those of tests.

    They do not overlap. Periods with another interval of returns than the first are left out.
    """
    roles = {period.role for period in periods}
    role = TEST if TEST in roles else ALL
    places = [n for n, period in enumerate(periods) if period.role == role]
    return [n for n in places if periods[n].returns_interval_ns == periods[places[0]].returns_interval_ns]


def read_columns(folder: Path, figures: Iterable[str]) -> Columns:
    """The columns of a sweep's folder, with these figures. Raises InputError for files that cannot be read."""
    return columns_of(read_head(folder), read_results(folder), figures)


def columns_of(head: SweepHead, results: Iterable[SetResult], figures: Iterable[str]) -> Columns:
    """The columns of results that are ordered by set and, of one set, by period."""
    gathered = _Gathered(head, list(dict.fromkeys(figures)))
    for _, of_set in groupby(results, attrgetter("set_no")):
        gathered.add(list(of_set))
    return gathered.end()


class _Gathered:
    def __init__(self, head: SweepHead, figures: list[str]) -> None:
        self._head, self._names = head, figures
        self._judged = judged_periods(head.periods)
        self._moments = Gathering(sum(head.periods[n].returns_count for n in self._judged))
        self._profits: list[list[float]] = []
        self._set_nos: list[int] = []
        self._outcomes: list[str] = []
        self._values: dict[str, list[Value]] = {key.name: [] for key in head.keys}
        self._figures: list[list[list[float]]] = []
        self._failed = self._unfinished = 0

    def add(self, of_set: list[SetResult]) -> None:
        """The results of the next set."""
        if len(of_set) != len(self._head.periods):
            self._unfinished += 1
            return
        if any(result.outcome == FAILED for result in of_set):
            self._failed += 1
            return
        self._set_nos.append(of_set[0].set_no)
        self._outcomes.append(next((r.outcome for r in of_set if r.outcome != "ended"), "ended"))
        for name, column in self._values.items():
            column.append(of_set[0].values[name])
        self._figures.append([[_number(r.figures.get(name)) for name in self._names] for r in of_set])
        self._profits.append([_number(one) for n in self._judged for one in of_set[n].profits])
        if len(self._profits) == _SETS_AT_ONCE:
            self._gather()

    def end(self) -> Columns:
        self._gather()
        shape = (len(self._set_nos), len(self._head.periods), len(self._names))
        figures = np.array(self._figures, np.float64).reshape(shape)
        return Columns(
            self._head,
            self._set_nos,
            self._values,
            {name: figures[:, :, n].T for n, name in enumerate(self._names)},
            self._outcomes,
            self._failed,
            self._unfinished,
            self._moments.end(),
        )

    def _gather(self) -> None:
        if self._profits:
            self._moments.add(np.array(self._profits).T)
            self._profits = []


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
