"""Puts received rows into the order of the venue's time, as soon as that order is certain.

Streams of one venue overtake each other: a row may arrive after rows with a later venue time. So a leg's rows are held
until the watermark has passed them: the latest venue time seen, less the allowed disorder, or the current time less the
longest delay, for a market without events. A row that arrives behind the watermark is counted and takes effect right
after it; a replay needs the watermark of such rows (`late_below`).
"""

from __future__ import annotations

import numpy as np
from hftbacktest.types import EXCH_EVENT, event_dtype

from connectors.book.rows import LOCAL_ONLY
from connectors.jit.compilation import compiled
from connectors.model import Rows

_EXCH_FLAG = np.uint64(EXCH_EVENT)
_NO_ROWS: Rows = np.zeros(0, event_dtype)


class VenueOrder:
    """One leg's rows on their way to the venue's side. One thread; time is an argument.

    disorder_ns: how far a row's venue time may be before that of an earlier row. silence_ns: the longest delay of a
    row; the watermark follows the clock at this distance while nothing arrives.
    """

    def __init__(self, disorder_ns: int, silence_ns: int) -> None:
        if disorder_ns < 0 or silence_ns < 0:
            raise ValueError(f"no negative times, not {disorder_ns} and {silence_ns}")
        self._disorder_ns = disorder_ns
        self._silence_ns = silence_ns
        self._waiting: Rows = np.zeros(1024, event_dtype)
        self._count = 0
        self._latest = np.iinfo(np.int64).min
        self.watermark = -1
        #: Rows that arrived behind the watermark.
        self.late = 0
        #: The watermark that some rows of the last call were behind; None if none were.
        self.late_below: int | None = None

    @property
    def waiting(self) -> int:
        """Number of rows held until the watermark passes them."""
        return self._count

    def receive(self, rows: Rows) -> None:
        """Adds rows in the order of receipt."""
        needed = self._count + len(rows)
        if needed > len(self._waiting):
            grown = np.zeros(max(2 * len(self._waiting), needed), event_dtype)
            grown[: self._count] = self._waiting[: self._count]
            self._waiting = grown
        late, latest, self._count = _insert(rows, self._waiting, self._count, self.watermark)
        self.late += late
        self.late_below = self.watermark if late else None
        self._latest = max(self._latest, latest)

    def release(self, now_ns: int) -> Rows:
        """Advances the watermark; returns the rows up to it, by venue time."""
        self.watermark = max(self.watermark, self._latest - self._disorder_ns, now_ns - self._silence_ns)
        if not self._count or self._waiting[0]["exch_ts"] > self.watermark:
            return _NO_ROWS
        released: Rows = _release(self._waiting, self._count, self.watermark)
        self._count -= len(released)
        return released


@compiled
def _insert(rows, waiting, count, watermark):
    """Inserts rows into `waiting`, after those of the same venue time. Returns (late rows, latest time, count).

    Rows with LOCAL_ONLY are for the strategy only and are left out.
    """
    late = 0
    latest = np.iinfo(np.int64).min
    for index in range(len(rows)):
        if rows[index].ival == LOCAL_ONLY:
            continue
        exch_ts = rows[index].exch_ts
        if exch_ts <= watermark:
            # An order may already have been processed at the watermark itself.
            exch_ts = watermark + 1
            late += 1
        latest = max(latest, exch_ts)
        place = count
        count += 1
        while place > 0 and waiting[place - 1].exch_ts > exch_ts:
            waiting[place] = waiting[place - 1]
            place -= 1
        waiting[place] = rows[index]
        waiting[place].ev |= _EXCH_FLAG
        waiting[place].exch_ts = exch_ts
    return late, latest, count


@compiled
def _release(waiting, count, watermark):
    """Removes the rows up to the watermark; returns a copy of them."""
    done = 0
    while done < count and waiting[done].exch_ts <= watermark:
        done += 1
    released = waiting[:done].copy()
    for index in range(count - done):
        waiting[index] = waiting[done + index]
    return released
