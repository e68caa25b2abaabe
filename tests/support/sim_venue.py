"""A simulated venue: speaks the venues' websocket protocols and answers REST requests, for any kind of transport.

`Wire` is one connection as the server sees it; what carries it (simulated, or a real socket on this machine) is
somebody else's. Faults are set from outside: see `support.chaos`.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Protocol

from connectors.net.interfaces import Timers
from support.sim_market import SimMarket
from support.sim_time import MS

STEP_NS = 50 * MS
DEPTH_STEPS = 2
MARK_STEPS = 7


class WireOut(Protocol):
    """What carries the server's side of a connection."""

    def deliver(self, frame: str, kind: str) -> None:
        """Sends a message. `kind`: "depth", "touch", "trade", "mark", "snapshot" or "control"."""

    def drop(self, reason: str) -> None:
        """Closes the connection."""


class Wire:
    """One connection to the venue."""

    def __init__(self, venue: SimVenue, path: str, out: WireOut) -> None:
        self.venue = venue
        self.path = path
        self.out = out
        self.topics: list[str] = []
        #: Of this connection alone: Bybit may number the messages of a book as it likes.
        self.u_offset = venue.chance.choice((0, 0, venue.chance.randrange(1, 1000)))

    def receive(self, text: str) -> None:
        """A message of the client."""
        call = json.loads(text)
        if self.venue.is_bybit:
            self._receive_bybit(call)
        else:
            self._receive_binance(call)

    def close(self) -> None:
        """The client is gone."""
        self.venue.wires.pop(self, None)

    def notice(self) -> None:
        """Announces to the client that the server will close."""
        if not self.venue.is_bybit:
            self.out.deliver('{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1}}', "control")

    def _receive_binance(self, call: dict[str, object]) -> None:
        params = call.get("params")
        topics = [str(topic) for topic in params] if isinstance(params, list) else []
        result: object = None
        if call["method"] == "SUBSCRIBE":
            self.topics += [topic for topic in topics if topic not in self.topics]
        elif call["method"] == "UNSUBSCRIBE":
            self.topics = [topic for topic in self.topics if topic not in topics]
        else:
            result = self.topics
        self.out.deliver(json.dumps({"result": result, "id": call["id"]}, separators=(",", ":")), "control")

    def _receive_bybit(self, call: dict[str, object]) -> None:
        op, args = call["op"], call.get("args")
        topics = [str(topic) for topic in args] if isinstance(args, list) else []
        answer = {"success": True, "ret_msg": "pong" if op == "ping" else "", "op": op, "req_id": ""}
        if op == "ping" or self.venue.chance.random() < 0.5:
            answer["req_id"] = call["req_id"]
        if op == "unsubscribe":
            self.topics = [topic for topic in self.topics if topic not in topics]
        self.out.deliver(json.dumps(answer, separators=(",", ":")), "control")
        if op == "subscribe":
            for topic in topics:
                self.topics.append(topic)
                market = self.venue.markets[topic.rpartition(".")[2]]
                if topic.startswith("orderbook.50."):
                    self.send(market, "snapshot", market.snapshot(self.venue.now_ns()))
                elif topic.startswith("orderbook.1."):
                    self.send(market, "touch", market.touch_frame(self.venue.now_ns()))
                elif topic.startswith("tickers."):
                    self.send(market, "mark", market.mark_frame(self.venue.now_ns(), is_whole=True))

    def send(self, market: SimMarket, kind: str, data: str) -> None:
        """Sends a market message, if it was subscribed to."""
        stream = {"snapshot": "depth"}.get(kind, kind)
        topic = self.venue.topic(stream, market.symbol)
        if topic not in self.topics:
            return
        if not self.venue.is_bybit:
            data = f'{{"stream":"{topic}","data":{data}}}'
        elif stream == "depth" and self.u_offset:
            u = market.u
            data = data.replace(f'"u":{u},"seq"', f'"u":{u + self.u_offset},"seq"')
        self.out.deliver(data, kind)


class SimVenue:
    """The server."""

    def __init__(self, name: str, symbols: list[str], timers: Timers, chance: random.Random) -> None:
        self.name = name
        self.chance = chance
        self.markets = {symbol: SimMarket(name, symbol, chance) for symbol in symbols}
        #: Open connections, in the order in which they came.
        self.wires: dict[Wire, None] = {}
        self._timers = timers
        self._steps = 0
        self._late: dict[str, str] = {}
        #: Nothing changes, and so nothing is sent.
        self.is_paused = False
        #: By how much the venue's clock is ahead of the true time: of its stamps and of its answers.
        self.skew_ns = 0
        #: What the venue's clock should show; set by who knows the true time.
        self.true_ns: Callable[[], int] = timers.time_ns

    def now_ns(self) -> int:
        """The venue's clock."""
        return self.true_ns() + self.skew_ns

    @property
    def is_bybit(self) -> bool:
        return self.name.startswith("bybit")

    def topic(self, stream: str, symbol: str) -> str:
        """The venue's name of a stream: "depth", "touch", "trade" or "mark"."""
        if self.is_bybit:
            heads = {
                "depth": "orderbook.50",
                "touch": "orderbook.1",
                "trade": "publicTrade",
                "mark": "tickers",
            }
            return f"{heads[stream]}.{symbol}"
        ends = {"depth": "depth@100ms", "touch": "bookTicker", "trade": "trade", "mark": "markPrice@1s"}
        return f"{symbol.lower()}@{ends[stream]}"

    def accept(self, path: str, out: WireOut) -> Wire:
        """A client has connected."""
        wire = Wire(self, path, out)
        self.wires[wire] = None
        return wire

    def step(self) -> None:
        """Moves the markets on, and sends what they cause."""
        if self.is_paused:
            return
        now = self.now_ns()
        self._steps += 1
        for market in self.markets.values():
            frames = market.step(now)
            late = self._late.pop(market.symbol, None)
            if late is not None:
                frames.append(("depth", late))
            if self._steps % DEPTH_STEPS == 0:
                depth = market.depth(now)
                # The book's stream may lag behind that of the touch.
                if depth is not None and self.chance.random() < 0.3:
                    self._late[market.symbol] = depth
                elif depth is not None:
                    frames.append(("depth", depth))
            if self._steps % MARK_STEPS == 0:
                frames.append(("mark", market.mark_frame(now, is_whole=self._steps % 2 == 0)))
            for kind, data in frames:
                for wire in list(self.wires):
                    wire.send(market, kind, data)

    def answer(self, path: str) -> str:
        """The answer to a REST request."""
        if "time" in path:
            now = self.now_ns()
            if self.is_bybit:
                return f'{{"retCode":0,"result":{{"timeSecond":"{now // 10**9}","timeNano":"{now}"}}}}'
            return f'{{"serverTime":{now // MS}}}'
        symbol = path.partition("symbol=")[2].partition("&")[0]
        return self.markets[symbol].snapshot(self.now_ns())
