"""Messages of Bybit about one order that rests and is then filled; see `connectors.orders.examples`. Pure."""

from __future__ import annotations

from typing import Any

from connectors.orders.examples import OrderTemplates, templates_of

_ORDER_ID = "@number-7f21-4079-913d-e6523a9cfffa"


def templates(category: str, symbol: str, side: str, price: str, quantity: str) -> OrderTemplates:
    """The messages of a market. side: Buy or Sell; price, quantity: the texts of the order."""
    accepted = {
        "reqId": "@wire_id", "op": "order.create", "retCode": 0, "retMsg": "OK",
        "data": {"orderId": _ORDER_ID, "orderLinkId": "@client_id"}, "header": {}, "connId": "example",
    }  # fmt: skip
    order = {
        "category": category, "symbol": symbol, "orderId": _ORDER_ID, "orderLinkId": "@client_id",
        "blockTradeId": "", "side": side, "positionIdx": 0, "orderStatus": "New", "cancelType": "UNKNOWN",
        "rejectReason": "EC_NoError", "timeInForce": "GTC", "isLeverage": "0", "price": price, "qty": quantity,
        "avgPrice": "", "leavesQty": quantity, "leavesValue": "60", "cumExecQty": "0", "cumExecValue": "0",
        "cumExecFee": "0", "orderType": "Limit", "stopOrderType": "", "orderIv": "", "triggerPrice": "",
        "takeProfit": "", "stopLoss": "", "triggerBy": "", "tpTriggerBy": "", "slTriggerBy": "",
        "triggerDirection": 0, "placeType": "", "lastPriceOnCreated": "", "closeOnTrigger": False,
        "reduceOnly": False, "smpGroup": 0, "smpType": "None", "smpOrderId": "", "createType": "CreateByUser",
        "createdTime": "@text_ms", "updatedTime": "@text_ms", "feeCurrency": "", "closedPnl": "0",
    }  # fmt: skip
    filled = order | {"orderStatus": "Filled", "leavesQty": "0", "leavesValue": "0", "cumExecQty": quantity}
    execution = {
        "category": category, "symbol": symbol, "closedSize": "0", "execFee": "0.012", "execId": "x-@number",
        "execPrice": price, "execQty": quantity, "execType": "Trade", "execValue": "60", "feeRate": "0.0002",
        "tradeIv": "", "markIv": "", "blockTradeId": "", "markPrice": "", "indexPrice": "", "underlyingPrice": "",
        "leavesQty": "0", "orderId": _ORDER_ID, "orderLinkId": "@client_id", "orderPrice": price,
        "orderQty": quantity, "orderType": "Limit", "stopOrderType": "UNKNOWN", "side": side,
        "execTime": "@text_ms", "isLeverage": "0", "isMaker": True, "seq": "@number", "marketUnit": "",
        "execPnl": "0", "createType": "CreateByUser", "extraFees": [], "feeCurrency": "USDT",
    }  # fmt: skip
    return templates_of(
        accepted, (_event("order", order),), (_event("order", filled), _event("execution", execution))
    )


def _event(topic: str, row: Any) -> Any:
    return {"id": "example-@number", "topic": topic, "creationTime": "@now_ms", "data": [row]}
