"""Inputs and outputs of a feed: time limits, sinks and taps. Protocols and records only."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from connectors.feed.status import FeedStatus
from connectors.model import Rows
from connectors.net.interfaces import Event
from connectors.net.session import SessionTimes
from connectors.parsing.batch import Batch
from connectors.units import MILLISECOND, SECOND


class Sink(Protocol):
    """Receives rows, e.g. a bot or a file. `no` is the instrument's index in the feed's list."""

    def on_rows(self, no: int, rows: Rows) -> None:
        """Rows of a synced book in order, stamped and fused, as `event_dtype`; a view, valid until this returns."""

    def on_status(self, no: int, status: FeedStatus) -> None:
        """The instrument's status changed; `Feed.touch` already reflects it."""


class Tap(Protocol):
    """Receives everything that arrives over the wire: the recorder."""

    def on_frame(self, no: int, local_ts: int, frame: bytes) -> None:
        """A market frame or a fetched snapshot, as received. A frame that cannot be decoded is an event instead."""

    def on_event(self, event: Event) -> None:
        """An event other than market data: connection, resynchronisation, clock."""


class Reader(Sink, Tap, Protocol):
    """A feed's sink and tap in one, which takes the messages of a read together."""

    def on_read(self, no: int, batch: Batch, first: int, rows: Rows, ends: NDArray[np.int64]) -> None:
        """Frames number `first` to `first + len(ends) - 1` of a batch, of one instrument.

        ends: the end of each frame's rows; it takes the place of `on_frame` and `on_rows` for each frame in turn. The
        arrays are views, valid until this returns; `Feed.touch` is the one after all frames.
        """


class FeedTimes(NamedTuple):
    """Spans in ns."""

    session: SessionTimes = SessionTimes()
    stale_after_ns: int = 2 * SECOND
    """A book to which no change was applied for this long is emptied; 0: never."""
    tick_ns: int = 250 * MILLISECOND
    """Interval at which clocks and rates are checked."""
    book_ns: int = 3 * SECOND
    """After a new subscription, the book must arrive within this time."""
    first_data_ns: int = 30 * SECOND
    """An acknowledged stream without a message for this long is reported."""
    time_ns: int = 300 * SECOND
    """Interval of requests for the venue's time; 0: never."""
    step_ns: int = 100 * MILLISECOND
    """If the local and the monotonic clock differ by more than this between two ticks, the local clock was set."""
