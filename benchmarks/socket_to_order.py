"""From a venue's socket to the order, by part: `python benchmarks/socket_to_order.py [--events 5000] [--every-ms 4]`.

`--watched [--pairs 20] [--seconds 4]` shows whether a watcher takes something from it, by one session in turns
(`watching.py`).

Another process sends a Bybit book frame by frame over a websocket on loopback, alternating between a whole session (our
connection, feed, recorder, strategy, simulated exchange) and a bare listener of the same client in the same event loop
that only takes the time. Every frame moves the touch; the strategy answers with an order. All times are of one clock.

receive   from the sender's write to the client's callback: kernel, event loop, client
decode    frame to rows: decoding, ids, times, fused touch, in one compiled call
record    until the kernel has the line
hand on   until the session has the rows
strategy  switch, strategy, limits, until its request is sent and it waits again
order     the simulated exchange receives rows and order
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import gc
import hashlib
import json
import multiprocessing
import os
import socket
import struct
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from multiprocessing.sharedctypes import SynchronizedArray
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import picows
from alternate import show_machine
from event_to_order import LEG, answer_every_row
from watching import TimedOutput, answer_and_trade, output_of, show_segments, watch_in_turns

from arb.bot.compilation import compile_strategy
from arb.data.recordings.recorder import Recorder
from arb.runtime.live_rows import LiveDriver
from arb.runtime.session import Session
from arb.runtime.strategy_task import StrategyTask
from arb.runtime.venue_tap import VenueTap
from arb.runtime.warm import warm_session
from arb.simulation.bot import DryRunBot
from arb.simulation.watermark import VenueSide
from connectors.bybit import BybitLinear
from connectors.feed.clock_offset import OffsetEstimator
from connectors.feed.feed import Feed
from connectors.feed.pipeline import warm_up
from connectors.model import Instrument, Stream
from connectors.net.rest import HttpRest
from connectors.net.sockets import AsyncioTimers, new_event_loop, transport_of

_MS = 1_000_000
PARTS = ("receive", "decode", "record", "hand on", "strategy", "order")
_LEVELS = 50
_TICK_0 = 600_000


# The sender, a process of its own.


def frames(count: int) -> Iterator[bytes]:
    """A snapshot, then changes that each move the touch; without the websocket's header."""
    levels = [[f"{(_TICK_0 - n) / 10:.1f}", "1.5"] for n in range(_LEVELS)]
    asks = [[f"{(_TICK_0 + 10 + n) / 10:.1f}", "1.5"] for n in range(_LEVELS)]
    yield _frame("snapshot", levels, asks, 1)
    for number in range(count):
        # One better bid comes and goes; some levels behind it change.
        bid = [f"{(_TICK_0 + 1) / 10:.1f}", "0" if number % 2 else "0.7"]
        behind = [[f"{(_TICK_0 - 1 - n) / 10:.1f}", f"{1 + (number + n) % 7}"] for n in range(4)]
        yield _frame(
            "delta", [bid, *behind], [[f"{(_TICK_0 + 12) / 10:.1f}", f"{1 + number % 5}"]], number + 2
        )


def _frame(kind: str, bids: list[Any], asks: list[Any], u: int) -> bytes:
    now = time.time_ns() // _MS
    body = {"s": "BTCUSDT", "b": bids, "a": asks, "u": u, "seq": u}
    text = {"topic": "orderbook.50.BTCUSDT", "type": kind, "ts": now, "data": body, "cts": now}
    return json.dumps(text, separators=(",", ":")).encode()


def send_all(listener: socket.socket, count: int, every_s: float, sent: SynchronizedArray[int]) -> None:
    """Serves both clients, and sends each frame to one and then to the other; `sent`: when, in turn."""
    clients = [_accepted(listener) for _ in range(2)]
    # The session's is the one that subscribes.
    request = _received(clients[0])
    _send(clients[0], json.dumps({"success": True, "op": "subscribe", "req_id": request["req_id"]}).encode())
    with contextlib.suppress(ConnectionError):  # the receiver may have enough before
        for number, frame in enumerate(frames(count)):
            for client, connection in enumerate(clients):
                time.sleep(every_s / 2)
                sent[2 * number + client] = time.time_ns()
                _send(connection, frame)
    time.sleep(0.5)
    for connection in clients:
        connection.close()


def _accepted(listener: socket.socket) -> socket.socket:
    connection, _ = listener.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.recv(4096)
    key = next(line for line in head.decode().split("\r\n") if line.lower().startswith("sec-websocket-key:"))
    digest = hashlib.sha1(
        (key.split(":", 1)[1].strip() + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()
    ).digest()
    answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    connection.sendall(f"{answer}Sec-WebSocket-Accept: {base64.b64encode(digest).decode()}\r\n\r\n".encode())
    return connection


def _received(connection: socket.socket) -> Any:
    """A short text frame of a client."""
    head = connection.recv(2, socket.MSG_WAITALL)
    length = head[1] & 0x7F
    if length == 126:
        (length,) = struct.unpack("!H", connection.recv(2, socket.MSG_WAITALL))
    mask = connection.recv(4, socket.MSG_WAITALL)
    body = connection.recv(length, socket.MSG_WAITALL)
    return json.loads(bytes(byte ^ mask[n % 4] for n, byte in enumerate(body)))


def _send(connection: socket.socket, frame: bytes) -> None:
    size = bytes([len(frame)]) if len(frame) < 126 else b"\x7e" + struct.pack("!H", len(frame))
    connection.sendall(b"\x81" + size + frame)


# The receiver.


class TimedSide(VenueSide):
    """Notes when the strategy has answered."""

    answered_ns = 0

    def on_rows(self, leg_no: int, rows: Any) -> None:
        self.answered_ns = time.time_ns()
        super().on_rows(leg_no, rows)


class TimedTap:
    """The session's tap and sink, with the times at which they are called."""

    def __init__(self, tap: VenueTap, side: TimedSide, counts: Any) -> None:
        self._tap = tap
        self._side = side
        self._counts = counts
        self._marks = (0, 0, 0)
        self.on_status, self.on_event = tap.on_status, tap.on_event
        #: A row a frame: received, decoded, recorded, in the session, answered, settled; 0s without an order.
        self.times: list[tuple[int, ...]] = []

    def on_frame(self, no: int, local_ts: int, frame: bytes) -> None:
        decoded_ns = time.time_ns()
        self._tap.on_frame(no, local_ts, frame)
        self._marks = (local_ts, decoded_ns, time.time_ns())
        self.times.append((local_ts, 0, 0, 0, 0, 0))

    def on_rows(self, no: int, rows: Any) -> None:
        began_ns, before = time.time_ns(), int(self._counts[0])
        self._tap.on_rows(no, rows)
        if self._counts[0] > before:
            self.times[-1] = (*self._marks, began_ns, self._side.answered_ns, time.time_ns())


class BareListener(picows.WSListener):
    """Takes the time, as our client's callback does first."""

    def __init__(self) -> None:
        self.times: list[int] = []

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        now = time.time_ns()
        if frame.msg_type == picows.WSMsgType.TEXT:
            self.times.append(now)


#: Works beside a session: receives its bot, itself and its output.
Beside: TypeAlias = Callable[[DryRunBot, Session, TimedOutput], Awaitable[Any]]


async def receive_all(
    url: str, folder: Path, count: int, beside: Beside | None = None
) -> tuple[list[tuple[int, ...]], list[int]]:
    """Times of the session's frames, and of the bare listener's. beside: it ends when that does, not at `count`."""
    instrument = Instrument("bybit_linear", LEG.symbol, LEG.tick_size, LEG.lot_size)
    venue, leg = BybitLinear(), replace(LEG, venue="bybit_linear")
    warm_up(venue, instrument)
    warm_session(leg, [(venue, instrument)])
    bot, counts = DryRunBot([leg], is_live=True), np.zeros(1, np.int64)
    strategy = answer_every_row if beside is None else answer_and_trade
    task = StrategyTask(bot, compile_strategy(strategy), (bot, counts))
    side = TimedSide(bot.exchanges, 5 * _MS, 50 * _MS)
    over = asyncio.Event()
    output = None if beside is None else output_of(folder)
    with Recorder(folder, reserve_gb=0.0) as recorder, output or contextlib.nullcontext():
        offset = OffsetEstimator(0)
        log = (lambda *_: None) if output is None else output.event
        session = Session([leg], LiveDriver(bot, task, side), offset, recorder, log=log, ended=over.set)
        tap = TimedTap(session.tap_of([0], "bybit_linear"), side, counts)
        feed = Feed(
            venue, [instrument], [Stream.DEPTH], (url,), transport=transport_of("picows"),
            rest=(rest := HttpRest("http://127.0.0.1:9")), timers=AsyncioTimers(), chance=lambda: 0.5,
            sink=tap, tap=tap, offset=offset,
        )  # fmt: skip
        session.start()
        feed.start()
        await asyncio.sleep(0.5)
        bare = BareListener()
        await picows.ws_connect(lambda: bare, url)
        gc.collect()
        gc.freeze()
        if beside is not None and output is not None:
            await beside(bot, session, output)
            count = len(bare.times) - 1
        give_up_s = time.monotonic() + 30 + count * 0.05
        while len(bare.times) < count + 1 and session.fault is None and time.monotonic() < give_up_s:
            await asyncio.sleep(0.05)
        session.stop()
        feed.stop()
        await rest.close()
    if session.fault is not None:
        raise session.fault
    return tap.times, bare.times


def _both(
    folder: Path, count: int, every_s: float, beside: Beside | None = None
) -> tuple[Any, list[tuple[int, ...]], list[int]]:
    """Runs both processes; returns when each frame was sent to the two clients, and the times of both."""
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"ws://127.0.0.1:{listener.getsockname()[1]}"
    context = multiprocessing.get_context("spawn")
    sent = context.Array("q", 2 * (count + 1))
    sender = context.Process(target=send_all, args=(listener, count, every_s, sent), daemon=True)
    sender.start()
    try:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            ours, bare = runner.run(receive_all(url, folder, count, beside))
    finally:
        sender.terminate()
    return np.array(sent[:], np.int64).reshape(-1, 2), ours, bare


def measure(count: int, every_s: float) -> None:
    """Runs both processes and prints quantiles by part."""
    with tempfile.TemporaryDirectory() as folder:
        written, ours, bare = _both(Path(folder), count, every_s)
    session = np.array(ours[: count + 1], np.int64)
    is_answered = session[:, -1] > 0
    is_answered[: len(session) // 10] = False
    chain = np.column_stack((written[: len(session), 0], session))[is_answered]
    print(f"{len(chain)} frames answered by an order, of {count}; load {os.getloadavg()[0]:.1f}")
    for name, spans in zip(PARTS, np.diff(chain, axis=1).T, strict=True):
        _show(name, spans)
    _show("socket to order", chain[:, -2] - chain[:, 0])
    _show("... from the callback", chain[:, -2] - chain[:, 1])
    _show(
        "bare callback: receive",
        np.array(bare[count // 10 :], np.int64) - written[count // 10 : len(bare), 1],
    )


def measure_watched(every_s: float, pairs: int, seconds: float) -> bool:
    """Runs a session in turns and prints what watching takes from it; whether all limits are kept."""
    count = round((30.0 + 3 * pairs * (seconds + 1.0)) / every_s)
    segments: list[Any] = []

    with tempfile.TemporaryDirectory() as name:
        root = Path(name)

        async def beside(bot: DryRunBot, session: Session, output: TimedOutput) -> None:
            segments.extend(await watch_in_turns(root, bot, session, output, pairs, seconds))

        written, ours, _ = _both(root, count, every_s, beside)
    times = np.array(ours, np.int64)
    spans = times[:, -2] - written[: len(times), 0]
    is_answered = times[:, -1] > 0
    return show_segments(segments[0], written[: len(times), 0][is_answered], spans[is_answered], segments[1])


def _show(name: str, spans: Any) -> None:
    us = np.asarray(spans) / 1e3
    p25, p50, p75, p99 = np.percentile(us, [25, 50, 75, 99])
    print(f"{name:<24} p50 {p50:7.1f} us  [{p25:.1f} to {p75:.1f}]  p99 {p99:8.1f}  max {us.max():9.1f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=5_000)
    parser.add_argument("--every-ms", type=float, default=4.0)
    parser.add_argument("--watched", action="store_true", help="in turns with and without a watcher")
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each turn")
    given = parser.parse_args()
    show_machine()
    if given.watched:
        sys.exit(0 if measure_watched(given.every_ms / 1e3, given.pairs, given.seconds) else 1)
    measure(given.events, given.every_ms / 1e3)
