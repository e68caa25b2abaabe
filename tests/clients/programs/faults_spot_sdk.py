"""Binance's own client at spot's websocket API, while faults happen.

Arguments: spot (address), key, secret, ed25519_key, ed25519_secret (a private key as PEM).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from binance_common.configuration import ConfigurationWebSocketAPI
from binance_sdk_spot.spot import Spot
from reporting import arguments, begin, report, settle_async
from views import value

ARGUMENTS = arguments()
SYMBOL = "BTCUSDT"
ADDRESS = ARGUMENTS["spot"].replace("http", "ws", 1)
#: Names of the events, in their order.
EVENTS: list[str] = []


def a_client(**signing: str) -> Any:
    configuration = ConfigurationWebSocketAPI(
        stream_url=f"{ADDRESS}/ws-api/v3", timeout=1, reconnect_delay=1, **signing
    )
    return Spot(config_ws_api=configuration).websocket_api


HMAC = {"api_key": ARGUMENTS["key"], "api_secret": ARGUMENTS["secret"]}
ED25519 = {"api_key": ARGUMENTS["ed25519_key"], "private_key": ARGUMENTS["ed25519_secret"]}


def keep(model: Any) -> None:
    event = model.actual_instance
    kind = getattr(event, "x", None)
    EVENTS.append(type(event).__name__ + (f" {kind}" if kind else ""))


async def seen(count: int = 2) -> list[str]:
    """The events since the last call: this many, or more."""
    await settle_async(lambda: len(EVENTS) >= count)
    found = list(EVENTS)
    EVENTS.clear()
    return found


async def outcome(answer: Awaitable[Any]) -> Any:
    """The code of an answer, or the class of an error; 0: success."""
    try:
        data = (await asyncio.wait_for(answer, 1.5)).data()
    except Exception as error:
        return type(error).__name__
    if isinstance(data, dict):
        return data["error"]["code"]
    error = value(data).get("error")
    return error["code"] if error else 0


def order(client: Any, price: float, client_id: str) -> Awaitable[Any]:
    return client.order_place(
        symbol=SYMBOL, side="BUY", type="LIMIT", time_in_force="GTC", quantity=0.01, price=price,
        new_client_order_id=client_id,
    )  # fmt: skip


async def found(client: Any, client_id: str) -> Any:
    return await outcome(client.order_status(symbol=SYMBOL, orig_client_order_id=client_id))


async def found_as(client: Any, is_awaited: Callable[[Any], bool]) -> Any:
    """The outcome of a query when it is the awaited one, or the last of many."""
    for _ in range(200):
        code = await found(client, "plain")
        if is_awaited(code):
            break
        await asyncio.sleep(0.1)
    return code


async def requests(client: Any, low: float) -> None:
    begin("reject", request="place", code=-2010)
    report("reject", await outcome(order(client, low, "refused")))
    begin("accepted_5xx", request="place", code=-1006)
    report("accepted_5xx", [await outcome(order(client, low, "unsure")), await found(client, "unsure")])
    begin("accepted_no_answer", request="place")
    report("accepted_no_answer", [await outcome(order(client, low, "silent")), await found(client, "silent")])
    begin("lost_request", request="place")
    report("lost_request", [await outcome(order(client, low, "lost")), await found(client, "lost")])


async def events(client: Any, low: float) -> None:
    subscription = await client.user_data_stream_subscribe_signature()
    subscription.stream.on("message", keep)
    await outcome(order(client, low, "plain"))
    report("plain", await seen())
    begin("duplicate_event", event="order:new")
    await outcome(order(client, low, "twice"))
    report("duplicate_event", await seen(3))
    begin("reorder_event", event="order:new")
    await outcome(order(client, low, "later"))
    report("reorder_event", await seen())
    begin("late_event", event="order:new", delay_s=2.0)
    await outcome(order(client, low, "late"))
    report("late_event", [await seen(1), await seen(1)])
    begin("user_silent", duration_s=0.8)
    await outcome(order(client, low, "unseen"))
    await asyncio.sleep(0.8)
    unseen = await seen(0)
    await outcome(order(client, low, "seen"))
    report("user_silent", [unseen, await seen()])
    begin("transfer", venue="binance_spot", asset="USDT", quantity="10")
    report("transfer", await seen())
    begin("key_expired")
    ended = await seen(1)
    await outcome(order(client, low, "after"))
    report("key_expired", [ended, await seen(0)])


async def endings(low: float) -> None:
    for kind, keys in (
        ("trade_lost", {"after_order": True}),
        ("user_lost", {}),
        ("restarting", {"notice_s": 0.6}),
    ):
        client = a_client(**HMAC)
        await client.create_connection()
        subscription = await client.user_data_stream_subscribe_signature()
        subscription.stream.on("message", keep)
        begin(kind, **keys)
        if kind == "trade_lost":
            lost = await outcome(order(client, low, "cut"))
            other = a_client(**HMAC)
            await other.create_connection()
            report(kind, [lost, await found(other, "cut")])
            await other.close_connection(close_session=True)
        else:
            lost = await found_as(client, lambda code: code != 0)
            # Without a notice the client stays without connection; with one it connects again, 5 s later.
            if kind == "restarting":
                report(kind, [lost != 0, await found_as(client, lambda code: code == 0)])
            else:
                await asyncio.sleep(1.0)
                report(kind, await found(client, "plain"))
        await client.close_connection(close_session=True)
    client = a_client(**ED25519)
    await client.create_connection()
    await client.session_logon()
    errors: list[Any] = []
    client.on_connection("error", lambda error: errors.append(error["code"]))
    begin("key_revoked", duration_s=1.0)
    report("key_revoked", [await outcome(client.account_status()), *errors])
    await client.close_connection(close_session=True)


async def main() -> None:
    client = a_client(**HMAC)
    await client.create_connection()
    # This connection has no book here: the price is that of an order that waits for nothing.
    answer = await client.order_place(symbol=SYMBOL, side="BUY", type="MARKET", quantity=0.03)
    low = round(float(value(answer.data())["result"]["fills"][0]["price"]) * 0.98, 2)
    await requests(client, low)
    await events(client, low)
    await client.close_connection(close_session=True)
    await endings(low)


asyncio.run(main())
