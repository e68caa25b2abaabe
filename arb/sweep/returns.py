"""The profit of a set by interval of time: what comparisons of many sets need, on one grid for all of them. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from arb.results.metrics.equity import Equity
from connectors.units import SECOND

#: Lengths of an interval, in s.
_LENGTHS_S = (1, 5, 10, 30, 60, 300, 900, 3_600, 14_400, 86_400)
#: A span has at least as many intervals, if it is long enough.
_COUNT_MIN = 60


class Grid(NamedTuple):
    """Equal intervals; the first begins at `from_ns`, a multiple of their length in UTC."""

    from_ns: int
    interval_ns: int
    intervals: int


def grid_of(first_ns: int, last_ns: int) -> Grid:
    """The intervals that cover a span of time: the longest of which it has enough."""
    span = max(last_ns - first_ns, 1)
    fitting = [one for one in _LENGTHS_S if span // (one * SECOND) >= _COUNT_MIN]
    length = (fitting[-1] if fitting else _LENGTHS_S[0]) * SECOND
    begin = first_ns // length * length
    return Grid(begin, length, -(-(last_ns - begin) // length) or 1)


def profits_of(equity: Equity, grid: Grid) -> list[float | None]:
    """The change of the profit in each interval; its sum is the profit. None where it is unknown.

    The profit at an interval's end is that of the last record up to then, 0 before the first; records after the grid's
    end count in its last interval.
    """
    is_known = ~np.isnan(equity.profits)
    profits, times = equity.profits[is_known], equity.timestamps[is_known]
    ends = grid.from_ns + grid.interval_ns * np.arange(1, grid.intervals + 1, dtype=np.int64)
    places: Any = np.searchsorted(times, ends, side="right")
    places[-1] = len(times)
    at_ends = np.concatenate(([0.0], profits))[places]
    changes = np.diff(np.concatenate(([0.0], at_ends)))
    if not is_known[-1:].all():
        return [None] * grid.intervals
    return [float(one) for one in changes]
