"""Decodes frames of one instrument in one compiled call, and applies those that only make rows. Pure.

The call takes a batch of frames, which may hold a single one. It decodes each frame, and sequences, stamps, fuses and
counts it if it is plain: its book is in sync before and after it, it leaves the clock offset as it is, and its values
are on the configured tick and lot. Most frames are. At the first other frame it stops and returns one of the codes
below; `connectors.feed.pipeline` finishes that frame with the same functions, and the next call goes on behind it.

The compiled code finds its arrays by the addresses in one named record, since passing them one by one would cost more
than processing a frame. One thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from hftbacktest.types import event_dtype
from numba import carray
from numpy.typing import NDArray

from connectors.book.fused import FusedBook, fits, fuse_rows, rows_out_max
from connectors.book.grid import STATE_FIELDS as GRID_FIELDS
from connectors.book.grid import GridMeter, follow_on_grid
from connectors.book.level_table import LEVEL, SIDE_FIELDS
from connectors.book.rows import BOOK_ROW, receive_messages
from connectors.book.sequence import STATE, keeps_sync
from connectors.book.sync import BookSync
from connectors.book.timestamps import OFFSET, RowClock, set_times
from connectors.errors import DecodeError
from connectors.feed.lags import BUCKETS, bucket_of
from connectors.feed.touch import TICK_TOUCH, Touch, in_prices, note_touch
from connectors.jit.addresses import addresses_of, as_pointer, set_addresses
from connectors.jit.compilation import compiled
from connectors.model import MESSAGE_DTYPE, Instrument, Kind, Rows, Venue
from connectors.parsing.batch import Batch, Packed
from connectors.parsing.lines import put_message
from connectors.parsing.scanner import LEVEL_BYTES_MIN, SYMBOL_BYTES_MAX, symbol_table

#: Longer frames are not market data.
FRAME_BYTES_MAX = 16 << 20
#: Most frames applied by one call.
FRAMES_MAX = 1024

# Why the call stopped. All frames are done.
END = 0
#: An array is too small for the next frame. Only inside this module.
_ROOM = 1
#: The next frame begins like no stream of the instrument.
OTHER_TOPIC = 2
#: The parser refuses the next frame: the venue's JSON decoder must decode it.
REFUSED = 3
#: The next frame is decoded, but not applied: it may change the sync state or the offset, or is off the grid.
DECODED = 4

#: No frame has a venue time.
NO_LEAD = -(2**63)

#: What the compiled call works on: `<array>` is an address, `<array>_count` the number of its rows.
_ARRAYS = addresses_of(
    # The batch (`connectors.parsing.batch.Packed`).
    ("text", "ends", "stamps"),
    # The frame decoded last, and how its stream is recognised.
    ("openings", "symbols", "decoded", "message"),
    # The book's chain (`connectors.book.sync.BookArguments`) and the rows that it emits.
    ("sync", "held_rows", "held_messages", "waiting_rows", "waiting", "chained"),
    # The clock, the grid, the fused book (`connectors.book.fused.FuseArguments`).
    ("clock", "grid", "bids", "asks", "fused", "notes", "noted", "scratch"),
    # Results: all rows, the end of each frame's rows, the touch after each frame, the newest local time, the counts.
    ("rows", "row_ends", "touches", "newest_ts", "counts", "lag_counts"),
    settings=[
        ("rule", "i8"),
        ("keep_bbo", "i8"),
        ("marks_cover", "i8"),
        ("trade_kind", "i8"),
        ("is_window", "i8"),
        ("tick_size", "f8"),
        ("lot_size", "f8"),
    ],
)

_ROWS_MIN = 1 << 14
#: Most rows that a message adds beyond its own.
_EXTRA_ROWS = 8
#: Bytes for the opening of a stream's frames, the last one for its length; a longer opening is not recognised.
_OPENING_BYTES = 128
#: Output rows to reserve per decoded row: it may add a level and a BBO override, which the end of its frame may remove.
_ROOM_OF_ROW = 3


class BookParts(NamedTuple):
    """What is known of one instrument, shared with its pipeline."""

    sync: BookSync
    clock: RowClock
    fused: FusedBook
    grid: GridMeter
    #: (1,) int64: the local time of the newest row.
    newest_ts: NDArray[np.int64]


class StreamCounts(NamedTuple):
    """Counts of an instrument's streams, one row each; see `connectors.feed.status.Monitor`."""

    #: First bytes of each stream's frames (`Venue.opening`).
    openings: Sequence[bytes]
    #: (streams, 3) int64: messages, bytes, time of the last message.
    counts: NDArray[np.int64]
    #: (streams, BUCKETS) int64.
    lag_counts: NDArray[np.int64]


def uncounted() -> StreamCounts:
    """Counts of one stream that nobody reads, and no opening."""
    return StreamCounts([b""], np.zeros((1, 3), np.int64), np.zeros((1, BUCKETS), np.int64))


class FrameLoop:
    """The compiled call of one instrument. What `take` leaves is valid until the next call."""

    def __init__(self, venue: Venue, instrument: Instrument, parts: BookParts, streams: StreamCounts) -> None:
        self._venue = venue
        self._symbol = instrument.symbol
        self._parts = parts
        self._fused_book = parts.fused
        self._loop = _compiled_loop(venue.parse_frame)
        #: The frame decoded last: one message, whose rows are `decoded[: row_end]`.
        self.message = np.zeros(1, MESSAGE_DTYPE)
        self.decoded: Rows = np.empty(_ROWS_MIN, event_dtype)
        #: Frames that needed the JSON decoder.
        self.slow_frames = 0
        #: All rows of the frames that were applied, and for each of these frames the end of its rows.
        self.rows: Rows = np.empty(_ROWS_MIN, event_dtype)
        self.row_ends: list[int] = []
        #: The largest lead of their venue times over their local times; NO_LEAD if none has a venue time.
        self.lead = NO_LEAD
        #: Index of the stream of the frame at which the call stopped.
        self.stream = 0
        #: Index among the applied frames of the one that the sink receives now; -1: none.
        self.shown = -1
        self._chained = np.empty(_ROWS_MIN, BOOK_ROW)
        self._touches = np.zeros(FRAMES_MAX, TICK_TOUCH)
        self._row_ends = np.zeros(FRAMES_MAX, np.int64)
        self._row_ends_view = self._row_ends.data
        #: The same ends for compiled code.
        self.ends: NDArray[np.int64] = self._row_ends[:0]
        self._arrays = np.zeros(1, _ARRAYS)
        #: The arrays that were bound last; the record holds only addresses.
        self._packed: Packed | None = None
        self._fused: Any = None
        self._bind_once(streams)

    def take(
        self,
        batch: Batch,
        first: int,
        plain_max: int = 0,
        stream: int = -1,
        lead_max: int = 0,
        offset_ns: int = 0,
        now_ns: int = 0,
    ) -> int:
        """Processes frames from number `first` on, and applies the plain ones, at most `plain_max`; returns a code.

        `stream`: index of the frames' stream; -1: it is recognised by the opening. `lead_max`: a frame whose venue time
        leads its local time by more is not plain. `offset_ns`: added to local times. `now_ns`: monotonic time, for the
        counts.
        """
        packed, fused = batch.packed(), self._fused_book
        end = len(batch.frames)
        if end > first + FRAMES_MAX:
            end = first + FRAMES_MAX
        while True:
            if packed is not self._packed or fused.arguments is not self._fused:
                self._bind(packed)
            count, code, self.stream, self.lead = self._loop(
                self._arrays, first, end, stream, plain_max, lead_max, offset_ns, now_ns
            )
            if code != _ROOM:
                self._keep_ends(count)
                return code
            if count or len(batch.frames[first]) > FRAME_BYTES_MAX:
                self._keep_ends(count)
                return END if count else REFUSED
            self._make_room(len(batch.frames[first]))

    def _keep_ends(self, count: int) -> None:
        self.row_ends = self._row_ends_view[:count].tolist()
        self.ends = self._row_ends[:count]

    def finish_decoding(self, code: int, frame: bytes, local_ts: int) -> Kind:
        """Decodes the frame at which `take` stopped with REFUSED or DECODED, if it is not yet.

        Raises DecodeError, also for another symbol's frame.
        """
        if code == REFUSED:
            self._decode_slowly(frame, local_ts)
        message = self.message[0]
        kind = Kind(int(message["kind"]))
        if kind >= Kind.DELTA and message["symbol"] < 0:
            raise DecodeError(self._venue.name, f"a frame of another symbol than {self._symbol}", frame)
        return kind

    def touch(self, tick_size: float) -> Touch:
        """The touch after the frame that the sink receives now."""
        return in_prices(self._touches[self.shown].item(), tick_size)

    def _decode_slowly(self, frame: bytes, local_ts: int) -> None:
        if len(frame) > FRAME_BYTES_MAX:
            raise DecodeError(self._venue.name, "a frame of more than 16 MB", frame)
        message = self._venue.decode(frame)
        count = len(message.rows)
        if count > len(self.decoded):
            self.decoded = np.empty(2 * count, event_dtype)
            self._packed = self._fused = None
        put_message(message, self._symbol, local_ts, 0, self.decoded, 0, self.message)
        self.slow_frames += 1

    def _bind_once(self, streams: StreamCounts) -> None:
        """Notes the settings, and the arrays that are never replaced."""
        parts, record = self._parts, self._arrays[0]
        sync, fused = parts.sync.arguments, parts.fused.arguments
        for name in ("rule", "keep_bbo", "marks_cover", "trade_kind"):
            record[name] = getattr(sync, name)
        for name in ("tick_size", "lot_size", "is_window"):
            record[name] = getattr(fused, name)
        self._kept = {
            "openings": _text_table(streams.openings),
            "symbols": symbol_table([self._symbol]),
            "message": self.message,
            "sync": sync.states,
            "held_rows": sync.held_rows,
            "held_messages": sync.held_messages,
            "waiting_rows": sync.waiting_rows,
            "waiting": sync.waiting,
            "clock": parts.clock.state,
            "grid": parts.grid.state,
            "row_ends": self._row_ends,
            "touches": self._touches,
            "newest_ts": parts.newest_ts,
            "counts": streams.counts,
            "lag_counts": streams.lag_counts,
        }
        set_addresses(record, **self._kept)

    def _bind(self, packed: Packed) -> None:
        """Notes the arrays of a batch, and those that may have been replaced by larger ones."""
        record, fused = self._arrays[0], self._fused_book.arguments
        if fused is not self._fused:
            set_addresses(
                record,
                decoded=self.decoded,
                chained=self._chained,
                rows=self.rows,
                bids=fused.bids,
                asks=fused.asks,
                fused=fused.state,
                notes=fused.notes,
                noted=fused.noted,
                scratch=fused.scratch,
            )
        set_addresses(record, text=packed.text, ends=packed.ends, stamps=packed.stamps)
        self._packed, self._fused = packed, fused

    def _make_room(self, size: int) -> None:
        """Grows the arrays so that a frame of `size` bytes fits."""
        rows = size // LEVEL_BYTES_MIN + _EXTRA_ROWS
        if rows > len(self.decoded):
            self.decoded = np.empty(2 * rows, event_dtype)
        else:
            # It was decoded: its rows are known.
            rows = int(self.message[0]["row_end"]) + _EXTRA_ROWS
            if rows > len(self._chained):
                self._chained = np.empty(2 * rows, BOOK_ROW)
            fused = self._fused_book
            wanted = int(rows_out_max(_ROOM_OF_ROW * rows, fused.arguments.state, fused.arguments.noted))
            if wanted > len(self.rows):
                self.rows = np.empty(2 * wanted, event_dtype)
            fused.make_room(_ROOM_OF_ROW * rows)
        self._packed = self._fused = None


def _text_table(openings: Sequence[bytes]) -> NDArray[np.uint8]:
    """One text per row, padded with zeros, its length in the last byte; length 0 if it is too long."""
    table = np.zeros((len(openings), _OPENING_BYTES), np.uint8)
    for row, opening in zip(table, openings, strict=True):
        if len(opening) < _OPENING_BYTES:
            row[: len(opening)] = np.frombuffer(opening, np.uint8)
            row[-1] = len(opening)
    return table


@compiled
def _stream_of(text, start, end, openings):
    """The index of the opening with which the frame begins; -1 if none."""
    for stream in range(openings.shape[0]):
        length = np.int64(openings[stream, _OPENING_BYTES - 1])
        if 0 < length <= end - start:
            is_same = True
            for n in range(length):
                if text[start + n] != openings[stream, n]:
                    is_same = False
                    break
            if is_same:
                return stream
    return -1


@cache
def _compiled_loop(parse_frame: Any) -> Any:
    """Compiles the loop for a venue's parser."""

    @compiled
    def frame_loop(arrays, first, end, known_stream, plain_max, lead_max, offset_ns, now_ns):
        """Returns the number of frames applied, the code, the stream of the next frame, and the largest lead."""
        at = arrays[0]
        text = carray(as_pointer(at.text), at.text_count, np.uint8)
        ends = carray(as_pointer(at.ends), at.ends_count, np.int64)
        stamps = carray(as_pointer(at.stamps), at.stamps_count, np.int64)
        openings = carray(as_pointer(at.openings), (at.openings_count, _OPENING_BYTES), np.uint8)
        symbols = carray(as_pointer(at.symbols), (at.symbols_count, SYMBOL_BYTES_MAX + 1), np.uint8)
        decoded = carray(as_pointer(at.decoded), at.decoded_count, event_dtype)
        # The same rows under the names of the book's code.
        book_rows = carray(as_pointer(at.decoded), at.decoded_count, BOOK_ROW)
        messages = carray(as_pointer(at.message), at.message_count, MESSAGE_DTYPE)
        syncs = carray(as_pointer(at.sync), at.sync_count, STATE)
        held_rows = carray(as_pointer(at.held_rows), at.held_rows_count, BOOK_ROW)
        held_messages = carray(as_pointer(at.held_messages), at.held_messages_count, MESSAGE_DTYPE)
        waiting_rows = carray(as_pointer(at.waiting_rows), at.waiting_rows_count, BOOK_ROW)
        waiting = carray(as_pointer(at.waiting), at.waiting_count, MESSAGE_DTYPE)
        chained = carray(as_pointer(at.chained), at.chained_count, BOOK_ROW)
        clock = carray(as_pointer(at.clock), at.clock_count, np.int64)
        grid = carray(as_pointer(at.grid), (at.grid_count, GRID_FIELDS), np.int64)
        bids = carray(as_pointer(at.bids), at.bids_count, LEVEL)
        asks = carray(as_pointer(at.asks), at.asks_count, LEVEL)
        fused = carray(as_pointer(at.fused), (at.fused_count, SIDE_FIELDS), np.int64)
        notes = carray(as_pointer(at.notes), at.notes_count, LEVEL)
        noted = carray(as_pointer(at.noted), at.noted_count, np.int64)
        scratch = carray(as_pointer(at.scratch), at.scratch_count, BOOK_ROW)
        out = carray(as_pointer(at.rows), at.rows_count, BOOK_ROW)
        row_ends = carray(as_pointer(at.row_ends), at.row_ends_count, np.int64)
        touches = carray(as_pointer(at.touches), at.touches_count, TICK_TOUCH)
        newest_ts = carray(as_pointer(at.newest_ts), at.newest_ts_count, np.int64)
        counts = carray(as_pointer(at.counts), (at.counts_count, 3), np.int64)
        lag_counts = carray(as_pointer(at.lag_counts), (at.lag_counts_count, BUCKETS), np.int64)

        message, sync = messages[0], syncs[0]
        lead = np.int64(NO_LEAD)
        stream = np.int64(known_stream)
        n = 0
        for k in range(first, end):
            done = k - first
            begin = ends[k - 1] + 1 if k > 0 else 0
            size = ends[k] - begin
            if size // LEVEL_BYTES_MIN + _EXTRA_ROWS > len(decoded):
                return done, _ROOM, stream, lead
            if known_stream < 0:
                stream = np.int64(_stream_of(text, begin, ends[k], openings))
                if stream < 0:
                    return done, OTHER_TOPIC, stream, lead
            message.sent_ts = 0
            rows = parse_frame(text, begin, ends[k], symbols, stamps[k], decoded, 0, message)
            if rows < 0:
                return done, REFUSED, stream, lead
            message.local_ts = stamps[k]
            message.row_start, message.row_end, message.line = 0, rows, 0
            is_plain = done < plain_max and (message.exch_ts == 0 or message.exch_ts - stamps[k] <= lead_max)
            if not (is_plain and keeps_sync(at.rule, sync, message, book_rows)):
                return done, DECODED, stream, lead
            room = rows + _EXTRA_ROWS
            if room > len(chained) or not fits(n, _ROOM_OF_ROW * room, bids, asks, fused, notes, noted, out):
                return done, _ROOM, stream, lead
            if not follow_on_grid(decoded, rows, grid):
                return done, DECODED, stream, lead
            count = receive_messages(
                book_rows,
                messages,
                chained,
                at.rule,
                at.keep_bbo != 0,
                at.marks_cover != 0,
                at.trade_kind,
                syncs,
                held_rows,
                held_messages,
                waiting_rows,
                waiting,
            )
            clock[OFFSET] = offset_ns
            set_times(chained[:count], clock)
            if count:
                newest_ts[0] = chained[count - 1].local_ts
            fused_count, n = fuse_rows(
                chained[:count],
                0,
                n,
                at.tick_size,
                at.lot_size,
                at.is_window != 0,
                bids,
                asks,
                fused,
                notes,
                noted,
                scratch,
                out,
            )
            if fused_count < count:
                raise IndexError("a frame's rows need more room than was made for them")
            row_ends[done] = n
            note_touch(touches[done], bids, asks, fused, sync, newest_ts[0])
            counts[stream, 0] += 1
            counts[stream, 1] += size
            counts[stream, 2] = now_ns
            if message.exch_ts:
                lead = max(lead, message.exch_ts - stamps[k])
                lag_counts[stream, bucket_of(stamps[k] + offset_ns - message.exch_ts)] += 1
        return end - first, END, stream, lead

    return frame_loop
