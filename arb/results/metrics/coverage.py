"""For how long each leg had no book: exactly, by its recordings, and by what the run recorded.

By the recordings a book is known from a snapshot to the next break of its chain of ids; each such moment has its row,
so the strategy sees NaN in between, to the nanosecond. By the records a state counts from its record to the next, so a
gap shorter than the time between records may not be seen; but they tell what the other leg had meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from arb.data.outages import FIRST_KEPT, BookSpells
from arb.results.metrics.run import NS_PER_S


class Coverage(NamedTuple):
    """Of one leg."""

    #: Without a mid price.
    unquoted_s: float
    #: Without one while the other leg had one.
    one_sided_s: float
    #: Records at which the mid was not known.
    unquoted_records: int


def coverage_of(timestamps: Any, is_known: Any) -> list[Coverage]:
    """A Coverage for each leg; is_known: (row, leg)."""
    spans = np.diff(timestamps)
    stood = is_known[:-1]
    found = []
    for leg_no in range(is_known.shape[1]):
        missing = ~stood[:, leg_no]
        # The legs of a pair stand side by side.
        other = stood[:, leg_no ^ 1]
        found.append(
            Coverage(
                unquoted_s=float(spans[missing].sum()) / NS_PER_S,
                one_sided_s=float(spans[missing & other].sum()) / NS_PER_S,
                unquoted_records=int((~is_known[:, leg_no]).sum()),
            )
        )
    return found


class BookGaps(NamedTuple):
    """When a leg had no book in a run of several days, by its recordings. Times in ns, on the run's clock."""

    #: From the run's first frame to the leg's first book.
    before_ns: int = 0
    #: How often the book was lost after that, for how long in sum, and the longest spell, (from, to).
    spells: int = 0
    spells_ns: int = 0
    longest: tuple[int, int] = (0, 0)
    #: The first FIRST_KEPT spells.
    first: tuple[tuple[int, int], ...] = ()


def book_gaps(legs: Sequence[Sequence[BookSpells]]) -> list[BookGaps]:
    """For each leg the gaps of its days together, over the span of the run: that of the frames of all legs.

    A spell that a day ends with goes on to the next day's book, or to the end of the run. A day that carries nothing on
    begins without a book.
    """
    days = [day for leg in legs for day in leg if day.first_ts]
    start = min((day.first_ts for day in days), default=0)
    end = max((day.last_ts for day in days), default=0)
    return [_gaps_of_leg([day for day in leg if day.first_ts], start, end) for leg in legs]


def _gaps_of_leg(days: Sequence[BookSpells], start: int, end: int) -> BookGaps:
    known = next((day.known_ts for day in days if day.known_ts), end)
    found = BookGaps(before_ns=max(known - start, 0))
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


def _with(found: BookGaps, start: int, end: int) -> BookGaps:
    """One spell more."""
    end = max(start, end)
    return BookGaps(
        found.before_ns,
        found.spells + 1,
        found.spells_ns + end - start,
        _longer(found.longest, (start, end)),
        (*found.first, (start, end))[:FIRST_KEPT],
    )


def _with_day(found: BookGaps, day: BookSpells) -> BookGaps:
    """The spells that begin and end on this day; the one that it ends with is counted when it has ended."""
    open_spell = (day.lost_ts, day.last_ts)
    is_open = day.lost_ts > 0
    # The longest of the day may be the open one: then it is the longest still when it has gone on.
    longest = found.longest if is_open and day.longest == open_spell else _longer(found.longest, day.longest)
    closed = day.first[:-1] if is_open and day.first[-1:] == (open_spell,) else day.first
    return BookGaps(
        found.before_ns,
        found.spells + day.spells - is_open,
        found.spells_ns + day.spells_ns - is_open * max(day.last_ts - day.lost_ts, 0),
        longest,
        (*found.first, *closed)[:FIRST_KEPT],
    )


def _longer(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    return other if other[1] - other[0] > one[1] - one[0] else one
