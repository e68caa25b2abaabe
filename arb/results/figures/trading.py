"""Round trips, attempts, edges, orders and opportunities. A group without data in the run is null."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from arb.results.figures.declared import ATTEMPTS, EDGE, OPPORTUNITIES, RISK, TRIPS, Figure, Group
from arb.results.metrics.opportunities import opportunities_of
from arb.results.metrics.orders import orders_of, risk_halt_of, unhedged_of
from arb.results.metrics.round_trips import RoundTrips, longest_run
from arb.results.metrics.statistics import largest, mean, median, percentile, share_of, smallest
from arb.results.trades import time_text
from arb.strategies.spread.decisions import Decision, Purpose
from connectors.units import SECOND

if TYPE_CHECKING:
    from arb.results.result import RunResult


def _round_trips(run: RunResult) -> RoundTrips | None:
    return run.round_trips if len(run.attempts) or len(run.round_trips.rows) else None


ROUND_TRIP_FIGURES = Group(
    "round_trips",
    "round trips; null for a run without fills",
    _round_trips,
    (
        Figure("kind", "text", None, TRIPS, "A round trip is",
               text="`attempt`: each attempt with a fill; `convergence`, where spreads are entered and left: all "
                    "attempts of a pair from flat to flat (a leg under 1 % of the round trip's largest position is "
                    "flat); `leg`, for a strategy that logs no attempts: the fills of a leg from flat to flat"),
        Figure("closed", "count", lambda t: len(t.closed), TRIPS, "Closed",
               text="closed round trips"),
        Figure("open", "count", lambda t: len(t.rows) - len(t.closed), TRIPS, "Open at the end",
               text="open at the end; they count here and in `pnl_quote_sum` only"),
        Figure("wins", "count", lambda t: len(t.wins),
               text="closed with a profit"),
        Figure("losses", "count", lambda t: len(t.losses),
               text="closed with a loss"),
        Figure("win_rate_share", "share", lambda t: share_of(len(t.wins), len(t.closed)), TRIPS, "Win rate",
               text="wins over closed ones", headline="Win rate"),
        Figure("profit_factor", "ratio", lambda t: share_of(math.fsum(t.wins), -math.fsum(t.losses)),
               TRIPS, "Profit factor",
               text="sum of the profits over sum of the losses"),
        Figure("expectancy_quote", "gain", lambda t: mean(t.pnl), TRIPS, "Expectancy",
               text="mean profit"),
        Figure("win_quote_max", "money", lambda t: largest(t.wins), TRIPS, "Largest win",
               text="largest profit"),
        Figure("loss_quote_max", "money", lambda t: -smallest(t.losses), TRIPS, "Largest loss",
               text="largest loss"),
        Figure("win_streak_max", "count", lambda t: longest_run(t.pnl > 0.0), TRIPS, "Most wins in a row",
               text="most profits in a row"),
        Figure("loss_streak_max", "count", lambda t: longest_run(t.pnl < 0.0), TRIPS, "Most losses in a row",
               text="most losses in a row"),
        Figure("holding_s_mean", "duration", lambda t: mean(t.holding_s), TRIPS, "Held, mean",
               text="from the first fill of a round trip to its last, mean"),
        Figure("holding_s_median", "duration", lambda t: median(t.holding_s), TRIPS, "Held, median",
               text="median"),
        Figure("pnl_quote_sum", "gain", lambda t: math.fsum(t.rows["pnl"]),
               text="profit of all, open ones at the last mids"),
    ),
)  # fmt: skip


class _Attempts:
    """The source of the figures of attempts and of their edges."""

    def __init__(self, run: RunResult) -> None:
        self.rows = run.attempts
        self.basis_halflife_s = run.basis_halflife_ns / SECOND
        self._fills = run.fills

    def ended(self, code: int) -> int:
        return int((self.rows["outcome"] == code).sum())

    def above_zero(self, field: str) -> int:
        return int((self.rows[field] > 0).sum())

    def known(self, field: str) -> Any:
        values = self.rows[field]
        return values[~np.isnan(values)]

    @cached_property
    def differences(self) -> Any:
        values = self.rows["over_basis_bps"] - self.rows["expected_bps"]
        return values[~np.isnan(values)]

    @property
    def unassigned(self) -> float:
        own = np.isin(self._fills["attempt"], self.rows["attempt"]) & (self._fills["attempt"] > 0)
        loose = self._fills[~own]
        return math.fsum((*loose["cash"], *(-loose["fee"])))

    @property
    def purposes(self) -> dict[str, int]:
        counts = {p.name.lower(): int((self.rows["purpose"] == p).sum()) for p in Purpose}
        return {name: count for name, count in counts.items() if count}


def _attempts(run: RunResult) -> _Attempts | None:
    return _Attempts(run) if len(run.attempts) else None


ATTEMPT_FIGURES = Group(
    "attempts",
    "attempts by outcome; null for a strategy that logs none, or without pairs",
    _attempts,
    (
        Figure("count", "count", lambda a: len(a.rows), ATTEMPTS, "Attempts",
               text="attempts"),
        Figure("filled", "count", lambda a: a.above_zero("fills"),
               text="with a fill"),
        Figure("hedged", "count", lambda a: a.ended(Decision.HEDGED), ATTEMPTS, "... hedged",
               text="ended hedged"),
        Figure("missed", "count", lambda a: a.ended(Decision.MISSED), ATTEMPTS, "... missed",
               text="ended without a fill"),
        Figure("reversed", "count", lambda a: a.ended(Decision.REVERSED), ATTEMPTS, "... reversed",
               text="ended by reversing the first leg"),
        Figure("halted", "count", lambda a: a.ended(Decision.HALTED), ATTEMPTS, "... halted",
               text="ended by a risk rule"),
        Figure("unfinished", "count", lambda a: a.ended(0),
               text="under way at the end of the run"),
        Figure("with_chase", "count", lambda a: a.above_zero("chases"), ATTEMPTS, "With a leg chased",
               text="with a chasing order"),
        Figure("with_reversal", "count", lambda a: a.above_zero("reversals"),
               text="with a reversing order"),
        Figure("with_residual", "count", lambda a: int(a.rows["is_open"].sum()),
               ATTEMPTS, "With a residual",
               text="that left base on their legs; not less than a lot where fees are taken from what is bought"),
        Figure("residual_base_sum", "base", lambda a: math.fsum(a.rows["residual"]),
               text="sum of the residuals"),
        Figure("pnl_quote_sum", "gain", lambda a: math.fsum(a.rows["pnl"]),
               text="cash of their fills less fees; a residual is valued at the mid of its leg"),
        Figure("unassigned_quote", "gain", lambda a: a.unassigned,
               text="cash less fees of fills without an attempt"),
        Figure("purposes", "counts",
               text="attempts by purpose"),
    ),
)  # fmt: skip

EDGE_FIGURES = Group(
    "edge",
    "edges of the attempts in bps of what was bought, net of fees; null without attempts",
    _attempts,
    (
        Figure("expected_bps_mean", "bps", lambda a: mean(a.known("expected_bps")), EDGE, "Expected, mean",
               text="edge at the decision; over the basis if the strategy has one"),
        Figure("captured_bps_mean", "bps", lambda a: mean(a.known("captured_bps")), EDGE, "Captured, mean",
               text="profit divided by the value bought, of attempts without a residual"),
        Figure("captured_over_basis_bps_mean", "bps", lambda a: mean(a.known("over_basis_bps")),
               EDGE, "... over the basis",
               text="the net edge less the basis, which is estimated from the records (about one a second); comparable "
                    "with the expected edge", headline="Edge captured"),
        Figure("positive_share", "share", lambda a: mean(a.known("over_basis_bps") > 0.0),
               EDGE, "Attempts above zero",
               text="attempts with a profit over the basis, of those with a captured edge"),
        Figure("difference_bps_mean", "bps", lambda a: mean(a.differences), EDGE, "Captured less expected",
               text="captured over the basis less expected, of attempts with both"),
        Figure("compared", "count", lambda a: len(a.differences),
               text="number of these attempts"),
        Figure("basis_halflife_s", "duration",
               text="half-life of the basis; 0: none"),
    ),
)  # fmt: skip


def _logged(code: Decision) -> Any:
    return lambda orders: orders.logged.get(code.value, 0)


ORDER_FIGURES = Group(
    "orders",
    "orders by the strategy's log; null for one that logs none",
    lambda run: orders_of(run.decisions, run.fills),
    (
        Figure("sent", "count", None, ATTEMPTS, "Orders sent",
               text="orders sent"),
        Figure("filled", "count",
               text="orders with a fill"),
        Figure("fill_ratio_share", "share", lambda orders: orders.filled / orders.sent,
               ATTEMPTS, "Fill ratio",
               text="orders with a fill over orders sent"),
        Figure("expired", "count", _logged(Decision.EXPIRED),
               text="orders that expired"),
        Figure("refused", "count", _logged(Decision.REFUSED), ATTEMPTS, "Refused by limits",
               text="orders that the limits refused"),
        Figure("chasing", "count", _logged(Decision.CHASE),
               text="chasing orders"),
        Figure("reversing", "count", _logged(Decision.REVERSE),
               text="reversing orders"),
    ),
)  # fmt: skip

UNHEDGED_FIGURES = Group(
    "unhedged",
    "times with one leg of an attempt short; null without attempts",
    lambda run: unhedged_of(run.decisions, int(run.equity.timestamps[-1])) if len(run.attempts) else None,
    (
        Figure("attempts", "count",
               text="attempts with such a time"),
        Figure("duration_s_sum", "duration", None, ATTEMPTS, "Time unhedged",
               text="total time from a short leg after the opening orders to the end of the attempt"),
        Figure("duration_s_max", "duration", None, ATTEMPTS, "... longest",
               text="the longest"),
    ),
)  # fmt: skip

OPPORTUNITY_FIGURES = Group(
    "opportunities",
    "edges above the threshold, as logged; null for a strategy that logs none",
    lambda run: opportunities_of(run.decisions),
    (
        Figure("seen", "count", None, OPPORTUNITIES, "Seen",
               text="opportunities"),
        Figure("taken", "count", None, OPPORTUNITIES, "Taken",
               text="taken by an attempt"),
        Figure("missed", "count", lambda o: sum(o.missed_by_reason.values()), OPPORTUNITIES, "Missed",
               text="ended otherwise"),
        Figure("missed_by_reason", "counts", None, OPPORTUNITIES, "...",
               text="these by the last reason"),
        Figure("open", "count",
               text="open at the end"),
        Figure("duration_s_mean", "duration", lambda o: mean(o.durations_s), OPPORTUNITIES, "Lasted, mean",
               text="duration of those that ended, mean"),
        Figure("duration_s_median", "duration", lambda o: median(o.durations_s),
               OPPORTUNITIES, "Lasted, median",
               text="median"),
        Figure("duration_s_p95", "duration", lambda o: percentile(o.durations_s, 95.0),
               OPPORTUNITIES, "Lasted, 95th percentile",
               text="95th percentile"),
        Figure("edge_peak_bps_mean", "bps", lambda o: mean(o.peaks_bps), OPPORTUNITIES, "Highest edge, mean",
               text="highest edge of each, mean"),
    ),
)  # fmt: skip

RISK_HALT = Group(
    "risk_halt",
    "the rule of risk that stopped the strategy; null if none did",
    lambda run: risk_halt_of(run.decisions),
    (
        Figure("rule", "text", None, RISK, "Stopped by rule",
               text="its name"),
        Figure("value", "ratio",
               text="the value that broke it"),
        Figure("time", "time", lambda halt: time_text(halt.timestamp),
               text="when"),
    ),
)  # fmt: skip
