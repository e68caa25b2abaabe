"""The numbers of a finished run: `summary.json`, and the table that the terminal shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from rich.table import Table

from arb.leg import Leg
from arb.run.trades import Trade, iso_time
from arb.strategy.decisions import Decision

#: How often each of these happened is counted.
_COUNTED = tuple(Decision)


#: Decisions as the terminal names them.
_DECISION_TEXTS = {
    "attempt": "attempts",
    "open": "opening orders",
    "chase": "chasing orders",
    "reverse": "reversing orders",
    "expired": "orders expired",
    "refused": "orders refused",
    "hedged": "attempts hedged",
    "missed": "attempts missed",
    "reversed": "attempts reversed",
    "halted": "halts",
}


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


class Summary(msgspec.Struct, frozen=True):
    """What a run came to."""

    world: str
    #: ended, halted or interrupted.
    outcome: str
    first_day: str
    last_day: str
    first_time: str
    last_time: str
    rows: int
    legs: list[LegSummary]
    #: Decisions of the strategy by name, as often as they were logged; empty for a strategy that logs none.
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
    #: Edge times quantity that attempts began with is in `decisions`; this is the mean edge in bps, NaN without any.
    edge_bps_mean: float

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready, in the order of the fields."""
        return dict(msgspec.to_builtins(self))


def leg_summaries(final: Any, legs: Sequence[Leg]) -> list[LegSummary]:
    """The legs at the end; `final` is one record (hftbacktest's `record_dtype`) a leg."""
    return [_leg_summary(record, leg) for record, leg in zip(final, legs, strict=True)]


def _leg_summary(record: Any, leg: Leg) -> LegSummary:
    position, balance, fee, mid = (float(record[name]) for name in ("position", "balance", "fee", "price"))
    # A flat leg has no value at any price, known or not.
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
    )


def count_decisions(decisions: Any) -> dict[str, int]:
    """How often each decision was logged, by name in lower case; empty when none was."""
    if len(decisions) == 0:
        return {}
    return {code.name.lower(): int((decisions["code"] == code).sum()) for code in _COUNTED}


def mean_edge_bps(decisions: Any) -> float:
    """The mean edge that attempts began with; NaN without any."""
    edges = decisions["value"][decisions["code"] == Decision.ATTEMPT]
    return float(np.mean(edges)) if len(edges) else float("nan")


def summary_table(summary: Summary, trades: Sequence[Trade]) -> Table:
    """The summary as the terminal shows it."""
    table = Table(title=f"{summary.world}: {summary.outcome}", title_justify="left", show_header=True)
    table.add_column("")
    for leg in summary.legs:
        table.add_column(leg.leg, justify="right")
    table.add_column("both", justify="right")
    table.add_row("fills", *(str(leg.trades) for leg in summary.legs), str(summary.trades))
    table.add_row("volume (base)", *(f"{leg.volume:.6g}" for leg in summary.legs), "")
    table.add_row(
        "position (base)", *(f"{leg.position:+.6g}" for leg in summary.legs), f"{_imbalance(summary):+.6g}"
    )
    table.add_row(
        "cash (quote)", *(f"{leg.balance:+,.2f}" for leg in summary.legs), f"{summary.balance:+,.2f}"
    )
    table.add_row("fees (quote)", *(f"{leg.fee:,.4f}" for leg in summary.legs), f"{summary.fee:,.4f}")
    table.add_row("PnL at mid (quote)", *(f"{leg.pnl:+,.2f}" for leg in summary.legs), f"{summary.pnl:+,.4f}")
    for name, count in summary.decisions.items():
        if count:
            table.add_row(_DECISION_TEXTS[name], *[""] * len(summary.legs), str(count))
    if trades:
        table.caption = f"fills from {trades[0].time} to {trades[-1].time}"
        table.caption_justify = "left"
    return table


def _imbalance(summary: Summary) -> float:
    return round(sum(leg.position for leg in summary.legs), 9)


def span(ns: int) -> str:
    """A time in ns as text; empty for none."""
    return iso_time(ns) if ns else ""
