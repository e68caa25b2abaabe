"""Orders and fills of USD-M's clients in one form, and the options of ccxt. Not a program."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import ccxt

_STATUS = {
    "NEW": "open", "PARTIALLY_FILLED": "open", "FILLED": "closed", "CANCELED": "canceled", "EXPIRED": "expired",
}  # fmt: skip
#: Nothing listens here: a request that has no address of the sandbox fails.
_CLOSED = "http://127.0.0.1:9"


def options_of_ccxt(arguments: dict) -> dict:
    """Options of `ccxt.binanceusdm` and `ccxt.pro.binanceusdm` with the addresses of a sandbox."""
    spot, usdm = arguments["spot"], arguments["usdm"]
    socket = usdm.replace("http", "ws", 1)
    known = ccxt.binanceusdm().urls["api"]
    urls: dict[str, Any] = dict.fromkeys(
        (name for name, url in known.items() if isinstance(url, str)), _CLOSED
    )
    # Currencies are read from spot's wallet.
    urls["sapi"] = f"{spot}/sapi/v1"
    for name in ("fapiPublic", "fapiPrivate"):
        urls |= {name: f"{usdm}/fapi/v1", f"{name}V2": f"{usdm}/fapi/v2", f"{name}V3": f"{usdm}/fapi/v3"}
    urls["ws"] = {"linear": f"{socket}/ws", "ws-api": {"linear": f"{socket}/ws-fapi/v1"}}
    return {
        "apiKey": arguments["key"],
        "secret": arguments["secret"],
        "enableRateLimit": False,
        "options": {"fetchMarkets": {"types": ["linear"]}},
        "urls": {"api": urls},
    }


def signing_of_connector(arguments: dict) -> dict[str, str]:
    """How Binance's connector signs: by a secret, or by an Ed25519 key."""
    name = "private_key" if arguments["is_ed25519"] else "api_secret"
    return {"api_key": arguments["key"], name: arguments["secret"]}


def wallet_of_ccxt(balance: dict) -> str:
    """The wallet's USDT: ccxt's total includes the profit that is not realized. Of REST, or of the websocket API."""
    info = balance["info"]
    assets = info["assets"] if isinstance(info, dict) else info
    usdt = next(one for one in assets if one["asset"] == "USDT")
    unrealized = usdt.get("unrealizedProfit", usdt["crossUnPnl"])
    return str(Decimal(str(balance["USDT"]["total"])) - Decimal(unrealized))


def order_of_ccxt(order: dict) -> dict:
    """An order of ccxt; the price of a market order is left out, since ccxt writes the average there."""
    return {
        "id": order["id"],
        "client_id": order["clientOrderId"],
        "status": order["status"],
        "price": order["price"] if order["type"] == "limit" else None,
        "amount": order["amount"],
        "filled": order["filled"],
        "cost": order["cost"],
        "average": order["average"],
    }


def trade_of_ccxt(trade: dict) -> dict:
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
    """An order of a query in the venue's words, as Binance's connector gives it."""
    return {
        "id": str(order["orderId"]),
        "client_id": order["clientOrderId"],
        "status": _STATUS[order["status"]],
        "price": order["price"] if order["type"] == "LIMIT" else None,
        "amount": order["origQty"],
        "filled": order["executedQty"],
        "cost": order["cumQuote"],
        "average": order["avgPrice"] if float(order["executedQty"]) else None,
    }


def trade_of_venue(trade: dict) -> dict:
    return {
        "id": str(trade["id"]),
        "order": str(trade["orderId"]),
        "price": trade["price"],
        "amount": trade["qty"],
        "cost": trade["quoteQty"],
        "is_maker": trade["maker"],
        "fee": trade["commission"],
        "fee_asset": trade["commissionAsset"],
    }


def order_of_event(event: dict) -> dict:
    """The order of an ORDER_TRADE_UPDATE; it has no sum of price times quantity."""
    order = event["o"]
    return {
        "id": str(order["i"]),
        "client_id": order["c"],
        "status": _STATUS[order["X"]],
        "price": order["p"] if order["o"] == "LIMIT" else None,
        "amount": order["q"],
        "filled": order["z"],
        "cost": None,
        "average": order["ap"] if float(order["z"]) else None,
    }


def trade_of_event(event: dict) -> dict:
    order = event["o"]
    return {
        "id": str(order["t"]),
        "order": str(order["i"]),
        "price": order["L"],
        "amount": order["l"],
        "cost": None,
        "is_maker": order["m"],
        "fee": order["n"],
        "fee_asset": order["N"],
    }
