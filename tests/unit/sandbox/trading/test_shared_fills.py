"""What one row or one match does to several orders: reduce-only orders of one position, transfers between accounts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.sandbox_accounts import D
from support.trading_world import SYMBOL, World
from support.venue_rows import level, trade

from arb.sandbox.accounts.modes import Modes
from arb.sandbox.accounts.positions import PositionSide
from arb.sandbox.events import ASK, BUY, SELL
from arb.sandbox.matching.orders import EndReason, Prevention
from arb.sandbox.trading.order_state import OrderStatus
from arb.sandbox.trading.requests import Named, Reason, RefusalError
from arb.sandbox.trading.setup import TradingSetup, usual_account

PERPETUALS = ("binance_usdm", "bybit_linear")


@pytest.mark.parametrize("venue", PERPETUALS)
@pytest.mark.parametrize("first_reduces", [True, False])
def test_a_row_that_passes_several_orders_does_not_turn_the_position(venue: str, first_reduces: bool) -> None:
    world = World()
    world.place(venue, BUY, "3", "101")
    world.place(venue, SELL, "2", "103", reduce_only=first_reduces)
    world.place(venue, SELL, "2", "104", reduce_only=True)
    world.place(venue, SELL, "3", "105", reduce_only=True)
    world.show(venue, trade(BUY, 110, 1))
    assert world.account(venue).positions.get(SYMBOL, PositionSide.BOTH).quantity == 0
    ended = [(one.filled, one.end_reason) for one in world.desk(venue).closed_orders("main")[1:]]
    assert ended == [(2, None), (1, EndReason.REDUCED), (0, EndReason.REDUCED)]


@pytest.mark.parametrize(("venue", "reason"), [("binance_usdm", EndReason.REDUCED), ("bybit_linear", None)])
def test_a_reduce_only_order_that_was_cut_ends_with_its_last_possible_fill(
    venue: str, reason: EndReason | None
) -> None:
    world = World()
    world.place(venue, BUY, "2", "101")
    reducing = world.place(venue, SELL, "2", "103", reduce_only=True)
    world.place(venue, SELL, "1", "99")  # of the other only 1 is left, also when the position grows again
    world.place(venue, BUY, "1", "101")
    world.show(venue, trade(BUY, 110, 1))
    assert world.account(venue).positions.get(SYMBOL, PositionSide.BOTH).quantity == 1
    order = world.desk(venue).order(Named("main", SYMBOL, reducing.order_id))
    assert (order.is_open, order.filled, order.end_reason) == (False, 1, reason)
    assert world.desk(venue).open_orders("main") == []


@pytest.mark.parametrize("venue", PERPETUALS)
def test_orders_against_a_side_of_hedge_mode_only_close_it(venue: str) -> None:
    modes = {"binance": Modes(is_hedge=True), "bybit": Modes(is_hedge=True, margin="REGULAR_MARGIN")}
    world = World(setup=TradingSetup((replace(usual_account(), modes=modes),), ()))
    for _ in range(2):
        world.place(venue, BUY, "1", "102", position_side=PositionSide.LONG)
    world.place(venue, SELL, "2", "103", position_side=PositionSide.LONG)
    world.place(venue, SELL, "1", "104", position_side=PositionSide.LONG)
    world.show(venue, trade(BUY, 110, 1))
    assert world.account(venue).positions.get(SYMBOL, PositionSide.LONG).quantity == 0
    assert not world.desk(venue).open_orders("main")


@pytest.mark.parametrize("venue", PERPETUALS)
def test_figures_are_judged_before_the_position(venue: str) -> None:
    with pytest.raises(RefusalError) as caught:
        World().place(venue, SELL, "0.0005", "103", reduce_only=True)
    assert caught.value.reason is Reason.QUANTITY_TOO_SMALL


def test_a_transfer_moves_what_was_prevented_between_two_accounts() -> None:
    # Scenario H of stp_faq.md.
    world = World(names=("main", "other"))
    maker = world.place("binance_spot", BUY, "0.6", "100", prevention=Prevention.TRANSFER)
    taker = world.place("binance_spot", SELL, "0.2", "100", account="other", prevention=Prevention.TRANSFER)
    assert (taker.end_reason, taker.prevented, taker.filled) == (EndReason.PREVENTED, D("0.2"), 0)
    rest = world.desk("binance_spot").order(Named("main", SYMBOL, maker.order_id))
    assert (rest.status, rest.prevented, rest.left) == (OrderStatus.NEW, D("0.2"), D("0.4"))
    assert world.funds("binance_spot", "BTC") == (D("10.2"), 0)
    assert world.funds("binance_spot", "USDT") == (D(499_980), 40)
    assert world.funds("binance_spot", "BTC", "other") == (D("9.8"), 0)
    assert world.funds("binance_spot", "USDT", "other") == (D(500_020), 0)


def test_a_taker_that_meets_several_orders_of_its_own_is_prevented_by_each() -> None:
    world = World()
    makers = [world.place("binance_spot", SELL, "0.5", price) for price in ("100", "101")]
    world.show("binance_spot", level(ASK, 101, 0), level(ASK, 102, 0))
    taker = world.place("binance_spot", BUY, "0.8", "102", prevention=Prevention.DECREMENT)
    assert (taker.end_reason, taker.prevented) == (EndReason.PREVENTED, D("0.8"))
    first, second = (world.desk("binance_spot").order(Named("main", SYMBOL, one.order_id)) for one in makers)
    assert (first.end_reason, first.prevented) == (EndReason.PREVENTED, D("0.5"))
    assert (second.status, second.prevented, second.left) == (OrderStatus.NEW, D("0.3"), D("0.2"))


def test_fills_between_two_prevented_matches_do_not_end_an_order() -> None:
    world = World()
    for price in ("100", "102"):
        world.place("binance_spot", SELL, "1", price)
    # 1 is prevented at 100, 5 and 7 are bought at 101 and 102, the last 1 is prevented at 102.
    taker = world.place("binance_spot", BUY, "14", "102", prevention=Prevention.DECREMENT)
    assert (taker.filled, taker.prevented, taker.end_reason) == (12, 2, EndReason.PREVENTED)
    ended = [(one.prevented, one.end_reason) for one in world.desk("binance_spot").closed_orders("main")]
    assert ended == [(1, EndReason.PREVENTED), (1, EndReason.PREVENTED), (2, EndReason.PREVENTED)]
    assert world.funds("binance_spot", "USDT")[1] == 0
