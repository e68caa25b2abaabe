"""The profits by interval."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.results.metrics.equity import Equity
from arb.sweep.returns import Grid, grid_of, profits_of

S = 1_000_000_000


def equity(times: list[int], profits: list[float]) -> Equity:
    prices = np.ones((len(times), 1))
    return Equity(np.array(times, np.int64), np.array(profits), 100.0, prices, prices)


def test_a_profit_belongs_to_the_interval_of_its_record() -> None:
    made = profits_of(
        equity([S, 2 * S, 11 * S, 25 * S, 40 * S], [0.0, 1.0, 3.0, 2.0, 5.0]), Grid(0, 10 * S, 3)
    )
    assert made == [1.0, 2.0, 2.0]  # the record after the end counts in the last


def test_an_unknown_equity_at_the_end_is_unknown_everywhere() -> None:
    assert profits_of(equity([S, 2 * S], [0.0, math.nan]), Grid(0, S, 2)) == [None, None]


@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.floats(-1e6, 1e6)), min_size=1, max_size=30),
    st.integers(1, 40),
)
def test_the_profits_add_up_to_the_profit(records: list[tuple[int, float]], count: int) -> None:
    times = sorted(time for time, _ in records)
    curve = equity(times, [profit for _, profit in records])
    made = profits_of(curve, Grid(0, 10_000, count))
    assert len(made) == count
    assert math.fsum(one or 0.0 for one in made) == pytest.approx(curve.profit, abs=1e-6)


@given(st.integers(0, 10**18), st.integers(1, 400 * 86_400 * S))
def test_a_grid_covers_its_span(first: int, span: int) -> None:
    found = grid_of(first, first + span)
    assert found.from_ns <= first < found.from_ns + found.interval_ns
    end = found.from_ns + found.intervals * found.interval_ns
    assert end - found.interval_ns < first + span <= end or found.intervals == 1
    assert found.from_ns % found.interval_ns == 0
