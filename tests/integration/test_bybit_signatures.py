"""1,000 random orders a category of Bybit: other people's signers sign them alike, and their requests mean the same.

ccxt, ccxt.pro and pybit make the same order; the sandbox reads all of them as the same placement. No socket is opened:
what a client would send is taken from it and given to the sandbox. ccxt's market purchases of spot are in the quote
asset, so they are left out.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import ccxt
import ccxt.pro
import pybit._helpers
import pytest
from numpy.random import Generator, default_rng
from pybit._http_manager import generate_signature
from pybit.unified_trading import HTTP, WebSocketTrading
from support.bybit_doors import KEY, Doors

from arb.sandbox.serve.limits import LIMITS
from arb.sandbox.serve.raw_request import RawRequest
from arb.sandbox.trading.requests import Place, Reason, RefusalError
from connectors.bybit.order_frames import BybitOrders
from connectors.bybit.order_words import FORCE_WORDS, SIDE_WORDS
from connectors.orders.model import Act, Force, Instrument, OrderRequest, WireRequest
from connectors.orders.numbers import DecimalStep
from connectors.orders.signing import HmacSigner

COUNT = 1000
CATEGORIES = ("spot", "linear")
SECRET = KEY.secret.decode()
STEPS = {"spot": ("0.1", "0.000001"), "linear": ("0.10", "0.001")}


class Order(NamedTuple):
    """A random order, with its numbers as texts of any client."""

    side: int
    force: Force
    is_market: bool
    reduces: bool
    tick: int
    lots: int
    price: str
    quantity: str


class Recorded(HmacSigner):
    """A signer that keeps the last payload."""

    payload = signature = ""

    def sign(self, payload: str) -> str:
        self.payload, self.signature = payload, super().sign(payload)
        return self.signature


class Market:
    """A sandbox that keeps the placements it is asked for, and our order entry."""

    def __init__(self, category: Any) -> None:
        self.category, self.venue = category, f"bybit_{category}"
        self.doors = Doors(limits=replace(LIMITS["bybit_spot"], uid_factor=0))
        self.places: list[Place] = []
        self.doors.trading.desks[self.venue].place = self._place  # type: ignore[method-assign]
        self.doors.late = []
        self.socket = self.doors.socket("/v5/trade", venue=self.venue)
        self.signer = Recorded(KEY.id, SECRET)
        self.orders = BybitOrders(category, self.signer, 5000)
        tick, lot = (DecimalStep(text) for text in STEPS[category])
        self.instrument = Instrument("BTCUSDT", tick, lot, "BTC", "USDT", category == "spot")
        self.orders.add_leg(0, self.instrument)

    def _place(self, place: Place, at_ns: int) -> Any:
        self.places.append(replace(place, client_id=None))
        raise RefusalError(Reason.NOT_OPEN)

    def random_order(self, chance: Generator) -> Order:
        tick, lots = int(chance.integers(1, 10**7)), int(chance.integers(1, 10 ** int(chance.integers(1, 8))))
        return Order(
            int(chance.choice([1, -1])),
            Force(int(chance.integers(0, 4))),
            bool(chance.random() < 0.2),
            self.category == "linear" and bool(chance.random() < 0.3),
            tick,
            lots,
            self.instrument.tick.text_of(tick),
            self.instrument.lot.text_of(lots),
        )

    def ours(self, order: Order, wire_id: str, *, over_rest: bool = False) -> WireRequest:
        request = OrderRequest(
            Act.PLACE, 0, "BTCUSDT", 1, f"arb-18c3f0a2b1c-0-{wire_id}", side=order.side, force=order.force,
            is_market=order.is_market, reduce_only=order.reduces, tick=order.tick, lots=order.lots,
        )  # fmt: skip
        encode = self.orders.encode_rest if over_rest else self.orders.encode
        return encode(request, wire_id, self.doors.now_ms)

    def meaning(self, send: Callable[[], object]) -> Place:
        """The one placement that a request makes."""
        self.places.clear()
        self.socket.texts.clear()
        send()
        assert self.places, (self.socket.texts, self.doors.late)
        (place,) = self.places
        return place

    def over_socket(self, text: str) -> Place:
        return self.meaning(lambda: self.socket.send(text))

    def over_rest(self, method: str, url: str, headers: Any, body: bytes | str) -> Place:
        raw = RawRequest(
            method,
            urlsplit(url).path,
            urlsplit(url).query,
            {str(name).lower(): str(value) for name, value in headers.items()},
            body.encode() if isinstance(body, str) else body,
        )
        rest = self.doors.rests[self.venue]
        rest.weights.used = 0
        self.doors.late = []
        return self.meaning(
            lambda: rest.answer(raw, self.doors.now_ns, self.doors.now_ms, self.doors.late.append)
        )


class TakenError(Exception):
    """The request of a client was taken from it."""


def take(client: Any, send: Callable[[], Any]) -> Any:
    """What a client would have sent."""
    client.taken = None
    with suppress(TakenError):
        send()
    assert client.taken is not None
    return client.taken


class Ccxt:
    """ccxt over REST and ccxt.pro over the websocket, whose requests are taken before they are sent."""

    def __init__(self, market: Market) -> None:
        options = {
            "apiKey": KEY.id,
            "secret": SECRET,
            "enableRateLimit": False,
            "options": {"enableUnifiedMargin": False, "enableUnifiedAccount": True, "recvWindow": 5000},
        }
        self.rest, self.pro = ccxt.bybit(options), ccxt.pro.bybit(options)
        self.symbol = "BTC/USDT" if market.category == "spot" else "BTC/USDT:USDT"
        self.taken: Any = None
        fields = {"category": market.category}
        listed = market.doors.raw("GET", "/v5/market/instruments-info", fields, key=None, venue=market.venue)
        assert listed is not None
        rows = json.loads(listed.body)["result"]["list"]
        answer = {"retCode": 0, "result": {"category": market.category, "list": rows, "nextPageCursor": ""}}
        own = ccxt.bybit()
        own.publicGetV5MarketInstrumentsInfo = lambda *_: answer
        markets = (
            own.fetch_spot_markets({})
            if market.category == "spot"
            else own.fetch_future_markets({"category": "linear"})
        )
        for client in (self.rest, self.pro):
            client.set_markets(markets)
            client.milliseconds = lambda: market.doors.now_ms
        self.rest.fetch = self._fetch
        self.pro.authenticate = self._authenticate
        self.pro.watch = self._watch

    def _fetch(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        self.taken = (method, url, headers, body)
        raise TakenError

    async def _authenticate(self, url: str, params: Any = None) -> None:
        """Nothing is connected."""

    async def _watch(self, url: str, message_hash: str, message: Any = None, *_: Any) -> Any:
        self.taken = message
        raise TakenError

    def arguments(self, order: Order) -> dict[str, Any]:
        params: dict[str, Any] = {"reduceOnly": True} if order.reduces else {}
        if not order.is_market:
            params["timeInForce"] = FORCE_WORDS[order.force]
        return {
            "symbol": self.symbol,
            "type": "market" if order.is_market else "limit",
            "side": SIDE_WORDS[order.side].lower(),
            "amount": float(order.quantity),
            "price": None if order.is_market else float(order.price),
            "params": params,
        }


class Pybit:
    """pybit over REST and the websocket, whose requests are taken before they are sent."""

    def __init__(self, market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pybit._helpers, "generate_timestamp", lambda: market.doors.now_ms)
        self._category = market.category
        self.taken: Any = None
        self.rest = HTTP(api_key=KEY.id, api_secret=SECRET)
        self.rest.client.send = self._send
        self.socket = object.__new__(WebSocketTrading)
        self.socket.recv_window, self.socket.referral_id = 5000, ""
        self.socket.ws, self.socket.callback_directory = self, {}

    def _send(self, request: Any, timeout: float = 0.0) -> Any:
        self.taken = (request.method, request.url, request.headers, request.body)
        raise TakenError

    def send(self, text: str) -> None:
        """As a websocket sends."""
        self.taken = text

    def arguments(self, order: Order) -> dict[str, Any]:
        given: dict[str, Any] = {
            "category": self._category,
            "symbol": "BTCUSDT",
            "side": SIDE_WORDS[order.side],
            "qty": order.quantity,
        }
        if order.is_market:
            given |= {"orderType": "Market"} | (
                {"marketUnit": "baseCoin"} if self._category == "spot" else {}
            )
        else:
            given |= {"orderType": "Limit", "price": order.price, "timeInForce": FORCE_WORDS[order.force]}
        return given | ({"reduceOnly": True} if order.reduces else {})


@pytest.fixture(params=CATEGORIES)
def market(request: pytest.FixtureRequest) -> Market:
    return Market(request.param)


def test_other_signers_sign_our_payload_alike(market: Market) -> None:
    chance = default_rng(3)
    for number in range(COUNT):
        market.ours(market.random_order(chance), f"{number:x}", over_rest=True)
        payload = market.signer.payload
        theirs = {
            generate_signature(False, SECRET, payload),
            ccxt.Exchange.hmac(payload.encode(), KEY.secret, hashlib.sha256),
        }
        assert theirs == {market.signer.signature}
    # The log-on, and a query.
    (log_on,) = market.orders.opening(market.doors.now_ms)
    key, expires, signature = json.loads(log_on.text)["args"]
    assert (key, signature) == (KEY.id, generate_signature(False, SECRET, f"GET/realtime{expires}"))
    query = market.orders.encode(OrderRequest(Act.OPEN_ORDERS, 0, "BTCUSDT", 1, ""), "q", 1_700_000_000_000)
    client = HTTP(api_key=KEY.id, api_secret=SECRET)
    assert dict(query.headers)["X-BAPI-SIGN"] == client._auth(query.query, 5000, 1_700_000_000_000)


def test_the_documented_vectors() -> None:
    signer = HmacSigner("test-key", "test-secret")
    for payload, signature in (
        (
            "1700000000000test-key5000category=linear&symbol=BTCUSDT",
            "9a7c8cfd6ba1a7c498aa4dd5a7f9cfbba01fcb6eebae734ffe0d775870a1a3fb",
        ),
        ("GET/realtime1700000000000", "5e1a6810262f270b783cf759f856aadee413643be3c03d0fb89dd22261e41df0"),
    ):
        assert signer.sign(payload) == signature
    orders = BybitOrders("linear", signer, 5000)
    (log_on,) = orders.opening(1_699_999_990_000)
    assert log_on.text == (
        '{"reqId":"auth","op":"auth","args":["test-key",1700000000000,'
        '"5e1a6810262f270b783cf759f856aadee413643be3c03d0fb89dd22261e41df0"]}'
    )


def test_other_clients_make_the_same_order(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    other, official = Ccxt(market), Pybit(market, monkeypatch)
    chance = default_rng(4)
    with asyncio.Runner() as runner:
        for number in range(COUNT):
            order = market.random_order(chance)
            ours = market.over_socket(market.ours(order, f"ours-{number:x}").text)
            wire = market.ours(order, f"{number:x}", over_rest=True)
            found = {"our REST": market.over_rest(wire.method, wire.path, dict(wire.headers), wire.body)}

            given = official.arguments(order)
            found["pybit"] = market.over_rest(*take(official, partial(official.rest.place_order, **given)))
            text = take(official, partial(official.socket.place_order, print, **given))
            found["pybit's websocket"] = market.over_socket(text)

            if not (order.is_market and order.side > 0 and market.category == "spot"):
                given = other.arguments(order)
                found["ccxt"] = market.over_rest(*take(other, partial(other.rest.create_order, **given)))
                send = partial(other.pro.create_order_ws, **given)
                message = take(other, lambda send=send: runner.run(send()))  # type: ignore[misc]
                found["ccxt.pro"] = market.over_socket(json.dumps(message))
            assert found == dict.fromkeys(found, ours), order
