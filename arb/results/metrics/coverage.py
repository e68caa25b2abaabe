"""How long each leg had no book: exact, from its recordings; and sampled, from the run's records.

In the recordings a book is known from a snapshot to the next break of its chain of ids; each change has its row, so
the strategy sees NaN in between, to the nanosecond. In the records a state lasts from its record to the next, so an
outage shorter than the time between records may be missed; but they show the other leg's state at the same time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from arb.data.outages import FIRST_KEPT, BookOutages
from connectors.units import SECOND


class Coverage(NamedTuple):
    """Sampled time without a mid price, of one leg."""

    no_mid_s: float
    #: While the other leg of its pair had one; NaN without a pair.
    no_mid_other_known_s: float
    #: Records at which the mid was unknown.
    no_mid_records: int


def coverage_of(timestamps: Any, is_known: Any, pairs: Sequence[tuple[int, int]]) -> list[Coverage]:
    """A Coverage for each leg; is_known: (row, leg)."""
    others = {leg: other for pair in pairs for leg, other in (pair, pair[::-1])}
    spans = np.diff(timestamps)
    was_known = is_known[:-1]
    found = []
    for leg_no in range(is_known.shape[1]):
        missing = ~was_known[:, leg_no]
        other = others.get(leg_no)
        found.append(
            Coverage(
                no_mid_s=float(spans[missing].sum()) / SECOND,
                no_mid_other_known_s=(
                    math.nan if other is None else float(spans[missing & was_known[:, other]].sum()) / SECOND
                ),
                no_mid_records=int((~is_known[:, leg_no]).sum()),
            )
        )
    return found


class LegOutages(NamedTuple):
    """Outages of a leg's book in a run of several days, from its recordings. Times in ns, on the run's clock."""

    #: From the run's first frame to the leg's first book.
    before_ns: int = 0
    #: Outages after that: their number, total time, and the longest one, (from, to).
    outages: int = 0
    total_ns: int = 0
    longest: tuple[int, int] = (0, 0)
    #: The first FIRST_KEPT outages.
    first: tuple[tuple[int, int], ...] = ()


def leg_outages(legs: Sequence[Sequence[BookOutages]]) -> list[LegOutages]:
    """Merges the outages of each leg's days over the span of the run, from the first to the last frame of all legs.

    An outage at the end of a day lasts to the next day's book, or to the end of the run. A day that does not continue
    the day before begins without a book.
    """
    days = [day for leg in legs for day in leg if day.first_ts]
    start = min((day.first_ts for day in days), default=0)
    end = max((day.last_ts for day in days), default=0)
    return [_outages_of_leg([day for day in leg if day.first_ts], start, end) for leg in legs]


def _outages_of_leg(days: Sequence[BookOutages], start: int, end: int) -> LegOutages:
    known = next((day.known_ts for day in days if day.known_ts), end)
    found = LegOutages(before_ns=max(known - start, 0))
    lost_ts = 0
    has_book = False
    for day in days:
        if has_book and not lost_ts and not day.is_carried:
            lost_ts = day.first_ts
        if not day.known_ts:
            continue
        if lost_ts:
            found = _with(found, lost_ts, day.known_ts)
        has_book = True
        lost_ts = day.lost_ts
        found = _with_day(found, day)
    return _with(found, lost_ts, end) if lost_ts else found


def _with(found: LegOutages, start: int, end: int) -> LegOutages:
    """Adds an outage."""
    end = max(start, end)
    return LegOutages(
        found.before_ns,
        found.outages + 1,
        found.total_ns + end - start,
        _longer(found.longest, (start, end)),
        (*found.first, (start, end))[:FIRST_KEPT],
    )


def _with_day(found: LegOutages, day: BookOutages) -> LegOutages:
    """Adds the outages that end on this day; one that is open at its end is counted when it ends."""
    open_outage = (day.lost_ts, day.last_ts)
    is_open = day.lost_ts > 0
    # The day's longest outage may be the open one: it will still be the longest when it ends.
    longest = found.longest if is_open and day.longest == open_outage else _longer(found.longest, day.longest)
    closed = day.first[:-1] if is_open and day.first[-1:] == (open_outage,) else day.first
    return LegOutages(
        found.before_ns,
        found.outages + day.outages - is_open,
        found.total_ns + day.outages_ns - is_open * max(day.last_ts - day.lost_ts, 0),
        longest,
        (*found.first, *closed)[:FIRST_KEPT],
    )


def _longer(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    return other if other[1] - other[0] > one[1] - one[0] else one
