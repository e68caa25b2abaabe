"""The main cause for which a run has no fill, in a sentence, and what else is known. Starts with `explanation_of`.

The order of the questions: were there attempts, which no order filled; were there opportunities, all missed; were there
edges at all; and if there were, what kept them below the threshold.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sized
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from arb.results.metrics.opportunities import Opportunities, opportunities_of
from arb.results.no_trades.attempts import why_unfilled
from arb.results.no_trades.cause import Cause, broken_rules, counted, keys_of_rules, listed, share
from arb.results.no_trades.edges import Edges
from arb.results.no_trades.market import why_below, why_unknown
from arb.results.no_trades.missed import why_missed
from arb.results.no_trades.settings import Setting, Settings, is_of_spread
from arb.strategies.spread.decisions import Decision
from arb.strategies.spread.measures import RISES_MAX
from connectors.units import SECOND

if TYPE_CHECKING:
    from arb.results.result import RunResult

#: Runs that ended by themselves or were ended by somebody; a failed one ends with its error.
_OUTCOMES = ("ended", "halted", "interrupted", "killed")
#: Of a killed one the edges are not measured: `arb verify` finishes its folder, and executes no code of it before.
_MEASURED = ("ended", "halted", "interrupted")
_SENT = (Decision.OPEN, Decision.CHASE, Decision.REVERSE)
#: What is known for less of the time is mentioned.
_KNOWN_SHARE = 0.99
#: A threshold is shown in hundredths of a bps, rounded down, so that it is below the edges that it has to let pass.
_HUNDREDTHS = 100.0


class Explanation(NamedTuple):
    """Why a run has no fill. keys: of the configuration, as `--set` takes them, that the sentence names. thresholds in
    bps; NaN if the strategy has none, or if it is not known."""

    reason: str
    keys: tuple[str, ...]
    details: tuple[str, ...]
    threshold_bps: float = math.nan
    threshold_for_10_bps: float = math.nan


def is_measured(outcome: str, fills: Sized, pairs: Sized, params: Mapping[str, Any]) -> bool:
    """Whether a second pass measures the edges of a run: it has no fill, and pairs whose thresholds are known."""
    return outcome in _MEASURED and not len(fills) and len(pairs) > 0 and is_of_spread(params)


def explanation_of(run: RunResult) -> Explanation | None:
    """None for a run with a fill, and for one that failed."""
    if len(run.fills) or run.outcome not in _OUTCOMES or not run.config:
        return None
    settings = Settings(run.config, run.params, [leg.name for leg in run.legs])
    if not (run.pairs and is_of_spread(run.params)):
        cause = _of_any_strategy(run)
        return Explanation(cause.sentence, _keys(cause), tuple(cause.details))
    edges = run.net_edges
    opportunities = opportunities_of(run.decisions)
    is_attempted = bool((run.decisions["code"] == Decision.ATTEMPT).any())
    if is_attempted:
        cause = why_unfilled(run, settings)
    elif opportunities is not None:
        cause = why_missed(run, settings, edges, opportunities)
    else:
        cause = why_unknown(run, settings, edges) or why_below(run, settings, edges)
    for_ten = _threshold_for_ten(edges)
    details = [
        *cause.details,
        *_of_threshold(for_ten, settings, is_low_enough=_seen(opportunities) >= RISES_MAX),
        *_of_opportunities(opportunities),
        *_of_refusals(run.refusals),
        *_of_books(run, edges, settings.halflife),
    ]
    return Explanation(cause.sentence, _keys(cause), tuple(details), float(settings.threshold.value), for_ten)


def _keys(cause: Cause) -> tuple[str, ...]:
    return tuple(dict.fromkeys(setting.key for setting in cause.settings))


def _of_any_strategy(run: RunResult) -> Cause:
    """A strategy without pairs or of another kind: no more is known than its log and what the bot did."""
    broken = broken_rules(run.refusals)
    details = [*_of_opportunities(opportunities_of(run.decisions)), *_of_refusals(run.refusals)]
    if broken:
        settings = keys_of_rules(rule for rule, _ in broken)
        by = f" ({listed(setting.key for setting in settings)})" if settings else ""
        refused = counted(sum(count for _, count in broken), "order")
        return Cause(f"The limits refused {refused}{by}, and no other order was filled.", settings, details)
    sent = int(np.isin(run.decisions["code"], _SENT).sum())
    if sent:
        return Cause(
            f"The strategy sent {counted(sent, 'order')}, by its log, and none was filled.", details=details
        )
    if len(run.decisions):
        return Cause("The strategy sent no order, by its log, and the limits refused none.", details=details)
    return Cause(
        "No order was filled, and the limits refused none: the strategy sent none, or no price reached its orders."
    )


def _threshold_for_ten(edges: Edges | None) -> float:
    rise = math.nan if edges is None else edges.rise_bps(RISES_MAX)
    return math.nan if math.isnan(rise) else math.floor(rise * _HUNDREDTHS) / _HUNDREDTHS


def _of_threshold(for_ten: float, settings: Settings, *, is_low_enough: bool) -> Iterator[str]:
    """The threshold that would have given about ten attempts, where the edges did not reach it."""
    if math.isnan(for_ten) or is_low_enough or for_ten >= settings.number("min_spread_bps"):
        return
    key = settings.threshold.key
    if for_ten >= 0.0:
        yield f"About {RISES_MAX} attempts would have begun with {key} = {for_ten:.10g}{_fewer(settings)}."
    else:
        yield (
            f"No {key} would have given {RISES_MAX} attempts: it is at least 0, and edges rose {RISES_MAX} times only "
            f"above {for_ten:.10g} bps, a loss."
        )


def _fewer(settings: Settings) -> str:
    """What holds attempts back once one has been made."""
    if settings.is_convergence:
        return ", fewer while a spread is held"
    skew = settings.of("strategy.inventory_skew_bps")
    return (
        f", fewer while moved inventory raises it ({skew})"
        if settings.number("inventory_skew_bps") > 0.0
        else ""
    )


def _seen(opportunities: Opportunities | None) -> int:
    return 0 if opportunities is None else opportunities.seen


def _of_opportunities(opportunities: Opportunities | None) -> Iterator[str]:
    if opportunities is None:
        return
    reasons = sorted(opportunities.missed_by_reason.items(), key=lambda one: (-one[1], one[0]))
    taken = [("taken", opportunities.taken)] if opportunities.taken else []
    parts = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in [*taken, *reasons])
    yield f"Edges above the threshold: {opportunities.seen:,}, by the last reason: {parts or 'none ended'}."


def _of_refusals(refusals: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    for leg, rules in refusals.items():
        broken = ", ".join(f"{count:,} by {rule}" for rule, count in rules.items() if count)
        if broken:
            yield f"{leg}: orders refused by the limits of risk: {broken}."


def _of_books(run: RunResult, edges: Edges | None, halflife: Setting) -> Iterator[str]:
    """Times without a book, before the strategy can see an edge."""
    if edges is None:
        yield "The edges of this run were not measured."
        return
    for leg_no, leg in enumerate(run.legs):
        quoted_s = edges.leg(leg_no).quoted_s
        if quoted_s < _KNOWN_SHARE * edges.span_s:
            lost_s = (leg.outages.before_ns + leg.outages.total_ns) / SECOND
            rest_s = max(0.0, edges.span_s - quoted_s - lost_s)
            yield (
                f"{leg.name} had a book for {share(quoted_s, edges.span_s)} of the time; its data lacked one for "
                f"{lost_s:,.1f} s, and were silent for longer than execution.stale_after_ms, or over, for "
                f"{rest_s:,.1f} s."
            )
    both_s, known_s = (max(getattr(way, name) for way in edges.ways) for name in ("both_s", "known_s"))
    if known_s < _KNOWN_SHARE * both_s:
        yield f"The basis ({halflife}) was known for {share(known_s, both_s)} of the time with both books."
