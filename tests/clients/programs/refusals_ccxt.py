"""Wrong requests of ccxt and ccxt.pro at one market: class and code of each error.

Arguments: market, spot, usdm, bybit (addresses), key, secret, reader (a key that may not trade here), reader_secret.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import ccxt
import ccxt.pro
from addresses import options_of_bybit, options_of_spot, options_of_usdm
from reporting import arguments, report, until_refused

ARGUMENTS = arguments()
MARKET = ARGUMENTS["market"]
IS_SPOT, IS_BYBIT = MARKET.endswith("spot"), MARKET.startswith("bybit")
SYMBOL = "BTC/USDT" if IS_SPOT else "BTC/USDT:USDT"
KIND = "bybit" if IS_BYBIT else "binance" if IS_SPOT else "binanceusdm"
OPTIONS = {"bybit": options_of_bybit, "binance": options_of_spot, "binanceusdm": options_of_usdm}[KIND]
#: What ccxt else asks Bybit for first.
KNOWN = (
    {"enableUnifiedMargin": False, "enableUnifiedAccount": True, "unifiedMarginStatus": 5} if IS_BYBIT else {}
)
READER = {"key": ARGUMENTS["reader"], "secret": ARGUMENTS["reader_secret"]}
#: The price of resting orders, as a share of the best bid.
LOW = 0.97 if MARKET == "binance_usdm" else 0.95


def outcome(action: Callable[[], Any]) -> str:
    try:
        action()
    except ccxt.BaseError as error:
        return outcome_of(error)
    return "none"


def outcome_of(error: Exception) -> str:
    """Class of the error, and the venue's code, if the text has one."""
    code = re.search(r'"(?:code|retCode)":(-?\d+)', str(error))
    return f"{type(error).__name__} {code[1] if code else str(error).removeprefix('binance ')}"


def client_of(module: Any, changes: dict[str, Any]) -> Any:
    client = getattr(module, KIND)(OPTIONS(ARGUMENTS | changes))
    client.options |= KNOWN | changes.get("options", {})
    return client


def rest() -> None:
    good = client_of(ccxt, {})
    good.load_markets()
    book = good.fetch_order_book(SYMBOL, 5)
    low, ask = float(good.price_to_precision(SYMBOL, book["bids"][0][0] * LOW)), book["asks"][0][0]

    def like(**changes: Any) -> Any:
        client = client_of(ccxt, changes)
        client.set_markets(good.markets)
        return client

    def altered(change: Callable[[str], str]) -> Any:
        client = like()
        sign = client.sign
        client.sign = lambda *args: (signed := sign(*args)) | {"url": change(signed["url"])}
        return client

    def query(client: Any, **more: object) -> str:
        return outcome(lambda: client.fetch_open_orders(SYMBOL, params=more))

    def order(amount: float = 0.01, price: float = low, client: Any = good, **more: object) -> str:
        return outcome(lambda: client.create_order(SYMBOL, "limit", "buy", amount, price, more))

    def fast() -> str:
        """An order that is filled or ended at once, so that none is left open."""
        return order(0.001, low * 1.02, timeInForce="IOC")

    report("wrong_secret", query(like(secret="other")))
    report("unknown_key", query(like(key="A" * 64)))
    report("old_timestamp", query(like(options={"timeDifference": 60_000})))
    report("early_timestamp", query(like(options={"timeDifference": -5_000})))
    name = "orderLinkId" if IS_BYBIT else "x"
    report("encoded_after_signing", query(altered(encoded), **{name: "a,b"}))
    report("no_permission", order(client=like(**READER)))
    report("unknown_order", outcome(lambda: good.cancel_order("7", SYMBOL)))
    good.create_order(SYMBOL, "limit", "buy", 0.01, low, {"clientOrderId": "twice"})
    report("duplicate_id", order(clientOrderId="twice"))
    if IS_BYBIT and not IS_SPOT:
        good.set_leverage(1, SYMBOL)
    report("no_funds", order({"bybit": 40.0, "binance": 100.0, "binanceusdm": 500.0}[KIND]))
    report("too_small", order(0.00002) if IS_SPOT else order(0.001, 1_000.0 if IS_BYBIT else 100.0))
    if IS_BYBIT or IS_SPOT:
        report("reordered_after_signing", query(altered(reordered)))
    if not IS_BYBIT:
        report("odd_key", query(like(key="a b")))
        report("post_only", order(0.01, ask * 1.01, postOnly=True))
        report("no_such_order", outcome(lambda: good.fetch_order("7", SYMBOL)))
        report("surplus", order(surplus="1"))
    if KIND == "binanceusdm":
        report("too_high", order(0.01, ask * 1.2))
        report("fok", order(timeInForce="FOK"))
        report("reduce_only", order(reduceOnly=True))
        report("position_side", order(positionSide="LONG"))
        report("leverage", outcome(lambda: good.set_leverage(125, SYMBOL, {"leverage": 126})))
        report("same_mode", outcome(lambda: good.set_position_mode(False)))
    if IS_BYBIT:  # the lowest of the limits a second
        report("too_many", until_refused(lambda: outcome(partial(good.fetch_trading_fee, SYMBOL))))
    else:
        report("too_many_orders", until_refused(partial(order, 0.001) if IS_SPOT else fast))
        report("too_much_weight", until_refused(lambda: outcome(good.fetch_balance)))


def encoded(url: str) -> str:
    """Encodes what is not, or the other way round."""
    return url.replace("a%2Cb", "a,b") if "a%2Cb" in url else url.replace("a,b", "a%2Cb")


def reordered(url: str) -> str:
    path, _, text = url.partition("?")
    return f"{path}?{'&'.join(reversed(text.split('&')))}"


async def sockets() -> None:
    for name, changes in {
        "socket_wrong_secret": {"secret": "other"},
        "socket_unknown_key": {"key": "A" * 64},
        "socket_no_permission": READER,
        "socket_old_timestamp": {"options": {"timeDifference": 60_000}},
        "socket_unsorted": {},
    }.items():
        if IS_BYBIT and name in ("socket_old_timestamp", "socket_unsorted"):
            continue
        client = client_of(ccxt.pro, changes)
        if name == "socket_unsorted":
            client.keysort = lambda params: params
        try:
            await client.load_markets()
            await client.create_order_ws(SYMBOL, "limit", "buy", 0.01, 41_000.0)
            found = "none"
        except ccxt.BaseError as error:
            found = outcome_of(error)
        finally:
            await client.close()
        report(name, found)


asyncio.run(sockets())
rest()
