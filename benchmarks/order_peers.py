"""What benchmarks of live orders need: raw receivers of orders in another process, a sandbox, and a whole session.

A receiver takes the time when an order's bytes arrive, and refuses the order a quiet millisecond later, so that its
answers do not delay what is measured. The sandbox has the accounts that a session queries over REST, and the streams of
their events.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import multiprocessing
import os
import re
import selectors
import signal
import socket
import struct
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from event_to_order import LEG
from hftbacktest.types import BUY_EVENT, DEPTH_EVENT, SELL_EVENT, event_dtype

from arb.bot.compilation import compile_strategy
from arb.data.recordings.recorder import Recorder
from arb.engine.live import LiveBot, LiveWorld
from arb.execution.ids import SessionIds
from arb.journal.journal import Journal
from arb.journal.schema import LegRow, RunRow
from arb.leg import Leg
from arb.runtime.live_orders import LiveOrders
from arb.runtime.live_rows import LiveDriver
from arb.runtime.order_journal import KeptRun
from arb.runtime.order_setup import OrderSetup
from arb.runtime.path_warming import PathWarming
from arb.runtime.session import Session
from arb.runtime.strategy_task import StrategyTask
from arb.runtime.venue_tap import VenueTap
from arb.sandbox.serve.urls import VenueUrls
from connectors.feed.clock_offset import OffsetEstimator
from connectors.net.hosts import LOOPBACK
from connectors.orders.model import Instrument
from connectors.orders.numbers import DecimalStep
from connectors.orders.signing import Signer

_MS = 1_000_000
_QUIET_S = 0.001
_OURS = re.compile(rb'"(?:id|reqId)":"\d+-\d+-')
_REFUSED = {"binance_spot": -2010, "binance_usdm": -2019}


# The receivers, a process of their own.


def receive(listeners: Mapping[str, socket.socket], logs_on: bool, pipe: Any) -> None:
    """Takes times until a message arrives, then sends them: ns by (venue, kind), in order; see `_kind_of`."""
    times: dict[tuple[str, str], list[int]] = defaultdict(list)
    selector = selectors.DefaultSelector()
    for venue, listener in listeners.items():
        selector.register(listener, selectors.EVENT_READ, (venue, True))
    selector.register(pipe, selectors.EVENT_READ, None)
    waiting: list[tuple[str, socket.socket, bytes]] = []
    while True:
        ready = selector.select(_QUIET_S if waiting else None)
        frames = []
        for key, _ in ready:
            if key.data is None:
                pipe.send(dict(times))
                return
            venue, is_listener = key.data
            connection: Any = key.fileobj
            if is_listener:
                accepted = accept(connection)
                selector.register(accepted, selectors.EVENT_READ, (venue, False))
                continue
            data = connection.recv(1 << 16)
            frames.append((venue, connection, data, time.time_ns()))
        for venue, connection, data, now in frames:
            if not data:
                selector.unregister(connection)
                continue
            for text in unmasked(connection, data):
                times[venue, _kind_of(text)].append(now)
                waiting.append((venue, connection, text))
        if not ready:
            for venue, connection, text in waiting:
                answer = answer_of(venue, text, logs_on)
                if answer:
                    with contextlib.suppress(OSError):
                        send_text(connection, answer)
            waiting.clear()


def accept(listener: socket.socket) -> socket.socket:
    """A client of this listener, after the handshake."""
    connection, _ = listener.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.recv(4096)
    key = next(line for line in head.decode().split("\r\n") if line.lower().startswith("sec-websocket-key:"))
    text = key.split(":", 1)[1].strip() + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    digest = base64.b64encode(hashlib.sha1(text.encode()).digest()).decode()
    answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    connection.sendall(f"{answer}Sec-WebSocket-Accept: {digest}\r\n\r\n".encode())
    return connection


def unmasked(connection: socket.socket, data: bytes) -> Iterator[bytes]:
    """The text frames of a client in `data`, which is read on to the end of the last one."""
    while data:
        while len(data) < 8:
            data += connection.recv(8 - len(data))
        length, begin = data[1] & 0x7F, 2
        if length == 126:
            (length,), begin = struct.unpack("!H", data[2:4]), 4
        end = begin + 4 + length
        while len(data) < end:
            data += connection.recv(end - len(data))
        mask, body = data[begin : begin + 4], data[begin + 4 : end]
        if data[0] & 0x0F == 1:
            yield bytes(byte ^ mask[n % 4] for n, byte in enumerate(body))
        data = data[end:]


def send_text(connection: socket.socket, frame: bytes) -> None:
    """Sends a text frame of less than 64 kB."""
    size = bytes([len(frame)]) if len(frame) < 126 else b"\x7e" + struct.pack("!H", len(frame))
    connection.sendall(b"\x81" + size + frame)


def _kind_of(text: bytes) -> str:
    """Whose a frame is: of a bare client, of our session, of ccxt, or no order."""
    if text.startswith(b"bare"):
        return "bare"
    if _OURS.search(text):
        return "ours"
    return "ccxt" if b"order.place" in text or b"order.create" in text else "other"


def answer_of(venue: str, text: bytes, logs_on: bool) -> bytes:
    """Accepts a log-on, subscription or ping, gives the time, and refuses an order."""
    if text.startswith(b"bare"):
        return b""
    request = json.loads(text)
    if venue.startswith("binance"):
        now_ms = time.time_ns() // _MS
        result = {
            "time": {"serverTime": now_ms},
            "session.logon": {"apiKey": "", "authorizedSince": now_ms, "serverTime": now_ms},
            "userDataStream.subscribe.signature": {"subscriptionId": 0},
        }.get(request["method"], {})
        answer: dict[str, Any] = {"id": request["id"], "status": 200, "result": result}
        if request["method"] == "session.logon" and not logs_on:
            answer = {"id": request["id"], "status": 400, "error": {"code": -1000, "msg": "not here"}}
        elif request["method"].startswith("order"):
            error = {"code": _REFUSED[venue], "msg": "Account has insufficient balance"}
            answer = {"id": request["id"], "status": 400, "error": error}
        return json.dumps(answer).encode()
    operation = request["op"]
    number = request.get("reqId", request.get("req_id", ""))
    own = {"reqId": number, "op": operation, "retCode": 0, "retMsg": "OK", "connId": "bench"}
    own |= {"req_id": number, "success": True}
    if operation == "ping":
        own |= {"op": "pong"}
    elif operation.startswith("order"):
        own |= {"retCode": 110007, "retMsg": "insufficient balance", "data": {}, "header": {}}
    return json.dumps(own).encode()


class Receivers:
    """The receivers of some venues, on free ports."""

    def __init__(self, names: Sequence[str], *, logs_on: bool, serve: Any = receive) -> None:
        """names: of the listeners, each begins with its venue. logs_on: whether `session.logon` is accepted."""
        listeners = {name: socket.create_server(("127.0.0.1", 0)) for name in names}
        self.urls = {name: f"ws://127.0.0.1:{one.getsockname()[1]}" for name, one in listeners.items()}
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(listeners, logs_on, theirs), daemon=True)
        self._process.start()
        # On one core a receiver would wait until its sender sleeps: a network does not.
        with contextlib.suppress(OSError, AttributeError):
            cores = range(os.cpu_count() or 1)
            os.sched_setaffinity(self._process.pid or 0, {cores[-1]})
            os.sched_setaffinity(0, {cores[0]})

    def end(self) -> dict[tuple[str, str], list[int]]:
        """Ends them; returns the times, see `receive`."""
        self._pipe.send(None)
        times: dict[tuple[str, str], list[int]] = self._pipe.recv()
        self._process.join(5)
        return times


# The sandbox.


@contextlib.contextmanager
def running_sandbox(symbol: str) -> Iterator[tuple[dict[str, str], list[dict[str, str]]]]:
    """REST addresses by venue, and keys. It has the usual priority, whatever that of the benchmark."""
    command = [sys.executable, "-m", "arb", "sandbox", "serve", "--json", "--port-base", "0"]
    # Nobody reads its market, whose frames would take a core's time from what is measured.
    options = ["--symbols", symbol, "--speed", "0.01"]
    server = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True)
    with contextlib.suppress(OSError, AttributeError):
        os.sched_setscheduler(server.pid, os.SCHED_OTHER, os.sched_param(0))
        os.sched_setaffinity(server.pid, range(os.cpu_count() or 1))
    try:
        assert server.stdout is not None
        urls = json.loads(server.stdout.readline())
        keys = json.loads(server.stdout.readline())["keys"]
        yield {venue: one["rest"] for venue, one in urls.items()}, keys
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(20)


# The session.


class Market:
    """Addresses as a `Host` has them."""

    hosts = LOOPBACK

    def __init__(self, urls: Mapping[str, VenueUrls]) -> None:
        self.urls = urls

    async def until_over(self, work: Awaitable[Any]) -> Any:
        return await work


class LiveHost:
    """A session of a strategy whose market data are rows of the benchmark, with orders and journal as in `arb live`.

    It has no gate, which would close legs whose orders are all refused: `gate_step` times it.
    """

    #: Of all sessions: `live.poll = "busy"`, and `live.warm_ms`.
    is_polling = False
    warm_ms = 0.0
    #: Nothing is warmed then: it would evict the peers' code.
    is_peers_turn = False

    def __init__(
        self,
        venues: Sequence[str],
        signers: Mapping[str, Signer],
        function: Any,
        folder: Path,
        orders: type[LiveOrders] = LiveOrders,
    ) -> None:
        """function: the strategy, of (bot, counts)."""
        self._is_closed = False
        self.legs = [leg_at(venue) for venue in venues]
        self.counts = np.zeros(4, np.int64)
        world = LiveWorld(self.legs, is_live=True)
        setup = OrderSetup(
            self.legs,
            [instrument_of(leg) for leg in self.legs],
            signers,
            SessionIds("bench1", 1, time.time_ns() // _MS),
            2_000,
            5_000,
        )
        self._warming = PathWarming(setup) if self.warm_ms else None
        journal = Journal.open(folder / "journal.db", "sandbox")
        run = journal.begin_run(RunRow("benchmark", "", str(folder), "", time.time_ns()))
        rows = [
            LegRow(
                leg.venue, leg.symbol, "", leg.tick_size_text, leg.lot_size_text, "BTC", "USDT", leg.is_spot
            )
            for leg in self.legs
        ]
        self.orders = orders(world, setup, folder, kept=KeptRun(journal, run, lambda: rows))
        bot = LiveBot(world, keep=self.orders.gateway)
        self.task = StrategyTask(bot, compile_strategy(function), (bot, self.counts))
        self.driver = LiveDriver(bot, self.task, self.orders.gateway)
        self.lines: list[str] = []
        self.recorder = Recorder(folder / "recording", reserve_gb=0.0)
        self.session = Session(
            self.legs,
            self.driver,
            OffsetEstimator(0),
            self.recorder,
            log=lambda event, text, _: self.lines.append(f"{event} {text}"),
            ended=lambda: None,
        )
        self.taps: list[VenueTap] = [self.session.tap_of([no], leg.venue) for no, leg in enumerate(self.legs)]

    async def open(self, urls: Mapping[str, VenueUrls]) -> None:
        """Returns when all sockets are up and the strategy waits for rows."""
        market: Any = Market(urls)
        await self.orders.open(market, self.session)
        async with asyncio.timeout(20.0):
            while not all(desk.has_socket for desk in self.orders.gateway.desks.values()):
                await asyncio.sleep(0.01)
        self.session.start()
        if self.is_polling:
            self._poll()
        self._warm()

    def _warm(self) -> None:
        """As `LiveRun`."""
        if self._warming is not None and not self._is_closed:
            if not self.is_peers_turn:
                self._warming.begin()
            asyncio.get_running_loop().call_later(self.warm_ms / 1e3, self._warm)

    def _poll(self) -> None:
        """As `Host.poll`."""
        if not self._is_closed:
            asyncio.get_running_loop().call_soon(self._poll)

    async def close(self) -> None:
        """Raises what ended the session before. The account is not queried once more."""
        self._is_closed = True
        if self._warming is not None:
            self._warming.close()
            if self._warming.error is not None:
                raise self._warming.error
        await self.orders.close()
        self.session.stop()
        self.recorder.close()
        if self.session.fault is not None:
            raise self.session.fault


def leg_at(venue: str) -> Leg:
    """A leg of BTCUSDT."""
    return replace(
        LEG, venue=venue, is_spot=venue.endswith("spot"), tick_size_text="0.1", lot_size_text="0.001"
    )


def instrument_of(leg: Leg) -> Instrument:
    """See `arb.commands.order_setup`."""
    steps = DecimalStep(leg.tick_size_text), DecimalStep(leg.lot_size_text)
    return Instrument(leg.symbol, *steps, "BTC", "USDT", leg.is_spot)


def touch_row(number: int, is_bid: bool) -> Any:
    """A row of now; the best bid moves with the number."""
    rows, now = np.zeros(1, event_dtype), time.time_ns()
    kind = DEPTH_EVENT | (BUY_EVENT if is_bid else SELL_EVENT)
    tick = 600_000 + number % 7 if is_bid else 600_010
    rows[0] = (kind, now - _MS, now, tick * 0.1, 1.0 + number % 5, 0, 0, 0.0)
    return rows


def show(name: str, spans: Any) -> tuple[float, float]:
    """One line of quantiles of spans in ns; returns p50 and p99 in us."""
    us = np.asarray(spans) / 1e3
    p25, p50, p75, p99 = np.percentile(us, [25, 50, 75, 99])
    print(f"  {name:<34} p50 {p50:7.1f} us  [{p25:.1f} to {p75:.1f}]  p99 {p99:8.1f}  max {us.max():9.1f}")
    return float(p50), float(p99)
