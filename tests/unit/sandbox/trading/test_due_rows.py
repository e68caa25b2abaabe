"""Rows before a request that are known and not yet applied, with `whole`."""

from __future__ import annotations

from support.trading_world import SYMBOL, World
from support.venue_rows import trade

from arb.sandbox.events import BUY, SELL
from arb.sandbox.trading.order_state import OrderStatus
from arb.sandbox.trading.requests import Named


def test_all_orders_are_cancelled_though_one_was_filled_meanwhile() -> None:
    world = World(matching="whole")
    world.pass_time(1)
    filled, resting = (world.place("binance_spot", BUY, "1", price) for price in ("95", "90"))
    world.now_ns += 1000
    world.show("binance_spot", trade(SELL, 94, 5))
    ended = world.desk("binance_spot").cancel_all("main", SYMBOL, world.now_ns + 1000)
    assert [(order.no, order.status) for order in ended] == [(resting.no, OrderStatus.CANCELED)]
    found = world.desk("binance_spot").order(Named("main", SYMBOL, filled.order_id))
    assert found.status is OrderStatus.FILLED
