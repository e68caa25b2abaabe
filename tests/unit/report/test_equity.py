"""Equity, drawdown and ratios against values computed by hand, and against hftbacktest's own statistics."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
from hftbacktest.stats import LinearAssetRecord
from hypothesis import given
from hypothesis import strategies as st
from support.finished_runs import LEGS, NOON, S, records, run_of, small_run

from arb.results.metrics.equity import (
    Equity,
    annual_ratios,
    annual_share,
    drawdown_curve,
    equity_curve,
    inventory_change,
    largest_drawdown,
    ratios,
    sampled_returns,
)
from arb.results.result import ResultLeg

DAY_NS = 86_400 * S


def curve(profits: list[float], seconds: list[float] | None = None, capital: float = 1_000.0) -> Equity:
    at = range(len(profits)) if seconds is None else seconds
    times = np.array([NOON + round(s * S) for s in at])
    return Equity(times, np.array(profits, float), capital, np.zeros((len(profits), 2)), np.zeros((0, 2)))


def test_capital_values_the_inventory_at_the_first_mid() -> None:
    equity = small_run().equity
    assert equity.capital == 5_000.0 + 10.0 * 100.0 + 4_000.0
    assert equity.values[0] == equity.capital


def test_profit_is_cash_less_fees_plus_positions_at_mid() -> None:
    assert small_run().equity.profits.tolist() == pytest.approx([0.0, 0.0, 1.5, 1.5, 0.3, 0.3], abs=1e-12)


def test_contract_size_scales_the_position_not_the_inventory() -> None:
    legs = [ResultLeg("a:X", 1.0, 0.0, 0.1), ResultLeg("b:X", 0.0, 0.0, 1.0)]
    rows = records([[100.0, 100.0], [110.0, 100.0]], position=[[0, 0], [5, 0]], balance=[[0, 0], [-50, 0]])
    equity = equity_curve(legs, rows)
    assert equity.capital == 100.0
    assert equity.profit == pytest.approx(5 * 0.1 * 110.0 - 50.0)
    assert inventory_change(legs, equity) == 10.0


def test_an_unknown_mid_is_the_last_before_and_at_the_start_the_first_after() -> None:
    nan = math.nan
    rows = records([[nan, 1.0], [100.0, nan], [nan, 3.0]], position=[[0, 0], [2, 0], [2, 0]])
    equity = equity_curve(LEGS, rows)
    assert equity.mids.tolist() == [[100.0, 1.0], [100.0, 1.0], [100.0, 3.0]]
    assert equity.is_known.tolist() == [[False, True], [True, False], [False, True]]
    assert equity.profits.tolist() == [0.0, 200.0, 200.0]


def test_a_leg_without_any_mid_has_no_known_profit_unless_it_is_flat() -> None:
    rows = records([[math.nan, 5.0]] * 2, position=[[0, 0], [1, 0]])
    equity = equity_curve([ResultLeg("a:X", 0.0, 1.0, 1.0), ResultLeg("b:X", 0.0, 1.0, 1.0)], rows)
    assert equity.capital == 2.0
    assert equity.profits[0] == 0.0
    assert math.isnan(equity.profit)


def test_the_largest_drawdown_is_found_with_its_times() -> None:
    fall = largest_drawdown(curve([0.0, 5.0, 2.0, 9.0, 4.0, 5.0, 20.0, 16.0]))
    assert (fall.quote, fall.share) == (5.0, 5.0 / 1_000.0)
    assert (fall.from_ns, fall.to_ns) == (NOON + 3 * S, NOON + 4 * S)


def test_a_curve_that_never_falls_has_no_drawdown() -> None:
    assert largest_drawdown(curve([0.0, 1.0, 1.0])) == (0.0, 0.0, 0, 0)


def test_unknown_equity_is_left_out_of_the_drawdown() -> None:
    equity = curve([0.0, math.nan, 3.0, math.nan, 1.0])
    assert largest_drawdown(equity).quote == 2.0
    assert drawdown_curve(equity)[[0, 2, 4]].tolist() == [0.0, 0.0, 2.0]
    assert math.isnan(largest_drawdown(curve([math.nan])).quote)


def test_samples_are_the_last_of_ten_seconds_and_hold_over_a_silence() -> None:
    returns = sampled_returns(curve([0.0, 3.0, 5.0, 9.0], [0.0, 9.9, 10.0, 41.0]))
    assert returns.tolist() == [0.002, 0.0, 0.0, 0.004]


def test_sharpe_and_sortino_are_those_of_the_formula() -> None:
    made = ratios(np.array([0.01, -0.02, 0.04]))
    year = math.sqrt(365 * 8_640)
    assert made.samples == 3
    assert made.sharpe == pytest.approx(0.01 / 0.03 * year)
    assert made.sortino == pytest.approx(0.01 / math.sqrt(0.0004 / 3) * year)


@pytest.mark.parametrize("returns", [[], [0.1], [0.1, 0.1]])
def test_ratios_of_too_little_are_unknown(returns: list[float]) -> None:
    assert math.isnan(ratios(np.array(returns)).sharpe)
    assert math.isnan(ratios(np.array(returns)).sortino)


def test_a_year_is_reported_from_a_day_on_and_without_compounding() -> None:
    assert annual_share(0.01, DAY_NS) == pytest.approx(3.65)
    assert math.isnan(annual_share(0.01, DAY_NS - 61 * S))


def test_ratios_are_given_for_a_day_whose_first_book_is_late_and_for_nothing_shorter() -> None:
    day = annual_ratios(curve([0.0, 1.0, 3.0], [0.0, 10.0, 86_341.0]))
    assert day == ratios(sampled_returns(curve([0.0, 1.0, 3.0], [0.0, 10.0, 86_341.0])))
    assert day.sharpe > 0.0
    short = annual_ratios(curve([0.0, 1.0, 3.0], [0.0, 10.0, 86_339.0]))
    assert math.isnan(short.sharpe)
    assert math.isnan(short.sortino)
    assert short.samples == 8_633


def test_return_drawdown_and_ratios_are_those_of_hftbacktest() -> None:
    chance = np.random.default_rng(3)
    count = 2_000
    mids = 100.0 + np.cumsum(chance.normal(0.0, 0.05, count))
    position = np.round(np.cumsum(chance.integers(-1, 2, count)), 0)
    cash = np.concatenate(([0.0], -np.diff(position) * mids[1:]))
    zeros = np.zeros(count)
    rows = records(
        np.column_stack((mids, mids)).tolist(),
        position=np.column_stack((position - position[0], zeros)),
        balance=np.column_stack((np.cumsum(cash), zeros)),
        fee=np.column_stack((np.cumsum(np.abs(cash)) * 1e-4, zeros)),
    )
    equity = run_of(rows).equity
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        record = LinearAssetRecord(rows[:, 0]).resample("10s")
        theirs: Any = record.stats(trading_days_per_year=365).splits[0]
        every: Any = LinearAssetRecord(rows[:, 0]).resample("1s").stats().splits[0]
    ours = ratios(sampled_returns(equity))
    assert ours.sharpe == pytest.approx(theirs["SR"], rel=1e-9)
    assert ours.sortino == pytest.approx(theirs["Sortino"], rel=1e-9)
    assert equity.profit - equity.profits[0] == pytest.approx(every["Return"], abs=1e-9)
    assert largest_drawdown(equity).quote == pytest.approx(every["MaxDrawdown"], abs=1e-9)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60))
def test_a_drawdown_lies_between_none_and_the_whole_range(profits: list[float]) -> None:
    equity = curve(profits)
    fall = largest_drawdown(equity)
    assert 0.0 <= fall.quote <= max(profits) - min(profits) + 1e-9
    assert fall.quote == pytest.approx(float(drawdown_curve(equity).max()), abs=1e-9)
    assert fall.from_ns <= fall.to_ns
    # What is lost from a top is at least what the end lies below it.
    assert fall.quote >= max(profits) - profits[-1] - 1e-9
