"""Orders and fills of Binance spot's clients in one form. Not a program."""

from __future__ import annotations

from typing import Any

_STATUS = {
    "NEW": "open", "PARTIALLY_FILLED": "open", "FILLED": "closed", "CANCELED": "canceled", "EXPIRED": "expired",
}  # fmt: skip


def order_of_ccxt(order: dict) -> dict:
    """An order of ccxt; the price of a market order is left out, since ccxt writes the average there."""
    fees = [fee for fee in order.get("fees") or () if fee["cost"] is not None]
    return {
        "id": order["id"],
        "client_id": order["clientOrderId"],
        "status": order["status"],
        "price": order["price"] if order["type"] != "market" else None,
        "amount": order["amount"],
        "filled": order["filled"],
        "cost": order["cost"],
        "average": order["average"],
        "fees": {fee["currency"]: fee["cost"] for fee in fees} or None,
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


def value(model: Any) -> Any:
    """What a model of Binance's own clients holds, in the venue's words; lists of models too."""
    if isinstance(model, list):
        return [value(one) for one in model]
    if hasattr(model, "actual_instance"):
        return value(model.actual_instance)
    return model if isinstance(model, dict) else model.model_dump(by_alias=True, exclude_none=True)


def order_of_venue(order: dict, client_id: str = "clientOrderId") -> dict:
    """An order in the venue's words."""
    fees: dict[str, list[str]] = {}
    for fill in order.get("fills") or ():
        fees.setdefault(fill["commissionAsset"], []).append(fill["commission"])
    return {
        "id": str(order["orderId"]),
        "client_id": order[client_id],
        "status": _STATUS[order["status"]],
        "price": order["price"] if order["type"] != "MARKET" else None,
        "amount": order["origQty"],
        "filled": order["executedQty"],
        "cost": order["cummulativeQuoteQty"],
        "average": None,
        "fees": fees or None,
    }


def trade_of_venue(trade: dict) -> dict:
    """A fill in the venue's words."""
    return {
        "id": str(trade["id"]),
        "order": str(trade["orderId"]),
        "price": trade["price"],
        "amount": trade["qty"],
        "cost": trade["quoteQty"],
        "is_maker": trade["isMaker"],
        "fee": trade["commission"],
        "fee_asset": trade["commissionAsset"],
    }


def stream_of_venue(events: list[dict]) -> dict:
    """The last state of every order, all fills and the last balances of user data events."""
    orders, fills, balance = {}, [], {}
    for event in events:
        if event["e"] == "outboundAccountPosition":
            balance |= {one["a"]: [one["f"], one["l"]] for one in event["B"]}
        if event["e"] != "executionReport":
            continue
        orders[str(event["i"])] = {
            "id": str(event["i"]),
            "client_id": event["C"] if event["x"] == "CANCELED" else event["c"],
            "status": _STATUS[event["X"]],
            "price": event["p"] if event["o"] != "MARKET" else None,
            "amount": event["q"],
            "filled": event["z"],
            "cost": event["Z"],
            "average": None,
            "fees": None,
        }
        if event["x"] == "TRADE":
            fills.append(
                {
                    "id": str(event["t"]),
                    "order": str(event["i"]),
                    "price": event["L"],
                    "amount": event["l"],
                    "cost": event["Y"],
                    "is_maker": event["m"],
                    "fee": event["n"],
                    "fee_asset": event["N"],
                }
            )
    return {"orders": orders, "fills": fills, "balance": balance}
