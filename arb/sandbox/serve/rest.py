"""What both venues' REST answers share: the response, and what is known of an instrument. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from arb.sandbox.events import Listing

#: Quote assets by which a symbol is taken apart, longest first.
_QUOTES = ("FDUSD", "USDT", "USDC", "BTC", "ETH", "EUR", "BNB")


class Response(NamedTuple):
    """A REST answer. `body` is JSON, or text where the venue answers in plain text."""

    status: int
    body: str
    headers: dict[str, str]


class Facts(NamedTuple):
    """What is known of an instrument beside tick and lot; quantities and values as decimals."""

    min_qty: str
    min_notional: str


def assets_of(listing: Listing) -> tuple[str, str]:
    """Base and quote asset of a symbol."""
    for quote in _QUOTES:
        if listing.symbol.endswith(quote) and len(listing.symbol) > len(quote):
            return listing.symbol.removesuffix(quote), quote
    return listing.symbol, "USDT"


def decimals_of(step: str) -> int:
    """Digits behind the point of a step, without trailing zeros."""
    return len(step.partition(".")[2].rstrip("0"))


def json_text(value: Any) -> str:
    """A value as JSON."""
    return msgspec.json.encode(value).decode()
