"""Binance's REST responses for spot and USD-M: depth, exchangeInfo, time, and their request weights. Pure.

Source: binance-spot-api-docs rest-api.md and filters.md (read 2026-07-21); USD-M market data endpoints (read
2026-10-23).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from arb.sandbox.events import Listing
from arb.sandbox.serve.exchange import Exchange, Rest
from arb.sandbox.serve.limits import Limits
from arb.sandbox.serve.rest import Facts, Response, assets_of, decimals_of, json_text

#: (largest `limit`, weight) of depth requests.
_SPOT_DEPTH_WEIGHTS = ((100, 5), (500, 25), (1000, 50), (5000, 250))
_USDM_DEPTH_WEIGHTS = {5: 2, 10: 2, 20: 2, 50: 2, 100: 5, 500: 10, 1000: 20}
_NOT_YET = "This operation is not supported: {} is not in this sandbox yet; it has market data only."


class BinanceRest(Rest):
    """The REST interface of one Binance market, for one client address."""

    def __init__(self, exchange: Exchange, facts: Mapping[str, Facts], limits: Limits) -> None:
        super().__init__(exchange, facts, limits)
        self._is_spot = exchange.venue == "binance_spot"
        self._base = "/api/v3" if self._is_spot else "/fapi/v1"
        self._answers: dict[str, Callable[[Mapping[str, str], int], tuple[int, int, str]]] = {
            "ping": lambda query, now_ms: (1, 200, "{}"),
            "time": lambda query, now_ms: (1, 200, f'{{"serverTime":{now_ms}}}'),
            "exchangeInfo": self._exchange_info,
            "depth": self._depth,
        }

    def answer(
        self, method: str, path: str, query: Mapping[str, str], *, now_ns: int, now_ms: int
    ) -> Response:
        if now_ns < self.weights.banned_until_ns:
            return self.refusal(418, now_ns, now_ms)
        name = path.removeprefix(f"{self._base}/")
        answer = self._answers.get(name)
        if answer is None or method != "GET":
            known = path.startswith(("/api/", "/fapi/", "/sapi/"))
            text = json_text({"code": -1020, "msg": _NOT_YET.format(f"{method} {path}")})
            weight, status, text = (
                (1, 400, text) if known else (1, 404, "<html><body>404 Not Found</body></html>")
            )
        else:
            weight, status, text = answer(query, now_ms)
        refused = self.weights.spend(weight, now_ns)
        return self.refusal(refused, now_ns, now_ms) if refused else Response(status, text, self._headers())

    def refusal(self, status: int, now_ns: int, now_ms: int, retry_after_s: int | None = None) -> Response:
        after_s = self.weights.retry_after_s(now_ns) if retry_after_s is None else retry_after_s
        if status == 418:
            until_ms = now_ms + after_s * 1000
            text = (
                f"Way too much request weight used; IP banned until {until_ms}. "
                "Please use WebSocket Streams for live updates to avoid bans."
            )
        else:
            text = (
                f"Too much request weight used; current limit is {self._weight_max} request weight per 1 MINUTE. "
                "Please use WebSocket Streams for live updates to avoid polling the API."
            )
        headers = self._headers() | {"Retry-After": str(after_s)}
        return Response(status, json_text({"code": -1003, "msg": text}), headers)

    def _headers(self) -> dict[str, str]:
        used = str(self.weights.used)
        return {"X-MBX-USED-WEIGHT": used, "X-MBX-USED-WEIGHT-1M": used}

    def _depth(self, query: Mapping[str, str], now_ms: int) -> tuple[int, int, str]:
        symbol, limit_text = query.get("symbol", ""), query.get("limit", "100" if self._is_spot else "500")
        if not symbol:
            return (
                1,
                400,
                _error(-1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed."),
            )
        if not limit_text.isascii() or not limit_text.isdigit():
            return (
                1,
                400,
                _error(
                    -1100, "Illegal characters found in parameter 'limit'; legal range is '^[0-9]{1,20}$'."
                ),
            )
        limit = int(limit_text[:8])
        if self._is_spot:
            limit = min(limit, 5000) or 100
            weight = next(cost for most, cost in _SPOT_DEPTH_WEIGHTS if limit <= most)
        elif limit in _USDM_DEPTH_WEIGHTS:
            weight = _USDM_DEPTH_WEIGHTS[limit]
        else:
            legal = ", ".join(map(str, _USDM_DEPTH_WEIGHTS))
            return 1, 400, _error(-4021, f"{limit} is not valid depth limit; it must be one of {legal}.")
        instrument = self._exchange.instruments.get(symbol)
        if instrument is None:
            return weight, 400, _error(-1121, "Invalid symbol.")
        text = instrument.depth(limit)
        if text is None:
            return (
                weight,
                503,
                _error(-1001, "Internal error; the recording has no snapshot of this book yet."),
            )
        return weight, 200, text

    def _exchange_info(self, query: Mapping[str, str], now_ms: int) -> tuple[int, int, str]:
        symbol = query.get("symbol")
        if symbol and symbol not in self._exchange.instruments:
            return 20, 400, _error(-1121, "Invalid symbol.")
        symbols = [
            self._symbol(listing)
            for listing in self._exchange.listings
            if symbol in (None, "", listing.symbol)
        ]
        info = {
            "timezone": "UTC",
            "serverTime": now_ms,
            "rateLimits": [
                {
                    "rateLimitType": "REQUEST_WEIGHT",
                    "interval": "MINUTE",
                    "intervalNum": 1,
                    "limit": self._weight_max,
                }
            ],
            "exchangeFilters": [],
            "symbols": symbols,
        }
        return (20 if self._is_spot else 1), 200, json_text(info)

    def _symbol(self, listing: Listing) -> dict[str, Any]:
        base, quote = assets_of(listing)
        common = {
            "symbol": listing.symbol,
            "status": "TRADING",
            "baseAsset": base,
            "quoteAsset": quote,
            "baseAssetPrecision": 8,
        }
        facts = self._facts[listing.symbol]
        return common | (_spot_part(listing, facts) if self._is_spot else _usdm_part(listing, facts))


def _spot_part(listing: Listing, facts: Facts) -> dict[str, Any]:
    """Fields of a symbol that only spot has."""
    price, lot = _steps(listing, facts)
    return {
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
        "icebergAllowed": False,
        "ocoAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "filters": [
            price,
            {"filterType": "LOT_SIZE", **lot},
            # A step of 0: the LOT_SIZE filter applies.
            {"filterType": "MARKET_LOT_SIZE", "minQty": "0.0", "maxQty": "100.0", "stepSize": "0.0"},
            {
                "filterType": "NOTIONAL",
                "minNotional": facts.min_notional,
                "applyMinToMarket": True,
                "maxNotional": "9000000.00",
                "applyMaxToMarket": False,
                "avgPriceMins": 5,
            },
            {
                "filterType": "PERCENT_PRICE_BY_SIDE",
                "bidMultiplierUp": "5",
                "bidMultiplierDown": "0.2",
                "askMultiplierUp": "5",
                "askMultiplierDown": "0.2",
                "avgPriceMins": 5,
            },
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
        ],
    }


def _usdm_part(listing: Listing, facts: Facts) -> dict[str, Any]:
    """Fields of a symbol that only USD-M has."""
    price, lot = _steps(listing, facts)
    return {
        "pair": listing.symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": 4133404800000,
        "onboardDate": 1569398400000,
        "marginAsset": assets_of(listing)[1],
        "quotePrecision": 8,
        # For display, and coarser or finer than the steps: clients must not round by them.
        "pricePrecision": decimals_of(listing.tick_size) + 1,
        "quantityPrecision": decimals_of(listing.lot_size),
        "underlyingType": "COIN",
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "orderTypes": ["LIMIT", "MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
        "filters": [
            price,
            {"filterType": "LOT_SIZE", **lot},
            {"filterType": "MARKET_LOT_SIZE", **lot, "maxQty": "120.000"},
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {"filterType": "MIN_NOTIONAL", "notional": facts.min_notional},
            {
                "filterType": "PERCENT_PRICE",
                "multiplierUp": "1.0500",
                "multiplierDown": "0.9500",
                "multiplierDecimal": "4",
            },
        ],
    }


def _steps(listing: Listing, facts: Facts) -> tuple[dict[str, str], dict[str, str]]:
    """The price filter, and the fields of a quantity filter."""
    price = {
        "filterType": "PRICE_FILTER",
        "minPrice": listing.tick_size,
        "maxPrice": "1000000.00",
        "tickSize": listing.tick_size,
    }
    return price, {"minQty": facts.min_qty, "maxQty": "9000.00000", "stepSize": listing.lot_size}


def _error(code: int, text: str) -> str:
    return json_text({"code": code, "msg": text})
