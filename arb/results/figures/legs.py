"""Figures of each leg, and of each pair of legs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arb.results.figures.declared import LEGS, Figure, Group
from arb.results.metrics.coverage import Coverage, LegOutages, coverage_of
from arb.results.metrics.statistics import NS_PER_S
from arb.results.trades import time_text

if TYPE_CHECKING:
    from arb.results.result import ResultLeg, RunResult


class LegEnd:
    """A leg with its last state and the times without a book: the source of its figures."""

    def __init__(self, leg: ResultLeg, state: Any, coverage: Coverage) -> None:
        self.start, self.coverage, self.outages = leg, coverage, leg.outages
        self.cash, self.fee, self.mid = (float(state[name]) for name in ("balance", "fee", "price"))
        self.position = float(state["position"]) * leg.contract_size
        self.fills = int(state["num_trades"])
        self.volume = float(state["trading_volume"]) * leg.contract_size
        self.turnover = float(state["trading_value"])
        # A flat leg has the value 0 even if its price is NaN.
        held = float(state["position"]) * self.mid * leg.contract_size if self.position else 0.0
        self.pnl = self.cash - self.fee + held

    @property
    def name(self) -> str:
        return self.start.name


def legs_of(run: RunResult) -> list[LegEnd]:
    """The legs at the end of a run."""
    coverages = coverage_of(run.equity.timestamps, run.equity.is_known, run.pairs)
    return [LegEnd(*parts) for parts in zip(run.legs, run.records[-1], coverages, strict=True)]


def pairs_of(run: RunResult) -> list[tuple[LegEnd, LegEnd]]:
    """The pairs at the end of a run."""
    legs = legs_of(run)
    return [(legs[first], legs[second]) for first, second in run.pairs]


def _first_outages(outages: LegOutages) -> list[dict[str, Any]]:
    return [
        {"from_time": time_text(start), "to_time": time_text(end), "duration_s": (end - start) / NS_PER_S}
        for start, end in outages.first
    ]


LEG_FIGURES = Group(
    "legs",
    "one object a leg, by its last state",
    legs_of,
    (
        Figure("leg", "text", "`venue:SYMBOL`", lambda leg: leg.name),
        Figure("fills", "count", "fills", None, "Fills", LEGS),
        Figure("volume_base", "quantity", "traded quantity", lambda leg: leg.volume, "Volume (base)", LEGS),
        Figure("turnover_quote", "money", "traded value", lambda leg: leg.turnover),
        Figure(
            "position_base",
            "base",
            "position, counted from the start of the run",
            lambda leg: leg.position,
            "Position (base)",
            LEGS,
        ),
        Figure("cash_quote", "gain", "cash from trades, without fees", lambda leg: leg.cash, "Cash", LEGS),
        Figure("fee_quote", "money", "fees", lambda leg: leg.fee, "Fees", LEGS),
        Figure(
            "pnl_quote",
            "gain",
            "cash less fees plus the position at the mid",
            lambda leg: leg.pnl,
            "Profit at mid",
            LEGS,
        ),
        Figure("mid", "price", "mid price at the end; null without a book", None, "Mid at the end", LEGS),
        Figure("start_base", "base", "inventory before the run", lambda leg: leg.start.base),
        Figure(
            "start_quote",
            "money",
            "cash before the run; 0 for all but the first leg at a venue",
            lambda leg: leg.start.quote,
        ),
        Figure(
            "book.no_book_s",
            "duration",
            "time without a book, by the recordings and to the nanosecond",
            lambda leg: (leg.outages.before_ns + leg.outages.total_ns) / NS_PER_S,
            "Without a book",
            LEGS,
        ),
        Figure(
            "book.before_first_s",
            "duration",
            "from the first frame of the run to the first book",
            lambda leg: leg.outages.before_ns / NS_PER_S,
            "... before the first",
            LEGS,
            is_page_only=True,
        ),
        Figure(
            "book.outages",
            "count",
            "outages after that; one at the end of a day lasts to the next day's book or the end of the run",
            lambda leg: leg.outages.outages,
            "... outages",
            LEGS,
        ),
        Figure(
            "book.outage_s_sum",
            "duration",
            "their total time",
            lambda leg: leg.outages.total_ns / NS_PER_S,
            "... outages, in sum",
            LEGS,
            is_page_only=True,
        ),
        Figure(
            "book.outage_s_max",
            "duration",
            "the longest",
            lambda leg: (leg.outages.longest[1] - leg.outages.longest[0]) / NS_PER_S,
            "... longest outage",
            LEGS,
        ),
        Figure("book.first_outages", "outages", "the first 64", lambda leg: _first_outages(leg.outages)),
        Figure(
            "no_mid_s",
            "duration",
            "time without a mid, by the records: an outage between two records may be missed",
            lambda leg: leg.coverage.no_mid_s,
            "Without a mid, by records",
            LEGS,
            is_page_only=True,
        ),
        Figure(
            "no_mid_other_known_s",
            "duration",
            "that, while the pair's other leg had a mid; null without a pair",
            lambda leg: leg.coverage.no_mid_other_known_s,
            "... while the other had one",
            LEGS,
            is_page_only=True,
        ),
        Figure(
            "no_mid_records",
            "count",
            "records without a mid: the equity takes the last one before, at the start the first after",
            lambda leg: leg.coverage.no_mid_records,
        ),
    ),
)

#: A label that a figure of a leg has as well: it is in that row of the table.
PAIR_FIGURES = Group(
    "pairs",
    "one object a pair of legs; empty for a strategy that takes no pairs",
    pairs_of,
    (
        Figure(
            "name",
            "text",
            "the symbol; both if they differ",
            lambda pair: " and ".join(dict.fromkeys(leg.name.partition(":")[2] for leg in pair)),
        ),
        Figure("legs", "texts", "its legs", lambda pair: [leg.name for leg in pair]),
        Figure("fills", "count", "fills", lambda pair: sum(leg.fills for leg in pair), "Fills", LEGS),
        Figure(
            "imbalance_base",
            "base",
            "sum of the legs' positions: what is not hedged",
            # Nine decimals: finer than any lot, coarser than the rounding error of sums of fills.
            lambda pair: round(sum(leg.position for leg in pair), 9),
            "Position (base)",
            LEGS,
        ),
        Figure(
            "cash_quote",
            "gain",
            "cash, without fees",
            lambda pair: sum(leg.cash for leg in pair),
            "Cash",
            LEGS,
        ),
        Figure("fee_quote", "money", "fees", lambda pair: sum(leg.fee for leg in pair), "Fees", LEGS),
        Figure(
            "pnl_quote", "gain", "profit", lambda pair: sum(leg.pnl for leg in pair), "Profit at mid", LEGS
        ),
    ),
)
