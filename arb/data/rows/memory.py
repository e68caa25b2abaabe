"""One day as ordered rows in memory, in one sweep, like the result of hftbacktest's converters.

The rows are those of `arb.data.rows.convert` for that day alone. Nothing is written, and memory holds the day, 64 bytes
a row. A run's offset follows from all of its days, so runs go through the row cache.
"""

from __future__ import annotations

from pathlib import Path

from arb.data.catalog.days import ArchiveDay, Day, files_of
from arb.data.rows.convert import book_of, lead_of, with_times
from arb.data.rows.grid import DayGrid, refuse_off_grid
from arb.data.rows.order import EventOrder
from arb.data.rows.spool import needs_carry, read_into
from connectors.book.timestamps import RowClock
from connectors.model import Instrument, Rows, Venue

#: Initial capacity: a minimum number of rows, and file bytes per row, from the size of a compressed book line.
_ROOM_MIN = 1 << 18
_PACKED_LINE_BYTES = 4


def rows_of_day(
    venue: Venue,
    day: Day,
    feed_latency_ns: int,
    *,
    offset_ns: int | None = None,
    instrument: Instrument | None = None,
) -> Rows:
    """The rows of a day in the order of events, `event_dtype`, shape (n,).

    `feed_latency_ns` and `instrument` as for `arb.data.rows.convert.Feed`. `offset_ns` is added to local times; None
    measures it: how far the clock of the recording is behind the venue's, or 0. That is known only at the end; if it
    is not 0, the day is read again. No book is carried over from the day before. Raises InputError and DecodeError.
    """
    is_modelled = isinstance(day, ArchiveDay) and not day.has_receipt
    offset = feed_latency_ns if is_modelled else offset_ns or 0
    is_cold = not isinstance(day, ArchiveDay) and needs_carry(venue, day)
    while True:
        reading = _Reading(venue, day, offset, feed_latency_ns, instrument)
        scan = read_into(
            reading, venue, day, None, progress=reading.follow, instrument=instrument, is_cold=is_cold
        )
        refuse_off_grid(instrument, [DayGrid(day, scan.grid)])
        lead = 0 if is_modelled or offset_ns is not None else lead_of(scan, day)
        if lead <= offset:
            return reading.order.take()
        offset = lead


class _Reading:
    """A `RowSink` that stamps and orders the rows of a day."""

    directory: Path | None = None

    def __init__(
        self, venue: Venue, day: Day, offset_ns: int, feed_latency_ns: int, instrument: Instrument | None
    ) -> None:
        self._venue = venue
        self._day = day
        self._times = offset_ns, feed_latency_ns
        self._instrument = instrument
        self._size = sum(path.stat().st_size for path in files_of(day))
        #: Bytes of the files read so far; written by the decompressing threads.
        self._read = 0
        self.clear()

    def clear(self) -> None:
        self._read = 0
        self._count = 0
        self._clock = RowClock(*self._times)
        self._book = book_of(self._venue, self._day, self._instrument)
        self.order = EventOrder()

    def follow(self, count: int) -> None:
        """Adds to the number of bytes read."""
        self._read += count

    def room(self, count: int) -> Rows:
        """A buffer in which rows for `append` may be written."""
        return self.order.room(count, self._rows_to_come())

    def append(self, rows: Rows) -> None:
        rows = with_times(rows, self._clock, self._book)
        self._count += len(rows)
        self.order.add(rows, self._rows_to_come())

    def _rows_to_come(self) -> int:
        """An estimate of the remaining rows. A row takes at least a byte."""
        left = max(self._size - self._read, 0)
        # Twice the projection, because reading is ahead of decoding; unused capacity costs nothing.
        # Sorted rows arrive after all reading.
        to_come = 2 * self._count * left // self._read if self._read else 0
        return max(min(to_come, left), _ROOM_MIN, self._size // _PACKED_LINE_BYTES)
