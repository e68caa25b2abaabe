"""Binance's own connector at USD-M, by REST, and its stream of own orders. Arguments: usdm, key, secret, is_ed25519."""

from __future__ import annotations

import asyncio
from typing import Any

from addresses import PATIENCE_MS, signing_of_binance
from binance_common.configuration import ConfigurationRestAPI, ConfigurationWebSocketStreams
from binance_sdk_derivatives_trading_usds_futures.derivatives_trading_usds_futures import (
    DerivativesTradingUsdsFutures,
)
from reporting import arguments, await_streams, has_all, report, settle_async
from views import order_of_binance, orders_and_fills, trade_of_binance

ARGUMENTS = arguments()
SYMBOL = "BTCUSDT"
USDM = ARGUMENTS["usdm"]
SIGNING = signing_of_binance(ARGUMENTS)


def plain(answer: Any) -> Any:
    """The data of an answer, as the venue's names."""
    data = answer.data()
    return [one.to_dict() for one in data] if isinstance(data, list) else data.to_dict()


def trade(rest: Any) -> tuple[list[dict], list[dict]]:
    """All orders and fills."""
    info = plain(rest.exchange_information())
    report("load_markets", [one["symbol"] for one in info["symbols"]])
    rest.change_initial_leverage(SYMBOL, 5)
    report("leverage", plain(rest.symbol_configuration(SYMBOL))[0]["leverage"])
    rest.change_position_mode("true")
    hedged = plain(rest.get_current_position_mode())["dualSidePosition"]
    rest.change_position_mode("false")
    rest.change_margin_type(SYMBOL, "ISOLATED")
    isolated = plain(rest.symbol_configuration(SYMBOL))[0]["marginType"]
    rest.change_margin_type(SYMBOL, "CROSSED")
    crossed = plain(rest.symbol_configuration(SYMBOL))[0]["marginType"]
    words = {"ISOLATED": "isolated", "CROSSED": "cross"}
    report("modes", [hedged, words[isolated], words[crossed]])
    book = plain(rest.order_book(SYMBOL, limit=5))
    bid, ask = float(book["bids"][0][0]), float(book["asks"][0][0])
    low = round(bid * 0.97, 1)

    def place(kind: str, side: str, amount: float, price: float | None = None, **more: Any) -> int:
        if kind == "LIMIT":
            more = {"time_in_force": "GTC", "price": price} | more
        return plain(rest.new_order(SYMBOL, side, kind, quantity=amount, **more))["orderId"]

    def fetched(order_id: int) -> dict:
        return order_of_binance(plain(rest.query_order(SYMBOL, order_id=order_id)))

    one = place("LIMIT", "BUY", 0.01, low)
    rest.modify_order(SYMBOL, "BUY", 0.02, round(low - 10, 1), order_id=one)
    report("amend", fetched(one))
    rest.cancel_order(SYMBOL, order_id=one)
    report("cancel", fetched(one))
    some = [place("LIMIT", "BUY", 0.01, low) for _ in range(2)]
    rest.cancel_all_open_orders(SYMBOL)
    report("cancel_all", [fetched(order_id) for order_id in some])
    report("limit_ioc", fetched(place("LIMIT", "BUY", 0.03, round(ask * 1.01, 1), time_in_force="IOC")))
    report("post_only", fetched(place("LIMIT", "BUY", 0.01, low, time_in_force="GTX")))
    report("market", fetched(place("MARKET", "SELL", 0.01)))
    sale = place("LIMIT", "SELL", 0.01, round(bid * 0.99, 1), time_in_force="IOC", reduce_only="true")
    report("reduce_only", fetched(sale))
    report("limit_gtc", fetched(place("LIMIT", "BUY", 0.01, low, new_client_order_id="kept-open")))
    report("query", fetched(one))
    report("open_orders", [order_of_binance(found) for found in plain(rest.current_all_open_orders(SYMBOL))])
    known = [order_of_binance(found) for found in plain(rest.all_orders(SYMBOL))]
    report("history", known)
    trades = [trade_of_binance(found) for found in plain(rest.account_trade_list(SYMBOL))]
    report("fills", trades)
    balances = {one["asset"]: one["balance"] for one in plain(rest.futures_account_balance_v3())}
    report("balance", {"USDT": balances["USDT"]})
    (position,) = plain(rest.position_information_v3(SYMBOL))
    report(
        "position",
        {
            "side": "long",
            "contracts": position["positionAmt"],
            "entryPrice": position["entryPrice"],
        },
    )
    return known, trades


async def main() -> None:
    client = DerivativesTradingUsdsFutures(
        ConfigurationRestAPI(base_path=USDM, timeout=PATIENCE_MS, **SIGNING),
        config_ws_streams=ConfigurationWebSocketStreams(stream_url=f"{USDM.replace('http', 'ws')}/stream"),
    )
    rest = client.rest_api
    key = plain(rest.start_user_data_stream())["listenKey"]
    connection = await client.websocket_streams.create_connection()
    stream = await connection.user_data(key)
    #: (name of the event's model, event)
    events: list[tuple[str, dict]] = []

    def receive(message: Any) -> None:
        event = message.actual_instance
        events.append((type(event).__name__, event.to_dict()))

    stream.on("message", receive)
    await asyncio.to_thread(await_streams, "binance_usdm", 1)
    known, trades = await asyncio.to_thread(trade, rest)

    def seen() -> dict[str, Any]:
        return orders_and_fills([event["o"] for name, event in list(events) if name == "OrderTradeUpdate"])

    await settle_async(lambda: has_all(**seen(), known=known, trades=trades))
    balances = [event["a"]["B"] for name, event in events if name == "AccountUpdate"]
    report("stream", seen() | {"balance": {"USDT": balances[-1][0]["wb"]}})
    await connection.close_connection(close_session=True)


asyncio.run(main())
