"""The numbers of a finished run, computed once: `summary.json`, the terminal's table and `report.html` show these."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from arb.results.facts import RunFacts
from arb.results.metrics.attempts import attempts_of
from arb.results.metrics.coverage import BookGaps, Coverage, coverage_of
from arb.results.metrics.equity import (
    SAMPLE_NS,
    Equity,
    annual_share,
    equity_curve,
    inventory_change,
    largest_drawdown,
    ratios,
    sampled_returns,
    share_of,
)
from arb.results.metrics.opportunities import opportunities_of
from arb.results.metrics.orders import orders_of, risk_halt_of, unhedged_of
from arb.results.metrics.round_trips import Rounds, is_convergence, rounds_of, totals_of
from arb.results.metrics.run import NS_PER_S, LegFacts, RunData, mean, median, percentile
from arb.results.summary_fields import (
    AttemptsSummary,
    BookSummary,
    EdgeSummary,
    EquitySummary,
    LegSummary,
    OpportunitiesSummary,
    OrdersSummary,
    PairSummary,
    RiskHaltSummary,
    RoundsSummary,
    SpellSummary,
    Summary,
    UnhedgedSummary,
)
from arb.results.trades import iso_time
from arb.strategies.spread.decisions import Decision, Purpose


class Figures(NamedTuple):
    """A summary with the arrays that it was computed from, for tables and charts."""

    summary: Summary
    run: RunData
    equity: Equity
    #: Rows of ATTEMPT_ROW and of ROUND_ROW.
    attempts: Any
    rounds: Any


def figures_of(facts: RunFacts, run: RunData, final: Any) -> Figures:
    """All figures of one run; `final` is the last state, one record a leg, and equals the last row of the records."""
    equity = equity_curve(run.legs, run.records)
    attempts = attempts_of(run, equity)
    by_spread = run.is_convergence or is_convergence(attempts)
    rounds = rounds_of(attempts, equity, by_spread=by_spread)
    legs = leg_summaries(
        final,
        run.legs,
        coverage_of(equity.timestamps, equity.is_known),
        [facts.book_gaps.get(leg.name, BookGaps()) for leg in run.legs],
    )
    timestamps = equity.timestamps
    summary = Summary(
        notes=facts.notes,
        world=facts.world,
        outcome=facts.outcome,
        strategy=facts.strategy,
        first_day=facts.first_day,
        last_day=facts.last_day,
        first_time=span(int(timestamps[0])),
        last_time=span(int(final["timestamp"][0])),
        span_s=int(timestamps[-1] - timestamps[0]) / NS_PER_S,
        rows=facts.rows,
        legs=legs,
        pairs=pair_summaries(legs, run.legs),
        decisions=count_decisions(run.decisions),
        refusals=facts.refusals,
        gaps=facts.gaps,
        balance=sum(leg.balance for leg in legs),
        fee=sum(leg.fee for leg in legs),
        trades=sum(leg.trades for leg in legs),
        pnl=sum(leg.pnl for leg in legs),
        edge_bps_mean=mean_edge_bps(run.decisions),
        equity=_equity_summary(run, equity),
        rounds=_rounds_summary(totals_of(rounds), by_spread) if len(attempts) else None,
        attempts=_attempts_summary(attempts, run.fills) if len(attempts) else None,
        edge=_edge_summary(attempts, run.basis_halflife_ns) if len(attempts) else None,
        orders=_orders_summary(run),
        unhedged=_unhedged_summary(run, int(timestamps[-1])) if len(attempts) else None,
        opportunities=_opportunities_summary(run.decisions),
        risk_halt=_risk_halt_summary(run.decisions),
    )
    return Figures(summary, run, equity, attempts, rounds)


def leg_summaries(
    final: Any, legs: Sequence[LegFacts], coverages: Sequence[Coverage], gaps: Sequence[BookGaps]
) -> list[LegSummary]:
    """The legs' final state; `final` is one record (hftbacktest's `record_dtype`) a leg."""
    return [_leg_summary(*parts) for parts in zip(final, legs, coverages, gaps, strict=True)]


def _leg_summary(record: Any, leg: LegFacts, coverage: Coverage, gaps: BookGaps) -> LegSummary:
    position, balance, fee, mid = (float(record[name]) for name in ("position", "balance", "fee", "price"))
    # A flat leg has the value 0 even if its price is NaN.
    held = position * mid * leg.contract_size if position else 0.0
    return LegSummary(
        leg=leg.name,
        position=position,
        balance=balance,
        fee=fee,
        trades=int(record["num_trades"]),
        volume=float(record["trading_volume"]),
        value=float(record["trading_value"]),
        mid=mid,
        pnl=balance - fee + held,
        start_base=leg.base,
        start_quote=leg.quote,
        unquoted_s=coverage.unquoted_s,
        one_sided_s=coverage.one_sided_s,
        unquoted_records=coverage.unquoted_records,
        book=_book_summary(gaps),
    )


def _book_summary(gaps: BookGaps) -> BookSummary:
    return BookSummary(
        unknown_s=(gaps.before_ns + gaps.spells_ns) / NS_PER_S,
        before_s=gaps.before_ns / NS_PER_S,
        spells=gaps.spells,
        spells_s_sum=gaps.spells_ns / NS_PER_S,
        spells_s_max=(gaps.longest[1] - gaps.longest[0]) / NS_PER_S,
        first_spells=[
            SpellSummary(span(start), span(end), (end - start) / NS_PER_S) for start, end in gaps.first
        ],
    )


def pair_summaries(ends: Sequence[LegSummary], legs: Sequence[LegFacts]) -> list[PairSummary]:
    """The pairs' final state."""
    pairs = []
    for first in range(0, len(ends), 2):
        both = ends[first : first + 2]
        symbols = dict.fromkeys(end.leg.partition(":")[2] for end in both)
        pairs.append(
            PairSummary(
                name=" and ".join(symbols),
                imbalance=_imbalance(both, legs[first : first + 2]),
                balance=sum(end.balance for end in both),
                fee=sum(end.fee for end in both),
                trades=sum(end.trades for end in both),
                pnl=sum(end.pnl for end in both),
            )
        )
    return pairs


def _imbalance(ends: Sequence[LegSummary], legs: Sequence[LegFacts]) -> float:
    """Rounded to nine decimals: finer than any lot, coarser than the rounding error of sums of fills."""
    return round(sum(end.position * leg.contract_size for end, leg in zip(ends, legs, strict=True)), 9)


def count_decisions(decisions: Any) -> dict[str, int]:
    """How often each decision was logged, by name in lower case; empty when none was."""
    if len(decisions) == 0:
        return {}
    return {code.name.lower(): int((decisions["code"] == code).sum()) for code in Decision}


def mean_edge_bps(decisions: Any) -> float:
    """The mean edge that attempts began with; NaN without any."""
    return mean(decisions["value"][decisions["code"] == Decision.ATTEMPT])


def span(ns: int) -> str:
    """A time in ns as text; empty for 0."""
    return iso_time(ns) if ns else ""


def _equity_summary(run: RunData, equity: Equity) -> EquitySummary:
    drawdown = largest_drawdown(equity)
    of_returns = ratios(sampled_returns(equity))
    last = run.records[-1]
    realised = math.fsum((*last["balance"], *(-last["fee"])))
    share = share_of(equity.profit, equity.capital)
    return EquitySummary(
        capital_quote=equity.capital,
        end_quote=float(equity.values[-1]),
        return_quote=equity.profit,
        return_share=share,
        return_annual_share=annual_share(share, int(equity.timestamps[-1] - equity.timestamps[0])),
        realised_quote=realised,
        unrealised_quote=equity.profit - realised,
        inventory_change_quote=inventory_change(run.legs, equity),
        sharpe=of_returns.sharpe,
        sortino=of_returns.sortino,
        sample_interval_s=SAMPLE_NS / NS_PER_S,
        samples=of_returns.samples,
        drawdown_quote_max=drawdown.quote,
        drawdown_share_max=drawdown.share,
        drawdown_from_time=span(drawdown.from_ns) or None,
        drawdown_to_time=span(drawdown.to_ns) or None,
        return_over_drawdown=share_of(equity.profit, drawdown.quote),
    )


def _rounds_summary(totals: Rounds, by_spread: bool) -> RoundsSummary:
    return RoundsSummary("convergence" if by_spread else "attempt", **totals._asdict())


def _attempts_summary(attempts: Any, fills: Any) -> AttemptsSummary:
    outcome = attempts["outcome"]
    loose = fills[fills["attempt"] <= 0]
    purposes = {p.name.lower(): int((attempts["purpose"] == p).sum()) for p in Purpose}
    return AttemptsSummary(
        count=len(attempts),
        filled=int((attempts["fills"] > 0).sum()),
        hedged=int((outcome == Decision.HEDGED).sum()),
        missed=int((outcome == Decision.MISSED).sum()),
        reversed=int((outcome == Decision.REVERSED).sum()),
        halted=int((outcome == Decision.HALTED).sum()),
        unfinished=int((outcome == 0).sum()),
        chased=int((attempts["chases"] > 0).sum()),
        undone=int((attempts["reversals"] > 0).sum()),
        with_residual=int((attempts["residual"] != 0.0).sum()),
        residual_base_sum=math.fsum(attempts["residual"]),
        pnl_quote_sum=math.fsum(attempts["pnl"]),
        unassigned_quote=math.fsum((*loose["cash"], *(-loose["fee"]))),
        purposes={name: count for name, count in purposes.items() if count},
    )


def _edge_summary(attempts: Any, halflife_ns: int) -> EdgeSummary:
    expected, captured, over = (attempts[name] for name in ("expected_bps", "captured_bps", "over_basis_bps"))
    differences = _known(over - expected)
    return EdgeSummary(
        expected_bps_mean=mean(_known(expected)),
        captured_bps_mean=mean(_known(captured)),
        captured_over_basis_bps_mean=mean(_known(over)),
        positive_share=mean(_known(over) > 0.0),
        difference_bps_mean=mean(differences),
        compared=len(differences),
        basis_halflife_s=halflife_ns / NS_PER_S,
    )


def _known(values: Any) -> Any:
    return values[~np.isnan(values)]


def _orders_summary(run: RunData) -> OrdersSummary | None:
    orders = orders_of(run.decisions, run.fills)
    if orders is None:
        return None
    counts = count_decisions(run.decisions)
    return OrdersSummary(
        sent=orders.sent,
        filled=orders.filled,
        fill_ratio_share=orders.fill_ratio_share,
        expired=counts["expired"],
        refused=counts["refused"],
        chasing=counts["chase"],
        reversing=counts["reverse"],
    )


def _unhedged_summary(run: RunData, end_ns: int) -> UnhedgedSummary:
    unhedged = unhedged_of(run.decisions, end_ns)
    return UnhedgedSummary(unhedged.attempts, unhedged.s_sum, unhedged.s_max)


def _opportunities_summary(decisions: Any) -> OpportunitiesSummary | None:
    found = opportunities_of(decisions)
    if found is None:
        return None
    return OpportunitiesSummary(
        seen=found.seen,
        taken=found.taken,
        missed=sum(found.missed.values()),
        open=found.open,
        missed_by_reason=found.missed,
        duration_s_mean=mean(found.durations_s),
        duration_s_median=median(found.durations_s),
        duration_s_p95=percentile(found.durations_s, 95.0),
        edge_peak_bps_mean=mean(found.peaks_bps),
    )


def _risk_halt_summary(decisions: Any) -> RiskHaltSummary | None:
    halt = risk_halt_of(decisions)
    return None if halt is None else RiskHaltSummary(halt.rule, halt.value, span(halt.timestamp))
