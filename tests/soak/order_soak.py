"""Hours of orders at four markets of the sandbox, in driven time: its memory does not grow once its bounds are reached.

Requests are signed texts that pass the same REST modules and sessions as in the server; no sockets. Half of the orders
are IOC and take, the others rest and are cancelled.

    python -m tests.soak.order_soak [--hours 2] [--rate 50]
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import hmac
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1])]

from numpy.random import default_rng
from support.simulated import LISTINGS, PRICES

from arb.commands.serve import keys_of
from arb.sandbox.accounts.rules import Facts
from arb.sandbox.serve.exchange import Exchange
from arb.sandbox.serve.limits import LIMITS
from arb.sandbox.serve.raw_request import RawRequest
from arb.sandbox.serve.sandbox import SeededMarket
from arb.sandbox.serve.session import Opening
from arb.sandbox.serve.trading import trading_of
from arb.sandbox.serve.venues import FAMILIES
from arb.sandbox.trading.setup import TradingSetup, usual_account
from connectors.units import MILLISECOND, SECOND

START_NS = 1_704_067_200 * SECOND
QUANTITY = {"binance_spot": "0.001", "binance_usdm": "0.004", "bybit_spot": "0.001", "bybit_linear": "0.004"}


class World:
    """A sandbox of four markets without sockets, with a connection for orders and one for events at each."""

    def __init__(self) -> None:
        listings = list(LISTINGS.values())
        facts = {(one.venue, one.symbol): Facts(one.lot_size, "5") for one in listings}
        self._keys = keys_of(7)
        setup = TradingSetup((usual_account(),), tuple(one.key for one in self._keys))
        self._tape, self._timeline = SeededMarket(listings, PRICES, 7).open(START_NS, 1.0)
        self.trading = trading_of(setup, 7, default_rng(7))(self._tape, facts, START_NS, {})
        self._exchanges = {
            one.venue: Exchange(FAMILIES[one.venue], self._tape, trading=self.trading) for one in listings
        }
        self._by_no = [self._exchanges[one.venue] for one in self._tape.listings]
        self.now_ns = START_NS
        self.answers = self.events = self.refused = 0
        self._sessions = {}
        for venue, exchange in self._exchanges.items():
            exchange.venues = self._exchanges
            limits = LIMITS[venue].__class__(weight_max=0, uid_factor=0)
            rest = exchange.family.rest(exchange, {"BTCUSDT": facts[venue, "BTCUSDT"]}, limits)
            self._sessions[venue] = self._connect(exchange, rest, limits, _PATHS[venue], self._answered)
            self._follow_events(venue, exchange, rest, limits)

    def advance(self, to_ns: int) -> None:
        """Moves market and trading, as the server does."""
        self.now_ns = to_ns
        for line in self._tape.advance(self._timeline.market_ns(to_ns)):
            self.trading.advance(line.send_ns)
            self.trading.receive(line, line.send_ns)
            self._by_no[line.no].by_no[line.no].follow(line)
        for exchange in self._exchanges.values():
            for instrument in exchange.instruments.values():
                instrument.due(self._ms)
        self.trading.advance(to_ns)

    def order(self, venue: str, no: int) -> None:
        """The `no`-th order at a venue, and the cancellation of an earlier one."""
        bid, ask = self.trading.desks[venue].instruments["BTCUSDT"].touch()
        if bid is None or ask is None:
            return
        if no % 2:
            price = f"{float(ask) * 1.003:.1f}" if no % 4 == 1 else f"{float(bid) * 0.997:.1f}"
            self._place(venue, no, price, "IOC", no % 4 == 1)
        else:
            self._place(venue, no, f"{float(bid) * 0.99:.1f}", "GTC", True)
            if no >= 20:
                self._cancel(venue, no - 20)

    def _connect(
        self, exchange: Exchange, rest: Any, limits: Any, path: str, receive: Callable[[str], None]
    ) -> Any:
        session = exchange.family.session(exchange, rest, Opening(path, {}, "127.0.0.1", 1, self._ms), limits)
        session.send = receive
        if exchange.venue.startswith("bybit"):
            key, expires = self._keys[2], self._ms + 10**10
            signature = _hmac(key.private, f"GET/realtime{expires}")
            self._send(session, {"op": "auth", "args": [key.key.id, expires, signature]})
        return session

    def _follow_events(self, venue: str, exchange: Exchange, rest: Any, limits: Any) -> None:
        if venue == "binance_spot":
            params = self._signed({})
            self._send(
                self._sessions[venue],
                {"id": "u", "method": "userDataStream.subscribe.signature", "params": params},
            )
        elif venue == "binance_usdm":
            replies: list[Any] = []
            headers = {"x-mbx-apikey": self._keys[0].key.id}
            raw = RawRequest("POST", "/fapi/v1/listenKey", "", headers, b"", "127.0.0.1")
            rest.answer(raw, self.now_ns, self._ms, replies.append)
            key = json.loads(replies[0].body)["listenKey"]
            self._user = self._connect(exchange, rest, limits, f"/private/ws/{key}", self._happened)
        else:
            session = self._connect(exchange, rest, limits, "/v5/private", self._happened)
            self._send(session, {"op": "subscribe", "args": ["order", "execution", "wallet"]})

    def _place(self, venue: str, no: int, price: str, force: str, buy: bool) -> None:
        id = f"b{no}"
        if venue.startswith("binance"):
            params = {
                "symbol": "BTCUSDT", "side": "BUY" if buy else "SELL", "type": "LIMIT", "timeInForce": force,
                "price": price, "quantity": QUANTITY[venue], "newClientOrderId": id,
            }  # fmt: skip
            message = {"id": id, "method": "order.place", "params": self._signed(params)}
        else:
            args = {
                "category": venue.removeprefix("bybit_"), "symbol": "BTCUSDT", "side": "Buy" if buy else "Sell",
                "orderType": "Limit", "qty": QUANTITY[venue], "price": price, "timeInForce": force, "orderLinkId": id,
            }  # fmt: skip
            message = self._bybit(f"o{no}", "order.create", args)
        self._send(self._sessions[venue], message)

    def _cancel(self, venue: str, no: int) -> None:
        if venue.startswith("binance"):
            params = self._signed({"symbol": "BTCUSDT", "origClientOrderId": f"b{no}"})
            message = {"id": f"c{no}", "method": "order.cancel", "params": params}
        else:
            args = {"category": venue.removeprefix("bybit_"), "symbol": "BTCUSDT", "orderLinkId": f"b{no}"}
            message = self._bybit(f"c{no}", "order.cancel", args)
        self._send(self._sessions[venue], message)

    def _send(self, session: Any, message: dict[str, Any]) -> None:
        for text in session.receive(json.dumps(message), self.now_ns, self._ms).replies:
            self._answered(text)

    def _signed(self, params: dict[str, Any]) -> dict[str, Any]:
        full = {"apiKey": self._keys[0].key.id, "timestamp": self._ms, **params}
        payload = "&".join(f"{name}={full[name]}" for name in sorted(full))
        return full | {"signature": _hmac(self._keys[0].private, payload)}

    def _bybit(self, id: str, op: str, args: dict[str, str]) -> dict[str, Any]:
        return {"reqId": id, "header": {"X-BAPI-TIMESTAMP": str(self._ms)}, "op": op, "args": [args]}

    def _answered(self, text: str) -> None:
        self.answers += 1
        self.refused += '"error"' in text or ('"retCode":' in text and '"retCode":0' not in text)

    def _happened(self, text: str) -> None:
        self.events += 1

    @property
    def _ms(self) -> int:
        return self.now_ns // MILLISECOND


_PATHS = {
    "binance_spot": "/ws-api/v3", "binance_usdm": "/ws-fapi/v1", "bybit_spot": "/v5/trade", "bybit_linear": "/v5/trade",
}  # fmt: skip


def _hmac(secret: str, payload: str) -> str:
    return hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()


def resident_mb() -> float:
    """Memory of this process now, after a collection of garbage."""
    gc.collect()
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * resource.getpagesize() / 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--rate", type=float, default=50.0, help="orders a second, all markets together")
    given = parser.parse_args()
    world = World()
    world.advance(START_NS + 2 * SECOND)
    venues = list(LISTINGS)
    orders, interval_ns = round(given.hours * 3600 * given.rate), round(SECOND / given.rate)
    begin, at_half = time.perf_counter(), 0.0
    for no in range(orders):
        world.advance(world.now_ns + interval_ns)
        world.order(venues[no % len(venues)], no // len(venues))
        if no == orders // 2:
            at_half = resident_mb()
        if no % max(1, orders // 20) == 0:
            print(
                f"{no:8} orders {time.perf_counter() - begin:6.0f} s  {resident_mb():7.1f} MB"
                f"  answers {world.answers}, refused {world.refused}, events {world.events}",
                flush=True,
            )
    end = resident_mb()
    for accounts in world.trading.accounts.values():
        for account in accounts.values():
            account.ledger.check()
    print(
        f"memory at half {at_half:.1f} MB, at the end {end:.1f} MB, ratio {end / at_half:.3f}; ledgers agree"
    )
    return 0 if end / at_half <= 1.02 else 4


if __name__ == "__main__":
    sys.exit(main())
