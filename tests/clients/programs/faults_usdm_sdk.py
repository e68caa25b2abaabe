"""Binance's own connector at USD-M's user data, while faults happen. Arguments: usdm (address), key, secret."""

from __future__ import annotations

import asyncio
from typing import Any

from addresses import PATIENCE_MS
from binance_common.configuration import ConfigurationRestAPI, ConfigurationWebSocketStreams
from binance_sdk_derivatives_trading_usds_futures.derivatives_trading_usds_futures import (
    DerivativesTradingUsdsFutures,
)
from reporting import arguments, await_streams, begin, report, settle_async, until

ARGUMENTS = arguments()
SYMBOL = "BTCUSDT"
USDM = ARGUMENTS["usdm"]
#: (name of the event's model, event)
EVENTS: list[tuple[str, dict]] = []


def keep(message: Any) -> None:
    event = message.actual_instance
    EVENTS.append((type(event).__name__, event.to_dict()))


async def seen(count: int) -> list[tuple[str, dict]]:
    """The events since the last call: this many, or more."""
    await settle_async(lambda: len(EVENTS) >= count)
    found = list(EVENTS)
    EVENTS.clear()
    return found


async def main() -> None:
    client = DerivativesTradingUsdsFutures(
        ConfigurationRestAPI(
            base_path=USDM, api_key=ARGUMENTS["key"], api_secret=ARGUMENTS["secret"], timeout=PATIENCE_MS
        ),
        config_ws_streams=ConfigurationWebSocketStreams(stream_url=f"{USDM.replace('http', 'ws')}/stream"),
    )
    rest = client.rest_api
    key = rest.start_user_data_stream().data().listen_key
    connection = await client.websocket_streams.create_connection()
    (await connection.user_data(key)).on("message", keep)
    await asyncio.to_thread(await_streams, "binance_usdm", 1)

    def is_deep() -> bool:
        book = rest.order_book(SYMBOL, limit=5).data().to_dict()
        return min(float(book[side][0][1]) for side in ("bids", "asks")) > 0.2

    async def buy() -> None:
        """In one execution."""
        await asyncio.to_thread(until, is_deep)
        await asyncio.to_thread(rest.new_order, SYMBOL, "BUY", "MARKET", quantity=0.04)

    await buy()
    report("plain", [name for name, _ in await seen(4)])
    begin("duplicate_event", event="order:trade")
    await buy()
    report("duplicate_event", [name for name, _ in await seen(6)])
    begin("margin_call")
    ((name, call),) = await seen(1)
    report("margin_call", [name, [one["pa"] for one in call["p"]]])
    begin("mode_switched", field="leverage", value="4")
    ((name, config),) = await seen(1)
    report("mode_switched", [name, config["ac"]["l"]])
    begin("transfer", venue="binance_usdm", asset="USDT", quantity="-5")
    ((name, update),) = await seen(1)
    report("transfer", [name, update["a"]["m"], update["a"]["B"][0]["bc"]])
    for kind in ("adl", "liquidate"):
        await asyncio.to_thread(until, is_deep)
        begin(kind, share=0.5)
        found = await seen(2)
        orders = [one["o"] for name, one in found if name == "OrderTradeUpdate"]
        positions = [one["a"]["P"] for name, one in found if name == "AccountUpdate"]
        last = orders[-1]
        report(
            kind,
            [
                last["c"].rstrip("0123456789"),
                last["x"],
                last["o"],
                [one[0]["pa"] for one in positions if one],
            ],
        )
    begin("key_expired")
    ended = await seen(1)
    await buy()
    report("key_expired", [[name for name, _ in ended], await seen(0)])
    await connection.close_connection(close_session=True)


asyncio.run(main())
