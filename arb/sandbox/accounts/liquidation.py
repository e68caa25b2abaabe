"""Liquidation, a model: which positions are due, the ids of closing orders, the price at which one would be due."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum

from arb.sandbox.accounts.amounts import ZERO, divided
from arb.sandbox.accounts.margin import Margin, PositionMargin
from arb.sandbox.accounts.rules import InstrumentRules


class Forced(Enum):
    """Why the venue closes a position. Values: the beginning of Binance's client id of the order."""

    LIQUIDATION = "autoclose-"
    ADL = "adl_autoclose"


def due(margin: Margin) -> list[PositionMargin]:
    """The positions to be liquidated now: isolated ones by their own margin, cross ones all together."""
    is_cross_due = margin.cross_balance <= margin.cross_maintenance
    return [
        one
        for one in margin.positions
        if one.quantity and (one.isolated_balance <= one.maintenance if one.is_isolated else is_cross_due)
    ]


def closing_id(house: str, forced: Forced, at_ms: int) -> str | None:
    """The client id of an order that closes a position; None at Bybit, whose forced orders have none."""
    if house != "binance":
        return None
    return f"{forced.value}{at_ms}" if forced is Forced.LIQUIDATION else forced.value


def liquidation_price(margin: Margin, position: PositionMargin, rules: InstrumentRules) -> Decimal:
    """The mark price at which the position would be due if nothing else changed; 0 if there is none.

    With the bracket of the present value.
    """
    quantity = position.quantity
    if not quantity:
        return ZERO
    if position.is_isolated:
        funds = position.isolated_balance
    else:
        others = margin.cross_maintenance - position.maintenance
        funds = margin.cross_balance - others
    bracket = rules.bracket(abs(position.notional))
    # funds + quantity * (price - mark) = abs(quantity) * price * maintenance - amount
    slope = quantity - abs(quantity) * bracket.maintenance
    return max(ZERO, divided(position.notional - funds - bracket.amount, slope))
