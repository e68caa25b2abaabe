"""The protocol of each venue."""

from __future__ import annotations

from arb.sandbox.serve.binance import BinanceFamily
from arb.sandbox.serve.bybit import BybitFamily
from arb.sandbox.serve.exchange import Family

FAMILIES: dict[str, Family] = {
    **{venue: BinanceFamily(venue) for venue in ("binance_spot", "binance_usdm")},
    **{venue: BybitFamily(venue) for venue in ("bybit_spot", "bybit_linear")},
}
