"""What a feed is given and what it tells: addresses and times, sinks and taps. Protocols and records only."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from connectors.feed.status import FeedStatus
from connectors.model import Rows
from connectors.net.interfaces import Event
from connectors.net.session import SessionTimes

_S = 1_000_000_000
_MS = 1_000_000


class Sink(Protocol):
    """Where rows go: a bot, a file. `no` is the instrument's place in the feed's list."""

    def on_rows(self, no: int, rows: Rows) -> None:
        """Proven, stamped, fused rows of `event_dtype`, in order; a view, valid until this returns."""

    def on_status(self, no: int, status: FeedStatus) -> None:
        """The instrument's status changed; `Feed.touch` says the same."""


class Tap(Protocol):
    """Who keeps what came over the wire: the recorder."""

    def on_frame(self, no: int, local_ts: int, frame: bytes) -> None:
        """A market frame or a fetched snapshot, as received. What cannot be decoded is an event instead."""

    def on_event(self, event: Event) -> None:
        """What happened beside the market data."""


class FeedTimes(NamedTuple):
    """Spans in ns."""

    session: SessionTimes = SessionTimes()
    stale_after_ns: int = 2 * _S
    """A book without a change that was applied for so long is emptied; 0: never."""
    tick_ns: int = 250 * _MS
    """How often clocks and rates are looked at."""
    book_ns: int = 3 * _S
    """A book that is subscribed anew must come within this."""
    first_data_ns: int = 30 * _S
    """A stream that was acknowledged and says nothing for so long is reported."""
    time_ns: int = 300 * _S
    """The venue's time is asked for so often; 0: never."""
    step_ns: int = 100 * _MS
    """The local clock was set if it moved so much more or less than the monotonic one between two ticks."""


class Endpoints(NamedTuple):
    """Where the venue is: base addresses of the websockets, tried in turn."""

    websocket_urls: tuple[str, ...]
