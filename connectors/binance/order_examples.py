"""Messages of Binance about one order that rests and is then filled; see `connectors.orders.examples`. Pure."""

from __future__ import annotations

from typing import Any

from connectors.orders.examples import OrderTemplates, templates_of


def templates(venue: str, symbol: str, side: str, price: str, quantity: str) -> OrderTemplates:
    """The messages of a market. side: BUY or SELL; price, quantity: the texts of the order."""
    is_spot = venue == "binance_spot"
    result: dict[str, Any] = {
        "symbol": symbol, "orderId": "@number", "clientOrderId": "@client_id", "price": price, "origQty": quantity,
        "executedQty": "0", "status": "NEW", "timeInForce": "GTC", "type": "LIMIT", "side": side,
        "transactTime" if is_spot else "updateTime": "@now_ms",
    }  # fmt: skip
    accepted = {"id": "@wire_id", "status": 200, "result": result}
    own = {"s": symbol, "c": "@client_id", "S": side, "o": "LIMIT", "f": "GTC", "q": quantity, "p": price}
    done = {
        "x": "TRADE", "X": "FILLED", "i": "@number", "l": quantity, "z": quantity, "L": price, "N": "USDT",
        "T": "@now_ms", "t": "@number", "m": True,
    }  # fmt: skip
    event = _report(own | done) if is_spot else _trade(own | done, price)
    return templates_of(accepted, (), (event,))


def _report(order: dict[str, Any]) -> Any:
    report = {"e": "executionReport", "E": "@now_ms"} | order | {
        "P": "0.00000000", "F": "0.00000000", "g": -1, "C": "", "r": "NONE", "n": "0.06000000", "I": "@number",
        "w": False, "M": False, "O": "@now_ms", "Z": "60.00000000", "Y": "60.00000000", "Q": "0.00000000",
        "W": "@now_ms", "V": "EXPIRE_MAKER",
    }  # fmt: skip
    return {"subscriptionId": 0, "event": report}


def _trade(order: dict[str, Any], price: str) -> Any:
    trade = order | {
        "ap": price, "sp": "0", "n": "0.012", "b": "0", "a": "0", "R": False, "wt": "CONTRACT_PRICE", "ot": "LIMIT",
        "ps": "BOTH", "cp": False, "pP": False, "si": 0, "ss": 0, "rp": "0", "V": "EXPIRE_MAKER", "pm": "NONE",
        "gtd": 0, "er": "0",
    }  # fmt: skip
    return {"e": "ORDER_TRADE_UPDATE", "E": "@now_ms", "T": "@now_ms", "o": trade}
