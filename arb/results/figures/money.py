"""Return, ratios and drawdown of the whole run."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING

from arb.results.figures.declared import RESULT, RISK, Figure, Group
from arb.results.metrics.equity import (
    SAMPLE_NS,
    annual_share,
    inventory_change,
    largest_drawdown,
    ratios,
    sampled_returns,
)
from arb.results.metrics.statistics import NS_PER_S, share_of
from arb.results.trades import time_text

if TYPE_CHECKING:
    from arb.results.result import RunResult


class _Money:
    """The source of the figures."""

    def __init__(self, run: RunResult) -> None:
        self.equity = run.equity
        self.ratios = ratios(sampled_returns(run.equity))
        self.drawdown = largest_drawdown(run.equity)
        self.share = share_of(run.equity.profit, run.equity.capital)
        self.inventory_change = inventory_change(run.legs, run.equity)
        self._last = run.records[-1]

    @cached_property
    def realised(self) -> float:
        return math.fsum((*self._last["balance"], *(-self._last["fee"])))

    @property
    def span_ns(self) -> int:
        return int(self.equity.timestamps[-1] - self.equity.timestamps[0])


EQUITY = Group(
    "equity",
    "return, ratios and drawdown",
    _Money,
    (
        Figure(
            "capital_quote",
            "money",
            "quote of all legs, plus their base at its first known mid",
            lambda m: m.equity.capital,
            "Capital at the start",
            RESULT,
        ),
        Figure(
            "end_quote",
            "money",
            "capital plus profit at the end",
            lambda m: float(m.equity.values[-1]),
            "Equity at the end",
            RESULT,
        ),
        Figure(
            "return_quote",
            "gain",
            "profit: over all legs, cash less fees plus position times mid times contract size",
            lambda m: m.equity.profit,
            "Profit",
            RESULT,
            "Profit",
        ),
        Figure("realised_quote", "gain", "cash less fees", lambda m: m.realised, "... realised", RESULT),
        Figure(
            "unrealised_quote",
            "gain",
            "the rest of the profit: positions at the last mids",
            lambda m: m.equity.profit - m.realised,
            "... in positions, at mid",
            RESULT,
        ),
        Figure(
            "return_share", "return", "profit over capital", lambda m: m.share, "Return", RESULT, "Return"
        ),
        Figure(
            "return_annual_share",
            "return",
            "that, times 365 days over the duration; simple, not compounded; null for less than a day",
            lambda m: annual_share(m.share, m.span_ns),
            "Return a year, simple",
            RESULT,
        ),
        Figure(
            "inventory_change_quote",
            "gain",
            "change in value of the initial inventory by price changes; not part of the profit",
            lambda m: m.inventory_change,
            "Inventory revalued, apart",
            RESULT,
        ),
        Figure(
            "drawdown_quote_max",
            "money",
            "largest fall from a highest equity, over all records",
            lambda m: m.drawdown.quote,
            "Largest drawdown",
            RISK,
        ),
        Figure(
            "drawdown_share_max",
            "share",
            "that, as a share of the capital, as `risk.max_drawdown` is",
            lambda m: m.drawdown.share,
            "... of the capital",
            RISK,
            "Largest drawdown",
        ),
        Figure(
            "drawdown_from_time",
            "time",
            "time of the highest equity before it",
            lambda m: time_text(m.drawdown.from_ns) or None,
            "... from",
            RISK,
        ),
        Figure(
            "drawdown_to_time",
            "time",
            "time of the lowest equity",
            lambda m: time_text(m.drawdown.to_ns) or None,
            "... to",
            RISK,
        ),
        Figure(
            "return_over_drawdown",
            "ratio",
            "profit over the largest drawdown",
            lambda m: share_of(m.equity.profit, m.drawdown.quote),
            "Profit over drawdown",
            RISK,
        ),
        Figure(
            "sharpe",
            "ratio",
            "mean return over its standard deviation (n - 1), scaled by the root of the samples in 365 days; no "
            "risk-free rate",
            lambda m: m.ratios.sharpe,
            "Sharpe, annual",
            RISK,
        ),
        Figure(
            "sortino",
            "ratio",
            "the same over the root of the mean squared loss",
            lambda m: m.ratios.sortino,
            "Sortino, annual",
            RISK,
        ),
        Figure(
            "sample_interval_s",
            "duration",
            "returns are changes of equity over capital from one interval of UTC to the next",
            lambda m: SAMPLE_NS / NS_PER_S,
            "... of returns over",
            RISK,
        ),
        Figure("samples", "count", "number of these returns", lambda m: m.ratios.samples),
    ),
)
