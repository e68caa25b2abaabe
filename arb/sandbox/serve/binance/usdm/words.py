"""Words and number formats of USD-M's messages about orders. Pure.

Sources: the saved USD-M pages of openxapi e2791e4 (read 2025-11); expiry reasons: "Event: Order Update" of USD-M, and
10 and 11 of COIN-M's page, which the USD-M page ends before (both read 2026-11).
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_DOWN, Decimal

from arb.sandbox.accounts.amounts import PLACES, ZERO, at_least, rounded
from arb.sandbox.accounts.rules import InstrumentRules
from arb.sandbox.events import BUY, SELL
from arb.sandbox.matching.orders import EndReason, Force, Prevention
from arb.sandbox.trading.order_state import OrderStatus, VenueOrder
from arb.sandbox.trading.requests import OrderKind

#: The venue's time in ms, of a time in ns.
Clock = Callable[[int], int]

#: Parameters that an order keeps: the end of its time, and the client's id of its last change.
GOOD_TILL, MODIFY_ID = "goodTillDate", "modifyId"

SIDES = {BUY: "BUY", SELL: "SELL"}
FORCES = {Force.GTC: "GTC", Force.IOC: "IOC", Force.FOK: "FOK", Force.POST_ONLY: "GTX"}
PREVENTIONS = {
    Prevention.NONE: "NONE",
    Prevention.EXPIRE_TAKER: "EXPIRE_TAKER",
    Prevention.EXPIRE_MAKER: "EXPIRE_MAKER",
    Prevention.EXPIRE_BOTH: "EXPIRE_BOTH",
}
_EXPIRY = {
    EndReason.PREVENTED: "1",
    EndReason.IOC_REST: "2",
    EndReason.REDUCED: "4",
    EndReason.LIQUIDATION: "5",
    EndReason.FOK: "10",
    EndReason.WOULD_TAKE: "11",
}


def status_of(order: VenueOrder) -> str:
    """The status; an order that self-trade prevention ended has one of its own."""
    if order.status is OrderStatus.EXPIRED and order.end_reason is EndReason.PREVENTED:
        return "EXPIRED_IN_MATCH"
    return order.status.name


def expiry_of(order: VenueOrder) -> str:
    """`er` of events."""
    reason = order.end_reason
    if reason is None or order.status is not OrderStatus.EXPIRED:
        return "0"
    if reason is EndReason.PREVENTED and order.force is Force.IOC and order.kind is OrderKind.LIMIT:
        return "3"
    if order.kind is OrderKind.MARKET and reason in (EndReason.IOC_REST, EndReason.NO_LIQUIDITY):
        return "9"
    return _EXPIRY.get(reason, "0")


def type_of(order: VenueOrder) -> str:
    return "LIQUIDATION" if order.client_id.startswith("autoclose-") else order.kind.name


def force_of(order: VenueOrder) -> str:
    """Time in force; market orders have GTC."""
    if good_till_of(order):
        return "GTD"
    return "GTC" if order.kind is OrderKind.MARKET else FORCES[order.force]


def good_till_of(order: VenueOrder) -> int:
    """When a GTD order ends, in ms; 0 of others."""
    return int(order.extra.get(GOOD_TILL, 0))


def money(value: Decimal) -> str:
    """8 decimals; what has more is cut."""
    return format(rounded(value, PLACES, ROUND_DOWN), "f")


def short_money(value: Decimal) -> str:
    """8 decimals, or "0"."""
    return money(value) if value else "0"


class Formats:
    """Number formats of one instrument: prices and quantities have the decimals of tick and lot.

    A figure with more decimals keeps them: a fault can change tick and lot while there are orders.
    """

    def __init__(self, rules: InstrumentRules) -> None:
        self._price = _places(rules.tick)
        self._quantity = _places(rules.lot)
        self._quote = max(5, self._price + self._quantity)

    def price(self, value: Decimal | None) -> str:
        """None, of a market order, is 0."""
        return at_least(value or ZERO, self._price)

    def quantity(self, value: Decimal) -> str:
        return at_least(value, self._quantity)

    def quote(self, value: Decimal) -> str:
        """An average price, or a sum of price times quantity."""
        return format(rounded(value, self._quote), "f")


def _places(value: Decimal) -> int:
    return max(0, -int(value.as_tuple().exponent))
