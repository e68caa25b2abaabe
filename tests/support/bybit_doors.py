"""Both Bybit addresses with trading, without sockets: requests are signed, answers are decoded strictly."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from numpy.random import default_rng

from arb.sandbox.accounts.keys import ApiKey, KeyKind
from arb.sandbox.accounts.rules import Facts
from arb.sandbox.funding import USUAL_FUNDING, Funding
from arb.sandbox.serve.bybit import BybitFamily
from arb.sandbox.serve.bybit.rest import BybitRest
from arb.sandbox.serve.bybit.signatures import sign
from arb.sandbox.serve.exchange import Exchange
from arb.sandbox.serve.limits import LIMITS, Limits
from arb.sandbox.serve.raw_request import RawRequest
from arb.sandbox.serve.rest import Response
from arb.sandbox.serve.sandbox import SeededMarket
from arb.sandbox.serve.session import Opening
from arb.sandbox.trading.delivery import Delays
from arb.sandbox.trading.setup import TradingSetup, usual_account
from arb.sandbox.trading.state import Trading
from arb.sandbox.trading.undocumented import DEFAULTS
from connectors.units import MILLISECOND, SECOND
from support.sandboxes import NOW_NS
from support.simulated import LISTINGS, PRICES
from support.venue_messages.bybit import DECODERS

ALL = frozenset({"Order", "Position", "SpotTrade", "AccountTransfer"})
KEY = ApiKey("key", "bybit", KeyKind.HMAC, "main", secret=b"secret", permissions=ALL)
READER = ApiKey("reader", "bybit", KeyKind.HMAC, "main", secret=b"secret")
VENUES = ("bybit_spot", "bybit_linear")


class Doors:
    """A market of BTC on spot and linear, two seconds old."""

    def __init__(
        self,
        *,
        delays: Delays | None = None,
        seed: int = 7,
        limits: Limits | None = None,
        funding: Funding = USUAL_FUNDING,
        **assumed: Any,
    ):
        """assumed: what is assumed of both venues instead of the defaults."""
        setup = TradingSetup(
            (usual_account(),),
            (KEY, READER),
            delays=dict.fromkeys(VENUES, delays) if delays else {},
            undocumented={venue: replace(DEFAULTS[venue], **assumed) for venue in VENUES},
        )
        market = SeededMarket([LISTINGS[venue] for venue in VENUES], PRICES, seed)
        self.tape, self.timeline = market.open(NOW_NS, 1.0)
        self.now_ns = NOW_NS
        facts = {
            (venue, "BTCUSDT"): Facts("0.001" if "linear" in venue else "0.000011", "5") for venue in VENUES
        }
        self.trading = Trading(
            setup, self.tape, facts, NOW_NS, seed=seed, chance=default_rng(seed), funding=funding
        )
        self.exchanges = {
            venue: Exchange(BybitFamily(venue), self.tape, funding=funding, trading=self.trading)
            for venue in VENUES
        }
        self.limits = limits or LIMITS["bybit_spot"]
        self.rests = {}
        for venue, exchange in self.exchanges.items():
            exchange.venues = self.exchanges
            self.rests[venue] = BybitRest(exchange, {"BTCUSDT": facts[venue, "BTCUSDT"]}, self.limits)
        self._connections = 0
        self.advance(2.0)

    @property
    def now_ms(self) -> int:
        return self.now_ns // MILLISECOND

    def advance(self, seconds: float) -> None:
        """Moves market and trading."""
        end_ns = self.now_ns + round(seconds * SECOND)
        while self.now_ns < end_ns:
            self.now_ns = min(end_ns, self.now_ns + 20 * MILLISECOND)
            for line in self.tape.advance(self.timeline.market_ns(self.now_ns)):
                self.trading.advance(self.now_ns)
                self.trading.receive(line, self.now_ns)
                for exchange in self.exchanges.values():
                    if line.no in exchange.by_no:
                        exchange.by_no[line.no].follow(line)
            self.trading.advance(self.now_ns)

    def touch(self, category: str) -> tuple[Any, Any]:
        """Best bid and ask."""
        return self.trading.desks[f"bybit_{category}"].instruments["BTCUSDT"].touch()

    def raw(
        self,
        method: str,
        path: str,
        fields: dict[str, Any],
        *,
        key: ApiKey | None = KEY,
        venue: str = "bybit_linear",
    ) -> Response | None:
        """The response; None: not yet."""
        query = body = ""
        if method == "GET":
            query = "&".join(f"{name}={value}" for name, value in fields.items())
        else:
            body = json.dumps(fields)
        headers = {}
        if key is not None:
            headers = {
                "x-bapi-api-key": key.id,
                "x-bapi-timestamp": str(self.now_ms),
                "x-bapi-recv-window": "5000",
                "x-bapi-sign": sign(key.secret, f"{self.now_ms}{key.id}5000{query}{body}".encode()),
            }
        replies: list[Response | None] = []
        request = RawRequest(method, path, query, headers, body.encode())
        self.rests[venue].answer(request, self.now_ns, self.now_ms, replies.append)
        self.late = replies
        return replies[0] if replies else None

    def ask(
        self, method: str, path: str, fields: dict[str, Any] | None = None, **options: Any
    ) -> dict[str, Any]:
        """The body of an answer that arrives at once."""
        response = self.raw(method, path, fields or {}, **options)
        assert response is not None
        assert response.status == 200
        return json.loads(response.body)

    def right(
        self, name: str, method: str, path: str, fields: dict[str, Any] | None = None, **options: Any
    ) -> Any:
        """The result of an answer that passes the strict decoder of `name`."""
        response = self.raw(method, path, fields or {}, **options)
        assert response is not None
        body = json.loads(response.body)
        assert body["retCode"] == 0, body
        DECODERS[name].decode(response.body)
        return body["result"]

    def place(self, category: str = "linear", **changes: Any) -> dict[str, Any]:
        """Places a limit order far below the market, unless `changes` say otherwise. The body of the answer."""
        bid, _ = self.touch(category)
        fields = {
            "category": category, "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.01",
            "price": str(bid - 100),
        }  # fmt: skip
        merged = {name: value for name, value in (fields | changes).items() if value is not None}
        return self.ask("POST", "/v5/order/create", merged)

    def order(self, order_id: str, category: str = "linear") -> dict[str, Any]:
        """An order of the real-time query."""
        found = self.right(
            "order_realtime", "GET", "/v5/order/realtime", {"category": category, "orderId": order_id}
        )
        assert len(found["list"]) == 1
        return found["list"][0]

    def socket(self, path: str, *, venue: str = "bybit_linear", is_authenticated: bool = True) -> Socket:
        """A websocket connection."""
        self._connections += 1
        opening = Opening(path, {}, "127.0.0.1", self._connections)
        exchange = self.exchanges[venue]
        session = exchange.family.session(exchange, self.rests[venue], opening, self.limits)
        return Socket(self, session, is_authenticated=is_authenticated)


class Socket:
    """A connection that keeps what it was sent."""

    def __init__(self, doors: Doors, session: Any, *, is_authenticated: bool) -> None:
        self._doors = doors
        self.session = session
        self.texts: list[str] = []
        session.send = self.texts.append
        if is_authenticated:
            answer = self.ask(op="auth", args=self.auth())
            assert answer.get("success", answer.get("retCode") == 0), answer

    def auth(self, key: ApiKey = KEY) -> list[Any]:
        """Arguments of `auth`."""
        expires = self._doors.now_ms + 1000
        return [key.id, expires, sign(key.secret, f"GET/realtime{expires}".encode())]

    def send(self, message: dict[str, Any] | str) -> None:
        """Sends a message; its answers are in `texts`."""
        text = message if isinstance(message, str) else json.dumps(message)
        outcome = self.session.receive(text, self._doors.now_ns, self._doors.now_ms)
        self.texts += outcome.replies

    def ask(self, **message: Any) -> dict[str, Any]:
        """Sends a message; the first text after it."""
        before = len(self.texts)
        self.send(message)
        return json.loads(self.texts[before])

    def operate(self, operation: str, arguments: dict[str, Any], **more: Any) -> dict[str, Any]:
        """An operation of the trade socket."""
        header = {"X-BAPI-TIMESTAMP": str(self._doors.now_ms)}
        return self.ask(op=operation, args=[arguments], header=header, **more)

    def topics(self) -> list[tuple[str, dict[str, Any]]]:
        """Topic and data of what was sent, decoded strictly; then forgotten."""
        found = []
        for text in self.texts:
            message = json.loads(text)
            if "topic" in message:
                topic = message["topic"].removesuffix(".linear").removesuffix(".spot")
                DECODERS["topic_" + topic.replace(".", "_")].decode(text)
                found += [(message["topic"], one) for one in message["data"]]
        self.texts.clear()
        return found
