"""Wrong requests of ccxt and ccxt.pro at Binance USD-M: class and code of each error.

Arguments: spot, usdm (addresses), key, secret, reader (a key that may read spot only), reader_secret.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import ccxt
import ccxt.pro
from addresses import options_of_usdm
from reporting import arguments, report, until_refused

ARGUMENTS = arguments()
SYMBOL = "BTC/USDT:USDT"


def outcome_of(error: Exception) -> str:
    """Class of the error, and the venue's code."""
    code = re.search(r'"code":(-\d+)', str(error))
    return f"{type(error).__name__} {code[1] if code else error}"


def outcome(action: Callable[[], Any]) -> str:
    try:
        action()
    except ccxt.BaseError as error:
        return outcome_of(error)
    return "none"


def client_of(kind: Any, changes: dict[str, Any]) -> Any:
    client = kind(options_of_usdm(ARGUMENTS | changes))
    client.options |= changes.get("options", {})
    return client


def rest() -> None:
    good = client_of(ccxt.binanceusdm, {})
    good.load_markets()
    book = good.fetch_order_book(SYMBOL, 5)
    low, ask = float(good.price_to_precision(SYMBOL, book["bids"][0][0] * 0.97)), book["asks"][0][0]

    def like(**changes: Any) -> ccxt.binanceusdm:
        client = client_of(ccxt.binanceusdm, changes)
        client.set_markets(good.markets)
        return client

    def altered(change: Callable[[str], str]) -> ccxt.binanceusdm:
        client = like()
        sign = client.sign
        client.sign = lambda *args: (signed := sign(*args)) | {"url": change(signed["url"])}
        return client

    def query(client: ccxt.binanceusdm, **more: object) -> str:
        return outcome(lambda: client.fetch_open_orders(SYMBOL, params=more))

    def order(client: ccxt.binanceusdm, amount: float = 0.01, price: float = low, **more: object) -> str:
        return outcome(lambda: client.create_order(SYMBOL, "limit", "buy", amount, price, more))

    report("wrong_secret", query(like(secret="other")))
    report("unknown_key", query(like(key="A" * 64)))
    report("odd_key", query(like(key="a b")))
    report("no_permission", order(like(key=ARGUMENTS["reader"], secret=ARGUMENTS["reader_secret"])))
    report("old_timestamp", query(like(options={"timeDifference": 60_000})))
    report("early_timestamp", query(like(options={"timeDifference": -5_000})))
    report("encoded_after_signing", query(altered(lambda url: url.replace("a%2Cb", "a,b")), x="a,b"))
    report("no_margin", order(good, 500.0))
    report("too_small", order(good, 0.001, 100.0))
    report("too_high", order(good, 0.01, ask * 1.2))
    report("post_only", order(good, 0.01, ask * 1.01, postOnly=True))
    report("fok", order(good, 0.01, timeInForce="FOK"))
    report("reduce_only", order(good, reduceOnly=True))
    report("position_side", order(good, positionSide="LONG"))
    report("unknown_order", outcome(lambda: good.cancel_order("7", SYMBOL)))
    report("no_such_order", outcome(lambda: good.fetch_order("7", SYMBOL)))
    good.create_order(SYMBOL, "limit", "buy", 0.01, low, {"clientOrderId": "twice"})
    report("duplicate_id", order(good, clientOrderId="twice"))
    report("leverage", outcome(lambda: good.set_leverage(125, SYMBOL, {"leverage": 126})))
    report("same_mode", outcome(lambda: good.set_position_mode(False)))
    report("surplus", order(good, surplus="1"))
    report("too_many_orders", until_refused(lambda: outcome(lambda: fast(good, low))))


def fast(client: ccxt.binanceusdm, price: float) -> None:
    """An order that is filled or ended at once, so that none is left open."""
    client.create_order(SYMBOL, "limit", "buy", 0.001, price * 1.02, {"timeInForce": "IOC"})


async def sockets() -> None:
    found = {}
    for name, changes in {
        "socket_wrong_secret": {"secret": "other"},
        "socket_unknown_key": {"key": "A" * 64},
        "socket_no_permission": {"key": ARGUMENTS["reader"], "secret": ARGUMENTS["reader_secret"]},
        "socket_old_timestamp": {"options": {"timeDifference": 60_000}},
        "socket_unsorted": {},
    }.items():
        client = client_of(ccxt.pro.binanceusdm, changes)
        if name == "socket_unsorted":
            client.keysort = lambda params: params
        try:
            await client.load_markets()
            await client.create_order_ws(SYMBOL, "limit", "buy", 0.01, 41_000.0)
            found[name] = "none"
        except ccxt.BaseError as error:
            found[name] = outcome_of(error)
        finally:
            await client.close()
    for name, value in found.items():
        report(name, value)


asyncio.run(sockets())
rest()
