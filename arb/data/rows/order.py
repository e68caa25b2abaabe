"""Rows in the order of receipt to hftbacktest's order of events, a piece at a time.

hftbacktest reads one sequence that must be sorted by venue time for the exchange and by local time for the
strategy. A row that fits both is written once with both flags; one that a later row overtook is written twice, once
for each side. The result equals hftbacktest's `correct_event_order` over the whole sequence, however it is cut.

Nothing is sorted but what came late. Local times never fall, so a row whose venue time is not below that of any row
before it keeps its place for both sides; any other, a late one, keeps it for the strategy alone, and its other half
goes in front of the first row with a later venue time. Rows marked LOCAL_ONLY are for the strategy alone.
"""

from __future__ import annotations

import numpy as np
from hftbacktest.types import EXCH_EVENT, LOCAL_EVENT, event_dtype
from numpy.typing import NDArray

from connectors.book.rows import LOCAL_ONLY
from connectors.jit.compilation import compiled
from connectors.model import Rows

#: A frontier behind which no row can come any more: the sequence has ended.
END_OF_ROWS = np.iinfo(np.int64).max

#: The latest venue time of all rows so far.
_NEWEST = 0
_OLDEST_TIME = np.iinfo(np.int64).min
_ROWS_MIN = 1 << 12
_GROWTH = 2


class EventOrder:
    """Merges rows that come in the order of receipt. One thread.

    Either `feed`, piece by piece with what is known of the rows to come, or `add` all and `take` them.
    """

    def __init__(self) -> None:
        #: The rows that were not taken yet, at [_start:_end]. Those from `_ordered` on lack the halves of late rows.
        self._rows: Rows = np.empty(0, event_dtype)
        self._start = self._end = self._ordered = 0
        #: Where the late rows behind `_ordered` are.
        self._late: NDArray[np.int64] = np.empty(0, np.int64)
        self._late_count = 0
        #: How many rows were moved when halves were put in last.
        self._moved = 0
        self._state = np.array([_OLDEST_TIME])

    def feed(self, rows: Rows, frontier: int = END_OF_ROWS) -> Rows:
        """The ordered rows that are certain after `rows`; a view, valid until the next call.

        `frontier`: no row of a later call has an `exch_ts` below it. With END_OF_ROWS everything comes out.
        """
        self.add(rows)
        return self.take(frontier)

    def room(self, count: int, rows_to_come: int = 0) -> Rows:
        """Where up to `count` rows may be written, for `add` to take them as they lie; valid until the next call.

        `rows_to_come`: a guess, for which room is made at once.
        """
        self._make_room(count, rows_to_come)
        return self._rows[self._end : self._end + count]

    def add(self, rows: Rows, rows_to_come: int = 0) -> None:
        """Takes rows; they may be overwritten afterwards, unless they lie in `room`. `rows_to_come` as there."""
        is_there = rows.ctypes.data == self._rows.ctypes.data + self._end * event_dtype.itemsize
        if not is_there:
            self._make_room(len(rows), rows_to_come)
        if len(self._late) < self._late_count + len(rows):
            self._late = np.concatenate((self._late, np.empty(self._late_count + len(rows), np.int64)))
        self._late_count += _append(
            rows, is_there, self._rows, self._end, self._late[self._late_count :], self._state
        )
        self._end += len(rows)
        # Halves are put in where enough came since they were last, so that far moves are rare.
        if self._end - self._ordered >= self._moved:
            self._put_in_late()

    def take(self, frontier: int = END_OF_ROWS) -> Rows:
        """The ordered rows that are certain, see `feed`."""
        self._put_in_late()
        start, stop = self._start, self._end
        if frontier != END_OF_ROWS:
            stop = int(_first_beyond(self._rows, start, stop, frontier))
        self._start = stop
        return self._rows[start:stop]

    def _put_in_late(self) -> None:
        """Writes the late rows a second time, where the exchange sees them."""
        late = self._late[: self._late_count]
        if len(late):
            exch_ts = self._rows["exch_ts"][late]
            if not bool((exch_ts[1:] >= exch_ts[:-1]).all()):
                late = late[np.argsort(exch_ts, kind="stable")]
            self._moved = int(_insert(self._rows, self._start, self._end, self._rows[late]))
            self._end += len(late)
        self._ordered, self._late_count = self._end, 0

    def _make_room(self, more: int, rows_to_come: int) -> None:
        """Lets `more` rows be appended, and the other halves of all late ones; forgets what was taken."""
        kept, wanted = self._end - self._start, self._late_count + 2 * more
        is_full = self._end + wanted > len(self._rows)
        if is_full and self._start < kept + wanted:  # moving what is kept to the front would free too little
            room = max(_GROWTH * (kept + wanted), kept + rows_to_come, _ROWS_MIN)
            self._move(np.empty(room, event_dtype))
        elif is_full or (self._start and kept <= more):
            # Sooner than it must be, where that is little work: memory that was not written yet is not used up.
            self._move(self._rows)

    def _move(self, rows: Rows) -> None:
        """Lets what was not taken begin at the front of `rows`."""
        _move(self._rows, self._start, self._end, rows)
        self._rows = rows
        self._late[: self._late_count] -= self._start
        self._ordered -= self._start
        self._start, self._end = 0, self._end - self._start


@compiled
def _append(rows, is_there, out, end, late, state):  # type: ignore[no-untyped-def]
    """Puts rows behind out[:end], unless they are there, and flags them; notes where the late ones are: how many."""
    newest = state[_NEWEST]
    count = 0
    for r in range(len(rows)):
        if not is_there:
            out[end + r] = rows[r]
        exch_ts = rows[r].exch_ts
        if rows[r].ival == LOCAL_ONLY:
            out[end + r].ev |= np.uint64(LOCAL_EVENT)
            continue
        is_late = exch_ts < newest
        flags = LOCAL_EVENT if is_late else EXCH_EVENT | LOCAL_EVENT
        out[end + r].ev |= np.uint64(flags)
        late[count] = end + r
        count += is_late
        newest = max(newest, exch_ts)
    state[_NEWEST] = newest
    return count


@compiled
def _insert(rows, start, end, late):  # type: ignore[no-untyped-def]
    """Puts late rows, sorted by venue time, into rows[start:end] for the exchange; how many rows were moved for it.

    From the end backwards: whatever the exchange sees is in order there, and the last of it is later than any late row.
    """
    row, out, k = end - 1, end + len(late) - 1, len(late) - 1
    # The last row that the exchange sees; those behind it are for the strategy alone and stay behind it.
    seen = _last_seen(rows, start, row)
    while k >= 0:
        if seen >= start and rows[seen].exch_ts > late[k].exch_ts:
            while row >= seen:
                rows[out] = rows[row]
                row -= 1
                out -= 1
            seen = _last_seen(rows, start, row)
        else:
            rows[out] = late[k]
            rows[out].ev = (late[k].ev & ~np.uint64(LOCAL_EVENT)) | np.uint64(EXCH_EVENT)
            k -= 1
            out -= 1
    return end - 1 - row


@compiled
def _last_seen(rows, start, row):  # type: ignore[no-untyped-def]
    """The last row up to `row` that the exchange sees; less than `start` where there is none."""
    while row >= start and not rows[row].ev & np.uint64(EXCH_EVENT):
        row -= 1
    return row


@compiled
def _first_beyond(rows, start, end, frontier):  # type: ignore[no-untyped-def]
    """The first row that the exchange sees later than `frontier`; `end` where there is none."""
    for row in range(start, end):
        if rows[row].ev & np.uint64(EXCH_EVENT) and rows[row].exch_ts > frontier:
            return row
    return end


@compiled
def _move(rows, start, end, out):  # type: ignore[no-untyped-def]
    """Copies rows[start:end] to the front of `out`, which may be the same array."""
    for row in range(start, end):
        out[row - start] = rows[row]
