"""HTTP server of one venue for REST and websockets, on this machine only.

Sockets only, no logic: that is in sessions, REST modules and faults. Runs in one event loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiohttp import WSMessage, WSMsgType, web
from aiohttp.http_exceptions import HttpProcessingError

from arb.errors import ConfigError, InputError
from arb.sandbox.accounts.rules import Facts
from arb.sandbox.faults import ACCOUNT_LINE_KINDS, CONNECTION_KINDS, FRAME_KINDS, Fault, FaultKind, Scheduled
from arb.sandbox.serve.clocks import SandboxClock
from arb.sandbox.serve.connection import Connection
from arb.sandbox.serve.exchange import Exchange
from arb.sandbox.serve.faults import Injector
from arb.sandbox.serve.hub import Hub
from arb.sandbox.serve.limits import Limits, Window
from arb.sandbox.serve.raw_request import RawRequest
from arb.sandbox.serve.rest import Response
from arb.sandbox.serve.session import Close, Opening, RouteError, Session
from arb.sandbox.serve.tape import SNAPSHOT, Line
from arb.sandbox.serve.timeline import Timeline, shift_stamps
from connectors.units import SECOND

log = logging.getLogger(__name__)
http_log = logging.getLogger("arb.sandbox.http")

HOST = "127.0.0.1"
#: Longest message of a client; a longer one ends the connection with code 1009.
_MESSAGE_BYTES_MAX = 64 << 10
_CLOSE_TIMEOUT_S = 2.0
#: Interval at which a request that waits for its reply checks whether its client is gone.
_GONE_S = 1.0
#: Connections closed for too many messages, within 5 minutes, that lead to a ban of the address.
_ABUSES_MAX = 3


class _ClientsFault(logging.Filter):
    """Drops log records about client errors (invalid requests, aborted connections), which need no log entry."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, HttpProcessingError | ConnectionError)


http_log.addFilter(_ClientsFault())


class VenueServer:
    """Serves one venue. Started, stopped and advanced by the sandbox."""

    def __init__(
        self,
        exchange: Exchange,
        facts: Mapping[str, Facts],
        limits: Limits,
        injector: Injector,
        clock: SandboxClock,
        timeline: Timeline,
        source: str,
        advance_to: Callable[[int], None],
        plan: Callable[[], None],
        begin: Callable[[str], None],
        keys: Sequence[Mapping[str, str]] = (),
    ) -> None:
        """source: what its data are, in a few words.

        advance_to: brings the sandbox to the time of a request or message, before it; plan: called after it.
        begin: begins a fault, given as JSON. Raises ConfigError. keys: with which a client may trade; shown to it.
        """
        self.venue = exchange.venue
        self.exchange = exchange
        self.port = 0
        self.connections: dict[int, Connection] = {}
        self.hub = Hub(exchange, injector)
        self._limits = limits
        self._injector = injector
        self._clock = clock
        self._timeline = timeline
        self._source = source
        exchange.venue_ms = self._venue_ms
        self._advance_to = advance_to
        self._plan = plan
        self._begin = begin
        self._keys = keys
        #: When its sandbox was started: another one has other accounts.
        self.started_ns = 0
        #: Of the requests that wait for their replies.
        self._waiting: set[asyncio.Future[Response | None]] = set()
        self._rest = exchange.family.rest(exchange, facts, limits)
        self._connects = Window(limits.connects_max, limits.connects_window_s)
        self._abuses = Window(_ABUSES_MAX - 1, 300.0)
        self._connection_no = 0
        self._runner: web.AppRunner | None = None
        #: Depth responses as of the beginning of a rest_stale fault, by book.
        self._stale: dict[tuple[str, str], Response] = {}
        #: Connections that a shutdown fault will close: (time, connection).
        self._ending: list[tuple[int, Connection]] = []

    async def start(self, port: int) -> None:
        """Listens on `port`; 0: a free one. Raises InputError if it is taken."""
        app = web.Application(client_max_size=1 << 20)
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(
            app, logger=http_log, access_log=None, shutdown_timeout=1.0, handle_signals=False
        )
        await runner.setup()
        site = web.TCPSite(runner, HOST, port, backlog=1024)
        try:
            await site.start()
        except OSError as error:
            await runner.cleanup()
            raise InputError(
                f"{HOST}:{port} for {self.venue}: {error.strerror or error}; choose other ports with --port-base"
            ) from None
        self._runner = runner
        self.port = runner.addresses[0][1]

    async def stop(self) -> None:
        """Ends all connections and stops listening."""
        for future in self._waiting:
            future.cancel()
        for connection in list(self.connections.values()):
            connection.abort()
        if self._runner is not None:
            await self._runner.cleanup()

    def deliver(self, line: Line, now_ns: int) -> None:
        """Sends a frame of the market to its subscribers."""
        self.exchange.by_no[line.no].follow(line)
        if line.key != SNAPSHOT:
            self.hub.publish(line.key, line.text, now_ns)

    def attend(self, now_ns: int) -> None:
        """Sends the derived streams that are due, then writes all queued frames."""
        now_ms = self._timeline.frame_ms(now_ns)
        for instrument in self.exchange.instruments.values():
            for key, text in instrument.due(now_ms):
                self.hub.publish(key, text, now_ns)
        for connection in self.hub.flush(now_ns):
            log.warning("dropped venue=%s client=%d: it does not read", self.venue, connection.no)

    def watch(self, now_ns: int) -> None:
        """Periodic checks of all connections: pings, time-outs, ends of life. Called a few times per second."""
        now_ms = self._timeline.frame_ms(now_ns)
        for connection in list(self.connections.values()):
            close = connection.attend(now_ns, now_ms)
            if close is not None:
                self._close(connection, close)
            self.hub.dirty.add(connection)
        while self._ending and self._ending[0][0] <= now_ns:
            self._close(self._ending.pop(0)[1], Close(1001, "server shutdown"))

    def strike(self, scheduled: Scheduled, now_ns: int) -> None:
        """Begins a fault of this venue. Frames that it modifies are logged when they are sent."""
        fault = scheduled.fault
        if fault.kind in CONNECTION_KINDS:
            targets = [
                one
                for one in self.connections.values()
                if one.is_open and fault.client in (None, one.no) and _concerns(fault, one.session)
            ]
            if fault.kind == FaultKind.RESTARTING and self.exchange.trading is not None:
                self.exchange.trading.desks[self.venue].restarted_ns = now_ns
            for connection in targets:
                self._strike_connection(fault, connection, now_ns)
            self._injector.report(scheduled, now_ns, self.venue, clients=[one.no for one in targets])
        elif fault.kind not in FRAME_KINDS:
            if fault.kind == FaultKind.REST_STALE:
                self._freeze(now_ns)
            self._injector.report(scheduled, now_ns, self.venue, duration_s=fault.duration_s)

    def _strike_connection(self, fault: Fault, connection: Connection, now_ns: int) -> None:
        if fault.kind == FaultKind.HALF_OPEN:
            connection.muted_until_ns = now_ns + round(fault.duration_s * SECOND) if fault.duration_s else 0
        elif fault.kind == FaultKind.KEY_EXPIRED:
            connection.session.expire_user_data(now_ns)
        elif fault.kind in (FaultKind.SHUTDOWN, FaultKind.RESTARTING):
            connection.session.is_restarting = fault.kind == FaultKind.RESTARTING
            connection.notify_shutdown(self._timeline.frame_ms(now_ns))
            self.hub.dirty.add(connection)
            self._ending.append((now_ns + round(fault.notice_s * SECOND), connection))
            self._ending.sort(key=lambda one: one[0])
        elif fault.code is None:
            connection.abort()
        else:
            self._close(connection, Close(fault.code, "fault"))

    def _close(self, connection: Connection, close: Close) -> None:
        connection.flush(self._clock.now_ns())
        connection.close(close)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        now_ns = self._clock.now_ns()
        if self._injector.first(FaultKind.REFUSE, self.venue, now_ns) is not None:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=503)
        if request.path == "/sandbox":
            return web.json_response(self._status())
        if request.path == "/sandbox/faults" and request.method == "POST":
            return await self._begin_fault(request)
        if request.path == "/sandbox/ledger":
            return self._ledger(request)
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._websocket(request, now_ns)
        response = await self._answer(request)
        if response is not None:
            return _web(response)
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=503)

    def _status(self) -> dict[str, Any]:
        """Status of this server, at a path that no venue has."""
        trading = self.exchange.trading
        return {
            "sandbox": True,
            "source": self._source,
            "venue": self.venue,
            "symbols": list(self.exchange.instruments),
            "started_ns": self.started_ns,
            "time_ms": self._venue_ms(self._clock.now_ns()),
            "connections": len(self.connections),
            "frames_sent": self.hub.frames_sent,
            **({} if trading is None else {"rows_late": trading.rows_late}),
            **({"keys": list(self._keys)} if self._keys else {}),
        }

    async def _begin_fault(self, request: web.Request) -> web.Response:
        """Begins the fault that the request describes."""
        try:
            self._begin(await request.text())
        except (ConfigError, UnicodeDecodeError) as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response({})

    def _ledger(self, request: web.Request) -> web.Response:
        """What the sandbox knows of its accounts; ?account=NAME: of one, &since=N: entries after number N."""
        trading = self.exchange.trading
        if trading is None:
            return web.json_response({"error": "this sandbox has no accounts"}, status=404)
        from arb.sandbox.trading.ledger_view import ledger_view

        self._advance_to(self._clock.now_ns())
        since = request.query.get("since", "0")
        number = int(since) if since.isascii() and since.isdigit() else 0
        return web.json_response(ledger_view(trading, request.query.get("account"), number))

    def _venue_ms(self, now_ns: int) -> int:
        """The time by the venue's clock, which a fault may have changed."""
        return self._timeline.frame_ms(now_ns) + self._injector.clock_offset_ms(self.venue, now_ns)

    # REST

    async def _answer(self, request: web.Request) -> Response | None:
        """The response; None if the connection is to be cut, or is gone."""
        is_depth = request.path.endswith(("/depth", "/orderbook"))
        slow = self._injector.first(FaultKind.REST_SLOW, self.venue, self._clock.now_ns())
        if slow is not None and is_depth:
            await self._clock.sleep(slow.delay_s)
        raw = await _raw(request)
        now_ns = self._clock.now_ns()
        now_ms = self._venue_ms(now_ns)
        for kind, status in ((FaultKind.REST_418, 418), (FaultKind.REST_429, 429)):
            fault = self._injector.first(kind, self.venue, now_ns)
            if fault is not None:
                return self._rest.refusal(status, now_ns, now_ms, fault.retry_after_s)
        response = await self._reply(request, raw, now_ns, now_ms)
        if not is_depth or response is None or response.status != 200:
            return response
        if self._injector.first(FaultKind.REST_STALE, self.venue, now_ns) is not None:
            response = self._stale.get(_book_of(raw), response)
        offset_ms = self._injector.clock_offset_ms(self.venue, now_ns)
        return response._replace(body=shift_stamps(response.body, offset_ms)) if offset_ms else response

    async def _reply(
        self, request: web.Request, raw: RawRequest, now_ns: int, now_ms: int
    ) -> Response | None:
        """Waits for a reply that is late, until the client is gone or the server stops."""
        future: asyncio.Future[Response | None] = asyncio.get_running_loop().create_future()

        def reply(response: Response | None) -> None:
            if not future.done():
                future.set_result(response)

        self._advance_to(now_ns)
        self._rest.answer(raw, now_ns, now_ms, reply)
        self._plan()
        if not future.done():
            self._waiting.add(future)
            while not future.done() and request.transport is not None and not request.transport.is_closing():
                await asyncio.wait([future], timeout=_GONE_S)
            self._waiting.discard(future)
        is_replied = future.done() and not future.cancelled()
        return future.result() if is_replied else None

    def _freeze(self, now_ns: int) -> None:
        """Stores the current depth responses, to return them while the fault lasts."""
        now_ms, used = self._timeline.frame_ms(now_ns), self._rest.weights.used
        for symbol in self.exchange.instruments:
            kept: list[Response | None] = []
            request = self.exchange.family.depth_request(symbol)
            self._rest.answer(request, now_ns, now_ms, kept.append)
            if kept[0] is not None:
                self._stale[_book_of(request)] = kept[0]
        self._rest.weights.used = used

    # websockets

    async def _websocket(self, request: web.Request, now_ns: int) -> web.StreamResponse:
        if now_ns < self._rest.weights.banned_until_ns:
            return _web(self._rest.refusal(418, now_ns, self._venue_ms(now_ns)))
        if not self._connects.admits(now_ns):
            after_s = int(self._connects.seconds_left(now_ns)) + 1
            return _web(self._rest.refusal(429, now_ns, self._venue_ms(now_ns), after_s))
        try:
            opening = Opening(
                request.path,
                dict(request.query),
                request.remote or HOST,
                self._connection_no + 1,
                self._venue_ms(now_ns),
            )
            session = self.exchange.family.session(self.exchange, self._rest, opening, self._limits)
        except RouteError as error:
            return web.Response(status=404, text=str(error))
        websocket = web.WebSocketResponse(
            timeout=_CLOSE_TIMEOUT_S, autoping=False, compress=False, max_msg_size=_MESSAGE_BYTES_MAX
        )
        await websocket.prepare(request)
        transport = request.transport
        if transport is None:
            return websocket
        self._connection_no += 1
        connection = Connection(self._connection_no, session, self._limits, websocket, transport, self._clock)
        session.send = lambda text: self.hub.send_own(connection, text, self._clock.now_ns())
        self.connections[connection.no] = connection
        log.info("connected venue=%s client=%d path=%s", self.venue, connection.no, request.path)
        try:
            for name in session.names:
                self.hub.subscribe(connection, name, self._venue_ms(self._clock.now_ns()))
            await self._listen(connection, websocket)
        finally:
            del self.connections[connection.no]
            self._ending = [one for one in self._ending if one[1] is not connection]
            self.hub.forget(connection)
            session.closed()
            log.info("gone venue=%s client=%d code=%s", self.venue, connection.no, websocket.close_code)
            if connection.closing is not None:
                await asyncio.wait([connection.closing])
        return websocket

    async def _listen(self, connection: Connection, websocket: web.WebSocketResponse) -> None:
        async for message in websocket:
            if connection.is_muted:
                continue
            now_ns = self._clock.now_ns()
            if not connection.admits(now_ns):
                if not self._abuses.admits(now_ns):
                    self._rest.weights.ban(now_ns)
                self._close(connection, Close(1008, "Too many requests"))
                return
            self._receive(connection, message)
            if not connection.flush(now_ns):
                return

    def _receive(self, connection: Connection, message: WSMessage) -> None:
        if message.type == WSMsgType.PING:
            connection.pong(message.data)
        elif message.type == WSMsgType.PONG:
            connection.receive_pong(bytes(message.data))
        elif message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            text = message.data if message.type == WSMsgType.TEXT else message.data.decode(errors="replace")
            now_ns = self._clock.now_ns()
            now_ms = self._venue_ms(now_ns)
            self._advance_to(now_ns)
            outcome = connection.session.receive(text, now_ns, now_ms)
            for reply in outcome.replies:
                connection.send_text(reply)
            for name in outcome.removed:
                self.hub.unsubscribe(connection, name)
            for name in outcome.added:
                self.hub.subscribe(connection, name, now_ms)
            self._plan()


def _book_of(request: RawRequest) -> tuple[str, str]:
    """Symbol and, at Bybit, category of a depth request."""
    parameters = request.parameters()
    return parameters.get("symbol", ""), parameters.get("category", "")


def _concerns(fault: Fault, session: Session) -> bool:
    """Whether a fault of connections is about one with this protocol."""
    if fault.kind == FaultKind.RESTARTING:
        return session.carries("orders") or session.carries("user")
    if fault.kind == FaultKind.TRADE_LOST:
        return session.carries("orders")
    return fault.kind not in ACCOUNT_LINE_KINDS or session.carries("user")


async def _raw(request: web.Request) -> RawRequest:
    """The request as sent; its body is read."""
    path, _, query = request.raw_path.partition("?")
    if "://" in path:  # a request to a proxy names the host too
        path = "/" + path.partition("://")[2].partition("/")[2]
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        headers.setdefault(name.lower(), value)
    return RawRequest(request.method, path, query, headers, await request.read(), request.remote or HOST)


def _web(response: Response) -> web.Response:
    kind = "application/json" if response.body.startswith(("{", "[")) else "text/plain"
    return web.Response(
        status=response.status, text=response.body, content_type=kind, headers=response.headers
    )
