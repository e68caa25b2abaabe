"""What Binance spot answers about orders and executions. Pure.

Source: rest-api.md of binance-spot-api-docs ("Trading endpoints", "Conditional fields in Order Responses"; read
2026-07-21). Decimals have 8 places.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

from arb.sandbox.accounts.amounts import ZERO, padded
from arb.sandbox.events import BUY
from arb.sandbox.serve.binance.spot.words import (
    expiry_of,
    force_of,
    prevented_of,
    side_of,
    status_of,
    type_of,
)
from arb.sandbox.trading.order_state import Execution, VenueOrder

#: The venue's time in ms, of a time in ns.
Clock = Callable[[int], int]


def acknowledged(order: VenueOrder, clock: Clock) -> dict[str, Any]:
    """ACK: ids and time of a new order."""
    return {
        "symbol": order.symbol,
        "orderId": int(order.order_id),
        "orderListId": -1,
        "clientOrderId": order.client_id,
        "transactTime": clock(order.updated_ns),
    }


def result(order: VenueOrder, clock: Clock) -> dict[str, Any]:
    """RESULT: a new order after matching."""
    return acknowledged(order, clock) | _figures(order) | _working(order, clock) | _stp(order) | _extra(order)


def full(order: VenueOrder, clock: Clock) -> dict[str, Any]:
    """FULL: with the executions of the request."""
    fills = [
        {
            "price": padded(one.price),
            "qty": padded(one.quantity),
            "commission": padded(one.fee),
            "commissionAsset": one.fee_asset,
            "tradeId": one.trade_id,
        }
        for one in order.executions
    ]
    return (
        acknowledged(order, clock)
        | _figures(order)
        | _working(order, clock)
        | {"fills": fills}
        | _stp(order)
        | _extra(order)
    )


#: By `newOrderRespType`.
FORMS = {"ACK": acknowledged, "RESULT": result, "FULL": full}


def cancel_id_of(order: VenueOrder) -> str:
    """The client's id of the cancellation, or the one that the venue made."""
    return order.cancel_id or sha256(f"cancel {order.no}".encode()).hexdigest()[:22]


def cancelled(order: VenueOrder, clock: Clock) -> dict[str, Any]:
    """A cancelled order."""
    return {
        "symbol": order.symbol,
        "origClientOrderId": order.client_id,
        "orderId": int(order.order_id),
        "orderListId": -1,
        "clientOrderId": cancel_id_of(order),
        "transactTime": clock(order.updated_ns),
        **_figures(order),
        **_stp(order),
        **_extra(order),
    }


def queried(order: VenueOrder, clock: Clock) -> dict[str, Any]:
    """An order as queries show it."""
    figures = _figures(order)
    quote_quantity = figures.pop("origQuoteOrderQty")
    return {
        "symbol": order.symbol,
        "orderId": int(order.order_id),
        "orderListId": -1,
        "clientOrderId": order.client_id,
        **figures,
        "stopPrice": padded(ZERO),
        "icebergQty": padded(ZERO),
        "time": clock(order.created_ns),
        "updateTime": clock(order.updated_ns),
        "isWorking": True,
        **_working(order, clock),
        "origQuoteOrderQty": quote_quantity,
        **_stp(order),
        **_extra(order),
    }


def amended(order: VenueOrder, client_id_before: str, execution_id: int, clock: Clock) -> dict[str, Any]:
    """An order whose quantity was reduced."""
    return {
        "transactTime": clock(order.updated_ns),
        "executionId": execution_id,
        "amendedOrder": {
            "symbol": order.symbol,
            "orderId": int(order.order_id),
            "orderListId": -1,
            "origClientOrderId": client_id_before,
            "clientOrderId": order.client_id,
            "price": padded(order.price or ZERO),
            "qty": padded(order.quantity),
            "executedQty": padded(order.filled),
            "preventedQty": padded(order.prevented),
            "quoteOrderQty": padded(order.quote_quantity or ZERO),
            "cumulativeQuoteQty": padded(order.value),
            "status": status_of(order),
            "timeInForce": force_of(order),
            "type": type_of(order),
            "side": side_of(order),
            **_working(order, clock),
            **_stp(order),
            **_extra(order),
        },
    }


def traded(one: Execution, clock: Clock) -> dict[str, Any]:
    """An execution."""
    return {
        "symbol": one.symbol,
        "id": one.trade_id,
        "orderId": int(one.order_id),
        "orderListId": -1,
        "price": padded(one.price),
        "qty": padded(one.quantity),
        "quoteQty": padded(one.value),
        "commission": padded(one.fee),
        "commissionAsset": one.fee_asset,
        "time": clock(one.at_ns),
        "isBuyer": one.side == BUY,
        "isMaker": one.is_maker,
        "isBestMatch": True,
    }


def _figures(order: VenueOrder) -> dict[str, Any]:
    return {
        "price": padded(order.price or ZERO),
        "origQty": padded(order.quantity),
        "executedQty": padded(order.filled),
        "origQuoteOrderQty": padded(order.quote_quantity or ZERO),
        "cummulativeQuoteQty": padded(order.value),
        "status": status_of(order),
        "timeInForce": force_of(order),
        "type": type_of(order),
        "side": side_of(order),
    }


def _working(order: VenueOrder, clock: Clock) -> dict[str, Any]:
    return {"workingTime": clock(order.working_ns)}


def _stp(order: VenueOrder) -> dict[str, Any]:
    return {"selfTradePreventionMode": order.prevention.name}


def _extra(order: VenueOrder) -> dict[str, Any]:
    """Fields that appear under conditions."""
    extra: dict[str, Any] = {
        name: int(order.extra[name]) for name in ("strategyId", "strategyType") if name in order.extra
    }
    prevented = prevented_of(order)
    if order.prevented_match is not None and prevented:
        extra["preventedMatchId"] = order.prevented_match[0]
        extra["preventedQuantity"] = padded(prevented)
    reason = expiry_of(order)
    if reason is not None:
        extra["expiryReason"] = reason
    return extra
