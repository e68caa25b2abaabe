"""Round trips, attempts, edges, orders and opportunities. A group without data in the run is null."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from arb.results.figures.declared import ATTEMPTS, EDGE, OPPORTUNITIES, RISK, TRIPS, Figure, Group
from arb.results.metrics.opportunities import opportunities_of
from arb.results.metrics.orders import orders_of, risk_halt_of, unhedged_of
from arb.results.metrics.round_trips import RoundTrips, longest_run
from arb.results.metrics.statistics import NS_PER_S, largest, mean, median, percentile, share_of, smallest
from arb.results.trades import time_text
from arb.strategies.spread.decisions import Decision, Purpose

if TYPE_CHECKING:
    from arb.results.result import RunResult


def _round_trips(run: RunResult) -> RoundTrips | None:
    return run.round_trips if len(run.attempts) or len(run.round_trips.rows) else None


ROUND_TRIP_FIGURES = Group(
    "round_trips",
    "round trips; null for a run without fills",
    _round_trips,
    (
        Figure(
            "kind",
            "text",
            "`attempt`: each attempt with a fill; `convergence`, where spreads are entered and left: all attempts of a "
            "pair from flat to flat (a leg under 1 % of the round trip's largest position is flat); `leg`, for a "
            "strategy that logs no attempts: the fills of a leg from flat to flat",
            None,
            "A round trip is",
            TRIPS,
        ),
        Figure("closed", "count", "closed round trips", lambda t: len(t.closed), "Closed", TRIPS),
        Figure(
            "open",
            "count",
            "open at the end; they count here and in `pnl_quote_sum` only",
            lambda t: len(t.rows) - len(t.closed),
            "Open at the end",
            TRIPS,
        ),
        Figure("wins", "count", "closed with a profit", lambda t: len(t.wins)),
        Figure("losses", "count", "closed with a loss", lambda t: len(t.losses)),
        Figure(
            "win_rate_share",
            "share",
            "wins over closed ones",
            lambda t: share_of(len(t.wins), len(t.closed)),
            "Win rate",
            TRIPS,
            "Win rate",
        ),
        Figure(
            "profit_factor",
            "ratio",
            "sum of the profits over sum of the losses",
            lambda t: math.fsum(t.wins) / -math.fsum(t.losses) if len(t.losses) else math.nan,
            "Profit factor",
            TRIPS,
        ),
        Figure("expectancy_quote", "gain", "mean profit", lambda t: mean(t.pnl), "Expectancy", TRIPS),
        Figure("win_quote_max", "money", "largest profit", lambda t: largest(t.wins), "Largest win", TRIPS),
        Figure(
            "loss_quote_max", "money", "largest loss", lambda t: -smallest(t.losses), "Largest loss", TRIPS
        ),
        Figure(
            "win_streak_max",
            "count",
            "most profits in a row",
            lambda t: longest_run(t.pnl > 0.0),
            "Most wins in a row",
            TRIPS,
        ),
        Figure(
            "loss_streak_max",
            "count",
            "most losses in a row",
            lambda t: longest_run(t.pnl < 0.0),
            "Most losses in a row",
            TRIPS,
        ),
        Figure(
            "holding_s_mean",
            "duration",
            "from the first fill of a round trip to its last, mean",
            lambda t: mean(t.holding_s),
            "Held, mean",
            TRIPS,
        ),
        Figure(
            "holding_s_median", "duration", "median", lambda t: median(t.holding_s), "Held, median", TRIPS
        ),
        Figure(
            "pnl_quote_sum",
            "gain",
            "profit of all, open ones at the last mids",
            lambda t: math.fsum(t.rows["pnl"]),
        ),
    ),
)


class _Attempts:
    """The source of the figures of attempts and of their edges."""

    def __init__(self, run: RunResult) -> None:
        self.rows = run.attempts
        self.basis_halflife_s = run.basis_halflife_ns / NS_PER_S
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
    "attempts by outcome; null for a strategy that logs none, or takes no pairs",
    _attempts,
    (
        Figure("count", "count", "attempts", lambda a: len(a.rows), "Attempts", ATTEMPTS),
        Figure("filled", "count", "with a fill", lambda a: a.above_zero("fills")),
        Figure("hedged", "count", "ended hedged", lambda a: a.ended(Decision.HEDGED), "... hedged", ATTEMPTS),
        Figure(
            "missed",
            "count",
            "ended without a fill",
            lambda a: a.ended(Decision.MISSED),
            "... missed",
            ATTEMPTS,
        ),
        Figure(
            "reversed",
            "count",
            "ended with the first leg traded back",
            lambda a: a.ended(Decision.REVERSED),
            "... reversed",
            ATTEMPTS,
        ),
        Figure(
            "halted",
            "count",
            "ended by a rule of risk",
            lambda a: a.ended(Decision.HALTED),
            "... halted",
            ATTEMPTS,
        ),
        Figure("unfinished", "count", "under way at the end of the run", lambda a: a.ended(0)),
        Figure(
            "with_chase",
            "count",
            "with a chasing order",
            lambda a: a.above_zero("chases"),
            "With a leg chased",
            ATTEMPTS,
        ),
        Figure("with_reversal", "count", "with a reversing order", lambda a: a.above_zero("reversals")),
        Figure(
            "with_residual",
            "count",
            "that left base on their legs",
            lambda a: int((a.rows["residual"] != 0.0).sum()),
            "With a residual",
            ATTEMPTS,
        ),
        Figure("residual_base_sum", "base", "sum of the residuals", lambda a: math.fsum(a.rows["residual"])),
        Figure(
            "pnl_quote_sum",
            "gain",
            "cash of their fills less fees; a residual is valued at the mid of its leg",
            lambda a: math.fsum(a.rows["pnl"]),
        ),
        Figure(
            "unassigned_quote", "gain", "cash less fees of fills without an attempt", lambda a: a.unassigned
        ),
        Figure("purposes", "counts", "attempts by purpose"),
    ),
)

EDGE_FIGURES = Group(
    "edge",
    "edges of the attempts in bps of what was bought, net of fees; null without attempts",
    _attempts,
    (
        Figure(
            "expected_bps_mean",
            "bps",
            "edge at the decision; over the basis if the strategy has one",
            lambda a: mean(a.known("expected_bps")),
            "Expected, mean",
            EDGE,
        ),
        Figure(
            "captured_bps_mean",
            "bps",
            "profit over what was bought, of attempts without a residual",
            lambda a: mean(a.known("captured_bps")),
            "Captured, mean",
            EDGE,
        ),
        Figure(
            "captured_over_basis_bps_mean",
            "bps",
            "that less the basis, which is estimated from the records (about one a second); comparable with the "
            "expected edge",
            lambda a: mean(a.known("over_basis_bps")),
            "... over the basis",
            EDGE,
            "Edge captured",
        ),
        Figure(
            "positive_share",
            "share",
            "attempts with a profit over the basis, of those with a captured edge",
            lambda a: mean(a.known("over_basis_bps") > 0.0),
            "Attempts above zero",
            EDGE,
        ),
        Figure(
            "difference_bps_mean",
            "bps",
            "captured over the basis less expected, of attempts with both",
            lambda a: mean(a.differences),
            "Captured less expected",
            EDGE,
        ),
        Figure("compared", "count", "number of these attempts", lambda a: len(a.differences)),
        Figure("basis_halflife_s", "duration", "half-life of the basis; 0: none"),
    ),
)


class _Orders(NamedTuple):
    sent: int
    filled: int
    counts: dict[int, int]


def _orders(run: RunResult) -> _Orders | None:
    orders = orders_of(run.decisions, run.fills)
    if orders is None:
        return None
    codes, counts = np.unique(run.decisions["code"], return_counts=True)
    return _Orders(orders.sent, orders.filled, dict(zip(codes.tolist(), counts.tolist(), strict=True)))


def _logged(code: Decision) -> Any:
    return lambda orders: orders.counts.get(code.value, 0)


ORDER_FIGURES = Group(
    "orders",
    "orders by the strategy's log; null for one that logs none",
    _orders,
    (
        Figure("sent", "count", "orders sent", None, "Orders sent", ATTEMPTS),
        Figure("filled", "count", "orders with a fill"),
        Figure(
            "fill_ratio_share",
            "share",
            "orders with a fill over orders sent",
            lambda orders: orders.filled / orders.sent,
            "Fill ratio",
            ATTEMPTS,
        ),
        Figure("expired", "count", "orders that expired", _logged(Decision.EXPIRED)),
        Figure(
            "refused",
            "count",
            "orders that the limits refused",
            _logged(Decision.REFUSED),
            "Refused by limits",
            ATTEMPTS,
        ),
        Figure("chasing", "count", "chasing orders", _logged(Decision.CHASE)),
        Figure("reversing", "count", "reversing orders", _logged(Decision.REVERSE)),
    ),
)

UNHEDGED_FIGURES = Group(
    "unhedged",
    "times with one leg of an attempt short; null without attempts",
    lambda run: unhedged_of(run.decisions, int(run.equity.timestamps[-1])) if len(run.attempts) else None,
    (
        Figure("attempts", "count", "attempts with such a time"),
        Figure(
            "duration_s_sum",
            "duration",
            "from a leg being short after the opening orders to the end of the attempt, in sum",
            None,
            "Time unhedged",
            ATTEMPTS,
        ),
        Figure("duration_s_max", "duration", "the longest", None, "... longest", ATTEMPTS),
    ),
)

OPPORTUNITY_FIGURES = Group(
    "opportunities",
    "edges above the threshold, as logged; null for a strategy that logs none",
    lambda run: opportunities_of(run.decisions),
    (
        Figure("seen", "count", "opportunities", None, "Seen", OPPORTUNITIES),
        Figure("taken", "count", "taken by an attempt", None, "Taken", OPPORTUNITIES),
        Figure(
            "missed",
            "count",
            "ended otherwise",
            lambda o: sum(o.missed_by_reason.values()),
            "Missed",
            OPPORTUNITIES,
        ),
        Figure("missed_by_reason", "counts", "these by the last reason", None, "...", OPPORTUNITIES),
        Figure("open", "count", "open at the end"),
        Figure(
            "duration_s_mean",
            "duration",
            "duration of those that ended, mean",
            lambda o: mean(o.durations_s),
            "Lasted, mean",
            OPPORTUNITIES,
        ),
        Figure(
            "duration_s_median",
            "duration",
            "median",
            lambda o: median(o.durations_s),
            "Lasted, median",
            OPPORTUNITIES,
        ),
        Figure(
            "duration_s_p95",
            "duration",
            "95th percentile",
            lambda o: percentile(o.durations_s, 95.0),
            "Lasted, 95th percentile",
            OPPORTUNITIES,
        ),
        Figure(
            "edge_peak_bps_mean",
            "bps",
            "highest edge of each, mean",
            lambda o: mean(o.peaks_bps),
            "Highest edge, mean",
            OPPORTUNITIES,
        ),
    ),
)

RISK_HALT = Group(
    "risk_halt",
    "the rule of risk that stopped the strategy; null if none did",
    lambda run: risk_halt_of(run.decisions),
    (
        Figure("rule", "text", "its name", None, "Stopped by rule", RISK),
        Figure("value", "ratio", "the value that broke it"),
        Figure("time", "time", "when", lambda halt: time_text(halt.timestamp)),
    ),
)
