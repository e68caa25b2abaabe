"""The probability that the best set's Sharpe ratio is more than the best of so many sets has by luck.

The deflated Sharpe ratio: the probability that a set's true Sharpe ratio exceeds the highest one which is expected
among as many sets without any edge, for the length, skewness and kurtosis of its returns.

Source: D. H. Bailey, M. López de Prado, "The Deflated Sharpe Ratio: Correcting for Selection Bias, Backtest
Overfitting and Non-Normality", Journal of Portfolio Management 40 (5), 2014; the number of independent trials is that
of its appendix 3. Ratios here are per return, not annual.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from arb.sweep.moments import Moments
from arb.sweep.unknown import Unknown

_NORMAL = NormalDist()
_EULER = 0.5772156649015329


class Deflated(NamedTuple):
    """The result for one set of a table.

    probability: the deflated Sharpe ratio, with every set as a trial. expected_best: the Sharpe ratio that the best of
    the sets is expected to have without an edge. trials_independent: the number of sets, reduced by the mean
    correlation of their returns; probability_independent: the deflated Sharpe ratio with so many trials.
    """

    probability: float
    sharpe: float
    expected_best: float
    trials: int
    trials_independent: float
    probability_independent: float
    skew: float
    kurtosis: float
    returns: int


def expected_best(trials: float, variance: float) -> float:
    """The highest Sharpe ratio expected of `trials` without an edge, whose ratios have this variance; 0 for one."""
    if trials <= 1.0:
        return 0.0
    highest = (1.0 - _EULER) * _NORMAL.inv_cdf(1.0 - 1.0 / trials)
    highest += _EULER * _NORMAL.inv_cdf(1.0 - 1.0 / (trials * math.e))
    return math.sqrt(variance) * highest


def probability_above(sharpe: float, benchmark: float, returns: int, skew: float, kurtosis: float) -> float:
    """The probability that the true Sharpe ratio exceeds a benchmark, the probabilistic Sharpe ratio.

    kurtosis: 3 for a normal distribution. NaN if the ratio's error is not defined.
    """
    square = 1.0 - skew * sharpe + (kurtosis - 1.0) / 4.0 * sharpe**2
    if not (square > 0.0 and returns > 1):
        return math.nan
    return _NORMAL.cdf((sharpe - benchmark) * math.sqrt((returns - 1) / square))


def deflated_sharpe(moments: Moments, best: int) -> Deflated | Unknown:
    """The deflated Sharpe ratio of set `best`. Sets that never trade are trials with a Sharpe ratio of 0."""
    if not np.isfinite(moments.sharpes).all():
        return Unknown("a set's returns are constant: it has no Sharpe ratio")
    if not np.isfinite(moments.kurtoses[best]):
        return Unknown("the best set did not trade")
    sharpe, variance = float(moments.sharpes[best]), float(np.var(moments.sharpes, ddof=1))
    skew, kurtosis = float(moments.skews[best]), float(moments.kurtoses[best])
    trials = len(moments.sharpes)
    independent = moments.correlation + (1.0 - moments.correlation) * max(moments.traded, 1)
    benchmarks = [expected_best(number, variance) for number in (trials, independent)]
    chances = [probability_above(sharpe, one, moments.returns, skew, kurtosis) for one in benchmarks]
    if not all(map(math.isfinite, chances)):
        return Unknown("the best set's returns have two values: its Sharpe ratio has no known error")
    return Deflated(
        chances[0], sharpe, benchmarks[0], trials, independent, chances[1], skew, kurtosis, moments.returns
    )
