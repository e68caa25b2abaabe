"""Bybit's parameters: right ones become requests of the desk, wrong ones are refused with the venue's code."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from arb.sandbox.accounts.positions import PositionSide
from arb.sandbox.events import BUY, SELL
from arb.sandbox.matching.orders import Force, Prevention
from arb.sandbox.serve.bybit.errors import _CODES, RequestError, refused
from arb.sandbox.serve.bybit.parameters import Fields, amend_request, cancel_request, place_request
from arb.sandbox.serve.bybit.uid_limits import UidLimits
from arb.sandbox.trading.requests import OrderKind, Reason, RefusalError
from connectors.units import MILLISECOND, SECOND

LIMIT = {"symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.01", "price": "42000"}
MARKET = {"symbol": "BTCUSDT", "side": "Buy", "orderType": "Market", "qty": "500"}


def place(category="linear", of=LIMIT, **changes):
    return place_request(Fields(of | changes), "main", category)


def test_a_limit_order():
    one = place(
        side="Sell",
        timeInForce="PostOnly",
        orderLinkId="arb-1",
        positionIdx=2,
        smpType="CancelBoth",
        reduceOnly=True,
    )
    assert (one.side, one.kind, one.force) == (SELL, OrderKind.LIMIT, Force.POST_ONLY)
    assert (one.price, one.quantity, one.client_id) == (Decimal(42000), Decimal("0.01"), "arb-1")
    assert (one.position_side, one.prevention, one.reduce_only) == (
        PositionSide.SHORT,
        Prevention.EXPIRE_BOTH,
        True,
    )


@pytest.mark.parametrize(
    ("side", "unit", "quantity", "quote"),
    [
        ("Buy", None, None, Decimal(500)),
        ("Buy", "baseCoin", Decimal(500), None),
        ("Sell", None, Decimal(500), None),
        ("Sell", "quoteCoin", None, Decimal(500)),
    ],
)
def test_the_unit_of_a_market_order_on_spot(side, unit, quantity, quote):
    one = place("spot", MARKET, side=side, marketUnit=unit, price="1", timeInForce="GTC")
    assert (one.side == BUY, one.quantity, one.quote_quantity) == (side == "Buy", quantity, quote)
    assert (one.price, one.force) == (None, Force.IOC)


def test_a_market_order_of_a_perpetual_is_in_base_and_may_close_all():
    assert place(of=MARKET).quantity == Decimal(500)
    closing = place(of=MARKET, qty="0", reduceOnly=True, closeOnTrigger=True)
    assert closing.closes_all
    assert closing.quantity is None


def test_what_clients_send_without_using_it_is_accepted():
    place(takeProfit="0", stopLoss="", tpslMode=None, triggerPrice="0", isLeverage=0, orderFilter="Order")


@pytest.mark.parametrize(
    ("category", "changes", "code"),
    [
        ("linear", {"symbol": None}, 10001),
        ("linear", {"symbol": ""}, 10001),
        ("linear", {"symbol": 5}, 10001),
        ("linear", {"side": None}, 10001),
        ("linear", {"side": "buy"}, 10001),
        ("linear", {"side": 1}, 10001),
        ("linear", {"orderType": None}, 10001),
        ("linear", {"orderType": "limit"}, 10001),
        ("linear", {"orderType": "Stop"}, 10001),
        ("linear", {"qty": None}, 10001),
        ("linear", {"qty": 0.01}, 10001),
        ("linear", {"qty": 1}, 10001),
        ("linear", {"qty": "1e-2"}, 10001),
        ("linear", {"qty": "-1"}, 10001),
        ("linear", {"qty": "+1"}, 10001),
        ("linear", {"qty": "1."}, 10001),
        ("linear", {"qty": ".5"}, 10001),
        ("linear", {"qty": "0x1"}, 10001),
        ("linear", {"qty": "NaN"}, 10001),
        ("linear", {"qty": "1 "}, 10001),
        ("linear", {"qty": "１"}, 10001),
        ("linear", {"qty": "0"}, 10001),
        ("linear", {"qty": "0", "reduceOnly": True}, 10001),
        ("spot", {"qty": "0", "closeOnTrigger": True}, 10001),
        ("linear", {"qty": "1" * 30}, 10001),
        ("linear", {"price": None}, 10001),
        ("linear", {"price": "0"}, 10001),
        ("linear", {"price": 42000}, 10001),
        ("linear", {"price": "4.2e4"}, 10001),
        ("linear", {"timeInForce": "GTX"}, 10001),
        ("linear", {"timeInForce": "gtc"}, 10001),
        ("linear", {"timeInForce": "RPI"}, 110119),
        ("spot", {"timeInForce": "RPI"}, 170355),
        ("linear", {"positionIdx": 3}, 10001),
        ("linear", {"positionIdx": -1}, 10001),
        ("linear", {"positionIdx": True}, 10001),
        ("linear", {"positionIdx": 0.5}, 10001),
        ("spot", {"positionIdx": 1}, 10001),
        ("linear", {"reduceOnly": "true"}, 10001),
        ("linear", {"reduceOnly": 1}, 10001),
        ("spot", {"reduceOnly": True}, 10001),
        ("linear", {"closeOnTrigger": "false"}, 10001),
        ("spot", {"isLeverage": 1}, 170037),
        ("spot", {"orderFilter": "StopOrder"}, 10001),
        ("spot", {"orderType": "Market", "marketUnit": "BTC"}, 10001),
        ("linear", {"orderLinkId": "x" * 37}, 10001),
        ("linear", {"orderLinkId": "a b"}, 10001),
        ("linear", {"orderLinkId": "a.b"}, 10001),
        ("linear", {"orderLinkId": "ä"}, 10001),
        ("linear", {"orderLinkId": 17}, 10001),
        ("linear", {"smpType": "cancelMaker"}, 10001),
        ("linear", {"smpType": "DECREMENT"}, 10001),
        ("linear", {"triggerPrice": "41000"}, 10001),
        ("linear", {"triggerDirection": 1}, 10001),
        ("linear", {"takeProfit": "45000"}, 10001),
        ("linear", {"stopLoss": "45000"}, 10001),
        ("linear", {"tpslMode": "Full"}, 10001),
        ("linear", {"bboSideType": "Queue"}, 10001),
        ("spot", {"slippageToleranceType": "Percent"}, 10001),
        ("linear", {"orderIv": "0.1"}, 10001),
    ],
)
def test_a_wrong_order_is_refused(category, changes, code):
    with pytest.raises(RequestError) as caught:
        place(category, **changes)
    assert caught.value.code == code
    assert caught.value.text


@pytest.mark.parametrize("body", [b"[]", b"{", b'"x"', b"\xff", b'{"a":1'])
def test_a_body_that_is_no_object_is_refused(body):
    with pytest.raises(RequestError):
        Fields.of_body(body)


@pytest.mark.parametrize("category", [None, "", "Linear", "inverse", "option", 1])
def test_a_wrong_category_is_refused(category):
    with pytest.raises(RequestError):
        Fields({"category": category}).category()


def test_queries_of_categories_without_instruments():
    assert Fields({"category": "option"}).category(takes_empty=True) == "option"


@pytest.mark.parametrize(
    ("query", "page"),
    [
        ({}, (0, 20)),
        ({"limit": "50", "cursor": "20"}, (20, 50)),
        ({"limit": "51"}, None),
        ({"limit": "0"}, None),
        ({"cursor": "a"}, None),
    ],
)
def test_pages(query, page):
    fields = Fields(query)
    if page:
        assert fields.page(20, 50) == page
    else:
        with pytest.raises(RequestError):
            fields.page(20, 50)


def test_the_venues_id_has_priority():
    both = Fields({"symbol": "BTCUSDT", "orderId": "1", "orderLinkId": "2", "qty": "1"})
    for one in (cancel_request(both, "main"), amend_request(both, "main")):
        assert (one.order_id, one.client_id) == ("1", None)
    only = Fields({"symbol": "BTCUSDT", "orderLinkId": "2", "price": "3"})
    assert cancel_request(only, "main").client_id == "2"
    assert (amend_request(only, "main").price, amend_request(only, "main").quantity) == (Decimal(3), None)


@pytest.mark.parametrize(
    "values",
    [
        {"symbol": "BTCUSDT", "qty": "1"},
        {"symbol": "BTCUSDT", "orderId": "1"},
        {"symbol": "BTCUSDT", "orderId": "1", "qty": "0"},
        {"symbol": "BTCUSDT", "orderId": "1", "price": 5},
        {"orderId": "1", "price": "5"},
        {"symbol": "BTCUSDT", "orderId": 1, "price": "5"},
        {"symbol": "BTCUSDT", "orderId": "1", "takeProfit": "5", "price": "5"},
    ],
)
def test_a_wrong_amendment_is_refused(values):
    with pytest.raises(RequestError):
        amend_request(Fields(msgspec.json.decode(msgspec.json.encode(values))), "main")


def test_every_reason_has_a_code_of_its_category():
    for reason in Reason:
        for category, heads in (("linear", ("100", "110")), ("spot", ("100", "110", "170"))):
            error = refused(RefusalError(reason, "41000"), category)
            assert str(error.code).startswith(heads), reason
            assert "%" not in error.text
    for linear, spot in _CODES.values():
        assert linear[0] < 170000
        assert spot[0] == linear[0] or spot[0] > 170000


def test_a_rolling_second_of_one_uid_counts_both_doors():
    limits = UidLimits()
    for no in range(10):
        allowed = limits.count(1, "order/create", "linear", no * 50 * MILLISECOND)
        assert (allowed.admitted, allowed.left) == (1, 9 - no)
    full = limits.count(1, "order/create", "linear", 999 * MILLISECOND)
    assert (full.admitted, full.left, full.reset_ms) == (0, 0, 1000)
    assert full.headers()["X-Bapi-Limit"] == "10"
    assert limits.count(1, "order/create", "spot", 999 * MILLISECOND).limit == 20
    assert limits.count(2, "order/create", "linear", 999 * MILLISECOND).admitted == 1
    assert limits.count(1, "order/create", "linear", SECOND).admitted == 1
    assert limits.count(1, "order/create", "linear", SECOND).admitted == 0


def test_the_part_of_a_batch_over_the_limit_is_refused():
    limits = UidLimits()
    assert limits.count(1, "order/create-batch", "linear", 0, orders=8).admitted == 8
    assert limits.count(1, "order/create-batch", "linear", 1, orders=8).admitted == 2
    assert limits.count(1, "order/create", "linear", 1).admitted == 1
    assert UidLimits(0).count(1, "order/create", "linear", 0, orders=99).admitted == 99


def test_queries_have_one_limit_for_both_categories():
    limits = UidLimits()
    for no in range(50):
        assert limits.count(1, "order/realtime", ("spot", "linear")[no % 2], 0).admitted
    assert not limits.count(1, "order/realtime", "spot", 0).admitted
