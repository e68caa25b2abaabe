"""Options of clients with the addresses of a sandbox. Not a program."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import ccxt

#: How long a client waits for an answer on a busy machine; faults that keep one away set less.
PATIENCE_MS = 60_000
#: Nothing listens here: a request that has no address of the sandbox fails.
_CLOSED = "http://127.0.0.1:9"


def options_of_spot(arguments: dict) -> dict:
    """Of `ccxt.binance` and `ccxt.pro.binance`."""
    rest = arguments["spot"]
    socket = _socket(rest)
    urls = {"public": f"{rest}/api/v3", "private": f"{rest}/api/v3", "sapi": f"{rest}/sapi/v1"}
    # ccxt recognises spot by the text "/stream".
    sockets = {"spot": f"{socket}/stream/ws", "ws-api": {"spot": f"{socket}/ws-api/v3"}}
    options = {"fetchMarkets": {"types": ["spot"]}, "defaultType": "spot"}
    return _options(arguments, ccxt.binance, {**urls, "ws": sockets}, options)


def options_of_usdm(arguments: dict) -> dict:
    """Of `ccxt.binanceusdm` and `ccxt.pro.binanceusdm`; currencies are read from spot's wallet."""
    usdm = arguments["usdm"]
    urls: dict[str, Any] = {"sapi": f"{arguments['spot']}/sapi/v1"}
    for name in ("fapiPublic", "fapiPrivate"):
        urls |= {name: f"{usdm}/fapi/v1", f"{name}V2": f"{usdm}/fapi/v2", f"{name}V3": f"{usdm}/fapi/v3"}
    urls["ws"] = {"linear": f"{_socket(usdm)}/ws", "ws-api": {"linear": f"{_socket(usdm)}/ws-fapi/v1"}}
    return _options(arguments, ccxt.binanceusdm, urls, {"fetchMarkets": {"types": ["linear"]}})


def options_of_bybit(arguments: dict) -> dict:
    """Of `ccxt.bybit` and `ccxt.pro.bybit`."""
    rest = arguments["bybit"]
    private, trade = f"{_socket(rest)}/v5/private", f"{_socket(rest)}/v5/trade"
    urls: dict[str, Any] = dict.fromkeys(("public", "private", "spot", "futures", "v2"), rest)
    urls["ws"] = {
        "public": {name: f"{_socket(rest)}/v5/public/{name}" for name in ("spot", "linear")},
        "private": {"spot": {"unified": private}, "contract": private, "usdc": private, "trade": trade},
    }
    return _options(arguments, ccxt.bybit, urls, {})


def _options(arguments: dict, kind: Any, urls: dict[str, Any], options: dict[str, Any]) -> dict:
    known = (name for name, url in kind().urls["api"].items() if isinstance(url, str))
    return {
        "apiKey": arguments["key"],
        "secret": arguments["secret"],
        "enableRateLimit": False,
        "timeout": PATIENCE_MS,
        "options": options,
        "urls": {"api": {**dict.fromkeys(known, _CLOSED), **urls}},
    }


def _socket(address: str) -> str:
    return address.replace("http", "ws", 1)


def signing_of_binance(arguments: dict) -> dict[str, str]:
    """How Binance's own clients sign: by a secret, or by an Ed25519 key as PEM."""
    name = "private_key" if arguments["is_ed25519"] else "api_secret"
    return {"api_key": arguments["key"], name: arguments["secret"]}


def usdt_of_usdm(balance: dict) -> str:
    """The wallet's USDT: ccxt's total includes the profit that is not realized. Of REST, or of the websocket API."""
    info = balance["info"]
    assets = info["assets"] if isinstance(info, dict) else info
    usdt = next(one for one in assets if one["asset"] == "USDT")
    unrealized = usdt.get("unrealizedProfit", usdt["crossUnPnl"])
    return str(Decimal(str(balance["USDT"]["total"])) - Decimal(unrealized))
