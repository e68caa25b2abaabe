"""Faults that do something to accounts at once, and liquidation at the maintenance margin."""

from __future__ import annotations

from typing import Any

import pytest
from support.fault_world import FaultWorld
from support.sandbox_accounts import D
from support.trading_world import SYMBOL
from support.venue_rows import level, trade

from arb.sandbox.accounts.keys import ApiKey, KeyKind
from arb.sandbox.accounts.ledger import EntryCause
from arb.sandbox.accounts.modes import Modes
from arb.sandbox.accounts.positions import PositionSide
from arb.sandbox.events import ASK, BID, BUY, SELL
from arb.sandbox.faults import FaultKind
from arb.sandbox.matching.orders import EndReason, Prevention
from arb.sandbox.trading.events import (
    AccountEvent,
    Cause,
    Change,
    ConfigEvent,
    MarginCallEvent,
    OrderEvent,
    TransferEvent,
)
from arb.sandbox.trading.order_state import ExecutionKind, OrderStatus
from arb.sandbox.trading.requests import Reason, RefusalError
from arb.sandbox.trading.setup import AccountSetup, TradingSetup

VENUES = ("binance_spot", "binance_usdm", "bybit_spot", "bybit_linear")
PERPETUALS = ("binance_usdm", "bybit_linear")


def position(world: FaultWorld, venue: str, side: PositionSide = PositionSide.BOTH) -> Any:
    return world.account(venue).positions.get(SYMBOL, side).quantity


def poor(usdt: str) -> TradingSetup:
    """One account with USDT alone in the wallets with margin."""
    balances = {"usdm": {"USDT": D(usdt)}, "unified": {"USDT": D(usdt)}}
    return TradingSetup((AccountSetup("main", balances=balances),), ())


@pytest.mark.parametrize("venue", VENUES)
def test_somebody_places_an_order_by_hand(venue: str) -> None:
    world = FaultWorld()
    world.begin(FaultKind.FOREIGN_ORDER, venue=venue, side="sell", quantity=D(2))
    (order,) = world.desk(venue).open_orders("main")
    assert (order.side, order.price, order.quantity) == (SELL, 101, 2)
    assert order.client_id == ("web_000000000000000001" if "binance" in venue else "")
    world.begin(FaultKind.FOREIGN_ORDER, venue=venue, side="buy", quantity=D(1), price_bps=300.0)
    taken = world.desk(venue).closed_orders("main")[-1]
    assert (taken.price, taken.filled) == (101, 1)
    assert [kind for kind, _, _ in world.log] == ["foreign_order"] * 2


@pytest.mark.parametrize("venue", PERPETUALS)
def test_an_order_by_hand_opens_the_position_of_its_side_in_hedge_mode(venue: str) -> None:
    world = FaultWorld()
    world.begin(FaultKind.MODE_SWITCHED, venue=venue, field="position_mode", value="hedge")
    for side in ("buy", "sell"):
        world.begin(FaultKind.FOREIGN_ORDER, venue=venue, side=side, quantity=D(1), price_bps=300.0)
    assert position(world, venue, PositionSide.LONG) == 1
    assert position(world, venue, PositionSide.SHORT) == -1
    world.begin(FaultKind.FOREIGN_ORDER, venue=venue, side="buy", quantity=D(10**6))
    assert "refused" in world.log[-1][2]


@pytest.mark.parametrize("venue", VENUES)
def test_an_amount_is_transferred_but_no_more_than_is_free(venue: str) -> None:
    world = FaultWorld()
    world.begin(FaultKind.TRANSFER, venue=venue, asset="USDT", quantity=D("0.5"))
    assert world.funds(venue, "USDT")[0] == D("500000.5")
    world.begin(FaultKind.TRANSFER, venue=venue, asset="USDT", quantity=D(-1_000_000))
    assert world.funds(venue, "USDT")[0] == 0
    amounts = [event.amount for event in world.events if isinstance(event, TransferEvent)]
    assert amounts == [D("0.5"), D("-500000.5")]
    assert world.log[-1][2] == {"account": "main", "asset": "USDT", "quantity": "-500000.5"}


def test_a_transfer_leaves_what_orders_lock() -> None:
    world = FaultWorld()
    world.place("binance_spot", BUY, "1", "90")
    world.begin(FaultKind.TRANSFER, venue="binance_spot", asset="USDT", quantity=D(-1_000_000))
    assert world.funds("binance_spot", "USDT") == (90, 90)


@pytest.mark.parametrize("venue", PERPETUALS)
def test_modes_are_switched_by_hand_where_the_venue_allows_it(venue: str) -> None:
    world = FaultWorld()
    modes = world.account(venue).modes
    world.begin(FaultKind.MODE_SWITCHED, venue=venue, field="leverage", value="3")
    assert modes.leverage(SYMBOL) == 3
    assert [event.leverage for event in world.events if isinstance(event, ConfigEvent)] == [3]
    world.begin(FaultKind.MODE_SWITCHED, venue=venue, field="position_mode", value="hedge")
    assert modes.is_hedge
    world.begin(FaultKind.MODE_SWITCHED, venue=venue, field="margin_mode", value="isolated")
    assert modes.is_isolated(SYMBOL)
    world.place(venue, BUY, "1", "90", position_side=PositionSide.LONG)
    world.begin(FaultKind.MODE_SWITCHED, venue=venue, field="position_mode", value="one_way")
    assert modes.is_hedge
    assert world.log[-1][2] == {"account": "main", "refused": "MODE_HAS_ORDERS"}


@pytest.mark.parametrize("venue", VENUES)
def test_a_filter_changes_for_a_while(venue: str) -> None:
    world = FaultWorld()
    world.begin(FaultKind.FILTER_CHANGED, venue=venue, field="min_notional", value="1000", duration_s=5.0)
    with pytest.raises(RefusalError) as caught:
        world.place(venue, BUY, "1", "90")
    assert caught.value.reason is Reason.NOTIONAL_TOO_SMALL
    world.pass_time(5.0)
    world.place(venue, BUY, "1", "90")


def test_changes_that_overlap_end_each_at_its_time() -> None:
    world = FaultWorld(keys=(ApiKey("a", "binance", KeyKind.HMAC, "main"),))
    (key,) = world.trading.keys.of_account("main")
    rules = world.desk("binance_spot").instruments[SYMBOL].rules
    before = rules.min_notional

    def begin(value: str, duration_s: float) -> None:
        fault = {"venue": "binance_spot", "duration_s": duration_s}
        world.begin(FaultKind.FILTER_CHANGED, field="min_notional", value=value, **fault)
        world.begin(FaultKind.CANCEL_ONLY, **fault)
        world.begin(FaultKind.KEY_REVOKED, **fault)

    begin("1000", 5.0)
    world.pass_time(3.0)
    begin("2000", 5.0)
    world.pass_time(3.0)
    assert (rules.min_notional, rules.is_open, key.is_revoked) == (2000, False, True)
    begin("3000", 1.0)
    world.pass_time(1.5)
    assert (rules.min_notional, rules.is_open, key.is_revoked) == (2000, False, True)
    world.pass_time(1.0)
    assert (rules.min_notional, rules.is_open, key.is_revoked) == (before, True, False)


@pytest.mark.parametrize("venue", VENUES)
def test_only_cancellations_are_accepted_for_a_while(venue: str) -> None:
    world = FaultWorld()
    order = world.place(venue, BUY, "1", "90")
    world.begin(FaultKind.CANCEL_ONLY, venue=venue, duration_s=5.0)
    with pytest.raises(RefusalError) as caught:
        world.place(venue, BUY, "1", "90")
    assert caught.value.reason is Reason.NOT_OPEN
    assert world.cancel(order).status is OrderStatus.CANCELED
    world.pass_time(5.0)
    world.place(venue, BUY, "1", "90")


def test_keys_of_a_house_are_revoked_for_a_while_or_for_ever() -> None:
    given = [ApiKey(house, house, KeyKind.HMAC, "main") for house in ("binance", "bybit")]
    world = FaultWorld(keys=tuple(given))
    keys = world.trading.keys.of_account("main")
    world.begin(FaultKind.KEY_REVOKED, venue="binance_spot", duration_s=5.0)
    assert [key.is_revoked for key in keys] == [True, False]
    world.pass_time(5.0)
    assert not any(key.is_revoked for key in keys)
    world.begin(FaultKind.KEY_REVOKED, venue="bybit_linear", duration_s=0.0)
    world.pass_time(1e6)
    assert [key.is_revoked for key in keys] == [False, True]
    # Another sandbox may have the same setup.
    assert not any(key.is_revoked for key in given)


@pytest.mark.parametrize(
    ("mode", "maker", "taker", "filled"),
    [
        (Prevention.NONE, None, OrderStatus.FILLED, 1),
        (Prevention.EXPIRE_TAKER, None, OrderStatus.EXPIRED, 0),
        (Prevention.EXPIRE_MAKER, OrderStatus.EXPIRED, OrderStatus.EXPIRED, 0),
        (Prevention.EXPIRE_BOTH, OrderStatus.EXPIRED, OrderStatus.EXPIRED, 0),
        (Prevention.DECREMENT, None, OrderStatus.EXPIRED, 0),
    ],
)
def test_an_own_order_meets_another_by_its_mode_wherever_it_rests(
    mode: Prevention, maker: OrderStatus | None, taker: OrderStatus, filled: int
) -> None:
    world = FaultWorld()
    rules = world.desk("binance_spot").instruments[SYMBOL].rules
    rules.default_prevention = mode
    resting = world.place("binance_spot", BUY, "4", "80")
    world.begin(FaultKind.SELF_TRADE, venue="binance_spot", share=0.25)
    closed = {one.no: one for one in world.desk("binance_spot").closed_orders("main")}
    still = {one.no: one for one in world.desk("binance_spot").open_orders("main")}
    own = closed[resting.no] if maker else still[resting.no]
    assert own.status is (maker or (OrderStatus.PARTIALLY_FILLED if filled else OrderStatus.NEW))
    (other,) = (one for no, one in closed.items() if no != resting.no)
    assert (other.status, other.filled, own.filled) == (taker, filled, filled)
    if filled:
        assert own.executions[0].trade_id == other.executions[0].trade_id
        assert [own.executions[0].is_maker, other.executions[0].is_maker] == [True, False]
    for asset in ("BTC", "USDT"):
        world.funds("binance_spot", asset)
    if not maker:
        world.show("binance_spot", trade(SELL, 79, 10))
        assert world.desk("binance_spot").open_orders("main") == []
        world.funds("binance_spot", "USDT")


@pytest.mark.parametrize("venue", PERPETUALS)
@pytest.mark.parametrize("kind", [FaultKind.LIQUIDATE, FaultKind.ADL])
def test_the_venue_closes_a_position_with_an_order_of_its_own(venue: str, kind: FaultKind) -> None:
    world = FaultWorld()
    world.show(venue, trade(BUY, 100, 1))
    world.place(venue, BUY, "4", "101")
    waiting = world.place(venue, BUY, "1", "98")
    world.events.clear()
    world.begin(kind, venue=venue, share=0.5)
    assert position(world, venue) == 2
    assert world.desk(venue).open_orders("main") == []
    cancelled, order = world.desk(venue).closed_orders("main")[-2:]
    assert (cancelled.no, cancelled.end_reason) == (waiting.no, EndReason.LIQUIDATION)
    (execution,) = order.executions
    is_adl = kind is FaultKind.ADL
    assert execution.kind is (ExecutionKind.ADL if is_adl else ExecutionKind.LIQUIDATION)
    assert (order.side, order.filled, execution.price) == (SELL, 2, 99)
    prefix = ("adl_autoclose" if is_adl else "autoclose-") if "binance" in venue else ""
    assert order.client_id.startswith(prefix)
    assert bool(order.client_id) == bool(prefix)
    changes = [event.change for event in world.events if isinstance(event, OrderEvent)]
    assert changes == [Change.EXPIRED, Change.NEW, Change.CALCULATED]
    fees = world.account(venue).ledger.sums.get(
        ("usdm" if "binance" in venue else "unified", "USDT", EntryCause.LIQUIDATION_FEE), D(0)
    )
    charged = "binance" in venue and not is_adl
    assert fees == (D("-2.475") if charged else 0)  # 198 * 0.0125
    world.funds(venue, "USDT")


@pytest.mark.parametrize("venue", PERPETUALS)
def test_a_position_is_liquidated_when_its_maintenance_margin_is_reached(venue: str) -> None:
    world = FaultWorld(setup=poor("45"))
    world.show(venue, trade(BUY, 100, 1))
    world.place(venue, BUY, "4", "101")
    held = position(world, venue)
    assert held == 4
    world.show(venue, level(BID, 99, 0), level(BID, 98, 0), level(BID, 94, 50), trade(SELL, 94, 1))
    world.trading.check_positions(world.now_ns)
    assert position(world, venue) == held  # 45 - 4 * 7 is more than the maintenance of 376
    world.pass_time(1.0)
    world.show(venue, level(BID, 94, 0), level(BID, 88, 50), trade(SELL, 89, 1))
    world.trading.check_positions(world.now_ns)
    assert position(world, venue) == 0
    total, _ = world.funds(venue, "USDT")
    assert total == 0
    wallet = "usdm" if "binance" in venue else "unified"
    assert world.account(venue).ledger.sums[wallet, "USDT", EntryCause.INSURANCE] > 0
    causes = [event.cause for event in world.events if isinstance(event, AccountEvent)]
    assert Cause.LIQUIDATION in causes


@pytest.mark.parametrize("venue", PERPETUALS)
def test_a_position_is_liquidated_by_the_margin_that_queries_show(venue: str) -> None:
    """Other assets count at the mark price of their perpetual, whatever the last price on spot is."""
    balances = {wallet: {"USDT": D(45), "BTC": D(1)} for wallet in ("usdm", "unified")}
    modes = {"binance": Modes(is_multi_assets=True)}
    world = FaultWorld(setup=TradingSetup((AccountSetup("main", balances=balances, modes=modes),), ()))
    world.show(venue, trade(BUY, 100, 1))
    world.show(venue.replace("usdm", "spot").replace("linear", "spot"), trade(SELL, 1, 1))
    world.place(venue, BUY, "4", "101")
    world.show(venue, trade(SELL, 89, 1))
    margin = world.desk(venue).margin("main")
    assert margin.collateral == 89
    assert margin.cross_balance > margin.cross_maintenance
    world.trading.check_positions(world.now_ns)
    assert position(world, venue) == 4


def test_positions_are_checked_once_a_second() -> None:
    world = FaultWorld(setup=poor("45"))
    world.show("binance_usdm", trade(BUY, 100, 1))
    world.place("binance_usdm", BUY, "4", "101")
    world.trading.check_positions(world.now_ns)
    world.show("binance_usdm", trade(SELL, 89, 1))
    world.trading.check_positions(world.now_ns + 999_999_999)
    assert position(world, "binance_usdm") == 4
    world.trading.check_positions(world.now_ns + 1_000_000_000)
    assert position(world, "binance_usdm") == 0


@pytest.mark.parametrize("venue", PERPETUALS)
def test_a_margin_call_has_the_present_figures(venue: str) -> None:
    world = FaultWorld()
    world.show(venue, trade(BUY, 100, 1))
    world.begin(FaultKind.MARGIN_CALL, venue=venue)
    assert world.log == []  # nothing to call
    world.place(venue, BUY, "4", "101")
    world.begin(FaultKind.MARGIN_CALL, venue=venue)
    (event,) = (one for one in world.events if isinstance(one, MarginCallEvent))
    ((view, maintenance, unrealized),) = event.positions
    assert (view.quantity, view.mark, unrealized) == (4, 100, -4)
    assert maintenance == 400 * D("0.004" if "binance" in venue else "0.005")


def test_isolated_and_opposite_positions_are_closed_each() -> None:
    world = FaultWorld()
    world.show("binance_usdm", trade(BUY, 100, 1), level(ASK, 101, 50), level(BID, 99, 50))
    world.begin(FaultKind.MODE_SWITCHED, venue="binance_usdm", field="position_mode", value="hedge")
    world.place("binance_usdm", BUY, "3", "101", position_side=PositionSide.LONG)
    world.place("binance_usdm", SELL, "2", "99", position_side=PositionSide.SHORT)
    world.begin(FaultKind.LIQUIDATE)
    for side in (PositionSide.LONG, PositionSide.SHORT):
        assert position(world, "binance_usdm", side) == 0
    assert [kind for kind, _, _ in world.log if kind == "liquidate"] == ["liquidate"] * 2
    world.funds("binance_usdm", "USDT")
