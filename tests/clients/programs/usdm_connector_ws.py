"""Binance's own connector at USD-M's websocket API. Arguments: usdm, key, secret, is_ed25519, bid, ask."""

from __future__ import annotations

import asyncio
from typing import Any

from addresses import signing_of_binance
from binance_common.configuration import ConfigurationWebSocketAPI
from binance_sdk_derivatives_trading_usds_futures.derivatives_trading_usds_futures import (
    DerivativesTradingUsdsFutures,
)
from reporting import arguments, report, report_absence
from views import order_of_binance

ARGUMENTS = arguments()
SYMBOL = "BTCUSDT"


def result(answer: Any) -> Any:
    """The result of an answer, in the venue's names."""
    return answer.data().to_dict()["result"]


#: Words of methods that it does not have, by cell.
ABSENT = {
    "load_markets": ("exchange_info",), "cancel_all": ("all", "batch"), "open_orders": ("open",), "history": ("all",),
    "fills": ("trade", "fill"), "leverage": ("leverage",), "modes": ("position_mode", "margin_type"),
    "stream": ("stream_subscribe",),
}  # fmt: skip


async def trade(api: Any, bid: float, ask: float) -> None:
    low = round(bid * 0.97, 1)

    async def place(kind: str, side: str, amount: float, price: float | None = None, **more: Any) -> int:
        if kind == "LIMIT":
            more = {"time_in_force": "GTC", "price": price} | more
        return result(await api.new_order(SYMBOL, side, kind, quantity=amount, **more))["orderId"]

    async def fetched(order_id: int) -> dict:
        return order_of_binance(result(await api.query_order(SYMBOL, order_id=order_id)))

    one = await place("LIMIT", "BUY", 0.01, low)
    await api.modify_order(SYMBOL, "BUY", 0.02, round(low - 10, 1), order_id=one)
    report("amend", await fetched(one))
    await api.cancel_order(SYMBOL, order_id=one)
    report("cancel", await fetched(one))
    bought = await place("LIMIT", "BUY", 0.03, round(ask * 1.01, 1), time_in_force="IOC")
    report("limit_ioc", await fetched(bought))
    report("post_only", await fetched(await place("LIMIT", "BUY", 0.01, low, time_in_force="GTX")))
    report("market", await fetched(await place("MARKET", "SELL", 0.01)))
    sale = await place("LIMIT", "SELL", 0.01, round(bid * 0.99, 1), time_in_force="IOC", reduce_only="true")
    report("reduce_only", await fetched(sale))
    kept = await place("LIMIT", "BUY", 0.01, low, new_client_order_id="kept-open")
    report("limit_gtc", await fetched(kept))
    report("query", await fetched(one))
    balances = {one["asset"]: one["balance"] for one in result(await api.futures_account_balance_v2())}
    report("balance", {"USDT": balances["USDT"]})
    (position,) = result(await api.position_information_v2(symbol=SYMBOL))
    report(
        "position",
        {"side": "long", "contracts": position["positionAmt"], "entryPrice": position["entryPrice"]},
    )


async def main() -> None:
    address = ARGUMENTS["usdm"].replace("http", "ws", 1)
    client = DerivativesTradingUsdsFutures(
        config_ws_api=ConfigurationWebSocketAPI(
            stream_url=f"{address}/ws-fapi/v1", **signing_of_binance(ARGUMENTS)
        )
    )
    connection = await client.websocket_api.create_connection()
    await trade(connection, ARGUMENTS["bid"], ARGUMENTS["ask"])
    for cell, words in ABSENT.items():
        report_absence(cell, connection, *words)
    await connection.close_connection(close_session=True)


asyncio.run(main())
