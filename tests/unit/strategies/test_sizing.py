"""Quantities and limit prices: never more than shown, allowed or paid for; always on a tick or a lot."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support.fake_bot import plain

from arb.commands.strategy_facts import common_lot
from arb.strategies.spread import sizing

floor_to_lot = plain(sizing.floor_to_lot)
limit_price = plain(sizing.limit_price)
attempt_qty = plain(sizing.attempt_qty)
opening_qty = plain(sizing.opening_qty)
buy_room = plain(sizing.buy_room)
sell_room = plain(sizing.sell_room)
share_funds = plain(sizing.share_funds)

STEPS = ["0.00001", "0.0001", "0.001", "0.01", "0.05", "0.1", "0.25", "0.5", "1", "5", "10"]
steps = st.sampled_from(STEPS).map(float)


@given(st.integers(0, 10**9), steps)
def test_whole_lots_stay_whole(count: int, lot: float) -> None:
    assert round(floor_to_lot(count * lot, lot) / lot) == count


@given(st.integers(0, 10**6), st.floats(0.001, 0.999), steps)
def test_a_part_of_a_lot_is_cut(count: int, part: float, lot: float) -> None:
    assert round(floor_to_lot((count + part) * lot, lot) / lot) == count


def test_sums_of_lots_lose_none() -> None:
    assert floor_to_lot(0.1 + 0.2, 0.1) == pytest.approx(0.3)
    assert floor_to_lot(0.3 - 0.2 - 0.1 + 1e-17, 0.1) == 0.0


@given(st.integers(1, 10**9), steps, st.sampled_from([1, -1]))
def test_without_tolerance_the_limit_is_the_price_itself(ticks: int, tick: float, side: int) -> None:
    assert round(limit_price(side, ticks * tick, 0.0, tick) / tick) == ticks


@given(st.integers(1_000, 10**8), steps, st.floats(0.0, 0.1), st.sampled_from([1, -1]))
def test_a_limit_is_the_worst_tick_within_the_tolerance(
    ticks: int, tick: float, tolerance: float, side: int
) -> None:
    worst = Fraction(ticks) * (1 + side * Fraction(tolerance))
    found = round(limit_price(side, ticks * tick, tolerance, tick) / tick)
    room = Fraction(ticks, 10**14) + Fraction(1, 10**8)
    assert (worst - found) * side >= -room
    assert (worst - found) * side < 1 + room


@pytest.mark.parametrize(("side", "expected"), [(1, 100.0), (-1, 100.0)])
def test_a_tolerance_below_a_tick_is_the_touch(side: int, expected: float) -> None:
    assert limit_price(side, 100.0, 0.0004, 0.05) == expected


def test_limits_round_inward() -> None:
    assert limit_price(1, 100.0, 0.0012, 0.05) == pytest.approx(100.1)
    assert limit_price(-1, 100.0, 0.0012, 0.05) == pytest.approx(99.9)


def test_a_sale_asks_for_a_tick_at_least() -> None:
    # The band of a reversal may be as wide as the price.
    assert limit_price(-1, 100.0, 1.0, 0.05) == 0.05
    assert limit_price(-1, 0.05, 0.9, 0.05) == 0.05


def leg(**changes: Any) -> Any:
    base = {
        "bid": 99.9,
        "ask": 100.0,
        "bid_qty": 50.0,
        "ask_qty": 50.0,
        "is_spot": 1,
        "base": 100.0,
        "quote": 100_000.0,
        "taker_fee": 0.001,
        "base_fee": 0.0,
        "is_fee_cash": 1.0,
        "fee_account": -1,
        "fee_units": 0.0,
        "fee_price": 0.0,
        "fee_price_leg": -1,
        "fee_budget": 0.0,
        "due_qty": 0.0,
        "lot_size": 0.001,
        "contract_size": 1.0,
        "min_qty": 0.0,
        "min_notional": 0.0,
        "bid_taken": 0.0,
        "ask_taken": 0.0,
        "other_cash": 0.0,
        "other_notional": 0.0,
        "attempt_qty": 0.0,
        "filled_qty": 0.0,
        "side": 0,
        "reference_px": 0.0,
        "max_position_size": 20.0,
        "position_limit": 80.0,
        "common_lot": 0.001,
    }
    return SimpleNamespace(**{**base, **changes})


def values(position: float = 0.0, balance: float = 0.0, fee: float = 0.0) -> Any:
    return SimpleNamespace(position=position, balance=balance, fee=fee)


def params(**changes: Any) -> Any:
    base = {
        "slippage_tolerance": 0.01,
        "touch_share": 1.0,
        "capital_allocation": 1.0,
        "max_leverage": 1.0,
        "max_order_qty": 0.0,
        "max_order_notional": 0.0,
        "is_convergence": False,
    }
    return SimpleNamespace(**{**base, **changes})


#: Limits that a leg has; both alike where a test names one.
_OF_LEGS = ("max_position_size", "position_limit", "common_lot")


def qty_of(
    buy: Any = None, sell: Any = None, buying: Any = None, selling: Any = None, **changes: Any
) -> float:
    own = {name: changes.pop(name) for name in _OF_LEGS if name in changes}
    legs = [SimpleNamespace(**{**vars(one or leg()), **own}) for one in (buy, sell)]
    return attempt_qty(*legs, buying or values(), selling or values(), params(**changes))


def test_the_largest_size_of_an_attempt_binds() -> None:
    assert qty_of() == pytest.approx(20.0)


def test_what_is_shown_binds() -> None:
    assert qty_of(buy=leg(ask_qty=3.0, bid_qty=1.0)) == pytest.approx(3.0)
    assert qty_of(sell=leg(bid_qty=2.0, ask_qty=1.0)) == pytest.approx(2.0)


def test_the_position_limit_binds_on_either_leg() -> None:
    assert qty_of(buying=values(position=75.0)) == pytest.approx(5.0)
    assert qty_of(selling=values(position=-79.0)) == pytest.approx(1.0)
    assert qty_of(buying=values(position=80.0)) == 0.0


def test_a_position_in_the_other_direction_leaves_more_room() -> None:
    room = qty_of(buying=values(position=-10.0, balance=1_000.0), position_limit=5.0, max_position_size=100.0,
                  sell=leg(base=100.0), selling=values(position=10.0, balance=-1_000.0))  # fmt: skip
    assert room == pytest.approx(15.0)


def test_spot_money_pays_price_slippage_and_fee() -> None:
    assert qty_of(buy=leg(quote=101.101 * 7)) == pytest.approx(7.0)
    assert qty_of(buy=leg(quote=101.101 * 7 - 1e-3)) == pytest.approx(6.999)


def test_spot_money_moves_with_balance_and_fees() -> None:
    assert qty_of(buy=leg(quote=101.101 * 7), buying=values(balance=-101.101 * 3)) == pytest.approx(4.0)
    assert qty_of(buy=leg(quote=101.101 * 7), buying=values(fee=101.101)) == pytest.approx(6.0)


def test_spot_sells_what_it_holds() -> None:
    assert qty_of(sell=leg(base=4.0)) == pytest.approx(4.0)
    assert qty_of(sell=leg(base=4.0), selling=values(position=-3.0)) == pytest.approx(1.0)
    assert qty_of(sell=leg(base=0.0), selling=values(position=2.0)) == pytest.approx(2.0)
    assert qty_of(sell=leg(base=0.0)) == 0.0


def test_a_perpetual_sells_short_what_its_equity_covers() -> None:
    perp = leg(is_spot=0, base=0.0, quote=99.9 * 1.001 * 6)
    assert qty_of(sell=perp) == pytest.approx(6.0)
    # Five are sold already, at 99.9: the equity has not moved but for the fee.
    sold = values(position=-5.0, balance=5 * 99.9)
    assert qty_of(sell=perp, selling=sold) == pytest.approx(1.0)


def test_a_perpetual_buys_back_even_when_its_equity_is_gone() -> None:
    perp = leg(is_spot=0, quote=0.0)
    assert buy_room(perp, values(position=-5.0, balance=-1_000.0), 100.0, 80.0, 1.0, 1.0) == 5.0
    assert sell_room(perp, values(position=5.0, balance=-1_000.0), 100.0, 80.0, 1.0, 1.0) == 5.0


def test_contracts_are_worth_their_size() -> None:
    perp = leg(is_spot=0, quote=101.0 * 1.001 * 10, contract_size=10.0)
    assert qty_of(buy=perp) == pytest.approx(1.0)


def test_the_common_lot_cuts() -> None:
    assert qty_of(buy=leg(ask_qty=3.14159), common_lot=0.5) == pytest.approx(3.0)
    assert qty_of(buy=leg(ask_qty=0.4), common_lot=0.5) == 0.0


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_too_small_for_either_leg_is_nothing(side: str) -> None:
    assert qty_of(max_position_size=1.0, **{side: leg(min_qty=1.0)}) == pytest.approx(1.0)
    assert qty_of(max_position_size=1.0, **{side: leg(min_qty=1.001)}) == 0.0
    assert qty_of(max_position_size=1.0, **{side: leg(min_notional=98.0)}) == pytest.approx(1.0)
    assert qty_of(max_position_size=1.0, **{side: leg(min_notional=101.0)}) == 0.0


def test_a_sale_must_be_worth_the_least_value_at_its_worst_price() -> None:
    assert qty_of(max_position_size=1.0, sell=leg(min_notional=99.0)) == 0.0  # 99.9 less one per cent


sides = st.builds(
    leg,
    bid=st.floats(90.0, 99.0),
    ask=st.floats(99.5, 110.0),
    bid_qty=st.floats(0.0, 50.0),
    ask_qty=st.floats(0.0, 50.0),
    is_spot=st.integers(0, 1),
    base=st.floats(0.0, 30.0),
    quote=st.floats(0.0, 5_000.0),
    taker_fee=st.floats(-0.01, 0.01),
    contract_size=st.sampled_from([0.1, 1.0, 10.0]),
    min_qty=st.floats(0.0, 1.0),
    min_notional=st.floats(0.0, 50.0),
)
states = st.builds(values, st.floats(-20.0, 20.0), st.floats(-2_000.0, 2_000.0), st.floats(0.0, 50.0))


@given(
    sides, sides, states, states, st.sampled_from([0.001, 0.01, 0.25]), st.floats(0.0, 0.1),
    st.floats(0.1, 1.0), st.floats(0.1, 5.0),
)  # fmt: skip
def test_an_attempt_never_takes_more_than_anything_allows(
    buy: Any,
    sell: Any,
    buying: Any,
    selling: Any,
    lot: float,
    tolerance: float,
    share: float,
    leverage: float,
) -> None:
    own = {"common_lot": lot, "position_limit": 25.0}
    buy, sell = (SimpleNamespace(**{**vars(one), **own}) for one in (buy, sell))
    limits = params(slippage_tolerance=tolerance, capital_allocation=share, max_leverage=leverage)
    qty = attempt_qty(buy, sell, buying, selling, limits)
    assume(qty > 0.0)
    room = lot * 1e-6
    assert qty <= min(buy.max_position_size, buy.ask_qty, sell.bid_qty) + room
    assert buying.position + qty <= 25.0 + room
    assert selling.position - qty >= -25.0 - room
    assert qty / lot == pytest.approx(round(qty / lot), abs=1e-6)
    assert qty >= max(buy.min_qty, sell.min_qty)
    assert qty * buy.ask * buy.contract_size >= buy.min_notional
    worst = buy.ask * (1.0 + tolerance)
    if buy.is_spot:
        left = buy.quote * share + buying.balance - buying.fee
        assert qty * worst * buy.contract_size * (1.0 + buy.taker_fee) <= left + 1e-3
    if sell.is_spot:
        assert sell.base * share + selling.position - qty >= -room
    for side, state, px, after in (
        (buy, buying, worst, buying.position + qty),
        (sell, selling, sell.bid, selling.position - qty),
    ):
        value = px * side.contract_size
        equity = side.quote + state.balance - state.fee + state.position * value
        if not side.is_spot and abs(after) > abs(state.position):
            assert abs(after) * value * (1.0 + side.taker_fee) <= max(0.0, equity) * share * leverage + 1e-3


@given(
    sides,
    states,
    st.sampled_from([-0.0005, 0.0004, 0.001, 0.05]),
    st.floats(-0.01, 0.01),
    st.sampled_from([0.0, 0.7]),
)
def test_a_purchase_whose_fee_is_in_base_never_takes_more_either(
    buy: Any, buying: Any, fee: float, due: float, qty_max: float
) -> None:
    own = {"position_limit": 25.0, "common_lot": 0.01, "lot_size": 0.001}
    buy = SimpleNamespace(**{**vars(buy), **own, "is_spot": 1, "base_fee": fee, "due_qty": due})
    qty = attempt_qty(buy, leg(**own), buying, values(), params(max_order_qty=qty_max))
    assume(qty > 0.0)
    sent, room = opening_qty(buy, qty), 1e-9
    assert sent <= min(buy.ask_qty, qty_max or math.inf) + room
    assert buying.position + sent <= 25.0 + room
    assert sent * buy.ask * 1.01 * buy.contract_size <= buy.quote + buying.balance - buying.fee + 1e-3
    assert sent >= buy.min_qty
    # What arrives is what is hedged and due, except for less than a lot.
    assert -0.001 - room <= sent * (1.0 - fee) - qty - due <= room


@pytest.mark.slow
@pytest.mark.parametrize("ticks", [1, 2_000, 1_000_007, 987_654_321])
def test_compiled_and_plain_agree(ticks: int) -> None:
    px = ticks * 0.05
    assert sizing.floor_to_lot(px, 0.001) == floor_to_lot(px, 0.001)
    for side in (1, -1):
        assert sizing.limit_price(side, px, 0.001, 0.05) == limit_price(side, px, 0.001, 0.05)


@pytest.mark.parametrize(
    ("lots", "common"),
    [
        (["0.00001", "0.001"], 0.001),
        (["0.001", "0.00001"], 0.001),
        (["0.002", "0.003"], 0.006),
        (["0.25", "0.1"], 0.5),
        (["1", "0.001"], 1.0),
        (["10", "4"], 20.0),
        (["0.0010", "0.001"], 0.001),
    ],
)
def test_common_lot(lots: list[str], common: float) -> None:
    assert common_lot(lots) == common


@given(st.lists(st.sampled_from(STEPS), min_size=2, max_size=2))
def test_a_common_lot_is_whole_in_both(lots: list[str]) -> None:
    common = Decimal(str(common_lot(lots)))
    assert all(common % Decimal(lot) == 0 for lot in lots)


def test_what_the_order_limits_would_refuse_is_not_asked_for() -> None:
    both = (leg(), leg(), values(), values())
    assert attempt_qty(*both, params(max_order_qty=3.0)) == pytest.approx(3.0)
    # The dearer leg at its worst price: a purchase within 1 % of 100.
    assert attempt_qty(*both, params(max_order_notional=505.0)) == pytest.approx(5.0)


def test_a_share_of_what_is_shown_is_taken() -> None:
    assert qty_of(buy=leg(ask_qty=10.0), touch_share=0.25) == pytest.approx(2.5)


def test_what_was_just_taken_is_not_shown() -> None:
    assert qty_of(buy=leg(ask_qty=10.0, ask_taken=7.0, bid_taken=9.0)) == pytest.approx(3.0)
    assert qty_of(sell=leg(bid_qty=10.0, bid_taken=7.0, ask_taken=9.0)) == pytest.approx(3.0)
    assert qty_of(buy=leg(ask_qty=10.0, ask_taken=11.0)) == 0.0


def test_only_a_share_of_the_capital_is_used() -> None:
    assert qty_of(buy=leg(quote=101.101 * 10), capital_allocation=0.7) == pytest.approx(7.0)
    assert qty_of(sell=leg(base=10.0), capital_allocation=0.7) == pytest.approx(7.0)
    perp = leg(is_spot=0, base=0.0, quote=99.9 * 1.001 * 10)
    assert qty_of(sell=perp, capital_allocation=0.7) == pytest.approx(7.0)
    # What was earned since is used whole.
    assert qty_of(
        buy=leg(quote=101.101 * 10), buying=values(balance=101.101 * 2), capital_allocation=0.7
    ) == pytest.approx(9.0)


def test_leverage_lets_a_perpetual_hold_more_than_its_equity() -> None:
    perp = leg(is_spot=0, base=0.0, quote=99.9 * 1.001 * 3)
    assert qty_of(sell=perp, max_leverage=2.0) == pytest.approx(6.0)
    assert qty_of(sell=perp, max_leverage=0.5) == pytest.approx(1.5)


def _shared(count: int, is_spot: int) -> list[Any]:
    return [
        leg(asset=n, is_spot=is_spot, mark=100.0, contract_size=1.0, quote=1_000.0, funds=n % 2)
        for n in range(2 * count)
    ]


@pytest.mark.parametrize(("is_spot", "cash", "notional"), [(1, -310.0, 300.0), (0, -10.0, 300.0)])
def test_money_is_shared_by_the_instruments_of_a_venue(is_spot: int, cash: float, notional: float) -> None:
    # The second symbol's first leg bought 3 at 100 and paid a fee of 10; its other leg is at the other venue.
    states = [values(), values(), values(3.0, -300.0, 10.0), values(-3.0, 300.0, 7.0)]
    bot = SimpleNamespace(state_values=lambda asset: states[asset])
    legs = _shared(2, is_spot)
    share_funds(bot, legs, 0, params())
    assert (legs[0].other_cash, legs[0].other_notional) == (cash, notional)
    assert (legs[1].other_cash, legs[1].other_notional) == ((293.0, 300.0) if is_spot else (-7.0, 300.0))
    share_funds(bot, legs, 2, params())
    assert (legs[2].other_cash, legs[2].other_notional) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("is_spot", "side", "cash", "notional"),
    [
        # A purchase of 3 at 100, one filled: two at the worst price and the fee. A sale of 3: the one that was sold.
        (1, 1, -2 * 100.0 * 1.01 * 1.001, 0.0),
        (1, -1, -100.0 * 1.01 * 1.001, 0.0),
        (0, 1, 0.0, 200.0),
        (0, -1, 0.0, 200.0),
    ],
)
def test_what_an_attempt_under_way_may_spend_is_spent(
    is_spot: int, side: int, cash: float, notional: float
) -> None:
    bot = SimpleNamespace(state_values=lambda asset: values())
    legs = _shared(2, is_spot)
    legs[2].attempt_qty, legs[2].filled_qty, legs[2].side, legs[2].reference_px = 3.0, 1.0, side, 100.0
    share_funds(bot, legs, 0, params())
    assert (legs[0].other_cash, legs[0].other_notional) == (pytest.approx(cash), pytest.approx(notional))
    assert (legs[1].other_cash, legs[1].other_notional) == (0.0, 0.0)
    legs[2].attempt_qty = 0.0
    share_funds(bot, legs, 0, params())
    assert (legs[0].other_cash, legs[0].other_notional) == (0.0, 0.0)


def test_what_the_others_spent_is_gone_for_this_one() -> None:
    assert qty_of(buy=leg(quote=101.101 * 10, other_cash=-101.101 * 4)) == pytest.approx(6.0)
    perp = leg(is_spot=0, base=0.0, quote=99.9 * 1.001 * 10, other_notional=99.9 * 1.001 * 4)
    assert qty_of(sell=perp) == pytest.approx(6.0)


def test_what_a_held_spread_sold_is_kept_to_buy_it_back() -> None:
    # Sold 3 at 100 on the second symbol's first leg: 300 came in, and are kept where spreads are left again.
    states = [values(), values(), values(-3.0, 300.0), values(3.0, -300.0)]
    bot = SimpleNamespace(state_values=lambda asset: states[asset])
    for is_convergence, kept in ((False, 300.0), (True, 300.0 - 300.0 * 1.01 * 1.001)):
        legs = _shared(2, 1)
        share_funds(bot, legs, 0, params(is_convergence=is_convergence))
        assert legs[0].other_cash == pytest.approx(kept)
