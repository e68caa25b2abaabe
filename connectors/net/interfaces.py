"""What sessions and feeds need of the world: timers, websockets, REST requests. Protocols and records only.

Everything is a callback on one thread, so that the same session runs on asyncio with real sockets
(`connectors.net.sockets`, `connectors.net.rest`) and in tests on a simulated clock, thousands of seconds a second.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple, Protocol

from connectors.model import RestRequest
from connectors.parsing.batch import Batch


class Timer(Protocol):
    """A call that was asked for."""

    def cancel(self) -> None:
        """It is not called any more. Any number of times, also after the call."""


class Timers(Protocol):
    """Time, and calls at a time."""

    def monotonic_ns(self) -> int:
        """A clock that never steps; its zero means nothing."""

    def time_ns(self) -> int:
        """The local clock, ns UTC. It may be wrong, and may step."""

    def call_later(self, delay_ns: int, callback: Callable[[], None]) -> Timer:
        """Calls back once, `delay_ns` from now."""


class ConnectionListener(Protocol):
    """Who hears of a connection."""

    def on_open(self) -> None:
        """The handshake is done. At most once, before any frame."""

    def on_frame(self, frame: bytes, local_ts: int) -> None:
        """A whole message; `local_ts` was taken before anything else was done with it."""

    def on_batch(self, batch: Batch) -> None:
        """Whole messages that came in one read, as if by `on_frame` one after the other. Valid until this returns."""

    def on_close(self, reason: str) -> None:
        """The connection failed, was refused, or was closed by the other side. At most once, and the last call."""


class Connection(Protocol):
    """One websocket on its way or open. Pings of the protocol are answered by whoever implements this."""

    def send(self, frame: str) -> None:
        """Sends a text message. Only between `on_open` and the end; what cannot be sent is lost with the connection."""

    def close(self) -> None:
        """Closes it; the listener hears nothing of it any more. Any number of times."""


class Transport(Protocol):
    """Opens websockets."""

    def connect(self, url: str, listener: ConnectionListener) -> Connection:
        """Begins to connect. The listener is called later, never from within. Without a time-out of its own."""


class RestAnswer(NamedTuple):
    """What came of a request. `status` 0: nothing, for the reason in `error`. Times are local ones in ns."""

    status: int
    body: bytes
    sent_ts: int
    local_ts: int
    retry_after_ns: int = 0
    error: str = ""


class Rest(Protocol):
    """Asks public requests of one venue."""

    def get(self, request: RestRequest, done: Callable[[RestAnswer], None]) -> None:
        """Calls back once, later, with the answer or after a time-out."""


class EventKind(Enum):
    """What happened beside the market data."""

    CONNECT = "connect"
    DISCONNECT = "disconnect"
    ACK = "ack"
    ERROR = "error"
    PONG = "pong"
    NOTICE = "notice"
    HANDOVER = "handover"
    GAP = "gap"
    RESYNC = "resync"
    SYNCED = "synced"
    STALE = "stale"
    GARBAGE = "garbage"
    SILENT = "silent"
    REFUSED = "refused"
    """The venue refuses a stream; the others flow."""
    CLOCK = "clock"
    """The local clock was set, or the clock of the venue is off, or right again."""
    STAMP = "stamp"
    """A message was stamped with a time that is not believed."""
    GRID = "grid"
    """Values of an instrument are not on the configured tick and lot."""


class Event(NamedTuple):
    """Something that happened beside the market data. `symbol` "": it is about the venue."""

    kind: EventKind
    local_ts: int
    venue: str
    symbol: str
    text: str
