"""Wrong requests of ccxt and ccxt.pro at Binance spot: class and code of each error.

Arguments: spot (address), key, secret, reader (a key that may read only), reader_secret.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import ccxt
import ccxt.pro
from addresses import options_of_spot
from reporting import arguments, report, until_refused

ARGUMENTS = arguments()
SYMBOL = "BTC/USDT"


def outcome_of(error: Exception) -> str:
    """Class of the error, and the venue's code, if the text has one."""
    code = re.search(r'"code":(-\d+)', str(error))
    return f"{type(error).__name__} {code[1] if code else str(error).removeprefix('binance ')}"


def outcome(action: Callable[[], Any]) -> str:
    try:
        action()
    except ccxt.BaseError as error:
        return outcome_of(error)
    return "none"


def client_of(kind: Any, changes: dict[str, Any]) -> Any:
    client = kind(options_of_spot(ARGUMENTS | changes))
    client.options |= changes.get("options", {})
    return client


def rest() -> None:
    good = client_of(ccxt.binance, {})
    good.load_markets()
    book = good.fetch_order_book(SYMBOL, 5)
    low, ask = float(good.price_to_precision(SYMBOL, book["bids"][0][0] * 0.95)), book["asks"][0][0]

    def like(**changes: Any) -> ccxt.binance:
        client = client_of(ccxt.binance, changes)
        client.set_markets(good.markets)
        return client

    def altered(change: Callable[[str], str]) -> ccxt.binance:
        client = like()
        sign = client.sign
        client.sign = lambda *args: (signed := sign(*args)) | {"url": change(signed["url"])}
        return client

    def query(client: ccxt.binance, **more: object) -> str:
        return outcome(lambda: client.fetch_open_orders(SYMBOL, params=more))

    def order(client: ccxt.binance, amount: float = 0.01, price: float = low, **more: object) -> str:
        return outcome(lambda: client.create_order(SYMBOL, "limit", "buy", amount, price, more))

    report("wrong_secret", query(like(secret="other")))
    report("unknown_key", query(like(key="A" * 64)))
    report("odd_key", query(like(key="a b")))
    report("old_timestamp", query(like(options={"timeDifference": 60_000})))
    report("early_timestamp", query(like(options={"timeDifference": -5_000})))
    report("encoded_after_signing", query(altered(lambda url: url.replace("a%2Cb", "a,b")), x="a,b"))
    report("reordered_after_signing", query(altered(reordered)))
    report("no_permission", order(like(key=ARGUMENTS["reader"], secret=ARGUMENTS["reader_secret"])))
    report("no_funds", order(good, 100.0))
    report("too_small", order(good, 0.00002))
    report("post_only", order(good, 0.01, ask * 1.01, postOnly=True))
    report("unknown_order", outcome(lambda: good.cancel_order("7", SYMBOL)))
    report("no_such_order", outcome(lambda: good.fetch_order("7", SYMBOL)))
    good.create_order(SYMBOL, "limit", "buy", 0.01, low, {"clientOrderId": "twice"})
    report("duplicate_id", order(good, clientOrderId="twice"))
    report("surplus", order(good, surplus="1"))
    report("too_many_orders", until_refused(lambda: order(good, 0.001)))
    report("too_much_weight", until_refused(lambda: outcome(good.fetch_balance)))


def reordered(url: str) -> str:
    path, _, text = url.partition("?")
    return f"{path}?{'&'.join(reversed(text.split('&')))}"


async def sockets() -> None:
    found = {}
    for name, changes in {
        "socket_wrong_secret": {"secret": "other"},
        "socket_unknown_key": {"key": "A" * 64},
        "socket_no_permission": {"key": ARGUMENTS["reader"], "secret": ARGUMENTS["reader_secret"]},
        "socket_old_timestamp": {"options": {"timeDifference": 60_000}},
        "socket_unsorted": {},
    }.items():
        client = client_of(ccxt.pro.binance, changes)
        if name == "socket_unsorted":
            client.keysort = lambda params: params
        try:
            await client.load_markets()
            await client.create_order_ws(SYMBOL, "limit", "buy", 0.01, 40_000.0)
            found[name] = "none"
        except ccxt.BaseError as error:
            found[name] = outcome_of(error)
        finally:
            await client.close()
    for name, value in found.items():
        report(name, value)


asyncio.run(sockets())
rest()
