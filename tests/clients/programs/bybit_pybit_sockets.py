"""pybit's WebSocketTrading and WebSocket at one Bybit address; queries by its REST client.

Arguments: bybit (address), category, key, secret.
"""

from __future__ import annotations

import os
import queue
import traceback
from decimal import Decimal
from typing import Any

import pybit._websocket_trading
import pybit.unified_trading
from pybit.unified_trading import HTTP, WebSocket, WebSocketTrading
from reporting import arguments, await_streams, has_all, report, report_absence, settle
from views import order_of_bybit, trade_of_bybit

ARGUMENTS = arguments()
CATEGORY = ARGUMENTS["category"]
IS_LINEAR = CATEGORY == "linear"
COMMON = {"category": CATEGORY, "symbol": "BTCUSDT"}
_WAIT_S = 30.0
#: WebSocketTrading has no queries and no settings.
ABSENT = (
    "load_markets", "query", "open_orders", "history", "fills", "balance", "position", "leverage", "modes",
)  # fmt: skip


def main() -> None:
    address, key, secret = ARGUMENTS["bybit"], ARGUMENTS["key"], ARGUMENTS["secret"]
    socket = address.replace("http", "ws", 1)
    pybit._websocket_trading.TRADE_WSS = f"{socket}/v5/trade"
    pybit.unified_trading.PRIVATE_WSS = f"{socket}/v5/private"
    rest = HTTP(api_key=key, api_secret=secret, max_retries=1)
    rest.endpoint = address
    trading = WebSocketTrading(testnet=False, api_key=key, api_secret=secret)
    private = WebSocket(testnet=False, channel_type="private", api_key=key, api_secret=secret)
    orders: dict[str, dict] = {}
    fills: dict[str, dict] = {}
    balance: dict[str, str] = {}
    sizes: list[str] = []

    def on_orders(message: dict) -> None:
        orders.update({one["orderId"]: order_of_bybit(one) for one in message["data"]})

    def on_fills(message: dict) -> None:
        fills.update({one["execId"]: trade_of_bybit(one) for one in message["data"]})

    def on_wallet(message: dict) -> None:
        for account in message["data"]:
            balance.update({one["coin"]: one["walletBalance"] for one in account["coin"]})

    private.order_stream(on_orders)
    private.execution_stream(on_fills)
    private.wallet_stream(on_wallet)
    if IS_LINEAR:
        private.position_stream(lambda message: sizes.extend(one["size"] for one in message["data"]))
    if IS_LINEAR:
        rest.set_leverage(**COMMON, buyLeverage="5", sellLeverage="5")
    await_streams("bybit_linear", 3 + IS_LINEAR)
    (ticker,) = rest.get_tickers(**COMMON)["result"]["list"]
    bid, ask = Decimal(ticker["bid1Price"]), Decimal(ticker["ask1Price"])
    low = f"{bid * Decimal('0.95'):.0f}"
    above, below = f"{ask * Decimal('1.002'):.0f}", f"{bid * Decimal('0.998'):.0f}"
    answers: queue.Queue[dict] = queue.Queue()

    def ask_socket(operation: Any, **fields: Any) -> dict:
        operation(answers.put, answers.put, **fields)
        answer = answers.get(timeout=_WAIT_S)
        if answer["retCode"] != 0:
            raise RuntimeError(answer)
        return answer["data"]

    def place(side: str, qty: str, price: str | None = None, **more: Any) -> str:
        kind = "Market" if price is None else "Limit"
        fields = {**COMMON, "side": side, "orderType": kind, "qty": qty, "price": price, **more}
        return ask_socket(
            trading.place_order, **{name: one for name, one in fields.items() if one is not None}
        )["orderId"]

    def listed(query: Any) -> list[dict]:
        return query(**COMMON)["result"]["list"]

    def fetched(order_id: str) -> dict:
        (found,) = rest.get_open_orders(**COMMON, orderId=order_id)["result"]["list"]
        return order_of_bybit(found)

    one = place("Buy", "0.01", low)
    ask_socket(trading.amend_order, **COMMON, orderId=one, qty="0.02", price=f"{Decimal(low) - 10}")
    report("amend", fetched(one))
    ask_socket(trading.cancel_order, **COMMON, orderId=one)
    report("cancel", fetched(one))
    leg = {"symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.01", "price": low}
    made = ask_socket(trading.place_batch_order, category=CATEGORY, request=[leg, leg])["list"]
    some = [{"symbol": "BTCUSDT", "orderId": found["orderId"]} for found in made]
    ask_socket(trading.cancel_batch_order, category=CATEGORY, request=some)
    report("cancel_all", [fetched(found["orderId"]) for found in some])
    report("limit_ioc", fetched(place("Buy", "0.03", above, timeInForce="IOC")))
    report("post_only", fetched(place("Buy", "0.01", above, timeInForce="PostOnly")))
    report("market", fetched(place("Sell", "0.01")))
    if IS_LINEAR:
        report("reduce_only", fetched(place("Sell", "0.01", below, timeInForce="IOC", reduceOnly=True)))
    report("limit_gtc", fetched(place("Buy", "0.01", low, orderLinkId="kept-open")))
    known = [order_of_bybit(found) for found in listed(rest.get_open_orders) + listed(rest.get_order_history)]
    trades = listed(rest.get_executions)
    settle(lambda: has_all(orders, fills, known, trades))
    stream: dict[str, Any] = {"orders": orders, "fills": list(fills.values()), "balance": balance}
    if IS_LINEAR:
        stream["position"] = sizes[-1]
    report("stream", stream)
    for cell in ABSENT:
        report_absence(cell, trading, "get_", "set_", "switch", "mode")


try:
    main()
except Exception:
    traceback.print_exc()
    os._exit(1)
# pybit's `exit` waits for its threads, without a limit.
os._exit(0)
