"""ccxt's REST client at one Bybit address, spot or linear.

Arguments: bybit (address), symbol, key, secret.
"""

from __future__ import annotations

import ccxt
from addresses import options_of_bybit
from reporting import arguments, report, report_absence
from views import order_of_ccxt, trade_of_ccxt

ARGUMENTS = arguments()
SYMBOL = ARGUMENTS["symbol"]
IS_LINEAR = ":" in SYMBOL


def fetched(client: ccxt.bybit, order_id: str) -> dict:
    """An order by its id."""
    return order_of_ccxt(client.fetch_order(order_id, SYMBOL, {"acknowledged": True}))


def main() -> None:
    client = ccxt.bybit(options_of_bybit(ARGUMENTS))
    report("load_markets", sorted(client.load_markets()))
    if IS_LINEAR:
        client.set_leverage(5, SYMBOL)
        report("leverage", client.fetch_leverage(SYMBOL)["longLeverage"])
        client.set_position_mode(True, SYMBOL)
        client.set_position_mode(False, SYMBOL)
        client.set_margin_mode("isolated", SYMBOL)
        client.set_margin_mode("cross", SYMBOL)
        report("modes", {"is_hedge": False, "margin": "REGULAR_MARGIN"})
    ticker = client.fetch_ticker(SYMBOL)
    bid, ask = ticker["bid"], ticker["ask"]
    low = client.price_to_precision(SYMBOL, bid * 0.95)

    def place(kind: str, side: str, amount: float, price: object = None, **more: object) -> str:
        return client.create_order(SYMBOL, kind, side, amount, price and float(str(price)), more)["id"]

    one = place("limit", "buy", 0.01, low)
    client.edit_order(one, SYMBOL, "limit", "buy", 0.02, float(low) - 10)
    report("amend", fetched(client, one))
    client.cancel_order(one, SYMBOL)
    report("cancel", fetched(client, one))
    some = [place("limit", "buy", 0.01, low) for _ in range(2)]
    client.cancel_all_orders(SYMBOL)
    report("cancel_all", [fetched(client, one) for one in some])
    report("limit_ioc", fetched(client, place("limit", "buy", 0.03, ask * 1.002, timeInForce="IOC")))
    report("post_only", fetched(client, place("limit", "buy", 0.01, ask * 1.002, postOnly=True)))
    report("market", fetched(client, place("market", "sell", 0.01)))
    if IS_LINEAR:
        report(
            "reduce_only",
            fetched(client, place("limit", "sell", 0.01, bid * 0.998, timeInForce="IOC", reduceOnly=True)),
        )
    report("limit_gtc", fetched(client, place("limit", "buy", 0.01, low, clientOrderId="kept-open")))
    report("query", fetched(client, one))
    report("open_orders", [order_of_ccxt(found) for found in client.fetch_open_orders(SYMBOL)])
    past = client.fetch_closed_orders(SYMBOL) + client.fetch_canceled_orders(SYMBOL)
    report("history", [order_of_ccxt(found) for found in past])
    report("fills", [trade_of_ccxt(found) for found in client.fetch_my_trades(SYMBOL)])
    balance = client.fetch_balance()
    report("balance", {name: balance[name]["total"] for name in ("BTC", "USDT")})
    report_absence("stream", client, "watchOrders")
    if IS_LINEAR:
        (position,) = client.fetch_positions([SYMBOL])
        report("position", {name: position[name] for name in ("side", "contracts", "entryPrice", "leverage")})


main()
