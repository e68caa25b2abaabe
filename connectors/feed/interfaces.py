"""Inputs and outputs of a feed: time limits, sinks and taps. Protocols and records only."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from connectors.feed.status import FeedStatus
from connectors.model import Rows
from connectors.net.interfaces import Event
from connectors.net.session import SessionTimes
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
