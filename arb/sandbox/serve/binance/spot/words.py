"""Binance spot's words for sides, types, times in force, self-trade prevention, statuses and expiries. Pure.

Source: enums.md of binance-spot-api-docs (read 2026-07-21).
"""

from __future__ import annotations

from decimal import Decimal

from arb.sandbox.accounts.amounts import exact
from arb.sandbox.events import BUY, SELL
from arb.sandbox.matching.orders import EndReason, Force, Prevention
from arb.sandbox.trading.order_state import OrderStatus, VenueOrder
from arb.sandbox.trading.requests import OrderKind

SIDES = {"BUY": BUY, "SELL": SELL}
FORCES = {"GTC": Force.GTC, "IOC": Force.IOC, "FOK": Force.FOK}
PREVENTIONS = {one.name: one for one in Prevention}
_EXPIRIES = {
    EndReason.IOC_REST: "UNFILLED_IOC_QUANTITY_EXPIRED",
    EndReason.NO_LIQUIDITY: "INSUFFICIENT_LIQUIDITY",
    EndReason.FOK: "UNFILLED_FOK_ORDER_EXPIRED",
    EndReason.PRICE_LIMIT: "EXECUTION_RULE_PRICE_RANGE_EXCEEDED",
    EndReason.LIQUIDATION: "EXCHANGE_CANCELED",
    EndReason.VENUE: "EXCHANGE_CANCELED",
}


def side_of(order: VenueOrder) -> str:
    return "BUY" if order.side == BUY else "SELL"


def type_of(order: VenueOrder) -> str:
    if order.kind is OrderKind.MARKET:
        return "MARKET"
    return "LIMIT_MAKER" if order.force is Force.POST_ONLY else "LIMIT"


def force_of(order: VenueOrder) -> str:
    """The time in force; GTC of types that have none."""
    if order.kind is OrderKind.MARKET or order.force is Force.POST_ONLY:
        return "GTC"
    return order.force.name


def status_of(order: VenueOrder) -> str:
    if order.end_reason is EndReason.PREVENTED:
        return "EXPIRED_IN_MATCH"
    return order.status.name


def prevented_of(order: VenueOrder) -> Decimal:
    """The quantity that self-trade prevention took away; all that was left, if the order expired by it."""
    with exact():
        return order.quantity - order.filled if order.end_reason is EndReason.PREVENTED else order.prevented


def expiry_of(order: VenueOrder) -> str | None:
    """Why an order expired."""
    if order.status is not OrderStatus.EXPIRED or order.end_reason is None:
        return None
    if order.kind is OrderKind.MARKET and order.end_reason is EndReason.IOC_REST:
        return "INSUFFICIENT_LIQUIDITY"
    return _EXPIRIES.get(order.end_reason)
