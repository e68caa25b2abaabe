"""All venues, by name."""

from __future__ import annotations

from connectors.binance import BinanceSpot, BinanceUsdm
from connectors.bybit import BybitLinear, BybitSpot
from connectors.model import Venue

VENUES: dict[str, Venue] = {v.name: v for v in (BinanceSpot(), BinanceUsdm(), BybitSpot(), BybitLinear())}
