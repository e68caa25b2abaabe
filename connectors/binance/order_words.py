"""Binance's words for statuses, sides and ends of orders, and its numbers as ticks and lots. Pure.

Sources: enums.md and user-data-stream.md of binance-spot-api-docs (read 2026-07-21); USD-M's expiry reasons: "Event:
Order Update" (read 2026-11), 10 and 11 from COIN-M's page.
"""

from __future__ import annotations

from connectors.errors import OffGridError
from connectors.orders.model import EndCause, ExecutionKind, Instrument, OrderStatus

SIDES = {"BUY": 1, "SELL": -1}
SIDE_WORDS = {1: "BUY", -1: "SELL"}
STATUSES = {
    "NEW": OrderStatus.NEW,
    "PENDING_NEW": OrderStatus.NEW,
    "PENDING_CANCEL": OrderStatus.NEW,
    "PARTIALLY_FILLED": OrderStatus.PARTIAL,
    "FILLED": OrderStatus.FILLED,
    "CANCELED": OrderStatus.CANCELED,
    "EXPIRED": OrderStatus.EXPIRED,
    "EXPIRED_IN_MATCH": OrderStatus.EXPIRED,
    "REJECTED": OrderStatus.REJECTED,
}
_SELF_TRADE = "EXPIRED_IN_MATCH"
#: `expiryReason`, `eR` and the reject reason `r` of spot; `er` of USD-M.
_CAUSES = {
    "UNFILLED_IOC_QUANTITY_EXPIRED": EndCause.IOC_REST,
    "UNFILLED_FOK_ORDER_EXPIRED": EndCause.FOK,
    "INSUFFICIENT_LIQUIDITY": EndCause.NO_LIQUIDITY,
    "EXECUTION_RULE_PRICE_RANGE_EXCEEDED": EndCause.PRICE_RANGE,
    "EXCHANGE_CANCELED": EndCause.BY_VENUE,
    "WOULD_MATCH_IMMEDIATELY": EndCause.WOULD_TAKE,
    "1": EndCause.SELF_TRADE,
    "2": EndCause.IOC_REST,
    "3": EndCause.SELF_TRADE,
    "4": EndCause.REDUCE_ONLY,
    "5": EndCause.LIQUIDATION,
    "6": EndCause.BY_VENUE,
    "7": EndCause.BY_VENUE,
    "9": EndCause.NO_LIQUIDITY,
    "10": EndCause.FOK,
    "11": EndCause.WOULD_TAKE,
}
#: Why an order expires if nothing is said, by its time in force.
_BY_FORCE = {"IOC": EndCause.IOC_REST, "FOK": EndCause.FOK, "GTX": EndCause.WOULD_TAKE}
#: Beginnings of the client ids that the venue gives to its own orders.
_LIQUIDATION, _ADL = "autoclose-", "adl_autoclose"


def cause_of(status: str, reason: str | None, force: str) -> EndCause:
    """Why an order with this status ended; NONE if it did not, or was filled."""
    ended = STATUSES[status]
    if ended <= OrderStatus.FILLED:
        return EndCause.NONE
    if status == _SELF_TRADE:
        return EndCause.SELF_TRADE
    if ended is OrderStatus.CANCELED:
        return EndCause.BY_USER
    if reason is not None and reason in _CAUSES:
        return _CAUSES[reason]
    return _BY_FORCE.get(force, EndCause.UNKNOWN) if ended is OrderStatus.EXPIRED else EndCause.UNKNOWN


def kind_of(client_id: str) -> ExecutionKind:
    """What an execution of USD-M belongs to."""
    if client_id.startswith(_LIQUIDATION):
        return ExecutionKind.LIQUIDATION
    return ExecutionKind.ADL if client_id.startswith(_ADL) else ExecutionKind.TRADE


def tick_of(instrument: Instrument, price: str) -> int:
    """A price in ticks; -1 for the zero of an order without one. Raises OffGridError."""
    return instrument.tick.size_of(price) or -1


def traded_tick_of(instrument: Instrument, price: str) -> int:
    """The price of an execution in ticks. Raises OffGridError."""
    tick = tick_of(instrument, price)
    if tick < 0:
        raise OffGridError("an execution without a price")
    return tick


def lots_of(instrument: Instrument, quantity: str) -> int:
    """A quantity in lots. Raises OffGridError."""
    return instrument.lot.size_of(quantity)
