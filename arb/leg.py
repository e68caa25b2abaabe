"""A leg: one side of the arbitrage, with everything that a run needs to know of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Leg:
    """An instrument at a venue. Prices in quote per base, sizes in base, money in quote, times in ns."""

    venue: str
    symbol: str
    is_spot: bool
    tick_size: float
    lot_size: float
    min_qty: float
    min_notional: float
    contract_size: float
    #: Shares of the value traded.
    maker_fee: float
    taker_fee: float
    #: Assumed where a stream carries no venue time; an order's way to the matching engine, and its answer's way back.
    feed_latency_ns: int
    entry_latency_ns: int
    response_latency_ns: int
    #: One of hftbacktest's queue models; the exponent counts for the power ones only.
    queue_model: str
    queue_power: float
    #: What the venue holds before the run.
    base: float
    quote: float
    #: Measured latencies of orders instead of the two constants: a file, and its rows (`arb.simulation.order_latency`).
    order_latency_file: str | None = None
    #: Range of `bid_depth` and `ask_depth`, as `BacktestAsset.roi_lb` and `roi_ub`; both or none.
    roi_lb: float | None = None
    roi_ub: float | None = None
    order_latencies: Any = field(default=None, compare=False, repr=False)

    @property
    def name(self) -> str:
        """`venue:SYMBOL`, as in the configuration."""
        return f"{self.venue}:{self.symbol}"
