"""The measured grid against exact decimal arithmetic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import pytest
from hftbacktest.types import event_dtype
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.book.grid import (
    GridMeter,
    Measured,
    follow_on_grid,
    is_coarser,
    is_multiple,
    off_quantities_max,
)
from connectors.model import Rows


def rows_of(prices: Sequence[str], quantities: Sequence[str] | None = None) -> Rows:
    """Rows of decimal texts; quantities of 1 where none are given."""
    rows = np.zeros(len(prices), event_dtype)
    rows["px"] = [float(text) for text in prices]
    rows["qty"] = 1.0 if quantities is None else [float(text) for text in quantities]
    return rows


def measured(prices: Sequence[str], tick: float = 0.0) -> Measured:
    meter = GridMeter(tick, 1.0)
    meter.follow(rows_of(prices))
    return meter.measured


def exact_step(texts: Sequence[str]) -> str:
    """The greatest common divisor of decimals, by whole numbers."""
    units = math.gcd(*(int(Decimal(text) * 10**12) for text in texts))
    return f"{Decimal(units).scaleb(-12).normalize():f}" if units else ""


@st.composite
def on_a_step(draw: st.DrawFn) -> list[str]:
    """Decimals of at most 15 digits, whole multiples of some step."""
    decimals = draw(st.integers(0, 10))
    unit = draw(st.sampled_from([1, 2, 5, 10, 25, 100, 500, 3, 7]))
    most = 10**15 // unit - 1
    counts = draw(st.lists(st.integers(0, most), min_size=1, max_size=30))
    return [f"{Decimal(n * unit).scaleb(-decimals):f}" for n in counts]


@settings(max_examples=300, deadline=None)
@given(on_a_step())
def test_the_measured_step_is_the_exact_one(texts: list[str]) -> None:
    assert measured(texts).tick_size == exact_step(texts)


@settings(max_examples=300, deadline=None)
@given(on_a_step(), st.sampled_from(["0.01", "0.1", "0.5", "0.25", "1", "10", "0.05", "0.00001", "3", "0.3"]))
def test_prices_off_the_tick_are_counted_exactly(texts: list[str], tick: str) -> None:
    found = measured(texts, float(tick))
    # Those that come again when they are on no finer step than was measured are counted each time, too.
    assert found.off_prices == sum(Decimal(text) % Decimal(tick) != 0 for text in texts)
    assert found.is_tick_wrong == (found.off_prices > 0)
    assert found.tick_size == exact_step(texts)


@pytest.mark.parametrize(
    ("prices", "tick", "is_wrong", "step"),
    [
        (["60000.01", "60000.02"], 0.01, False, "0.01"),
        (["60000.01", "60000.02"], 0.5, True, "0.01"),
        (["60000.01", "60000.02"], 10.0, True, "0.01"),
        (["60000.01", "60000.02"], 1.0, True, "0.01"),
        (["60000.5", "60001.0"], 0.5, False, "0.5"),
        (["60000.5", "60001.0"], 0.1, False, "0.5"),
        (["60010", "60030"], 10.0, False, "10"),
        (["60010", "60035"], 10.0, True, "5"),
        # One value of thousands is enough.
        (["60000.1"] * 5000 + ["60000.15"], 0.1, True, "0.05"),
        # The floats beside a multiple are those of other texts.
        (["0.3", "0.6"], 0.1, False, "0.3"),
        (["0.30000000000000004", "0.6"], 0.1, True, "0.00000000000000001"),
        (["123456789.12345"], 0.00001, False, "123456789.12345"),
        (["123456789.123456"], 0.00001, True, "123456789.123456"),
        (["0", "0.0"], 0.1, False, ""),
        ([], 0.1, False, ""),
    ],
)
def test_a_tick_is_wrong_where_one_price_is_off_it(
    prices: list[str], tick: float, is_wrong: bool, step: str
) -> None:
    found = measured(prices, tick)
    assert (found.is_tick_wrong, found.tick_size) == (is_wrong, step)


def test_the_price_of_an_empty_side_is_no_value() -> None:
    meter = GridMeter(0.1, 0.001)
    assert not meter.follow(rows_of(["nan", "inf", "0"], ["0", "0", "0"]))
    assert not meter.is_off
    assert meter.measured == Measured(rows=3)


def lots(quantities: Sequence[str], lot: float) -> GridMeter:
    meter = GridMeter(0.1, lot)
    meter.follow(rows_of(["60000.1"] * len(quantities), quantities))
    return meter


def test_a_lot_is_wrong_where_a_level_would_vanish() -> None:
    meter = lots(["2", "3", "0.4"] + ["5"] * 5000, 1.0)
    assert meter.is_off
    assert meter.measured.is_lot_wrong
    assert meter.measured.vanishing == 1


def test_a_lot_is_wrong_where_many_quantities_are_off_it() -> None:
    quantities = [f"{n / 1000:.3f}" for n in range(1001, 3000)]
    found = lots(quantities, 0.01).measured
    assert found.is_lot_wrong
    assert found.lot_size == "0.001"
    assert not lots(quantities, 0.001).is_off


def test_a_few_quantities_that_are_older_than_the_lot_do_no_harm() -> None:
    """Real Binance spot frames: 3 of 190,000 quantities of BTCUSDT are finer than the lot of 0.00001."""
    quantities = [f"{n / 100_000:.5f}" for n in range(1, 5000)] + ["25.426189", "244.566304"]
    meter = lots(quantities, 0.00001)
    assert not meter.is_off
    found = meter.measured
    assert (found.off_quantities, found.lot_size, found.is_lot_wrong) == (2, "0.00001", False)
    # Nor do they make the measured lot finer than it is where another one is configured.
    assert lots(quantities, 1.0).measured.lot_size == "0.00001"


@pytest.mark.parametrize(("rows", "most"), [(0, 0), (2, 0), (4, 1), (64, 16), (1600, 16), (100_000, 1000)])
def test_how_many_quantities_may_be_off(rows: int, most: int) -> None:
    assert off_quantities_max(rows) == most


def test_what_is_new_is_said_once() -> None:
    meter = GridMeter(0.1, 0.001)
    rows = rows_of(["60000.2", "60000.4"], ["0.001", "0.003"])
    assert follow_on_grid(rows, 2, meter.state)
    assert (meter.measured.rows, meter.measured.tick_size, meter.measured.lot_size) == (2, "0.2", "0.001")
    assert not meter.follow(rows)
    assert meter.follow(rows_of(["60000.3"]))
    assert meter.measured.rows == 5
    # What is off the configured grid is not measured there.
    finer = rows_of(["60000.4", "60000.15"])
    before = meter.state.copy()
    assert not follow_on_grid(finer, 2, meter.state)
    assert (meter.state == before).all()
    assert not meter.is_off
    assert meter.follow(finer)
    assert meter.is_off


def test_steps_are_compared_as_decimals() -> None:
    assert is_multiple("0.3", 0.1)
    assert not is_multiple("0.25", 0.1)
    assert is_coarser("0.3", 0.1)
    assert not is_coarser("0.1", 0.1)
    assert not is_coarser("0.01", 0.1)
    assert not is_coarser("", 0.1)
