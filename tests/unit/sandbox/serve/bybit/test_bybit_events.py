"""What Bybit reports beside the answers: funding, closings, cancellations that arrived late."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from support.bybit_doors import Doors
from support.venue_messages.bybit import DECODERS

from arb.sandbox.funding import Funding
from arb.sandbox.trading.delivery import Delays
from connectors.units import MILLISECOND


def test_funding_is_in_the_streams_the_executions_and_the_log():
    doors = Doors(funding=Funding(10_000, ("0.00100000",)))
    doors.place(orderType="Market", price=None, qty="0.5")
    private = doors.socket("/v5/private")
    private.ask(op="subscribe", args=["execution", "position", "wallet"])
    private.texts.clear()
    doors.advance(10.0)
    topics = private.topics()
    (paid,) = [row for topic, row in topics if topic == "execution"]
    assert (paid["execType"], paid["orderType"], paid["side"]) == ("Funding", "UNKNOWN", "Buy")
    expected = (Decimal("0.5") * Decimal(paid["execPrice"]) * Decimal("0.001")).quantize(Decimal("1e-8"))
    assert Decimal(paid["execFee"]) == expected
    assert [topic for topic, _ in topics] == ["execution", "position", "wallet"]
    query = {"category": "linear", "execType": "Funding"}
    (listed,) = doors.right("execution_list", "GET", "/v5/execution/list", query)["list"]
    assert (listed["execId"], listed["feeRate"]) == (paid["execId"], "0.001")
    (row,) = doors.right("transaction_log", "GET", "/v5/account/transaction-log", {"type": "SETTLEMENT"})[
        "list"
    ]
    assert (row["funding"], row["change"], row["side"]) == (
        f"-{paid['execFee']}",
        f"-{paid['execFee']}",
        "Buy",
    )
    assert (row["fee"], row["cashFlow"], row["tradeId"]) == ("0", "0", paid["execId"])
    doors.trading.account("bybit_spot", "main").ledger.check()


def test_closed_size_and_profit_of_an_execution():
    doors = Doors()
    doors.place(orderType="Market", price=None, qty="0.02")
    private = doors.socket("/v5/private")
    private.ask(op="subscribe", args=["execution"])
    private.texts.clear()
    doors.place(orderType="Market", price=None, qty="0.03", side="Sell")
    rows = [row for _, row in private.topics()]
    assert sum(Decimal(row["closedSize"]) for row in rows) == Decimal("0.02")
    account = doors.trading.account("bybit_spot", "main")
    (position,) = account.positions.open_positions()
    assert position.quantity == Decimal("-0.01")
    assert sum(Decimal(row["execPnl"]) for row in rows) == position.cumulative


def test_all_times_are_those_of_the_venue_whose_clock_has_become_wrong():
    doors = Doors()
    offset_ms = [0]
    doors.exchanges["bybit_linear"].venue_ms = lambda now_ns: now_ns // MILLISECOND + offset_ms[0]
    private = doors.socket("/v5/private")
    private.ask(op="subscribe", args=["order", "execution", "position"])
    private.texts.clear()
    offset_ms[0] = 1500
    placed = doors.place(orderType="Market", price=None, qty="0.01")["result"]["orderId"]
    off = doors.now_ns // MILLISECOND + 1500
    messages = [json.loads(text) for text in private.texts]
    rows = {one["topic"]: one["data"][0] for one in messages}
    assert {one["creationTime"] for one in messages} == {off}
    assert {int(rows["order"]["createdTime"]), int(rows["order"]["updatedTime"])} == {off}
    assert {int(rows["execution"]["execTime"]), int(rows["position"]["updatedTime"])} == {off}
    query = {"category": "linear", "orderId": placed, "openOnly": 1}
    (listed,) = doors.right("order_realtime", "GET", "/v5/order/realtime", query)["list"]
    assert int(listed["createdTime"]) == off
    (row,) = doors.right("transaction_log", "GET", "/v5/account/transaction-log", {"type": "TRADE"})["list"]
    assert int(row["transactionTime"]) == off


def test_a_cancellation_that_loses_to_a_fill_is_accepted_and_reported():
    doors = Doors(delays=Delays(arrival_ns=(50 * MILLISECOND,) * 2))
    private = doors.socket("/v5/private")
    private.ask(op="subscribe", args=["order"])
    bid, _ = doors.touch("linear")
    order = {"category": "linear", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.001",
             "price": str(bid - 50), "orderLinkId": "late"}  # fmt: skip
    doors.raw("POST", "/v5/order/create", order)
    doors.advance(0.06)
    placed = json.loads(doors.late[0].body)["result"]["orderId"]
    named = {"category": "linear", "symbol": "BTCUSDT", "orderId": placed}
    # The amendment is executed at once, before the cancellation that was sent behind it arrives.
    doors.raw("POST", "/v5/order/amend", named | {"price": str(bid + 20)})
    doors.raw("POST", "/v5/order/cancel", named)
    doors.advance(0.06)
    body = doors.late[0].body
    DECODERS["order_cancel"].decode(body)
    assert json.loads(body)["retCode"] == 0
    filled = [row for _, row in private.topics() if row["orderStatus"] == "Filled"]
    words = [(row["cancelType"], row["rejectReason"]) for row in filled]
    assert words == [("UNKNOWN", "EC_NoError"), ("CancelByUser", "EC_OrigClOrdIDDoesNotExist")]


def test_an_amendment_that_takes_has_no_id_of_the_client_in_the_fast_topic():
    doors = Doors()
    private = doors.socket("/v5/private")
    private.ask(op="subscribe", args=["execution.fast", "execution"])
    bid, ask = doors.touch("linear")
    placed = doors.place(orderLinkId="arb-1", price=str(bid - 50))["result"]["orderId"]
    named = {"category": "linear", "symbol": "BTCUSDT", "orderId": placed}
    private.texts.clear()
    doors.ask("POST", "/v5/order/amend", named | {"price": str(ask + 5)})
    rows = private.topics()
    assert {row["orderLinkId"] for topic, row in rows if topic == "execution.fast"} == {""}
    assert {row["orderLinkId"] for topic, row in rows if topic == "execution"} == {"arb-1"}


def test_price_bounds():
    doors = Doors()
    for category, buy, sell in (("linear", 110003, 110003), ("spot", 170193, 170194)):
        assert doors.place(category, price="60000")["retCode"] == buy
        assert doors.place(category, side="Sell", price="30000")["retCode"] == sell


def test_figures_of_positions_add_up_to_those_of_the_wallet():
    doors = Doors()
    for quantity in ("0.007", "0.011", "0.003"):
        doors.place(orderType="Market", price=None, qty=quantity)
        doors.advance(0.5)
    doors.place(orderType="Market", price=None, qty="0.004", side="Sell")
    (wallet,) = doors.right(
        "wallet_balance", "GET", "/v5/account/wallet-balance", {"accountType": "UNIFIED"}
    )["list"]
    (coin,) = [one for one in wallet["coin"] if one["coin"] == "USDT"]
    (held,) = doors.right(
        "position_list", "GET", "/v5/position/list", {"category": "linear", "symbol": "BTCUSDT"}
    )["list"]
    for ours, theirs in (
        ("totalPositionIM", "positionIM"), ("totalPositionMM", "positionMM"), ("unrealisedPnl", "unrealisedPnl"),
        ("cumRealisedPnl", "cumRealisedPnl"),
    ):  # fmt: skip
        assert coin[ours] == held[theirs], ours
    assert Decimal(coin["equity"]) == Decimal(coin["walletBalance"]) + Decimal(held["unrealisedPnl"])
    position = doors.trading.account("bybit_spot", "main").positions.open_positions()[0]
    assert Decimal(held["positionValue"]) == position.cost


@pytest.mark.parametrize(
    ("mode", "maker", "taker"),
    [
        ("CancelMaker", "Cancelled", "Cancelled"),  # the taker's rest is that of an IOC order
        ("CancelTaker", "New", "Cancelled"),
        ("CancelBoth", "Cancelled", "Cancelled"),
        ("None", "Filled", "Cancelled"),
    ],
)
def test_prevention_of_self_trades_is_the_takers(mode, maker, taker):
    doors = Doors()
    bid, _ = doors.touch("linear")
    own = doors.place(price=str(bid), qty="0.01", smpType="CancelBoth")["result"]["orderId"]
    sold = doors.place(price=str(bid), qty="40", side="Sell", timeInForce="IOC", smpType=mode)["result"][
        "orderId"
    ]
    rows = {name: doors.order(one) for name, one in (("maker", own), ("taker", sold))}
    assert (rows["maker"]["orderStatus"], rows["taker"]["orderStatus"]) == (maker, taker)
    if mode != "None":
        ended = "taker" if mode == "CancelTaker" else "maker"
        assert rows[ended]["cancelType"] == "CancelBySmp"
        assert rows[ended]["smpOrderId"] == (own if ended == "taker" else sold)
        assert rows["taker"]["smpType"] == mode
