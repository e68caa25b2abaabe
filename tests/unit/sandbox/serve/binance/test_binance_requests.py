"""Requests that Binance spot refuses, with their codes, on REST and on the websocket API."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from support.binance_api import ED25519, HMAC, BinanceMarket, signature

from arb.sandbox.accounts.keys import ApiKey
from arb.sandbox.serve.raw_request import RawRequest
from arb.sandbox.trading.setup import TradingSetup, usual_account
from connectors.units import MILLISECOND as MS

ORDER = "/api/v3/order"
LIMIT = {
    "symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01", "price": "40000",
}  # fmt: skip
MARKET_ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}


@pytest.fixture(scope="module")
def market() -> BinanceMarket:
    return BinanceMarket()


def without(name: str) -> dict[str, str]:
    return {key: value for key, value in LIMIT.items() if key != name}


#: Wrong parameters of a new order: (parameters, code, part of the text).
ORDERS: list[tuple[dict[str, str], int, str]] = [
    *((without(name), -1102, f"'{name}'") for name in LIMIT),
    (LIMIT | {"symbol": ""}, -1102, "'symbol'"),
    (LIMIT | {"price": ""}, -1105, "'price' was empty"),
    (LIMIT | {"surplus": "1"}, -1104, "parameter(s) but was sent '"),
    (LIMIT | {"symbol": "btcusdt"}, -1100, "'^[A-Z0-9-_.]{1,20}$'"),
    (LIMIT | {"symbol": "NOPE"}, -1121, "Invalid symbol."),
    (LIMIT | {"side": "buy"}, -1117, "Invalid side."),
    (LIMIT | {"type": "STOP"}, -1116, "Invalid orderType."),
    (LIMIT | {"timeInForce": "GTX"}, -1115, "Invalid timeInForce."),
    (LIMIT | {"quantity": "1e-3"}, -1100, "'quantity'"),
    (LIMIT | {"quantity": "-1"}, -1100, "'quantity'"),
    (LIMIT | {"quantity": "0.010000001"}, -1111, "'quantity' has too much precision"),
    (LIMIT | {"price": "40000.123456789"}, -1111, "'price' has too much precision"),
    (LIMIT | {"newClientOrderId": "a" * 37}, -1100, "'^[a-zA-Z0-9-_]{1,36}$'"),
    (LIMIT | {"newClientOrderId": "a b"}, -1100, "'newClientOrderId'"),
    (LIMIT | {"quoteOrderQty": "100"}, -1106, "'quoteOrderQty'"),
    (LIMIT | {"stopPrice": "1"}, -1106, "'stopPrice'"),
    (LIMIT | {"icebergQty": "1"}, -1013, "Iceberg orders are not supported"),
    (LIMIT | {"trailingDelta": "1"}, -1013, "Trailing stop orders are not supported"),
    (LIMIT | {"pegPriceType": "PRIMARY_PEG"}, -1013, "Pegged orders are not supported"),
    (LIMIT | {"type": "STOP_LOSS_LIMIT"}, -1013, "Stop loss limit orders are not supported"),
    (LIMIT | {"type": "TAKE_PROFIT"}, -1013, "Take profit orders are not supported"),
    (LIMIT | {"strategyType": "999999"}, -1134, "less than 1000000"),
    (LIMIT | {"strategyId": "x"}, -1100, "'strategyId'"),
    (LIMIT | {"newOrderRespType": "NONE"}, -1130, "'newOrderRespType'"),
    (LIMIT | {"selfTradePreventionMode": "X"}, -1130, "'selfTradePreventionMode'"),
    (LIMIT | {"type": "LIMIT_MAKER"}, -1106, "'timeInForce'"),
    (MARKET_ORDER | {"price": "1"}, -1106, "'price'"),
    (MARKET_ORDER | {"timeInForce": "IOC"}, -1106, "'timeInForce'"),
    (MARKET_ORDER | {"quoteOrderQty": "1"}, -1106, "'quoteOrderQty'"),
    ({"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET"}, -1102, "'quantity' or 'quoteOrderQty'"),
    # filters, and the matching engine
    (LIMIT | {"price": "40000.001"}, -1013, "Filter failure: PRICE_FILTER"),
    (LIMIT | {"price": "2000000"}, -1013, "Filter failure: PRICE_FILTER"),
    (LIMIT | {"quantity": "0.000011"}, -1013, "Filter failure: LOT_SIZE"),
    (LIMIT | {"quantity": "9001"}, -1013, "Filter failure: LOT_SIZE"),
    (LIMIT | {"quantity": "0.00001"}, -1013, "Filter failure: NOTIONAL"),
    (LIMIT | {"price": "400000"}, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
    (MARKET_ORDER | {"quantity": "101"}, -1013, "Filter failure: MARKET_LOT_SIZE"),
    (LIMIT | {"quantity": "100"}, -2010, "Account has insufficient balance for requested action."),
    (
        {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT_MAKER", "quantity": "0.01", "price": "44000"},
        -2010,
        "Order would immediately match and take.",
    ),
]


@pytest.mark.parametrize(("params", "code", "part"), ORDERS)
def test_wrong_orders(market: BinanceMarket, params: dict[str, str], code: int, part: str) -> None:
    balances = market.ask("GET", "/api/v3/account").body["balances"]
    status, body, headers = market.ask("POST", ORDER, **params)
    assert (status, body["code"]) == (400, code), body
    assert part in body["msg"]
    assert headers["X-MBX-USED-WEIGHT-1M"]
    answer = market.connect().ask("order.place", **params)
    assert (answer["status"], answer["error"]["code"]) == (400, code)
    assert part in answer["error"]["msg"]
    assert market.ask("GET", "/api/v3/account").body["balances"] == balances


#: Other wrong requests: (method, path, parameters, code, part of the text).
REQUESTS: list[tuple[str, str, dict[str, str], int, str]] = [
    ("DELETE", ORDER, {"symbol": "BTCUSDT"}, -1102, "'origClientOrderId' or 'orderId'"),
    ("DELETE", ORDER, {"symbol": "BTCUSDT", "orderId": "1"}, -2011, "Unknown order sent."),
    ("DELETE", ORDER, {"symbol": "BTCUSDT", "orderId": "x"}, -1100, "'orderId'"),
    ("DELETE", ORDER, {"symbol": "BTCUSDT", "orderId": "1", "cancelRestrictions": "A"}, -1145, "cancelRestrictions"),
    ("GET", ORDER, {"symbol": "BTCUSDT", "origClientOrderId": "a"}, -2013, "Order does not exist."),
    ("GET", ORDER, {"orderId": "1"}, -1102, "'symbol'"),
    ("DELETE", "/api/v3/openOrders", {}, -1102, "'symbol'"),
    ("DELETE", "/api/v3/openOrders", {"symbol": "BTCUSDT"}, -2011, "Unknown order sent."),
    ("GET", "/api/v3/openOrders", {"symbol": "X"}, -1121, "Invalid symbol."),
    (
        "GET", "/api/v3/allOrders", {"symbol": "BTCUSDT", "startTime": "1", "endTime": "86400002"}, -1127,
        "More than 24 hours",
    ),
    ("GET", "/api/v3/allOrders", {"symbol": "BTCUSDT", "limit": "0"}, -1130, "'limit'"),
    ("GET", "/api/v3/myTrades", {"symbol": "BTCUSDT", "fromId": "1", "startTime": "1"}, -1128, "Combination"),
    (
        "PUT", "/api/v3/order/amend/keepPriority", {"symbol": "BTCUSDT", "orderId": "1", "newQty": "1"}, -2038,
        "Unknown order sent.",
    ),
    ("PUT", "/api/v3/order/amend/keepPriority", {"symbol": "BTCUSDT", "orderId": "1"}, -1102, "'newQty'"),
    ("POST", "/api/v3/order/cancelReplace", LIMIT, -1102, "'cancelReplaceMode'"),
    (
        "POST", "/api/v3/order/cancelReplace", LIMIT | {"cancelReplaceMode": "X", "cancelOrderId": "1"}, -1130,
        "'cancelReplaceMode'",
    ),
    ("POST", "/api/v3/userDataStream", {}, -1020, "not supported"),
    ("GET", "/api/v3/executionRules", {"symbol": "BTCUSDT", "symbols": "[]"}, -1128, "Combination"),
    ("GET", "/api/v3/referencePrice", {"symbol": "X"}, -1121, "Invalid symbol."),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "params", "code", "part"), REQUESTS)
def test_wrong_requests(
    market: BinanceMarket, method: str, path: str, params: dict[str, str], code: int, part: str
) -> None:
    status, body, _ = market.ask(method, path, **params)
    assert (status, body["code"]) == (400, code), body
    assert part in body["msg"]


def test_queries_need_no_more_than_they_say(market: BinanceMarket) -> None:
    assert market.ask("GET", "/api/v3/referencePrice", key=None, symbol="BTCUSDT").status in (200, 400)
    assert market.ask("GET", "/api/v3/exchangeInfo", key=None).status == 200
    assert market.ask("GET", "/api/v3/nothing", key=None).body["code"] == -1020


KEY = {"x-mbx-apikey": HMAC.key.id}
Change = Callable[[BinanceMarket, dict[str, Any]], tuple[str, dict[str, str]]]


def signed(
    market: BinanceMarket, params: dict[str, Any], key: Any = HMAC, header: str | None = None
) -> tuple[str, dict[str, str]]:
    """Query and headers of a signed request."""
    query = urlencode({"timestamp": market.now_ns // MS} | params)
    sent = f"{query}&signature={quote(signature(key, query), safe='')}"
    return sent, {"x-mbx-apikey": key.key.id if header is None else header}


def at(offset_ms: float, **more: Any) -> Change:
    return lambda market, params: signed(
        market, params | {"timestamp": market.now_ns // MS + offset_ms} | more
    )


#: Who is asking, and when: (how the request is made, status, code, part of the text).
SENDERS: dict[str, tuple[Change, int, int, str]] = {
    "no key": (lambda m, p: (signed(m, p)[0], {}), 401, -2014, "format invalid"),
    "odd key": (lambda m, p: signed(m, p, header="a b"), 401, -2014, "format invalid"),
    "unknown key": (lambda m, p: signed(m, p, header="A" * 64), 401, -2015, "Invalid API-key, IP, or permissions"),
    "other's signature": (lambda m, p: signed(m, p, ED25519, HMAC.key.id), 400, -1022, "Signature"),
    "no signature": (lambda m, p: (urlencode(p | {"timestamp": 1}), KEY), 400, -1102, "'signature'"),
    "no time": (lambda m, p: (f"{urlencode(p)}&signature=1", KEY), 400, -1102, "'timestamp'"),
    "encoded later": (
        lambda m, p: (signed(m, p | {"newClientOrderId": "a-b"})[0].replace("a-b", "a%2Db"), KEY),
        400, -1022, "Signature",
    ),
    "reordered": (
        lambda m, p: ("&".join(reversed(signed(m, p)[0].split("&"))), KEY), 400, -1022, "Signature",
    ),
    "old": (at(-5001), 400, -1021, "outside of the recvWindow"),
    "old for its window": (at(-11, recvWindow=10), 400, -1021, "outside of the recvWindow"),
    "early": (at(1000), 400, -1021, "1000ms ahead"),
    "long window": (at(0, recvWindow=60001), 400, -1131, "recvWindow"),
    "odd window": (at(0, recvWindow="1.2345"), 400, -1100, "'recvWindow'"),
    "odd time": (at(0, timestamp="now"), 400, -1100, "'timestamp'"),
    "twice": (lambda m, p: signed_text(m, f"{urlencode(p)}&symbol=BTCUSDT"), 400, -1101, "Duplicate"),
}  # fmt: skip


def signed_text(market: BinanceMarket, text: str) -> tuple[str, dict[str, str]]:
    query = f"{text}&timestamp={market.now_ns // MS}"
    return f"{query}&signature={signature(HMAC, query)}", {"x-mbx-apikey": HMAC.key.id}


@pytest.mark.parametrize("name", SENDERS)
def test_wrong_senders(market: BinanceMarket, name: str) -> None:
    change, status, code, part = SENDERS[name]
    query, headers = change(market, LIMIT)
    answer = market.send(RawRequest("POST", ORDER, query, headers))
    assert (answer.status, answer.body["code"]) == (status, code), answer.body
    assert part in answer.body["msg"]


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"recvWindow": "0.5"},
        {"recvWindow": "60000"},
        {"timestamp_offset": -5000},
        {"timestamp_offset": 999},
    ],
)
def test_right_senders(market: BinanceMarket, params: dict[str, Any]) -> None:
    offset = params.get("timestamp_offset", 0)
    window = {"recvWindow": params["recvWindow"]} if "recvWindow" in params else {}
    for key in (HMAC, ED25519):
        for scale in (1, 1000):  # milliseconds, microseconds
            sent = (market.now_ns // MS + offset) * scale
            answer = market.ask("POST", f"{ORDER}/test", key, **LIMIT, timestamp=sent, **window)
            assert (answer.status, answer.body) == (200, {})


def keyed(**changes: Any) -> BinanceMarket:
    """A market whose HMAC key is another."""
    key: ApiKey = replace(HMAC.key, **changes)
    return BinanceMarket(setup=TradingSetup((usual_account(),), (key,)))


def test_what_a_key_may_do() -> None:
    reader = keyed(permissions=frozenset(("read",)))
    assert reader.ask("GET", "/api/v3/account").status == 200
    for place in (reader.ask("POST", ORDER, **LIMIT), reader.ask("POST", f"{ORDER}/test", **LIMIT)):
        assert (place.status, place.body["code"]) == (401, -2015)
    trader = keyed(permissions=frozenset(("spot",)))
    assert trader.ask("GET", "/api/v3/account").body["code"] == -2015
    elsewhere = keyed(ips=("10.0.0.1",))
    assert elsewhere.ask("GET", "/api/v3/account").body["code"] == -2015
    assert keyed(ips=("127.0.0.1",)).ask("GET", "/api/v3/account").status == 200
    assert keyed(is_revoked=True).ask("GET", "/api/v3/account").body["code"] == -2015
    rights = keyed(ips=("127.0.0.1",)).ask("GET", "/sapi/v1/account/apiRestrictions").body
    assert (rights["ipRestrict"], rights["enableFutures"], rights["enableWithdrawals"]) == (True, True, False)


def test_websocket_signatures_are_over_sorted_parameters(market: BinanceMarket) -> None:
    socket = market.connect()
    assert socket.ask("order.test", **LIMIT)["status"] == 200
    assert socket.ask("v3/order.test", ED25519, **LIMIT)["status"] == 200
    params: dict[str, Any] = {"apiKey": HMAC.key.id, "timestamp": market.now_ns // MS, **LIMIT}
    unsorted = "&".join(f"{name}={value}" for name, value in params.items())
    sorted_text = "&".join(f"{name}={value}" for name, value in sorted(params.items()))
    for payload in (unsorted, sorted_text.replace("40000", "40000.0"), sorted_text + "&"):
        answer = socket.ask("order.test", None, **params, signature=signature(HMAC, payload))
        assert (answer["status"], answer["error"]["code"]) == (400, -1022)
    numbers = {**params, "price": 40000, "quantity": 0.01}
    text = "&".join(f"{name}={value}" for name, value in sorted(numbers.items()))
    assert socket.ask("order.test", None, **numbers, signature=signature(HMAC, text))["status"] == 200


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", -1135),
        ("[]", -1135),
        ('{"id":1}', -1135),
        ('{"id":{},"method":"ping"}', -1102),
        ('{"id":true,"method":"ping"}', -1102),
        ('{"id":1,"method":"pong"}', -1020),
        ('{"id":1,"method":"order.place"}', -2014),
        ('{"id":1,"method":"ping","params":{"a":1}}', -1104),
    ],
)
def test_wrong_messages(market: BinanceMarket, text: str, code: int) -> None:
    socket = market.connect()
    socket.session.receive(text, market.now_ns, market.now_ns // MS)
    (answer,) = map(json.loads, socket.texts)
    assert (answer["error"]["code"], answer["status"]) == (code, 401 if code == -2014 else 400)


def test_ids_are_echoed_and_limits_can_be_hidden(market: BinanceMarket) -> None:
    socket = market.connect()
    for request_id in ("1", '"e2a85d9f-07a5-4f94-8d5f-789dc3deb097"', "null", '"ü"'):
        socket.session.receive(f'{{"id":{request_id},"method":"ping"}}', market.now_ns, 0)
        assert json.loads(socket.texts.pop())["id"] == json.loads(request_id)
    (limit,) = socket.ask("time", None)["rateLimits"]
    assert (limit["rateLimitType"], limit["limit"]) == ("REQUEST_WEIGHT", 6000)
    assert [one["rateLimitType"] for one in socket.ask("order.place", **LIMIT)["rateLimits"]] == [
        "ORDERS",
        "ORDERS",
        "REQUEST_WEIGHT",
    ]
    assert "rateLimits" not in socket.ask("time", None, returnRateLimits=False)
    quiet = market.connect(returnRateLimits="false")
    assert "rateLimits" not in quiet.ask("time", None)
    assert "rateLimits" in quiet.ask("time", None, returnRateLimits=True)


def test_weights_are_of_the_address_and_successful_orders_cost_none() -> None:
    market = BinanceMarket()
    used = market.rest.weights

    def cost(ask: Callable[[], Any]) -> int:
        before = used.used
        ask()
        return used.used - before

    assert cost(lambda: market.ask("POST", ORDER, **LIMIT)) == 0
    assert cost(lambda: market.ask("POST", ORDER, **LIMIT, surplus=1)) == 1
    assert cost(lambda: market.ask("GET", "/api/v3/openOrders")) == 80
    assert cost(lambda: market.ask("GET", "/api/v3/openOrders", symbol="BTCUSDT")) == 6
    assert cost(lambda: market.ask("POST", f"{ORDER}/test", **LIMIT, computeCommissionRates="true")) == 20
    assert cost(lambda: market.connect().ask("account.status")) == 22
    used.used = 5990
    refused = market.ask("GET", "/api/v3/account")
    assert (refused.status, refused.body["code"]) == (429, -1003)
    assert int(refused.headers["Retry-After"]) <= 60
    answer = market.connect().ask("account.status")
    assert (answer["status"], answer["error"]["code"]) == (429, -1003)
    left_ms = answer["error"]["data"]["retryAfter"] - answer["error"]["data"]["serverTime"]
    assert 0 < left_ms <= 60_000


def test_orders_are_counted_and_limited() -> None:
    market = BinanceMarket()
    small = LIMIT | {"quantity": "0.001"}
    for number in range(1, 51):
        placed = market.ask("POST", ORDER, **small)
        assert placed.status == 200
        assert placed.headers["X-MBX-ORDER-COUNT-10S"] == str(number)
    counts = market.ask("GET", "/api/v3/rateLimit/order").body
    assert [(one["interval"], one["limit"], one["count"]) for one in counts] == [
        ("SECOND", 50, 50),
        ("DAY", 160000, 50),
    ]
    refused = market.ask("POST", ORDER, **small)
    assert (refused.status, refused.body) == (
        429, {"code": -1015, "msg": "Too many new orders; current limit is 50 orders per 10 SECOND."},
    )  # fmt: skip
    assert 0 < int(refused.headers["Retry-After"]) <= 10
    market.advance(10.0)
    assert market.ask("POST", ORDER, **small).status == 200


def test_parameters_may_be_in_the_query_and_in_the_body(market: BinanceMarket) -> None:
    """Both are signed, without a separator; the query wins."""
    now = f"&timestamp={market.now_ns // MS}"
    query, body = "symbol=BTCUSDT&side=BUY&type=LIMIT&price=40000", f"timeInForce=GTC&quantity=0.01{now}"
    for first, second in ((query + "&", body), ("", f"{query}&{body}"), (f"{query}&price=40001&", body)):
        digest = signature(HMAC, first.rstrip("&") + second)
        answer = market.send(
            RawRequest("POST", ORDER, first.rstrip("&"), KEY, f"{second}&signature={digest}".encode())
        )
        assert answer.status == (400 if "40001" in first else 200), answer.body
    text = f"{body}&price=1&{query}"  # the price of the body is not read
    digest = signature(HMAC, query + text)
    raw = RawRequest("POST", ORDER, query, KEY, f"{text}&signature={digest}".encode())
    assert market.send(raw).body["code"] == -1101
    text = f"{body}&price=1"
    raw = RawRequest("POST", ORDER, f"{query}&signature={signature(HMAC, query + text)}", KEY, text.encode())
    assert market.send(raw).body["price"] == "40000.00000000"


def test_exchange_info_by_symbols(market: BinanceMarket) -> None:
    for params, count in (
        ({"symbols": '["BTCUSDT"]'}, 1), ({"symbol": "BTCUSDT"}, 1), ({"symbolStatus": "HALT"}, 0), ({}, 1),
        ({"permissions": "SPOT"}, 1),
    ):  # fmt: skip
        for found in (
            market.ask("GET", "/api/v3/exchangeInfo", None, **params).body,
            market.connect().ask("exchangeInfo", None, **params)["result"],
        ):
            assert len(found["symbols"]) == count
    for params, code in (({"symbols": '["X"]'}, -1121), ({"symbols": "X"}, -1135), ({"symbol": "X"}, -1121)):
        assert market.ask("GET", "/api/v3/exchangeInfo", None, **params).body["code"] == code
        assert market.connect().ask("exchangeInfo", None, **params)["error"]["code"] == code
