"""Requests to Binance: every text, its numbers, its signature, and what a log keeps of it."""

from __future__ import annotations

import ast
import hashlib
import hmac
import json
from itertools import product
from pathlib import Path
from urllib.parse import parse_qsl, unquote

import pytest
from support.paths import ROOT
from support.venue_orders import NOW_MS, SIGNER, instrument, request

import connectors.binance
import connectors.orders
from connectors.binance.order_frames import SpotOrders, UsdmOrders
from connectors.binance.user_events import SpotUser, UsdmUser
from connectors.orders.blanking import BlankSigner, blanked
from connectors.orders.model import Act, Channel, Force, OrderRequest, VenueAnswer, Verdict, WireRequest
from connectors.orders.signing import Signer


class LogOnSigner:
    """A key with which a connection may log on."""

    key_id = "test-key"
    logs_on = True

    def sign(self, payload: str) -> str:
        return "ab+/=="


def spot(signer: Signer = SIGNER, symbol: str = "BTCUSDT") -> SpotOrders:
    orders = SpotOrders(signer, 2000)
    orders.add_leg(0, instrument(symbol, "0.10", "0.00001"))
    return orders


def usdm(signer: Signer = SIGNER) -> UsdmOrders:
    orders = UsdmOrders(signer, 2000)
    orders.add_leg(0, instrument(tick="0.10", lot="0.001", is_spot=False))
    return orders


def signature(payload: str) -> str:
    return hmac.new(b"test-secret", payload.encode(), hashlib.sha256).hexdigest()


def params_of(wire: WireRequest) -> dict[str, str | int]:
    """Method and parameters of a request, whose signature is checked, without key, time and signature."""
    if wire.channel is Channel.SOCKET:
        message = json.loads(wire.text)
        assert message["id"] == wire.wire_id
        params = message["params"]
        signed = params.pop("signature")
        assert signed == signature("&".join(f"{name}={params[name]}" for name in sorted(params)))
        assert params.pop("apiKey") == "test-key"
        method = message["method"]
    else:
        payload, _, signed = wire.query.rpartition("&signature=")
        assert signed == signature(payload)
        assert wire.headers == (("X-MBX-APIKEY", "test-key"),)
        assert not wire.body
        params = dict(parse_qsl(payload, strict_parsing=True))
        params |= {name: int(params[name]) for name in ("timestamp", "recvWindow")}
        method = f"{wire.method} {wire.path}"
    assert (params.pop("timestamp"), params.pop("recvWindow")) == (NOW_MS, 2000)
    return {"method": method, **params}


PLACE = {"client_id": "arb-1-0-1", "side": 1, "tick": 123456, "lots": 789}
#: The fields of a request, and the websocket's method and parameters at spot.
SPOT = [
    (
        request(Act.PLACE, **PLACE),
        "order.place side=BUY type=LIMIT timeInForce=GTC price=12345.6 quantity=0.00789 newOrderRespType=FULL "
        "newClientOrderId=arb-1-0-1",
    ),
    (
        request(Act.PLACE, **PLACE | {"side": -1, "force": Force.IOC}),
        "order.place side=SELL type=LIMIT timeInForce=IOC price=12345.6 quantity=0.00789 newOrderRespType=FULL "
        "newClientOrderId=arb-1-0-1",
    ),
    (
        request(Act.PLACE, **PLACE, force=Force.FOK),
        "order.place side=BUY type=LIMIT timeInForce=FOK price=12345.6 quantity=0.00789 newOrderRespType=FULL "
        "newClientOrderId=arb-1-0-1",
    ),
    (
        request(Act.PLACE, **PLACE, force=Force.GTX),
        "order.place side=BUY type=LIMIT_MAKER price=12345.6 quantity=0.00789 newOrderRespType=FULL "
        "newClientOrderId=arb-1-0-1",
    ),
    (
        request(Act.PLACE, **PLACE, force=Force.IOC, is_market=True),
        "order.place side=BUY type=MARKET quantity=0.00789 newOrderRespType=FULL newClientOrderId=arb-1-0-1",
    ),
    (
        request(Act.CANCEL, new_client_id="c2"),
        "order.cancel origClientOrderId=c1 newClientOrderId=c2",
    ),
    (request(Act.CANCEL), "order.cancel origClientOrderId=c1"),
    (
        request(Act.AMEND, new_client_id="c2", side=1, tick=5, lots=3, total_lots=7, keeps_place=True),
        "order.amend.keepPriority origClientOrderId=c1 newClientOrderId=c2 newQty=0.00007",
    ),
    (
        request(Act.AMEND, new_client_id="c2", side=-1, tick=5, lots=3, total_lots=7, force=Force.GTX),
        "order.cancelReplace side=SELL type=LIMIT_MAKER price=0.5 quantity=0.00003 newOrderRespType=FULL "
        "cancelReplaceMode=STOP_ON_FAILURE cancelOrigClientOrderId=c1 newClientOrderId=c2",
    ),
    (
        request(Act.AMEND, new_client_id="c2", side=1, tick=5, lots=3, total_lots=7),
        "order.cancelReplace side=BUY type=LIMIT timeInForce=GTC price=0.5 quantity=0.00003 newOrderRespType=FULL "
        "cancelReplaceMode=STOP_ON_FAILURE cancelOrigClientOrderId=c1 newClientOrderId=c2",
    ),
    (request(Act.CANCEL_ALL), "openOrders.cancelAll"),
    (request(Act.LOOK_UP), "order.status origClientOrderId=c1"),
    (request(Act.LOOK_UP, client_id="", venue_order_id="17"), "order.status orderId=17"),
    (request(Act.OPEN_ORDERS), "openOrders.status"),
    (request(Act.EXECUTIONS, since_ms=1234), "myTrades startTime=1234 limit=1000"),
    (request(Act.EXECUTIONS, venue_order_id="17", since_ms=1), "myTrades orderId=17 limit=1000"),
    (request(Act.EXECUTIONS), "myTrades limit=1000"),
    (request(Act.EXECUTIONS, since_ms=1, cursor="99"), "myTrades fromId=99 limit=1000"),
]
USDM = [
    (
        request(Act.PLACE, **PLACE, force=Force.GTX),
        "order.place side=BUY type=LIMIT timeInForce=GTX price=12345.6 quantity=0.789 newOrderRespType=RESULT "
        "newClientOrderId=arb-1-0-1",
    ),
    (
        request(Act.PLACE, **PLACE, force=Force.IOC, reduce_only=True),
        "order.place side=BUY type=LIMIT timeInForce=IOC price=12345.6 quantity=0.789 newOrderRespType=RESULT "
        "reduceOnly=true newClientOrderId=arb-1-0-1",
    ),
    (
        request(Act.PLACE, **PLACE | {"side": -1}, is_market=True),
        "order.place side=SELL type=MARKET quantity=0.789 newOrderRespType=RESULT newClientOrderId=arb-1-0-1",
    ),
    (request(Act.CANCEL, new_client_id="c2"), "order.cancel origClientOrderId=c1"),
    (
        request(Act.AMEND, side=-1, tick=5, lots=3, total_lots=7),
        "order.modify side=SELL origClientOrderId=c1 price=0.5 quantity=0.007",
    ),
    (request(Act.LOOK_UP), "order.status origClientOrderId=c1"),
]
REST = {
    "order.place": "POST order",
    "order.cancel": "DELETE order",
    "order.modify": "PUT order",
    "order.amend.keepPriority": "PUT order/amend/keepPriority",
    "order.cancelReplace": "POST order/cancelReplace",
    "openOrders.cancelAll": "DELETE openOrders",
    "order.status": "GET order",
    "openOrders.status": "GET openOrders",
    "myTrades": "GET myTrades",
}
WIRES = [*(("binance_spot", *one) for one in SPOT), *(("binance_usdm", *one) for one in USDM)]


@pytest.mark.parametrize(("venue", "asked", "expected"), WIRES, ids=lambda one: str(one).partition(" ")[0])
def test_a_request_is_the_same_over_the_websocket_and_rest(
    venue: str, asked: OrderRequest, expected: str
) -> None:
    orders = spot() if venue == "binance_spot" else usdm()
    method, *pairs = expected.split()
    params = dict(pair.split("=") for pair in pairs) | {"symbol": "BTCUSDT"}
    wire = orders.encode(asked, "w1", NOW_MS)
    assert wire[:5] == (Channel.SOCKET, "w1", asked.act, 0, 5)
    found = params_of(wire)
    assert {name: str(value) for name, value in found.items()} == {"method": method, **params}
    # Integers are numbers, and nothing else is.
    integers = {"fromId", "orderId", "startTime", "limit"}
    assert {name for name, value in found.items() if isinstance(value, int)} == integers & found.keys()
    again = orders.encode_rest(asked, "w1", NOW_MS)
    assert again[:5] == (Channel.REST, "w1", asked.act, 0, 5)
    verb, path = REST[method].split()
    base = "/api/v3/" if venue == "binance_spot" else "/fapi/v1/"
    assert {name: str(value) for name, value in params_of(again).items()} == {
        "method": f"{verb} {base}{path}",
        **params,
    }


@pytest.mark.parametrize(
    ("orders", "act", "expected"),
    [
        (spot(), Act.BALANCES, "GET /api/v3/account"),
        (spot(), Act.COMMISSION, "GET /api/v3/account/commission symbol"),
        (usdm(), Act.CANCEL_ALL, "DELETE /fapi/v1/allOpenOrders symbol"),
        (usdm(), Act.OPEN_ORDERS, "GET /fapi/v1/openOrders symbol"),
        (usdm(), Act.EXECUTIONS, "GET /fapi/v1/userTrades symbol limit"),
        (usdm(), Act.BALANCES, "GET /fapi/v3/balance"),
        (usdm(), Act.POSITION, "GET /fapi/v3/positionRisk"),
        (usdm(), Act.MODE, "GET /fapi/v1/positionSide/dual"),
        (usdm(), Act.COMMISSION, "GET /fapi/v1/commissionRate symbol"),
    ],
)
def test_what_the_websocket_lacks_goes_to_rest(
    orders: SpotOrders | UsdmOrders, act: Act, expected: str
) -> None:
    wire = orders.encode(request(act), "w1", NOW_MS)
    params = params_of(wire)
    verb, path, *names = expected.split()
    assert params.pop("method") == f"{verb} {path}"
    assert set(params) == set(names)


def test_the_time_is_asked_without_a_signature() -> None:
    assert spot().encode(request(Act.TIME), "w1", NOW_MS).text == '{"id":"w1","method":"time"}'
    for orders, path in ((spot(), "/api/v3/time"), (usdm(), "/fapi/v1/time")):
        wire = orders.encode_rest(request(Act.TIME), "w1", NOW_MS)
        assert (wire.method, wire.path, wire.query, wire.headers) == ("GET", path, "", ())
    assert usdm().encode(request(Act.TIME), "w1", NOW_MS).channel is Channel.REST


@pytest.mark.parametrize(
    ("orders", "asked"),
    [
        (spot(), request(Act.PLACE, **PLACE, reduce_only=True)),
        (spot(), request(Act.PLACE, **PLACE | {"tick": -1})),
        (spot(), request(Act.PLACE, **PLACE | {"lots": -1})),
        (spot(), request(Act.PLACE, **PLACE | {"side": 0})),
        (spot(), request(Act.AMEND, side=1, tick=1, lots=1, force=Force.IOC)),
        (usdm(), request(Act.AMEND, side=1, tick=1, total_lots=1, force=Force.IOC)),
        (usdm(), request(Act.PLACE, **PLACE | {"side": 0})),
        (spot(), request(Act.POSITION)),
    ],
)
def test_what_a_venue_does_not_have_is_refused(orders: SpotOrders | UsdmOrders, asked: OrderRequest) -> None:
    with pytest.raises(ValueError, match=r"venue|binance|steps"):
        orders.encode(asked, "w1", NOW_MS)


def test_a_symbol_of_any_letters_is_signed_as_it_is_sent() -> None:
    orders = spot(symbol='币"安%s')
    asked = request(Act.PLACE, **PLACE)
    assert params_of(orders.encode(asked, "w1", NOW_MS))["symbol"] == '币"安%s'
    wire = orders.encode_rest(asked, "w1", NOW_MS)
    assert params_of(wire)["symbol"] == '币"安%s'
    assert wire.query.isascii()


def test_after_log_on_requests_have_neither_key_nor_signature() -> None:
    orders = spot(LogOnSigner())
    (logon,) = orders.opening(NOW_MS)
    assert json.loads(logon.text) == {
        "id": "logon",
        "method": "session.logon",
        "params": {"apiKey": "test-key", "recvWindow": 2000, "timestamp": NOW_MS, "signature": "ab+/=="},
    }
    assert orders.opened(VenueAnswer("logon", Verdict.ACCEPTED)) is True
    text = orders.encode(request(Act.PLACE, **PLACE), "w1", NOW_MS).text
    assert "apiKey" not in text
    assert "signature" not in text
    assert f'"timestamp":{NOW_MS}' in text
    wire = orders.encode_rest(request(Act.PLACE, **PLACE), "w1", NOW_MS)
    assert wire.query.endswith("&signature=ab%2B%2F%3D%3D")
    assert unquote(wire.query).endswith("ab+/==")


@pytest.mark.parametrize("make", [spot, usdm])
def test_a_refused_log_on_falls_back_to_signatures_once(make: type[SpotOrders]) -> None:
    orders = make(LogOnSigner(), 2000) if isinstance(make, type) else make(LogOnSigner())
    assert orders.opened(VenueAnswer("logon", Verdict.REFUSED, -1020)) is None
    assert orders.fallback() is True
    assert not orders.opening(NOW_MS)
    assert '"signature":"ab+/=="' in orders.encode(request(Act.PLACE, **PLACE), "w1", NOW_MS).text
    assert orders.fallback() is False
    assert orders.opened(VenueAnswer("logon", Verdict.REFUSED, -2015)) is False


def test_a_key_that_cannot_log_on_signs_from_the_start() -> None:
    assert not spot().opening(NOW_MS)
    assert not usdm().opening(NOW_MS)
    assert spot().fallback() is False


def test_user_data_needs_one_request_or_a_key() -> None:
    user = SpotUser(SIGNER, 2000)
    (subscription,) = user.opening(NOW_MS)
    assert params_of(subscription) == {"method": "userDataStream.subscribe.signature"}
    assert (user.path(""), user.key_request(NOW_MS), user.renewal(NOW_MS)) == (
        "/ws-api/v3?returnRateLimits=false",
        None,
        None,
    )
    futures = UsdmUser(SIGNER)
    assert not futures.opening(NOW_MS)
    assert futures.path("abc") == "/private/ws/abc"
    for wire, verb in ((futures.key_request(NOW_MS), "POST"), (futures.renewal(NOW_MS), "PUT")):
        assert wire is not None
        assert (wire.method, wire.path, wire.query) == (verb, "/fapi/v1/listenKey", "")
        assert wire.headers == (("X-MBX-APIKEY", "test-key"),)


@pytest.mark.parametrize(("venue", "asked", "_"), WIRES, ids=lambda one: str(one).partition(" ")[0])
def test_a_log_is_replayed_without_its_key(venue: str, asked: OrderRequest, _: str) -> None:
    make = spot if venue == "binance_spot" else usdm
    logged = blanked(make().encode(asked, "w1", NOW_MS).text)
    assert "test-key" not in logged
    assert make(BlankSigner(logs_on=False)).encode(asked, "w1", NOW_MS).text == logged
    queried = blanked(make().encode_rest(asked, "w1", NOW_MS).query)
    assert make(BlankSigner(logs_on=True)).encode_rest(asked, "w1", NOW_MS).query == queried
    without = make(LogOnSigner()).encode(asked, "w1", NOW_MS).text
    assert make(BlankSigner(logs_on=True)).encode(asked, "w1", NOW_MS).text == blanked(without) == without


def test_every_number_of_a_request_is_exact() -> None:
    orders = spot()
    for tick, lots in product((1, 9, 10, 1003, 99_999_999), (1, 100_000, 123_456_789)):
        params = params_of(
            orders.encode(request(Act.PLACE, **PLACE | {"tick": tick, "lots": lots}), "w1", NOW_MS)
        )
        whole, rest = divmod(tick, 10)
        assert params["price"] == (f"{whole}.{rest}" if rest else str(whole))
        digits = f"{lots // 100_000}.{lots % 100_000:05}".rstrip("0").rstrip(".")
        assert params["quantity"] == digits


#: What could make a number of the wire inexact. A `/` is also a float.
_INEXACT = (ast.Div, ast.Pow)


@pytest.mark.parametrize(
    "path",
    [
        *Path(connectors.orders.__file__).parent.glob("*.py"),
        *(Path(next(iter(connectors.binance.__path__))).glob("order*.py")),
        *(ROOT / "connectors" / "bybit").glob("order_[!r]*.py"),
        ROOT / "connectors" / "bybit" / "user_events.py",
        ROOT / "connectors" / "binance" / "forms.py",
        ROOT / "connectors" / "binance" / "user_events.py",
    ],
    ids=lambda path: f"{path.parent.name} {path.stem}",
)
def test_no_float_reaches_the_wire(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        assert not isinstance(node, _INEXACT) or path.stem == "numbers"
        assert not isinstance(node, ast.Constant) or not isinstance(node.value, float)
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            assert name not in ("float", "format", "round", "json")
