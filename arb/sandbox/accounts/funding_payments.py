"""Funding payments of positions in perpetuals."""

from __future__ import annotations

from decimal import Decimal

from arb.sandbox.accounts.amounts import rounded
from arb.sandbox.accounts.positions import Position


def payment(position: Position, mark: Decimal, rate: Decimal) -> Decimal:
    """What the position receives, 8 decimals; negative: pays. With a positive rate, long positions pay."""
    return -rounded(position.quantity * mark * rate)
