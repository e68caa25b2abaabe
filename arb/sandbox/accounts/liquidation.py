"""Liquidation, a model: which positions are due, the orders that close them, the price at which one would be due."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from enum import Enum
from typing import NamedTuple

from arb.sandbox.accounts.amounts import ZERO, divided
from arb.sandbox.accounts.margin import Margin, PositionMargin
from arb.sandbox.accounts.positions import PositionSide
from arb.sandbox.accounts.rules import InstrumentRules
from arb.sandbox.events import BUY, SELL


class Forced(Enum):
    """Why the venue closes a position. Values: the beginning of Binance's client id of the order."""

    LIQUIDATION = "autoclose-"
    ADL = "adl_autoclose"


class Closing(NamedTuple):
    """An order of the venue that closes a position at any price."""

    symbol: str
    side: int
    position_side: PositionSide
    quantity: Decimal
    #: "" at Bybit, whose forced orders have none.
    client_id: str


def due(margin: Margin) -> list[PositionMargin]:
    """The positions to be liquidated now: isolated ones by their own margin, cross ones all together."""
    is_cross_due = margin.cross_balance <= margin.cross_maintenance
    return [
        one
        for one in margin.positions
        if one.quantity and (one.isolated_balance <= one.maintenance if one.is_isolated else is_cross_due)
    ]


def closings(
    house: str, positions: Iterable[PositionMargin], forced: Forced, at_ms: int, share: Decimal | None = None
) -> list[Closing]:
    """The orders that close positions. share: the closed quantity, of one position in parts; None: all of it."""
    client_id = ""
    if house == "binance":
        client_id = f"{forced.value}{at_ms}" if forced is Forced.LIQUIDATION else forced.value
    return [
        Closing(
            one.symbol,
            SELL if one.quantity > 0 else BUY,
            one.side,
            abs(one.quantity) if share is None else share,
            client_id,
        )
        for one in positions
        if one.quantity
    ]


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
