"""Frames of one instrument, as they come, to proven, stamped and fused rows, and what the touch is. Pure.

The same parts as over recordings: the compiled parser (or the JSON decoder for what it refuses), `BookSync`,
`RowClock`, `FusedBook`. A snapshot that was fetched waits here until a held change shows that it is no older than the
chain: until then nothing is published. One thread.
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

#: A frame that is longer is no market data.
FRAME_BYTES_MAX = 16 << 20
#: So many rows must have been measured before a step is proposed.
GRID_ROWS_MIN = 100
#: More decimals than any price has: a tick times its size is off in the last digits only.
PX_DECIMALS = 10


class Touch(NamedTuple):
    """Best bid and offer with their quantities; NaN where not known.

    `order_id` is the venue's own number of the moment at which this was true (Binance: update id, Bybit: `seq`), 0
    while nothing is known; `local_ts` is when it was received.
    """

    bid_px: float
    bid_qty: float
    ask_px: float
    ask_qty: float
    order_id: int
    local_ts: int


UNKNOWN_TOUCH = Touch(math.nan, math.nan, math.nan, math.nan, 0, 0)


class Outcome(Enum):
    """What came of a frame."""

    NOTHING = "nothing"
    """No row, or none that concerns the book's chain."""
    BOOK = "book"
    """The book went on, or is whole again."""
    HELD = "held"
    """A change is held for a snapshot."""
    BROKEN = "broken"
    """The chain broke: a new snapshot is needed."""
    OFF_GRID = "off grid"
    """Its values are not on the configured tick and lot: nothing of the instrument is known any more."""
    OLD_SNAPSHOT = "old snapshot"
    """The snapshot cannot be joined to the changes: another one is needed."""


@cache
def _frame_step(parse_frame: Any) -> Any:
    """The compiled decoding of one frame from its own buffer, with a venue's parser."""

    @compiled
    def decode_frame(buffer, end, symbols, local_ts, rows, messages):  # type: ignore[no-untyped-def]
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
    """Compiles, or loads from the cache, all that a `Pipeline` of the venue runs.

    Before sockets are opened: compiling takes seconds, and frames would wait for it with a false lag.
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
    """One instrument at one venue. `rows` of the last call are a view, valid until the next."""

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

        `silence_ns`: for how long the book may be silent, in local time; 0: for ever. Raises InstrumentError for an
        inverse contract.
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
        #: Whether values were received that are not on the configured tick and lot. Then the book stays unknown.
        self.is_off_grid = False
        #: How much of that was reported: nothing, that it is so, what to write instead.
        self._grid_news = 0
        #: The local time of the newest row, on the venues' clock.
        self._times = np.zeros(1, np.int64)
        self._venue = venue
        self._runs: Runs | None = None
        self.rows: Rows = np.zeros(0, event_dtype)
        #: Of the last frame: its kind and venue time (0: none).
        self.kind = Kind.OTHER
        self.exch_ts = 0

    @property
    def is_synced(self) -> bool:
        """Whether the book is proven."""
        return self._sync.is_synced

    @property
    def is_silent(self) -> bool:
        """Whether the book is emptied for the strategy, since its stream has been silent for too long."""
        return self._sync.is_silent

    @property
    def life_ts(self) -> int:
        """The local time at which the book was proven last."""
        return self._sync.life_ts

    @property
    def needs_fetch(self) -> bool:
        """Whether a snapshot is to be fetched now: changes are held, and none is here that could join them."""
        return not (self.is_synced or self._snapshot or self.is_off_grid) and self._sync.held_count > 0

    @property
    def gap_count(self) -> int:
        return self._sync.gap_count

    @property
    def other_count(self) -> int:
        """Messages of another book of the instrument than the one followed."""
        return self._sync.other_count

    @property
    def slow_frames(self) -> int:
        """Frames that needed the JSON decoder."""
        return self._decoder.slow_frames

    def grid_news(self) -> str:
        """What contradicts the configured tick and lot, once; once more when it is known what to write instead.

        "" for no news.
        """
        measured, (_, symbol, tick_size, lot_size) = self._grid.measured, self._instrument
        is_settled = measured.rows >= GRID_ROWS_MIN
        if not self.is_off_grid or self._grid_news >= 1 + is_settled:
            return ""
        self._grid_news = 1 + is_settled
        fault = fault_text(measured, tick_size, lot_size)
        return f"{fault}; write {setting_text(measured)} in [symbols.{symbol}]" if is_settled else fault

    def touch(self) -> Touch:
        """The touch by all that was received, of a run by all that was handed on; NaN unless the book is known."""
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
        """What takes runs of frames from here on. `openings`: how the frames of each stream begin (`Venue.opening`).

        `counts` and `lag_counts` are a monitor's (`connectors.feed.status`), a row a stream.
        """
        parts = Parts(self._sync, self._clock, self._book, self._times, self._grid)
        symbols = symbol_table([self._instrument.symbol])
        self._runs = Runs(self._venue, symbols, openings, parts, counts, lag_counts)
        return self._runs

    def decode(self, frame: bytes, local_ts: int) -> Kind:
        """Decodes a frame of a stream, for `receive`. Raises DecodeError; nothing has changed then."""
        self.kind = self._decoder.decode(frame, local_ts)
        self.exch_ts = int(self._decoder.messages[0]["exch_ts"])
        return self.kind

    def receive(self, offset_ns: int) -> Outcome:
        """Takes the frame decoded last; its rows are in `rows`."""
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
        """Keeps a snapshot that was fetched, for `join`; of two that wait, that of the lower id.

        Raises DecodeError where it is none, or has no level: the changes behind it would make a book of the few levels
        that they name, and a market without orders has no touch either way.
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
        """Joins the kept snapshot to the held changes, if they reach as far; the rows are in `rows`.

        NOTHING: there is none, or it waits for a change that comes behind it.
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
        """Forgets the book; the rows that empty it are in `rows`."""
        self._snapshot = b""
        rows = self._sync.doubt(local_ts)
        self._clock.stamp(rows)
        self.rows = self._book.fuse(rows)

    def fall_silent(self) -> None:
        """Empties the book for its silence, at a time at which nothing came; the rows that do so are in `rows`."""
        rows = self._sync.fall_silent()
        self._clock.stamp(rows)
        self.rows = self._book.fuse(rows)

    def _is_on_grid(self) -> bool:
        """Measures the frame decoded last; False from the first one on that contradicts the configured grid."""
        decoder = self._decoder
        rows = decoder.rows[: int(decoder.messages[0]["row_end"])]
        if self._grid.follow(rows) and self._grid.is_off:
            self.is_off_grid = True
        return not self.is_off_grid

    def _leave_grid(self, offset_ns: int) -> Outcome:
        """Forgets the book behind the frame decoded last; once."""
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
        """Whether snapshots are fetched, not subscribed to."""
        return self._rule != SequenceRule.INCREMENT
