"""ccxt.pro at Binance spot: requests by the websocket API, and its stream of own orders, fills and balances.

Arguments: spot (address), key, secret.
"""

from __future__ import annotations

import asyncio
import contextlib

import ccxt.pro
from addresses import options_of_spot
from reporting import arguments, await_streams, has_all, report, report_absence, settle_async
from views import order_of_ccxt, trade_of_ccxt

ARGUMENTS = arguments()
SYMBOL = "BTC/USDT"


async def main() -> None:
    client = ccxt.pro.binance(options_of_spot(ARGUMENTS))
    try:
        await trade(client)
    finally:
        await client.close()


async def trade(client: ccxt.pro.binance) -> None:
    report("load_markets", sorted(await client.load_markets()))
    orders, fills, balance = {}, [], {}

    async def watch_orders() -> None:
        while True:
            for order in await client.watch_orders(SYMBOL):
                orders[order["id"]] = order_of_ccxt(order)

    async def watch_fills() -> None:
        while True:
            fills.extend(trade_of_ccxt(one) for one in await client.watch_my_trades(SYMBOL))

    async def watch_balance() -> None:
        while True:
            found = await client.watch_balance()
            balance.update({name: [found[name]["free"], found[name]["used"]] for name in ("BTC", "USDT")})

    client.newUpdates = True
    watchers = [asyncio.create_task(one()) for one in (watch_orders, watch_fills, watch_balance)]
    await asyncio.to_thread(await_streams, "binance_spot", 1)
    book = await client.fetch_order_book(SYMBOL, 5)
    bid, ask = book["bids"][0][0], book["asks"][0][0]
    low = float(client.price_to_precision(SYMBOL, bid * 0.95))

    async def fetched(order: dict) -> dict:
        return order_of_ccxt(await client.fetch_order_ws(order["id"], SYMBOL))

    async def place(kind: str, side: str, amount: float, price: float | None = None, **more: object) -> dict:
        if price is not None:
            price = float(client.price_to_precision(SYMBOL, price))
        return await client.create_order_ws(SYMBOL, kind, side, amount, price, more)

    one = await place("limit", "buy", 0.01, low)
    two = await client.edit_order_ws(one["id"], SYMBOL, "limit", "buy", 0.02, low - 10)
    report("amend", await fetched(two))
    await client.cancel_order_ws(two["id"], SYMBOL)
    report("cancel", await fetched(two))
    some = [await place("limit", "buy", 0.01, low) for _ in range(2)]
    await client.cancel_all_orders_ws(SYMBOL)
    report("cancel_all", [await fetched(one) for one in some])
    report("limit_ioc", order_of_ccxt(await place("limit", "buy", 0.03, ask * 1.002, timeInForce="IOC")))
    # `postOnly` would be sent to the venue as it is, which refuses it.
    report("post_only", await fetched(await place("LIMIT_MAKER", "buy", 0.01, low)))
    report("market", order_of_ccxt(await place("market", "sell", 0.01)))
    report("limit_gtc", order_of_ccxt(await place("limit", "buy", 0.01, low, newClientOrderId="kept-open")))
    report("query", await fetched(one))
    report("open_orders", [order_of_ccxt(found) for found in await client.fetch_open_orders_ws(SYMBOL)])
    known = [order_of_ccxt(found) for found in await client.fetch_orders_ws(SYMBOL)]
    report("history", known)
    trades = [trade_of_ccxt(found) for found in await client.fetch_my_trades_ws(SYMBOL)]
    report("fills", trades)
    # ccxt reads it like a balance of derivatives: of spot only the venue's answer is left.
    found = (await client.fetch_balance_ws())["info"]["balances"]
    report("balance", {one["asset"]: [one["free"], one["locked"]] for one in found})
    await settle_async(lambda: has_all(orders, fills, known, trades))
    report_absence("fees", client, "fetchTradingFeesWs")
    report("stream", {"orders": orders, "fills": fills, "balance": balance})
    for watcher in watchers:
        watcher.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watcher


asyncio.run(main())
