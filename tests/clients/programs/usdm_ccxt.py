"""ccxt's REST client at Binance USD-M. Arguments: spot, usdm (addresses), key, secret."""

from __future__ import annotations

from typing import Any

import ccxt
from addresses import options_of_usdm, usdt_of_usdm
from reporting import arguments, report, report_absence
from views import order_of_ccxt, trade_of_ccxt

ARGUMENTS = arguments()
SYMBOL = "BTC/USDT:USDT"


def fetched(client: ccxt.binanceusdm, order: dict) -> dict:
    return order_of_ccxt(client.fetch_order(order["id"], SYMBOL))


def main() -> None:
    client = ccxt.binanceusdm(options_of_usdm(ARGUMENTS))
    report("load_markets", sorted(client.load_markets()))
    client.set_leverage(5, SYMBOL)
    report("leverage", client.fetch_leverage(SYMBOL)["longLeverage"])
    client.set_position_mode(True, SYMBOL)
    hedged = client.fetch_position_mode(SYMBOL)["hedged"]
    client.set_position_mode(False, SYMBOL)
    client.set_margin_mode("isolated", SYMBOL)
    isolated = client.fetch_margin_mode(SYMBOL)["marginMode"]
    client.set_margin_mode("cross", SYMBOL)
    report("modes", [hedged, isolated, client.fetch_margin_mode(SYMBOL)["marginMode"]])
    book = client.fetch_order_book(SYMBOL, 5)
    bid, ask = book["bids"][0][0], book["asks"][0][0]
    low = float(client.price_to_precision(SYMBOL, bid * 0.97))

    def place(kind: str, side: str, amount: float, price: float | None = None, **more: Any) -> dict:
        return client.create_order(SYMBOL, kind, side, amount, price, more)

    one = place("limit", "buy", 0.01, low)
    client.edit_order(one["id"], SYMBOL, "limit", "buy", 0.02, low - 10)
    report("amend", fetched(client, one))
    client.cancel_order(one["id"], SYMBOL)
    report("cancel", fetched(client, one))
    some = [place("limit", "buy", 0.01, low) for _ in range(2)]
    client.cancel_all_orders(SYMBOL)
    report("cancel_all", [fetched(client, one) for one in some])
    report("limit_ioc", fetched(client, place("limit", "buy", 0.03, ask * 1.01, timeInForce="IOC")))
    report("post_only", fetched(client, place("limit", "buy", 0.01, low, postOnly=True)))
    report("market", fetched(client, place("market", "sell", 0.01)))
    sale = place("limit", "sell", 0.01, bid * 0.99, timeInForce="IOC", reduceOnly=True)
    report("reduce_only", fetched(client, sale))
    kept = place("limit", "buy", 0.01, low, clientOrderId="kept-open")
    report("limit_gtc", fetched(client, kept))
    report("query", fetched(client, one))
    report("open_orders", [order_of_ccxt(found) for found in client.fetch_open_orders(SYMBOL)])
    report("history", [order_of_ccxt(found) for found in client.fetch_orders(SYMBOL)])
    report("fills", [trade_of_ccxt(found) for found in client.fetch_my_trades(SYMBOL)])
    report("balance", {"USDT": usdt_of_usdm(client.fetch_balance())})
    (position,) = client.fetch_positions([SYMBOL])
    report("position", {name: position[name] for name in ("side", "contracts", "entryPrice")})
    report_absence("stream", client, "watchOrders")


main()
