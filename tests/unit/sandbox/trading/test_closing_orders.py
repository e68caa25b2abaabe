"""Orders of Bybit without a quantity, which close a position."""

from __future__ import annotations

from typing import Any

import pytest
from support.sandbox_accounts import D
from support.trading_world import SYMBOL, World
from support.venue_rows import level, trade

from arb.sandbox.events import ASK, BUY, SELL
from arb.sandbox.trading.requests import RefusalError


def test_an_order_that_closes_a_position_obeys_the_other_rules() -> None:
    world = World()
    world.show("bybit_linear", trade(BUY, 100, 1), level(ASK, 101, 50))
    world.place("bybit_linear", BUY, "4", "101")
    closing: dict[str, Any] = {"side": SELL, "quantity": None, "reduce_only": True, "closes_all": True}
    with pytest.raises(RefusalError, match="PRICE_PRECISION"):
        world.place("bybit_linear", price="99.5", **closing)
    rules = world.desk("bybit_linear").instruments[SYMBOL].rules
    rules.is_open = False
    with pytest.raises(RefusalError, match="NOT_OPEN"):
        world.place("bybit_linear", **closing)
    rules.is_open, rules.max_market_qty = True, D(3)
    assert world.place("bybit_linear", **closing).filled == 3
    assert world.place("bybit_linear", **closing).filled == 1
