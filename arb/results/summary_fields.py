"""The fields of `summary.json`: name and unit of each number of a finished run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec


class SpellSummary(msgspec.Struct, frozen=True):
    """An outage of a book."""

    from_time: str
    to_time: str
    span_s: float


class BookSummary(msgspec.Struct, frozen=True):
    """Outages of a leg's book, by its recordings: the strategy saw NaN."""

    #: The sum of all times without a book.
    unknown_s: float
    #: From the first frame of the run to the first book.
    before_s: float
    #: Outages after that: their number, total and longest time.
    spells: int
    spells_s_sum: float
    spells_s_max: float
    #: The first outages, by time.
    first_spells: list[SpellSummary]


class LegSummary(msgspec.Struct, frozen=True):
    """One leg at the end of the run. Position in base, everything else in quote units; counted from the start."""

    leg: str
    position: float
    #: Cash from trades, without fees.
    balance: float
    fee: float
    trades: int
    #: Base quantity and quote value traded.
    volume: float
    value: float
    #: Mid price at the end; NaN where the book was not in sync.
    mid: float
    #: Balance less fees plus the position at the mid price.
    pnl: float
    #: Inventory before the run.
    start_base: float
    start_quote: float
    unquoted_s: float
    one_sided_s: float
    #: Records whose mid was unknown; the equity used the last one before.
    unquoted_records: int
    book: BookSummary


class PairSummary(msgspec.Struct, frozen=True):
    """Both legs of a symbol together; everything but the imbalance in quote units."""

    #: The symbol; both if they differ.
    name: str
    #: Sum of the legs' positions in base: the unhedged quantity.
    imbalance: float
    balance: float
    fee: float
    trades: int
    pnl: float


class EquitySummary(msgspec.Struct, frozen=True):
    """Return, ratios and drawdown; defined in `arb.results.metrics.equity`."""

    capital_quote: float
    end_quote: float
    return_quote: float
    return_share: float
    #: Null for a run shorter than a day.
    return_annual_share: float
    #: Cash less fees; the rest of the profit: positions at the last mids.
    realised_quote: float
    unrealised_quote: float
    #: Value change of the initial inventory; not part of the return.
    inventory_change_quote: float
    sharpe: float
    sortino: float
    sample_interval_s: float
    samples: int
    drawdown_quote_max: float
    drawdown_share_max: float
    drawdown_from_time: str | None
    drawdown_to_time: str | None
    return_over_drawdown: float


class RoundsSummary(msgspec.Struct, frozen=True):
    """Round trips: attempts, or in convergence mode everything from entry to exit."""

    #: attempt or convergence.
    kind: str
    closed: int
    open: int
    wins: int
    losses: int
    win_rate_share: float
    profit_factor: float
    expectancy_quote: float
    win_quote_max: float
    loss_quote_max: float
    win_streak_max: int
    loss_streak_max: int
    holding_s_mean: float
    holding_s_median: float
    pnl_quote_sum: float


class AttemptsSummary(msgspec.Struct, frozen=True):
    """Attempts by how they ended."""

    count: int
    filled: int
    hedged: int
    missed: int
    reversed: int
    halted: int
    unfinished: int
    #: Attempts with at least one chasing order; with at least one reversing order.
    chased: int
    undone: int
    with_residual: int
    residual_base_sum: float
    pnl_quote_sum: float
    #: Cash less fees of fills that belong to no attempt.
    unassigned_quote: float
    purposes: dict[str, int]


class EdgeSummary(msgspec.Struct, frozen=True):
    """Edges in bps of what was bought, net of fees."""

    expected_bps_mean: float
    captured_bps_mean: float
    #: Captured less the basis, estimated from the records; equal to captured without a basis.
    captured_over_basis_bps_mean: float
    #: Share of the attempts with a captured edge that captured more than the basis.
    positive_share: float
    #: Captured over the basis less expected, of the attempts that have both.
    difference_bps_mean: float
    compared: int
    basis_halflife_s: float


class OrdersSummary(msgspec.Struct, frozen=True):
    """Orders of the strategy, from its log."""

    sent: int
    filled: int
    fill_ratio_share: float
    expired: int
    refused: int
    chasing: int
    reversing: int


class UnhedgedSummary(msgspec.Struct, frozen=True):
    """Times with one leg short, from the imbalance to the end of its attempt."""

    attempts: int
    unhedged_s_sum: float
    unhedged_s_max: float


class OpportunitiesSummary(msgspec.Struct, frozen=True):
    """Edges above the threshold, as the strategy logged them."""

    seen: int
    taken: int
    missed: int
    open: int
    missed_by_reason: dict[str, int]
    duration_s_mean: float
    duration_s_median: float
    duration_s_p95: float
    edge_peak_bps_mean: float


class RiskHaltSummary(msgspec.Struct, frozen=True):
    """The rule of risk that stopped the strategy."""

    rule: str
    value: float
    time: str


class Summary(msgspec.Struct, frozen=True):
    """The result of a run."""

    #: The source of the data, if simulated or re-encoded.
    notes: list[str]
    world: str
    #: ended, halted or interrupted.
    outcome: str
    strategy: str
    first_day: str
    last_day: str
    first_time: str
    last_time: str
    span_s: float
    rows: int
    #: Two per pair, adjacent.
    legs: list[LegSummary]
    pairs: list[PairSummary]
    #: Logged decisions of the strategy, counted by name; empty for a strategy that logs none.
    decisions: dict[str, int]
    #: Orders that the order-level limits refused, by leg and rule.
    refusals: dict[str, dict[str, int]]
    #: Breaks of a book's chain in the recordings, by leg.
    gaps: dict[str, int]
    #: Sum over the legs.
    balance: float
    fee: float
    trades: int
    pnl: float
    #: The mean edge that attempts began with in bps, NaN without any.
    edge_bps_mean: float
    equity: EquitySummary
    #: The following are null if the strategy's log has no data for them.
    rounds: RoundsSummary | None
    attempts: AttemptsSummary | None
    edge: EdgeSummary | None
    orders: OrdersSummary | None
    unhedged: UnhedgedSummary | None
    opportunities: OpportunitiesSummary | None
    risk_halt: RiskHaltSummary | None

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready, in the order of the fields; unknown values are None."""
        return dict(_finite(msgspec.to_builtins(self)))


def _finite(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content
