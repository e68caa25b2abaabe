"""Bybit's account side by both doors, against the real desk: every answer passes the documents' strict decoders."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from support.bybit_doors import READER, Doors
from support.paths import GOLDEN
from support.venue_messages.bybit import DECODERS

from arb.sandbox.serve.bybit.endpoints import ENDPOINTS, OPERATIONS
from arb.sandbox.serve.bybit.events import BY_CATEGORY
from arb.sandbox.trading.delivery import Delays
from connectors.units import MILLISECOND

CATEGORIES = ("linear", "spot")


@pytest.fixture(scope="module")
def shared():
    """For queries and refusals, which leave nothing behind."""
    return Doors()


@pytest.mark.parametrize("category", CATEGORIES)
def test_the_life_of_a_limit_order(category):
    doors = Doors()
    answer = doors.place(category, orderLinkId="arb-1")
    assert (answer["retCode"], answer["result"]["orderLinkId"]) == (0, "arb-1")
    DECODERS["order_create"].decode(json.dumps(answer))
    order_id = answer["result"]["orderId"]
    named = {"category": category, "symbol": "BTCUSDT", "orderLinkId": "arb-1"}
    open_order = doors.order(order_id, category)
    assert (open_order["orderStatus"], open_order["leavesQty"]) == ("New", "0.01")
    doors.right("order_amend", "POST", "/v5/order/amend", named | {"qty": "0.02"})
    assert doors.order(order_id, category)["qty"] == "0.02"
    assert doors.ask("POST", "/v5/order/amend", named | {"qty": "0.02"})["retCode"] == 10001
    doors.right("order_cancel", "POST", "/v5/order/cancel", named)
    ended = doors.order(order_id, category)
    assert (ended["orderStatus"], ended["cancelType"], ended["leavesQty"]) == (
        "Cancelled",
        "CancelByUser",
        "0",
    )
    again = doors.ask("POST", "/v5/order/cancel", named)
    assert again["retCode"] == (110010 if category == "linear" else 170142)
    assert doors.place(category, orderLinkId="arb-1")["retCode"] == (
        110072 if category == "linear" else 170141
    )


@pytest.mark.parametrize("category", CATEGORIES)
def test_a_taker_is_in_all_queries_with_the_figures_of_the_ledger(category):
    doors = Doors()
    account = doors.trading.account("bybit_spot", "main")
    before = {asset: account.wallet("bybit_spot").total(asset) for asset in ("BTC", "USDT")}
    _, ask = doors.touch(category)
    order_id = doors.place(category, timeInForce="IOC", price=str(ask + 10))["result"]["orderId"]
    order = doors.order(order_id, category)
    assert order["orderStatus"] == "Filled"
    query = {"category": category, "orderId": order_id}
    (past,) = doors.right("order_history", "GET", "/v5/order/history", query)["list"]
    assert past["cumExecQty"] == order["cumExecQty"] == "0.01"
    fills = doors.right("execution_list", "GET", "/v5/execution/list", query)["list"]
    assert sum(Decimal(one["execQty"]) for one in fills) == Decimal("0.01")
    assert sum(Decimal(one["execValue"]) for one in fills) == Decimal(order["cumExecValue"])
    fees = {one["feeCurrency"]: Decimal(0) for one in fills}
    for one in fills:
        fees[one["feeCurrency"]] += Decimal(one["execFee"])
    assert {name: Decimal(fee) for name, fee in order["cumFeeDetail"].items()} == fees
    (wallet,) = doors.right(
        "wallet_balance", "GET", "/v5/account/wallet-balance", {"accountType": "UNIFIED", "coin": "BTC,USDT"}
    )["list"]
    coins = {one["coin"]: Decimal(one["walletBalance"]) for one in wallet["coin"]}
    value = Decimal(order["cumExecValue"])
    expected = {
        "linear": {"BTC": before["BTC"], "USDT": before["USDT"] - fees.get("USDT", 0)},
        "spot": {"BTC": before["BTC"] + Decimal("0.01") - fees.get("BTC", 0), "USDT": before["USDT"] - value},
    }
    assert coins == expected[category]
    account.ledger.check()
    log = doors.right("transaction_log", "GET", "/v5/account/transaction-log", {"category": category})["list"]
    changes = {asset: Decimal(0) for asset in ("BTC", "USDT")}
    for row in log:
        changes[row["currency"]] += Decimal(row["change"])
        parts = Decimal(row["cashFlow"]) - Decimal(row["fee"]) + Decimal(row["funding"] or 0)
        assert Decimal(row["change"]) == parts
    assert changes == {asset: coins[asset] - before[asset] for asset in changes}
    newest = {row["currency"]: Decimal(row["cashBalance"]) for row in reversed(log)}
    assert newest == {asset: coins[asset] for asset in newest}


def test_positions_follow_fills():
    doors = Doors()
    query = {"category": "linear", "symbol": "BTCUSDT"}
    (flat,) = doors.right("position_list", "GET", "/v5/position/list", query)["list"]
    assert (flat["size"], flat["side"], flat["seq"]) == ("0", "", -1)
    bid, _ = doors.touch("linear")
    doors.place(side="Sell", timeInForce="IOC", price=str(bid - 10))
    (held,) = doors.right(
        "position_list", "GET", "/v5/position/list", {"category": "linear", "settleCoin": "USDT"}
    )["list"]
    assert (held["size"], held["side"]) == ("0.01", "Sell")
    closing = doors.place(orderType="Market", qty="0", price=None, reduceOnly=True, closeOnTrigger=True)
    assert closing["retCode"] == 0
    assert not doors.right(
        "position_list", "GET", "/v5/position/list", {"category": "linear", "settleCoin": "USDT"}
    )["list"]
    assert doors.order(closing["result"]["orderId"])["closeOnTrigger"] is True


def test_spot_market_orders_by_value_and_by_quantity():
    doors = Doors()
    common = {"orderType": "Market", "price": None}
    bought = doors.order(doors.place("spot", **common, qty="500")["result"]["orderId"], "spot")
    assert (bought["orderStatus"], bought["qty"], bought["marketUnit"]) == ("Filled", "500", "quoteCoin")
    assert Decimal(495) < Decimal(bought["cumExecValue"]) <= 500
    sold = doors.place("spot", **common, side="Sell", qty="0.01")
    assert doors.order(sold["result"]["orderId"], "spot")["cumExecQty"] == "0.01"


def test_post_only_is_acknowledged_and_then_cancelled():
    doors = Doors()
    for category in CATEGORIES:
        _, ask = doors.touch(category)
        answer = doors.place(category, timeInForce="PostOnly", price=str(ask))
        order = doors.order(answer["result"]["orderId"], category)
        assert (order["orderStatus"], order["rejectReason"]) == ("Cancelled", "EC_PostOnlyWillTakeLiquidity")


def test_cancel_all_needs_a_name_on_linear_only():
    doors = Doors()
    ids = [doors.place(orderLinkId=f"a-{no}")["result"]["orderId"] for no in range(3)]
    spot = doors.place("spot")["result"]["orderId"]
    assert doors.ask("POST", "/v5/order/cancel-all", {"category": "linear"})["retCode"] == 10001
    for names in ({"symbol": "BTCUSDT"}, {"settleCoin": "USDT"}, {"baseCoin": "BTC"}):
        result = doors.right(
            "order_cancel_all", "POST", "/v5/order/cancel-all", {"category": "linear"} | names
        )
        assert (sorted(one["orderId"] for one in result["list"]), result["success"]) == (sorted(ids), "1")
        ids = [] if names.get("baseCoin") else [doors.place()["result"]["orderId"]]
    result = doors.right("order_cancel_all", "POST", "/v5/order/cancel-all", {"category": "spot"})
    assert [one["orderId"] for one in result["list"]] == [spot]


@pytest.mark.parametrize("category", CATEGORIES)
def test_a_batch_answers_for_each_leg(category):
    doors = Doors()
    bid, _ = doors.touch(category)
    leg = {"symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.01", "price": str(bid - 50)}
    legs = [leg | {"orderLinkId": "a"}, leg | {"orderLinkId": "b", "qty": 5}, leg | {"orderLinkId": "a"}]
    response = doors.raw("POST", "/v5/order/create-batch", {"category": category, "request": legs})
    DECODERS["order_create_batch"].decode(response.body)
    body = json.loads(response.body)
    duplicate = 110072 if category == "linear" else 170141
    assert [one["code"] for one in body["retExtInfo"]["list"]] == [0, 10001, duplicate]
    assert [bool(one["orderId"]) for one in body["result"]["list"]] == [True, False, False]
    assert [one["orderLinkId"] for one in body["result"]["list"]] == ["a", "b", "a"]
    amended = doors.ask(
        "POST",
        "/v5/order/amend-batch",
        {"category": category, "request": [{"symbol": "BTCUSDT", "orderLinkId": "a", "qty": "0.02"}]},
    )
    DECODERS["order_amend_batch"].decode(json.dumps(amended))
    named = [{"symbol": "BTCUSDT", "orderLinkId": name} for name in "ab"]
    cancelled = doors.ask("POST", "/v5/order/cancel-batch", {"category": category, "request": named})
    DECODERS["order_cancel_batch"].decode(json.dumps(cancelled))
    unknown = 110001 if category == "linear" else 170213
    assert [one["code"] for one in cancelled["retExtInfo"]["list"]] == [0, unknown]
    most = 20 if category == "linear" else 10
    doors.advance(1)
    over = doors.ask("POST", "/v5/order/create-batch", {"category": category, "request": [leg] * (most + 1)})
    assert over["retCode"] == 10001


def test_the_legs_over_the_limit_of_a_second_are_refused():
    doors = Doors()
    bid, _ = doors.touch("linear")
    leg = {"symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.01", "price": str(bid - 50)}
    body = doors.ask("POST", "/v5/order/create-batch", {"category": "linear", "request": [leg] * 12})
    assert [one["code"] for one in body["retExtInfo"]["list"]] == [0] * 10 + [10006] * 2
    trade = doors.socket("/v5/trade")
    later = trade.operate("order.create-batch", {"category": "linear", "request": [leg]})
    assert later["retCode"] == 10006


def test_the_limit_of_a_uid_counts_both_doors_and_sockets():
    doors = Doors()
    trade = doors.socket("/v5/trade", venue="bybit_spot")
    bid, _ = doors.touch("linear")
    order = {"category": "linear", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.001",
             "price": str(bid - 50)}  # fmt: skip
    for no in range(5):
        response = doors.raw("POST", "/v5/order/create", order)
        assert response.headers["X-Bapi-Limit-Status"] == str(9 - 2 * no)
        answer = trade.operate("order.create", order)
        assert answer["header"]["X-Bapi-Limit-Status"] == str(8 - 2 * no)
    assert doors.ask("POST", "/v5/order/create", order)["retCode"] == 10006
    assert trade.operate("order.create", order)["retCode"] == 10006
    doors.advance(1.001)
    assert doors.ask("POST", "/v5/order/create", order)["retCode"] == 0


def test_settings():
    doors = Doors()
    leverage = {"category": "linear", "symbol": "BTCUSDT", "buyLeverage": "5", "sellLeverage": "5"}
    doors.right("set_leverage", "POST", "/v5/position/set-leverage", leverage)
    assert doors.ask("POST", "/v5/position/set-leverage", leverage)["retCode"] == 110043
    too_large = leverage | {"buyLeverage": "200", "sellLeverage": "200"}
    assert doors.ask("POST", "/v5/position/set-leverage", too_large)["retCode"] == 110013
    assert doors.ask("POST", "/v5/position/set-leverage", leverage | {"buyLeverage": "6"})["retCode"] == 10001
    mode = {"category": "linear", "symbol": "BTCUSDT", "mode": 3}
    order = doors.place()["result"]["orderId"]
    assert doors.ask("POST", "/v5/position/switch-mode", mode)["retCode"] == 110028
    doors.ask("POST", "/v5/order/cancel", {"category": "linear", "symbol": "BTCUSDT", "orderId": order})
    doors.right("switch_mode", "POST", "/v5/position/switch-mode", mode)
    assert doors.ask("POST", "/v5/position/switch-mode", mode)["retCode"] == 110025
    assert doors.place()["retCode"] == 10001
    assert doors.place(positionIdx=1)["retCode"] == 0
    rows = doors.right(
        "position_list", "GET", "/v5/position/list", {"category": "linear", "symbol": "BTCUSDT"}
    )["list"]
    assert [row["positionIdx"] for row in rows] == [1, 2]
    margin = {"setMarginMode": "REGULAR_MARGIN"}
    assert doors.ask("POST", "/v5/account/set-margin-mode", margin)["retCode"] == 110026
    assert (
        doors.ask("POST", "/v5/account/set-margin-mode", {"setMarginMode": "PORTFOLIO_MARGIN"})["retCode"]
        == 110073
    )
    doors.ask("POST", "/v5/order/cancel-all", {"category": "linear", "symbol": "BTCUSDT"})
    doors.right(
        "set_margin_mode", "POST", "/v5/account/set-margin-mode", {"setMarginMode": "ISOLATED_MARGIN"}
    )
    assert doors.right("account_info", "GET", "/v5/account/info")["marginMode"] == "ISOLATED_MARGIN"
    (wallet,) = doors.right(
        "wallet_balance", "GET", "/v5/account/wallet-balance", {"accountType": "UNIFIED"}
    )["list"]
    assert wallet["totalEquity"] == ""


def test_a_pre_check_changes_nothing():
    doors = Doors()
    bid, _ = doors.touch("linear")
    order = {"category": "linear", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "1",
             "price": str(bid - 50)}  # fmt: skip
    result = doors.right("order_pre_check", "POST", "/v5/order/pre-check", order)
    assert result["preImrE4"] == 0 < result["postImrE4"]
    assert doors.ask("POST", "/v5/order/pre-check", order | {"qty": "400"})["retCode"] == 110007
    assert doors.ask("POST", "/v5/order/pre-check", order | {"category": "spot"})["retCode"] == 10001
    assert not doors.right(
        "order_realtime", "GET", "/v5/order/realtime", {"category": "linear", "symbol": "BTCUSDT"}
    )["list"]


def test_pages_are_newest_first():
    doors = Doors()
    ids = [doors.place()["result"]["orderId"] for _ in range(5)]
    query = {"category": "linear", "symbol": "BTCUSDT", "limit": "2"}
    seen, cursor = [], ""
    while True:
        page = doors.right("order_realtime", "GET", "/v5/order/realtime", query | {"cursor": cursor})
        seen += [one["orderId"] for one in page["list"]]
        cursor = page["nextPageCursor"]
        if not cursor:
            break
    assert seen == ids[::-1]


def test_unfilled_cancels_leave_the_history_after_a_day():
    doors = Doors()
    order_id = doors.place()["result"]["orderId"]
    doors.ask("POST", "/v5/order/cancel", {"category": "linear", "symbol": "BTCUSDT", "orderId": order_id})
    query = {"category": "linear", "orderId": order_id}
    assert doors.right("order_history", "GET", "/v5/order/history", query)["list"]
    doors.now_ns += 86_400_000_000_000
    assert not doors.right("order_history", "GET", "/v5/order/history", query)["list"]
    assert doors.right("order_realtime", "GET", "/v5/order/realtime", query)["list"]


@pytest.mark.parametrize(
    ("method", "path", "fields", "code"),
    [
        ("POST", "/v5/order/create", {"category": "linear"}, 10005),
        ("POST", "/v5/order/cancel", {"category": "spot"}, 10005),
        ("POST", "/v5/position/set-leverage", {"category": "linear"}, 10005),
        ("POST", "/v5/account/set-margin-mode", {}, 10005),
        ("POST", "/v5/order/disconnected-cancel-all", {"timeWindow": 10}, 10005),
    ],
)
def test_a_key_without_permission_reads_only(shared, method, path, fields, code):
    assert shared.ask(method, path, fields, key=READER)["retCode"] == code
    assert shared.right("query_api", "GET", "/v5/user/query-api", key=READER)["readOnly"] == 1


@pytest.mark.parametrize(
    ("method", "path", "fields", "code"),
    [
        ("GET", "/v5/order/realtime", {}, 10001),
        ("GET", "/v5/order/realtime", {"category": "linear"}, 10001),
        ("GET", "/v5/order/realtime", {"category": "linear", "symbol": "BTCUSDT", "openOnly": "2"}, 10001),
        ("GET", "/v5/order/history", {"category": "spot", "startTime": "0", "endTime": "604800001"}, 10001),
        ("GET", "/v5/execution/list", {"category": "spot", "limit": "101"}, 10001),
        ("GET", "/v5/position/list", {"category": "linear"}, 10001),
        ("GET", "/v5/position/list", {"category": "spot", "symbol": "BTCUSDT"}, 10001),
        ("GET", "/v5/account/wallet-balance", {"accountType": "SPOT"}, 10001),
        (
            "GET",
            "/v5/market/funding/history",
            {"category": "linear", "symbol": "BTCUSDT", "startTime": "1"},
            10001,
        ),
        ("GET", "/v5/market/funding/history", {"category": "spot", "symbol": "BTCUSDT"}, 10001),
        ("POST", "/v5/order/cancel", {"category": "linear", "symbol": "BTCUSDT", "orderId": "x"}, 110001),
        ("POST", "/v5/order/cancel", {"category": "spot", "symbol": "BTCUSDT", "orderId": "x"}, 170213),
        ("POST", "/v5/order/create-batch", {"category": "spot", "request": []}, 10001),
        ("POST", "/v5/order/create-batch", {"category": "spot", "request": ["x"]}, 10001),
        ("POST", "/v5/order/disconnected-cancel-all", {"product": "SPOT", "timeWindow": 2}, 10001),
        ("POST", "/v5/order/disconnected-cancel-all", {"product": "X", "timeWindow": 3}, 10001),
        ("POST", "/v5/position/switch-mode", {"category": "linear", "symbol": "BTCUSDT", "mode": 1}, 10001),
        ("POST", "/v5/position/switch-mode", {"category": "linear", "mode": 3}, 10001),
        ("POST", "/v5/asset/transfer/inter-transfer", {}, 10404),
    ],
)
def test_a_wrong_request_is_refused(shared, method, path, fields, code):
    shared.advance(0.2)
    assert shared.ask(method, path, fields)["retCode"] == code


@pytest.mark.parametrize(
    ("changes", "linear", "spot"),
    [
        ({"price": "1.23456"}, 10001, 170134),
        ({"qty": "0.0100001"}, 10001, 170137),
        ({"qty": "0.000001"}, 10001, 170136),
        ({"qty": "5000"}, 10001, 170341),
        ({"symbol": "XRPUSDT"}, 10001, 170121),
        ({"qty": "80"}, None, 170131),
    ],
)
def test_an_order_that_the_desk_refuses(shared, changes, linear, spot):
    shared.advance(0.2)
    for category, code in (("linear", linear), ("spot", spot)):
        if code is not None:
            assert shared.place(category, **changes)["retCode"] == code, category


def test_answers_may_be_later_than_the_events_that_they_are_about():
    doors = Doors(delays=Delays(answer_ns=(20 * MILLISECOND, 20 * MILLISECOND)))
    trade, private = doors.socket("/v5/trade"), doors.socket("/v5/private")
    private.ask(op="subscribe", args=["order"])
    trade.texts.clear()
    bid, _ = doors.touch("linear")
    trade.send(
        {
            "op": "order.create",
            "header": {"X-BAPI-TIMESTAMP": doors.now_ms},
            "args": [{"category": "linear", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.01",
                      "price": str(bid - 50)}],
        }
    )  # fmt: skip
    assert [topic for topic, _ in private.topics()] == ["order"]
    assert trade.texts == []
    doors.advance(0.02)
    assert json.loads(trade.texts[0])["retCode"] == 0


#: Golden files whose names are not the path with underscores.
NAMES = {
    "order_disconnected_cancel_all": "order_dcp", "position_set_leverage": "set_leverage",
    "position_switch_mode": "switch_mode", "account_set_margin_mode": "set_margin_mode",
    "account_wallet_balance": "wallet_balance", "account_fee_rate": "fee_rate",
    "account_transaction_log": "transaction_log", "account_query_dcp_info": "query_dcp_info",
    "user_query_api": "query_api", "asset_coin_query_info": "coin_query_info",
    "execution_list": "execution_list", "position_list": "position_list",
}  # fmt: skip


def test_every_endpoint_operation_and_topic_has_an_example_of_the_documents():
    golden = {path.stem for path in GOLDEN.glob("bybit_*/messages/*.toml")}
    named = {one.limit.replace("/", "_").replace("-", "_") for one in ENDPOINTS.values()}
    topics = {f"topic_{topic.replace('.', '_')}" for topic in (*BY_CATEGORY, "wallet")}
    names = {NAMES.get(name, name) for name in named} | topics
    names |= {"tickers", "funding_history", "trade_socket", "private_socket"}
    assert names == golden
    assert {operation.removesuffix("-batch") for operation in OPERATIONS} == {
        "order.create", "order.amend", "order.cancel",
    }  # fmt: skip
