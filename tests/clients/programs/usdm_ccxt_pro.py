"""ccxt.pro at Binance USD-M: order entry on the websocket API, and the stream of own orders.

Arguments: spot, usdm (addresses), key, secret. What ccxt has by REST alone is asked for by REST.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import ccxt.pro
from addresses import options_of_usdm, usdt_of_usdm
from reporting import arguments, await_streams, has_all, report, settle_async
from views import order_of_ccxt, trade_of_ccxt

ARGUMENTS = arguments()
SYMBOL = "BTC/USDT:USDT"


async def collect(found: dict[str, Any], watch: Any, view: Any) -> None:
    """Keeps the last state of everything that a stream gives, by id."""
    with suppress(asyncio.CancelledError):
        while True:
            for one in await watch():
                found[one["id"]] = view(one)


async def last_balance(found: dict[str, Any], client: ccxt.pro.binanceusdm) -> None:
    with suppress(asyncio.CancelledError):
        while True:
            found["USDT"] = (await client.watch_balance())["USDT"]["total"]


async def trade(client: ccxt.pro.binanceusdm) -> tuple[list[dict], list[dict]]:
    """All orders and fills."""
    book = await client.fetch_order_book(SYMBOL, 5)
    bid, ask = book["bids"][0][0], book["asks"][0][0]
    low = float(client.price_to_precision(SYMBOL, bid * 0.97))

    async def place(kind: str, side: str, amount: float, price: float | None = None, **more: Any) -> dict:
        return await client.create_order_ws(SYMBOL, kind, side, amount, price, more)

    async def fetched(order: dict) -> dict:
        return order_of_ccxt(await client.fetch_order_ws(order["id"], SYMBOL))

    one = await place("limit", "buy", 0.01, low)
    await client.edit_order_ws(one["id"], SYMBOL, "limit", "buy", 0.02, low - 10)
    report("amend", await fetched(one))
    await client.cancel_order_ws(one["id"], SYMBOL)
    report("cancel", await fetched(one))
    some = [await place("limit", "buy", 0.01, low) for _ in range(2)]
    await client.cancel_all_orders(SYMBOL)
    report("cancel_all", [await fetched(one) for one in some])
    report("limit_ioc", await fetched(await place("limit", "buy", 0.03, ask * 1.01, timeInForce="IOC")))
    # ccxt sends `postOnly` and `clientOrderId` as they are, too, which the venue refuses as unknown parameters.
    report("post_only", await fetched(await place("limit", "buy", 0.01, low, timeInForce="GTX")))
    report("market", await fetched(await place("market", "sell", 0.01)))
    sale = await place("limit", "sell", 0.01, bid * 0.99, timeInForce="IOC", reduceOnly=True)
    report("reduce_only", await fetched(sale))
    report("limit_gtc", await fetched(await place("limit", "buy", 0.01, low, newClientOrderId="kept-open")))
    report("query", await fetched(one))
    report("open_orders", [order_of_ccxt(found) for found in await client.fetch_open_orders(SYMBOL)])
    known = [order_of_ccxt(found) for found in await client.fetch_orders(SYMBOL)]
    report("history", known)
    trades = [trade_of_ccxt(found) for found in await client.fetch_my_trades(SYMBOL)]
    report("fills", trades)
    report("balance", {"USDT": usdt_of_usdm(await client.fetch_balance_ws())})
    (position,) = await client.fetch_positions_ws([SYMBOL])
    report("position", {name: position[name] for name in ("side", "contracts", "entryPrice")})
    return known, trades


async def main() -> None:
    client = ccxt.pro.binanceusdm(options_of_usdm(ARGUMENTS))
    report("load_markets", sorted(await client.load_markets()))
    await client.set_leverage(5, SYMBOL)
    report("leverage", (await client.fetch_leverage(SYMBOL))["longLeverage"])
    await client.set_position_mode(True, SYMBOL)
    hedged = (await client.fetch_position_mode(SYMBOL))["hedged"]
    await client.set_position_mode(False, SYMBOL)
    await client.set_margin_mode("isolated", SYMBOL)
    isolated = (await client.fetch_margin_mode(SYMBOL))["marginMode"]
    await client.set_margin_mode("cross", SYMBOL)
    report("modes", [hedged, isolated, (await client.fetch_margin_mode(SYMBOL))["marginMode"]])
    orders: dict[str, Any] = {}
    fills: dict[str, Any] = {}
    balance: dict[str, Any] = {}
    tasks = [
        asyncio.create_task(collect(orders, lambda: client.watch_orders(SYMBOL), order_of_ccxt)),
        asyncio.create_task(collect(fills, lambda: client.watch_my_trades(SYMBOL), trade_of_ccxt)),
        asyncio.create_task(last_balance(balance, client)),
    ]
    await asyncio.to_thread(await_streams, "binance_usdm", 1)
    known, trades = await trade(client)
    await settle_async(lambda: has_all(orders, fills, known, trades))
    for task in tasks:
        task.cancel()
    report("stream", {"orders": orders, "fills": list(fills.values()), "balance": balance})
    await client.close()


asyncio.run(main())
