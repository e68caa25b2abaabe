"""Bybit's sockets for order entry and for the stream of an account, against the real desk."""

from __future__ import annotations

import json
from decimal import Decimal

import msgspec
import pytest
from support.bybit_doors import KEY, READER, Doors
from support.venue_messages.bybit import DECODERS, IDS, LEGS

from arb.sandbox.serve.bybit.side import side_of
from arb.sandbox.serve.session import Opening

CATEGORIES = ("linear", "spot")


def an_order(doors, category="linear", **changes):
    bid, _ = doors.touch(category)
    return {
        "category": category, "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.01",
        "price": str(bid - 50), **changes,
    }  # fmt: skip


def refused(answer):
    return answer["success"] is False


@pytest.mark.parametrize("category", CATEGORIES)
def test_operations_of_the_trade_socket(category):
    doors = Doors()
    trade = doors.socket("/v5/trade", venue="bybit_spot")
    created = trade.operate("order.create", an_order(doors, category), reqId="r-1")
    DECODERS["trade_socket"].decode(trade.texts[-1])
    msgspec.convert(created["data"], IDS)
    assert (created["reqId"], created["op"], created["retCode"]) == ("r-1", "order.create", 0)
    named = {"category": category, "symbol": "BTCUSDT", "orderId": created["data"]["orderId"]}
    assert trade.operate("order.amend", named | {"qty": "0.02"})["retCode"] == 0
    assert trade.operate("order.cancel", named)["retCode"] == 0
    again = trade.operate("order.cancel", named)
    assert again["retCode"] == (110010 if category == "linear" else 170142)
    assert "reqId" not in again
    legs = {"category": category, "request": [an_order(doors, category), {"symbol": "BTCUSDT"}]}
    batch = trade.operate("order.create-batch", legs)
    DECODERS["trade_socket"].decode(trade.texts[-1])
    msgspec.convert(batch["data"], LEGS)
    assert [one["code"] for one in batch["retExtInfo"]["list"]] == [0, 10001]
    pong = trade.ask(op="ping")
    DECODERS["trade_socket"].decode(trade.texts[-1])
    assert (pong["op"], pong["data"]) == ("pong", [str(doors.now_ms)])


def test_auth_of_the_trade_socket():
    doors = Doors()
    trade = doors.socket("/v5/trade", is_authenticated=False)
    assert trade.operate("order.create", an_order(doors))["retCode"] == 10004
    wrong = trade.auth()
    wrong[2] = "0" * 64
    assert trade.ask(op="auth", args=wrong)["retCode"] == 10004
    assert trade.ask(op="auth", args=[])["retCode"] == 10001
    answer = trade.ask(op="auth", args=trade.auth())
    DECODERS["trade_socket"].decode(trade.texts[-1])
    assert answer["retCode"] == 0
    assert trade.ask(op="auth", args=trade.auth())["retCode"] == 20001


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{", 10001),
        ("[]", 10001),
        ({"op": "order.create"}, 10001),
        ({"op": "order.create", "header": {}, "args": [{}]}, 10001),
        ({"op": "order.place", "args": [{}]}, 10404),
        ({"op": ["order.create"], "args": [{}]}, 10404),
        ({"args": [{}]}, 10404),
        (
            {"op": "order.create", "header": {"X-BAPI-TIMESTAMP": "1"}, "args": [{"category": "linear"}]},
            10002,
        ),
        (
            {"op": "order.create", "header": {"X-BAPI-TIMESTAMP": "x"}, "args": [{"category": "linear"}]},
            10001,
        ),
        ({"op": "ping", "reqId": "x" * 40}, 0),
        ({"op": "order.create", "reqId": "x" * 37}, 10001),
        ({"op": "order.create", "reqId": 7}, 10001),
    ],
)
def test_wrong_messages_of_the_trade_socket(message, code):
    trade = Doors().socket("/v5/trade")
    trade.send(message)
    assert json.loads(trade.texts[-1])["retCode"] == code


def test_wrong_operations_of_the_trade_socket():
    doors = Doors()
    trade = doors.socket("/v5/trade")
    assert trade.operate("order.create", an_order(doors) | {"category": "inverse"})["retCode"] == 10404
    assert trade.operate("order.create", {"symbol": "BTCUSDT"})["retCode"] == 10404
    header = {"X-BAPI-TIMESTAMP": doors.now_ms}
    two = [an_order(doors), an_order(doors)]
    assert trade.ask(op="order.create", header=header, args=two)["retCode"] == 10001
    assert trade.operate("order.create", an_order(doors), reqId="once")["retCode"] == 0
    assert trade.operate("order.create", an_order(doors), reqId="once")["retCode"] == 20006
    reader = doors.socket("/v5/trade", is_authenticated=False)
    assert reader.ask(op="auth", args=reader.auth(READER))["retCode"] == 0
    assert reader.operate("order.create", an_order(doors))["retCode"] == 10005


@pytest.mark.parametrize("category", CATEGORIES)
def test_topics_of_an_order_that_is_filled(category):
    doors = Doors()
    private = doors.socket("/v5/private")
    assert private.ask(op="subscribe", args=["order", "execution", "execution.fast", "position", "wallet"])[
        "success"
    ]
    _, ask = doors.touch(category)
    answer = doors.place(category, timeInForce="IOC", price=str(ask + 5), orderLinkId="arb-1")
    topics = private.topics()
    names = [topic for topic, _ in topics]
    fills = [row for topic, row in topics if topic == "execution"]
    assert names.index("execution.fast") < names.index("execution")
    assert names.index("order") < names.index("execution") < names.index("wallet")
    assert ("position" in names) == (category == "linear")
    orders = [row for topic, row in topics if topic == "order"]
    assert (orders[0]["orderStatus"], orders[-1]["orderStatus"]) == ("New", "Filled")
    assert orders[-1]["orderId"] == answer["result"]["orderId"]
    assert (
        sum(Decimal(one["execQty"]) for one in fills) == Decimal(orders[-1]["cumExecQty"]) == Decimal("0.01")
    )
    assert {row["category"] for row in orders + fills} == {category}
    last = [row for topic, row in topics if topic == "wallet"][-1]
    coins = {one["coin"]: one["walletBalance"] for one in last["coin"]}
    account = doors.trading.account("bybit_spot", "main").wallet("bybit_spot")
    assert {name: Decimal(text) for name, text in coins.items()} == {
        name: account.total(name) for name in coins
    }


def test_a_position_message_is_sent_with_every_change_of_an_order():
    doors = Doors()
    private = doors.socket("/v5/private")
    private.ask(op="subscribe", args=["position"])
    private.texts.clear()
    order_id = doors.place()["result"]["orderId"]
    named = {"category": "linear", "symbol": "BTCUSDT", "orderId": order_id}
    for change in (("amend", {"qty": "0.02"}), ("cancel", {})):
        assert [topic for topic, _ in private.topics()] == ["position"]
        doors.ask("POST", f"/v5/order/{change[0]}", named | change[1])
    assert [row["size"] for _, row in private.topics()] == ["0"]


def test_topics_by_category_and_both_doors():
    doors = Doors()
    private = doors.socket("/v5/private", venue="bybit_spot")
    assert private.ask(op="subscribe", args=["order.linear", "execution.spot"])["success"]
    private.texts.clear()
    doors.place("spot")
    doors.place("linear")
    assert [topic for topic, _ in private.topics()] == ["order.linear"]
    assert private.ask(op="unsubscribe", args=["order.linear"])["success"]
    private.texts.clear()
    doors.place("linear")
    assert private.topics() == []


def test_other_accounts_are_not_in_the_stream_and_a_closed_one_ends():
    doors = Doors()
    private = doors.socket("/v5/private")
    private.ask(op="subscribe", args=["order"])
    private.texts.clear()
    private.session.closed()
    doors.place()
    assert private.texts == []


@pytest.mark.parametrize(
    "message",
    [
        {"op": "subscribe", "args": ["order", "order.linear"]},
        {"op": "subscribe", "args": ["orders"]},
        {"op": "subscribe", "args": ["position.spot"]},
        {"op": "subscribe", "args": []},
        {"op": "subscribe", "args": "order"},
        {"op": "subscribe"},
        {"op": "order.create", "args": [{}]},
        {"op": "auth", "args": []},
        "{",
        "[]",
        {"op": "subscribe", "args": ["order"], "req_id": "x" * 65},
    ],
)
def test_wrong_messages_of_the_private_socket(message):
    private = Doors().socket("/v5/private")
    private.send(message)
    DECODERS["private_socket"].decode(private.texts[-1])
    assert refused(json.loads(private.texts[-1]))


def test_the_private_socket_needs_auth():
    doors = Doors()
    private = doors.socket("/v5/private", is_authenticated=False)
    assert refused(private.ask(op="subscribe", args=["order"]))
    wrong = private.auth()
    wrong[0] = "other"
    assert refused(private.ask(op="auth", args=wrong))
    assert private.ask(op="auth", args=private.auth()) == {
        "success": True, "ret_msg": "", "op": "auth", "conn_id": private.session._connection_id,
    }  # fmt: skip
    assert private.ask(op="ping", req_id="test")["args"] == [str(doors.now_ms)]
    for text in private.texts:
        DECODERS["private_socket"].decode(text)


def test_orders_end_when_the_last_protected_connection_is_gone_for_the_window():
    doors = Doors()
    body = {"product": "DERIVATIVES", "timeWindow": 3}
    doors.right("order_dcp", "POST", "/v5/order/disconnected-cancel-all", body)
    info = doors.right("query_dcp_info", "GET", "/v5/account/query-dcp-info")
    assert info["dcpInfos"] == [{"product": "DERIVATIVES", "dcpStatus": "ON", "timeWindow": "3"}]
    first, second = doors.socket("/v5/private"), doors.socket("/v5/private", venue="bybit_spot")
    for one in (first, second):
        one.ask(op="subscribe", args=["dcp.future"])
    linear, spot = (doors.place(category)["result"]["orderId"] for category in CATEGORIES)
    first.session.closed()
    doors.advance(3.1)
    assert doors.order(linear)["orderStatus"] == "New"
    second.session.closed()
    doors.advance(2.9)
    assert doors.order(linear)["orderStatus"] == "New"
    doors.advance(0.2)
    ended = doors.order(linear)
    assert (ended["orderStatus"], ended["cancelType"]) == ("Cancelled", "CancelByDCP")
    assert doors.order(spot, "spot")["orderStatus"] == "New"


def test_both_doors_have_one_side():
    doors = Doors()
    sides = {id(side_of(exchange, doors.limits)) for exchange in doors.exchanges.values()}
    assert len(sides) == 1
    assert KEY.account == "main"


@pytest.mark.parametrize(
    ("text", "idle_s"), [("", 600), ("1m", 60), ("45s", 45), ("29s", 600), ("11m", 600), ("x", 600)]
)
def test_the_time_after_which_an_idle_private_connection_ends(text, idle_s):
    doors = Doors()
    exchange = doors.exchanges["bybit_linear"]
    for path in ("/v5/private", "/v5/trade"):
        opening = Opening(path, {"max_active_time": text}, "127.0.0.1", 1)
        session = exchange.family.session(exchange, doors.rests["bybit_linear"], opening, doors.limits)
        assert session.limits.idle_s == idle_s
