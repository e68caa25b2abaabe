"""Bybit's words for sides, statuses and ends of orders, and its numbers as ticks, lots and ms. Pure.

Source: bybit-exchange/docs v5 `enum.mdx` (read 2026-07-24).
"""

from __future__ import annotations

from connectors.orders.model import EndCause, ExecutionKind, Force, Instrument, OrderStatus

SIDES = {"Buy": 1, "Sell": -1}
SIDE_WORDS = {1: "Buy", -1: "Sell"}
FORCE_WORDS = {Force.GTC: "GTC", Force.GTX: "PostOnly", Force.FOK: "FOK", Force.IOC: "IOC"}
#: Types of executions that are trades of an order. `Funding` is apart, all others are ignored.
EXECUTION_KINDS = {
    "Trade": ExecutionKind.TRADE,
    "BustTrade": ExecutionKind.LIQUIDATION,
    "AdlTrade": ExecutionKind.ADL,
}
FUNDING = "Funding"

#: The others are of conditional orders that have not become orders of the book.
_STATUSES = {
    "New": OrderStatus.NEW,
    "Created": OrderStatus.NEW,
    "Untriggered": OrderStatus.NEW,
    "Triggered": OrderStatus.NEW,
    "PartiallyFilled": OrderStatus.PARTIAL,
    "Filled": OrderStatus.FILLED,
    "Cancelled": OrderStatus.CANCELED,
    "PartiallyFilledCanceled": OrderStatus.CANCELED,
    "Deactivated": OrderStatus.CANCELED,
    "Rejected": OrderStatus.REJECTED,
}
#: Reject reasons of orders that expire by their own terms or by rules of the venue.
_EXPIRED = {
    "EC_PostOnlyWillTakeLiquidity": EndCause.WOULD_TAKE,
    "EC_NoImmediateQtyToFill": EndCause.IOC_REST,
    "EC_CancelForNoFullFill": EndCause.FOK,
    "EC_NoEnoughQtyToFill": EndCause.FOK,
    "EC_ReachRiskPriceLimit": EndCause.PRICE_RANGE,
    "EC_ReachMarketPriceLimit": EndCause.PRICE_RANGE,
    "EC_BySelfMatch": EndCause.SELF_TRADE,
}
_SELF_TRADE = "CancelBySmp"
_CANCELED = {
    "CancelByUser": EndCause.BY_USER,
    "CancelByReduceOnly": EndCause.REDUCE_ONLY,
    "CancelByPrepareLiq": EndCause.LIQUIDATION,
    "CancelAllBeforeLiq": EndCause.LIQUIDATION,
}
_BY_REQUEST = "EC_PerCancelRequest"
_UNSAID = ("", "UNKNOWN")


class UnreadableError(Exception):
    """A message of a known form has an unknown content."""


def end_of(
    status: str, reason: str, cancel_type: str, force: str, *, is_executed: bool
) -> tuple[OrderStatus, EndCause]:
    """Status and cause of an order from its status and reasons. Raises UnreadableError."""
    found = _STATUSES.get(status)
    if found is None:
        raise UnreadableError(f"unknown status {status[:40]!r} of an order")
    if found <= OrderStatus.FILLED:
        return found, EndCause.NONE
    if cancel_type == _SELF_TRADE:
        return OrderStatus.EXPIRED, EndCause.SELF_TRADE
    if reason in _EXPIRED:
        return OrderStatus.EXPIRED, _EXPIRED[reason]
    if found is OrderStatus.REJECTED:
        return (OrderStatus.CANCELED if is_executed else OrderStatus.EXPIRED), EndCause.UNKNOWN
    if cancel_type in _CANCELED:
        return found, _CANCELED[cancel_type]
    if reason == _BY_REQUEST:
        return found, EndCause.BY_USER
    if force == "IOC" and cancel_type in _UNSAID:
        return OrderStatus.EXPIRED, EndCause.IOC_REST
    return found, EndCause.UNKNOWN if cancel_type in _UNSAID else EndCause.BY_VENUE


def lots_of(instrument: Instrument, quantity: str) -> int:
    """A quantity in lots; "" is none. Raises OffGridError."""
    return instrument.lot.size_of(quantity or "0")


def ms_of(time: str | int) -> int:
    """A time in ms, a number or its text. Raises UnreadableError."""
    if isinstance(time, int):
        return time
    if not (time.isascii() and time.isdigit()):
        raise UnreadableError(f"{time[:40]!r} is no time in ms")
    return int(time)


def side_of(word: str) -> int:
    """1 or -1. Raises UnreadableError."""
    side = SIDES.get(word)
    if side is None:
        raise UnreadableError(f"{word[:40]!r} is no side")
    return side
