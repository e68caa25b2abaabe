"""Wrong requests of Binance's own client at spot, by REST and by the websocket API: class and code of each error.

Arguments: spot (address), key, secret, reader (a key that may read only), reader_secret.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import binance_common.utils as utils
from binance_common.configuration import ConfigurationRestAPI, ConfigurationWebSocketAPI
from binance_common.errors import Error
from binance_sdk_spot.spot import Spot
from reporting import arguments, report, until_refused

ARGUMENTS = arguments()
ORDER: dict[str, Any] = {
    "symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "time_in_force": "GTC", "quantity": 0.01, "price": 40_000.0,
}  # fmt: skip


def client_of(key: str = ARGUMENTS["key"], secret: str = ARGUMENTS["secret"]) -> Any:
    configuration = ConfigurationRestAPI(
        api_key=key, api_secret=secret, base_path=ARGUMENTS["spot"], retries=0
    )
    return Spot(config_rest_api=configuration).rest_api


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
    report("no_permission", order(client_of(ARGUMENTS["reader"], ARGUMENTS["reader_secret"])))
    now, encode = utils.get_timestamp, utils.encoded_string
    for name, shift_ms in (("old_timestamp", -60_000), ("early_timestamp", 5_000)):
        utils.get_timestamp = lambda shift_ms=shift_ms: now() + shift_ms
        report(name, order(good))
    utils.get_timestamp = now
    # The signature is made of the first text; what is sent has another form.
    utils.encoded_string = lambda query: (
        encode(query).replace("a%2Cb", "a,b") if "signature" in query else encode(query)
    )
    report("encoded_after_signing", order(good, new_client_order_id="a,b"))
    utils.encoded_string = encode
    report("no_funds", order(good, quantity=100.0))
    report("too_small", order(good, quantity=0.0001))
    order(good, new_client_order_id="twice")
    report("duplicate_id", order(good, new_client_order_id="twice"))
    report("too_many_orders", until_refused(lambda: order(good, quantity=0.001)))


async def socket(name: str, key: str = ARGUMENTS["key"], secret: str = ARGUMENTS["secret"]) -> None:
    address = ARGUMENTS["spot"].replace("http", "ws", 1)
    configuration = ConfigurationWebSocketAPI(
        api_key=key, api_secret=secret, stream_url=f"{address}/ws-api/v3"
    )
    client = Spot(config_ws_api=configuration).websocket_api
    await client.create_connection()
    answer = (await client.order_place(**ORDER)).data()
    report(name, answer["error"]["code"] if isinstance(answer, dict) else "none")
    await client.close_connection(close_session=True)


async def sockets() -> None:
    await socket("socket_wrong_secret", secret="other")
    await socket("socket_unknown_key", key="A" * 64)
    await socket("socket_no_permission", ARGUMENTS["reader"], ARGUMENTS["reader_secret"])
    now = utils.get_timestamp
    utils.get_timestamp = lambda: now() - 60_000
    await socket("socket_old_timestamp")
    utils.get_timestamp = now
    utils.sorted = lambda pairs: sorted(pairs, reverse=True)  # the module's own name is found first
    await socket("socket_unsorted")


logging.disable()
asyncio.run(sockets())
rest()
