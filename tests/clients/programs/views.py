"""Orders and fills of all clients in one form, without what a client does not report. Not a program."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

_STATUS = {
    "NEW": "open", "PARTIALLY_FILLED": "open", "FILLED": "closed", "CANCELED": "canceled", "EXPIRED": "expired",
    "New": "open", "PartiallyFilled": "open", "Filled": "closed", "Cancelled": "canceled",
    "PartiallyFilledCanceled": "canceled", "Rejected": "canceled",
}  # fmt: skip


def order_of_ccxt(order: dict) -> dict:
    """An order of ccxt; the price of a market order is left out, since ccxt writes the average there."""
    view = {name: order[name] for name in ("id", "status", "amount", "filled", "cost", "average")}
    view |= {
        "client_id": order["clientOrderId"] or "",
        "price": order["price"] if order["type"] != "market" else None,
    }
    fees = [fee for fee in order.get("fees") or [order.get("fee")] if fee and fee["cost"] is not None]
    return view | ({"fees": {fee["currency"]: fee["cost"] for fee in fees}} if fees else {})


def trade_of_ccxt(trade: dict) -> dict:
    """A fill of ccxt."""
    return {
        **{name: trade[name] for name in ("id", "order", "price", "amount", "cost")},
        "is_maker": trade["takerOrMaker"] == "maker",
        "fee": trade["fee"]["cost"],
        "fee_asset": trade["fee"]["currency"],
    }


def order_of_bybit(order: dict) -> dict:
    """An order in the venue's words, as pybit gives it."""
    return {
        "id": order["orderId"],
        "client_id": order["orderLinkId"],
        "status": _STATUS[order["orderStatus"]],
        "price": order["price"] if order["orderType"] == "Limit" else None,
        "amount": order["qty"],
        "filled": order["cumExecQty"],
        "cost": order["cumExecValue"],
        "average": order["avgPrice"] or None,
        "fees": order["cumFeeDetail"],
    }


def trade_of_bybit(trade: dict) -> dict:
    """A fill in the venue's words."""
    return {
        "id": trade["execId"],
        "order": trade["orderId"],
        "price": trade["execPrice"],
        "amount": trade["execQty"],
        "cost": trade["execValue"],
        "is_maker": trade["isMaker"],
        "fee": trade["execFee"],
        "fee_asset": trade["feeCurrency"],
    }


def value(model: Any) -> Any:
    """What a model of Binance's own clients holds, in the venue's words; lists of models too."""
    if isinstance(model, list):
        return [value(one) for one in model]
    if hasattr(model, "actual_instance"):
        return value(model.actual_instance)
    return model if isinstance(model, dict) else model.model_dump(by_alias=True, exclude_none=True)


def order_of_binance(order: dict, client_id: str = "clientOrderId") -> dict:
    """An order in the venue's words. Only USD-M has an average, only an answer of spot to a new order its fees."""
    view = {
        "id": str(order["orderId"]),
        "client_id": order[client_id],
        "status": _STATUS[order["status"]],
        "price": order["price"] if order["type"] != "MARKET" else None,
        "amount": order["origQty"],
        "filled": order["executedQty"],
        "cost": order["cumQuote"] if "cumQuote" in order else order["cummulativeQuoteQty"],
    }
    if "avgPrice" in order:
        view["average"] = order["avgPrice"] if float(order["executedQty"]) else None
    fees: dict[str, Decimal] = {}
    for fill in order.get("fills") or ():
        fees[fill["commissionAsset"]] = fees.get(fill["commissionAsset"], Decimal(0)) + Decimal(
            fill["commission"]
        )
    return view | ({"fees": {asset: str(fee) for asset, fee in fees.items()}} if fees else {})


def trade_of_binance(trade: dict) -> dict:
    """A fill in the venue's words."""
    return {
        "id": str(trade["id"]),
        "order": str(trade["orderId"]),
        "price": trade["price"],
        "amount": trade["qty"],
        "cost": trade["quoteQty"],
        "is_maker": trade["isMaker"] if "isMaker" in trade else trade["maker"],
        "fee": trade["commission"],
        "fee_asset": trade["commissionAsset"],
    }


def orders_and_fills(reports: list[dict]) -> dict:
    """The last state of every order and all fills of Binance's execution reports; USD-M's have no sums of values."""
    return {
        "orders": {str(one["i"]): _order_of_report(one) for one in reports},
        "fills": [_fill_of_report(one) for one in reports if one["x"] == "TRADE"],
    }


def _order_of_report(order: dict) -> dict:
    is_spots_end = "C" in order and order["x"] == "CANCELED"
    view = {
        "id": str(order["i"]),
        "client_id": order["C"] if is_spots_end else order["c"],
        "status": _STATUS[order["X"]],
        "price": order["p"] if order["o"] != "MARKET" else None,
        "amount": order["q"],
        "filled": order["z"],
    }
    if "Z" in order:
        return view | {"cost": order["Z"]}
    return view | {"average": order["ap"] if float(order["z"]) else None}


def _fill_of_report(order: dict) -> dict:
    view = {
        "id": str(order["t"]),
        "order": str(order["i"]),
        "price": order["L"],
        "amount": order["l"],
        "is_maker": order["m"],
        "fee": order["n"],
        "fee_asset": order["N"],
    }
    return view | ({"cost": order["Y"]} if "Y" in order else {})
