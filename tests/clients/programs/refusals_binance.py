"""Wrong requests of Binance's own clients at spot or USD-M, by REST and by the websocket API: class and code.

Arguments: market, spot, usdm (addresses), key, secret, reader (a key that may not trade here), reader_secret.
"""

from __future__ import annotations

import asyncio
import logging
from importlib import import_module
from typing import Any

import binance_common.utils as utils
from addresses import PATIENCE_MS
from binance_common.configuration import ConfigurationRestAPI, ConfigurationWebSocketAPI
from binance_common.errors import Error
from reporting import arguments, report, until_refused

ARGUMENTS = arguments()
IS_SPOT = ARGUMENTS["market"] == "binance_spot"
MODULE, CLIENT = (
    ("binance_sdk_spot.spot", "Spot")
    if IS_SPOT
    else (
        "binance_sdk_derivatives_trading_usds_futures.derivatives_trading_usds_futures",
        "DerivativesTradingUsdsFutures",
    )
)
SDK = getattr(import_module(MODULE), CLIENT)
ADDRESS = ARGUMENTS["spot" if IS_SPOT else "usdm"]
SOCKET = ADDRESS.replace("http", "ws", 1) + ("/ws-api/v3" if IS_SPOT else "/ws-fapi/v1")
READER = (ARGUMENTS["reader"], ARGUMENTS["reader_secret"])
ORDER: dict[str, Any] = {
    "symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "time_in_force": "GTC", "quantity": 0.01, "price": 41_000.0,
}  # fmt: skip


def client_of(key: str = ARGUMENTS["key"], secret: str = ARGUMENTS["secret"]) -> Any:
    configuration = ConfigurationRestAPI(
        api_key=key, api_secret=secret, base_path=ADDRESS, retries=0, timeout=PATIENCE_MS
    )
    return SDK(config_rest_api=configuration).rest_api


def order(client: Any, **changes: Any) -> str:
    try:
        client.new_order(**ORDER | changes).data()
    except Error as error:
        return f"{type(error).__name__} {error.status_code}"
    return "none"


def rest() -> None:
    good = client_of()
    report("wrong_secret", order(client_of(secret="other")))
    report("unknown_key", order(client_of(key="A" * 64)))
    report("no_permission", order(client_of(*READER)))
    now, encode = utils.get_timestamp, utils.encoded_string
    for name, shift_ms in (("old_timestamp", -60_000), ("early_timestamp", 5_000)):
        utils.get_timestamp = lambda shift_ms=shift_ms: now() + shift_ms
        report(name, order(good))
    utils.get_timestamp = now
    # The signature is made of the first text; what is sent has another form.
    utils.encoded_string = lambda query: (
        encode(query).replace("a%3Ab", "a:b") if "signature" in query else encode(query)
    )
    report("encoded_after_signing", order(good, new_client_order_id="a:b"))
    utils.encoded_string = encode
    report("no_funds", order(good, quantity=100.0 if IS_SPOT else 500.0))
    report("too_small", order(good, quantity=0.0001) if IS_SPOT else order(good, quantity=0.001, price=100.0))
    order(good, new_client_order_id="twice")
    report("duplicate_id", order(good, new_client_order_id="twice"))
    if not IS_SPOT:
        report("too_high", order(good, price=60_000.0))
        report("post_only", order(good, price=43_500.0, time_in_force="GTX"))
        report("fok", order(good, time_in_force="FOK"))
        report("reduce_only", order(good, reduce_only="true"))
        report("position_side", order(good, position_side="LONG"))
    report("too_many_orders", until_refused(lambda: order(good, time_in_force="IOC")))


async def socket(name: str, key: str = ARGUMENTS["key"], secret: str = ARGUMENTS["secret"]) -> None:
    configuration = ConfigurationWebSocketAPI(api_key=key, api_secret=secret, stream_url=SOCKET)
    client = SDK(config_ws_api=configuration).websocket_api
    made = await client.create_connection()
    connection, place = (client, "order_place") if IS_SPOT else (made, "new_order")
    answer = (await getattr(connection, place)(**ORDER)).data()
    report(name, answer["error"]["code"] if isinstance(answer, dict) else "none")
    await connection.close_connection(close_session=True)


async def sockets() -> None:
    await socket("socket_wrong_secret", secret="other")
    await socket("socket_unknown_key", key="A" * 64)
    await socket("socket_no_permission", *READER)
    now = utils.get_timestamp
    utils.get_timestamp = lambda: now() - 60_000
    await socket("socket_old_timestamp")
    utils.get_timestamp = now
    utils.sorted = lambda pairs: sorted(pairs, reverse=True)  # the module's own name is found first
    await socket("socket_unsorted")


logging.disable()
asyncio.run(sockets())
rest()
