"""Detects inverse contracts (COIN-M) by their symbol; no adapter here supports them. Pure.

Their quantities are contracts of a fixed value in USD, and their profit is in the base asset.

Source: Binance COIN-M symbols (`BTCUSD_PERP`, `BTCUSD_240927`), Bybit inverse symbols (`BTCUSD`, `BTCUSDU24`), read
2026-11.
"""

from __future__ import annotations

import re

#: By venue.
_INVERSE = {
    "binance_usdm": re.compile(r"[A-Z0-9]+USD_(PERP|\d{6})"),
    "bybit_linear": re.compile(r"[A-Z0-9]+USD([FGHJKMNQUVXZ]\d{2})?"),
}


def inverse_reason(venue: str, symbol: str) -> str:
    """Why a symbol is not supported at a venue of linear contracts; "" if it is."""
    pattern = _INVERSE.get(venue)
    if pattern is None or not pattern.fullmatch(symbol):
        return ""
    return (
        f"{symbol} is an inverse contract (COIN-M), priced and margined in its base asset; {venue} has linear "
        "contracts alone, such as those in USDT"
    )
