"""Orders and fills of Bybit's clients in one form. Not a program."""

from __future__ import annotations

_STATUS = {
    "New": "open", "PartiallyFilled": "open", "Filled": "closed", "Cancelled": "canceled",
    "PartiallyFilledCanceled": "canceled", "Rejected": "canceled",
}  # fmt: skip


def order_of_ccxt(order: dict) -> dict:
    """An order of ccxt; the price of a market order is left out, since ccxt writes the average there."""
    fees = order.get("fees") or ([order["fee"]] if order.get("fee") else [])
    return {
        "id": order["id"],
        "client_id": order["clientOrderId"] or "",
        "status": order["status"],
        "price": order["price"] if order["type"] == "limit" else None,
        "amount": order["amount"],
        "filled": order["filled"],
        "cost": order["cost"],
        "average": order["average"],
        "fees": {fee["currency"]: fee["cost"] for fee in fees},
    }


def trade_of_ccxt(trade: dict) -> dict:
    """A fill of ccxt."""
    return {
        "id": trade["id"],
        "order": trade["order"],
        "price": trade["price"],
        "amount": trade["amount"],
        "cost": trade["cost"],
        "is_maker": trade["takerOrMaker"] == "maker",
        "fee": trade["fee"]["cost"],
        "fee_asset": trade["fee"]["currency"],
    }


def order_of_venue(order: dict) -> dict:
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


def trade_of_venue(trade: dict) -> dict:
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
