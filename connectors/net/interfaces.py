"""Interfaces that sessions and feeds need: timers, websockets, REST requests. Protocols and records only.

Everything is a callback on one thread, so that the same session runs on asyncio with real sockets
(`connectors.net.sockets`, `connectors.net.rest`) and in tests on a simulated clock, thousands of times faster than real
time.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from connectors.model import RestRequest
from connectors.orders.model import WireRequest

if TYPE_CHECKING:
    from connectors.parsing.batch import Batch


class Timer(Protocol):
    """A scheduled call."""

    def cancel(self) -> None:
        """Cancels the call. Idempotent, also after the call."""


class Timers(Protocol):
    """Clocks and scheduled calls."""

    def monotonic_ns(self) -> int:
        """A clock that never steps, with an arbitrary zero."""

    def time_ns(self) -> int:
        """The local clock, ns UTC. It may be wrong, and may step."""

    def call_later(self, delay_ns: int, callback: Callable[[], None]) -> Timer:
        """Calls back once, `delay_ns` from now."""


class ConnectionListener(Protocol):
    """Receives the callbacks of a connection."""

    def on_open(self) -> None:
        """The handshake is complete. At most once, before any frame."""

    def on_frame(self, frame: bytes, local_ts: int) -> None:
        """A complete message; `local_ts` was taken before it was processed."""

    def on_batch(self, batch: Batch) -> None:
        """Complete messages of one socket read, as if passed to `on_frame` one by one. Valid until this returns."""

    def on_close(self, reason: str) -> None:
        """The connection failed, was refused, or was closed by the other side. At most once, and the last call."""


class Connection(Protocol):
    """One websocket, connecting or open. The implementation answers pings of the protocol."""

    def send(self, frame: str) -> bool:
        """Sends a text message. Only after `on_open`; unsent messages are lost when the connection ends.

        Returns False if not a byte was or will be written. True does not say that the message arrives.
        """

    def close(self) -> None:
        """Closes the connection; the listener gets no further callback. Idempotent."""


@runtime_checkable
class Probed(Protocol):
    """A connection that can be asked whether its other side is there."""

    def probe(self, *, is_pinging: bool) -> bool:
        """Whether anything was received since the last call: a message, a part of one, a ping or an answer to one.
        is_pinging: a ping of the protocol is sent, too. Before `on_open` and after the end: True."""


class Transport(Protocol):
    """Opens websockets."""

    def connect(self, url: str, listener: ConnectionListener) -> Connection:
        """Starts to connect. The listener is called later, never within this call. There is no time-out."""


class RestAnswer(NamedTuple):
    """The response to a request. `status` 0: there is none, for the reason in `error`. Times are local, in ns."""

    status: int
    body: bytes
    sent_ts: int
    local_ts: int
    retry_after_ns: int = 0
    error: str = ""
    was_sent: bool = True
    """False only if it is certain that not a byte of the request was written."""
    limits: tuple[tuple[str, str], ...] = ()
    """The headers that say what is used of limits on requests; names in lower case."""


class Rest(Protocol):
    """Sends public requests to one venue."""

    def get(self, request: RestRequest, done: Callable[[RestAnswer], None]) -> None:
        """Calls back once, later, with the response or after a time-out."""


class TradeRest(Protocol):
    """Sends signed requests to one venue."""

    def send(self, request: WireRequest, done: Callable[[RestAnswer], None]) -> None:
        """Calls back once, later, with the response or after a time-out. Never sends a request twice."""


class EventKind(Enum):
    """Kinds of events other than market data."""

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
    """The venue refuses a stream; the others continue."""
    CLOCK = "clock"
    """The local clock was set, or the venue's clock is wrong, or right again."""
    STAMP = "stamp"
    """A message has a wrong timestamp."""
    GRID = "grid"
    """Values of an instrument are not multiples of the configured tick and lot."""


class Event(NamedTuple):
    """An event other than market data. `symbol` "": it concerns the whole venue."""

    kind: EventKind
    local_ts: int
    venue: str
    symbol: str
    text: str
