"""The shared price, what a venue makes of it, and that what leaves it comes back."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.random import default_rng

from arb.sandbox.price import BPS, GRID_NS, Anchor, Dislocation, SharedPrice
from connectors.units import MILLISECOND as MS
from connectors.units import SECOND as S

START = 1_704_067_200 * S


def walk(seed: int, seconds: int) -> list[float]:
    """The shared price on its grid."""
    price = SharedPrice(default_rng(seed), 100.0, START)
    points = []
    for n in range(1, seconds * (S // GRID_NS) + 1):
        price.advance(START + n * GRID_NS)
        points.append(price.at(START + n * GRID_NS))
    return points


def test_the_price_begins_where_it_is_reported_to() -> None:
    price = SharedPrice(default_rng(1), 100.0, START)
    assert price.at(START) == pytest.approx(math.log(100.0))
    assert price.at(START - 50 * MS) == pytest.approx(math.log(100.0))


def test_the_price_is_interpolated_between_points_of_the_grid() -> None:
    price = SharedPrice(default_rng(1), 100.0, START)
    price.advance(START + 20 * MS)
    low, high = price.at(START + 10 * MS), price.at(START + 20 * MS)
    assert price.at(START + 15 * MS) == pytest.approx((low + high) / 2)


def test_the_pace_is_that_of_a_liquid_asset_with_fat_tails() -> None:
    moves = np.diff(walk(3, 600)[:: S // GRID_NS]) / BPS
    assert 0.5 < moves.std() < 2.5
    assert np.mean((moves / moves.std()) ** 4) > 3.5


def test_a_dislocation_is_held_and_decays() -> None:
    dislocation = Dislocation(default_rng(2), interval_s=5.0, size_bps=4.0, start_ns=START)
    sizes = np.array([dislocation.at(START + n * MS) for n in range(60_000)]) / BPS
    share = np.mean(np.abs(sizes) > 1.0)
    assert 0.005 < share < 0.2
    assert 2.0 <= np.abs(sizes).max() <= 16.0
    assert sizes.min() < 0 < sizes.max()
    assert np.mean(sizes == 0.0) > 0.5


def anchor_of(seed: int, sd_bps: float, lag_ns: int = 0) -> tuple[SharedPrice, Anchor]:
    price = SharedPrice(default_rng(seed), 100.0, START)
    never = Dislocation(default_rng(seed), interval_s=1e9, size_bps=1.0, start_ns=START)
    anchor = Anchor(
        default_rng(seed + 1),
        price,
        never,
        basis_bps=-4.0,
        basis_sd_bps=sd_bps,
        basis_reversion_s=10.0,
        start_ns=START,
    )
    anchor.lag_ns = lag_ns
    return price, anchor


def test_the_basis_reverts_to_its_mean() -> None:
    price, anchor = anchor_of(5, 0.5)
    basis = []
    for n in range(1, 6_000):
        now = START + n * 100 * MS
        price.advance(now)
        basis.append((math.log(anchor.px(now)) - price.at(now)) / BPS)
    series = np.array(basis) + 4.0
    assert abs(series.mean()) < 0.3
    assert 0.3 < series.std() < 0.7
    ten_s = 100
    correlation = np.corrcoef(series[:-ten_s], series[ten_s:])[0, 1]
    assert correlation == pytest.approx(math.exp(-1.0), abs=0.25)


def test_a_venue_that_lags_sees_the_price_of_before() -> None:
    price, anchor = anchor_of(5, 0.0, lag_ns=40 * MS)
    for n in range(1, 100):
        now = START + n * GRID_NS
        price.advance(now)
        assert math.log(anchor.px(now)) == pytest.approx(price.at(now - 40 * MS) - 4.0 * BPS, abs=1e-12)
