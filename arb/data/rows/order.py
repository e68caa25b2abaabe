"""Converts rows from the order of receipt to hftbacktest's order of events, a piece at a time.

hftbacktest reads one sequence that must be sorted by venue time for the exchange and by local time for the
strategy. A row that fits both is written once with both flags; otherwise it is written twice, once for each side. The
result equals hftbacktest's `correct_event_order` over the whole sequence, however it is split.

Only late rows are sorted. Local times never fall, so a row whose venue time is not below that of any row before it
keeps its place for both sides. Any other row is late: it keeps its place for the strategy only, and its exchange half
is inserted before the first row with a later venue time. Rows marked LOCAL_ONLY are for the strategy only; rows with
funding data are for the exchange only, and a late one moves to its place there.
"""

from __future__ import annotations

import numpy as np
from hftbacktest.types import EXCH_EVENT, LOCAL_EVENT, event_dtype
from numpy.typing import NDArray

from connectors.book.rows import LOCAL_ONLY
from connectors.jit.compilation import compiled
from connectors.model import FUNDING_EVENT, Rows

#: The frontier when the sequence has ended: no further rows.
END_OF_ROWS = np.iinfo(np.int64).max

# Fields of the state, an int64 array.
#: The latest venue time of all rows so far, and how many of the late rows are for the exchange only.
_NEWEST, _LATE_DATA = 0, 1
_OLDEST_TIME = np.iinfo(np.int64).min
_ROWS_MIN = 1 << 12
_EXCH, _LOCAL = np.uint64(EXCH_EVENT), np.uint64(LOCAL_EVENT)
_BOTH = _EXCH | _LOCAL
_GROWTH = 2


class EventOrder:
    """Orders rows that are given in the order of receipt. One thread.

    Either call `feed` piece by piece with a lower bound of the times to come, or `add` all rows and `take` them.
    """

    def __init__(self) -> None:
        #: The rows not taken yet, at [_start:_end]. From `_ordered` on the exchange halves of late rows are missing.
        self._rows: Rows = np.empty(0, event_dtype)
        self._start = self._end = self._ordered = 0
        #: Indexes of the late rows after `_ordered`.
        self._late: NDArray[np.int64] = np.empty(0, np.int64)
        self._late_count = 0
        #: Number of rows moved at the last insertion of late rows.
        self._moved = 0
        self._state = np.array([_OLDEST_TIME, 0])

    def feed(self, rows: Rows, frontier: int = END_OF_ROWS) -> Rows:
        """Adds `rows`; returns the ordered rows that are final. A view, valid until the next call.

        `frontier`: no row of a later call has an `exch_ts` below it. With END_OF_ROWS all rows are returned.
        """
        self.add(rows)
        return self.take(frontier)

    def room(self, count: int, rows_to_come: int = 0) -> Rows:
        """A buffer for up to `count` rows, which `add` takes without a copy; valid until the next call.

        `rows_to_come`: an estimate, for which memory is allocated at once.
        """
        self._make_room(count, rows_to_come)
        return self._rows[self._end : self._end + count]

    def add(self, rows: Rows, rows_to_come: int = 0) -> None:
        """Adds rows; those not in the buffer of `room` may be overwritten afterwards. `rows_to_come` as there."""
        is_there = rows.ctypes.data == self._rows.ctypes.data + self._end * event_dtype.itemsize
        if not is_there:
            self._make_room(len(rows), rows_to_come)
        if len(self._late) < self._late_count + len(rows):
            self._late = np.concatenate((self._late, np.empty(self._late_count + len(rows), np.int64)))
        self._late_count += _append(
            rows, is_there, self._rows, self._end, self._late[self._late_count :], self._state
        )
        self._end += len(rows)
        # Late rows are inserted only when enough rows were added since the last time, so that large moves are rare.
        if self._end - self._ordered >= self._moved:
            self._put_in_late()

    def take(self, frontier: int = END_OF_ROWS) -> Rows:
        """The ordered rows that are final, see `feed`."""
        self._put_in_late()
        start, stop = self._start, self._end
        if frontier != END_OF_ROWS:
            stop = int(_first_beyond(self._rows, start, stop, frontier))
        self._start = stop
        return self._rows[start:stop]

    def _put_in_late(self) -> None:
        """Inserts the exchange halves of late rows."""
        late = self._late[: self._late_count]
        if len(late):
            exch_ts = self._rows["exch_ts"][late]
            if not bool((exch_ts[1:] >= exch_ts[:-1]).all()):
                late = late[np.argsort(exch_ts, kind="stable")]
            # A late row for the exchange only has no half that keeps its place, and no flag there yet.
            gone = int(self._state[_LATE_DATA])
            self._moved = int(_insert(self._rows, self._start, self._end, self._rows[late], gone))
            self._end += len(late) - gone
            self._state[_LATE_DATA] = 0
        self._ordered, self._late_count = self._end, 0

    def _make_room(self, more: int, rows_to_come: int) -> None:
        """Makes room for `more` rows and the exchange halves of all late ones; drops rows that were taken."""
        kept, wanted = self._end - self._start, self._late_count + 2 * more
        is_full = self._end + wanted > len(self._rows)
        if is_full and self._start < kept + wanted:  # moving the kept rows to the front would free too little
            room = max(_GROWTH * (kept + wanted), kept + rows_to_come, _ROWS_MIN)
            self._move(np.empty(room, event_dtype))
        elif is_full or (self._start and kept <= more):
            # Earlier than necessary if it is little work, so that less untouched memory is used.
            self._move(self._rows)

    def _move(self, rows: Rows) -> None:
        """Copies the rows not taken to the front of `rows`."""
        _move(self._rows, self._start, self._end, rows)
        self._rows = rows
        self._late[: self._late_count] -= self._start
        self._ordered -= self._start
        self._start, self._end = 0, self._end - self._start


@compiled
def _append(rows, is_there, out, end, late, state):
    """Copies rows to `out` from `end`, unless `is_there`, and flags them; stores and counts indexes of late ones."""
    newest = state[_NEWEST]
    count = 0
    for r in range(len(rows)):
        if not is_there:
            out[end + r] = rows[r]
        event, exch_ts = rows[r].ev, rows[r].exch_ts
        if rows[r].ival == LOCAL_ONLY:
            out[end + r].ev = event | _LOCAL
            continue
        is_late = exch_ts < newest
        late[count] = end + r
        count += is_late
        newest = max(newest, exch_ts)
        if np.int64(event) & 0xFF == FUNDING_EVENT:
            state[_LATE_DATA] += is_late
            out[end + r].ev = event if is_late else event | _EXCH
        else:
            out[end + r].ev = event | (_LOCAL if is_late else _BOTH)
    state[_NEWEST] = newest
    return count


@compiled
def _insert(rows, start, end, late, gone):
    """Inserts late rows, sorted by venue time, into rows[start:end] for the exchange; returns how many rows were moved.

    Removes the `gone` rows without a flag: each is one of the late rows, and behind the place at which it is inserted.
    Works backwards from the end: the exchange's rows there are in order, and the last one is later than any late row.
    """
    row, out, k = end - 1, end + len(late) - gone - 1, len(late) - 1
    # The last row that the exchange sees; rows after it are for the strategy only and stay after it.
    seen = _last_seen(rows, start, row)
    while k >= 0:
        if seen >= start and rows[seen].exch_ts > late[k].exch_ts:
            while row >= seen:
                if rows[row].ev & _BOTH != 0:
                    rows[out] = rows[row]
                    out -= 1
                row -= 1
            seen = _last_seen(rows, start, row)
        else:
            rows[out] = late[k]
            rows[out].ev = (late[k].ev & ~np.uint64(LOCAL_EVENT)) | np.uint64(EXCH_EVENT)
            k -= 1
            out -= 1
    return end - 1 - row


@compiled
def _last_seen(rows, start, row):
    """The index of the last row up to `row` that the exchange sees; less than `start` if there is none."""
    while row >= start and not rows[row].ev & np.uint64(EXCH_EVENT):
        row -= 1
    return row


@compiled
def _first_beyond(rows, start, end, frontier):
    """The index of the first exchange row later than `frontier`; `end` if there is none."""
    for row in range(start, end):
        if rows[row].ev & np.uint64(EXCH_EVENT) and rows[row].exch_ts > frontier:
            return row
    return end


@compiled
def _move(rows, start, end, out):
    """Copies rows[start:end] to the front of `out`, which may be the same array."""
    for row in range(start, end):
        out[row - start] = rows[row]
