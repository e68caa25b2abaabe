"""Wrong requests of ccxt and ccxt.pro at a Bybit address: the class of each error.

Arguments: bybit (address), symbol, key, secret, reader (a key without permissions), reader_secret.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import ccxt
import ccxt.pro
from addresses import options_of_bybit
from reporting import arguments, report, until_refused

ARGUMENTS = arguments()
SYMBOL = ARGUMENTS["symbol"]


def options(key: str, secret: str) -> dict[str, Any]:
    """With what ccxt else asks the venue for first."""
    known = {"enableUnifiedMargin": False, "enableUnifiedAccount": True, "unifiedMarginStatus": 5}
    return options_of_bybit(ARGUMENTS | {"key": key, "secret": secret}) | {"options": known}


def outcome(action: Callable[[], Any]) -> str:
    """Class of the error, and the venue's code."""
    try:
        action()
    except ccxt.BaseError as error:
        return f"{type(error).__name__} {code_of(error)}"
    return "none"


def code_of(error: Exception) -> str:
    return str(error).partition('"retCode":')[2].partition(",")[0]


def rest() -> None:
    good = ccxt.bybit(options(ARGUMENTS["key"], ARGUMENTS["secret"]))
    good.load_markets()
    low = good.fetch_ticker(SYMBOL)["bid"] * 0.95

    def like(key: str = ARGUMENTS["key"], secret: str = ARGUMENTS["secret"], **changes: Any) -> ccxt.bybit:
        client = ccxt.bybit(options(key, secret))
        client.set_markets(good.markets)
        client.options |= changes
        return client

    def altered(change: Callable[[str], str]) -> ccxt.bybit:
        client = like()
        sign = client.sign
        client.sign = lambda *args: (signed := sign(*args)) | {"url": change(signed["url"])}
        return client

    def query(client: ccxt.bybit, **more: object) -> str:
        return outcome(lambda: client.fetch_open_orders(SYMBOL, params=more))

    def order(client: ccxt.bybit, amount: float = 0.01, price: float = low, **more: object) -> str:
        return outcome(lambda: client.create_order(SYMBOL, "limit", "buy", amount, price, more))

    report("wrong_secret", query(like(secret="other")))
    report("unknown_key", query(like(key="other")))
    report("old_timestamp", query(like(timeDifference=60_000)))
    report("early_timestamp", query(like(timeDifference=-5_000)))
    report(
        "encoded_after_signing", query(altered(lambda url: url.replace("a,b", "a%2Cb")), orderLinkId="a,b")
    )
    report("reordered_after_signing", query(altered(reordered)))
    report("no_permission", order(like(ARGUMENTS["reader"], ARGUMENTS["reader_secret"])))
    if ":" in SYMBOL:
        good.set_leverage(1, SYMBOL)
    report("no_funds", order(good, 40.0))
    report("too_small", order(good, 0.00002 if ":" not in SYMBOL else 0.001, 1_000.0))
    report("unknown_order", outcome(lambda: good.cancel_order("7", SYMBOL)))
    good.create_order(SYMBOL, "limit", "buy", 0.01, low, {"clientOrderId": "twice"})
    report("duplicate_id", order(good, clientOrderId="twice"))
    # The lowest of the limits a second.
    report("too_many", until_refused(lambda: outcome(lambda: good.fetch_trading_fee(SYMBOL))))


def reordered(url: str) -> str:
    path, _, text = url.partition("?")
    return f"{path}?{'&'.join(reversed(text.split('&')))}"


async def sockets() -> None:
    found = {}
    for name, (key, secret) in {
        "socket_wrong_secret": (ARGUMENTS["key"], "other"),
        "socket_unknown_key": ("other", ARGUMENTS["secret"]),
        "socket_no_permission": (ARGUMENTS["reader"], ARGUMENTS["reader_secret"]),
    }.items():
        client = ccxt.pro.bybit(options(key, secret))
        try:
            await client.load_markets()
            await client.create_order_ws(SYMBOL, "limit", "buy", 0.01, 1_000.0)
            found[name] = "none"
        except ccxt.BaseError as error:
            found[name] = f"{type(error).__name__} {code_of(error)}"
        finally:
            await client.close()
    for name, value in found.items():
        report(name, value)


rest()
asyncio.run(sockets())
