"""A sandbox without sockets, and a network of constant delays to it, on simulated time; one thread.

Inside one nanosecond answers and events of orders are delivered first, then frames of the market, then the strategy
gets its answers, then timers run. A frame gives way: it is delivered at the next nanosecond without another delivery,
so that each has a time of receipt of its own, as real reads have.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from numpy.random import default_rng

from arb.sandbox.accounts.amounts import ZERO
from arb.sandbox.accounts.rules import Facts
from arb.sandbox.events import Listing
from arb.sandbox.profiles import Dislocations
from arb.sandbox.serve.ahead import AheadTape
from arb.sandbox.serve.exchange import Exchange
from arb.sandbox.serve.limits import LIMITS
from arb.sandbox.serve.raw_request import RawRequest
from arb.sandbox.serve.rest import Response
from arb.sandbox.serve.seeded import SeededTape
from arb.sandbox.serve.session import Opening
from arb.sandbox.serve.tape import SNAPSHOT, Line, Tape
from arb.sandbox.serve.timeline import Timeline
from arb.sandbox.serve.trading import load_trading, trading_of
from arb.sandbox.serve.venues import FAMILIES
from arb.sandbox.trading.setup import TradingSetup
from connectors.model import RestRequest
from connectors.net.interfaces import ConnectionListener, RestAnswer
from connectors.orders.model import WireRequest
from connectors.units import MILLISECOND, SECOND
from support.dry_market import START_NS
from support.net_timers import Delays, NetTimers, Turn

if TYPE_CHECKING:
    from support.live_faults import NetFaults

#: The venues' limits, without those of rates.
_LIMITS = {
    venue: replace(
        one, orders_10s=0, orders_1m=0, orders_1d=0, weight_max=0, messages_per_s=0, uid_factor=10_000
    )
    for venue, one in LIMITS.items()
}
#: The stream of messages that are no frames of the market, as faults name it.
OWN = "private"
#: How long a client waits for the answer to a request.
_REST_NS = 10 * SECOND
#: Longest step of the sandbox without a frame.
_STEP_NS = 50 * MILLISECOND


class MsTape:
    """A tape whose frames are sent at whole milliseconds.

    The venue time of a frame without a stamp, Binance spot's touch, is its time of receipt less the configured latency.
    So that this is a whole millisecond too, it is the first of its millisecond, which has no second one.
    """

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._lines: list[Line] = []
        self._last_ns = [0 for _ in tape.listings]

    @property
    def listings(self) -> Sequence[Listing]:
        return self._tape.listings

    @property
    def start_ns(self) -> int:
        return self._tape.start_ns

    @property
    def has_ended(self) -> bool:
        return self._tape.has_ended and not self._lines

    def advance(self, to_ns: int) -> list[Line]:
        lines = self._tape.advance(to_ns)
        for line in lines:
            at = -(-line.send_ns // MILLISECOND) * MILLISECOND
            if _is_unstamped(line):
                at = self._last_ns[line.no] = max(at, self._last_ns[line.no] + MILLISECOND)
            self._lines.append(line._replace(send_ns=at))
        if lines:
            self._lines.sort(key=lambda line: (line.send_ns, not _is_unstamped(line)))
        count = next((n for n, line in enumerate(self._lines) if line.send_ns > to_ns), len(self._lines))
        ready, self._lines = self._lines[:count], self._lines[count:]
        return ready

    def snapshot(self, no: int) -> str | None:
        return self._tape.snapshot(no)

    def source_of(self, no: int, key: str) -> str | None:
        return self._tape.source_of(no, key)


class NetConnection:
    """One websocket of a venue, seen from the client; its session at the server."""

    def __init__(self, venue: NetVenue, url: str, listener: ConnectionListener) -> None:
        self.venue = venue
        self._path = "/" + url.split("://", 1)[1].partition("/")[2]
        self._listener: ConnectionListener | None = listener
        self.session: Any = None
        #: Of the server: its number, and whether a fault lets nothing pass.
        self.no = 0
        self.is_muted = False
        venue.to_server(self._open)

    def send(self, frame: str) -> bool:
        self.venue.to_server(partial(self._receive, frame))
        return self._listener is not None

    def close(self) -> None:
        self._listener = None
        self.venue.to_server(self._gone)

    def own(self, text: str) -> None:
        """Sends an answer, or an event of the account."""
        for part in self.venue.net.parts(self, OWN, text):
            self.venue.to_client(partial(self._deliver, part), Turn.ANSWER)

    def frame(self, text: str, stream: str = OWN) -> None:
        """Sends a frame of the market."""
        for part in self.venue.net.parts(self, stream, text):
            self.venue.to_client(partial(self._deliver, part), Turn.FRAME)

    def end(self, code: int, reason: str) -> None:
        """The server ends the connection."""
        self._gone()
        self.venue.to_client(partial(self._closed, f"{code} {reason}"), Turn.ANSWER)

    def _open(self) -> None:
        if self._listener is None:
            return
        if self.venue.net.is_refusing(self.venue.exchange.venue):
            self.venue.to_client(partial(self._closed, "refused"), Turn.ANSWER)
            return
        self.session = self.venue.opened(self, self._path)
        for name in self.session.names:
            self.venue.subscribe(self, name)
        self.venue.to_client(self._opened, Turn.FRAME if self.venue.is_market(self) else Turn.ANSWER)

    def _opened(self) -> None:
        if self._listener is not None:
            self._listener.on_open()

    def _receive(self, text: str) -> None:
        if self.session is None or self.is_muted:
            return
        now = self.venue.net.timers.now
        outcome = self.session.receive(text, now, now // MILLISECOND)
        for reply in outcome.replies:
            (self.frame if self.venue.is_market(self) else self.own)(reply)
        for name in outcome.added:
            self.venue.subscribe(self, name)

    def _gone(self) -> None:
        """At the server."""
        if self.session is not None:
            self.venue.forget(self)
            self.session.closed()
            self.session = None

    def _deliver(self, text: str) -> None:
        if self._listener is not None:
            self._listener.on_frame(text.encode(), self.venue.net.timers.now)

    def _closed(self, reason: str) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.on_close(reason)


class NetVenue:
    """One venue behind the network: a `Transport`, and REST of both kinds for its client."""

    def __init__(self, net: LiveNet, exchange: Exchange, facts: Mapping[str, Facts], delays: Delays) -> None:
        self.net = net
        self.exchange = exchange
        self.delays = delays
        self._rest = exchange.family.rest(exchange, dict(facts), _LIMITS[exchange.venue])
        #: Connections that were opened, and those that are open.
        self._opened = 0
        self.connections: list[NetConnection] = []
        self._listeners: dict[str, list[tuple[NetConnection, str]]] = {}

    # Transport, Rest, TradeRest

    def connect(self, url: str, listener: ConnectionListener) -> NetConnection:
        return NetConnection(self, url, listener)

    def get(self, request: RestRequest, done: Callable[[RestAnswer], None]) -> None:
        path, _, query = request.path.partition("?")
        self._ask(RawRequest("GET", path, query), done, Turn.FRAME)

    def send(self, request: WireRequest, done: Callable[[RestAnswer], None]) -> None:
        headers = {name.lower(): value for name, value in request.headers}
        raw = RawRequest(request.method, request.path, request.query, headers, request.body)
        self._ask(raw, done, Turn.ANSWER)

    def _ask(self, raw: RawRequest, done: Callable[[RestAnswer], None], turn: Turn) -> None:
        timers, faults = self.net.timers, self.net.faults
        sent = timers.now
        waiting = [done]

        def end(status: int, body: str, headers: Mapping[str, str], error: str = "") -> None:
            """The client's end of the request, once."""
            if waiting:
                retry_ns = round(float(headers.get("Retry-After", 0)) * SECOND)
                waiting.pop()(RestAnswer(status, body.encode(), sent, timers.now, retry_ns, error))

        def replied(response: Response | None) -> None:
            if response is None:
                self.to_client(partial(end, 0, "", {}, "cut"), turn)
            else:
                self.to_client(partial(end, response.status, response.body, response.headers), turn)

        def arrived() -> None:
            now = timers.now
            refusal = None if faults is None else faults.refusal(self.exchange.venue, self._rest)
            if refusal is not None:
                replied(refusal)
            else:
                self._rest.answer(raw, now, now // MILLISECOND, replied)

        if self.net.is_refusing(self.exchange.venue):
            self.to_client(partial(end, 0, "", {}, "refused"), turn)
            return
        self.to_server(arrived)
        if faults is not None:
            timers.call_later(_REST_NS, partial(end, 0, "", {}, "no answer"))

    # the network

    def to_server(self, call: Callable[[], None]) -> None:
        """Something of the client arrives, at a sandbox that has reached that time."""
        timers = self.net.timers

        def arrived() -> None:
            self.net.advance()
            call()
            self.net.plan()

        timers.at(timers.now + self.delays.entry_ns, Turn.ANSWER, arrived)

    def to_client(self, call: Callable[[], None], turn: Turn) -> None:
        """Something of the venue arrives."""
        delay = self.delays.frame_ns if turn is Turn.FRAME else self.delays.response_ns
        self.net.deliver(self.net.timers.now + delay, turn, call)

    # the server

    def opened(self, connection: NetConnection, path: str) -> Any:
        self._opened += 1
        now_ms = self.net.timers.now // MILLISECOND
        opening = Opening(path.partition("?")[0], _query(path), "127.0.0.1", self._opened, now_ms)
        session = self.exchange.family.session(
            self.exchange, self._rest, opening, _LIMITS[self.exchange.venue]
        )
        session.send, session.close = connection.own, connection.end
        connection.no = self._opened
        self.connections.append(connection)
        return session

    def is_market(self, connection: NetConnection) -> bool:
        return not (connection.session.carries("orders") or connection.session.carries("user"))

    def subscribe(self, connection: NetConnection, name: str) -> None:
        source = self.exchange.source_of(name)
        if source is None or not connection.session.delivers(name):
            return
        self._listeners.setdefault(source, []).append((connection, name))
        instrument = self.exchange.instrument_of_key(source)
        if instrument is not None:
            opening = instrument.opening(source, self.net.timers.now // MILLISECOND)
            if opening:
                connection.frame(opening)

    def publish(self, line: Line) -> None:
        self.exchange.by_no[line.no].follow(line)
        if line.key == SNAPSHOT:
            return
        for connection, name in self._listeners.get(line.key, ()):
            is_combined = connection.session.is_combined
            connection.frame(self.exchange.family.form(line.text, line.key, name, is_combined), line.key)

    def forget(self, connection: NetConnection) -> None:
        self.connections.remove(connection)
        for source, listeners in self._listeners.items():
            self._listeners[source] = [one for one in listeners if one[0] is not connection]


class LiveNet:
    """The sandbox and the network."""

    def __init__(
        self,
        timers: NetTimers,
        listings: Sequence[Listing],
        prices: Mapping[str, float],
        facts: Mapping[tuple[str, str], Facts],
        setup: TradingSetup,
        delays: Mapping[str, Delays],
        seed: int,
        dislocations: Dislocations,
    ) -> None:
        load_trading(listings)
        self.timers = timers
        timeline = Timeline(START_NS, START_NS, 1.0, is_moved=True)
        tape = MsTape(
            SeededTape(listings, prices, default_rng(seed), START_NS, timeline.stamp_ms, dislocations)
        )
        self.trading = trading_of(setup, seed, default_rng(seed))(tape, facts, START_NS, _LIMITS)
        #: Set where there are faults.
        self.faults: NetFaults | None = None
        if self.trading.looks_ahead:
            self._lift_price_bounds()
        self._tape = AheadTape(tape, self._look_ahead)
        exchanges = {venue: Exchange(FAMILIES[venue], self._tape, trading=self.trading) for venue in FAMILIES}
        self.venues: dict[str, NetVenue] = {}
        for venue, exchange in exchanges.items():
            exchange.venues = exchanges
            if exchange.instruments:
                own = {symbol: facts[venue, symbol] for symbol in exchange.instruments}
                self.venues[venue] = NetVenue(self, exchange, own, delays[venue])
        self._by_no = [self.venues[listing.venue] for listing in listings]
        self._done_ns = START_NS
        self._planned_ns = -1
        self._cleared_ns = START_NS
        #: Times of the last deliveries; by how much a frame gave way at most.
        self._answered_ns = self._framed_ns = -1
        #: Frames that have arrived, with the times at which they were due.
        self._frames: deque[tuple[int, Callable[[], None]]] = deque()
        self.moved_ns = 0
        self._step()

    def _lift_price_bounds(self) -> None:
        """The simulated exchange does not know how far from the last trades a venue takes prices."""
        for desk in self.trading.desks.values():
            for instrument in desk.instruments.values():
                rules = instrument.rules
                rules.bid_multipliers = rules.ask_multipliers = (ZERO, ZERO)
                rules.price_limit_x = rules.price_limit_y = ZERO
                rules.execution_range = None

    def advance(self) -> None:
        """Brings the sandbox to now."""
        now = self.timers.now
        if now == self._done_ns:
            return
        for line in self._tape.advance(now):
            at = min(now, max(self._done_ns, line.send_ns))
            self.trading.advance(at)
            self.trading.receive(line, at)
            self._by_no[line.no].publish(line)
        self.trading.advance(now)
        self._done_ns = now
        if self.faults is not None:
            self.faults.strike(now)

    def parts(self, connection: NetConnection, stream: str, text: str) -> list[str]:
        """What a connection sends instead of a text."""
        return [text] if self.faults is None else self.faults.parts(connection, stream, text)

    def is_refusing(self, venue: str) -> bool:
        """Whether a venue resets new connections and requests."""
        return self.faults is not None and self.faults.is_refusing(venue)

    def _look_ahead(self, line: Line) -> None:
        if self.trading.looks_ahead:
            self.trading.look_ahead(line, line.send_ns)

    def plan(self) -> None:
        """Sets a timer to what is due next of the orders."""
        due = self.trading.next_due_ns()
        if due is not None and due != self._planned_ns:
            self._planned_ns = due

            def reached() -> None:
                self._planned_ns = -1
                self.advance()
                self.plan()

            self.timers.at(due, Turn.ANSWER, reached)

    def deliver(self, at: int, turn: Turn, call: Callable[[], None]) -> None:
        """Delivers something to the client; frames give way."""

        def arrived() -> None:
            now = self.timers.now
            if turn is Turn.ANSWER:
                self._answered_ns = now
                call()
                return
            self._frames.append((now, call))
            if len(self._frames) == 1:
                self._deliver_frame()

        self.timers.at(at, turn, arrived)

    def _deliver_frame(self) -> None:
        """Delivers the first of the frames that have arrived, in this nanosecond or a later one."""
        now = self.timers.now
        if now not in (self._answered_ns, self._framed_ns):
            due, call = self._frames[0]
            self._framed_ns = now
            self.moved_ns = max(self.moved_ns, now - due)
            call()
            self._frames.popleft()
        if self._frames:
            self.timers.at(now + 1, Turn.FRAME, self._deliver_frame)

    def _clear_derived(self) -> None:
        """Drops derived frames, such as klines, which are not sent here, and would wait for ever."""
        self._cleared_ns = self.timers.now
        for venue in self.venues.values():
            for instrument in venue.exchange.instruments.values():
                instrument.due(self._cleared_ns // MILLISECOND)

    def _step(self) -> None:
        """The market goes on: at every frame."""
        self.advance()
        self.plan()
        # Not without faults: Bybit's first ticker would then have funding rates, which hftbacktest's engine cannot pay.
        if self.faults is not None and self.timers.now >= self._cleared_ns + SECOND:
            self._clear_derived()
        lines = self._tape._lines  # what is known ahead, so that nothing is sent late
        following = lines[0].send_ns if lines else self.timers.now + _STEP_NS
        self.timers.at(
            min(max(following, self.timers.now + 1), self.timers.now + _STEP_NS), Turn.ANSWER, self._step
        )


def _is_unstamped(line: Line) -> bool:
    return line.key.endswith("@bookTicker") and '"E":' not in line.text


def _query(path: str) -> dict[str, str]:
    query = path.partition("?")[2]
    return dict(part.split("=", 1) for part in query.split("&") if "=" in part)
