"""Binance's REST responses for spot and USD-M: depth, exchangeInfo, time, and their request weights. Pure.

Source: binance-spot-api-docs rest-api.md and filters.md (read 2026-07-21); USD-M market data endpoints (read
2026-10-23).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from arb.sandbox.accounts.rules import Facts, rules_of
from arb.sandbox.serve.binance.api import Act, Call, Operation, Result, Security, too_much_weight
from arb.sandbox.serve.binance.errors import ApiError
from arb.sandbox.serve.binance.exchange_info import chosen_symbols, exchange_info
from arb.sandbox.serve.binance.market import Market
from arb.sandbox.serve.binance.markets import MARKETS
from arb.sandbox.serve.binance.parameters import Parameters, of_request
from arb.sandbox.serve.binance.signatures import Proof, rest_payload
from arb.sandbox.serve.exchange import Exchange, Rest
from arb.sandbox.serve.limits import Limits
from arb.sandbox.serve.raw_request import RawRequest, Reply
from arb.sandbox.serve.rest import Response, json_text

#: (largest `limit`, weight) of depth requests.
_SPOT_DEPTH_WEIGHTS = ((100, 5), (500, 25), (1000, 50), (5000, 250))
_USDM_DEPTH_WEIGHTS = {5: 2, 10: 2, 20: 2, 50: 2, 100: 5, 500: 10, 1000: 20}


#: Parameters of exchangeInfo; permissions have no effect, since every symbol here has those of spot.
_INFO_TAKES = "symbol symbols symbolStatus permissions showPermissionSets"


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
        #: What needs an account; None without trading.
        self.market: Market | None = None
        if exchange.trading is not None and exchange.venue in MARKETS:
            public = {
                "ping": Operation(lambda _: lambda _: {}, 1, Security.NONE),
                "time": Operation(lambda call: lambda _: {"serverTime": call.now_ms}, 1, Security.NONE),
                "exchangeInfo": Operation(self._public_info, 20, Security.NONE, _INFO_TAKES),
            }
            self.market = MARKETS[exchange.venue](exchange, limits, self.weights, public)
        self._rules = (
            {one.symbol: rules_of(one, facts[one.symbol]) for one in exchange.listings}
            if exchange.trading is None
            else {name: one.rules for name, one in exchange.trading.desks[exchange.venue].instruments.items()}
        )

    def answer(self, raw: RawRequest, now_ns: int, now_ms: int, reply: Reply) -> None:
        operation = self.market.paths.get((raw.method, raw.path)) if self.market is not None else None
        if self.market is None or operation is None:
            reply(self._response(raw, now_ns, now_ms))
            return
        api = self.market.api
        try:
            parameters = of_request(raw)
        except ApiError as error:
            self.weights.used += 1
            reply(Response(error.status, json_text(error.body), self._headers()))
            return
        signature = parameters.values.get("signature")
        payload = rest_payload(raw.query, raw.body) if signature is not None else b""
        proof = Proof(raw.headers.get("x-mbx-apikey"), signature, payload, raw.client_ip)
        call = Call(api, parameters, now_ns, now_ms)
        api.answer(
            operation,
            call,
            proof,
            object(),
            lambda result: reply(self._result(result)),
            lambda: reply(None),
        )

    def _result(self, result: Result) -> Response:
        headers = self._headers()
        if not result.is_error:
            headers |= {f"X-MBX-ORDER-COUNT-{name}": str(count) for name, count in result.counts.items()}
        if result.retry_after_s is not None:
            headers["Retry-After"] = str(result.retry_after_s)
        return Response(result.status, json_text(result.body), headers)

    def _public_info(self, call: Call) -> Act:
        chosen = [self._rules[name] for name in chosen_symbols(self._rules, call.parameters)]
        limits = call.api.order_limits()
        return lambda _: exchange_info(chosen, self._weight_max, call.now_ms, limits)

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
        what = f"{method} {path} is not in this sandbox"
        if self.market is None:
            what += " yet; it has market data only"
        return _refused(-1020, f"This operation is not supported: {what}.")

    def refusal(self, status: int, now_ns: int, now_ms: int, retry_after_s: int | None = None) -> Response:
        after_s = self.weights.retry_after_s(now_ns) if retry_after_s is None else retry_after_s
        text = too_much_weight(status, self._weight_max, now_ms + after_s * 1000)
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
        try:
            chosen = [self._rules[name] for name in chosen_symbols(self._rules, Parameters(query))]
        except ApiError as error:
            return _refused(error.code, error.msg, 20)
        limits = None if self.market is None else self.market.api.order_limits()
        info = exchange_info(chosen, self._weight_max, now_ms, limits)
        return _Answer(json_text(info), 20 if self._is_spot else 1)


def _refused(code: int, why: str, weight: int = 1, status: int = 400) -> _Answer:
    return _Answer(json_text({"code": code, "msg": why}), weight, status)
