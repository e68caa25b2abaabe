"""Shared by both venues' REST modules: responses and instrument data. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from arb.sandbox.events import Listing

#: Quote assets by which a symbol is split, longest first.
_QUOTES = ("FDUSD", "USDT", "USDC", "BTC", "ETH", "EUR", "BNB")


class Response(NamedTuple):
    """A REST response. `body` is JSON, or plain text where the venue sends that."""

    status: int
    body: str
    headers: dict[str, str]


class Facts(NamedTuple):
    """Data of an instrument besides tick and lot; quantities and values as decimals."""

    min_qty: str
    min_notional: str


def assets_of(listing: Listing) -> tuple[str, str]:
    """Base and quote asset of a symbol."""
    for quote in _QUOTES:
        if listing.symbol.endswith(quote) and len(listing.symbol) > len(quote):
            return listing.symbol.removesuffix(quote), quote
    return listing.symbol, "USDT"


def decimals_of(step: str) -> int:
    """Number of decimals of a step, without trailing zeros."""
    return len(step.partition(".")[2].rstrip("0"))


def json_text(value: Any) -> str:
    """A value as JSON."""
    return msgspec.json.encode(value).decode()
