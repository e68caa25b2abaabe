"""The sandbox's orders, executions and positions in Bybit's words pass the strict decoders of the documents."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from support.venue_messages import bybit

from arb.sandbox.accounts.amounts import exact
from arb.sandbox.accounts.positions import PositionSide, PositionView
from arb.sandbox.accounts.rules import Facts, rules_of
from arb.sandbox.events import BUY, SELL, Listing
from arb.sandbox.matching.orders import EndReason, Force, Prevention
from arb.sandbox.serve.bybit import answers
from arb.sandbox.trading.order_state import Execution, ExecutionKind, OrderStatus, VenueOrder
from arb.sandbox.trading.requests import OrderKind
from connectors.units import MILLISECOND

AT_NS = 1_700_000_000_123_456_789


def clock(now_ns):
    return now_ns // MILLISECOND


def an_order(**changes):
    fields = {
        "account": "main", "venue": "bybit_linear", "symbol": "BTCUSDT", "no": 1, "order_id": "id-1",
        "client_id": "arb-1", "side": BUY, "kind": OrderKind.LIMIT, "force": Force.GTC, "price": Decimal("42000.50"),
        "quantity": Decimal("0.010"), "quote_quantity": None, "reduce_only": False,
        "position_side": PositionSide.BOTH, "prevention": Prevention.NONE, "created_ns": AT_NS, "updated_ns": AT_NS,
        "extra": {},
    }  # fmt: skip
    return VenueOrder(**(fields | changes))


def an_execution(**changes):
    fields = {
        "account": "main", "venue": "bybit_linear", "symbol": "BTCUSDT", "trade_id": 7, "order_id": "id-1",
        "client_id": "arb-1", "kind": ExecutionKind.TRADE, "side": SELL, "position_side": PositionSide.BOTH,
        "price": Decimal("42000.50"), "quantity": Decimal("0.004"), "value": Decimal("168.0020"), "is_maker": True,
        "at_ns": AT_NS, "fee": Decimal("0.03360040"), "fee_asset": "USDT", "fee_rate": Decimal("0.0002"),
        "realized": Decimal("-1.5"), "left": Decimal("0.006"),
    }  # fmt: skip
    return Execution(**(fields | changes))


def decoded(row, struct):
    return msgspec.json.decode(msgspec.json.encode(row), type=struct)


@pytest.mark.parametrize("category", ["linear", "spot"])
def test_all_forms_of_an_order_and_an_execution_decode(category):
    with exact():
        order, one = an_order(), an_execution()
        decoded(answers.open_order(order, category, clock), bybit.OPEN_ORDER)
        decoded(answers.past_order(order, category, clock), bybit.PAST_ORDER)
        decoded(answers.streamed_order(order, category, clock), bybit.STREAMED_ORDER)
        for of in (order, None):
            decoded(answers.execution(one, of, category, clock), bybit.EXECUTION)
            decoded(answers.streamed_execution(one, of, category, clock), bybit.STREAMED_EXECUTION)
        decoded(answers.fast_execution(one, order, category, clock), bybit.FAST_EXECUTION)


def test_fields_that_are_of_one_category_only():
    with exact():
        linear = answers.open_order(an_order(), "linear", clock).keys()
        spot = answers.open_order(an_order(), "spot", clock).keys()
    assert linear - spot == {"createType", "parentOrderLinkId", "lastPriceOnCreated", "tpslMode"}
    assert spot - linear == {"marketUnit", "ocoTriggerBy", "basePrice"}


def test_figures_of_a_partly_filled_order():
    with exact():
        order = an_order(
            status=OrderStatus.PARTIALLY_FILLED,
            filled=Decimal("0.004"),
            value=Decimal("168.0020"),
            fees={"USDT": Decimal("0.03360040")},
        )
        row = answers.open_order(order, "linear", clock)
    assert (row["price"], row["qty"], row["cumExecQty"], row["leavesQty"]) == (
        "42000.5",
        "0.01",
        "0.004",
        "0.006",
    )
    assert (row["cumExecValue"], row["avgPrice"], row["leavesValue"]) == ("168.002", "42000.5", "252.003")
    assert (row["cumExecFee"], row["cumFeeDetail"]) == ("0.0336004", {"USDT": "0.0336004"})
    assert (row["createdTime"], row["orderStatus"]) == ("1700000000123", "PartiallyFilled")


@pytest.mark.parametrize(
    ("reason", "category", "filled", "words"),
    [
        (EndReason.CANCELED, "linear", "0.004", ("Cancelled", "CancelByUser", "EC_PerCancelRequest")),
        (
            EndReason.CANCELED,
            "spot",
            "0.004",
            ("PartiallyFilledCanceled", "CancelByUser", "EC_PerCancelRequest"),
        ),
        (EndReason.CANCELED, "spot", "0", ("Cancelled", "CancelByUser", "EC_PerCancelRequest")),
        (EndReason.IOC_REST, "linear", "0", ("Cancelled", "UNKNOWN", "EC_NoImmediateQtyToFill")),
        (EndReason.NO_LIQUIDITY, "spot", "0", ("Cancelled", "UNKNOWN", "EC_NoImmediateQtyToFill")),
        (EndReason.FOK, "linear", "0", ("Cancelled", "UNKNOWN", "EC_CancelForNoFullFill")),
        (EndReason.WOULD_TAKE, "linear", "0", ("Cancelled", "UNKNOWN", "EC_PostOnlyWillTakeLiquidity")),
        (EndReason.PREVENTED, "linear", "0", ("Cancelled", "CancelBySmp", "EC_NoError")),
        (EndReason.PRICE_LIMIT, "linear", "0", ("Cancelled", "UNKNOWN", "EC_ReachRiskPriceLimit")),
        (EndReason.PRICE_LIMIT, "spot", "0", ("Cancelled", "UNKNOWN", "EC_ReachMarketPriceLimit")),
        (EndReason.REDUCED, "linear", "0", ("Cancelled", "CancelByReduceOnly", "EC_NoError")),
        (EndReason.DEAD_MAN, "linear", "0", ("Cancelled", "CancelByDCP", "EC_NoError")),
        (EndReason.LIQUIDATION, "linear", "0", ("Cancelled", "CancelAllBeforeLiq", "EC_NoError")),
        (EndReason.VENUE, "linear", "0", ("Cancelled", "CancelByAdmin", "EC_NoError")),
    ],
)
def test_words_of_an_ended_order(reason, category, filled, words):
    with exact():
        order = an_order(
            status=OrderStatus.EXPIRED, end_reason=reason, filled=Decimal(filled), value=Decimal(filled)
        )
        row = answers.past_order(order, category, clock)
    assert (row["orderStatus"], row["cancelType"], row["rejectReason"]) == words
    assert (row["leavesQty"], row["leavesValue"]) == ("0", "0")
    assert row["avgPrice"] == ("1" if order.filled else "")


def test_words_of_other_states():
    with exact():
        assert answers.open_order(an_order(), "spot", clock)["orderStatus"] == "New"
        assert (
            answers.open_order(an_order(status=OrderStatus.FILLED), "spot", clock)["orderStatus"] == "Filled"
        )
        assert (
            answers.open_order(an_order(status=OrderStatus.REJECTED), "spot", clock)["orderStatus"]
            == "Rejected"
        )
        market = an_order(
            kind=OrderKind.MARKET, price=None, quote_quantity=Decimal(500), extra={"marketUnit": "quoteCoin"}
        )
        row = answers.open_order(market, "spot", clock)
    assert (row["orderType"], row["price"], row["qty"], row["marketUnit"]) == (
        "Market",
        "0",
        "500",
        "quoteCoin",
    )


def test_fees_in_two_assets_are_in_the_detail_only():
    with exact():
        row = answers.open_order(an_order(fees={"BTC": Decimal("0.1"), "USDT": Decimal(-2)}), "spot", clock)
    assert (row["cumExecFee"], row["cumFeeDetail"]) == ("", {"BTC": "0.1", "USDT": "-2"})


def test_a_makers_id_is_not_in_the_fast_topic():
    with exact():
        assert answers.fast_execution(an_execution(), an_order(), "linear", clock)["orderLinkId"] == ""
        taker = answers.fast_execution(an_execution(is_maker=False), an_order(), "linear", clock)
        slow = answers.streamed_execution(an_execution(), an_order(), "linear", clock)
    assert taker["orderLinkId"] == "arb-1"
    assert (taker["execId"], taker["seq"]) == (slow["execId"], slow["seq"])
    assert (slow["execPnl"], slow["execFee"], slow["feeCurrency"]) == ("-1.5", "0.0336004", "USDT")


def test_ids_of_executions_differ():
    ids = {answers.execution_id(an_execution(order_id=order, trade_id=no)) for order in "ab" for no in (1, 2)}
    assert len(ids) == 4


@pytest.mark.parametrize("quantity", ["0.5", "-0.5", "0"])
def test_positions(quantity):
    rules = rules_of(Listing("bybit_linear", "BTCUSDT", "0.10", "0.001"), Facts("0.001", "5"))
    view = PositionView(
        "BTCUSDT", PositionSide.BOTH, Decimal(quantity), Decimal(42000 if quantity != "0" else 0), Decimal("1.5"),
        Decimal("-7.25"), False, Decimal(0), 10, Decimal(42100), Decimal(quantity) * 100,
        abs(Decimal(quantity)) * 42000,
    )  # fmt: skip
    with exact():
        row = answers.position(view, rules, Decimal("0.00055"), (AT_NS, AT_NS), clock)
    decoded(row, bybit.POSITION)
    decoded(answers.streamed_position(row), bybit.STREAMED_POSITION)
    assert row["side"] == {"0.5": "Buy", "-0.5": "Sell", "0": ""}[quantity]
    assert row["unrealisedPnl"] == {"0.5": "50", "-0.5": "-50", "0": "0"}[quantity]
    assert row["positionIM"] == ("2105" if quantity != "0" else "0")
    assert (row["curRealisedPnl"], row["cumRealisedPnl"]) == ("1.5", "-7.25")
    assert answers.streamed_position(row)["entryPrice"] == ("42000" if quantity != "0" else "0")
