"""The gate: what each limit refuses, what passes all the same, and steps that are decided as one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.gates import LIMITS, PERP, SPOT, START_NS, cancel, executed, gate, held, request

from arb.risk.gate import STOPPED_NS, Gate, GateLimits, GateRequest
from arb.risk.refusals import Part
from connectors.orders.limits import LimitKind, LimitUse
from connectors.orders.model import Act
from connectors.units import MILLISECOND, SECOND


def reason(made: Gate, one: GateRequest, now_ns: int = START_NS) -> str:
    return made.decide([one], now_ns)[0]


def supervised(made: Gate) -> None:
    made.supervised = "supervisor stale: no data"


def halted(made: Gate) -> None:
    made.halted = "by hand"


def venue_halted(made: Gate) -> None:
    made.venues["binance_spot"].halted = "too many losses"


def unsynced(made: Gate) -> None:
    made.venues["binance_spot"].is_synced = False


def in_doubt(made: Gate) -> None:
    made.venues["binance_spot"].doubts = 1


def untraded(made: Gate) -> None:
    made.close_symbol(0, START_NS)


def unknown_balance(made: Gate) -> None:
    made.exposure.balances.clear()


def half_used(made: Gate) -> None:
    use = LimitUse(LimitKind.ORDERS, 10 * SECOND, used=20, most=40)
    made.budgets["binance_spot"].report(use, START_NS)


def all_used(made: Gate) -> None:
    use = LimitUse(LimitKind.ORDERS, 10 * SECOND, used=37, most=40)
    made.budgets["binance_spot"].report(use, START_NS)


def banned(made: Gate) -> None:
    made.budgets["binance_spot"].ban(START_NS + SECOND)


def refused_thrice(made: Gate) -> None:
    for part in (Part.OPENING, Part.REDUCING):
        for _ in range(3):
            made.closed.refused(0, part, "-2010", START_NS - 1)


def nothing(made: Gate) -> None: ...


#: State of the gate, request, why an order that opens is refused ("" passes), and one that reduces.
CASES: dict[str, tuple[Callable[[Gate], object], GateRequest, str, str]] = {
    "an order within all limits": (nothing, request(), "", ""),
    "at the edge of the band": (nothing, request(tick=10_050), "", ""),
    "beyond the band": (nothing, request(tick=10_051), "band: 51 bps from the touch, at most 50", "beyond the band"),
    "far on the side that waits": (nothing, request(tick=5_000), "", ""),
    "no price": (nothing, request(tick=0), "no price above zero", "no price above zero"),
    "no touch": (nothing, request(ask=0), "the touch is not known", "the touch is not known"),
    "a market order without a touch": (nothing, request(ask=0, is_market=True), "the touch", "the touch"),
    "no whole number of lots": (nothing, request(lots=-1), "no whole number", "no whole number"),
    "value below the minimum": (nothing, request(lots=4), "value below the venue's minimum: 5", "value below"),
    "an id twice": (lambda made: made.decide([request()], START_NS), request(), "the id belongs", "the id belongs"),
    "value of an order": (nothing, request(lots=2_001), "live.max_notional: 2000", ""),
    "value of a day": (
        lambda made: made.exposure.add_traded(19_950.0, START_NS), request(), "live.max_daily_notional", "",
    ),
    "too little quote": (
        lambda made: made.exposure.set_balances("binance_spot", {"USDT": 100.0}), request(), "not enough USDT: 0.1", "",
    ),
    "an unknown balance": (unknown_balance, request(), "the balance is not known", ""),
    "a halted session": (halted, request(), "halted: by hand", ""),
    "a halted account": (venue_halted, request(), "halted: too many losses", ""),
    "a rule of the supervisor": (supervised, request(), "supervisor stale: no data", ""),
    "a stream that is away": (unsynced, request(), "not up", ""),
    "an order in doubt": (in_doubt, request(), "an order is in doubt", ""),
    "a symbol that is not traded": (untraded, request(), "does not trade the symbol", ""),
    "half of a limit used": (half_used, request(), "no room in the venue's limits", ""),
    "nine tenths used": (all_used, request(), "no room in the venue's limits", "no room"),
    "a ban": (banned, request(), "the venue limits requests", "the venue limits requests"),
    "refusals in a row": (refused_thrice, request(), "closed for a while after refusals: -2010", "closed for"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_orders_that_open(name: str) -> None:
    prepare, one, why, _ = CASES[name]
    made = gate()
    prepare(made)
    before = len(made.exposure.states[0].orders)
    found = reason(made, one)
    assert why in found
    assert bool(found) == bool(why)
    assert len(made.exposure.states[0].orders) == before + (not why)


@pytest.mark.parametrize("name", CASES)
def test_orders_that_reduce_are_bounded_by_what_they_reduce(name: str) -> None:
    prepare, one, _, why = CASES[name]
    made = held(gate(), 0, -5_000)
    prepare(made)
    found = reason(made, one)
    assert why in found
    assert bool(found) == bool(why)


@pytest.mark.parametrize("name", [name for name in CASES if name != "a ban"])
def test_cancellations_pass(name: str) -> None:
    made = gate()
    made.decide([request(no=77)], START_NS)
    CASES[name][0](made)
    assert reason(made, cancel(0, 78, 77)) == ""


def test_a_ban_stops_cancellations_to_the_nanosecond() -> None:
    made = gate()
    banned(made)
    assert reason(made, cancel(0, 2, 1), START_NS + SECOND - 1) == "the venue limits requests"
    assert reason(made, cancel(0, 2, 1), START_NS + SECOND) == ""
    assert reason(made, request(), START_NS + SECOND) == ""


def test_cancellations_that_the_venue_refuses_again_and_again_wait() -> None:
    made = gate()
    for _ in range(3):
        made.closed.refused(0, Part.CANCEL, "-1021", START_NS)
    assert reason(made, cancel(0, 2, 1)) == "closed for a while after refusals: -1021"
    assert reason(made, cancel(1, 2, 1)) == reason(made, request()) == ""
    assert reason(made, cancel(0, 2, 1), START_NS + 100 * MILLISECOND) == ""


def test_orders_that_go_with_one_that_cannot_be_sent_are_taken_back() -> None:
    made = gate()
    assert made.decide([request(0), request(1, side=-1, tick=9_999)], START_NS) == ["", ""]
    assert made.withdraw([1], START_NS) == [0]
    assert made.exposure.free("binance_spot", "USDT") == 10_000.0
    # Those that hedge, or are alone, go without it.
    held(made, 0, 300)
    made.decide([request(0, no=2), request(1, side=-1, no=3)], START_NS)
    assert made.withdraw([0], START_NS) == []


def test_a_closed_symbol_is_tried_again_after_a_minute() -> None:
    made = gate()
    untraded(made)
    made.beat(START_NS + 58 * SECOND)
    assert "does not trade" in reason(made, request(), START_NS + 60 * SECOND - 1)
    assert reason(made, request(1)) == ""
    assert reason(made, request(), START_NS + 60 * SECOND) == ""


def test_a_sale_below_the_bid_counts_with_the_bid() -> None:
    assert "max_notional" in reason(gate(), request(side=-1, tick=9_960, lots=2_001))
    assert reason(gate(), request(side=-1, tick=9_950, lots=2_000)) == ""
    assert "beyond the band" in reason(gate(), request(side=-1, tick=9_948))


def test_a_market_order_counts_with_the_edge_of_the_band() -> None:
    assert "max_notional" in reason(gate(), request(lots=1_995, is_market=True, tick=0))
    assert reason(gate(), request(lots=1_990, is_market=True, tick=0)) == ""


@pytest.mark.parametrize(
    ("side", "bound"),
    # Half a percent beyond an ask of 10,000 and a bid of 9,999 ticks, rounded towards them.
    [(1, 10_050), (-1, 9_950)],
)
def test_a_market_order_is_sent_with_the_edge_of_the_band_as_its_price(side: int, bound: int) -> None:
    made = held(gate(), 0, 4_950)
    assert made.decide([request(side=side, tick=0, is_market=True)], START_NS) == [""]
    assert made.bounds == [(0, bound)]
    # As any order that takes: the next price beyond is refused.
    assert "beyond the band" in reason(made, request(side=side, tick=bound + side, no=2))
    assert reason(made, request(side=side, tick=bound, no=3)) == ""


def test_only_market_orders_that_pass_have_a_bound() -> None:
    made = gate()
    step = [
        request(no=1),
        request(no=2, tick=0, is_market=True, ask=0),
        request(no=3, tick=0, is_market=True),
    ]
    assert made.decide(step, START_NS)[1] != ""
    assert made.bounds == [], "the orders of a step go together"
    assert made.decide([request(no=4, tick=0, is_market=True)], START_NS) == [""]
    assert made.bounds == [(0, 10_050)]
    assert made.decide([request(no=5)], START_NS) == [""]
    assert made.bounds == []


def test_a_market_sale_has_to_be_worth_the_minimum_at_the_price_that_it_is_sent_with() -> None:
    """51 lots are worth 5.09 at the bid of 99.9, and 4.97 at 97.4."""
    spot = SPOT._replace(lot_size=0.001, notional_min=5.0)
    wide = GateLimits(price_band_bps=260.0)
    ticks = {"bid": 999, "ask": 1_000}
    made = gate(wide, legs=(spot, PERP))
    why = reason(made, request(side=-1, lots=51, tick=0, is_market=True, **ticks))
    assert why == "value below the venue's minimum: 5"
    assert reason(made, request(side=-1, lots=52, tick=0, is_market=True, **ticks)) == ""


def test_without_a_band_a_market_order_is_sent_as_it_is() -> None:
    made = gate(GateLimits())
    assert made.decide([request(tick=0, is_market=True)], START_NS) == [""]
    assert made.bounds == []


def test_without_limits_only_venue_and_balance_count() -> None:
    assert reason(gate(GateLimits()), request(tick=20_000, lots=4_900)) == ""
    assert "not enough" in reason(gate(GateLimits()), request(tick=20_000, lots=5_000))


def test_least_quantity_of_a_perpetual_and_its_position() -> None:
    assert "quantity below the venue's minimum: 0.002" in reason(gate(), request(1, lots=1))
    made = held(gate(), 1, 4_950)
    assert "position beyond its limit: 5" in reason(made, request(1, lots=100))
    assert reason(made, request(1, lots=50)) == ""
    assert "position beyond" in reason(made, request(1, lots=50, no=2))
    assert reason(made, request(1, side=-1, lots=3_000, no=3)) == ""


def test_funds_of_all_open_orders_are_reserved_with_fees() -> None:
    made = gate(LIMITS._replace(max_notional=0.0, max_daily_notional=0.0))
    for no in range(1, 10):
        assert reason(made, request(lots=1_000, no=no)) == ""
    assert "not enough USDT: 10 " in reason(made, request(lots=1_000, no=10))
    assert reason(made, request(lots=900, no=11)) == ""
    made.exposure.remove(0, 3)
    assert reason(made, request(lots=1_000, no=12)) == ""


def test_base_of_sales_is_reserved() -> None:
    made = gate()
    assert reason(made, request(side=-1, lots=2_000)) == ""
    assert "not enough BTC: 0.001 " in reason(made, request(side=-1, lots=1_001, no=2))
    assert reason(made, request(side=-1, lots=1_000, no=3)) == ""


def test_margin_is_of_the_larger_side_and_frees_what_reduces() -> None:
    made = gate(LIMITS._replace(max_notional=0.0, max_daily_notional=0.0))
    assert reason(made, request(1, lots=4_000)) == ""  # 4,000 of value are 2,000 of margin, and 2 of fees
    assert (
        reason(made, request(1, side=-1, tick=9_999, lots=4_000, no=2)) == ""
    )  # the other side ties up nothing more
    executed(made, 1, 1, START_NS)
    made.exposure.remove(1, 2)
    assert made.exposure.free("bybit", "USDT") == pytest.approx(5_000.0 - 2_000.0)
    assert reason(made, request(1, side=-1, tick=9_999, lots=4_000, no=3)) == ""
    assert made.exposure.free("bybit", "USDT") == pytest.approx(3_000.0 - 2.0, abs=0.01)


def test_the_price_of_a_reducing_order_without_a_touch_is_banded_around_its_reference() -> None:
    made = held(gate(), 0, -500)
    assert reason(made, request(tick=10_050, bid=0, ask=0, reference_tick=10_000)) == ""
    assert "beyond" in reason(made, request(tick=10_051, bid=0, ask=0, reference_tick=10_000, no=2))
    assert "touch is not known" in reason(gate(), request(bid=0, ask=0, reference_tick=10_000))


def test_without_a_reference_the_last_touch_counts() -> None:
    made = held(gate(), 0, -500)
    assert reason(made, request(lots=100)) == ""
    assert reason(made, request(tick=10_050, bid=0, ask=0, no=2)) == ""
    assert "beyond" in reason(made, request(tick=10_100, bid=0, ask=0, no=3))


def test_a_hedge_reduces_the_imbalance_of_its_group_and_no_more() -> None:
    made = held(gate(), 0, 300)
    halted(made)
    assert "halted" in reason(made, request(1, side=1))
    assert "halted" in reason(made, request(1, side=-1, lots=301))
    assert reason(made, request(1, side=-1, lots=200)) == ""
    assert "halted" in reason(made, request(1, side=-1, lots=101, no=2))
    assert reason(made, request(1, side=-1, lots=100, no=3)) == ""


def test_two_hedges_of_one_step_are_not_more_than_the_imbalance() -> None:
    made = held(gate(), 0, 300)
    halted(made)
    reasons = made.decide([request(1, side=-1, lots=200), request(1, side=-1, lots=200, no=2)], START_NS)
    assert [bool(one) for one in reasons] == [False, True]


def test_legs_of_another_group_are_no_hedge() -> None:
    made = held(gate(legs=(SPOT, PERP._replace(group=1))), 0, 300)
    halted(made)
    assert "halted" in reason(made, request(1, side=-1))


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_both_legs_pass_or_none(order: tuple[int, int]) -> None:
    made = gate()
    pair = [request(0, lots=1_000), request(1, side=-1, tick=9_999, lots=1)]
    first = made.decide([pair[no] for no in order], START_NS)
    assert [one.startswith("another leg") for one in first] == [no == 0 for no in order]
    assert "quantity below" in "".join(first)
    assert made.exposure.free("binance_spot", "USDT") == 10_000.0
    assert made.budgets["binance_spot"].used(LimitKind.ORDERS, START_NS) == [(10 * SECOND, 0, 40)]
    pair[1] = pair[1]._replace(lots=1_000)
    assert made.decide(pair, START_NS) == ["", ""]
    assert made.exposure.free("binance_spot", "USDT") == pytest.approx(10_000.0 - 1_001.0)


def test_the_second_leg_is_judged_with_the_first_one_reserved() -> None:
    made = gate(legs=(SPOT, SPOT))
    made.exposure.set_balances("binance_spot", {"USDT": 1_500.0})
    reasons = made.decide([request(0, lots=1_000), request(1, lots=1_000)], START_NS)
    assert "another leg is refused: not enough USDT" in reasons[0]
    assert "not enough USDT: 502 missing" in reasons[1]


def test_legs_that_close_together_are_refused_together() -> None:
    made = held(held(gate(), 0, 100), 1, -100)
    banned(made)
    reasons = made.decide([request(0, side=-1), request(1, side=1)], START_NS)
    assert reasons == ["the venue limits requests", "another leg is refused: the venue limits requests"]


def test_a_hedge_goes_without_the_orders_that_open() -> None:
    made = held(gate(), 0, 300)
    halted(made)
    reasons = made.decide([request(0), request(1, side=-1, lots=300, no=2)], START_NS)
    assert [bool(one) for one in reasons] == [True, False]


def test_orders_that_reduce_are_decided_before_those_that_open() -> None:
    made = held(gate(most=2), 0, -100)
    reasons = made.decide([request(0, lots=900), request(0, lots=100, no=2)], START_NS)
    assert [bool(one) for one in reasons] == [True, False]


def test_a_change_reserves_the_larger_of_old_and_new() -> None:
    made = gate()
    made.decide([request(lots=1_000)], START_NS)
    change = request(act=Act.AMEND, lots=1_500, order_id=1, no=2)
    assert reason(made, change) == ""
    assert made.exposure.states[0].buy_lots == 1_500
    made.exposure.changed(0, 1, 10_000, 1_000, is_amended=True)
    assert made.exposure.states[0].buy_lots == 1_000
    assert reason(made, change._replace(lots=500)) == ""
    assert made.exposure.states[0].buy_lots == 1_000
    made.exposure.changed(0, 1, 10_000, 500, is_amended=True)
    assert made.exposure.states[0].buy_lots == 500


def test_a_change_that_is_refused_leaves_the_order_as_it_was() -> None:
    made = gate()
    made.decide([request(lots=1_000)], START_NS)
    assert "max_notional" in reason(made, request(act=Act.AMEND, lots=2_500, order_id=1, no=2))
    assert made.exposure.states[0].buy_lots == 1_000
    assert "no such order" in reason(made, request(act=Act.AMEND, order_id=9, no=3))


def test_a_stopped_process_sends_nothing_before_it_has_reconciled() -> None:
    made = held(gate(), 0, -500)
    assert made.beat(START_NS)
    assert reason(made, request(), START_NS + STOPPED_NS) == ""
    later = START_NS + 2 * STOPPED_NS + 1
    assert "was stopped" in reason(made, request(no=2), later)
    assert "was stopped" in reason(made, request(no=2), later + MILLISECOND)
    assert not made.beat(later + MILLISECOND)
    assert reason(made, cancel(0, 3, 1), later) == ""
    made.reconciled(later + SECOND)
    assert reason(made, request(no=2), later + SECOND) == ""


def test_a_late_heartbeat_is_noticed_before_the_next_order() -> None:
    made = gate()
    made.beat(START_NS)
    assert not made.beat(START_NS + STOPPED_NS + 1)
    assert "was stopped" in reason(made, request(), START_NS + STOPPED_NS + 1)


def test_the_day_begins_at_midnight_utc() -> None:
    made = gate()
    made.exposure.add_traded(20_000.0, START_NS)
    day_ns = 86_400 * SECOND
    midnight = (START_NS // day_ns + 1) * day_ns
    made.beat(midnight - SECOND)
    assert "daily" in reason(made, request(), midnight - 1)
    assert reason(made, request(), midnight) == ""
