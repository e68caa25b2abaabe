"""The toy venue's server: two markets, /east and /west, on one local port. Runs until it is stopped.

Each has two books around a price that both share and that moves randomly. Now and then a market leaves the other one
for half a second, which a backtest trades.

python examples/venue/toy_server.py --port 8990
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import time
from typing import Any

from aiohttp import WSMsgType, web

SYMBOLS = ("ABCUSD", "XYZUSD")
MARKETS = ("east", "west")
TICK, LOT = "0.5", "1"
EVERY_S = 0.02
#: How often the price moves by a tick.
MOVES_SHARE = 0.01
#: How often a market leaves the other one, how far in ticks, and for how many steps.
AWAY_SHARE, AWAY_TICKS, AWAY_STEPS = 0.01, 4, 25


class Price:
    """The price of a symbol in ticks that its markets share: it moves randomly."""

    def __init__(self, symbol: str) -> None:
        self._chance = random.Random(symbol)
        self.mid = 200

    def step(self) -> None:
        """Moves the price."""
        if self._chance.random() < MOVES_SHARE:
            self.mid += self._chance.choice((-1, 1))


class Market:
    """One book: 20 levels per side around the shared price, or away from it."""

    def __init__(self, name: str, symbol: str, price: Price) -> None:
        self.symbol = symbol
        self.seq = self.trade_seq = 0
        self._chance = random.Random(f"{name}:{symbol}")
        self._price = price
        self._mid = price.mid
        self._away, self._away_steps = 0, 0
        self.sides: list[dict[int, int]] = [{}, {}]
        self._refill()

    def step(self) -> list[dict[str, Any]]:
        """The next change of the book, sometimes with a trade."""
        before = [dict(side) for side in self.sides]
        self._away_steps -= 1
        if self._away_steps < 0:
            is_away = self._chance.random() < AWAY_SHARE
            self._away = self._chance.choice((-AWAY_TICKS, AWAY_TICKS)) if is_away else 0
            self._away_steps = AWAY_STEPS if is_away else 0
        self._mid = self._price.mid + self._away
        self._refill()
        self.seq += 1
        changes = [
            [
                [_px(tick), str(side.get(tick, 0))]
                for tick in {**old, **side}
                if old.get(tick) != side.get(tick)
            ]
            for old, side in zip(before, self.sides, strict=True)
        ]
        frames = [self._book("chg", *changes)]
        if self._chance.random() < 0.3:
            self.trade_seq += 1
            is_buy = self._chance.random() < 0.5
            tick = min(self.sides[1]) if is_buy else max(self.sides[0])
            side = "buy" if is_buy else "sell"
            trade = {"ch": f"trade:{self.symbol}", "ts": _now_ms(), "seq": self.trade_seq}
            frames.append({**trade, "side": side, "px": _px(tick), "qty": "1"})
        return frames

    def snapshot(self) -> dict[str, Any]:
        """The whole book, best first."""
        bids = [[_px(tick), str(qty)] for tick, qty in sorted(self.sides[0].items(), reverse=True)]
        asks = [[_px(tick), str(qty)] for tick, qty in sorted(self.sides[1].items())]
        return self._book("snap", bids, asks)

    def _book(self, kind: str, bids: Any, asks: Any) -> dict[str, Any]:
        head = {"ch": f"book:{self.symbol}", "t": kind, "ts": _now_ms(), "seq": self.seq}
        return {**head, "bids": bids, "asks": asks}

    def _refill(self) -> None:
        for no, side in enumerate(self.sides):
            ticks = range(self._mid - 20, self._mid) if no == 0 else range(self._mid + 1, self._mid + 21)
            for tick in set(side) - set(ticks):
                del side[tick]
            for tick in ticks:
                if tick not in side or self._chance.random() < 0.1:
                    side[tick] = self._chance.randrange(1, 50)


class Server:
    """Serves the markets to any number of clients."""

    def __init__(self) -> None:
        self._prices = {symbol: Price(symbol) for symbol in SYMBOLS}
        self._markets = {
            name: {symbol: Market(name, symbol, price) for symbol, price in self._prices.items()}
            for name in MARKETS
        }
        self._clients: dict[str, dict[web.WebSocketResponse, set[str]]] = {name: {} for name in MARKETS}

    def app(self) -> web.Application:
        """The routes of the venue."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/{market:east|west}/ws", self._connect),
                web.get("/{market:east|west}/time", self._time),
                web.get("/{market:east|west}/symbols", self._symbols),
            ]
        )
        return app

    async def run(self) -> None:
        """Advances the markets until it is cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            for price in self._prices.values():
                price.step()
            for name, markets in self._markets.items():
                for frame in [frame for market in markets.values() for frame in market.step()]:
                    for client, channels in list(self._clients[name].items()):
                        if frame["ch"] in channels:
                            await _send(client, frame)

    async def _connect(self, request: web.Request) -> web.WebSocketResponse:
        client = web.WebSocketResponse()
        await client.prepare(request)
        name = request.match_info["market"]
        channels = self._clients[name][client] = set()
        try:
            async for message in client:
                if message.type == WSMsgType.TEXT:
                    await self._answer(client, self._markets[name], channels, json.loads(message.data))
        finally:
            del self._clients[name][client]
        return client

    async def _answer(
        self,
        client: web.WebSocketResponse,
        markets: dict[str, Market],
        channels: set[str],
        call: dict[str, Any],
    ) -> None:
        asked = set(call["channels"])
        await _send(client, {"re": call["do"], "id": call["id"], "ok": True})
        if call["do"] == "unsubscribe":
            channels -= asked
        elif call["do"] == "subscribe":
            for name in asked:
                channel, _, symbol = name.partition(":")
                if channel == "book" and symbol in markets:
                    await _send(client, markets[symbol].snapshot())
                channels.add(name)

    async def _time(self, request: web.Request) -> web.Response:
        return web.json_response({"ts": _now_ms()})

    async def _symbols(self, request: web.Request) -> web.Response:
        facts = {"tick": TICK, "lot": LOT, "min_qty": LOT, "min_value": "1", "open": True}
        return web.json_response({"symbols": [{"name": symbol, **facts} for symbol in SYMBOLS]})


async def _send(client: web.WebSocketResponse, frame: dict[str, Any]) -> None:
    if not client.closed:
        with contextlib.suppress(ConnectionError):  # the client has disconnected
            await client.send_str(json.dumps(frame, separators=(",", ":")))


def _px(tick: int) -> str:
    return f"{tick / 2:.1f}"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


async def serve(port: int) -> None:
    """Starts the server, prints its port and serves."""
    server = Server()
    runner = web.AppRunner(server.app())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await server.run()


if __name__ == "__main__":
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--port", type=int, default=8990, help="0: a free one, which is printed")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(words.parse_args().port))
