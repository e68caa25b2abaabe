"""The equity of a run over time, and figures derived from it: returns, ratios, the largest drawdown.

Equity is the capital plus the profit. The capital is the initial holdings of all legs, base valued at the first
known mid price; all shares refer to it: returns are not compounded. Price changes of the initial inventory are not
profit and are reported separately (`inventory_change`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from arb.results.metrics.statistics import share_of
from connectors.units import DAY, SECOND

if TYPE_CHECKING:
    from arb.results.result import ResultLeg

#: Equity is sampled at this interval for Sharpe and Sortino: that of hftbacktest's own statistics.
SAMPLE_NS = 10_000_000_000
DAYS_PER_YEAR = 365
#: The shortest run with annual figures: a day, less a minute because the records of a whole UTC day begin after its
#: first book and end before midnight.
ANNUAL_SPAN_NS = DAY - 60 * SECOND


class Equity(NamedTuple):
    """The curve: one value a record."""

    timestamps: Any
    #: Quote units, from 0; NaN where a leg that holds something never had a price.
    profits: Any
    capital: float
    #: (row, leg) mid prices; an unknown one is replaced by the last before it, at the start by the first after it.
    mids: Any
    #: (row, leg) mid prices as recorded; NaN where unknown.
    prices: Any

    @property
    def profit(self) -> float:
        """Profit from the start to the end."""
        return float(self.profits[-1])

    @property
    def is_known(self) -> Any:
        """(row, leg) whether the mid was known at the record."""
        return ~np.isnan(self.prices)

    @property
    def span_ns(self) -> int:
        """From the first record to the last."""
        return int(self.timestamps[-1] - self.timestamps[0])

    @property
    def values(self) -> Any:
        """Capital and profit."""
        return self.capital + self.profits


class Drawdown(NamedTuple):
    """The largest fall from a highest equity. Times are 0 where there was none."""

    quote: float
    #: Share of the capital, as for the limit `risk.max_drawdown`.
    share: float
    from_ns: int
    to_ns: int


class Ratios(NamedTuple):
    """Ratios of sampled returns, annualised; NaN with too few samples or no variation."""

    sharpe: float
    sortino: float
    samples: int


def equity_curve(legs: Sequence[ResultLeg], records: Any) -> Equity:
    """The equity at each of one or more records. Profits are stored apart from the capital to keep precision."""
    prices = records["price"]
    mids = np.column_stack([_carried(prices[:, leg_no]) for leg_no in range(prices.shape[1])])
    capital = 0.0
    profits = np.zeros(len(records))
    for leg_no, leg in enumerate(legs):
        # A leg without a position has the value 0 even if its price is NaN.
        capital += leg.quote + (leg.base * float(mids[0, leg_no]) if leg.base else 0.0)
        profits += leg_profit(records[:, leg_no], mids[:, leg_no], leg.contract_size)
    return Equity(records["timestamp"][:, 0], profits, capital, mids, prices)


def leg_profit(records: Any, mids: Any, contract_size: float) -> Any:
    """Profit of a leg at each record: cash less fees, and the position at the mid."""
    position = records["position"]
    held = np.where(position == 0.0, 0.0, position * mids * contract_size)
    return records["balance"] - records["fee"] + held


def inventory_change(legs: Sequence[ResultLeg], equity: Equity) -> float:
    """Value change of the initial inventory by price changes during the run; not part of the profit."""
    changes = [
        leg.base * float(equity.mids[-1, leg_no] - equity.mids[0, leg_no])
        for leg_no, leg in enumerate(legs)
        if leg.base
    ]
    return math.fsum(changes)


def largest_drawdown(equity: Equity) -> Drawdown:
    """From the highest equity to the lowest after it, over every record."""
    is_known = ~np.isnan(equity.profits)
    profits, timestamps = equity.profits[is_known], equity.timestamps[is_known]
    if not len(profits):
        return Drawdown(math.nan, math.nan, 0, 0)
    falls = np.maximum.accumulate(profits) - profits
    bottom = int(np.argmax(falls))
    if not falls[bottom] > 0.0:
        return Drawdown(0.0, 0.0, 0, 0)
    top = int(np.argmax(profits[: bottom + 1]))
    fall = float(falls[bottom])
    return Drawdown(fall, share_of(fall, equity.capital), int(timestamps[top]), int(timestamps[bottom]))


def drawdown_curve(equity: Equity) -> Any:
    """How far the equity is below its highest so far, at each record; NaN where it is unknown."""
    return np.fmax.accumulate(equity.profits) - equity.profits


def sampled_returns(equity: Equity) -> Any:
    """Changes of the equity from sample to sample, as shares of the capital.

    A sample is the last equity of each SAMPLE_NS interval of UTC; an interval without a record keeps the previous
    equity.
    """
    is_known = ~np.isnan(equity.profits)
    profits, bins = equity.profits[is_known], equity.timestamps[is_known] // SAMPLE_NS
    if len(profits) < 2 or not equity.capital > 0.0:
        return np.zeros(0)
    grid = np.arange(bins[0], bins[-1] + 1)
    samples = profits[np.searchsorted(bins, grid, side="right") - 1]
    return np.diff(samples) / equity.capital


def ratios(returns: Any) -> Ratios:
    """Sharpe: mean over standard deviation; Sortino: mean over the root of the mean squared loss.

    Both times the root of the samples in a year of 365 days, without a risk-free rate.
    """
    scale = math.sqrt(DAYS_PER_YEAR * DAY / SAMPLE_NS)
    if len(returns) < 2:
        return Ratios(math.nan, math.nan, len(returns))
    mean, deviation = float(np.mean(returns)), float(np.std(returns, ddof=1))
    loss = math.sqrt(float(np.mean(np.minimum(returns, 0.0) ** 2)))
    return Ratios(
        sharpe=mean / deviation * scale if deviation > 0.0 else math.nan,
        sortino=mean / loss * scale if loss > 0.0 else math.nan,
        samples=len(returns),
    )


def annual_ratios(equity: Equity) -> Ratios:
    """The ratios of the equity's returns; NaN for a run shorter than a day, which is too short for annual figures."""
    made = ratios(sampled_returns(equity))
    return made if equity.span_ns >= ANNUAL_SPAN_NS else Ratios(math.nan, math.nan, made.samples)


def annual_share(share: float, span_ns: int) -> float:
    """A return scaled to 365 days, without compounding; NaN for a run shorter than a day."""
    return share * DAYS_PER_YEAR * DAY / span_ns if span_ns >= ANNUAL_SPAN_NS else math.nan


def _carried(prices: Any) -> Any:
    """Prices with unknown ones filled forwards, at the start backwards; all NaN if none is known."""
    known = np.flatnonzero(~np.isnan(prices))
    if not len(known):
        return prices
    places = np.searchsorted(known, np.arange(len(prices)), side="right") - 1
    return prices[known[np.maximum(places, 0)]]
