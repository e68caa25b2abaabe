"""The order desk: what each venue accepts, refuses and ends, and what it does to funds and positions."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from support.sandbox_accounts import D
from support.trading_world import SYMBOL, World
from support.venue_rows import level, trade

from arb.sandbox.accounts.positions import PositionSide
from arb.sandbox.events import ASK, BID, BUY, SELL
from arb.sandbox.matching.orders import EndReason, Force, Prevention
from arb.sandbox.trading.events import AccountEvent, Change, DeadManEvent, OrderEvent
from arb.sandbox.trading.order_state import OrderStatus, VenueOrder
from arb.sandbox.trading.requests import Amend, Cancel, Named, OrderKind, Place, Reason, RefusalError, Replace
from arb.sandbox.trading.setup import AccountSetup, Fees, TradingSetup, usual_account
from arb.sandbox.trading.undocumented import Undocumented
from connectors.units import SECOND

VENUES = ("binance_spot", "binance_usdm", "bybit_spot", "bybit_linear")
SPOT = ("binance_spot", "bybit_spot")
PERPETUALS = ("binance_usdm", "bybit_linear")


def changes(world: World) -> list[Change]:
    return [event.change for event in world.events if isinstance(event, OrderEvent)]


def refused(world: World, venue: str, *arguments: Any, **more: Any) -> Reason:
    with pytest.raises(RefusalError) as caught:
        world.place(venue, *arguments, **more)
    return caught.value.reason


@pytest.mark.parametrize("venue", VENUES)
def test_a_taker_walks_the_levels_and_the_rest_of_its_order_waits(venue: str) -> None:
    world = World()
    order = world.place(venue, BUY, "6", "101")
    assert (order.status, order.filled, order.average) == (OrderStatus.PARTIALLY_FILLED, 5, 101)
    assert [(one.price, one.quantity, one.is_maker) for one in order.executions] == [(101, 5, False)]
    world.show(venue, trade(SELL, 100, 1))
    (done,) = world.desk(venue).closed_orders("main")
    assert (done.status, done.filled) == (OrderStatus.FILLED, 6)
    assert changes(world) == [Change.NEW, Change.TRADE, Change.TRADE]
    assert world.funds(venue, "USDT")[1] == 0


@pytest.mark.parametrize("venue", SPOT)
def test_a_purchase_on_spot_moves_both_assets_and_pays_its_fee_in_base(venue: str) -> None:
    world = World()
    world.place(venue, BUY, "2", "101")
    assert world.funds(venue, "USDT") == (500_000 - 202, 0)
    assert world.funds(venue, "BTC") == (10 + 2 - D("0.002"), 0)


@pytest.mark.parametrize("venue", SPOT)
def test_open_orders_on_spot_lock_funds_until_they_end(venue: str) -> None:
    world = World()
    bid, ask = world.place(venue, BUY, "3", "90"), world.place(venue, SELL, "4", "110")
    assert (world.funds(venue, "USDT")[1], world.funds(venue, "BTC")[1]) == (270, 4)
    assert refused(world, venue, SELL, "6.001", "110") is Reason.INSUFFICIENT_BALANCE
    world.show(venue, trade(SELL, 90, 6), level(0, 90, 0))
    world.cancel(ask)
    assert (world.funds(venue, "USDT"), world.funds(venue, "BTC")[1]) == ((500_000 - 270, 0), 0)
    assert world.desk(venue).order(Named("main", SYMBOL, bid.order_id)).status is OrderStatus.FILLED


def test_fees_in_quote_are_locked_with_the_order() -> None:
    account = AccountSetup(
        "main",
        balances={"spot": {"USDT": D("101.2")}},
        fees={"binance_spot": Fees(D("0.001"), D("0.001"), "quote")},
    )
    world = World(setup=TradingSetup((account,), ()))
    assert refused(world, "binance_spot", BUY, "1.002", "101") is Reason.INSUFFICIENT_BALANCE
    world.place("binance_spot", BUY, "1", "101")
    assert world.funds("binance_spot", "USDT") == (D("101.2") - 101 - D("0.101"), 0)
    assert world.funds("binance_spot", "BTC") == (1, 0)


@pytest.mark.parametrize("venue", SPOT)
@pytest.mark.parametrize(
    ("quantity", "fee"),
    [
        ("9.99", {"BTC": D("0.00999")}),  # 0.01 is free
        ("10", {"USDT": D("0.99")}),
    ],
)
def test_what_is_being_sold_does_not_pay_its_own_fee(
    venue: str, quantity: str, fee: dict[str, Decimal]
) -> None:
    wallet = {"binance_spot": "spot", "bybit_spot": "unified"}[venue]
    account = AccountSetup(
        "main", balances={wallet: {"BTC": D(10)}}, fees={venue: Fees(D("0.001"), D("0.001"), "BTC")}
    )
    world = World(setup=TradingSetup((account,), ()))
    world.show(venue, level(BID, 99, 20), trade(SELL, 99, 1))
    order = world.place(venue, SELL, quantity, "99")
    assert (order.status, dict(order.fees)) == (OrderStatus.FILLED, fee)
    assert world.funds(venue, "BTC")[1] == 0


@pytest.mark.parametrize("venue", SPOT)
def test_a_market_order_spends_a_value(venue: str) -> None:
    world = World()
    order = world.place(venue, BUY, None, quote_quantity=D(1000))
    # 5 at 101, the rest at 102.
    assert (order.status, order.filled, order.value) == (
        OrderStatus.FILLED,
        D("9.852"),
        D("505") + D("4.852") * 102,
    )
    assert world.funds(venue, "USDT")[1] == 0


@pytest.mark.parametrize("venue", SPOT)
def test_a_value_that_is_not_there_is_refused_even_if_whole_lots_cost_less(venue: str) -> None:
    world = World()
    value = {"quote_quantity": D("500000.01")}
    world.show(venue, level(ASK, 101, 9000))
    assert refused(world, venue, BUY, None, **value) is Reason.INSUFFICIENT_BALANCE


@pytest.mark.parametrize(
    ("venue", "force", "price", "outcome"),
    [
        ("binance_spot", Force.POST_ONLY, "101", Reason.WOULD_TAKE),
        ("binance_usdm", Force.POST_ONLY, "101", Reason.WOULD_TAKE),
        ("bybit_spot", Force.POST_ONLY, "101", EndReason.WOULD_TAKE),
        ("bybit_linear", Force.POST_ONLY, "101", EndReason.WOULD_TAKE),
        ("binance_spot", Force.FOK, "101", EndReason.FOK),
        ("binance_usdm", Force.FOK, "101", Reason.NOT_FILLABLE),
        ("bybit_linear", Force.FOK, "101", EndReason.FOK),
        ("binance_spot", Force.IOC, "100", EndReason.IOC_REST),
    ],
)
def test_orders_that_cannot_be_are_refused_or_end_as_the_venue_does_it(
    venue: str, force: Force, price: str, outcome: Reason | EndReason
) -> None:
    world = World()
    if isinstance(outcome, Reason):
        assert refused(world, venue, BUY, "6", price, force=force) is outcome
        assert changes(world) == []
    else:
        order = world.place(venue, BUY, "6", price, force=force)
        assert (order.status, order.end_reason, order.filled) == (OrderStatus.EXPIRED, outcome, 0)
        assert changes(world) == [Change.NEW, Change.EXPIRED]
    assert world.funds(venue, "USDT") == (500_000, 0)
    assert world.desk(venue).open_orders("main") == []


def test_assumptions_change_what_is_refused() -> None:
    assumed = {"binance_usdm": Undocumented(post_only_cross="expires", fok_unfilled="expires")}
    world = World(undocumented=assumed)
    order = world.place("binance_usdm", BUY, "1", "101", force=Force.POST_ONLY)
    assert order.end_reason is EndReason.WOULD_TAKE


@pytest.mark.parametrize(
    ("side", "quantity", "price", "reason"),
    [
        (BUY, "1", "100.5", Reason.PRICE_PRECISION),
        (BUY, "1.0005", "100", Reason.QUANTITY_PRECISION),
        (BUY, "0", "100", Reason.QUANTITY_TOO_SMALL),
        (BUY, "0.001", "100", Reason.NOTIONAL_TOO_SMALL),
        (BUY, "9001", "100", Reason.QUANTITY_TOO_LARGE),
        (BUY, "101", None, Reason.MARKET_QUANTITY_TOO_LARGE),
        (BUY, "1", "600", Reason.BUY_PRICE_TOO_HIGH),
        (SELL, "1", "19", Reason.SELL_PRICE_TOO_LOW),
        (BUY, "1", "1000001", Reason.PRICE_BOUNDS),
    ],
)
def test_filters_of_spot(side: int, quantity: str, price: str | None, reason: Reason) -> None:
    world = World()
    world.show("binance_spot", trade(BUY, 100, 1))
    assert refused(world, "binance_spot", side, quantity, price) is reason


def test_price_bounds_of_usdm_are_one_sided() -> None:
    world = World()
    world.show("binance_usdm", trade(BUY, 100, 1))
    assert refused(world, "binance_usdm", BUY, "1", "106") is Reason.BUY_PRICE_TOO_HIGH
    assert refused(world, "binance_usdm", SELL, "1", "94") is Reason.SELL_PRICE_TOO_LOW
    world.place("binance_usdm", BUY, "1", "50")
    world.place("binance_usdm", SELL, "1", "200")


def test_client_ids() -> None:
    world = World()
    for venue in VENUES:
        order = world.place(venue, BUY, "1", "90", client_id="mine")
        assert refused(world, venue, BUY, "1", "90", client_id="mine") is Reason.DUPLICATE_CLIENT_ID
        world.cancel(order)
        if venue.startswith("binance"):
            assert world.place(venue, BUY, "1", "90", client_id="mine").order_id != order.order_id
        else:
            assert refused(world, venue, BUY, "1", "90", client_id="mine") is Reason.DUPLICATE_CLIENT_ID


def test_unknown_orders_and_ids_that_do_not_fit() -> None:
    world = World()
    desk = world.desk("binance_spot")
    one = world.place("binance_spot", BUY, "1", "90", client_id="one")
    world.place("binance_spot", BUY, "1", "90", client_id="two")
    for named, reason in (
        (Named("main", SYMBOL, "1"), Reason.UNKNOWN_ORDER),
        (Named("main", SYMBOL, None, "three"), Reason.UNKNOWN_ORDER),
        (Named("main", SYMBOL, one.order_id, "two"), Reason.ID_MISMATCH),
        (Named("main", "ETHUSDT", one.order_id), Reason.UNKNOWN_SYMBOL),
    ):
        with pytest.raises(RefusalError) as caught:
            desk.order(named)
        assert caught.value.reason is reason
    world.cancel(one)
    prevented = world.place("binance_spot", BUY, "1", "100")
    world.place("binance_spot", SELL, "1", "100", prevention=Prevention.EXPIRE_MAKER)
    for order in (one, prevented):
        with pytest.raises(RefusalError) as caught:
            desk.cancel(Cancel("main", SYMBOL, order.order_id), world.now_ns)
        assert caught.value.reason is Reason.ORDER_CANCELED


def test_order_counts_are_given_back_by_fills_on_spot_only() -> None:
    world = World()
    for venue, most in (("binance_spot", 50), ("binance_usdm", 300)):
        for _ in range(most - 1):
            world.cancel(world.place(venue, BUY, "1", "98"))
        world.place(venue, BUY, "1", "101")
        count = world.desk(venue).order_counts("main", world.now_ns)["10S"]
        assert count == (most - 1 if venue == "binance_spot" else most)
    assert refused(world, "binance_usdm", BUY, "1", "98") is Reason.TOO_MANY_ORDERS_10S
    world.pass_time(10)
    world.place("binance_usdm", BUY, "1", "98")


def test_amendments_and_the_place_in_the_queue() -> None:
    world = World()
    desk = world.desk("binance_spot")
    order = world.place("binance_spot", BUY, "3", "99")
    smaller = desk.amend(Amend("main", SYMBOL, order.order_id, quantity=D(2), keeps_place=True), world.now_ns)
    assert (smaller.quantity, world.funds("binance_spot", "USDT")[1]) == (2, 198)
    for quantity, reason in ((D(2), Reason.NO_CHANGE), (D(4), Reason.QUANTITY_NOT_SMALLER)):
        with pytest.raises(RefusalError) as caught:
            desk.amend(
                Amend("main", SYMBOL, order.order_id, quantity=quantity, keeps_place=True), world.now_ns
            )
        assert caught.value.reason is reason
    usdm = world.desk("binance_usdm")
    order = world.place("binance_usdm", BUY, "3", "99")
    moved = usdm.amend(Amend("main", SYMBOL, order.order_id, price=D(101), quantity=D(6)), world.now_ns)
    assert (moved.filled, moved.left, moved.amendments) == (5, 1, 1)
    ended = usdm.amend(Amend("main", SYMBOL, order.order_id, price=D(101), quantity=D(5)), world.now_ns)
    assert (ended.status, ended.end_reason) == (OrderStatus.CANCELED, EndReason.AMENDED_BELOW_FILL)


def test_an_amendment_that_ends_an_order_gives_it_its_new_id() -> None:
    world = World(names=("main", "other"))
    desk = world.desk("binance_spot")
    order = world.place("binance_spot", BUY, "3", "100")
    world.place("binance_spot", SELL, "2", "100", account="other", prevention=Prevention.DECREMENT)
    change = Amend("main", SYMBOL, order.order_id, quantity=D(1), keeps_place=True, new_client_id="later")
    ended = desk.amend(change, world.now_ns)
    assert (ended.end_reason, ended.client_id) == (EndReason.AMENDED_BELOW_FILL, "later")
    assert world.funds("binance_spot", "USDT") == (500_000, 0)


def test_a_replacement_stops_at_a_failure_unless_it_may_go_on() -> None:
    world = World()
    desk = world.desk("binance_spot")
    place = Place("main", SYMBOL, BUY, *_limit("90"), quantity=D(1))
    missing = Cancel("main", SYMBOL, "1")
    stopped = desk.replace(Replace(missing, place), world.now_ns)
    assert stopped.cancel_refusal
    assert not stopped.placed
    assert not stopped.place_refusal
    placed = desk.replace(Replace(missing, place, stops_on_failure=False), world.now_ns).placed
    assert placed is not None
    both = desk.replace(Replace(Cancel("main", SYMBOL, placed.order_id), place), world.now_ns)
    assert both.cancelled
    assert both.placed
    assert world.funds("binance_spot", "USDT")[1] == 90


def _limit(price: str) -> tuple[Any, ...]:
    return OrderKind.LIMIT, Force.GTC, D(price)


@pytest.mark.parametrize("venue", PERPETUALS)
def test_a_position_is_opened_reduced_and_turned(venue: str) -> None:
    world = World()
    world.place(venue, BUY, "2", "101")
    world.place(venue, SELL, "1", "99")
    position = world.account(venue).positions.get(SYMBOL, PositionSide.BOTH)
    assert (position.quantity, position.entry, position.realized) == (1, 101, -2)
    world.place(venue, SELL, "3", "99")
    assert (position.quantity, position.entry) == (-2, 99)
    world.funds(venue, "USDT")


@pytest.mark.parametrize("venue", PERPETUALS)
def test_reduce_only_orders_never_open(venue: str) -> None:
    world = World()
    assert refused(world, venue, SELL, "1", "99", reduce_only=True) is Reason.REDUCE_ONLY
    world.place(venue, BUY, "2", "101")
    resting = world.place(venue, SELL, "2", "110", reduce_only=True)
    order = world.place(venue, SELL, "3", "99", reduce_only=True)
    assert order.filled == 2
    if venue == "bybit_linear":
        assert (order.quantity, order.status) == (2, OrderStatus.FILLED)
    else:
        assert (order.status, order.end_reason) == (OrderStatus.EXPIRED, EndReason.REDUCED)
    ended = world.desk(venue).order(Named("main", SYMBOL, resting.order_id))
    assert (ended.status, ended.end_reason) == (OrderStatus.EXPIRED, EndReason.REDUCED)
    assert world.account(venue).positions.open_positions() == []
    assert world.desk(venue).open_orders("main") == []


def test_hedge_mode_has_two_positions() -> None:
    world = World()
    desk = world.desk("binance_usdm")
    desk.modes.set_hedge("main", True)
    assert refused(world, "binance_usdm", BUY, "1", "101") is Reason.POSITION_SIDE
    world.place("binance_usdm", BUY, "2", "101", position_side=PositionSide.LONG)
    world.place("binance_usdm", SELL, "1", "99", position_side=PositionSide.SHORT)
    held = [(one.side.name, one.quantity) for one in world.account("binance_usdm").positions.open_positions()]
    assert held == [("LONG", 2), ("SHORT", -1)]
    more = {"position_side": PositionSide.LONG}
    assert refused(world, "binance_usdm", SELL, "2.5", "99", **more) is Reason.REDUCE_ONLY
    with pytest.raises(RefusalError) as caught:
        desk.modes.set_hedge("main", False)
    assert caught.value.reason is Reason.MODE_HAS_POSITION


def test_margin_bounds_new_orders() -> None:
    account = AccountSetup("main", balances={"unified": {"USDT": D(1000)}})
    world = World(setup=TradingSetup((account,), ()))
    desk = world.desk("bybit_linear")
    world.place("bybit_linear", BUY, "99", "98")
    assert desk.margin("main").order_margin == D("970.2")
    assert refused(world, "bybit_linear", BUY, "5", "98") is Reason.INSUFFICIENT_MARGIN
    with pytest.raises(RefusalError) as caught:
        desk.modes.set_leverage("main", SYMBOL, 9, world.now_ns)
    assert caught.value.reason is Reason.LEVERAGE_MARGIN
    desk.modes.set_leverage("main", SYMBOL, 20, world.now_ns)
    world.place("bybit_linear", BUY, "5", "98")


def test_orders_of_one_trade_group_do_not_meet() -> None:
    world = World(names=("main", "other"))
    maker = world.place("binance_spot", SELL, "1", "100", account="other")
    order = world.place("binance_spot", BUY, "1", "100", prevention=Prevention.EXPIRE_TAKER)
    assert (order.status, order.end_reason) == (OrderStatus.EXPIRED, EndReason.PREVENTED)
    order = world.place("binance_spot", BUY, "1", "100", prevention=Prevention.DECREMENT)
    assert (order.end_reason, order.prevented, order.filled) == (EndReason.PREVENTED, 1, 0)
    ended = world.desk("binance_spot").order(Named("other", SYMBOL, maker.order_id))
    assert (ended.end_reason, ended.prevented) == (EndReason.PREVENTED, 1)
    assert world.funds("binance_spot", "BTC", "other") == (10, 0)


def test_an_order_may_ask_for_no_prevention_where_that_is_not_the_default() -> None:
    world = World()
    world.place("binance_usdm", SELL, "1", "100")
    order = world.place("binance_usdm", BUY, "1", "100", prevention=Prevention.NONE)
    assert (order.status, order.prevention) == (OrderStatus.FILLED, Prevention.NONE)


def test_prices_of_usdm_are_bounded_on_the_side_that_could_take() -> None:
    world = World()
    world.show("binance_usdm", trade(BUY, 100, 1))
    assert refused(world, "binance_usdm", BUY, "1", "106") is Reason.BUY_PRICE_TOO_HIGH
    assert refused(world, "binance_usdm", SELL, "1", "94") is Reason.SELL_PRICE_TOO_LOW
    assert world.place("binance_usdm", SELL, "1", "150").is_open
    assert world.place("binance_usdm", BUY, "1", "50").is_open


def test_accounts_of_different_groups_trade_with_each_other() -> None:
    accounts = (usual_account("main"), AccountSetup("other", 2, balances={"spot": {"BTC": D(1)}}))
    world = World(setup=TradingSetup(accounts, ()))
    world.place("binance_spot", SELL, "1", "100", account="other")
    order: VenueOrder = world.place("binance_spot", BUY, "1", "101")
    assert (order.status, order.average) == (OrderStatus.FILLED, 100)
    assert world.funds("binance_spot", "USDT", "other") == (D("99.9"), 0)
    (sold,), (bought,) = (world.desk("binance_spot").executions(name) for name in ("other", "main"))
    assert (sold.trade_id, sold.is_maker, bought.is_maker) == (bought.trade_id, True, False)


def test_the_countdown_of_usdm_cancels_all_orders_of_its_symbol() -> None:
    world = World()
    order = world.place("binance_usdm", BUY, "1", "90")
    world.trading.count_down("main", SYMBOL, 5 * SECOND, world.now_ns)
    world.pass_time(4.9)
    world.trading.count_down("main", SYMBOL, 5 * SECOND, world.now_ns)
    world.pass_time(4.9)
    assert world.desk("binance_usdm").open_orders("main")
    world.pass_time(0.2)
    ended = world.desk("binance_usdm").order(Named("main", SYMBOL, order.order_id))
    assert (ended.status, ended.end_reason) == (OrderStatus.CANCELED, EndReason.DEAD_MAN)


def test_disconnect_protection_waits_for_the_last_connection() -> None:
    world = World()
    world.place("bybit_linear", BUY, "1", "90")
    protection = world.trading.protection("main", "bybit_linear")
    protection.window_ns = 10 * SECOND
    protection.connect("a")
    protection.connect("b")
    protection.disconnect("a", world.now_ns)
    world.pass_time(20)
    protection.disconnect("b", world.now_ns)
    world.pass_time(9)
    assert world.desk("bybit_linear").open_orders("main")
    world.pass_time(2)
    assert not world.desk("bybit_linear").open_orders("main")
    assert sum(isinstance(event, DeadManEvent) for event in world.events) == 1


@pytest.mark.parametrize("venue", PERPETUALS)
def test_funding_is_paid_once_at_the_mark_price(venue: str) -> None:
    world = World()
    world.place(venue, BUY, "2", "101")
    world.show(venue, trade(BUY, 110, 1))
    before = world.funds(venue, "USDT")[0]
    world.pass_time(8 * 3600)
    world.pass_time(60)
    assert world.funds(venue, "USDT")[0] == before - D("2") * 110 * D("0.0001")
    (paid,) = [event for event in world.events if isinstance(event, AccountEvent) and event.funding]
    assert (paid.symbol, paid.funding.fee_rate if paid.funding else None) == (SYMBOL, D("0.0001"))


def test_funding_is_paid_after_the_requests_of_its_time() -> None:
    world = World()
    world.show("binance_usdm", trade(BUY, 100, 1))
    world.pass_time(8 * 3600 - 1)
    order = world.place("binance_usdm", BUY, "1", "101")
    assert not [event for event in world.events if isinstance(event, AccountEvent) and event.funding]
    world.pass_time(0.001)
    (paid,) = [event.funding for event in world.events if isinstance(event, AccountEvent) and event.funding]
    assert (paid.at_ns, paid.fee) == (order.created_ns, D("0.01"))


def test_a_market_order_finds_nothing_in_an_empty_book() -> None:
    world = World()
    world.show("binance_spot", level(ASK, 101, 0), level(ASK, 102, 0))
    order = world.place("binance_spot", BUY, "1")
    assert (order.status, order.end_reason) == (OrderStatus.EXPIRED, EndReason.NO_LIQUIDITY)
    assert world.funds("binance_spot", "USDT") == (500_000, 0)
