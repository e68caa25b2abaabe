"""Positions of one account in perpetuals: quantity, cost and realized profit, exact to the last decimal."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, auto


class PositionSide(Enum):
    """The position that an order changes: BOTH in one-way mode, LONG or SHORT in hedge mode."""

    BOTH = auto()
    LONG = auto()
    SHORT = auto()


@dataclass(frozen=True, slots=True)
class PositionView:
    """A position after the change. `quantity` is signed; prices are 0 without a position."""

    symbol: str
    side: PositionSide
    quantity: Decimal
    entry: Decimal
    #: Realized profit since it was opened, without fees.
    realized: Decimal
    #: All realized profit, without fees.
    cumulative: Decimal
    is_isolated: bool
    isolated_margin: Decimal
    leverage: int
    mark: Decimal
