"""Turns live frames of one instrument into rows of a synced book, stamped and fused, and its touch. Pure.

Uses the same parts as the conversion of recordings: the compiled parser (or the JSON decoder for frames that it
refuses), `BookSync`, `RowClock`, `FusedBook`. A fetched snapshot waits here until the held changes reach beyond its id;
nothing is published before. One thread.
"""

from __future__ import annotations

import math
from contextlib import suppress
from enum import Enum
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from hftbacktest.types import event_dtype
from numpy.typing import NDArray

from connectors.book.fused import FusedBook
from connectors.book.grid import GridMeter, fault_text, setting_text
from connectors.book.sequence import Status
from connectors.book.sync import BookSync, Checkpoint
from connectors.book.timestamps import RowClock
from connectors.errors import DecodeError, InstrumentError
from connectors.feed.fast_path import KnownTouch, Parts, Runs
from connectors.feed.lags import BUCKETS
from connectors.jit.compilation import compiled
from connectors.model import MESSAGE_DTYPE, Instrument, Kind, Rows, SequenceRule, Venue
from connectors.parsing.batch import Batch
from connectors.parsing.contracts import inverse_reason
from connectors.parsing.lines import record_of
from connectors.parsing.scanner import LEVEL_BYTES_MIN, PADDING, symbol_table

#: Longer frames are not market data.
FRAME_BYTES_MAX = 16 << 20
#: Rows to measure before a tick and lot are proposed.
GRID_ROWS_MIN = 100
#: More decimals than any price has: removes the floating point error of ticks times tick size.
PX_DECIMALS = 10


class Touch(NamedTuple):
    """Best bid and offer with their quantities in quote and base units; NaN where not known.

    `order_id` is the venue's sequence number of this state (Binance: update id, Bybit: `seq`), 0 while nothing is
    known; `local_ts` is the local receive time.
    """

    bid_px: float
    bid_qty: float
    ask_px: float
    ask_qty: float
    order_id: int
    local_ts: int


UNKNOWN_TOUCH = Touch(math.nan, math.nan, math.nan, math.nan, 0, 0)


class Outcome(Enum):
    """Outcome of a frame."""

    NOTHING = "nothing"
    """No effect on the state of the book's chain."""
    BOOK = "book"
    """The book was updated, or is in sync again."""
    HELD = "held"
    """A change is held until a snapshot arrives."""
    BROKEN = "broken"
    """The chain broke: a new snapshot is needed."""
    OFF_GRID = "off grid"
    """Values are not on the configured tick and lot: the instrument's book is unknown from here on."""
    OLD_SNAPSHOT = "old snapshot"
    """The snapshot is too old to join the held changes: another one is needed."""


@cache
def _frame_step(parse_frame: Any) -> Any:
    """Compiles the decoder of one frame for a venue's parser."""

    @compiled
    def decode_frame(buffer, end, symbols, local_ts, rows, messages):
        out = messages[0]
        next_row = parse_frame(buffer, 0, end, symbols, local_ts, rows, 0, out)
        if next_row < 0:
            return -1
        out.local_ts = local_ts
        out.row_start = 0
        out.row_end = next_row
        out.line = 0
        return next_row

    return decode_frame


class FrameDecoder:
    """Decodes single frames of one instrument. `slow_frames` counts those that needed the JSON decoder."""

    def __init__(self, venue: Venue, symbol: str) -> None:
        self._venue = venue
        self._symbol = symbol
        self._symbols = symbol_table([symbol])
        self._step = _frame_step(venue.parse_frame)
        self._buffer = np.zeros(PADDING, np.uint8)
        self._view = self._buffer.data
        self.rows: Rows = np.zeros(0, event_dtype)
        #: One message; its rows are `rows[: row_end]`. Both are valid until the next call.
        self.messages = np.zeros(1, MESSAGE_DTYPE)
        self.slow_frames = 0

    def decode(self, frame: bytes, local_ts: int) -> Kind:
        """Decodes `frame` into `rows` and `messages`. Raises DecodeError, also for another symbol's frame."""
        size = len(frame)
        if size + PADDING > len(self._buffer):
            self._make_room(frame)
        self._view[:size] = frame
        self._buffer[size : size + PADDING] = 0
        if self._step(self._buffer, size, self._symbols, local_ts, self.rows, self.messages) < 0:
            self._decode_slowly(frame, local_ts)
        message = self.messages[0]
        kind = Kind(int(message["kind"]))
        if kind >= Kind.DELTA and message["symbol"] < 0:
            raise DecodeError(self._venue.name, f"a frame of another symbol than {self._symbol}", frame)
        return kind

    def _make_room(self, frame: bytes) -> None:
        if len(frame) > FRAME_BYTES_MAX:
            raise DecodeError(self._venue.name, "a frame of more than 16 MB", frame)
        size = 2 * len(frame) + PADDING
        self._buffer = np.zeros(size, np.uint8)
        self._view = self._buffer.data
        self.rows = np.zeros(size // LEVEL_BYTES_MIN + 8, event_dtype)

    def _decode_slowly(self, frame: bytes, local_ts: int) -> None:
        message = self._venue.decode(frame)
        count = len(message.rows)
        if count > len(self.rows):
            self.rows = np.zeros(2 * count, event_dtype)
        self.rows[:count] = message.rows
        self.rows["local_ts"][:count] = local_ts
        symbol = 0 if message.symbol in ("", self._symbol) else -1
        self.messages[0] = record_of(message, local_ts, symbol, 0, count, 0)
        self.slow_frames += 1


def warm_up(venue: Venue, instrument: Instrument) -> None:
    """Compiles, or loads from the cache, all compiled functions of a `Pipeline` of the venue.

    Call it before sockets are opened: compilation takes seconds, and waiting frames would show a false lag.
    """
    pipeline = Pipeline(venue, instrument, 0, Kind.TRADE)
    with suppress(DecodeError):
        pipeline.decode(b"{}", 1)
    pipeline.receive(0)
    pipeline._chain(0)  # noqa: SLF001
    pipeline._is_on_grid()  # noqa: SLF001
    pipeline._book.make_room(1 << 16)  # noqa: SLF001
    pipeline._sync.resume(Checkpoint(Status.SYNCED, 0))  # noqa: SLF001
    batch = Batch()
    batch.frames.append(b"{}")
    batch.stamps.append(1)
    runs = pipeline.expect_runs([b"{"], np.zeros((1, 3), np.int64), np.zeros((1, BUCKETS), np.int64))
    runs.take(batch, 0, 0, 0, 0)
    pipeline.touch()
    pipeline.fall_silent()
    pipeline.doubt(1)


class Pipeline:
    """Processes the frames of one instrument at one venue. `rows` is a view, valid until the next call."""

    def __init__(
        self,
        venue: Venue,
        instrument: Instrument,
        feed_latency_ns: int,
        trade_kind: Kind,
        *,
        silence_ns: int = 0,
    ) -> None:
        """`trade_kind`: which trades make rows, TRADE or AGG_TRADE; `feed_latency_ns`: see `RowClock`.

        `silence_ns`: how long the book may be silent, in local time; 0: no limit. Raises InstrumentError for an inverse
        contract.
        """
        if reason := inverse_reason(venue.name, instrument.symbol):
            raise InstrumentError(f"{venue.name}: {reason}")
        self._instrument = instrument
        self._rule = venue.sequence_rule
        self._decoder = FrameDecoder(venue, instrument.symbol)
        self._sync = BookSync(
            venue.sequence_rule, keep_bbo=True, trade_kind=trade_kind, silence_ns=silence_ns
        )
        self._clock = RowClock(0, feed_latency_ns)
        self._book = FusedBook(instrument.tick_size, instrument.lot_size, is_window=not self.is_fetched)
        self._snapshot = b""
        self._snapshot_id = 0
        self._grid = GridMeter(instrument.tick_size, instrument.lot_size)
        #: Whether a value off the configured tick and lot was received. The book then stays unknown.
        self.is_off_grid = False
        #: 0: not reported; 1: the fault was reported; 2: with the values to configure instead.
        self._grid_news = 0
        #: The local time of the newest row, corrected to the venues' clock.
        self._times = np.zeros(1, np.int64)
        self._venue = venue
        self._runs: Runs | None = None
        self.rows: Rows = np.zeros(0, event_dtype)
        #: Kind and venue time (0: none) of the last frame.
        self.kind = Kind.OTHER
        self.exch_ts = 0

    @property
    def is_synced(self) -> bool:
        """Whether the book is in sync."""
        return self._sync.is_synced

    @property
    def is_silent(self) -> bool:
        """Whether the strategy sees an empty book because the stream has been silent for too long."""
        return self._sync.is_silent

    @property
    def life_ts(self) -> int:
        """The local time of the last change that showed the book to be in sync."""
        return self._sync.life_ts

    @property
    def needs_fetch(self) -> bool:
        """Whether to fetch a snapshot now: changes are held and no fetched snapshot is waiting."""
        return not (self.is_synced or self._snapshot or self.is_off_grid) and self._sync.held_count > 0

    @property
    def has_snapshot(self) -> bool:
        """Whether a fetched snapshot waits for the changes to reach it."""
        return bool(self._snapshot)

    @property
    def gap_count(self) -> int:
        return self._sync.gap_count

    @property
    def other_count(self) -> int:
        """Messages of another book of the same instrument than the followed one."""
        return self._sync.other_count

    @property
    def slow_frames(self) -> int:
        """Frames that needed the JSON decoder."""
        return self._decoder.slow_frames

    def grid_news(self) -> str:
        """Why the tick and lot are wrong; returned once, and once more with the values to configure.

        Otherwise "".
        """
        measured, (_, symbol, tick_size, lot_size) = self._grid.measured, self._instrument
        is_settled = measured.rows >= GRID_ROWS_MIN
        if not self.is_off_grid or self._grid_news >= 1 + is_settled:
            return ""
        self._grid_news = 1 + is_settled
        fault = fault_text(measured, tick_size, lot_size)
        return f"{fault}; write {setting_text(measured)} in [symbols.{symbol}]" if is_settled else fault

    def touch(self) -> Touch:
        """The touch after all received frames, in a run after the one now passed to the sink; NaN if not known."""
        if not self.is_synced or self.is_silent:
            return UNKNOWN_TOUCH
        if self._runs is not None and self._runs.shown >= 0:
            known = self._runs.touch()
        else:
            book = self._book
            known = KnownTouch(
                book.best_bid_tick,
                book.best_qty(0),
                book.best_ask_tick,
                book.best_qty(1),
                self._sync.order_id,
                int(self._times[0]),
            )
        bid, ask, tick = known.bid_tick, known.ask_tick, self._instrument.tick_size
        return Touch(
            math.nan if bid is None else round(bid * tick, PX_DECIMALS),
            known.bid_qty,
            math.nan if ask is None else round(ask * tick, PX_DECIMALS),
            known.ask_qty,
            known.order_id,
            known.local_ts,
        )

    def expect_runs(
        self, openings: list[bytes], counts: NDArray[np.int64], lag_counts: NDArray[np.int64]
    ) -> Runs:
        """Returns the fast path. `openings`: the first bytes of each stream's frames (`Venue.opening`).

        `counts` and `lag_counts` belong to a `Monitor` (`connectors.feed.status`), one row per stream.
        """
        parts = Parts(self._sync, self._clock, self._book, self._times, self._grid)
        symbols = symbol_table([self._instrument.symbol])
        self._runs = Runs(self._venue, symbols, openings, parts, counts, lag_counts)
        return self._runs

    def decode(self, frame: bytes, local_ts: int) -> Kind:
        """Decodes a frame for the next `receive`. Raises DecodeError and then changes nothing."""
        self.kind = self._decoder.decode(frame, local_ts)
        self.exch_ts = int(self._decoder.messages[0]["exch_ts"])
        return self.kind

    def receive(self, offset_ns: int) -> Outcome:
        """Applies the frame decoded last; the resulting rows are in `rows`."""
        kind = self.kind
        if kind in (Kind.CONTROL, Kind.OTHER):
            self.rows = self.rows[:0]
            return Outcome.NOTHING
        if not self._is_on_grid():
            return self._leave_grid(offset_ns)
        gaps = self._sync.gap_count
        self._chain(offset_ns)
        if self._sync.gap_count != gaps and not self._sync.is_synced:
            self._snapshot = b""
            return Outcome.BROKEN
        if kind not in (Kind.DELTA, Kind.SNAPSHOT):
            return Outcome.NOTHING
        if not self._sync.is_synced:
            return Outcome.HELD if self._sync.held_count else Outcome.NOTHING
        return Outcome.BOOK

    def receive_snapshot(self, body: bytes, local_ts: int) -> None:
        """Keeps a fetched snapshot for `join`; of two waiting snapshots, the one with the lower id.

        Raises DecodeError if it is not a snapshot, or has no level: with an empty snapshot, the next changes would
        build a book of only the few levels that they name.
        """
        if self._decoder.decode(body, local_ts) != Kind.SNAPSHOT:
            raise DecodeError(self._instrument.venue, "the answer is no snapshot", body)
        message = self._decoder.messages[0]
        if np.isnan(self._decoder.rows["px"][: int(message["row_end"])]).all():
            raise DecodeError(self._instrument.venue, "the answer is a book without levels", body)
        last_id = int(message["last_id"])
        if self._is_on_grid() and (not self._snapshot or last_id < self._snapshot_id):
            self._snapshot, self._snapshot_id = body, last_id

    def join(self, local_ts: int, offset_ns: int) -> Outcome:
        """Joins the kept snapshot to the held changes if they reach beyond its id; the rows are in `rows`.

        NOTHING: there is no snapshot, or it waits for a change with a later id.
        """
        if self.is_off_grid:
            return self._leave_grid(offset_ns)
        self.rows = self.rows[:0]
        if not self._snapshot or self._sync.held_last_id <= self._snapshot_id:
            return Outcome.NOTHING
        body, self._snapshot = self._snapshot, b""
        self._decoder.decode(body, local_ts)
        self._chain(offset_ns)
        return Outcome.BOOK if self.is_synced else Outcome.OLD_SNAPSHOT

    def doubt(self, local_ts: int) -> None:
        """Clears the book; the rows that empty it are in `rows`."""
        self._snapshot = b""
        rows = self._sync.doubt(local_ts)
        self._clock.stamp(rows)
        self.rows = self._book.fuse(rows)

    def fall_silent(self) -> None:
        """Empties the book because it was silent, without a frame; the rows that empty it are in `rows`."""
        rows = self._sync.fall_silent()
        self._clock.stamp(rows)
        self.rows = self._book.fuse(rows)

    def _is_on_grid(self) -> bool:
        """Checks the frame decoded last; False from the first frame off the configured tick and lot on."""
        decoder = self._decoder
        rows = decoder.rows[: int(decoder.messages[0]["row_end"])]
        if self._grid.follow(rows) and self._grid.is_off:
            self.is_off_grid = True
        return not self.is_off_grid

    def _leave_grid(self, offset_ns: int) -> Outcome:
        """Clears the book after the frame decoded last."""
        self._clock.offset_ns = offset_ns
        self.doubt(int(self._decoder.messages[0]["local_ts"]))
        return Outcome.OFF_GRID

    def _chain(self, offset_ns: int) -> None:
        decoder = self._decoder
        count = int(decoder.messages[0]["row_end"])
        rows = self._sync.receive(decoder.rows[:count], decoder.messages)
        self._clock.offset_ns = offset_ns
        self._clock.stamp(rows)
        self.rows = self._book.fuse(rows)
        if len(rows):
            self._times[0] = rows["local_ts"][-1]

    @property
    def is_fetched(self) -> bool:
        """Whether snapshots are fetched by REST, not sent on subscription."""
        return self._rule != SequenceRule.INCREMENT
