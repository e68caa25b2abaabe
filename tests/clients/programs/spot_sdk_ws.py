"""Binance's own client at spot, by the websocket API: requests, logon with Ed25519, user data.

Arguments: spot (address), key, secret (of Ed25519: the private key as PEM), is_ed25519.
"""

from __future__ import annotations

import asyncio
from typing import Any

from addresses import signing_of_binance
from binance_common.configuration import ConfigurationWebSocketAPI
from binance_sdk_spot.spot import Spot
from reporting import arguments, has_all, report, settle_async
from views import order_of_binance, orders_and_fills, trade_of_binance, value

ARGUMENTS = arguments()
SYMBOL = "BTCUSDT"


async def main() -> None:
    is_ed25519 = ARGUMENTS["is_ed25519"]
    address = ARGUMENTS["spot"].replace("http", "ws", 1)
    configuration = ConfigurationWebSocketAPI(
        stream_url=f"{address}/ws-api/v3", **signing_of_binance(ARGUMENTS)
    )
    client = Spot(config_ws_api=configuration).websocket_api
    await client.create_connection()
    try:
        await trade(client, is_ed25519)
    finally:
        await client.close_connection(close_session=True)


def event_of(model: Any) -> dict:
    """An event in the venue's words; the client keeps its name as that of the class."""
    name = type(model.actual_instance).__name__
    return value(model) | {"e": name[0].lower() + name[1:]}


async def trade(client: Any, is_ed25519: bool) -> None:
    async def ask(method: str, **parameters: Any) -> Any:
        answer = (await getattr(client, method)(**parameters)).data()
        if isinstance(answer, dict):
            raise RuntimeError(f"{method}: {answer}")
        return value(answer)["result"]

    if is_ed25519:
        await ask("session_logon")
        subscription = await client.user_data_stream_subscribe()
    else:
        subscription = await client.user_data_stream_subscribe_signature()
    events: list[dict] = []
    subscription.stream.on("message", lambda event: events.append(event_of(event)))

    async def fetched(order: dict) -> dict:
        return order_of_binance(await ask("order_status", symbol=SYMBOL, order_id=order["orderId"]))

    async def place(kind: str, side: str, quantity: float, **more: Any) -> dict:
        return await ask("order_place", symbol=SYMBOL, side=side, type=kind, quantity=quantity, **more)

    # Its model of this answer has no `result`: the fields are those that were sent.
    info = (await client.exchange_info()).data().additional_properties["result"]
    report("load_markets", [one["symbol"] for one in info["symbols"]])
    # This connection has no book here: the price is that of an order that waits for nothing.
    market = await place("MARKET", "BUY", 0.03)
    price = float(market["fills"][0]["price"])
    low, high = round(price * 0.95, 2), round(price * 1.02, 2)
    limit = {"kind": "LIMIT", "side": "BUY", "quantity": 0.01, "price": low, "time_in_force": "GTC"}
    one = await place(**limit)
    await ask("order_amend_keep_priority", symbol=SYMBOL, order_id=one["orderId"], new_qty=0.005)
    replaced = await ask(
        "order_cancel_replace", symbol=SYMBOL, side="BUY", type="LIMIT", cancel_replace_mode="STOP_ON_FAILURE",
        cancel_order_id=one["orderId"], quantity=0.02, price=low, time_in_force="GTC",
    )  # fmt: skip
    two = replaced["newOrderResponse"]
    report("amend", await fetched(two))
    cancelled = await ask("order_cancel", symbol=SYMBOL, order_id=two["orderId"])
    report("cancel", order_of_binance(cancelled, "origClientOrderId"))
    for _ in range(2):
        await place(**limit)
    found = await ask("open_orders_cancel_all", symbol=SYMBOL)
    report("cancel_all", [order_of_binance(one, "origClientOrderId") for one in found])
    report("limit_ioc", order_of_binance(await place("LIMIT", "BUY", 0.03, price=high, time_in_force="IOC")))
    report("post_only", await fetched(await place("LIMIT_MAKER", "BUY", 0.01, price=low)))
    report("market", order_of_binance(await place("MARKET", "SELL", 0.01)))
    report("limit_gtc", order_of_binance(await place(**limit, new_client_order_id="kept-open")))
    report("query", await fetched(one))
    report("open_orders", [order_of_binance(one) for one in await ask("open_orders_status", symbol=SYMBOL)])
    known = [order_of_binance(one) for one in await ask("all_orders", symbol=SYMBOL)]
    report("history", known)
    trades = [trade_of_binance(one) for one in await ask("my_trades", symbol=SYMBOL)]
    report("fills", trades)
    balances = (await ask("account_status", omit_zero_balances=True))["balances"]
    report("balance", {one["asset"]: [one["free"], one["locked"]] for one in balances})
    rates = (await ask("account_commission", symbol=SYMBOL))["standardCommission"]
    report("fees", [rates["maker"], rates["taker"]])

    def seen() -> dict:
        return orders_and_fills([one for one in list(events) if one["e"] == "executionReport"])

    await settle_async(lambda: has_all(**seen(), known=known, trades=trades))
    balance: dict[str, list[str]] = {}
    for event in events:
        if event["e"] == "outboundAccountPosition":
            balance |= {one["a"]: [one["f"], one["l"]] for one in event["B"]}
    report("stream", seen() | {"balance": balance})


asyncio.run(main())
