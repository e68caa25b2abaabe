"""ccxt.pro at one Bybit address: orders by the trade socket, the stream of own orders, the rest by REST.

Arguments: bybit (address), symbol, key, secret.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import ccxt.pro
from addresses import options_of_bybit
from reporting import arguments, await_streams, has_all, report, report_absence, settle_async
from views import order_of_ccxt, trade_of_ccxt

ARGUMENTS = arguments()
SYMBOL = ARGUMENTS["symbol"]
IS_LINEAR = ":" in SYMBOL


class Seen:
    """What the streams brought."""

    def __init__(self, client: ccxt.pro.bybit) -> None:
        self.orders: dict[str, dict] = {}
        self.fills: dict[str, dict] = {}
        self.positions: list[dict] = []
        self.balance: dict[str, Any] = {}
        watched: list[tuple[Callable[[], Any], Callable[[Any], None]]] = [
            (lambda: client.watch_orders(SYMBOL), self._on_orders),
            (lambda: client.watch_my_trades(SYMBOL), self._on_fills),
            (client.watch_balance, self._on_balance),
        ]
        if IS_LINEAR:
            watched.append((lambda: client.watch_positions([SYMBOL]), self.positions.extend))
        self._tasks = [asyncio.create_task(self._watch(*one)) for one in watched]

    async def _watch(self, watch: Callable[[], Any], receive: Callable[[Any], None]) -> None:
        while True:
            receive(await watch())

    def _on_orders(self, orders: list[dict]) -> None:
        self.orders |= {one["id"]: order_of_ccxt(one) for one in orders}

    def _on_fills(self, trades: list[dict]) -> None:
        self.fills |= {one["id"]: trade_of_ccxt(one) for one in trades}

    def _on_balance(self, balance: dict) -> None:
        # ccxt's totals of this stream are the equity, which the mark price changes.
        for account in balance["info"]:
            self.balance |= {one["coin"]: one["walletBalance"] for one in account["coin"]}

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        for outcome in await asyncio.gather(*self._tasks, return_exceptions=True):
            if not isinstance(outcome, asyncio.CancelledError):
                raise RuntimeError(f"a stream ended: {outcome!r}")


async def main() -> None:
    client = ccxt.pro.bybit(options_of_bybit(ARGUMENTS))
    try:
        await trade(client)
    finally:
        await client.close()


async def trade(client: ccxt.pro.bybit) -> None:
    report("load_markets", sorted(await client.load_markets()))
    if IS_LINEAR:
        await client.set_leverage(5, SYMBOL)
        report("leverage", (await client.fetch_leverage(SYMBOL))["longLeverage"])
        await client.set_position_mode(True, SYMBOL)
        await client.set_position_mode(False, SYMBOL)
        report("modes", {"is_hedge": False, "margin": "REGULAR_MARGIN"})
    seen = Seen(client)
    await asyncio.to_thread(await_streams, "bybit_linear", 3 + IS_LINEAR)
    ticker = await client.fetch_ticker(SYMBOL)
    bid, ask = ticker["bid"], ticker["ask"]
    low = float(client.price_to_precision(SYMBOL, bid * 0.95))

    async def place(kind: str, side: str, amount: float, price: float | None = None, **more: object) -> str:
        return (await client.create_order_ws(SYMBOL, kind, side, amount, price, more))["id"]

    async def fetched(order_id: str) -> dict:
        return order_of_ccxt(await client.fetch_order(order_id, SYMBOL, {"acknowledged": True}))

    one = await place("limit", "buy", 0.01, low)
    await client.edit_order_ws(one, SYMBOL, "limit", "buy", 0.02, low - 10)
    report("amend", await fetched(one))
    await client.cancel_order_ws(one, SYMBOL)
    report("cancel", await fetched(one))
    report("limit_ioc", await fetched(await place("limit", "buy", 0.03, ask * 1.002, timeInForce="IOC")))
    report("post_only", await fetched(await place("limit", "buy", 0.01, ask * 1.002, postOnly=True)))
    report("market", await fetched(await place("market", "sell", 0.01)))
    if IS_LINEAR:
        reducing = await place("limit", "sell", 0.01, bid * 0.998, timeInForce="IOC", reduceOnly=True)
        report("reduce_only", await fetched(reducing))
    report("limit_gtc", await fetched(await place("limit", "buy", 0.01, low, clientOrderId="kept-open")))
    report("query", await fetched(one))
    rest = [order_of_ccxt(found) for found in await client.fetch_open_orders(SYMBOL)]
    report("open_orders", rest)
    past = await client.fetch_closed_orders(SYMBOL) + await client.fetch_canceled_orders(SYMBOL)
    known = [order_of_ccxt(found) for found in past]
    report("history", known)
    trades = [trade_of_ccxt(found) for found in await client.fetch_my_trades(SYMBOL)]
    report("fills", trades)
    balance = await client.fetch_balance()
    report("balance", {name: balance[name]["total"] for name in ("BTC", "USDT")})
    if IS_LINEAR:
        (position,) = await client.fetch_positions([SYMBOL])
        report("position", {name: position[name] for name in ("side", "contracts", "entryPrice", "leverage")})
    await settle_async(lambda: has_all(seen.orders, seen.fills, rest + known, trades))
    await seen.end()
    report_absence("cancel_all", client, "cancelAllOrdersWs")
    stream = {"orders": seen.orders, "fills": list(seen.fills.values()), "balance": seen.balance}
    if IS_LINEAR:
        stream["position"] = seen.positions[-1]["contracts"]
    report("stream", stream)


asyncio.run(main())
