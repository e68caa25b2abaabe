"""A leg: an instrument at a venue that a run trades, with everything that the run needs to know of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

#: Values of `Leg.fee_asset` that are not the name of an asset.
IN_QUOTE, IN_RECEIVED = "quote", "received"


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
    #: Measured latencies of orders instead of the two constants: a file, and its rows (`arb.runtime.latencies`).
    order_latency_file: str | None = None
    #: Range of `bid_depth` and `ask_depth`, as `BacktestAsset.roi_lb` and `roi_ub`; both or none.
    roi_lb: float | None = None
    roi_ub: float | None = None
    order_latencies: Any = field(default=None, compare=False, repr=False)
    #: Tick and lot as written, for exact text on the wire; the floats above are for arithmetic.
    tick_size_text: str = ""
    lot_size_text: str = ""
    #: Largest position, either side, in base.
    position_limit: float = math.inf
    #: Number of the pair that the leg belongs to; -1: none.
    pair: int = -1
    #: Legs with the same funds share their `quote`: the venue, and the symbol if its money is set apart.
    funds: tuple[str, ...] = ()
    #: What fees are charged in: "quote", "received" (of a spot purchase: base; else quote), or an asset such as "BNB".
    fee_asset: str = IN_QUOTE
    #: Price of a named fee asset, in quote: the mid of the leg of this number, or a constant if that is -1. Not
    #: compared: NaN, of all other legs, is unequal to itself.
    fee_price: float = field(default=math.nan, compare=False)
    fee_price_leg: int = -1
    #: What the venue holds of a named fee asset before the run; its legs share it.
    fee_units: float = 0.0
    #: What earlier sessions have traded and still hold, in base, net of fees paid in it, and its average price. The run
    #: begins with it: a bot's positions count from the first of these sessions.
    opening_position: float = 0.0
    opening_price: float = 0.0

    @property
    def has_named_fee_asset(self) -> bool:
        """Whether fees are charged in a third asset, neither base nor quote."""
        return self.fee_asset not in (IN_QUOTE, IN_RECEIVED)

    @property
    def name(self) -> str:
        """`venue:SYMBOL`, as in the configuration."""
        return f"{self.venue}:{self.symbol}"


def legs_of_pairs(legs: Sequence[Leg]) -> list[tuple[int, int]]:
    """The numbers of each pair's legs, in the order of the pairs."""
    paired = [number for number, leg in enumerate(legs) if leg.pair >= 0]
    paired.sort(key=lambda number: legs[number].pair)
    return list(zip(paired[::2], paired[1::2], strict=True))


def openings_of(legs: Sequence[Leg]) -> list[list[float]]:
    """Position, price, base and quote that each leg begins with, for the manifest; empty if none has a position."""
    if not any(leg.opening_position for leg in legs):
        return []
    return [[leg.opening_position, leg.opening_price, leg.base, leg.quote] for leg in legs]
