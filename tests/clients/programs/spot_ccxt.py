"""ccxt's REST client at Binance spot.

Arguments: spot (address), key, secret.
"""

from __future__ import annotations

import ccxt
from addresses import options_of_spot
from reporting import arguments, report, report_absence
from views import order_of_ccxt, trade_of_ccxt

ARGUMENTS = arguments()
SYMBOL = "BTC/USDT"


def main() -> None:
    client = ccxt.binance(options_of_spot(ARGUMENTS))
    report("load_markets", sorted(client.load_markets()))
    book = client.fetch_order_book(SYMBOL, 5)
    bid, ask = book["bids"][0][0], book["asks"][0][0]
    low = float(client.price_to_precision(SYMBOL, bid * 0.95))

    def fetched(order: dict) -> dict:
        return order_of_ccxt(client.fetch_order(order["id"], SYMBOL))

    def place(kind: str, side: str, amount: float, price: float | None = None, **more: object) -> dict:
        if price is not None:
            price = float(client.price_to_precision(SYMBOL, price))
        return client.create_order(SYMBOL, kind, side, amount, price, more)

    one = place("limit", "buy", 0.01, low)
    two = client.edit_order(one["id"], SYMBOL, "limit", "buy", 0.02, low - 10)
    report("amend", fetched(two))
    client.cancel_order(two["id"], SYMBOL)
    report("cancel", fetched(two))
    some = [place("limit", "buy", 0.01, low) for _ in range(2)]
    client.cancel_all_orders(SYMBOL)
    report("cancel_all", [fetched(one) for one in some])
    report("limit_ioc", order_of_ccxt(place("limit", "buy", 0.03, ask * 1.002, timeInForce="IOC")))
    report("post_only", fetched(place("limit", "buy", 0.01, low, postOnly=True)))
    report("market", order_of_ccxt(place("market", "sell", 0.01)))
    report("limit_gtc", order_of_ccxt(place("limit", "buy", 0.01, low, clientOrderId="kept-open")))
    report("query", fetched(one))
    report("open_orders", [order_of_ccxt(found) for found in client.fetch_open_orders(SYMBOL)])
    report("history", [order_of_ccxt(found) for found in client.fetch_orders(SYMBOL)])
    report("fills", [trade_of_ccxt(found) for found in client.fetch_my_trades(SYMBOL)])
    balance = client.fetch_balance()
    report("balance", {name: [balance[name]["free"], balance[name]["used"]] for name in ("BTC", "USDT")})
    fee = client.fetch_trading_fee(SYMBOL)
    report("fees", [fee["maker"], fee["taker"]])
    report_absence("stream", client, "watchOrders")


main()
