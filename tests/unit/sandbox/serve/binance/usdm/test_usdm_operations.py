"""USD-M's endpoints and websockets: every one answers in the documents' form, wrong requests with the venue's codes."""

from __future__ import annotations

import gc
import json
from dataclasses import replace
from types import TracebackType
from typing import Any

import pytest
from support.binance_api import ED25519, HMAC, OTHER, BinanceMarket, Socket
from support.usdm_messages import sent
from support.venue_messages.binance_usdm import DECODERS

from arb.sandbox.accounts.amounts import exact
from arb.sandbox.serve.binance.usdm.listen_keys import VALID_NS
from arb.sandbox.serve.session import RouteError
from arb.sandbox.trading.delivery import WAITING_MIN
from arb.sandbox.trading.events import MarginCallEvent
from arb.sandbox.trading.setup import TradingSetup, usual_account
from arb.sandbox.trading.undocumented import DEFAULTS
from connectors.units import SECOND

ORDER = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.01",
    "price": "42000",
}
MARKET = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}


@pytest.fixture
def venue() -> BinanceMarket:
    return BinanceMarket("binance_usdm")


def ask(venue: BinanceMarket, method: str, path: str, **params: Any) -> Any:
    """The body of a successful answer."""
    answer = venue.ask(method, f"/fapi/{path}", **params)
    assert answer.status == 200, answer
    return answer.body


def stream(venue: BinanceMarket, path: str = "/private/ws", **query: str) -> Socket:
    return Socket(venue, path, query)


def events(socket: Socket) -> list[Any]:
    texts, socket.texts[:] = list(socket.texts), []
    return [json.loads(text) for text in texts]


#: Endpoint, its parameters, and the example of its answer; "" has no example of its own.
ENDPOINTS: dict[tuple[str, str], tuple[dict[str, Any], str]] = {
    ("POST", "v1/order"): (ORDER, "order_place"),
    ("POST", "v1/order/test"): (ORDER, "order_place"),
    ("PUT", "v1/order"): (
        {"symbol": "BTCUSDT", "side": "BUY", "quantity": "0.02", "price": "41900", "origClientOrderId": "one"},
        "order_modify",
    ),
    ("GET", "v1/order"): ({"symbol": "BTCUSDT", "origClientOrderId": "one"}, "order_query"),
    ("GET", "v1/openOrder"): ({"symbol": "BTCUSDT", "origClientOrderId": "one"}, "order_query"),
    ("GET", "v1/openOrders"): ({}, "open_orders"),
    ("GET", "v1/allOrders"): ({"symbol": "BTCUSDT"}, "all_orders"),
    ("GET", "v1/userTrades"): ({"symbol": "BTCUSDT"}, "user_trades"),
    ("GET", "v1/income"): ({"incomeType": "COMMISSION"}, "income"),
    ("GET", "v2/balance"): ({}, "balances"),
    ("GET", "v3/balance"): ({}, "balances"),
    ("GET", "v2/account"): ({}, "account_v2"),
    ("GET", "v3/account"): ({}, "account_v3"),
    ("GET", "v2/positionRisk"): ({}, "positions_v2"),
    ("GET", "v3/positionRisk"): ({"symbol": "BTCUSDT"}, "positions_v3"),
    ("GET", "v1/commissionRate"): ({"symbol": "BTCUSDT"}, "commission_rate"),
    ("GET", "v1/rateLimit/order"): ({}, "order_limits"),
    ("GET", "v1/leverageBracket"): ({"symbol": "BTCUSDT"}, "leverage_brackets"),
    ("GET", "v1/accountConfig"): ({}, "account_config"),
    ("GET", "v1/symbolConfig"): ({}, "symbol_config"),
    ("GET", "v1/feeBurn"): ({}, "fee_burn"),
    ("GET", "v1/positionSide/dual"): ({}, "position_mode"),
    ("GET", "v1/multiAssetsMargin"): ({}, "multi_assets"),
    ("GET", "v1/premiumIndex"): ({"symbol": "BTCUSDT"}, "premium_index"),
    ("GET", "v1/fundingRate"): ({"symbol": "BTCUSDT", "limit": 3}, "funding_rate"),
    ("GET", "v1/fundingInfo"): ({}, "funding_info"),
    ("POST", "v1/listenKey"): ({}, "listen_key"),
    ("PUT", "v1/listenKey"): ({}, "listen_key"),
    ("POST", "v1/leverage"): ({"symbol": "BTCUSDT", "leverage": 50}, "leverage"),
    ("POST", "v1/countdownCancelAll"): ({"symbol": "BTCUSDT", "countdownTime": 60000}, "countdown"),
    ("DELETE", "v1/order"): ({"symbol": "BTCUSDT", "origClientOrderId": "one"}, "order_cancel"),
    ("DELETE", "v1/allOpenOrders"): ({"symbol": "BTCUSDT"}, "cancel_all"),
    ("POST", "v1/marginType"): ({"symbol": "ETHUSDT", "marginType": "ISOLATED"}, "margin_type"),
    ("POST", "v1/positionSide/dual"): ({"dualSidePosition": "true"}, "margin_type"),
    ("POST", "v1/multiAssetsMargin"): ({"multiAssetsMargin": "true"}, "margin_type"),
    ("DELETE", "v1/listenKey"): ({}, ""),
}  # fmt: skip
#: They need an account without orders and positions, or a listed symbol.
SETTINGS = [("POST", "v1/marginType"), ("POST", "v1/positionSide/dual"), ("POST", "v1/multiAssetsMargin")]


def test_every_endpoint_answers_in_the_documents_form(venue: BinanceMarket) -> None:
    ask(venue, "POST", "v1/order", **MARKET)
    ask(venue, "POST", "v1/order", **ORDER, newClientOrderId="one")
    ask(venue, "POST", "v1/listenKey")
    paths = venue.rest.market.paths  # type: ignore[union-attr]
    assert {(method, f"/fapi/{path}") for method, path in ENDPOINTS} == paths.keys()
    for (method, path), (params, name) in ENDPOINTS.items():
        if (method, path) in SETTINGS:
            continue
        body = ask(venue, method, path, **params)
        if name:
            sent(name, body)
        else:
            assert body == {}


@pytest.mark.parametrize(("method", "path"), SETTINGS)
def test_settings_of_an_account_without_orders(venue: BinanceMarket, method: str, path: str) -> None:
    params = ENDPOINTS[method, path][0] | ({"symbol": "BTCUSDT"} if path.endswith("Type") else {})
    sent("margin_type", ask(venue, method, path, **params))
    again = venue.ask(method, f"/fapi/{path}", **params)
    assert again.body["code"] in (-4046, -4059, -4171)


def test_a_refusal_of_a_setting_keeps_nothing_of_the_earlier_ones(venue: BinanceMarket) -> None:
    before = tracebacks()
    for _ in range(50):
        venue.ask("POST", "/fapi/v1/multiAssetsMargin", multiAssetsMargin="false")
    assert len(tracebacks()) - len(before) < 25


def tracebacks() -> list[object]:
    gc.collect()
    return [one for one in gc.get_objects() if type(one) is TracebackType]


NAMED = {"symbol": "BTCUSDT", "orderId": 1}
CHANGE = {"symbol": "BTCUSDT", "side": "BUY", "quantity": "0.02", "price": "41900"}


@pytest.mark.parametrize(
    ("method", "path", "params", "code"),
    [
        ("POST", "v1/order", ORDER | {"type": "STOP_MARKET"}, -4120),
        ("POST", "v1/order", ORDER | {"type": "LIMIT_MAKER"}, -1116),
        ("POST", "v1/order", ORDER | {"timeInForce": "RPI"}, -1115),
        ("POST", "v1/order", ORDER | {"timeInForce": "GTD"}, -1102),
        ("POST", "v1/order", ORDER | {"timeInForce": "GTD", "goodTillDate": "1704067260000"}, -5040),
        ("POST", "v1/order", ORDER | {"goodTillDate": "1704080000000"}, -1106),
        ("POST", "v1/order", ORDER | {"side": "LONG"}, -1117),
        ("POST", "v1/order", ORDER | {"priceMatch": "QUEUE"}, -5037),
        ("POST", "v1/order", ORDER | {"closePosition": "true"}, -4136),
        ("POST", "v1/order", ORDER | {"stopPrice": "40000"}, -1106),
        ("POST", "v1/order", MARKET | {"price": "40000"}, -1106),
        ("POST", "v1/order", {name: ORDER[name] for name in ORDER if name != "price"}, -1102),
        ("POST", "v1/order", ORDER | {"symbol": "XUSDT"}, -1121),
        ("POST", "v1/order", ORDER | {"newClientOrderId": "a b"}, -1100),
        ("POST", "v1/order", ORDER | {"foo": "1"}, -1104),
        ("POST", "v1/order", ORDER | {"price": "42000.05"}, -1111),
        ("POST", "v1/order", ORDER | {"quantity": "0.0105"}, -1111),
        ("POST", "v1/order", ORDER | {"price": "100"}, -4164),
        ("POST", "v1/order", ORDER | {"price": "60000"}, -4131),
        ("POST", "v1/order", ORDER | {"quantity": "500"}, -2019),
        ("POST", "v1/order", ORDER | {"positionSide": "LONG"}, -4061),
        ("POST", "v1/order", ORDER | {"reduceOnly": "true"}, -2022),
        ("POST", "v1/order", ORDER | {"selfTradePreventionMode": "DECREMENT"}, -5039),
        ("POST", "v1/order", ORDER | {"timeInForce": "FOK"}, -5021),
        ("POST", "v1/order", ORDER | {"timeInForce": "GTX", "price": "43000"}, -5022),
        ("PUT", "v1/order", CHANGE, -1102),
        ("PUT", "v1/order", CHANGE | {"orderId": 1}, -2013),
        ("DELETE", "v1/order", NAMED, -2011),
        ("GET", "v1/order", NAMED, -2013),
        ("GET", "v1/openOrder", NAMED, -2013),
        ("GET", "v1/userTrades", {"symbol": "BTCUSDT", "fromId": 1, "startTime": 1}, -1128),
        ("GET", "v1/allOrders", {"symbol": "BTCUSDT", "startTime": 1, "endTime": 10**9}, -4165),
        ("PUT", "v1/listenKey", {}, -1125),
        ("POST", "v1/leverage", {"symbol": "BTCUSDT", "leverage": 126}, -4028),
        ("POST", "v1/marginType", {"symbol": "BTCUSDT", "marginType": "cross"}, -1130),
        ("POST", "v1/positionSide/dual", {"dualSidePosition": "false"}, -4059),
    ],
)
def test_refusals(venue: BinanceMarket, method: str, path: str, params: dict[str, Any], code: int) -> None:
    answer = venue.ask(method, f"/fapi/{path}", **params)
    assert (answer.status, answer.body["code"]) == (400, code), answer.body
    assert venue.trading.desks["binance_usdm"].open_orders("main") == []


def test_settings_are_refused_while_there_are_orders_or_a_position(venue: BinanceMarket) -> None:
    codes = []
    for request in (ORDER, MARKET):
        ask(venue, "POST", "v1/order", **request)
        for path, params in (
            ("marginType", {"symbol": "BTCUSDT", "marginType": "ISOLATED"}),
            ("positionSide/dual", {"dualSidePosition": "true"}),
        ):
            codes.append(venue.ask("POST", f"/fapi/v1/{path}", **params).body["code"])
        ask(venue, "DELETE", "v1/allOpenOrders", symbol="BTCUSDT")
    assert codes == [-4047, -4067, -4048, -4068]


def test_an_order_of_the_other_side_is_not_changed(venue: BinanceMarket) -> None:
    order_id = ask(venue, "POST", "v1/order", **ORDER)["orderId"]
    answer = venue.ask("PUT", "/fapi/v1/order", **CHANGE | {"side": "SELL", "orderId": order_id})
    assert answer.body["code"] == -1117
    changed = ask(venue, "PUT", "v1/order", **CHANGE, orderId=order_id, origClientOrderId="another")
    assert (changed["price"], changed["origQty"]) == ("41900.00", "0.020")
    again = venue.ask("PUT", "/fapi/v1/order", **CHANGE, orderId=order_id)
    assert again.body["code"] == -5027


def test_answers_to_new_orders_show_the_result_on_demand_only(venue: BinanceMarket) -> None:
    assert ask(venue, "POST", "v1/order", **MARKET)["status"] == "NEW"
    filled = venue.ask("POST", "/fapi/v1/order", **MARKET, newOrderRespType="RESULT")
    assert (filled.body["status"], filled.body["executedQty"]) == ("FILLED", "0.010")
    assert (filled.headers["X-MBX-ORDER-COUNT-10S"], filled.headers["X-MBX-USED-WEIGHT-1M"]) == ("2", "0")
    resting = ask(venue, "POST", "v1/order", **ORDER | {"price": "43000"}, newOrderRespType="RESULT")
    assert resting["status"] == "NEW"
    missed = ask(venue, "POST", "v1/order", **ORDER | {"timeInForce": "IOC"}, newOrderRespType="RESULT")
    assert (missed["status"], missed["executedQty"]) == ("EXPIRED", "0.000")


def test_a_change_counts_as_an_order(venue: BinanceMarket) -> None:
    order_id = ask(venue, "POST", "v1/order", **ORDER)["orderId"]
    changed = venue.ask("PUT", "/fapi/v1/order", **CHANGE, orderId=order_id)
    assert changed.headers["X-MBX-ORDER-COUNT-1M"] == "2"


def test_orders_without_a_fill_are_found_for_three_days(venue: BinanceMarket) -> None:
    order_id = ask(venue, "POST", "v1/order", **ORDER)["orderId"]
    ask(venue, "DELETE", "v1/allOpenOrders", symbol="BTCUSDT")
    assert len(ask(venue, "GET", "v1/allOrders", symbol="BTCUSDT")) == 1
    venue.now_ns += 3 * 86_400 * SECOND + 1
    assert ask(venue, "GET", "v1/allOrders", symbol="BTCUSDT") == []
    assert venue.ask("GET", "/fapi/v1/order", symbol="BTCUSDT", orderId=order_id).body["code"] == -2013


def test_incomes_and_balances_agree_with_the_ledger(venue: BinanceMarket) -> None:
    for side in ("BUY", "SELL", "SELL"):
        ask(venue, "POST", "v1/order", **MARKET | {"side": side})
        venue.advance(0.5)
    account = venue.trading.account("binance_usdm", "main")
    with exact():
        account.ledger.check()
        incomes = ask(venue, "GET", "v1/income")
        assert {row["incomeType"] for row in incomes} == {"COMMISSION", "REALIZED_PNL"}
        total = account.wallet("binance_usdm").total("USDT")
    assert 500_000 + sum(float(row["income"]) for row in incomes) == pytest.approx(float(total), abs=1e-7)
    usdt = next(row for row in ask(venue, "GET", "v3/balance") if row["asset"] == "USDT")
    assert float(usdt["balance"]) == float(total)


def test_every_method_of_the_websocket_api_answers(venue: BinanceMarket) -> None:
    socket = venue.connect("/ws-fapi/v1")
    placed = socket.ask("order.place", **ORDER)["result"]
    name = {"symbol": "BTCUSDT", "orderId": placed["orderId"]}
    asked: dict[str, tuple[dict[str, Any], str]] = {
        "order.status": (name, "order_query"),
        "order.modify": (CHANGE | name, "order_modify"),
        "account.status": ({}, "account_v2"),
        "v2/account.status": ({}, "account_v3"),
        "account.balance": ({}, "balances"),
        "v2/account.balance": ({}, "balances"),
        "account.position": ({}, "positions_v2"),
        "v2/account.position": ({}, "socket_positions_v3"),
        "order.cancel": (name, "order_cancel"),
    }
    methods = venue.rest.market.methods.keys()  # type: ignore[union-attr]
    assert {"order.place", *asked} == {
        one for one in methods if one.split(".")[0] not in ("session", "userDataStream")
    }
    for method, (params, example) in asked.items():
        sent(example, socket.ask(method, **params)["result"])
    key = socket.ask("userDataStream.start", None, apiKey=HMAC.key.id)
    assert DECODERS["listen_key"].decode(json.dumps(key["result"]))
    assert socket.ask("userDataStream.ping", None, apiKey=HMAC.key.id)["result"] == key["result"]
    assert socket.ask("userDataStream.stop", None, apiKey=HMAC.key.id)["result"] == {}
    assert socket.ask("session.logon", ED25519)["status"] == 200
    assert socket.ask("order.place", None, timestamp=venue.now_ns // 10**6, **ORDER)["status"] == 200


@pytest.mark.parametrize(
    "path", ["/private/ws/KEY", "/private/ws", "/private/stream", "/private/stream SUBSCRIBE"]
)
def test_every_way_to_the_user_data(venue: BinanceMarket, path: str) -> None:
    key = ask(venue, "POST", "v1/listenKey")["listenKey"]
    is_subscribed = path.endswith(" SUBSCRIBE")
    query = {} if is_subscribed or path.endswith("KEY") else {"listenKey": key}
    socket = stream(venue, path.removesuffix(" SUBSCRIBE").replace("KEY", key), **query)
    if is_subscribed:
        request = {"method": "SUBSCRIBE", "params": [key], "id": "5a6dc1b8-0a53-4e0f-a9b5-8a0c4fd2e2e3"}
        outcome = socket.session.receive(json.dumps(request), venue.now_ns, 0)
        assert json.loads(outcome.replies[0])["result"] is None
    ask(venue, "POST", "v1/order", **MARKET)
    found = events(socket)
    if "stream" in path:
        assert {row["stream"] for row in found} == {key}
        found = [row["data"] for row in found]
    assert [row["e"] for row in found] == [
        "ORDER_TRADE_UPDATE",
        "ACCOUNT_UPDATE",
        "TRADE_LITE",
        "ORDER_TRADE_UPDATE",
    ]
    for row in found:
        name = {"ORDER_TRADE_UPDATE": "event_order", "ACCOUNT_UPDATE": "event_account"}.get(
            row["e"], "event_trade_lite"
        )
        sent(name, row)
    socket.session.closed()
    ask(venue, "POST", "v1/order", **MARKET)
    assert events(socket) == []


def test_a_connection_can_ask_for_some_events(venue: BinanceMarket) -> None:
    key = ask(venue, "POST", "v1/listenKey")["listenKey"]
    socket = stream(venue, listenKey=key, events="ACCOUNT_UPDATE/ACCOUNT_CONFIG_UPDATE")
    ask(venue, "POST", "v1/order", **MARKET)
    ask(venue, "POST", "v1/leverage", symbol="BTCUSDT", leverage=5)
    assert [row["e"] for row in events(socket)] == ["ACCOUNT_UPDATE", "ACCOUNT_CONFIG_UPDATE"]


def test_a_margin_call_reaches_the_stream(venue: BinanceMarket) -> None:
    key = ask(venue, "POST", "v1/listenKey")["listenKey"]
    socket = stream(venue, listenKey=key)
    account = venue.trading.account("binance_usdm", "main")
    call = MarginCallEvent("binance_usdm", "main", venue.now_ns, account.wallet("binance_usdm").total("USDT"))
    venue.trading.desks["binance_usdm"]._emit(call)
    venue.advance(0.1)
    (row,) = events(socket)
    assert row == {"e": "MARGIN_CALL", "E": row["E"], "p": []}


def test_a_key_expires_after_an_hour_without_extension(venue: BinanceMarket) -> None:
    key = ask(venue, "POST", "v1/listenKey")["listenKey"]
    socket = stream(venue, listenKey=key)
    start_ns = venue.now_ns
    move(venue, start_ns + VALID_NS // 2)
    assert ask(venue, "POST", "v1/listenKey")["listenKey"] == key
    move(venue, start_ns + VALID_NS + SECOND)
    assert events(socket) == []
    assert ask(venue, "PUT", "v1/listenKey")["listenKey"] == key
    move(venue, venue.now_ns + VALID_NS)
    (row,) = events(socket)
    sent("event_listen_key_expired", row)
    assert (row["e"], row["listenKey"]) == ("listenKeyExpired", key)
    assert venue.ask("PUT", "/fapi/v1/listenKey").body["code"] == -1125
    ask(venue, "POST", "v1/order", **MARKET)
    assert events(socket) == []
    assert ask(venue, "POST", "v1/listenKey")["listenKey"] != key


def move(venue: BinanceMarket, to_ns: int) -> None:
    """Moves the clock without the market."""
    venue.now_ns = to_ns
    venue.trading.advance(to_ns)


def test_a_stopped_key_and_a_foreign_one_have_no_events(venue: BinanceMarket) -> None:
    key = ask(venue, "POST", "v1/listenKey")["listenKey"]
    other = venue.ask("POST", "/fapi/v1/listenKey", OTHER).body["listenKey"]
    sockets = [stream(venue, listenKey=one) for one in (key, other, "nothing")]
    ask(venue, "DELETE", "v1/listenKey")
    ask(venue, "POST", "v1/order", **MARKET)
    assert [events(one) for one in sockets] == [[], [], []]
    with pytest.raises(RouteError):
        stream(venue, "/private/else")


def test_the_dead_mans_switch_cancels_all_orders_of_the_symbol(venue: BinanceMarket) -> None:
    ask(venue, "POST", "v1/order", **ORDER)
    ask(venue, "POST", "v1/countdownCancelAll", symbol="BTCUSDT", countdownTime=2000)
    venue.advance(1.9)
    assert len(ask(venue, "GET", "v1/openOrders")) == 1
    venue.advance(0.2)
    assert ask(venue, "GET", "v1/openOrders") == []


def test_an_order_is_good_until_its_date(venue: BinanceMarket) -> None:
    key = ask(venue, "POST", "v1/listenKey")["listenKey"]
    socket = stream(venue, listenKey=key)
    end_ms = venue.now_ns // 10**6 + 700_000
    placed = ask(venue, "POST", "v1/order", **ORDER | {"timeInForce": "GTD"}, goodTillDate=end_ms + 7)
    assert (placed["timeInForce"], placed["goodTillDate"]) == ("GTD", end_ms)
    move(venue, (end_ms - 1) * 10**6)
    assert len(ask(venue, "GET", "v1/openOrders")) == 1
    move(venue, (end_ms + 1) * 10**6)
    assert ask(venue, "GET", "v1/openOrders") == []
    assert [(row["o"]["x"], row["o"]["f"], row["o"]["gtd"]) for row in events(socket)] == [
        ("NEW", "GTD", end_ms), ("CANCELED", "GTD", end_ms)
    ]  # fmt: skip


def test_what_ended_before_its_time_does_not_wait_for_it(venue: BinanceMarket) -> None:
    end_ms = venue.now_ns // 10**6 // 1000 * 1000 + 700_000
    dated = ORDER | {"timeInForce": "GTD", "goodTillDate": end_ms}
    resting = ask(venue, "POST", "v1/order", **dated)["orderId"]
    for _ in range(150):
        ended = ask(venue, "POST", "v1/order", **dated)["orderId"]
        ask(venue, "DELETE", "v1/order", symbol="BTCUSDT", orderId=ended)
        ask(venue, "POST", "v1/listenKey")
        ask(venue, "DELETE", "v1/listenKey")
    assert len(venue.trading._outbox._heap) <= WAITING_MIN
    move(venue, (end_ms - 1) * 10**6)
    assert [row["orderId"] for row in ask(venue, "GET", "v1/openOrders")] == [resting]
    move(venue, (end_ms + 1) * 10**6)
    assert ask(venue, "GET", "v1/openOrders") == []


def test_a_change_keeps_the_date_of_an_order(venue: BinanceMarket) -> None:
    end_ms = venue.now_ns // 10**6 + 700_000
    placed = ask(venue, "POST", "v1/order", **ORDER | {"timeInForce": "GTD"}, goodTillDate=end_ms)
    changed = ask(venue, "PUT", "v1/order", **CHANGE, orderId=placed["orderId"], modifyId=3)
    assert (changed["goodTillDate"], changed["modifyId"]) == (placed["goodTillDate"], 3)


@pytest.mark.parametrize("is_strict", [False, True])
def test_decimals_of_websocket_requests_are_texts_if_the_venue_is_assumed_to_be_strict(
    is_strict: bool,
) -> None:
    accounts, keys = (usual_account(),), (HMAC.key,)
    assumed = {"binance_usdm": replace(DEFAULTS["binance_usdm"], strict_decimals=is_strict)}
    socket = BinanceMarket("binance_usdm", TradingSetup(accounts, keys, undocumented=assumed)).connect(
        "/ws-fapi/v1"
    )
    answers = [socket.ask("order.place", **ORDER | {"quantity": quantity}) for quantity in ("0.01", 0.01)]
    assert [answer["status"] for answer in answers] == [200, 400 if is_strict else 200]
    name = {"symbol": "BTCUSDT", "orderId": answers[0]["result"]["orderId"]}
    assert socket.ask("order.status", **name)["status"] == 200


def test_the_websocket_api_may_have_no_logon() -> None:
    assumed = {"binance_usdm": replace(DEFAULTS["binance_usdm"], session_logon=False)}
    setup = TradingSetup((usual_account(),), (ED25519.key,), undocumented=assumed)
    socket = BinanceMarket("binance_usdm", setup).connect("/ws-fapi/v1")
    assert socket.ask("session.logon", ED25519)["status"] == 400
    assert socket.ask("order.place", ED25519, **ORDER)["status"] == 200


def test_past_funding_is_listed_by_the_schedule(venue: BinanceMarket) -> None:
    now_ms = venue.now_ns // 10**6
    eight_h = 8 * 3_600_000
    rows = ask(venue, "GET", "v1/fundingRate", symbol="BTCUSDT", limit=3)
    last = now_ms // eight_h * eight_h
    assert [row["fundingTime"] for row in rows] == [last - 2 * eight_h, last - eight_h, last]
    rows = ask(venue, "GET", "v1/fundingRate", symbol="BTCUSDT", startTime=last - 3 * eight_h + 1, limit=2)
    assert [row["fundingTime"] for row in rows] == [last - 2 * eight_h, last - eight_h]
    index = ask(venue, "GET", "v1/premiumIndex")[0]
    assert (index["nextFundingTime"], index["lastFundingRate"]) == (last + eight_h, "0.00010000")
