"""Plain frames of one instrument that came in one read: decoded, chained, stamped and fused in one compiled call. Pure.

A frame is plain where nothing but rows comes of it: it has the parser's strict form, is of a stream that was asked for,
its book is proven before and behind it, and the clocks' offset stays what it is. Most frames are. At the first one that
is not, a run ends with nothing of it done, and `connectors.pipeline` takes that frame step by step, by the same parts.
So this only saves calls, of which a step of its own for each frame needs dozens. One thread.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from hftbacktest.types import event_dtype
from numpy.typing import NDArray

from connectors.batch import Batch
from connectors.book import (
    BBO_ORDER,
    BOOK_ORDER,
    FOLLOWED,
    LAST_ID,
    BookSync,
    Verdict,
    _receive,
    receive_delta,
)
from connectors.clock import _OFFSET, RowClock, _stamp
from connectors.frames import LEVEL_BYTES_MIN
from connectors.fuse import _BEST, _COUNT, _NONE, _USED, FusedBook, _best_qty, _fuse
from connectors.jit import compiled
from connectors.lag import bucket_of
from connectors.types import MESSAGE_DTYPE, Kind, Rows, Venue

#: What is known of the touch behind a frame; ticks are _NONE (an ask's negated) where there is none.
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
#: Why a run ended: the frames did, or the next one is not plain; or it needs more room.
_ENDED, _FULL = 0, 1
# Cells: why the run ended; the local time of the newest row; the largest lead of a venue's time over the local one.
_WHY, _BOOK_TS, _LEAD = 0, 1, 2
NO_LEAD = -(2**63)
#: Fields of a chain's state that its rule reads.
_PROBED = LAST_ID + 2


class Book(NamedTuple):
    """The parts that a run shares with the steps of a single frame."""

    sync: BookSync
    clock: RowClock
    fused: FusedBook


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
        prefixes: list[bytes],
        book: Book,
        lags: NDArray[np.int64],
    ) -> None:
        """`prefixes`: how the frames of each stream begin. `lags`: the counts of a histogram for each stream."""
        self._take = _take_run(venue.parse_frame)
        self._symbols = symbols
        self._prefixes = _table(prefixes)
        self._book = book
        self._lags = lags
        self._decoded = np.empty(_ROWS_MIN, event_dtype)
        self._messages = np.zeros(1, MESSAGE_DTYPE)
        self._chained = np.empty(_ROWS_MIN, event_dtype)
        self._out = np.empty(_ROWS_MIN, event_dtype)
        self._row_ends = np.zeros(FRAMES_MAX, np.int64)
        self._tallies = np.zeros((len(prefixes), 2), np.int64)
        self._cells = np.zeros(3, np.int64)
        #: The local time of the newest row.
        self.book_ts = 0
        #: By how much a venue's time led its local time at most; NO_LEAD where no frame had one.
        self.lead = NO_LEAD
        self._touches = np.zeros(FRAMES_MAX, TOUCH_DTYPE)

    def take(self, batch: Batch, first: int, lead_max: int, book_ts: int) -> list[int]:
        """Takes frames from number `first` on, while they are plain; where the rows of each end.

        The book must be proven. `lead_max`: a venue time that leads its local time by more is not plain. `book_ts`:
        when the newest row came.
        """
        cells = self._cells
        cells[_BOOK_TS] = book_ts
        while True:
            count = self._try(batch, first, lead_max)
            why, self.book_ts, self.lead = cells.tolist()
            if count or why == _ENDED:
                ends: list[int] = self._row_ends[:count].tolist()
                return ends
            self._make_room(len(batch.frames[first]))

    def touch(self, number: int) -> KnownTouch:
        """The touch behind a frame of the run."""
        bid, bid_qty, ask, ask_qty, order_id, local_ts = self._touches[number].tolist()
        return KnownTouch(
            None if bid == _NONE else bid,
            bid_qty,
            None if ask == _NONE else -ask,
            ask_qty,
            order_id,
            local_ts,
        )

    @property
    def rows(self) -> Rows:
        """All rows of the run."""
        return self._out

    @property
    def tallies(self) -> list[list[int]]:
        """Messages and bytes of each stream in the run."""
        tallies: list[list[int]] = self._tallies.tolist()
        return tallies

    def _try(self, batch: Batch, first: int, lead_max: int) -> int:
        packed, sync, fused = batch.packed(), self._book.sync, self._book.fused
        count: int = self._take(
            *packed,
            first,
            min(len(batch.frames), first + FRAMES_MAX),
            self._prefixes,
            self._symbols,
            lead_max,
            self._decoded,
            self._messages,
            sync._rule,
            sync._keep_bbo,
            sync._trade_kind,
            sync._state,
            sync._held_rows,
            sync._held_messages,
            sync._held,
            self._chained,
            self._book.clock._state,
            fused._tick_size,
            fused._lot_size,
            *fused._tables,
            fused._state,
            self._out,
            self._row_ends,
            self._touches,
            self._tallies,
            self._lags,
            self._cells,
        )
        return count

    def _make_room(self, size: int) -> None:
        """For whatever may come of a frame of so many bytes."""
        rows = size // LEVEL_BYTES_MIN + _EXTRA_ROWS
        if len(self._decoded) < rows:
            self._decoded, self._chained = np.empty(2 * rows, event_dtype), np.empty(2 * rows, event_dtype)
        wanted = 2 * rows + int(self._book.fused._state[:, _COUNT].sum())
        if len(self._out) < wanted:
            self._out = np.empty(2 * wanted, event_dtype)
        self._book.fused.make_room(rows)


def _table(prefixes: list[bytes]) -> NDArray[np.uint8]:
    """Texts as rows, padded with zeros, their length in the last byte."""
    width = max(map(len, prefixes))
    table = np.zeros((len(prefixes), width + 1), np.uint8)
    for row, prefix in zip(table, prefixes, strict=True):
        row[: len(prefix)] = np.frombuffer(prefix, np.uint8)
        row[width] = len(prefix)
    return table


@compiled
def _stream_of(text, start, end, prefixes):  # type: ignore[no-untyped-def]
    """Which of the prefixes the frame begins with; -1 for none."""
    for stream in range(prefixes.shape[0]):
        length = np.int64(prefixes[stream, prefixes.shape[1] - 1])
        if length <= end - start:
            is_same = True
            for n in range(length):
                if text[start + n] != prefixes[stream, n]:
                    is_same = False
                    break
            if is_same:
                return stream
    return -1


@compiled
def _is_plain(rule, state, message, local_ts, lead_max, probe):  # type: ignore[no-untyped-def]
    """Whether a decoded message leaves the book proven and the offset as it is."""
    kind = message.kind
    if kind == Kind.CONTROL or kind == Kind.SNAPSHOT:
        return False
    if kind >= Kind.DELTA and message.symbol < 0:
        return False
    if message.exch_ts != 0 and message.exch_ts - local_ts > lead_max:
        return False
    if kind == Kind.DELTA:
        if message.book != state[FOLLOWED]:
            return False
        for n in range(len(probe)):
            probe[n] = state[n]
        return receive_delta(rule, probe, message.first_id, message.last_id, message.prev_id) != Verdict.GAP
    return True


@compiled
def _has_room(rows, tables_bids, tables_asks, state, out, n):  # type: ignore[no-untyped-def]
    """Whether whatever comes of so many rows fits into `out` from `n` on, and their levels into the tables."""
    levels = state[0, _COUNT] + state[1, _COUNT]
    return (
        n + 2 * rows + levels + 2 <= len(out)
        and 2 * (state[0, _USED] + rows) <= len(tables_bids)
        and 2 * (state[1, _USED] + rows) <= len(tables_asks)
    )


@compiled
def _note_touch(touch, bids, asks, fused, state, local_ts):  # type: ignore[no-untyped-def]
    """Keeps what the touch is now."""
    touch.bid_tick, touch.ask_tick = fused[0, _BEST], fused[1, _BEST]
    touch.bid_qty, touch.ask_qty = _best_qty(bids, fused, 0), _best_qty(asks, fused, 1)
    touch.order_id = max(state[BOOK_ORDER], state[BBO_ORDER])
    touch.local_ts = local_ts


@cache
def _take_run(parse_frame: Any) -> Any:
    """The compiled run over a batch, with a venue's parser."""

    @compiled
    def take_run(  # type: ignore[no-untyped-def]
        text,
        ends,
        stamps,
        first,
        end,
        prefixes,
        symbols,
        lead_max,
        decoded,
        messages,
        rule,
        keep_bbo,
        trade_kind,
        state,
        held_rows,
        held_messages,
        held,
        chained,
        clock,
        tick_size,
        lot_size,
        bids,
        asks,
        fused,
        out,
        row_ends,
        touches,
        tallies,
        lags,
        cells,
    ):
        probe = np.empty(_PROBED, np.int64)
        tallies[:] = 0
        cells[_WHY] = _ENDED
        cells[_LEAD] = NO_LEAD
        message = messages[0]
        n = 0
        for k in range(first, end):
            begin = ends[k - 1] + 1 if k > 0 else 0
            size = ends[k] - begin
            rows = size // LEVEL_BYTES_MIN + _EXTRA_ROWS
            if rows > len(decoded) or not _has_room(rows, bids, asks, fused, out, n):
                cells[_WHY] = _FULL
                return k - first
            stream = _stream_of(text, begin, ends[k], prefixes)
            if stream < 0:
                return k - first
            next_row = parse_frame(text, begin, ends[k], symbols, stamps[k], decoded, 0, message)
            if next_row < 0 or not _is_plain(rule, state, message, stamps[k], lead_max, probe):
                return k - first
            message.local_ts = stamps[k]
            message.row_start, message.row_end = 0, next_row
            count = _receive(
                rule,
                keep_bbo,
                trade_kind,
                state,
                decoded,
                messages,
                held_rows,
                held_messages,
                held,
                chained,
            )
            _stamp(chained[:count], clock)
            if count:
                cells[_BOOK_TS] = chained[count - 1].local_ts
            n += _fuse(chained[:count], tick_size, lot_size, bids, asks, fused, out[n:])
            row_ends[k - first] = n
            _note_touch(touches[k - first], bids, asks, fused, state, cells[_BOOK_TS])
            tallies[stream, 0] += 1
            tallies[stream, 1] += size
            if message.exch_ts:
                cells[_LEAD] = max(cells[_LEAD], message.exch_ts - stamps[k])
                lags[stream, bucket_of(stamps[k] + clock[_OFFSET] - message.exch_ts)] += 1
        return end - first

    return take_run
