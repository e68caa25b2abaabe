"""Quantities and money in the lines of a session's trading. Pure."""

from __future__ import annotations

from typing import Any

from arb.leg import Leg
from arb.results.trades import OTHER


def exact(value: float) -> str:
    """A price or quantity with all its digits."""
    return f"{value:.10g}"


def money(value: float) -> str:
    """Quote units: two decimals; below one, four."""
    return f"{value:,.2f}" if abs(value) >= 1.0 or value == 0.0 else f"{value:,.4f}"


def signed_money(value: float) -> str:
    """Quote units with a sign."""
    return f"+{money(value)}" if value > 0.0 else money(value)


def amount_text(qty: float | None) -> str:
    """A quantity before what it is of; "" if it is not known."""
    return "" if qty is None else f"{exact(qty)} "


def charged_text(charge: Any, leg: Leg) -> str:
    """What a fee took that was not the quote; "" if it was."""
    if charge["base"]:
        return f" ({exact(float(charge['base']))} base)"
    if not charge["other"]:
        return ""
    return f" ({exact(float(charge['other']))} {leg.fee_asset if leg.has_named_fee_asset else OTHER})"
