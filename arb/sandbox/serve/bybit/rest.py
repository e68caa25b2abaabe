"""Bybit's REST responses for spot and linear: orderbook, instruments-info, time, and the request limit. Pure.

Source: bybit-exchange/docs v5 `market/{orderbook,instrument,time}.mdx`, `rate-limit.mdx` (read 2026-07-24).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from arb.sandbox.accounts.rules import Facts, assets_of
from arb.sandbox.events import Listing
from arb.sandbox.serve.bybit.session import NO_ORDERS_YET
from arb.sandbox.serve.exchange import Exchange, Rest
from arb.sandbox.serve.limits import Limits
from arb.sandbox.serve.raw_request import RawRequest, Reply
from arb.sandbox.serve.rest import Response, decimals_of, json_text

_DEPTH_MAX = 1000
_DEPTH_DEFAULT = {"spot": 1, "linear": 25}
_PARAMETER, _NOT_FOUND, _TOO_MANY = 10001, 10404, 10006


class BybitRest(Rest):
    """The REST interface of one Bybit category, for one client address."""

    def __init__(self, exchange: Exchange, facts: Mapping[str, Facts], limits: Limits) -> None:
        super().__init__(exchange, facts, limits)
        self._category = exchange.venue.removeprefix("bybit_")

    def answer(self, raw: RawRequest, now_ns: int, now_ms: int, reply: Reply) -> None:
        reply(self._response(raw, now_ns, now_ms))

    def _response(self, raw: RawRequest, now_ns: int, now_ms: int) -> Response:
        refused = self.weights.spend(1, now_ns)
        if refused:
            return self.refusal(refused, now_ns, now_ms)
        path, query = raw.path, raw.parameters()
        if raw.method != "GET":
            return self._refuse(_NOT_FOUND, f"{raw.method} {path}: {NO_ORDERS_YET}", now_ms)
        if path == "/v5/market/time":
            result = {"timeSecond": str(now_ms // 1000), "timeNano": str(now_ms * 1_000_000)}
            return self._reply(json_text(result), now_ms)
        if path in ("/v5/market/orderbook", "/v5/market/instruments-info"):
            if query.get("category") != self._category:
                why = f"params error: this address serves category={self._category} only"
                return self._refuse(_PARAMETER, why, now_ms)
            answer = self._orderbook if path.endswith("orderbook") else self._instruments
            return answer(query, now_ms)
        if path.startswith("/v5/"):
            return self._refuse(_NOT_FOUND, f"{path}: {NO_ORDERS_YET}", now_ms)
        return Response(404, "404 page not found", {})

    def refusal(self, status: int, now_ns: int, now_ms: int, retry_after_s: int | None = None) -> Response:
        """Response to too many requests: 403 in plain text for the address, as at the venue; 429 only by a fault."""
        after_s = self.weights.retry_after_s(now_ns) if retry_after_s is None else retry_after_s
        headers = {"Retry-After": str(after_s), "X-Bapi-Limit-Reset-Timestamp": str(now_ms + after_s * 1000)}
        if retry_after_s is None:
            return Response(403, "403, access too frequent", headers)
        text = _envelope(_TOO_MANY, "Too many visits. Exceeded the API Rate Limit.", "{}", now_ms)
        return Response(status, text, headers)

    def _orderbook(self, query: Mapping[str, str], now_ms: int) -> Response:
        instrument = self._exchange.instruments.get(query.get("symbol", ""))
        if instrument is None:
            return self._refuse(_PARAMETER, "Not supported symbols", now_ms)
        limit = query.get("limit", str(_DEPTH_DEFAULT[self._category]))
        if not (limit.isascii() and limit.isdigit() and 1 <= int(limit[:6]) <= _DEPTH_MAX):
            return self._refuse(_PARAMETER, "params error: limit", now_ms)
        text = instrument.depth(int(limit))
        if text is None:
            return self._refuse(10016, "Server error: this book is not known yet", now_ms)
        return self._reply(text, now_ms)

    def _instruments(self, query: Mapping[str, str], now_ms: int) -> Response:
        symbol, status = query.get("symbol"), query.get("status", "Trading")
        found = [
            self._instrument(listing)
            for listing in self._exchange.listings
            if symbol in (None, "", listing.symbol) and status == "Trading"
        ]
        result = {"category": self._category, "list": found, "nextPageCursor": ""}
        return self._reply(json_text(result), now_ms)

    def _instrument(self, listing: Listing) -> dict[str, Any]:
        base, quote = assets_of(listing)
        tick, facts = listing.tick_size, self._facts[listing.symbol]
        common = {"symbol": listing.symbol, "status": "Trading", "baseCoin": base, "quoteCoin": quote}
        if self._category == "spot":
            return common | {
                "innovation": "0",
                "marginTrading": "none",
                # Spot has no qtyStep: the step is basePrecision.
                "lotSizeFilter": {
                    "basePrecision": listing.lot_size,
                    "quotePrecision": "0.0000001",
                    "minOrderQty": facts.min_qty,
                    "minOrderAmt": facts.min_notional,
                    "maxLimitOrderQty": "83",
                    "maxMarketOrderQty": "41.5",
                    "postOnlyMaxLimitOrderSize": "60000",
                },
                "priceFilter": {"tickSize": tick},
            }
        return common | {
            "contractType": "LinearPerpetual",
            "settleCoin": quote,
            "launchTime": "1585526400000",
            "deliveryTime": "0",
            "deliveryFeeRate": "",
            "priceScale": str(decimals_of(tick)),
            "fundingInterval": 480,
            "unifiedMarginTrade": True,
            "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"},
            "priceFilter": {"minPrice": tick, "maxPrice": "1999999.80", "tickSize": tick},
            "lotSizeFilter": {
                "maxOrderQty": "1190.000",
                "minOrderQty": facts.min_qty,
                "qtyStep": listing.lot_size,
                "maxMktOrderQty": "500.000",
                "postOnlyMaxOrderQty": "1190.000",
                "minNotionalValue": facts.min_notional,
            },
        }

    def _reply(self, result: str, now_ms: int) -> Response:
        return Response(200, _envelope(0, "OK", result, now_ms), self._headers())

    def _refuse(self, code: int, reason: str, now_ms: int) -> Response:
        return Response(200, _envelope(code, reason, "{}", now_ms), self._headers())

    def _headers(self) -> dict[str, str]:
        left = max(0, self._weight_max - self.weights.used)
        return {"X-Bapi-Limit": str(self._weight_max), "X-Bapi-Limit-Status": str(left)}


def _envelope(code: int, message: str, result: str, now_ms: int) -> str:
    text = json_text(message)
    return f'{{"retCode":{code},"retMsg":{text},"result":{result},"retExtInfo":{{}},"time":{now_ms}}}'
