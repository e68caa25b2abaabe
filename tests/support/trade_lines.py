"""A venue without sockets for lines: a transport and REST that do what the test says, a small protocol, an owner."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from connectors.errors import DecodeError
from connectors.net.interfaces import ConnectionListener, RestAnswer
from connectors.net.rate_limit import Limiter
from connectors.orders.model import Act, Channel, VenueAnswer, Verdict, WireRequest
from connectors.orders.protocol import SocketLimits
from connectors.parsing.batch import Batch
from connectors.trade.interfaces import LineEvent
from connectors.trade.rest_queue import RestLine
from connectors.trade.times import TradeTimes
from connectors.trade.trade_socket import TradeSocket
from connectors.trade.user_stream import UserStream
from support.sim_time import S, SimTimers

HOUR = 3600 * S
#: Shorter than the venues', so that little is to be simulated.
LIFE = 3 * HOUR


def wire(wire_id: str, act: Act = Act.PLACE, channel: Channel = Channel.SOCKET) -> WireRequest:
    """A request whose text is its id."""
    return WireRequest(channel, wire_id, act, 0, 1, text=wire_id, method="POST", path=f"/{wire_id}")


class TextProtocol:
    """Frames are "id verdict"; log-on with `key`, then a subscription."""

    venue = "text"
    limits = SocketLimits(LIFE, 60 * S)

    def __init__(self, *acts: Act, has_key: bool = False) -> None:
        self.acts = acts
        self.has_key = has_key
        self.has_fallback = True

    def path(self, listen_key: str = "") -> str:
        return f"/{listen_key}"

    def opening(self, now_ms: int) -> list[WireRequest]:
        return [wire(act.name, act) for act in self.acts]

    def opened(self, answer: VenueAnswer) -> bool | None:
        return {Verdict.ACCEPTED: True, Verdict.REFUSED: False}.get(answer.verdict)

    def fallback(self) -> bool:
        had, self.has_fallback = self.has_fallback, False
        self.acts = tuple(act for act in self.acts if act is not Act.LOG_ON)
        return had

    def decode(self, frame: bytes) -> VenueAnswer:
        wire_id, _, verdict = frame.decode().partition(" ")
        if verdict not in Verdict.__members__:
            raise DecodeError(self.venue, "no answer", frame)
        return VenueAnswer(wire_id, Verdict[verdict], text="why")

    def ping(self, number: int) -> str | None:
        return f"ping {number}"

    def key_request(self, now_ms: int) -> WireRequest | None:
        return wire("key", Act.LISTEN_KEY, Channel.REST) if self.has_key else None

    def renewal(self, now_ms: int) -> WireRequest | None:
        return wire("renew", Act.RENEW_KEY, Channel.REST) if self.has_key else None


class FakeConnection:
    """One connection; `answers`: frames by the text that they answer."""

    def __init__(self, net: FakeNet, url: str, listener: ConnectionListener) -> None:
        self.net = net
        self.url = url
        self.listener = listener
        self.sent: list[str] = []
        self.is_closed = False
        self.is_broken = False

    def send(self, frame: str) -> bool:
        if self.is_broken:
            raise OSError("broken pipe")
        if self.is_closed:
            return False
        self.sent.append(frame)
        answer = self.net.answers.get(frame)
        if answer is not None:
            self.net.timers.call_later(S // 1000, lambda: self.receive(answer))
        return True

    def close(self) -> None:
        self.is_closed = True

    def receive(self, *frames: str) -> None:
        """What the venue sends, in one read."""
        if not self.is_closed:
            batch = Batch()
            batch.frames.extend(frame.encode() for frame in frames)
            batch.stamps.extend(self.net.timers.time_ns() for _ in frames)
            self.listener.on_batch(batch)

    def drop(self, reason: str = "dropped") -> None:
        if not self.is_closed:
            self.is_closed = True
            self.listener.on_close(reason)


class FakeNet:
    """`Transport` and `TradeRest`."""

    def __init__(self, timers: SimTimers) -> None:
        self.timers = timers
        self.connections: list[FakeConnection] = []
        #: By the text of a request on a socket. An absent one is not answered.
        self.answers = {"LOG_ON": "LOG_ON ACCEPTED", "SUBSCRIBE": "SUBSCRIBE ACCEPTED"}
        #: Whether connections open.
        self.opens = True
        self.requests: list[WireRequest] = []
        #: Answers of REST in the order of requests; without one, a request stays open.
        self.rest: deque[RestAnswer] = deque()
        self.open_requests: list[tuple[WireRequest, Callable[[RestAnswer], None]]] = []

    def connect(self, url: str, listener: ConnectionListener) -> Any:
        connection = FakeConnection(self, url, listener)
        self.connections.append(connection)
        if self.opens:
            self.timers.call_later(S // 100, listener.on_open)
        return connection

    def send(self, request: WireRequest, done: Callable[[RestAnswer], None]) -> None:
        self.requests.append(request)
        if self.rest:
            answer = self.rest.popleft()
            self.timers.call_later(S // 100, lambda: done(answer))
        else:
            self.open_requests.append((request, done))

    def answer(self, status: int = 200, body: str = "", retry_after_ns: int = 0) -> None:
        """Answers the oldest open request of REST."""
        _, done = self.open_requests.pop(0)
        done(reply(status, body, retry_after_ns))

    @property
    def last(self) -> FakeConnection:
        return self.connections[-1]


def reply(status: int = 200, body: str = "", retry_after_ns: int = 0) -> RestAnswer:
    return RestAnswer(status, body.encode(), 0, 0, retry_after_ns)


class Owner:
    """Keeps what lines report."""

    def __init__(self) -> None:
        self.events: list[tuple[str, LineEvent, str]] = []
        self.frames: list[tuple[str, str]] = []
        self.own: list[tuple[str, bool, str]] = []
        self.rest: list[tuple[str, str, int, str, bool]] = []

    def line_event(self, where: str, event: LineEvent, text: str, local_ts: int) -> None:
        self.events.append((where, event, text))

    def line_frame(self, where: str, frame: bytes, local_ts: int) -> None:
        self.frames.append((where, frame.decode()))

    def line_batch(self, where: str, batch: Batch) -> None:
        self.frames += [(where, frame.decode()) for frame in batch.frames]

    def own_traffic(self, where: str, is_sent: bool, text: str, local_ts: int) -> None:
        self.own.append((where, is_sent, text))

    def rest_answer(
        self,
        where: str,
        wire_id: str,
        status: int,
        body: bytes,
        retry_after_ns: int,
        was_sent: bool,
        local_ts: int,
    ) -> None:
        self.rest.append((where, wire_id, status, body.decode(), was_sent))

    def times_of(self, event: LineEvent) -> list[str]:
        """The lines to which it happened, in order."""
        return [where for where, found, _ in self.events if found is event]


class Lines:
    """A trade socket and a stream of events on one fake network, started."""

    def __init__(self, protocol: TextProtocol | None = None, *, has_key: bool = False) -> None:
        self.timers = SimTimers()
        self.net = FakeNet(self.timers)
        self.owner = Owner()
        self.times = TradeTimes()
        self.rest = RestLine(self.net, self.timers, self.owner, self.times)
        options: Any = {
            "transport": self.net,
            "timers": self.timers,
            "chance": lambda: 0.5,
            "connects": Limiter(1000, 300 * S),
            "owner": self.owner,
            "times": self.times,
            "now_ms": lambda: self.timers.time_ns() // (S // 1000),
        }
        urls = ("ws://127.0.0.1:1", "ws://127.0.0.1:2")
        self.trade = TradeSocket(urls, protocol or TextProtocol(Act.LOG_ON), **options)  # type: ignore[arg-type]
        user = TextProtocol(has_key=has_key) if has_key else TextProtocol(Act.LOG_ON, Act.SUBSCRIBE)
        self.user = UserStream(urls, user, rest=self.rest, **options)  # type: ignore[arg-type]

    def run(self, span_s: float) -> None:
        self.timers.run(int(span_s * S))
