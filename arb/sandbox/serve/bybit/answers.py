"""Orders, executions and positions in Bybit's words: the objects of queries and of streams. Pure.

Fields are those of the documents' examples, and those that their tables name for one category only. Fields of what this
sandbox does not have (conditional orders, take profit, options) have the values that the venue shows for plain orders.
Source: bybit-exchange/docs v5 `order/{open-order,order-list,execution}.mdx`, `position/position.mdx`,
`websocket/private/{order,execution,fast-execution,position}.mdx`, `enum.mdx` (read 2026-07-24).
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from decimal import ROUND_DOWN, Decimal
from typing import Any

from arb.sandbox.accounts.amounts import PLACES, ZERO, divided, plain, rounded
from arb.sandbox.accounts.positions import PositionView
from arb.sandbox.accounts.rules import InstrumentRules
from arb.sandbox.matching.orders import EndReason
from arb.sandbox.serve.bybit.parameters import FORCE_NAMES, POSITION_INDEXES, PREVENTION_NAMES, SIDE_NAMES
from arb.sandbox.trading.order_state import Execution, ExecutionKind, OrderStatus, VenueOrder
from arb.sandbox.trading.requests import OrderKind

Row = dict[str, Any]
#: The venue's time in ms, of a time in ns.
Clock = Callable[[int], int]

EXECUTION_TYPES = {
    ExecutionKind.TRADE: "Trade",
    ExecutionKind.FUNDING: "Funding",
    ExecutionKind.LIQUIDATION: "BustTrade",
    ExecutionKind.ADL: "AdlTrade",
}
_CANCEL_TYPES: dict[EndReason | None, str] = {
    EndReason.CANCELED: "CancelByUser",
    EndReason.PREVENTED: "CancelBySmp",
    EndReason.REDUCED: "CancelByReduceOnly",
    EndReason.DEAD_MAN: "CancelByDCP",
    EndReason.LIQUIDATION: "CancelAllBeforeLiq",
    EndReason.VENUE: "CancelByAdmin",
}
_REJECT_REASONS: dict[EndReason | None, str] = {
    EndReason.CANCELED: "EC_PerCancelRequest",
    EndReason.IOC_REST: "EC_NoImmediateQtyToFill",
    EndReason.NO_LIQUIDITY: "EC_NoImmediateQtyToFill",
    EndReason.FOK: "EC_CancelForNoFullFill",
    EndReason.WOULD_TAKE: "EC_PostOnlyWillTakeLiquidity",
}

#: By `venue_order` of orders that the venue itself places.
_CREATE_TYPES = {"liquidation": "CreateByLiq", "adl": "CreateByAdl_PassThrough"}


def sequence(at_ns: int) -> int:
    """`seq`: equal for an execution and for the change of the position by it."""
    return at_ns // 1000


def execution_id(execution: Execution) -> str:
    """`execId`: a UUID, always the same for an execution."""
    key = f"{execution.venue} {execution.account} {execution.trade_id} {execution.order_id}"
    return str(uuid.UUID(bytes=hashlib.sha256(key.encode()).digest()[:16], version=4))


def order_status(order: VenueOrder, category: str) -> str:
    """`orderStatus`."""
    if order.status is OrderStatus.NEW:
        return "New"
    if order.status is OrderStatus.PARTIALLY_FILLED:
        return "PartiallyFilled"
    if order.status is OrderStatus.FILLED:
        return "Filled"
    if order.status is OrderStatus.REJECTED:
        return "Rejected"
    return "PartiallyFilledCanceled" if category == "spot" and order.filled else "Cancelled"


def open_order(order: VenueOrder, category: str, clock: Clock) -> Row:
    """An order of `GET /v5/order/realtime`."""
    is_spot = category == "spot"
    left = order.left if order.is_open else ZERO
    is_market = order.kind is OrderKind.MARKET
    reason = _REJECT_REASONS.get(order.end_reason, "EC_NoError")
    if order.end_reason is EndReason.PRICE_LIMIT:
        reason = "EC_ReachMarketPriceLimit" if is_spot else "EC_ReachRiskPriceLimit"
    fees = order.fees.values()
    row: Row = {
        "orderId": order.order_id,
        "orderLinkId": order.client_id,
        "blockTradeId": "",
        "symbol": order.symbol,
        "price": plain(order.price or ZERO),
        "qty": plain(order.quantity if order.quote_quantity is None else order.quote_quantity),
        "side": SIDE_NAMES[order.side],
        "isLeverage": "0" if is_spot else "",
        "positionIdx": POSITION_INDEXES[order.position_side],
        "orderStatus": order_status(order, category),
        "cancelType": _CANCEL_TYPES.get(order.end_reason, "UNKNOWN"),
        "rejectReason": reason,
        "avgPrice": plain(order.average) if order.filled else "",
        "leavesQty": plain(left),
        "leavesValue": plain(left * (order.price or ZERO)),
        "cumExecQty": plain(order.filled),
        "cumExecValue": plain(order.value),
        # Deprecated by the venue; with fees in several assets only `cumFeeDetail` is right.
        "cumExecFee": plain(next(iter(fees), ZERO)) if len(fees) < 2 else "",
        "timeInForce": FORCE_NAMES[order.force],
        "orderType": "Market" if is_market else "Limit",
        "stopOrderType": "UNKNOWN",
        "orderIv": "",
        "triggerPrice": "",
        "takeProfit": "",
        "stopLoss": "",
        "tpTriggerBy": "UNKNOWN",
        "slTriggerBy": "UNKNOWN",
        "triggerDirection": 0,
        "triggerBy": "UNKNOWN",
        "reduceOnly": order.reduce_only,
        "closeOnTrigger": order.extra.get("closeOnTrigger") == "true",
        "smpType": PREVENTION_NAMES.get(order.prevention, "None"),
        "smpGroup": 0,
        "smpOrderId": order.prevented_match[1] if order.prevented_match else "",
        "tpLimitPrice": "",
        "slLimitPrice": "",
        "placeType": "",
        "createdTime": str(clock(order.created_ns)),
        "updatedTime": str(clock(order.updated_ns)),
        "cumFeeDetail": {asset: plain(fee) for asset, fee in order.fees.items()},
    }
    if is_spot:
        return row | {"marketUnit": order.extra.get("marketUnit", ""), "ocoTriggerBy": "", "basePrice": ""}
    return row | {
        "createType": _create_type(order),
        "parentOrderLinkId": "",
        "lastPriceOnCreated": "",
        "tpslMode": "",
    }


def _create_type(order: VenueOrder) -> str:
    return _CREATE_TYPES.get(order.extra.get("venue_order", ""), "CreateByUser")


def past_order(order: VenueOrder, category: str, clock: Clock) -> Row:
    """An order of `GET /v5/order/history`."""
    return open_order(order, category, clock) | {
        "slippageToleranceType": "UNKNOWN",
        "slippageTolerance": "",
        "extraFees": "",
        "rpiTakerAccess": False,
        "rpiMatchedQty": "0",
    }


def streamed_order(order: VenueOrder, category: str, clock: Clock) -> Row:
    """An order of the topic `order`."""
    row = past_order(order, category, clock)
    del row["extraFees"]
    row.pop("basePrice", None)
    empty = dict.fromkeys(("stopOrderType", "tpTriggerBy", "slTriggerBy", "triggerBy"), "")
    return (
        row
        | empty
        | {
            "category": category,
            # Not kept by order; "" is unknown.
            "closedPnl": "" if order.filled and category == "linear" else "0",
            "feeCurrency": "",
            "lastPriceOnCreated": "",
        }
    )


def execution(execution: Execution, order: VenueOrder | None, category: str, clock: Clock) -> Row:
    """An execution of `GET /v5/execution/list`. order: None if it is no longer kept, and of funding."""
    is_funding = execution.kind is ExecutionKind.FUNDING
    kind = "UNKNOWN" if order is None else "Market" if order.kind is OrderKind.MARKET else "Limit"
    row: Row = {
        "symbol": execution.symbol,
        "orderType": kind,
        "underlyingPrice": "",
        "orderLinkId": execution.client_id,
        "side": SIDE_NAMES[execution.side],
        "indexPrice": "",
        "orderId": execution.order_id,
        "stopOrderType": "UNKNOWN",
        "leavesQty": plain(execution.left),
        "execTime": str(clock(execution.at_ns)),
        "feeCurrency": execution.fee_asset,
        "isMaker": execution.is_maker,
        "execFee": plain(execution.fee),
        "feeRate": plain(execution.fee_rate),
        "execId": execution_id(execution),
        "tradeIv": "",
        "blockTradeId": "",
        "markPrice": plain(execution.price) if is_funding else "",
        "execPrice": plain(execution.price),
        "markIv": "",
        "orderQty": plain(order.quantity) if order else "0",
        "orderPrice": plain(order.price or ZERO) if order else "0",
        "execValue": plain(execution.value),
        "execType": EXECUTION_TYPES[execution.kind],
        "execQty": plain(execution.quantity),
        "closedSize": plain(execution.closed) if category == "linear" and not is_funding else "",
        "extraFees": "",
        "seq": sequence(execution.at_ns),
    }
    if category == "linear":
        row["createType"] = _create_type(order) if order else ""
    return row


def streamed_execution(execution_: Execution, order: VenueOrder | None, category: str, clock: Clock) -> Row:
    """An execution of the topic `execution`."""
    market_unit = order.extra.get("marketUnit", "") if order else ""
    return execution(execution_, order, category, clock) | {
        "category": category,
        "isLeverage": "0",
        "marketUnit": market_unit,
        "execPnl": plain(execution_.realized),
        "extraFees": [],
    }


def fast_execution(execution: Execution, order: VenueOrder, category: str, clock: Clock) -> Row:
    """An execution of the topic `execution.fast`.

    `orderLinkId` is always empty for a maker, and for an order in the book that an amendment made a taker.
    """
    return {
        "category": category,
        "symbol": execution.symbol,
        "execId": execution_id(execution),
        "execPrice": plain(execution.price),
        "execQty": plain(execution.quantity),
        "orderId": execution.order_id,
        "isMaker": execution.is_maker,
        "orderLinkId": "" if execution.is_maker or order.amendments else execution.client_id,
        "side": SIDE_NAMES[execution.side],
        "execTime": str(clock(execution.at_ns)),
        "seq": sequence(execution.at_ns),
    }


def position(
    view: PositionView,
    rules: InstrumentRules,
    taker: Decimal,
    times_ns: tuple[int, int],
    clock: Clock,
    liquidation: Decimal = ZERO,
) -> Row:
    """A position of `GET /v5/position/list`. taker: the fee rate; times_ns: first created (0: never), and changed;
    liquidation: mark price at which it would be closed, 0: none, or not known."""
    size, mark = abs(view.quantity), view.mark
    created_ns, updated_ns = times_ns
    created_ms, updated_ms = (clock(one) if one else 0 for one in times_ns)
    # Rounded as the account's margin is.
    margin = plain(divided(size * mark, Decimal(view.leverage), PLACES, ROUND_DOWN))
    bracket = rules.bracket(size * mark)
    maintained = size * mark * bracket.maintenance - bracket.amount if size else ZERO
    maintenance = plain(rounded(maintained, PLACES, ROUND_DOWN))
    side = "" if not size else "Buy" if view.quantity > 0 else "Sell"
    return {
        "positionIdx": POSITION_INDEXES[view.side],
        "riskId": 1,
        "riskLimitValue": plain(bracket.cap),
        "symbol": view.symbol,
        "side": side,
        "size": plain(size),
        "avgPrice": plain(view.entry),
        "positionValue": plain(view.cost),
        "tradeMode": 0,
        "positionStatus": "Normal",
        "autoAddMargin": 0,
        "adlRankIndicator": 0,
        "leverage": str(view.leverage),
        "breakEvenPrice": _break_even(view, taker),
        "positionBalance": plain(view.isolated_margin) if view.is_isolated else margin,
        "markPrice": plain(mark),
        "liqPrice": plain(rounded(liquidation, PLACES)) if liquidation else "",
        "bustPrice": "",
        "positionMM": maintenance,
        "positionMMByMp": maintenance,
        "positionIM": margin,
        "positionIMByMp": margin,
        "tpslMode": "Full",
        "takeProfit": "",
        "stopLoss": "",
        "trailingStop": "0",
        "unrealisedPnl": plain(view.unrealized),
        "curRealisedPnl": plain(view.realized),
        "cumRealisedPnl": plain(view.cumulative),
        "seq": sequence(updated_ns) if created_ns else -1,
        "isReduceOnly": False,
        "mmrSysUpdatedTime": "",
        "leverageSysUpdatedTime": "",
        "sessionAvgPrice": "",
        "createdTime": str(created_ms),
        "updatedTime": str(updated_ms),
        "openTime": created_ms if size else 0,
    }


def streamed_position(row: Row) -> Row:
    """A position of the topic `position`, from one of the query."""
    streamed = {name: value for name, value in row.items() if name != "avgPrice"}
    return streamed | {"category": "linear", "entryPrice": row["avgPrice"]}


def _break_even(view: PositionView, taker: Decimal) -> str:
    """Source: the formula of `websocket/private/position.mdx`."""
    if not view.quantity:
        return ""
    quantity = view.quantity
    rate = max(taker, Decimal("0.00055"))
    return plain(divided(view.entry * quantity - view.realized, quantity - abs(quantity) * rate))
