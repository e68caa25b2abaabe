"""1,000 random orders a market of Binance: other people's signers sign them alike, and their requests mean the same.

ccxt, ccxt.pro and Binance's own clients make the same order; the sandbox reads all of them as the same placement. No
socket is opened: what a client would send is taken from it and given to the sandbox.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import binance_common.utils
import ccxt
import ccxt.pro
import pytest
from binance_common.configuration import ConfigurationRestAPI, ConfigurationWebSocketAPI
from binance_common.models import WebsocketApiOptions
from binance_common.signature import Signers
from numpy.random import Generator, default_rng
from support.binance_api import BinanceMarket
from support.simulated import LISTINGS

from arb.sandbox.accounts.keys import test_keys
from arb.sandbox.serve.raw_request import RawRequest
from arb.sandbox.trading.requests import Place, Reason, RefusalError
from connectors.binance.order_frames import SpotOrders, UsdmOrders
from connectors.orders.model import Act, Force, Instrument, OrderRequest, WireRequest
from connectors.orders.numbers import DecimalStep
from connectors.orders.signing import Ed25519Signer, HmacSigner, Signer

pytestmark = pytest.mark.slow

COUNT = 1000
VENUES = ("binance_spot", "binance_usdm")
HMAC, ED25519, _ = test_keys(7)
WINDOW_MS = 5000


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

    @property
    def word(self) -> str:
        return "BUY" if self.side == 1 else "SELL"


def leg(venue: str) -> Instrument:
    listing = LISTINGS[venue]
    tick, lot = DecimalStep(listing.tick_size), DecimalStep(listing.lot_size)
    return Instrument(listing.symbol, tick, lot, "BTC", "USDT", listing.is_spot)


def random_order(venue: str, chance: Generator) -> Order:
    one = leg(venue)
    tick, lots = int(chance.integers(1, 10**7)), int(chance.integers(1, 10 ** int(chance.integers(1, 8))))
    return Order(
        int(chance.choice([1, -1])),
        Force(int(chance.integers(0, 4))),
        bool(chance.random() < 0.2),
        not one.is_spot and bool(chance.random() < 0.3),
        tick,
        lots,
        one.tick.text_of(tick),
        one.lot.text_of(lots),
    )


class Recorded:
    """A signer that keeps the last payload."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer
        self.key_id, self.logs_on = signer.key_id, False
        self.payload = self.signature = ""

    def sign(self, payload: str) -> str:
        self.payload, self.signature = payload, self._signer.sign(payload)
        return self.signature


class Market:
    """A sandbox that keeps the placements it is asked for, and our order entry."""

    def __init__(self, venue: str) -> None:
        self.venue = venue
        self.sandbox = BinanceMarket(venue)
        self.places: list[Place] = []
        self.sandbox.trading.desks[venue].place = self._place  # type: ignore[method-assign]
        self.socket = self.sandbox.connect("/ws-api/v3" if venue == "binance_spot" else "/ws-fapi/v1")
        self.signer = Recorded(HmacSigner(HMAC.key.id, HMAC.private))
        self.orders = (SpotOrders if venue == "binance_spot" else UsdmOrders)(self.signer, WINDOW_MS)
        self.orders.add_leg(0, leg(venue))

    @property
    def now_ms(self) -> int:
        return self.sandbox.now_ns // 1_000_000

    def _place(self, place: Place, at_ns: int) -> Any:
        self.places.append(replace(place, client_id=None))
        raise RefusalError(Reason.NOT_OPEN)

    def meaning(self, send: Callable[[], object]) -> Place:
        """The one placement that a request makes."""
        self.places.clear()
        self.socket.texts.clear()
        self.sandbox.rest.weights.used = 0
        send()
        assert self.places, self.socket.texts
        (place,) = self.places
        return place

    def over_socket(self, text: str) -> Place:
        return self.meaning(lambda: self.socket.session.receive(text, self.sandbox.now_ns, self.now_ms))

    def over_rest(self, method: str, path: str, query: str, key: str, body: str = "") -> Place:
        headers = {"x-mbx-apikey": key}
        raw = RawRequest(method, path, query, headers, body.encode())
        return self.meaning(lambda: self.sandbox.send(raw))

    def ours(self, order: Order, wire_id: str, *, over_rest: bool = False) -> WireRequest:
        request = OrderRequest(
            Act.PLACE, 0, "BTCUSDT", 1, f"arb-18c3f0a2b1c-0-{wire_id}", side=order.side, force=order.force,
            is_market=order.is_market, reduce_only=order.reduces, tick=order.tick, lots=order.lots,
        )  # fmt: skip
        encode = self.orders.encode_rest if over_rest else self.orders.encode
        return encode(request, wire_id, self.now_ms)


class TakenError(Exception):
    """The request of a client was taken from it."""


class Ccxt:
    """ccxt over REST and ccxt.pro over the websocket, whose requests are taken before they are sent."""

    def __init__(self, market: Market) -> None:
        is_spot = market.venue == "binance_spot"
        name, kind = ("binance", "spot") if is_spot else ("binanceusdm", "linear")
        options = {
            "apiKey": HMAC.key.id,
            "secret": HMAC.private,
            "enableRateLimit": False,
            "options": {
                "fetchMarkets": {"types": [kind]},
                "fetchCurrencies": False,
                "crossMarginPairsData": [],
                "isolatedMarginPairsData": [],
            },
        }
        self.rest, self.pro = getattr(ccxt, name)(options), getattr(ccxt.pro, name)(options)
        self.symbol = "BTC/USDT" if is_spot else "BTC/USDT:USDT"
        self.taken: Any = None
        path = "/api/v3/exchangeInfo" if is_spot else "/fapi/v1/exchangeInfo"
        info = market.sandbox.send(RawRequest("GET", path, "")).body
        for client in (self.rest, self.pro):
            client.set_markets(client.parse_markets(info["symbols"]))
            client.milliseconds = lambda: market.now_ms
        self.rest.fetch = self._fetch
        self.pro.watch = self._watch

    def _fetch(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        self.taken = (url, method, headers, body)
        raise TakenError

    async def _watch(self, url: str, message_hash: str, message: Any = None, *_: Any) -> Any:
        self.taken = message
        raise TakenError

    def arguments(self, order: Order) -> dict[str, Any]:
        """ccxt.pro sends `postOnly` as it is, which the venue refuses."""
        params: dict[str, Any] = {"reduceOnly": True} if order.reduces else {}
        is_maker = order.force is Force.GTX and self.symbol == "BTC/USDT"
        kind = "market" if order.is_market else "LIMIT_MAKER" if is_maker else "limit"
        if kind == "limit":
            params["timeInForce"] = order.force.name
        return {
            "symbol": self.symbol,
            "type": kind,
            "side": order.word.lower(),
            "amount": float(order.quantity),
            "price": None if order.is_market else float(order.price),
            "params": params,
        }


class Official:
    """Binance's own clients over REST and the websocket, whose requests are taken before they are sent."""

    def __init__(self, market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
        self._is_spot = market.venue == "binance_spot"
        if self._is_spot:
            from binance_sdk_spot.rest_api.api.trade_api import TradeApi as RestApi
            from binance_sdk_spot.websocket_api.api.trade_api import TradeApi as SocketApi
        else:
            from binance_sdk_derivatives_trading_usds_futures.rest_api.api.trade_api import (
                TradeApi as RestApi,
            )
            from binance_sdk_derivatives_trading_usds_futures.websocket_api.api.trade_api import (
                TradeApi as SocketApi,
            )
        keys = {"api_key": HMAC.key.id, "api_secret": HMAC.private}
        monkeypatch.setattr(binance_common.utils, "get_timestamp", lambda: market.now_ms)
        self.taken: Any = None
        self.rest = RestApi(ConfigurationRestAPI(**keys, base_path="http://127.0.0.1:9"), self, None)
        self._configuration = ConfigurationWebSocketAPI(**keys)
        self.socket = SocketApi(self, None)

    def request(self, method: str, url: str, params: str, headers: Any, data: Any, **_: Any) -> Any:
        """As `requests.Session` sends."""
        self.taken = (method, urlsplit(url).path, params, data)
        raise TakenError

    async def send_signed_message(self, payload: Any, response_model: Any, signer: Any) -> Any:
        """As the websocket client sends."""
        options = WebsocketApiOptions(api_key=True, is_signed=True, skip_auth=False, signer=signer)
        self.taken = binance_common.utils.ws_api_payload(self._configuration, payload, options)
        raise TakenError

    def arguments(self, order: Order) -> dict[str, Any]:
        """Numbers are texts: floats of these clients become exponents, which the venue refuses."""
        given: dict[str, Any] = {"symbol": "BTCUSDT", "side": order.word, "quantity": order.quantity}
        if order.is_market:
            given["type"] = "MARKET"
        elif self._is_spot and order.force is Force.GTX:
            given |= {"type": "LIMIT_MAKER", "price": order.price}
        else:
            given |= {"type": "LIMIT", "time_in_force": order.force.name, "price": order.price}
        return given | ({"reduce_only": "true"} if order.reduces else {})

    @property
    def send_over_rest(self) -> Callable[..., Any]:
        return self.rest.new_order

    @property
    def send_over_socket(self) -> Callable[..., Any]:
        return self.socket.order_place if self._is_spot else self.socket.new_order


@pytest.fixture(params=VENUES)
def market(request: pytest.FixtureRequest) -> Market:
    return Market(request.param)


@pytest.fixture
def complete() -> Iterator[Callable[[Callable[[], Any]], Any]]:
    """Runs a coroutine function."""
    with asyncio.Runner() as runner:
        yield lambda send: runner.run(send())


def take(client: Any, send: Callable[[], Any]) -> Any:
    """What a client would have sent."""
    client.taken = None
    with suppress(TakenError):
        send()
    assert client.taken is not None
    return client.taken


@pytest.mark.parametrize("kind", ["hmac", "ed25519"])
def test_other_signers_sign_our_payload_alike(market: Market, kind: str) -> None:
    if kind == "hmac":
        configuration = ConfigurationRestAPI(api_key="key", api_secret=HMAC.private)
        theirs = [
            lambda payload: ccxt.Exchange.hmac(payload.encode(), HMAC.private.encode(), hashlib.sha256),
            partial(binance_common.utils.get_signature, configuration),
        ]
    else:
        market.signer._signer = Ed25519Signer(ED25519.key.id, ED25519.private)
        configuration = ConfigurationRestAPI(api_key="key", private_key=ED25519.private)
        signer = Signers.get_signer(ED25519.private)
        theirs = [
            lambda payload: ccxt.Exchange.eddsa(payload.encode(), ED25519.private),
            lambda payload: binance_common.utils.get_signature(configuration, payload, signer),
        ]
    chance = default_rng(3)
    for number in range(COUNT):
        market.ours(random_order(market.venue, chance), f"{number:x}", over_rest=bool(number % 2))
        assert {one(market.signer.payload) for one in theirs} == {market.signer.signature}


def test_other_clients_make_the_same_order(
    market: Market, monkeypatch: pytest.MonkeyPatch, complete: Callable[[Callable[[], Any]], Any]
) -> None:
    other, official = Ccxt(market), Official(market, monkeypatch)
    chance = default_rng(4)
    for number in range(COUNT):
        order = random_order(market.venue, chance)
        ours = market.over_socket(market.ours(order, f"{number:x}").text)
        wire = market.ours(order, f"{number:x}", over_rest=True)
        key = dict(wire.headers)["X-MBX-APIKEY"]
        found = {"our REST": market.over_rest(wire.method, wire.path, wire.query, key)}

        given = other.arguments(order)
        url, method, headers, body = take(other, partial(other.rest.create_order, **given))
        parts = urlsplit(url)
        found["ccxt"] = market.over_rest(method, parts.path, parts.query, headers["X-MBX-APIKEY"], body or "")
        message = take(other, partial(complete, partial(other.pro.create_order_ws, **given)))
        found["ccxt.pro"] = market.over_socket(json.dumps(message))

        given = official.arguments(order)
        method, path, params, body = take(official, partial(official.send_over_rest, **given))
        found["connector"] = market.over_rest(method, path, params, HMAC.key.id, body or "")
        message = take(official, partial(complete, partial(official.send_over_socket, **given)))
        found["connector's websocket"] = market.over_socket(json.dumps(message))
        assert found == dict.fromkeys(found, ours), order
