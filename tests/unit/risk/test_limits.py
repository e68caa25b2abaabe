"""Order-level limits: the compiled rules against a plain model, and their edges."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hftbacktest.order import BUY, LIMIT, MARKET, SELL
from hypothesis import given, settings
from hypothesis import strategies as st

from arb.risk.limits import (
    FUNDS,
    INVALID,
    NO_RULE,
    NOTIONAL,
    POSITION,
    QTY,
    RATE,
    RULES,
    AssetLimits,
    Limits,
    broken_rule,
    check_order,
    is_rate_free,
)

ROW = (5.0, 1000.0, 10.0, 1.0)
NEVER = np.iinfo(np.int64).min
NO_CLOCK = np.iinfo(np.int64).max


def rule(row: Any = ROW, **order: Any) -> int:
    """The rule that an order breaks, from the Python source and from machine code alike."""
    args = {
        "side": BUY,
        "price": 100.0,
        "qty": 1.0,
        "order_type": LIMIT,
        "touch": 100.0,
        "position": 0.0,
        "working": 0.0,
        **order,
    }
    limits = np.array(row)
    plain = broken_rule.py_func(limits, *args.values())
    assert broken_rule(limits, *args.values()) == plain
    return int(plain)


def test_an_order_within_all_limits_passes() -> None:
    assert rule() == NO_RULE


@pytest.mark.parametrize("qty", [0.0, -1.0, math.nan, math.inf, -math.inf])
def test_a_quantity_that_is_none_is_invalid(qty: float) -> None:
    assert rule(qty=qty) == INVALID


@pytest.mark.parametrize("price", [0.0, -1.0, math.nan, math.inf])
def test_a_limit_price_that_is_none_is_invalid(price: float) -> None:
    assert rule(price=price) == INVALID


def test_a_market_order_is_priced_at_the_touch() -> None:
    assert rule(order_type=MARKET, price=0.0, touch=900.0) == NO_RULE
    assert rule(order_type=MARKET, price=0.0, touch=1100.0) == NOTIONAL


def test_a_market_order_without_a_touch_is_refused() -> None:
    assert rule(order_type=MARKET, touch=math.nan) == INVALID
    assert rule((np.inf, np.inf, np.inf, 1.0), order_type=MARKET, touch=math.nan) == INVALID


def test_an_unknown_order_type_is_refused() -> None:
    assert rule(order_type=255) == INVALID


def test_a_limit_order_needs_no_touch() -> None:
    assert rule(touch=math.nan) == NO_RULE


def test_a_sale_below_the_bid_is_worth_the_bid() -> None:
    assert rule(side=SELL, price=0.1, touch=900.0) == NO_RULE
    assert rule(side=SELL, price=0.1, touch=1100.0) == NOTIONAL


def test_the_contract_size_counts_in_the_notional() -> None:
    assert rule((5.0, 1000.0, 10.0, 10.0)) == NO_RULE
    assert rule((5.0, 1000.0, 10.0, 10.1)) == NOTIONAL


def test_limits_are_reached_but_not_passed() -> None:
    assert rule(qty=5.0) == NO_RULE
    assert rule(qty=5.001) == QTY
    assert rule(position=9.0) == NO_RULE
    assert rule(position=9.1) == POSITION


def test_a_sum_of_decimals_reaches_its_limit() -> None:
    assert 0.1 + 0.2 > 0.3

    assert rule((np.inf, np.inf, 0.3, 1.0), position=0.1, qty=0.2) == NO_RULE


def test_working_orders_of_the_same_side_count_as_filled() -> None:
    assert rule(working=9.0) == NO_RULE
    assert rule(working=9.5) == POSITION


@pytest.mark.parametrize(("side", "position"), [(BUY, -25.0), (SELL, 25.0)])
def test_an_order_that_reduces_is_never_stopped_by_the_position(side: int, position: float) -> None:
    assert rule(side=side, position=position, qty=4.0) == NO_RULE


def test_an_unknown_position_stops_everything() -> None:
    assert rule(position=math.nan) == POSITION


sizes = st.floats(0.0, 20.0) | st.sampled_from([math.nan, math.inf, -1.0])
prices = st.floats(0.0, 400.0) | st.sampled_from([math.nan, math.inf, -1.0])


def model(
    row: Any, side: int, price: float, qty: float, kind: int, touch: float, at: float, working: float
) -> int:
    """The same rules, written for a reader."""
    if not (math.isfinite(qty) and qty > 0):
        return INVALID
    used = {LIMIT: price, MARKET: touch}.get(kind, math.nan)
    if not (math.isfinite(used) and used > 0):
        return INVALID
    room = 1 + 1e-9
    if qty > row[0] * room:
        return QTY
    worth = max(used, touch) if side == SELL and not math.isnan(touch) else used
    if worth * qty * row[3] > row[1] * room:
        return NOTIONAL
    if (at if side == BUY else -at) + working + qty > row[2] * room:
        return POSITION
    return NO_RULE


@settings(max_examples=400, deadline=None)
@given(
    row=st.tuples(*[st.floats(0.5, 30.0) | st.just(math.inf)] * 3, st.sampled_from([1.0, 0.01, 100.0])),
    side=st.sampled_from([BUY, SELL]),
    price=prices,
    qty=sizes,
    kind=st.sampled_from([LIMIT, MARKET, 255]),
    touch=prices,
    at=st.floats(-40.0, 40.0),
    working=st.floats(0.0, 20.0),
)
def test_the_rules_are_those_of_the_model(
    row: Any, side: int, price: float, qty: float, kind: int, touch: float, at: float, working: float
) -> None:
    row = (row[0], row[1] * 100, row[2], row[3])

    assert broken_rule(np.array(row), side, price, qty, kind, touch, at, working) == model(
        row, side, price, qty, kind, touch, at, working
    )


@dataclass
class Window:
    """At most `orders_max` times in any half-open window, by remembering all of them."""

    orders_max: int
    window_ns: int
    sent: list[int] = field(default_factory=list)

    def take(self, now: int) -> bool:
        if sum(now - before < self.window_ns for before in self.sent) >= self.orders_max:
            return False
        self.sent.append(now)
        return True


@settings(max_examples=100, deadline=None)
@given(
    orders_max=st.integers(1, 6),
    window_ns=st.integers(1, 50),
    steps=st.lists(st.integers(0, 30), min_size=1, max_size=60),
)
def test_the_rate_is_that_of_the_model(orders_max: int, window_ns: int, steps: list[int]) -> None:
    limits = Limits([AssetLimits()], orders_max=orders_max, window_ns=window_ns)
    window = Window(orders_max, window_ns)

    for now in np.cumsum(steps):
        assert check(limits, now=int(now)) == window.take(int(now))


def check(limits: Limits, asset_no: int = 0, now: int = 0, qty: float = 1.0, *, is_paid: bool = True) -> bool:
    parts = (limits._header, limits._limits, limits._refusals, limits._ring)
    return bool(check_order(*parts, asset_no, BUY, 100.0, qty, LIMIT, 100.0, 0.0, 0.0, is_paid, now))


def test_the_codes_are_the_places_of_the_names() -> None:
    codes = (INVALID, QTY, NOTIONAL, POSITION, FUNDS, RATE)
    assert [RULES[code] for code in codes] == ["invalid", "qty", "notional", "position", "funds", "rate"]
    assert NO_RULE not in codes


@pytest.mark.parametrize(
    ("order", "broken"),
    [
        ({"qty": 5.0 * (1 + 1e-7)}, QTY),
        ({"price": 200.0 * (1 + 1e-7), "qty": 5.0}, NOTIONAL),
        ({"position": 9.0 + 1e-6}, POSITION),
    ],
)
def test_the_room_is_for_rounding_only(order: dict[str, float], broken: int) -> None:
    assert rule(**order) == broken


def test_an_unused_ring_is_free_at_any_time() -> None:
    ring = np.full(3, NEVER)

    assert is_rate_free.py_func(ring, 0, 10, -(10**18))
    assert is_rate_free.py_func(ring, 0, 10, 10**18)


def test_a_clock_that_goes_backwards_does_not_open_the_window() -> None:
    limits = Limits([AssetLimits()], orders_max=1, window_ns=10)
    assert check(limits, now=100)

    assert not check(limits, now=50)
    assert not check(limits, now=109)
    assert check(limits, now=110)


def test_a_refused_order_takes_no_place_in_the_window() -> None:
    limits = Limits([AssetLimits(qty_max=1.0)], orders_max=1, window_ns=10)

    assert not check(limits, now=0, qty=2.0)

    assert check(limits, now=1)


def test_an_order_that_is_not_paid_is_refused_and_takes_no_place_in_the_window() -> None:
    limits = Limits([AssetLimits(qty_max=1.0)], orders_max=1, window_ns=10)

    assert not check(limits, is_paid=False)
    assert not check(limits, qty=2.0, is_paid=False)
    assert check(limits)

    assert limits.refusals[0, FUNDS] == limits.refusals[0, QTY] == 1


def test_refusals_are_counted_by_asset_and_first_broken_rule() -> None:
    limits = Limits([AssetLimits(), AssetLimits(qty_max=1.0)], orders_max=1)
    check(limits, asset_no=1, qty=2.0)
    check(limits, asset_no=1, qty=2.0)
    check(limits, asset_no=0)
    check(limits, asset_no=0)
    check(limits, asset_no=0, qty=math.nan)

    expected = {"invalid": 1, "qty": 0, "notional": 0, "position": 0, "funds": 0, "rate": 1}
    assert limits.refusals_by_rule(0) == expected
    assert limits.refusals_by_rule(1)["qty"] == 2
    assert limits.refusals.shape == (2, len(RULES))
    assert limits.refusals[0, RATE] == 1


@pytest.mark.parametrize("asset_no", [-1, 2, 2**62])
def test_an_unknown_asset_is_refused(asset_no: int) -> None:
    limits = Limits([AssetLimits(), AssetLimits()])

    assert not check(limits, asset_no=asset_no)
    assert limits.refusals.sum() == 0


def test_nothing_is_sent_before_the_clock_starts() -> None:
    assert not check(Limits([AssetLimits()]), now=NO_CLOCK)


@pytest.mark.parametrize("off", [0.0, math.inf])
def test_zero_and_infinity_are_off(off: float) -> None:
    limits = Limits([AssetLimits(qty_max=off, notional_max=off, position_max=off)])

    assert check(limits, qty=1e12)


@pytest.mark.parametrize(
    "fault",
    [{"qty_max": -1.0}, {"notional_max": math.nan}, {"position_max": -0.1}, {"contract_size": 0.0}],
)
def test_limits_that_are_none_are_refused(fault: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(fault))):
        AssetLimits(**fault)


def test_a_rate_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="window_ns"):
        Limits([AssetLimits()], orders_max=1, window_ns=0)
    with pytest.raises(ValueError, match="one asset"):
        Limits([])


def test_an_order_that_only_reduces_is_counted_but_never_refused_for_its_rate() -> None:
    limits = Limits([AssetLimits()], orders_max=1, window_ns=10)

    def sell(qty: float, now: int) -> bool:
        parts = (limits._header, limits._limits, limits._refusals, limits._ring)
        return bool(check_order(*parts, 0, SELL, 100.0, qty, LIMIT, 99.0, 1.0, 0.0, True, now))

    assert sell(0.4, 0)
    assert sell(1.0, 1), "out of the whole position"
    assert not sell(1.1, 2), "through zero it opens a new one"
    assert not sell(1.1, 10), "the reducing order was counted"
    assert sell(1.1, 11)
