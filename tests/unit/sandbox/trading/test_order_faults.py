"""Faults of requests, events and new orders: what they meet, and what queries and listeners get instead."""

from __future__ import annotations

import pytest
from support.fault_world import FaultWorld
from support.sandbox_accounts import D
from support.trading_world import SYMBOL

from arb.sandbox.events import BUY, SELL
from arb.sandbox.faults import FaultKind
from arb.sandbox.matching.orders import EndReason, Force
from arb.sandbox.trading.events import AccountEvent, Event, OrderEvent, event_name
from arb.sandbox.trading.order_faults import Request
from arb.sandbox.trading.order_state import OrderStatus, VenueOrder
from arb.sandbox.trading.requests import Named, Reason, RefusalError

VENUES = ("binance_spot", "binance_usdm", "bybit_spot", "bybit_linear")


def request(**given: str) -> Request:
    usual = {
        "venue": "binance_spot",
        "account": "main",
        "what": "place",
        "symbol": SYMBOL,
        "client_id": "arb-1",
    }
    return Request(**usual | given)


def is_found(world: FaultWorld, order: VenueOrder) -> bool:
    named = Named("main", SYMBOL, order.order_id)
    try:
        world.desk(order.venue).order(named)
    except RefusalError as refusal:
        return refusal.reason is not Reason.UNKNOWN_ORDER
    return True


def received(world: FaultWorld, venue: str) -> list[str]:
    """Names of the events that a listener gets from now on."""
    names: list[str] = []

    def note(event: Event) -> None:
        names.append(event_name(event))

    world.trading.listen(venue, "main", note)
    return names


def test_faults_that_are_over_are_not_kept() -> None:
    world = FaultWorld()
    waiting = world.begin(FaultKind.REJECT, order="other")
    for _ in range(20):
        world.begin(FaultKind.REJECT)
        world.begin(FaultKind.USER_SILENT, venue="bybit*", duration_s=1.0)
        assert world.trading.faults.meet(request(), world.now_ns) is not None
        world.pass_time(1.0)
    assert len(world.trading.faults._begun) <= 3
    assert waiting.no in world.trading.faults._begun


def test_a_request_fault_meets_the_next_matching_requests() -> None:
    world = FaultWorld()
    world.begin(FaultKind.REJECT, request="place", order="arb-*", symbol=SYMBOL, count=2, code=-2010)
    meet = world.trading.faults.meet
    for other in ({"what": "query"}, {"client_id": "web_1"}, {"symbol": "ETHUSDT"}):
        assert meet(request(**other), world.now_ns) is None
    for _ in range(2):
        fault = meet(request(), world.now_ns)
        assert fault is not None
        assert fault.code == -2010
    assert meet(request(), world.now_ns) is None
    effect = {"account": "main", "request": "place", "symbol": SYMBOL, "order": "arb-1"}
    assert world.log == [("reject", "binance_spot", effect)] * 2


@pytest.mark.parametrize("venue", VENUES)
def test_an_order_is_not_found_until_it_is_visible_and_can_be_cancelled(venue: str) -> None:
    world = FaultWorld()
    world.begin(FaultKind.NOT_VISIBLE, delay_s=2.0)
    order, later = (world.place(venue, BUY, "1", "90") for _ in range(2))
    assert not is_found(world, order)
    assert is_found(world, later)
    assert [one.no for one in world.desk(venue).open_orders("main")] == [later.no]
    assert {one.no for one in world.desk(venue).open_orders("main", all=True)} == {order.no, later.no}
    world.pass_time(1.9)
    assert not is_found(world, order)
    world.pass_time(0.1)
    assert is_found(world, order)
    assert world.cancel(order).status is OrderStatus.CANCELED


@pytest.mark.parametrize("venue", VENUES)
def test_a_finished_ioc_order_is_pruned_for_ever_but_its_executions_are_not(venue: str) -> None:
    world = FaultWorld()
    world.begin(FaultKind.PRUNED)
    resting = world.place(venue, BUY, "1", "90")
    order = world.place(venue, BUY, "1", "101", force=Force.IOC)
    world.pass_time(3600.0)
    assert is_found(world, resting)
    assert not is_found(world, order)
    assert world.desk(venue).closed_orders("main") == []
    assert [one.order_id for one in world.desk(venue).executions("main")] == [order.order_id]


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize(
    ("force", "price", "reason"),
    [
        (Force.GTC, "101", EndReason.VENUE),
        (Force.IOC, "102", EndReason.IOC_REST),
        (Force.IOC, None, EndReason.IOC_REST),
    ],
)
def test_a_part_is_filled_and_the_rest_expires(
    venue: str, force: Force, price: str | None, reason: EndReason
) -> None:
    world = FaultWorld()
    world.begin(FaultKind.PARTIAL_THEN_EXPIRE, share=0.25)
    resting = world.place(venue, BUY, "4", "90")  # takes nothing: the fault waits
    assert resting.status is OrderStatus.NEW
    order = world.place(venue, BUY, "4", price, force=force)
    assert (order.status, order.end_reason) == (OrderStatus.EXPIRED, reason)
    assert (order.filled, order.quantity) == (1, 4)
    assert world.log == [
        (
            "partial_then_expire",
            venue,
            {
                "account": "main",
                "symbol": SYMBOL,
                "order": order.client_id,
                "order_id": order.order_id,
                "filled": "1.000",
            },
        )
    ]
    world.cancel(resting)
    assert world.funds(venue, "USDT")[1] == 0


def test_events_are_duplicated_reordered_delayed_and_lost() -> None:
    world = FaultWorld()
    names = received(world, "binance_spot")
    world.begin(FaultKind.DUPLICATE_EVENT, event="order:new")
    order = world.place("binance_spot", BUY, "1", "90")
    assert names == ["order:new", "order:new", "account:order"]
    names.clear()
    world.begin(FaultKind.REORDER_EVENT, event="order:canceled")
    world.cancel(order)
    assert names == ["account:order", "order:canceled"]
    names.clear()
    world.begin(FaultKind.LATE_EVENT, event="order:*", delay_s=1.5)
    world.place("binance_spot", BUY, "1", "101")
    assert names == ["order:trade", "account:order"]
    world.pass_time(1.5)
    assert names == ["order:trade", "account:order", "order:new"]
    names.clear()
    world.begin(FaultKind.USER_SILENT, duration_s=3.0)
    world.place("binance_spot", BUY, "1", "101")
    world.pass_time(3.0)
    assert names == []
    world.place("binance_spot", SELL, "1", "99")
    assert names == ["order:new", "order:trade", "account:order"]


@pytest.mark.parametrize("venue", VENUES)
def test_balances_are_shown_as_they_were(venue: str) -> None:
    world = FaultWorld()
    names = received(world, venue)
    world.begin(FaultKind.BALANCE_LAG, delay_s=2.0, duration_s=10.0)
    before = world.account(venue).wallet(venue).total("USDT")
    world.pass_time(1.0)
    world.place(venue, BUY, "1", "101", force=Force.IOC)
    real = world.trading.accounts[venue.partition("_")[0]]["main"].wallet(venue).total("USDT")
    assert real < before
    assert "account:order" not in names
    world.pass_time(1.9)
    assert world.account(venue).wallet(venue).total("USDT") == before
    world.pass_time(0.1)
    assert world.account(venue).wallet(venue).total("USDT") == real
    assert "account:order" in names
    world.pass_time(8.0)
    world.place(venue, BUY, "1", "102", force=Force.IOC)
    assert world.account(venue).wallet(venue).total("USDT") < real


def test_a_connection_is_cut_right_after_the_next_accepted_order() -> None:
    world = FaultWorld()
    cut: list[str] = []
    world.trading.faults.strike = lambda scheduled, venue, now_ns: cut.append(venue)
    world.begin(FaultKind.TRADE_LOST, venue="binance_usdm", after_order=True)
    world.place("binance_spot", BUY, "1", "90")
    assert cut == []
    for _ in range(2):
        world.place("binance_usdm", BUY, "1", "98")
    assert cut == ["binance_usdm"]


def test_without_faults_events_pass_unchanged() -> None:
    world = FaultWorld()
    event = AccountEvent("binance_spot", "main", world.now_ns, None)  # type: ignore[arg-type]
    assert world.trading.faults.sent(event, world.now_ns) == [(event, 0)]
    world.place("binance_spot", BUY, "1", "101")
    assert [type(one) for one in world.events] == [OrderEvent, OrderEvent, AccountEvent]
    assert world.funds("binance_spot", "BTC")[0] == 11 - D("0.001")
