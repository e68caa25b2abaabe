"""Derives base and quote asset from a symbol, by the venues' naming rules. Pure.

Source: symbols of Binance spot and USD-M (`BTCUSDT`, `BTCUSDT_240927`), Binance COIN-M (`BTCUSD_PERP`) and Bybit
(`BTCUSDT`, `BTCPERP` and `BTC-27DEC24`, which are quoted in USDC, `BTCUSDT-27DEC24`), read 2026-11.
"""

from __future__ import annotations

import re
from typing import NamedTuple

#: Longest first: BTCFDUSD is not quoted in USD.
_QUOTES = (
    "FDUSD",
    *("USDT", "USDC", "TUSD", "BUSD", "USDE", "USD1", "USDP", "EURI", "IDRT", "BIDR"),
    *("DAI", "USD", "EUR", "GBP", "TRY", "BRL", "AUD", "JPY", "RUB", "UAH", "ZAR", "PLN", "ARS", "MXN"),
    *("BTC", "ETH", "BNB", "SOL"),
)
#: A delivery date, or PERP for none.
_EXPIRY = re.compile(r"[-_](\d{6}|\d{1,2}[A-Z]{3}\d{2}|PERP)\Z")


class Assets(NamedTuple):
    """An instrument's base and quote asset."""

    base: str
    quote: str


def assets_of(symbol: str) -> Assets | None:
    """The assets of a symbol; None if its form is unknown."""
    stem = _EXPIRY.sub("", symbol)
    for quote in _QUOTES:
        if stem.endswith(quote) and len(stem) > len(quote):
            return Assets(stem[: -len(quote)], quote)
    if stem != symbol and not symbol.endswith("PERP"):
        return Assets(stem, "USDC")
    if symbol.endswith("PERP") and len(symbol) > len("PERP"):
        return Assets(symbol[: -len("PERP")], "USDC")
    return None


def difference(one: str, other: str) -> str:
    """How the assets of two symbols differ, as a message; "" if they are the same."""
    if one == other:
        return ""
    first, second = assets_of(one), assets_of(other)
    if first is None or second is None:
        return f"the assets of {one if first is None else other} are not known by its name"
    if first.base != second.base:
        return f"their base assets are {first.base} and {second.base}"
    return f"their quote assets are {first.quote} and {second.quote}" if first.quote != second.quote else ""


def is_same_base(one: str, other: str) -> bool:
    """Whether two symbols have the same base asset, as far as their names show it."""
    first, second = assets_of(one), assets_of(other)
    return one == other or (first is not None and second is not None and first.base == second.base)
