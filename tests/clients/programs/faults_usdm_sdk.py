"""Binance's own connector at USD-M's user data, while faults happen. Arguments: usdm (address), key, secret."""

from __future__ import annotations

import asyncio
from typing import Any

from binance_common.configuration import ConfigurationRestAPI, ConfigurationWebSocketStreams
from binance_sdk_derivatives_trading_usds_futures.derivatives_trading_usds_futures import (
    DerivativesTradingUsdsFutures,
)
from faulting import begin
from reporting import arguments, report

ARGUMENTS = arguments()
SYMBOL = "BTCUSDT"
USDM = ARGUMENTS["usdm"]
#: (name of the event's model, event)
EVENTS: list[tuple[str, dict]] = []


def keep(message: Any) -> None:
    event = message.actual_instance
    EVENTS.append((type(event).__name__, event.to_dict()))


async def seen(wait_s: float = 0.4) -> list[tuple[str, dict]]:
    """The events since the last call."""
    await asyncio.sleep(wait_s)
    found = list(EVENTS)
    EVENTS.clear()
    return found


async def main() -> None:
    client = DerivativesTradingUsdsFutures(
        ConfigurationRestAPI(base_path=USDM, api_key=ARGUMENTS["key"], api_secret=ARGUMENTS["secret"]),
        config_ws_streams=ConfigurationWebSocketStreams(stream_url=f"{USDM.replace('http', 'ws')}/stream"),
    )
    rest = client.rest_api
    key = rest.start_user_data_stream().data().listen_key
    connection = await client.websocket_streams.create_connection()
    (await connection.user_data(key)).on("message", keep)
    await asyncio.sleep(0.3)

    async def buy() -> None:
        await asyncio.to_thread(rest.new_order, SYMBOL, "BUY", "MARKET", quantity=0.04)

    await buy()
    report("plain", [name for name, _ in await seen()])
    begin("duplicate_event", event="order:trade")
    await buy()
    report("duplicate_event", [name for name, _ in await seen()])
    begin("margin_call")
    ((name, call),) = await seen()
    report("margin_call", [name, [one["pa"] for one in call["p"]]])
    begin("mode_switched", field="leverage", value="4")
    ((name, config),) = await seen()
    report("mode_switched", [name, config["ac"]["l"]])
    begin("transfer", venue="binance_usdm", asset="USDT", quantity="-5")
    ((name, update),) = await seen()
    report("transfer", [name, update["a"]["m"], update["a"]["B"][0]["bc"]])
    for kind in ("adl", "liquidate"):
        begin(kind, share=0.5)
        found = await seen()
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
    ended = await seen()
    await buy()
    report("key_expired", [[name for name, _ in ended], await seen()])
    await connection.close_connection(close_session=True)


asyncio.run(main())
