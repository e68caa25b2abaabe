"""Overfitting and the deflated Sharpe ratio, against a second implementation and examples worked by hand."""

from __future__ import annotations

import math
import statistics
from typing import Any

import numpy as np
import pytest
from support.luck import enumerated, random_sweep, sharpe

from arb.sweep.deflated import Deflated, deflated_sharpe, expected_best, probability_above
from arb.sweep.moments import BLOCKS, Gathering, Moments, blocks_for, moments_of
from arb.sweep.overfitting import Overfitting, overfitting
from arb.sweep.unknown import Unknown


def judged(returns: Any, blocks: int | None = None) -> Overfitting:
    moments = moments_of(returns, blocks)
    assert isinstance(moments, Moments)
    found = overfitting(moments)
    assert isinstance(found, Overfitting)
    return found


@pytest.mark.parametrize(("seed", "blocks", "sets"), [(1, 4, 3), (2, 6, 8), (3, 8, 5), (4, 10, 4)])
def test_it_is_what_the_enumeration_gives(seed: int, blocks: int, sets: int) -> None:
    returns = np.random.default_rng(seed).normal(0.2, 1.0, (blocks * 3, sets)) ** 3 * 1e-5
    share, logits = enumerated(returns, blocks)
    found = judged(returns, blocks)
    assert found.share == pytest.approx(share, abs=1e-9)
    assert found.splits == len(logits) == math.comb(blocks, blocks // 2)
    ours = np.log(found.ranks / (1.0 - found.ranks))
    assert np.sort(ours) == pytest.approx(sorted(logits), abs=1e-9)


def test_a_table_worked_by_hand() -> None:
    """Two returns a and b have a Sharpe ratio in proportion to (a + b) / |a - b|:

    rows   A    B    C    chosen  on the others       rank
    1 2    4    3    0.67   A     3    5    1.67      2: the median
    1 3    2    1.67 0.6    A     2.33 2    1.5       3
    1 4    5    1.4  0      A     1.5  3    9         1
    2 3    1.5  3    9      C     5    1.4  0         1
    2 4    2.33 2    1.5    A     2    1.67 0.6       3
    3 4    3    5    1.67   B     4    3    0.67      2: the median
    """
    returns = np.array([[3.0, 1.0, -1.0], [5.0, 2.0, 5.0], [1.0, 4.0, 4.0], [2.0, 6.0, 1.0]])
    found = judged(returns, blocks=4)
    assert found.share == pytest.approx(4 / 6, abs=1e-9)
    assert sorted(found.ranks) == pytest.approx([1 / 4, 1 / 4, 2 / 4, 2 / 4, 3 / 4, 3 / 4], abs=1e-9)
    assert found.sharpe_before == pytest.approx((4 + 2 + 5 + 9 + 7 / 3 + 5) / 6 / math.sqrt(2), abs=1e-9)
    assert found.sharpe_after == pytest.approx((3 + 7 / 3 + 1.5 + 0 + 2 + 3) / 6 / math.sqrt(2), abs=1e-9)
    assert found.loss_share == 0.0


def test_random_strategies_on_random_walks_overfit_in_half_of_the_splits() -> None:
    generator = np.random.default_rng(20)
    shares = [judged(random_sweep(generator), blocks=8).share for _ in range(200)]
    assert 0.4 < np.mean(shares) < 0.6


@pytest.mark.parametrize(("edges", "errors_of"), [(4, 1.0), (1, 2.0)])
def test_a_planted_edge_of_three_standard_errors_is_found(edges: int, errors_of: float) -> None:
    """In a fifth of the sets, an edge of three errors of the mean of all; in one set, of the mean of each half."""
    generator, shares = np.random.default_rng(21), []
    for _ in range(200):
        returns = random_sweep(generator)
        returns[:, :edges] += 3.0 / math.sqrt(len(returns) / errors_of)
        shares.append(judged(returns, blocks=8).share)
    assert np.mean(shares) < 0.1


def test_the_order_of_the_sets_has_no_effect_even_if_some_are_equal() -> None:
    generator = np.random.default_rng(22)
    returns = random_sweep(generator, 64, 6)
    returns[:32, 0] = 0.0
    returns = np.concatenate((returns, returns[:, :3], np.zeros((64, 2))), axis=1)
    first = judged(returns, blocks=8)
    for _ in range(5):
        other = judged(returns[:, generator.permutation(returns.shape[1])], blocks=8)
        assert other[:4] == pytest.approx(first[:4], abs=1e-12)
    assert first.share == pytest.approx(judged(returns * 1e-6, blocks=8).share, abs=1e-12)


def test_sets_without_a_trade_have_the_ratio_zero() -> None:
    """The others lose in every block, so one of the idle sets is chosen, and is among the best afterwards."""
    losing = -1.0 - np.random.default_rng(23).random((96, 3))
    found = judged(np.concatenate((np.zeros((96, 2)), losing), axis=1))
    assert (found.share, found.sharpe_before, found.sharpe_after) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("returns", "reason"),
    [
        (np.ones((96, 1)), "fewer than two sets"),
        (np.zeros((96, 3)), "no set traded"),
        (np.random.default_rng(1).random((96, 1)) * np.ones(4), "all sets have the same returns"),
        (np.random.default_rng(1).random((23, 4)), "23 returns: at least 24 are needed"),
        (np.zeros((0, 4)), "0 returns: at least 24"),
        (np.where(np.arange(96)[:, None] == 5, np.nan, np.ones((96, 3))), "3 of 3 sets have returns"),
    ],
)
def test_what_cannot_be_judged_is_unknown(returns: Any, reason: str) -> None:
    found = moments_of(returns)
    assert isinstance(found, Unknown)
    assert found.reason.startswith(reason)


def test_constant_returns_have_no_ratio() -> None:
    returns = np.random.default_rng(24).normal(size=(96, 3))
    returns[:, 1] = 0.1
    moments = moments_of(returns)
    assert isinstance(moments, Moments)
    for found in (overfitting(moments), deflated_sharpe(moments, 0)):
        assert isinstance(found, Unknown)
        assert "constant" in found.reason


def test_moments_gathered_set_by_set_are_those_of_the_table() -> None:
    returns = np.random.default_rng(25).normal(size=(101, 7))
    whole, gathered = moments_of(returns), Gathering(101)
    for first in (0, 2, 3):
        gathered.add(returns[:, first : {0: 2, 2: 3, 3: 7}[first]])
    parts = gathered.end()
    assert isinstance(whole, Moments)
    assert isinstance(parts, Moments)
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


def test_short_tables_have_fewer_blocks() -> None:
    assert [blocks_for(times) for times in (23, 24, 31, 32, 63, 64, 9999)] == [0, 6, 6, 8, 14, BLOCKS, BLOCKS]


# The deflated Sharpe ratio.


def test_the_papers_worked_example() -> None:
    """A strategy with an annual Sharpe ratio of 2.5, the best of 100, over five years of daily returns."""
    benchmark = expected_best(100, 0.5 / 250)
    assert benchmark == pytest.approx(0.1132, abs=5e-5)
    assert probability_above(2.5 / math.sqrt(250), benchmark, 1250, -3.0, 10.0) == pytest.approx(
        0.9004, abs=5e-5
    )


def test_the_papers_example_with_fewer_trials() -> None:
    """With 46 trials it would have passed at 95 %, and with 88 if the returns were normal."""
    with_46, with_88 = (expected_best(trials, 0.5 / 250) for trials in (46, 88))
    assert probability_above(2.5 / math.sqrt(250), with_46, 1250, -3.0, 10.0) == pytest.approx(
        0.95, abs=0.005
    )
    assert probability_above(2.5 / math.sqrt(250), with_88, 1250, 0.0, 3.0) == pytest.approx(0.95, abs=0.005)


def test_a_table_has_the_ratio_of_its_moments() -> None:
    returns = np.random.default_rng(26).normal(0.1, 1.0, (300, 5))
    moments = moments_of(returns)
    assert isinstance(moments, Moments)
    found = deflated_sharpe(moments, 3)
    assert isinstance(found, Deflated)
    ratios = [sharpe(column) for column in returns.T.tolist()]
    own = returns[:, 3] - returns[:, 3].mean()
    spread = math.sqrt((own**2).mean())
    skew, kurtosis = ((own / spread) ** 3).mean(), ((own / spread) ** 4).mean()
    benchmark = expected_best(5, statistics.variance(ratios))
    assert found.probability == pytest.approx(
        probability_above(ratios[3], benchmark, 300, skew, kurtosis), abs=1e-9
    )
    correlations = np.corrcoef(returns.T)
    mean = (correlations.sum() - 5) / 20
    assert found.trials_independent == pytest.approx(max(mean, 0.0) + (1 - max(mean, 0.0)) * 5, abs=1e-9)


def test_sets_that_do_nearly_the_same_are_few_trials() -> None:
    generator = np.random.default_rng(27)
    returns = generator.normal(size=(200, 1)) + 0.01 * generator.normal(size=(200, 50))
    moments = moments_of(returns)
    assert isinstance(moments, Moments)
    found = deflated_sharpe(moments, 0)
    assert isinstance(found, Deflated)
    assert found.trials == 50
    assert 1.0 < found.trials_independent < 1.1
    assert found.probability < found.probability_independent


def test_of_random_strategies_the_best_exceeds_luck_in_half_of_the_sweeps() -> None:
    generator, chances = np.random.default_rng(28), []
    for _ in range(200):
        moments = moments_of(random_sweep(generator))
        assert isinstance(moments, Moments)
        found = deflated_sharpe(moments, int(np.argmax(moments.sharpes)))
        assert isinstance(found, Deflated)
        chances.append(found.probability)
    assert 0.4 < np.mean(chances) < 0.6


def test_a_best_set_that_did_not_trade_has_no_ratio() -> None:
    returns = np.concatenate((np.zeros((96, 1)), -np.random.default_rng(29).random((96, 3))), axis=1)
    moments = moments_of(returns)
    assert isinstance(moments, Moments)
    found = deflated_sharpe(moments, 0)
    assert found == Unknown("the best set did not trade")
