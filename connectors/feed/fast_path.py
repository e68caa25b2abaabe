"""Plain frames of one instrument that came in one read: decoded, chained, stamped and fused in one compiled call. Pure.

A frame is plain where nothing but rows comes of it: it has the parser's strict form, is of a stream that was asked for,
its book is proven before and behind it, its values are on the configured tick and lot, and the clocks' offset stays
what it is. Most frames are. At the first one that is not, a run ends with nothing of it done, and
`connectors.feed.pipeline` takes that frame step by step, by the same parts.
So this only saves calls, of which a step of its own for each frame needs dozens. The compiled code finds its arrays in
a table of addresses: handed over one by one, they would cost more than the work on a lone frame. One thread.
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

#: What is known of the touch behind a frame; ticks are NO_TICK (an ask's negated) where there is none.
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

#: Frames of a run at most.
FRAMES_MAX = 1024
_ROWS_MIN = 1 << 14
#: Rows of one message that are not its own at most.
_EXTRA_ROWS = 8
#: Room for how a stream's frames begin, and a byte for its length; a longer one is never plain.
_OPENING_BYTES = 128
#: A row adds a level and a note, which the end of its frame may take back: so many rows' room lasts for all of that.
_ROOM_OF_ROW = 3
#: Why a run ended: the frames did, or the next one is not plain; or it needs more room.
_ENDED, _FULL = 0, 1
# Results: why a run ended, the largest lead of a venue's time over the local one; behind them where rows end.
_WHY, _LEAD, _HEADER = 0, 1, 2
NO_LEAD = -(2**63)


class Parts(NamedTuple):
    """What a run shares with the steps of a single frame."""

    sync: BookSync
    clock: RowClock
    fused: FusedBook
    #: The local time of the newest row.
    times: NDArray[np.int64]
    grid: GridMeter


class KnownTouch(NamedTuple):
    """Best bid and offer as ticks (None: there is none) and their quantities."""

    bid_tick: int | None
    bid_qty: float
    ask_tick: int | None
    ask_qty: float
    order_id: int
    local_ts: int


class Runs:
    """Takes runs of frames of one instrument. All that it tells of a run is valid until the next call."""

    def __init__(
        self,
        venue: Venue,
        symbols: NDArray[np.uint8],
        openings: list[bytes],
        parts: Parts,
        counts: NDArray[np.int64],
        lag_counts: NDArray[np.int64],
    ) -> None:
        """`openings`: how the frames of each stream begin. `counts`, `lag_counts`: of each stream (`feed_state`)."""
        self.openings = openings
        #: Which frame of the run is being handed on; -1: all have been.
        self.shown = -1
        #: By how much a venue's time led its local time at most; NO_LEAD where no frame had one.
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
        #: What the table was made of: it holds addresses.
        self._bound: tuple[Any, ...] = ()
        self._tables: tuple[Any, ...] = ()
        self._table: NDArray[np.int64] = np.zeros((0, 2), np.int64)

    def take(self, batch: Batch, first: int, lead_max: int, offset_ns: int, now_ns: int) -> list[int]:
        """Takes frames from number `first` on, while they are plain; where the rows of each end.

        `lead_max`: a venue time that leads its local time by more is not plain. `offset_ns`: of the local clock.
        `now_ns`: of the clock that counts are kept by.
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
        """The touch behind the frame that is being handed on."""
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
        """Takes the addresses of all arrays; `_run_at` has them in this order."""
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
        """For whatever may come of a frame of so many bytes."""
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
    """Texts as rows, padded with zeros, their length in the last byte; 0 for one that is too long."""
    table = np.zeros((len(prefixes), _OPENING_BYTES), np.uint8)
    for row, prefix in zip(table, prefixes, strict=True):
        if len(prefix) < _OPENING_BYTES:
            row[: len(prefix)] = np.frombuffer(prefix, np.uint8)
            row[-1] = len(prefix)
    return table


@compiled
def _stream_of(text, start, end, prefixes):  # type: ignore[no-untyped-def]
    """Which of the prefixes the frame begins with; -1 for none."""
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
def _is_plain(rule, state, message, lead_max):  # type: ignore[no-untyped-def]
    """Whether a decoded message leaves the book proven and the offset as it is."""
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
        return delta_verdict(rule, state, message) != Verdict.GAP
    if kind == Kind.BBO:
        return touch_verdict(rule, state, message) != Verdict.GAP
    return True


@compiled
def _note_touch(touch, bids, asks, fused, state, local_ts):  # type: ignore[no-untyped-def]
    """Keeps what the touch is now."""
    touch.bid_tick, touch.ask_tick = fused[0, BEST], fused[1, BEST]
    touch.bid_qty, touch.ask_qty = best_qty_of(bids, fused, 0), best_qty_of(asks, fused, 1)
    touch.order_id = max(state[BOOK_ORDER], state[BBO_ORDER])
    touch.local_ts = local_ts


@cache
def _run_at(parse_frame: Any) -> Any:
    """The compiled run over a batch, with a venue's parser; its arrays are those of a table of addresses."""

    @compiled
    def run_at(table, first, end, lead_max, offset_ns, now_ns):  # type: ignore[no-untyped-def]
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
            if rows < 0 or not _is_plain(rules[0], state, message, lead_max):
                return k - first
            if not follow_on_grid(decoded, rows, grid):
                return k - first
            message.row_start, message.row_end = 0, rows
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
