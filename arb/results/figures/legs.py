"""Figures of each leg, and of each pair of legs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arb.results.figures.declared import LEGS, QUALITY, TERMS, Figure, Group
from arb.results.metrics.coverage import Coverage, LegOutages, coverage_of
from arb.results.trades import time_text
from connectors.units import SECOND

if TYPE_CHECKING:
    from arb.results.result import ResultLeg, RunResult


class LegEnd:
    """A leg with its last state and the times without a book: the source of its figures."""

    def __init__(self, leg: ResultLeg, state: Any, coverage: Coverage) -> None:
        self.start, self.coverage, self.outages = leg, coverage, leg.outages
        self.fee, self.mid, self.funding = (float(state[name]) for name in ("fee", "price", "funding"))
        self.cash = float(state["balance"]) - self.funding
        self.base_fee = float(state["base_fee"]) * leg.contract_size
        self.other_fee = float(state["other_fee"])
        self.position = float(state["position"]) * leg.contract_size
        self.fills = int(state["num_trades"])
        self.volume = float(state["trading_volume"]) * leg.contract_size
        self.turnover = float(state["trading_value"])
        # A flat leg has the value 0 even if its price is NaN.
        held = float(state["position"]) * self.mid * leg.contract_size if self.position else 0.0
        self.pnl = self.cash + self.funding - self.fee + held

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


def _length_s(span: tuple[int, int]) -> float:
    return (span[1] - span[0]) / SECOND


def _first_outages(outages: LegOutages) -> list[dict[str, Any]]:
    return [
        {"from_time": time_text(span[0]), "to_time": time_text(span[1]), "duration_s": _length_s(span)}
        for span in outages.first
    ]


LEG_FIGURES = Group(
    "legs",
    "one object per leg: its last state",
    legs_of,
    (
        Figure("leg", "text", lambda leg: leg.name,
               text="`venue:SYMBOL`"),
        Figure("kind", "text", lambda leg: leg.start.terms.kind, TERMS, "Kind",
               text="`spot`, or `linear` for a perpetual"),
        Figure("maker_fee_share", "share", lambda leg: leg.start.terms.maker_fee, TERMS, "Maker fee",
               text="fee of a resting order, as a share of its value"),
        Figure("taker_fee_share", "share", lambda leg: leg.start.terms.taker_fee, TERMS, "Taker fee",
               text="fee of an order that takes liquidity"),
        Figure("fee_asset", "text", lambda leg: leg.start.terms.fee_asset, TERMS, "Fees are charged in",
               text="`received` (a spot purchase's fee in base) or the name of an asset; null: quote"),
        Figure("entry_latency_s", "duration", lambda leg: leg.start.terms.entry_s, TERMS, "Order latency, there",
               text="of an order, from the strategy to the matching engine; null if latencies are from a file"),
        Figure("response_latency_s", "duration", lambda leg: leg.start.terms.response_s,
               TERMS, "... and back",
               text="of its response; null if latencies are from a file"),
        Figure("order_latency_file", "text", lambda leg: leg.start.terms.order_latencies,
               TERMS, "... measured, from",
               text="file of measured latencies; null without one"),
        Figure("queue_model", "text", lambda leg: leg.start.terms.queue_model, TERMS, "Queue model",
               text="hftbacktest's model of a resting order's place, with its exponent if it has one"),
        Figure("start_base", "quantity", lambda leg: leg.start.base, TERMS, "Base at the start",
               text="inventory before the run"),
        Figure("start_quote", "money", lambda leg: leg.start.quote, TERMS, "Quote at the start",
               text="cash before the run; 0 for all but the first leg at a venue"),
        Figure("fills", "count", None, LEGS, "Fills",
               text="fills"),
        Figure("volume_base", "quantity", lambda leg: leg.volume, LEGS, "Volume (base)",
               text="traded quantity"),
        Figure("turnover_quote", "money", lambda leg: leg.turnover,
               text="traded value"),
        Figure("position_base", "base", lambda leg: leg.position, LEGS, "Position (base)",
               text="position, counted from the start of the run"),
        Figure("cash_quote", "gain", lambda leg: leg.cash, LEGS, "Cash",
               text="cash from trades, without fees and funding"),
        Figure("fee_quote", "money", lambda leg: leg.fee, LEGS, "Fees",
               text="fees in quote, and those in another asset at their value at the fills; none charged in base"),
        Figure("fee_base", "base", lambda leg: leg.base_fee or None, LEGS, "Fees in base",
               text="fees charged in base, which reduce the position; null without any"),
        Figure("fee_other", "units", lambda leg: leg.other_fee or None, LEGS, "Fees in their asset",
               text="units of another fee asset that fees took; null without any"),
        Figure("funding_quote", "gain", lambda leg: leg.funding or None, LEGS, "Funding",
               text="funding received less funding paid; null without a payment"),
        Figure("pnl_quote", "gain", lambda leg: leg.pnl, LEGS, "Profit at mid",
               text="cash and funding less fees plus the position at the mid"),
        Figure("mid", "price", None, LEGS, "Mid at the end",
               text="mid price at the end; null without a book"),
        Figure("book.no_book_s", "duration", lambda leg: (leg.outages.before_ns + leg.outages.total_ns) / SECOND,
               QUALITY, "Without a book",
               text="time without a book, by the recordings and to the nanosecond"),
        Figure("book.before_first_s", "duration", lambda leg: leg.outages.before_ns / SECOND,
               QUALITY, "... before the first",
               text="from the first frame of the run to the first book", is_page_only=True),
        Figure("book.outages", "count", lambda leg: leg.outages.outages, QUALITY, "... outages",
               text="outages after that; one at the end of a day lasts to the next day's book or the end of the run"),
        Figure("book.outage_s_sum", "duration", lambda leg: leg.outages.total_ns / SECOND,
               QUALITY, "... outages, in sum",
               text="their total time", is_page_only=True),
        Figure("book.outage_s_max", "duration", lambda leg: _length_s(leg.outages.longest),
               QUALITY, "... longest outage",
               text="the longest"),
        Figure("book.first_outages", "outages", lambda leg: _first_outages(leg.outages),
               text="the first 64"),
        Figure("no_mid_s", "duration", lambda leg: leg.coverage.no_mid_s, QUALITY, "Without a mid, by records",
               text="time without a mid, by the records: an outage between two records may be missed",
               is_page_only=True),
        Figure("no_mid_other_known_s", "duration", lambda leg: leg.coverage.no_mid_other_known_s,
               QUALITY, "... while the other had one",
               text="that, while the pair's other leg had a mid; null without a pair", is_page_only=True),
        Figure("no_mid_records", "count", lambda leg: leg.coverage.no_mid_records,
               text="records without a mid: the equity takes the last one before, at the start the first after"),
    ),
)  # fmt: skip

#: A label that a figure of a leg has as well: it is in that row of the table.
PAIR_FIGURES = Group(
    "pairs",
    "one object per pair of legs; empty for a strategy without pairs",
    pairs_of,
    (
        Figure("name",
               "text", lambda pair: " and ".join(dict.fromkeys(leg.name.partition(":")[2] for leg in pair)),
               text="the symbol; both if they differ"),
        Figure("legs", "texts", lambda pair: [leg.name for leg in pair],
               text="its legs"),
        Figure("taker_fee_share_sum", "share", lambda pair: sum(leg.start.terms.taker_fee for leg in pair),
               TERMS, "Taker fee",
               text="taker fees of both legs"),
        Figure("fills", "count", lambda pair: sum(leg.fills for leg in pair), LEGS, "Fills",
               text="fills"),
        Figure("imbalance_base", "base", lambda pair: round(sum(leg.position for leg in pair), 9),
               LEGS, "Position (base)",
               text="sum of the legs' positions: what is not hedged"),
        Figure("cash_quote", "gain", lambda pair: sum(leg.cash for leg in pair), LEGS, "Cash",
               text="cash, without fees"),
        Figure("fee_quote", "money", lambda pair: sum(leg.fee for leg in pair), LEGS, "Fees",
               text="fees"),
        Figure("funding_quote", "gain", lambda pair: sum(leg.funding for leg in pair) or None, LEGS, "Funding",
               text="funding received less funding paid; null without a payment"),
        Figure("pnl_quote", "gain", lambda pair: sum(leg.pnl for leg in pair), LEGS, "Profit at mid",
               text="profit"),
    ),
)  # fmt: skip
