"""Which funding times of a perpetual pass in a span of venue time, and how many of them its data do not have.

Data with funding rates name the next funding time, so they are known to have every funding time from a row's time up
to that one. Between such spans funding times are assumed: at the shortest interval that the data show, or without one
every 8 h from 00:00 UTC. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from connectors.model import Rows
from connectors.units import MINUTE

_HOUR = 60 * MINUTE
#: The interval of most perpetuals.
ASSUMED_INTERVAL_NS = 8 * _HOUR
#: No venue's interval is shorter: data that resume sooner after a funding time have missed none.
_INTERVAL_NS_MIN = _HOUR


class FundingSpan(NamedTuple):
    """A span of venue time, ns UTC, whose only funding time is its end: `begin_ts` < `funding_ts`."""

    begin_ts: int
    funding_ts: int


class FundingCount(NamedTuple):
    """The funding times within a span: all that pass, and those without data. is_assumed: some are at an assumed
    interval of 8 h."""

    passed: int = 0
    missing: int = 0
    is_assumed: bool = False


class FundingSpans:
    """Collects the spans that rows with funding data cover. One thread."""

    def __init__(self) -> None:
        #: When each funding time was first named, by funding time.
        self._first: dict[int, int] = {}

    def follow(self, rows: Rows) -> None:
        """Adds FUNDING_EVENT rows, in the order of receipt."""
        names_one = rows[rows["ival"] > rows["exch_ts"]]
        funding_ts, firsts = np.unique(names_one["ival"], return_index=True)
        for ts, begin_ts in zip(funding_ts.tolist(), names_one["exch_ts"][firsts].tolist(), strict=True):
            self._first[ts] = min(begin_ts, self._first.get(ts, begin_ts))

    @property
    def spans(self) -> tuple[FundingSpan, ...]:
        """The spans by time."""
        return tuple(FundingSpan(begin_ts, ts) for ts, begin_ts in sorted(self._first.items()))


def count_funding(spans: Iterable[FundingSpan], start_ts: int, end_ts: int) -> FundingCount:
    """Counts the funding times after `start_ts` up to `end_ts`. spans: what the data of that time cover, in any order;
    none if they have no funding rate."""
    covered = sorted(spans, key=lambda span: (span.funding_ts, span.begin_ts))
    shown = _interval_of(covered)
    interval = shown or ASSUMED_INTERVAL_NS
    anchor = covered[0].funding_ts if covered else 0
    known = missing = 0
    known_to = start_ts
    for begin_ts, funding_ts in covered:
        missing += _times_between(anchor, interval, known_to, min(begin_ts, end_ts))
        if known_to < funding_ts <= end_ts:
            known += 1
        known_to = max(known_to, funding_ts)
        anchor = funding_ts
    missing += _times_between(anchor, interval, known_to, end_ts)
    return FundingCount(known + missing, missing, is_assumed=missing > 0 and not shown)


def _interval_of(covered: Sequence[FundingSpan]) -> int:
    """The shortest time between two neighbours that the data cover without a hole; 0 if there are none."""
    intervals = [
        after.funding_ts - before.funding_ts
        for before, after in pairwise(covered)
        if after.begin_ts - before.funding_ts < _INTERVAL_NS_MIN and after.funding_ts > before.funding_ts
    ]
    return min(intervals, default=0)


def _times_between(anchor: int, interval: int, after_ts: int, until_ts: int) -> int:
    """How many times, at this interval before and after `anchor`, are later than `after_ts` and not than `until_ts`."""
    if until_ts <= after_ts:
        return 0
    return (until_ts - anchor) // interval - (after_ts - anchor) // interval
