"""What no document of Bybit says: both behaviours that the accounts file can name."""

from __future__ import annotations

import pytest
from support.bybit_doors import Doors

CATEGORIES = ("linear", "spot")


@pytest.mark.parametrize(("assumed", "codes"), [("expires", (0, 0)), ("refused", (10001, 170218))])
def test_what_is_assumed_of_post_only_orders(assumed, codes):
    doors = Doors(post_only_cross=assumed)
    for category, code in zip(CATEGORIES, codes, strict=True):
        _, ask = doors.touch(category)
        assert doors.place(category, timeInForce="PostOnly", price=str(ask))["retCode"] == code


@pytest.mark.parametrize("is_shared", [False, True])
def test_what_is_assumed_of_the_limit_of_an_address(is_shared):
    doors = Doors(shared_ip_limit=is_shared)
    for _ in range(600):
        doors.raw("GET", "/v5/market/time", {}, key=None, venue="bybit_spot")
    assert doors.raw("GET", "/v5/market/time", {}, key=None, venue="bybit_spot").status == 403
    other = doors.raw("GET", "/v5/market/time", {}, key=None, venue="bybit_linear")
    assert other.status == (403 if is_shared else 200)


@pytest.mark.parametrize("keeps", [False, True])
def test_what_is_assumed_of_an_amendment_to_a_smaller_quantity(keeps):
    doors = Doors(amend_smaller_keeps=keeps)
    order_id = doors.place()["result"]["orderId"]
    ahead = next(iter(doors.trading.desks["bybit_linear"].instruments["BTCUSDT"].resting.values()))[1]
    arrived = ahead.arrived_ns
    doors.advance(0.1)
    named = {"category": "linear", "symbol": "BTCUSDT", "orderId": order_id}
    assert doors.ask("POST", "/v5/order/amend", named | {"qty": "0.005"})["retCode"] == 0
    assert (ahead.arrived_ns == arrived) == keeps


def test_requests_a_second_of_one_address_by_websocket():
    doors = Doors()
    trade = doors.socket("/v5/trade")
    for _ in range(3000):
        trade.send({"op": "order.create"})
    assert trade.operate("order.create", {"category": "linear"})["retCode"] == 10403
    doors.advance(1.01)
    assert trade.operate("order.create", {"category": "linear"})["retCode"] == 10001
