"""Position mode and reduce-only rules of a new order on perpetuals. Pure."""

from __future__ import annotations

from decimal import Decimal

from arb.sandbox.accounts.account import Account
from arb.sandbox.accounts.amounts import ZERO
from arb.sandbox.accounts.positions import PositionSide
from arb.sandbox.accounts.rules import InstrumentRules
from arb.sandbox.events import BUY
from arb.sandbox.trading.policy import Policy
from arb.sandbox.trading.requests import OrderKind, Place, Reason, RefusalError


def check_position(
    request: Place, rules: InstrumentRules, account: Account, policy: Policy
) -> tuple[Decimal, Decimal]:
    """The quantity of the order, and how much of it may be executed: both are smaller for orders that only reduce.

    Raises RefusalError.
    """
    quantity = request.quantity or ZERO
    if rules.is_spot:
        return quantity, quantity
    is_hedge = account.modes.is_hedge
    if is_hedge == (request.position_side is PositionSide.BOTH):
        raise RefusalError(Reason.POSITION_SIDE)
    if is_hedge and request.reduce_only and not policy.cuts_reduce_only:
        raise RefusalError(Reason.REDUCE_ONLY_IN_HEDGE_MODE)
    is_buy = request.side == BUY
    closes_hedge = is_hedge and is_buy == (request.position_side is PositionSide.SHORT)
    if not (request.reduce_only or request.closes_all or closes_hedge):
        return quantity, quantity
    held = account.positions.get(request.symbol, request.position_side).quantity
    most = max(ZERO, -held if is_buy else held)
    if not most:
        raise RefusalError(Reason.REDUCE_ONLY)
    if request.closes_all:
        # Source: "qty" in order/create-order.mdx of the documents of Bybit (read 2026-11-23).
        largest = rules.max_market_qty if request.kind is OrderKind.MARKET else rules.max_qty
        most = min(most, largest or most)
        return most, most
    if closes_hedge and not request.reduce_only:
        if quantity > most:
            raise RefusalError(Reason.REDUCE_ONLY)
        return quantity, quantity
    cut = min(quantity, most)
    return (cut if policy.cuts_reduce_only else quantity), cut
