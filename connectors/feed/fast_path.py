"""Processes all plain frames of one instrument in one socket read with one compiled call. Pure.

A frame is plain if it changes neither sync state nor clock offset: it has the parser's strict form, belongs to a
subscribed stream, its book is in sync before and after it, and its values are on the configured tick and lot. Most
frames are plain. A run ends before the first frame that is not, and `connectors.feed.pipeline` processes that frame
alone, with the same parts. This path only saves calls: the single-frame path makes dozens per frame. The compiled code
finds its arrays in a table of addresses, since passing them one by one would cost more than processing a single frame.
One thread.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from hftbacktest.types import event_dtype
from numba import carray
from numpy.typing import NDArray

from connectors.book.fused import FusedBook, best_qty_of, fits, fuse_rows, rows_out_max
from connectors.book.grid import STATE_FIELDS as GRID_FIELDS
from connectors.book.grid import GridMeter, follow_on_grid
from connectors.book.level_side import BEST, NO_TICK, SIDE_FIELDS
from connectors.book.level_table import LEVEL
from connectors.book.rows import receive_messages
from connectors.book.sequence import (
    BBO_ORDER,
    BOOK_ORDER,
    FOLLOWED,
    IS_SILENT,
    NOTHING_WAITS,
    STATUS,
    WAITING_ID,
    Status,
    Verdict,
    delta_verdict,
    is_other_change,
    is_overdue,
    touch_verdict,
)
from connectors.book.sync import BookSync
from connectors.book.timestamps import OFFSET, RowClock, set_times
from connectors.feed.lags import BUCKETS, bucket_of
from connectors.jit.addresses import address_table, as_pointer
from connectors.jit.compilation import compiled
from connectors.model import MESSAGE_DTYPE, Kind, Rows, Venue
from connectors.parsing.batch import Batch, Packed
from connectors.parsing.scanner import LEVEL_BYTES_MIN, SYMBOL_BYTES_MAX

#: The touch after a frame, in ticks; an ask's tick is negated. NO_TICK: there is none.
TOUCH_DTYPE = np.dtype(
    [
        ("bid_tick", "i8"),
        ("bid_qty", "f8"),
        ("ask_tick", "i8"),
        ("ask_qty", "f8"),
        ("order_id", "i8"),
        ("local_ts", "i8"),
    ],
    align=True,
)

#: Most frames in one run.
FRAMES_MAX = 1024
_ROWS_MIN = 1 << 14
#: Most rows that a message adds beyond its own.
_EXTRA_ROWS = 8
#: Bytes for the opening of a stream's frames, the last one for its length; frames with a longer opening are never
#: plain.
_OPENING_BYTES = 128
#: Output rows to reserve per decoded row: it may add a level and a BBO override, which the end of its frame may remove.
_ROOM_OF_ROW = 3
#: Why a run ended: no more frames, or the next one is not plain; or the arrays are too small.
_ENDED, _FULL = 0, 1
# Results: why the run ended, the largest lead of a venue time over its local time, then the row end of each frame.
_WHY, _LEAD, _HEADER = 0, 1, 2
NO_LEAD = -(2**63)


class Parts(NamedTuple):
    """Objects that a run shares with the single-frame path."""

    sync: BookSync
    clock: RowClock
    fused: FusedBook
    #: The local time of the newest row.
    times: NDArray[np.int64]
    grid: GridMeter


class KnownTouch(NamedTuple):
    """Best bid and offer in ticks (None: there is none) and their quantities."""

    bid_tick: int | None
    bid_qty: float
    ask_tick: int | None
    ask_qty: float
    order_id: int
    local_ts: int


class Runs:
    """Processes runs of frames of one instrument. The results of a run are valid until the next call."""

    def __init__(
        self,
        venue: Venue,
        symbols: NDArray[np.uint8],
        openings: list[bytes],
        parts: Parts,
        counts: NDArray[np.int64],
        lag_counts: NDArray[np.int64],
    ) -> None:
        """`openings`: first bytes of each stream's frames. `counts`, `lag_counts`: see `status.Monitor`."""
        self.openings = openings
        #: Index in the run of the frame now passed to the sink; -1: none.
        self.shown = -1
        #: The largest lead of a venue time over its local time; NO_LEAD if no frame has a venue time.
        self.lead = NO_LEAD
        #: All rows of the run.
        self.rows: Rows = np.empty(_ROWS_MIN, event_dtype)
        self._run = _run_at(venue.parse_frame)
        self._parts = parts
        self._symbols = symbols
        self._prefixes = _text_table(openings)
        self._counts = counts
        self._lag_counts = lag_counts
        sync, fused = parts.sync.arguments, parts.fused.arguments
        self._rules = np.array(
            [sync.rule, sync.keep_bbo, sync.marks_cover, sync.trade_kind, fused.is_window], np.int64
        )
        self._sizes = np.array([fused.tick_size, fused.lot_size])
        self._decoded = np.empty(_ROWS_MIN, event_dtype)
        self._chained = np.empty(_ROWS_MIN, event_dtype)
        self._message = np.zeros(1, MESSAGE_DTYPE)
        self._touches = np.zeros(FRAMES_MAX, TOUCH_DTYPE)
        self._results = np.zeros(_HEADER + FRAMES_MAX, np.int64)
        self._results_view = self._results.data
        #: Keeps the arrays alive: the table holds only their addresses.
        self._bound: tuple[Any, ...] = ()
        self._tables: tuple[Any, ...] = ()
        self._table: NDArray[np.int64] = np.zeros((0, 2), np.int64)

    def take(self, batch: Batch, first: int, lead_max: int, offset_ns: int, now_ns: int) -> list[int]:
        """Processes frames from number `first` on while they are plain; returns the end of each one's rows in `rows`.

        `lead_max`: a frame whose venue time leads its local time by more is not plain. `offset_ns`: added to local
        times. `now_ns`: monotonic time, for the counts.
        """
        packed, fused = batch.packed(), self._parts.fused
        end = len(batch.frames)
        if end > first + FRAMES_MAX:
            end = first + FRAMES_MAX
        while True:
            tables = self._tables
            if not (tables and packed is tables[0] and fused.arguments is tables[1]):
                self._bind(packed)
            count = self._run(self._table, first, end, lead_max, offset_ns, now_ns)
            why, self.lead, *ends = self._results_view[: _HEADER + count].tolist()
            if count or why == _ENDED:
                return ends
            self._make_room(len(batch.frames[first]))

    def touch(self) -> KnownTouch:
        """The touch after the frame now passed to the sink."""
        bid, bid_qty, ask, ask_qty, order_id, local_ts = self._touches[self.shown].tolist()
        return KnownTouch(
            None if bid == NO_TICK else bid,
            bid_qty,
            None if ask == NO_TICK else -ask,
            ask_qty,
            order_id,
            local_ts,
        )

    def _bind(self, packed: Packed) -> None:
        """Collects the addresses of all arrays, in the order in which `_run_at` reads them."""
        sync, fused = self._parts.sync.arguments, self._parts.fused.arguments
        self._tables = (packed, fused)
        self._bound = (
            *packed,
            self._prefixes,
            self._symbols,
            self._decoded,
            self._message,
            self._rules,
            sync.state,
            sync.held_rows,
            sync.held_messages,
            sync.held,
            self._chained,
            self._parts.clock.state,
            self._sizes,
            fused.bids,
            fused.asks,
            fused.notes,
            fused.noted,
            fused.scratch,
            fused.state,
            self.rows,
            self._parts.times,
            self._touches,
            self._counts,
            self._lag_counts,
            self._results,
            self._parts.grid.state,
            sync.waiting_rows,
            sync.waiting,
        )
        self._table = address_table(self._bound)

    def _make_room(self, size: int) -> None:
        """Grows the arrays so that a frame of `size` bytes fits."""
        rows = size // LEVEL_BYTES_MIN + _EXTRA_ROWS
        if len(self._decoded) < rows:
            self._decoded, self._chained = np.empty(2 * rows, event_dtype), np.empty(2 * rows, event_dtype)
        fused = self._parts.fused
        wanted = int(rows_out_max(_ROOM_OF_ROW * rows, fused.arguments.state, fused.arguments.noted))
        if len(self.rows) < wanted:
            self.rows = np.empty(2 * wanted, event_dtype)
        fused.make_room(_ROOM_OF_ROW * rows)
        self._tables = ()


def _text_table(prefixes: list[bytes]) -> NDArray[np.uint8]:
    """One text per row, padded with zeros, its length in the last byte; length 0 if it is too long."""
    table = np.zeros((len(prefixes), _OPENING_BYTES), np.uint8)
    for row, prefix in zip(table, prefixes, strict=True):
        if len(prefix) < _OPENING_BYTES:
            row[: len(prefix)] = np.frombuffer(prefix, np.uint8)
            row[-1] = len(prefix)
    return table


@compiled
def _stream_of(text, start, end, prefixes):
    """The index of the prefix with which the frame begins; -1 if none."""
    for stream in range(prefixes.shape[0]):
        length = np.int64(prefixes[stream, _OPENING_BYTES - 1])
        if 0 < length <= end - start:
            is_same = True
            for n in range(length):
                if text[start + n] != prefixes[stream, n]:
                    is_same = False
                    break
            if is_same:
                return stream
    return -1


@compiled
def _is_plain(rule, state, message, rows, lead_max):
    """Whether a decoded message leaves the book in sync and the offset unchanged."""
    kind = message.kind
    if kind == Kind.CONTROL or kind == Kind.SNAPSHOT or is_overdue(state, message.local_ts):
        return False
    if kind >= Kind.DELTA and message.symbol < 0:
        return False
    if message.exch_ts != 0 and message.exch_ts - message.local_ts > lead_max:
        return False
    if kind == Kind.DELTA:
        if message.book != state[FOLLOWED]:
            return False
        if is_other_change(rule, state, message, rows):
            return False
        return delta_verdict(rule, state, message) != Verdict.GAP
    if kind == Kind.BBO:
        return touch_verdict(rule, state, message) != Verdict.GAP
    return True


@compiled
def _note_touch(touch, bids, asks, fused, state, local_ts):
    """Stores the current touch."""
    touch.bid_tick, touch.ask_tick = fused[0, BEST], fused[1, BEST]
    touch.bid_qty, touch.ask_qty = best_qty_of(bids, fused, 0), best_qty_of(asks, fused, 1)
    touch.order_id = max(state[BOOK_ORDER], state[BBO_ORDER])
    touch.local_ts = local_ts


@cache
def _run_at(parse_frame: Any) -> Any:
    """Compiles the run over a batch for a venue's parser; it takes its arrays from a table of addresses."""

    @compiled
    def run_at(table, first, end, lead_max, offset_ns, now_ns):
        text = carray(as_pointer(table[0, 0]), table[0, 1], np.uint8)
        ends = carray(as_pointer(table[1, 0]), table[1, 1], np.int64)
        stamps = carray(as_pointer(table[2, 0]), table[2, 1], np.int64)
        prefixes = carray(as_pointer(table[3, 0]), (table[3, 1], _OPENING_BYTES), np.uint8)
        symbols = carray(as_pointer(table[4, 0]), (table[4, 1], SYMBOL_BYTES_MAX + 1), np.uint8)
        decoded = carray(as_pointer(table[5, 0]), table[5, 1], event_dtype)
        messages = carray(as_pointer(table[6, 0]), table[6, 1], MESSAGE_DTYPE)
        rules = carray(as_pointer(table[7, 0]), table[7, 1], np.int64)
        state = carray(as_pointer(table[8, 0]), table[8, 1], np.int64)
        held_rows = carray(as_pointer(table[9, 0]), table[9, 1], event_dtype)
        held_messages = carray(as_pointer(table[10, 0]), table[10, 1], MESSAGE_DTYPE)
        held = carray(as_pointer(table[11, 0]), table[11, 1], np.int64)
        chained = carray(as_pointer(table[12, 0]), table[12, 1], event_dtype)
        clock = carray(as_pointer(table[13, 0]), table[13, 1], np.int64)
        sizes = carray(as_pointer(table[14, 0]), table[14, 1], np.float64)
        bids = carray(as_pointer(table[15, 0]), table[15, 1], LEVEL)
        asks = carray(as_pointer(table[16, 0]), table[16, 1], LEVEL)
        notes = carray(as_pointer(table[17, 0]), table[17, 1], LEVEL)
        noted = carray(as_pointer(table[18, 0]), table[18, 1], np.int64)
        scratch = carray(as_pointer(table[19, 0]), table[19, 1], event_dtype)
        fused = carray(as_pointer(table[20, 0]), (table[20, 1], SIDE_FIELDS), np.int64)
        out = carray(as_pointer(table[21, 0]), table[21, 1], event_dtype)
        times = carray(as_pointer(table[22, 0]), table[22, 1], np.int64)
        touches = carray(as_pointer(table[23, 0]), table[23, 1], TOUCH_DTYPE)
        counts = carray(as_pointer(table[24, 0]), (table[24, 1], 3), np.int64)
        lags = carray(as_pointer(table[25, 0]), (table[25, 1], BUCKETS), np.int64)
        results = carray(as_pointer(table[26, 0]), table[26, 1], np.int64)
        grid = carray(as_pointer(table[27, 0]), (table[27, 1], GRID_FIELDS), np.int64)

        waiting_rows = carray(as_pointer(table[28, 0]), table[28, 1], event_dtype)
        waiting = carray(as_pointer(table[29, 0]), table[29, 1], MESSAGE_DTYPE)

        results[_WHY], results[_LEAD] = _ENDED, NO_LEAD
        if state[STATUS] != Status.SYNCED or state[IS_SILENT] or state[WAITING_ID] != NOTHING_WAITS:
            return 0
        clock[OFFSET] = offset_ns
        message = messages[0]
        n = 0
        for k in range(first, end):
            begin = ends[k - 1] + 1 if k > 0 else 0
            size = ends[k] - begin
            room = size // LEVEL_BYTES_MIN + _EXTRA_ROWS
            most = _ROOM_OF_ROW * room
            if (
                room > len(decoded)
                or room > len(chained)
                or not fits(n, most, bids, asks, fused, notes, noted, out)
            ):
                results[_WHY] = _FULL
                return k - first
            stream = _stream_of(text, begin, ends[k], prefixes)
            if stream < 0:
                return k - first
            rows = parse_frame(text, begin, ends[k], symbols, stamps[k], decoded, 0, message)
            message.local_ts = stamps[k]
            message.row_start, message.row_end = 0, rows
            if rows < 0 or not _is_plain(rules[0], state, message, decoded, lead_max):
                return k - first
            if not follow_on_grid(decoded, rows, grid):
                return k - first
            count = receive_messages(
                rules[0],
                rules[1] != 0,
                rules[2] != 0,
                rules[3],
                state,
                decoded,
                messages,
                held_rows,
                held_messages,
                held,
                waiting_rows,
                waiting,
                chained,
            )
            set_times(chained[:count], clock)
            if count:
                times[0] = chained[count - 1].local_ts
            done, n = fuse_rows(
                chained[:count], 0, n, sizes[0], sizes[1], rules[4] != 0, bids, asks, fused, notes, noted, scratch, out
            )  # fmt: skip
            if done < count:
                raise IndexError("a frame's rows need more room than was made for them")
            results[_HEADER + k - first] = n
            _note_touch(touches[k - first], bids, asks, fused, state, times[0])
            counts[stream, 0] += 1
            counts[stream, 1] += size
            counts[stream, 2] = now_ns
            if message.exch_ts:
                results[_LEAD] = max(results[_LEAD], message.exch_ts - stamps[k])
                lags[stream, bucket_of(stamps[k] + offset_ns - message.exch_ts)] += 1
        return end - first

    return run_at
