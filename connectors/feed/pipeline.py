"""Turns live frames of one instrument into rows of a synced book, stamped and fused, and its touch. Pure.

`FrameLoop` decodes frames, of a batch or single ones, and applies those that only make rows. Each other frame is
applied here, by the parts that the conversion of recordings uses too: `BookSync`, `RowClock`, `FusedBook`. A fetched
snapshot is such a frame; `BookSync` publishes nothing before a change joins it. One thread.
"""

from __future__ import annotations

from contextlib import suppress
from enum import Enum

import numpy as np
from hftbacktest.types import event_dtype

from connectors.book.fused import FusedBook
from connectors.book.grid import GridMeter, fault_text, setting_text
from connectors.book.level_table import BEST
from connectors.book.sync import BookSync
from connectors.book.timestamps import RowClock
from connectors.errors import DecodeError, InstrumentError
from connectors.feed.frame_loop import BookParts, FrameLoop, StreamCounts, uncounted
from connectors.feed.touch import UNKNOWN_TOUCH, Touch, in_prices
from connectors.model import Instrument, Kind, Rows, SequenceRule, Venue
from connectors.parsing.batch import Batch
from connectors.parsing.contracts import inverse_reason

#: Rows to measure before a tick and lot are proposed.
GRID_ROWS_MIN = 100


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
    """The held changes refute the fetched snapshot: another one is needed."""


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
    pipeline._fused.make_room(1 << 16)  # noqa: SLF001
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
        streams: StreamCounts | None = None,
    ) -> None:
        """`trade_kind`: which trades make rows, TRADE or AGG_TRADE; `feed_latency_ns`: see `RowClock`.

        `silence_ns`: how long the book may be silent, in local time; 0: no limit. `streams`: where frames are counted.
        Raises InstrumentError for an inverse contract.
        """
        if reason := inverse_reason(venue.name, instrument.symbol):
            raise InstrumentError(f"{venue.name}: {reason}")
        self._instrument = instrument
        self._rule = venue.sequence_rule
        self.sync = BookSync(venue.sequence_rule, keep_bbo=True, trade_kind=trade_kind, silence_ns=silence_ns)
        self._clock = RowClock(0, feed_latency_ns)
        self._fused = FusedBook(instrument.tick_size, instrument.lot_size, is_window=not self.is_fetched)
        self._grid = GridMeter(instrument.tick_size, instrument.lot_size)
        #: The local time of the newest row, corrected to the venues' clock.
        self._newest_ts = np.zeros(1, np.int64)
        parts = BookParts(self.sync, self._clock, self._fused, self._grid, self._newest_ts)
        self.loop = FrameLoop(venue, instrument, parts, streams or uncounted())
        self._one = Batch()
        #: Whether a value off the configured tick and lot was received. The book then stays unknown.
        self.is_off_grid = False
        #: 0: not reported; 1: the fault was reported; 2: with the values to configure instead.
        self._grid_news = 0
        self.rows: Rows = np.zeros(0, event_dtype)
        #: Kind and venue time (0: none) of the last frame.
        self.kind = Kind.OTHER
        self.exch_ts = 0

    @property
    def symbol(self) -> str:
        """The instrument, as the venue writes it."""
        return self._instrument.symbol

    @property
    def is_synced(self) -> bool:
        """Whether the book is in sync."""
        return self.sync.is_synced

    @property
    def is_silent(self) -> bool:
        """Whether the strategy sees an empty book because the stream has been silent for too long."""
        return self.sync.is_silent

    @property
    def needs_fetch(self) -> bool:
        """Whether to fetch a snapshot now: changes are held and no fetched snapshot waits."""
        is_known = self.is_synced or self.sync.is_bridging or self.is_off_grid
        return not is_known and self.sync.held_count > 0

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
        """The touch after all received frames; in a batch, after the frame that the sink receives now.

        NaN if not known.
        """
        if not self.is_synced or self.is_silent:
            return UNKNOWN_TOUCH
        tick_size = self._instrument.tick_size
        if self.loop.shown >= 0:
            return self.loop.touch(tick_size)
        best, book = self._fused.arguments.state[:, BEST].tolist(), self._fused
        touch = (
            best[0],
            book.best_qty(0),
            best[1],
            book.best_qty(1),
            self.sync.order_id,
            int(self._newest_ts[0]),
        )
        return in_prices(touch, tick_size)

    def decode(self, frame: bytes, local_ts: int) -> Kind:
        """Decodes a frame by itself for the next `receive`. Raises DecodeError and then changes nothing."""
        self._one.clear()
        self._one.frames.append(frame)
        self._one.stamps.append(local_ts)
        return self.finish_decoding(self.loop.take(self._one, 0, stream=0), frame, local_ts)

    def finish_decoding(self, code: int, frame: bytes, local_ts: int) -> Kind:
        """Decodes the frame at which `loop` stopped, for the next `receive`. Raises DecodeError like `decode`."""
        self.kind = self.loop.finish_decoding(code, frame, local_ts)
        self.exch_ts = int(self.loop.message[0]["exch_ts"])
        return self.kind

    def receive(self, offset_ns: int) -> Outcome:
        """Applies the frame decoded last; the resulting rows are in `rows`."""
        kind = self.kind
        if kind in (Kind.CONTROL, Kind.OTHER):
            self.rows = self.rows[:0]
            return Outcome.NOTHING
        if kind == Kind.FUNDING:
            # It changes no book, and its price is on no grid.
            self._chain(offset_ns)
            return Outcome.NOTHING
        if not self._is_on_grid():
            return self._leave_grid(offset_ns)
        was_synced, gaps = self.is_synced, self.sync.gap_count
        self._chain(offset_ns)
        is_of_book = kind in (Kind.DELTA, Kind.SNAPSHOT)
        if self.is_synced:
            return Outcome.BOOK if is_of_book else Outcome.NOTHING
        if self.sync.gap_count != gaps:
            return Outcome.BROKEN if was_synced else Outcome.OLD_SNAPSHOT
        return Outcome.HELD if is_of_book and self.sync.held_count else Outcome.NOTHING

    def decode_snapshot(self, body: bytes, local_ts: int) -> None:
        """Decodes a fetched snapshot for the next `receive`.

        Raises DecodeError if it is not a snapshot, or has no level: with an empty snapshot, the next changes would
        build a book of only the few levels that they name.
        """
        if self.decode(body, local_ts) != Kind.SNAPSHOT:
            raise DecodeError(self._instrument.venue, "the answer is no snapshot", body)
        if np.isnan(self._decoded_rows["px"]).all():
            raise DecodeError(self._instrument.venue, "the answer is a book without levels", body)

    def doubt(self, local_ts: int) -> None:
        """Clears the book; the rows that empty it are in `rows`."""
        self._fuse(self.sync.doubt(local_ts))

    def fall_silent(self) -> None:
        """Empties the book because it was silent, without a frame; the rows that empty it are in `rows`."""
        self._fuse(self.sync.fall_silent())

    @property
    def _decoded_rows(self) -> Rows:
        return self.loop.decoded[: int(self.loop.message[0]["row_end"])]

    def _is_on_grid(self) -> bool:
        """Checks the frame decoded last; False from the first frame off the configured tick and lot on."""
        if self._grid.follow(self._decoded_rows) and self._grid.is_off:
            self.is_off_grid = True
        return not self.is_off_grid

    def _leave_grid(self, offset_ns: int) -> Outcome:
        """Clears the book after the frame decoded last."""
        self._clock.offset_ns = offset_ns
        self.doubt(int(self.loop.message[0]["local_ts"]))
        return Outcome.OFF_GRID

    def _chain(self, offset_ns: int) -> None:
        """Sequences, stamps and fuses the frame decoded last."""
        rows = self.sync.receive(self._decoded_rows, self.loop.message)
        self._clock.offset_ns = offset_ns
        self._fuse(rows)
        if len(rows):
            self._newest_ts[0] = rows["local_ts"][-1]

    def _fuse(self, rows: Rows) -> None:
        self._clock.stamp(rows)
        self.rows = self._fused.fuse(rows)

    @property
    def is_fetched(self) -> bool:
        """Whether snapshots are fetched by REST, not sent on subscription."""
        return self._rule != SequenceRule.INCREMENT
