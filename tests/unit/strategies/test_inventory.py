"""Thresholds that lean against inventory that has moved, and the trades that bring it back."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fake_bot import FakeBot, FakeRecorder, Touch, fates, plain
from support.spread_params import spread_params

from arb.strategies.spread import inventory
from arb.strategies.spread import strategy as spread
from arb.strategies.spread.decisions import Decision, Purpose

S = 1_000_000_000
imbalance = plain(inventory.imbalance)
skewed_threshold_bps = plain(inventory.skewed_threshold_bps)
must_rebalance = plain(inventory.must_rebalance)


def legs(*, is_spot: tuple[int, int] = (1, 1), base: tuple[float, float] = (6.0, 4.0)) -> list[Any]:
    return [
        SimpleNamespace(is_spot=spot, base=held, position_limit=20.0)
        for spot, held in zip(is_spot, base, strict=True)
    ]


def moved(position_0: float, position_1: float, **changes: Any) -> float:
    state = [SimpleNamespace(position=p) for p in (position_0, position_1)]
    return float(imbalance(legs(**changes), *state))


def test_what_moved_is_a_share_of_the_whole_inventory() -> None:
    assert moved(2.0, -2.0) == pytest.approx(0.2)
    assert moved(-1.0, 1.0) == pytest.approx(-0.1)
    assert moved(0.0, 0.0) == 0.0


def test_with_a_perpetual_it_is_a_share_of_the_position_limit() -> None:
    assert moved(2.0, -2.0, is_spot=(1, 0)) == pytest.approx(0.1)
    assert moved(2.0, -2.0, is_spot=(0, 1)) == pytest.approx(0.1)


def test_without_any_inventory_nothing_has_moved() -> None:
    assert moved(1.0, -1.0, base=(0.0, 0.0)) == 0.0


SKEW = SimpleNamespace(
    min_spread_bps=10.0, inventory_skew_bps=4.0, rebalance_threshold=0.2, rebalance_cost_bps=3.0
)


@pytest.mark.parametrize(
    ("share", "buy_0", "buy_1"),
    [(0.0, 10, 10), (0.1, 12, 8), (0.2, 14, 6), (0.9, 14, 6), (-0.1, 8, 12), (-0.9, 6, 14)],
)
def test_what_moves_more_must_earn_more(share: float, buy_0: float, buy_1: float) -> None:
    assert skewed_threshold_bps(share, 0, SKEW) == pytest.approx(buy_0)
    assert skewed_threshold_bps(share, 1, SKEW) == pytest.approx(buy_1)


@given(st.floats(-1, 1), st.floats(0, 50), st.floats(0, 50), st.floats(0, 1))
def test_the_skew_alone_never_asks_for_a_loss(share: float, least: float, skew: float, limit: float) -> None:
    params = SimpleNamespace(min_spread_bps=least, inventory_skew_bps=skew, rebalance_threshold=limit)
    both = [skewed_threshold_bps(share, n, params) for n in range(2)]
    assert min(both) >= 0.0
    assert max(both) <= least + skew + 1e-9


def test_inventory_is_brought_back_beyond_the_threshold_at_a_cost_that_is_allowed() -> None:
    assert must_rebalance(0.21, 1, -3.0, SKEW)
    assert not must_rebalance(0.21, 1, -3.1, SKEW), "too dear"
    assert not must_rebalance(0.21, 0, 5.0, SKEW), "that way moves more"
    assert not must_rebalance(0.2, 1, 5.0, SKEW), "not beyond it yet"
    assert must_rebalance(-0.21, 0, -3.0, SKEW)
    assert not must_rebalance(0.9, 1, float("nan"), SKEW)


def touch(ts: int, leg_no: int, bid: float, ask: float, qty: float = 5.0) -> Touch:
    return Touch(ts, leg_no, bid, ask, qty, qty)


def attempts(then: list[Touch], **changes: Any) -> list[tuple[Purpose, int, float]]:
    """(purpose, leg bought, quantity) of the attempts, after one that moved 2 of 20 to leg 0."""
    start = [touch(S, 0, 99.99, 100.0), touch(S, 1, 101.0, 101.1)]
    touches = [*start, *then]
    bot = FakeBot(touches, fates([]), touches[-1].ts + 5 * S, (0.01, 0.01), (0.001, 0.001))
    recorder = FakeRecorder()
    values = {
        "base": 10.0, "quote": 1e6, "taker_fee": 0.0, "capital_allocation": 1.0, "max_position_size": 2.0,
        "slippage_tolerance": 0.0, "rebalance_threshold": 0.05, "inventory_skew_bps": 0.0,
        **changes,
    }  # fmt: skip
    plain(spread.run)(bot, spread_params(**values), recorder)
    sent = {order.order_id: order.qty for order in bot.sent}
    begun = [d for d in recorder.decisions if d.code == Decision.ATTEMPT]
    opened = {d.attempt: sent[d.order_id] for d in recorder.decisions if d.code == Decision.OPEN}
    return [(Purpose(d.order_id), d.leg, round(opened[d.attempt], 9)) for d in begun]


FIRST = (Purpose.ENTER, 0, 2.0)


def test_inventory_comes_back_when_the_books_meet() -> None:
    # Leg 1 falls to where buying it and selling leg 0 costs 1 bp.
    assert attempts([touch(2 * S, 1, 99.9, 100.0)]) == [FIRST, (Purpose.REBALANCE, 1, 2.0)]


def test_no_more_comes_back_than_has_moved_or_is_shown() -> None:
    assert attempts([touch(2 * S, 1, 99.9, 100.0)], max_position_size=2.0)[1][2] == 2.0
    assert attempts([touch(2 * S, 1, 99.9, 100.0, qty=0.3)])[1][2] == pytest.approx(0.3)


def test_nothing_comes_back_where_nothing_is_shown() -> None:
    assert attempts([touch(2 * S, 1, 99.9, 100.0, qty=0.0004)]) == [FIRST]


def test_it_stays_where_it_is_below_the_threshold_or_when_that_is_too_dear() -> None:
    books = [touch(2 * S, 1, 99.9, 100.0)]
    assert attempts(books, rebalance_threshold=0.11) == [FIRST]
    assert attempts(books, rebalance_cost_bps=0.5) == [FIRST]
    assert attempts(books, is_convergence=True, stop_loss_bps=1e4, exit_spread_bps=-1e4) == [FIRST]


def test_a_second_attempt_the_same_way_must_beat_the_skewed_threshold() -> None:
    again = [touch(2 * S, 0, 99.99, 100.0, qty=6.0)]
    assert len(attempts(again, inventory_skew_bps=80.0)) == 2
    assert len(attempts(again, inventory_skew_bps=100.0)) == 1
