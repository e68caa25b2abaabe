"""What ccxt needs to trade at Binance spot of a sandbox. Not a program."""

from __future__ import annotations

import ccxt

#: Nothing listens there: an address that was forgotten fails.
CLOSED = "http://127.0.0.1:9"


def options_of_ccxt(arguments: dict) -> dict:
    """Options of `ccxt.binance` and `ccxt.pro.binance` with the addresses of a sandbox."""
    address = arguments["address"]
    api = dict.fromkeys(
        (name for name, url in ccxt.binance().urls["api"].items() if isinstance(url, str)), CLOSED
    )
    api |= {
        "public": f"{address}/api/v3",
        "private": f"{address}/api/v3",
        "sapi": f"{address}/sapi/v1",
        "ws": {
            # ccxt recognises spot by the text "/stream".
            "spot": f"{address.replace('http', 'ws', 1)}/stream/ws",
            "ws-api": {"spot": f"{address.replace('http', 'ws', 1)}/ws-api/v3"},
        },
    }
    return {
        "apiKey": arguments["key"],
        "secret": arguments["secret"],
        "enableRateLimit": False,
        "options": {"fetchMarkets": {"types": ["spot"]}, "defaultType": "spot"},
        "urls": {"api": api},
    }
