"""Binance's REST responses for spot and USD-M: depth, exchangeInfo, time, and their request weights. Pure.

Source: binance-spot-api-docs rest-api.md and filters.md (read 2026-07-21); USD-M market data endpoints (read
2026-10-23).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from arb.sandbox.accounts.rules import Facts, assets_of
from arb.sandbox.events import Listing
from arb.sandbox.serve.exchange import Exchange, Rest
from arb.sandbox.serve.limits import Limits
from arb.sandbox.serve.raw_request import RawRequest, Reply
from arb.sandbox.serve.rest import Response, decimals_of, json_text

#: (largest `limit`, weight) of depth requests.
_SPOT_DEPTH_WEIGHTS = ((100, 5), (500, 25), (1000, 50), (5000, 250))
_USDM_DEPTH_WEIGHTS = {5: 2, 10: 2, 20: 2, 50: 2, 100: 5, 500: 10, 1000: 20}


class _Answer(NamedTuple):
    """The body of a response, and what the request costs."""

    text: str
    weight: int = 1
    status: int = 200


class BinanceRest(Rest):
    """The REST interface of one Binance market, for one client address."""

    def __init__(self, exchange: Exchange, facts: Mapping[str, Facts], limits: Limits) -> None:
        super().__init__(exchange, facts, limits)
        self._is_spot = exchange.venue == "binance_spot"
        self._base = "/api/v3" if self._is_spot else "/fapi/v1"

    def answer(self, raw: RawRequest, now_ns: int, now_ms: int, reply: Reply) -> None:
        reply(self._response(raw, now_ns, now_ms))

    def _response(self, raw: RawRequest, now_ns: int, now_ms: int) -> Response:
        if now_ns < self.weights.banned_until_ns:
            return self.refusal(418, now_ns, now_ms)
        answer = self._answer(raw.method, raw.path, raw.parameters(), now_ms)
        refused = self.weights.spend(answer.weight, now_ns)
        if refused:
            return self.refusal(refused, now_ns, now_ms)
        return Response(answer.status, answer.text, self._headers())

    def _answer(self, method: str, path: str, query: Mapping[str, str], now_ms: int) -> _Answer:
        match path.removeprefix(f"{self._base}/") if method == "GET" else "":
            case "ping":
                return _Answer("{}")
            case "time":
                return _Answer(json_text({"serverTime": now_ms}))
            case "exchangeInfo":
                return self._exchange_info(query, now_ms)
            case "depth":
                return self._depth(query)
        if not path.startswith(("/api/", "/fapi/", "/sapi/")):
            return _Answer("<html><body>404 Not Found</body></html>", status=404)
        what = f"{method} {path} is not in this sandbox yet; it has market data only."
        return _refused(-1020, f"This operation is not supported: {what}")

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

    def _depth(self, query: Mapping[str, str]) -> _Answer:
        symbol, limit_text = query.get("symbol", ""), query.get("limit", "100" if self._is_spot else "500")
        if not symbol:
            return _refused(-1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")
        if not limit_text.isascii() or not limit_text.isdigit():
            return _refused(
                -1100, "Illegal characters found in parameter 'limit'; legal range is '^[0-9]{1,20}$'."
            )
        limit = int(limit_text[:8])
        if self._is_spot:
            limit = min(limit, 5000) or 100
            weight = next(cost for most, cost in _SPOT_DEPTH_WEIGHTS if limit <= most)
        elif limit in _USDM_DEPTH_WEIGHTS:
            weight = _USDM_DEPTH_WEIGHTS[limit]
        else:
            legal = ", ".join(map(str, _USDM_DEPTH_WEIGHTS))
            return _refused(-4021, f"{limit} is not valid depth limit; it must be one of {legal}.")
        instrument = self._exchange.instruments.get(symbol)
        if instrument is None:
            return _refused(-1121, "Invalid symbol.", weight)
        text = instrument.depth(limit)
        if text is None:
            why = "Internal error; the recording has no snapshot of this book yet."
            return _refused(-1001, why, weight, status=503)
        return _Answer(text, weight)

    def _exchange_info(self, query: Mapping[str, str], now_ms: int) -> _Answer:
        symbol = query.get("symbol")
        if symbol and symbol not in self._exchange.instruments:
            return _refused(-1121, "Invalid symbol.", 20)
        limit = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1}
        info = {
            "timezone": "UTC",
            "serverTime": now_ms,
            "rateLimits": [limit | {"limit": self._weight_max}],
            "exchangeFilters": [],
            "symbols": [
                self._symbol(one) for one in self._exchange.listings if symbol in (None, "", one.symbol)
            ],
        }
        return _Answer(json_text(info), 20 if self._is_spot else 1)

    def _symbol(self, listing: Listing) -> dict[str, Any]:
        base, quote = assets_of(listing)
        assets = {"baseAsset": base, "quoteAsset": quote, "baseAssetPrecision": 8}
        part = _spot_part if self._is_spot else _usdm_part
        own = part(listing, self._facts[listing.symbol])
        return {"symbol": listing.symbol, "status": "TRADING", **assets, **own}


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
    tick = listing.tick_size
    price = {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000.00", "tickSize": tick}
    return price, {"minQty": facts.min_qty, "maxQty": "9000.00000", "stepSize": listing.lot_size}


def _refused(code: int, why: str, weight: int = 1, status: int = 400) -> _Answer:
    return _Answer(json_text({"code": code, "msg": why}), weight, status)
