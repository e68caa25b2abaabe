"""Return, ratios and drawdown of the whole run."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING

from arb.results.figures.declared import RESULT, RISK, Figure, Group
from arb.results.metrics.average_cost import held_costs
from arb.results.metrics.equity import (
    ANNUAL_SPAN_NS,
    SAMPLE_NS,
    annual_ratios,
    annual_share,
    inventory_change,
    largest_drawdown,
)
from arb.results.metrics.statistics import share_of
from arb.results.trades import time_text
from connectors.units import SECOND

if TYPE_CHECKING:
    from arb.results.result import RunResult


class _Money:
    """The source of the figures."""

    def __init__(self, run: RunResult) -> None:
        self.equity = run.equity
        self.ratios = annual_ratios(run.equity)
        self.drawdown = largest_drawdown(run.equity)
        self.share = share_of(run.equity.profit, run.equity.capital)
        self.inventory_change = inventory_change(run.legs, run.equity)
        self._run = run

    @cached_property
    def realised(self) -> float:
        """Cash and funding less fees, plus what the positions cost; an attempt's base, bought and sold at two venues,
        is flat."""
        run, last = self._run, self._run.records[-1]
        held = [float(last["position"][leg_no]) * leg.contract_size for leg_no, leg in enumerate(run.legs)]
        pairs = run.pairs if len(run.attempts) else []
        paired = {leg_no for pair in pairs for leg_no in pair}
        singles = [(leg_no,) for leg_no in range(len(held)) if leg_no not in paired]
        costs = held_costs(run.fills, held, [*pairs, *singles])
        return math.fsum((*last["balance"], *(-last["fee"]), *costs))

    @property
    def no_annual_reason(self) -> str | None:
        return "less than a day" if self.equity.span_ns < ANNUAL_SPAN_NS else None


EQUITY = Group(
    "equity",
    "return, ratios and drawdown",
    _Money,
    (
        Figure("capital_quote", "money", lambda m: m.equity.capital, RESULT, "Capital at the start",
               text="quote of all legs, plus their base at its first known mid"),
        Figure("end_quote", "money", lambda m: float(m.equity.values[-1]), RESULT, "Equity at the end",
               text="capital plus profit at the end"),
        Figure("return_quote", "gain", lambda m: m.equity.profit, RESULT, "Profit",
               text="profit: over all legs, cash and funding less fees plus position times mid times contract size",
               headline="Profit"),
        Figure("realised_quote", "gain", lambda m: m.realised, RESULT, "... realised",
               text="cash and funding less fees, plus the average cost of what is held: by a strategy that logs "
                    "attempts in sum over a pair, because base bought at one venue and sold at the other is flat, by "
                    "any other on each leg; null if fills are missing"),
        Figure("unrealised_quote", "gain", lambda m: m.equity.profit - m.realised,
               RESULT, "... in positions, at mid",
               text="the rest of the profit: positions at the last mids"),
        Figure("return_share", "return", lambda m: m.share, RESULT, "Return",
               text="profit over capital", headline="Return"),
        Figure("return_annual_share", "return", lambda m: annual_share(m.share, m.equity.span_ns),
               RESULT, "Return a year, simple",
               text="the return, times 365 days over the duration; simple, not compounded; null for less than a day"),
        Figure("inventory_change_quote", "gain", lambda m: m.inventory_change,
               RESULT, "Inventory revalued, apart",
               text="change in value of the initial inventory by price changes; not part of the profit"),
        Figure("drawdown_quote_max", "money", lambda m: m.drawdown.quote, RISK, "Largest drawdown",
               text="largest fall of equity below its previous maximum, over all records"),
        Figure("drawdown_share_max", "share", lambda m: m.drawdown.share, RISK, "... of the capital",
               text="the drawdown as a share of the capital, as `risk.max_drawdown`",
               headline="Largest drawdown"),
        Figure("drawdown_from_time", "time", lambda m: time_text(m.drawdown.from_ns) or None,
               RISK, "... from",
               text="time of the highest equity before it"),
        Figure("drawdown_to_time", "time", lambda m: time_text(m.drawdown.to_ns) or None, RISK, "... to",
               text="time of the lowest equity"),
        Figure("return_over_drawdown", "ratio", lambda m: share_of(m.equity.profit, m.drawdown.quote),
               RISK, "Profit over drawdown",
               text="profit over the largest drawdown"),
        Figure("sharpe", "ratio", lambda m: m.ratios.sharpe, RISK, "Sharpe, annual",
               text="mean return over its standard deviation (n - 1), scaled by the root of the samples in 365 days; "
                    "no risk-free rate; null for less than a day"),
        Figure("sortino", "ratio", lambda m: m.ratios.sortino, RISK, "Sortino, annual",
               text="the same over the root of the mean squared loss; null for less than a day"),
        Figure("sample_interval_s", "duration", lambda m: SAMPLE_NS / SECOND,
               text="returns are changes of equity over capital from one interval of UTC to the next"),
        Figure("no_annual_reason", "text", None, RISK, "... reason",
               text="why return a year, Sharpe and Sortino are null: the run is more than a minute shorter than a day; "
                    "null if it is not"),
        Figure("samples", "count", lambda m: m.ratios.samples,
               text="number of these returns"),
    ),
)  # fmt: skip
