"""From an account's event on the socket to the strategy: `python benchmarks/event_to_strategy.py [--events 300]`.

Another process accepts the orders of a session and later fills them: it writes the event to the stream of the account,
and the same bytes to a bare client of the same websocket library in the same event loop, in turn. The compiled
strategy waits for responses; it has the fill when it waits again. Between the events rows arrive, one a millisecond.
At Bybit the event is two frames in one write, order and execution.

receive   from the sender's write to the client's callback: kernel, event loop, client
decode    the venue's message as an execution and the state of its order
desk      private log, order states, the answer
put       the answer as a row in the bot's queue
wake      switch to the strategy, until it has looked at the order and waits again
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import gc
import heapq
import json
import os
import selectors
import socket
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import picows
from alternate import show_machine
from hftbacktest.order import FILLED, GTC, LIMIT
from order_peers import (
    LiveHost,
    Receivers,
    accept,
    answer_of,
    running_sandbox,
    send_text,
    show,
    touch_row,
    unmasked,
)

from arb.execution.desk_wires import Outputs
from arb.runtime.live_orders import LiveOrders
from arb.sandbox.serve.urls import VenueUrls
from connectors.binance import order_examples as binance
from connectors.binance.user_events import SpotUser, UsdmUser
from connectors.bybit import order_examples as bybit
from connectors.bybit.user_events import BybitUser
from connectors.net.sockets import new_event_loop
from connectors.orders.examples import ExampleOrder
from connectors.orders.signing import HmacSigner

P50_US, RATIO = 250.0, 1.8
PAIRS = (("binance_spot", "bybit_linear"), ("binance_usdm", "bybit_spot"))
PARTS = ("receive", "decode", "desk", "put", "wake")
_MS = 1_000_000
#: From an order to its acceptance, and from each of these to the next: the event for the session, that for the bare
#: client, the next order.
_APART_S = 0.004
_PAUSE_S = 0.001


# The sender, a process of its own.


def send_events(listeners: Mapping[str, socket.socket], logs_on: bool, pipe: Any) -> None:
    """Serves orders, streams of accounts and bare clients until a message arrives, then sends when events were written:
    ns by (venue, whose), in order."""
    times: dict[tuple[str, str], list[int]] = defaultdict(list)
    clients: dict[str, socket.socket] = {}
    selector = selectors.DefaultSelector()
    for name, listener in listeners.items():
        selector.register(listener, selectors.EVENT_READ, (name, True))
    selector.register(pipe, selectors.EVENT_READ, None)
    due: list[tuple[float, int, Callable[[], None]]] = []
    count = 0

    def fill(name: str, frames: bytes) -> None:
        venue, whose = name.split()
        times[venue, whose].append(time.time_ns())
        clients[name].sendall(frames)

    def plan(venue: str, order: socket.socket, text: bytes) -> None:
        nonlocal count
        count += 1
        accepted, opened, filled = _life_of(venue, json.loads(text), count)
        calls: list[Callable[[], None]] = [
            functools.partial(_send_all, order, accepted, clients[f"{venue} session"], opened),
            functools.partial(fill, f"{venue} session", filled),
            functools.partial(fill, f"{venue} bare", filled),
        ]
        # Who is first changes.
        if count % 4 > 1:
            calls[1:] = calls[:0:-1]
        for number, call in enumerate(calls, 1):
            heapq.heappush(due, (time.monotonic() + number * _APART_S, 10 * count + number, call))

    while True:
        wait_s = max(0.0, due[0][0] - time.monotonic()) if due else None
        for key, _ in selector.select(wait_s):
            if key.data is None:
                pipe.send(dict(times))
                return
            name, is_listener = key.data
            connection: Any = key.fileobj
            if is_listener:
                clients[name] = accept(connection)
                selector.register(clients[name], selectors.EVENT_READ, (name, False))
                continue
            data = connection.recv(1 << 16)
            if not data:
                selector.unregister(connection)
                continue
            for text in unmasked(connection, data):
                if b"order.place" in text or b"order.create" in text:
                    plan(name, connection, text)
                elif answer := answer_of(name, text, logs_on):
                    send_text(connection, answer)
        while due and due[0][0] <= time.monotonic():
            heapq.heappop(due)[2]()


def _send_all(order: socket.socket, accepted: bytes, stream: socket.socket, opened: bytes) -> None:
    send_text(order, accepted)
    if opened:
        stream.sendall(opened)


def _framed(texts: Iterable[bytes]) -> bytes:
    """Text frames of more than 125 bytes each."""
    return b"".join(b"\x81\x7e" + len(text).to_bytes(2, "big") + text for text in texts)


def _life_of(venue: str, request: Any, number: int) -> tuple[bytes, bytes, bytes]:
    """The answer that accepts an order; frames of the stream: that it is open, where the answer does not say so, and
    that it is filled."""
    if venue.startswith("bybit"):
        asked, wire_id = request["args"][0], request["reqId"]
        client_id, price, quantity = asked["orderLinkId"], asked["price"], asked["qty"]
        made = bybit.templates(asked["category"], "BTCUSDT", asked["side"], price, quantity)
    else:
        asked, wire_id = request["params"], request["id"]
        client_id, price, quantity = asked["newClientOrderId"], asked["price"], asked["quantity"]
        made = binance.templates(venue, "BTCUSDT", asked["side"], price, quantity)
    texts = made.of(ExampleOrder(wire_id, client_id, number, time.time_ns() // _MS))
    return texts.accepted, _framed(texts.opened), _framed(texts.filled)


# The receiver.


def receive_fills(bot: Any, counts: Any) -> None:
    """Sends an order of a leg when the host asks for it, and counts orders whose fill it has."""
    order_id, leg = 0, 0
    while True:
        code = bot.wait_next_feed(True, 3_600_000_000_000)
        if code == 1:
            break
        if code == 3:
            order = bot.orders(leg).get(order_id)
            if order is not None and order.status == FILLED:
                counts[3] += 1
                bot.clear_inactive_orders(leg)
        elif counts[1] and bot.depth(0).best_bid > 0.0 and bot.depth(1).best_ask > 0.0:
            leg = counts[1] - 1
            counts[1] = 0
            order_id += 1
            bot.submit_buy_order(leg, order_id, 59_950.0, 0.001, GTC, LIMIT, False)
            counts[0] += 1


class Spans(NamedTuple):
    """The way of one event, ns: times but for `decode_ns`, which is a span."""

    received: int
    decode_ns: int
    applied: int
    woken: int
    waiting: int


class TimedOrders(LiveOrders):
    """Notes when events arrive, are decoded, applied and handed over."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.received = self.decode_ns = self.applied = self.woken = 0
        super().__init__(*arguments, **options)

    def clear(self) -> None:
        """What follows is of another event."""
        self.received = self.decode_ns = 0

    def _apply(self, venue: str, outputs: Outputs, now: int, *more: Any) -> None:
        self.applied = time.time_ns()
        self.received = self.received or now
        super()._apply(venue, outputs, now, *more)

    def time(self, host: LiveHost, spans: list[Spans]) -> None:
        """Takes times from now on; spans: to which every fill is added."""
        fills, wake, park = host.counts[3], self.gateway.wake, host.task.park

        def timed_wake(now: int) -> None:
            self.woken = time.time_ns()
            wake(now)

        def timed_park() -> int:
            nonlocal fills
            now = time.time_ns()
            if host.counts[3] != fills:
                fills = host.counts[3]
                spans.append(Spans(self.received, self.decode_ns, self.applied, self.woken, now))
            return park()

        self.gateway.wake = timed_wake
        host.task.park = timed_park  # type: ignore[method-assign]
        for kind in (SpotUser, UsdmUser, BybitUser):
            timed_class: Any = kind
            timed_class.decode = self._timed(getattr(kind.decode, "__wrapped__", kind.decode))

    def _timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        own = [desk._user for desk in self.gateway.desks.values()]  # noqa: SLF001

        @functools.wraps(call)
        def timed(user: Any, frame: bytes) -> Any:
            begin = time.time_ns()
            decoded = call(user, frame)
            if user in own:  # not of code that is kept warm
                self.decode_ns += time.time_ns() - begin
            return decoded

        return timed


class BareListener(picows.WSListener):
    """Takes the time, as our client's callback does first."""

    def __init__(self) -> None:
        self.times: list[int] = []

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        now = time.time_ns()
        if frame.msg_type == picows.WSMsgType.TEXT and frame.last_in_buffer:
            self.times.append(now)


async def run(
    venues: tuple[str, str], keys: Mapping[str, HmacSigner], urls: Mapping[str, VenueUrls], bare: Mapping[str, str],
    count: int, folder: Path,
) -> tuple[dict[str, list[Spans]], dict[str, list[int]]]:  # fmt: skip
    """A session and its peers, in turn: by venue, the session's events, and the times of the bare client."""
    host = LiveHost(venues, keys, receive_fills, folder, TimedOrders)
    orders: Any = host.orders
    await host.open(urls)
    listeners = {venue: BareListener() for venue in venues}
    clients = [
        (
            await picows.ws_connect(
                functools.partial(listeners.__getitem__, venue), bare[venue], websocket_handshake_timeout=30
            )
        )[0]
        for venue in venues
    ]
    host.taps[1].on_rows(0, touch_row(0, is_bid=False))
    spans: list[Spans] = []
    found: dict[str, list[Spans]] = {venue: [] for venue in venues}
    orders.time(host, spans)
    gc.collect()
    gc.freeze()
    for number in range(1, count + 1):
        for leg, venue in enumerate(venues):
            host.counts[1] = leg + 1
            give_up_s, row = time.monotonic() + 5.0, 0
            while len(found[venue]) + len(spans) < number or len(listeners[venue].times) < number:
                if time.monotonic() > give_up_s:
                    raise SystemExit(f"{venue}: event {number} did not arrive; {host.lines[-5:]}")
                orders.clear()
                host.taps[0].on_rows(0, touch_row(row, is_bid=True))
                row += 1
                await asyncio.sleep(_PAUSE_S)
            found[venue] += spans
            spans.clear()
    await host.close()
    for client in clients:
        client.disconnect()
    return found, {venue: listener.times for venue, listener in listeners.items()}


def show_venue(
    venue: str, spans: Sequence[Spans], bare: Sequence[int], sent: Sequence[int], sent_bare: Sequence[int]
) -> bool:
    """Prints the quantiles of a venue; returns whether they are within the limits."""
    skipped = len(spans) // 10
    times, began = np.array(spans, np.int64)[skipped:], np.array(sent, np.int64)[skipped:]
    received, decode, applied, woken, waiting = times.T
    print(f"{venue}: {len(times)} events")
    for part, span in zip(
        PARTS,
        (received - began, decode, applied - received - decode, woken - applied, waiting - woken),
        strict=True,
    ):
        show(part, span)
    p50, _ = show("socket to strategy", waiting - began)
    alone, _ = show(
        "a bare client", np.array(bare[skipped:], np.int64) - np.array(sent_bare[skipped:], np.int64)
    )
    print(f"  {'ratio':<34} {p50 / alone:.2f}")
    return p50 <= P50_US and p50 <= RATIO * alone


def measure(count: int) -> bool:
    """Sessions of all pairs; returns whether all venues are within the limits."""
    is_met = True
    with running_sandbox("BTCUSDT") as (rests, keys):
        for venues in PAIRS:
            names = [f"{venue}{whose}" for venue in venues for whose in ("", " session", " bare")]
            sender = Receivers(names, logs_on=False, serve=send_events)
            urls = {
                venue: VenueUrls("", rests[venue], sender.urls[venue], sender.urls[f"{venue} session"])
                for venue in venues
            }
            bare = {venue: sender.urls[f"{venue} bare"] for venue in venues}
            signers = {
                venue: HmacSigner(key["id"], key["private"])
                for venue in venues
                for key in keys
                if key["kind"] == "hmac" and venue.startswith(key["house"])
            }
            with (
                tempfile.TemporaryDirectory() as folder,
                asyncio.Runner(loop_factory=new_event_loop) as runner,
            ):
                ours, alone = runner.run(run(venues, signers, urls, bare, count, Path(folder)))
            sent = sender.end()
            print(f"load {os.getloadavg()[0]:.1f}")
            for venue in venues:
                is_met &= show_venue(
                    venue, ours[venue], alone[venue], sent[venue, "session"], sent[venue, "bare"]
                )
    return is_met


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--poll", choices=("wait", "busy"), default="wait", help="of the session: live.poll")
    parser.add_argument("--events", type=int, default=300)
    parser.add_argument("--warm", type=float, default=0.0, metavar="MS", help="of the session: live.warm_ms")
    given = parser.parse_args()
    LiveHost.is_polling, LiveHost.warm_ms = given.poll == "busy", given.warm
    show_machine()
    met = measure(given.events)
    print(f"limits: p50 <= {P50_US:g} us, {RATIO:g} of a bare client: {'met' if met else 'NOT MET'}")
    sys.exit(not met)
