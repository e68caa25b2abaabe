"""Bybit's REST interface at one address: the envelope, limits of the address, and who is asked. Pure.

Source: bybit-exchange/docs v5 `guide.mdx`, `rate-limit.mdx`, `market/time.mdx` (read 2026-07-24). The order of the
checks is not documented; here: limit of the address, path, signature, permission, limit of the UID, parameters.
"""

from __future__ import annotations

from collections.abc import Mapping

from arb.sandbox.accounts.rules import Facts
from arb.sandbox.serve.bybit.endpoints import ENDPOINTS
from arb.sandbox.serve.bybit.errors import RequestError
from arb.sandbox.serve.bybit.market import Market
from arb.sandbox.serve.bybit.parameters import Fields
from arb.sandbox.serve.bybit.session import NO_ORDERS_YET
from arb.sandbox.serve.bybit.side import Answer, Endpoint, Side, perform, side_of
from arb.sandbox.serve.bybit.signatures import authenticate
from arb.sandbox.serve.bybit.uid_limits import Allowance
from arb.sandbox.serve.exchange import Exchange, Rest
from arb.sandbox.serve.limits import Limits
from arb.sandbox.serve.raw_request import RawRequest, Reply
from arb.sandbox.serve.rest import Response, json_text

_NOT_FOUND, _TOO_MANY = 10404, 10006


class BybitRest(Rest):
    """The REST interface of one address, for one client address."""

    def __init__(self, exchange: Exchange, facts: Mapping[str, Facts], limits: Limits) -> None:
        super().__init__(exchange, facts, limits)
        self._side = side = side_of(exchange, limits)
        if side is not None and side.trading.undocumented[exchange.venue].shared_ip_limit:
            side.weights = self.weights = side.weights or self.weights
        self._market = Market(exchange, facts)

    def answer(self, raw: RawRequest, now_ns: int, now_ms: int, reply: Reply) -> None:
        refused = self.weights.spend(1, now_ns)
        if refused:
            reply(self.refusal(refused, now_ns, now_ms))
            return
        side = self._side
        endpoint = ENDPOINTS.get((raw.method, raw.path)) if side is not None else None
        if side is None or endpoint is None:
            reply(self._public(raw, now_ms))
            return
        try:
            self._private(side, endpoint, raw, (now_ns, now_ms), reply)
        except RequestError as error:
            reply(self._refuse(error, now_ms))

    def refusal(self, status: int, now_ns: int, now_ms: int, retry_after_s: int | None = None) -> Response:
        """Response to too many requests: 403 in plain text for the address, as at the venue; 429 only by a fault."""
        after_s = self.weights.retry_after_s(now_ns) if retry_after_s is None else retry_after_s
        headers = {"Retry-After": str(after_s), "X-Bapi-Limit-Reset-Timestamp": str(now_ms + after_s * 1000)}
        if retry_after_s is None:
            return Response(403, "403, access too frequent", headers)
        text = _envelope(_TOO_MANY, "Too many visits. Exceeded the API Rate Limit.", "{}", now_ms)
        return Response(status, text, headers)

    def _private(
        self, side: Side, endpoint: Endpoint, raw: RawRequest, now: tuple[int, int], reply: Reply
    ) -> None:
        now_ns, now_ms = now
        key = authenticate(raw, side.trading.keys, now_ms)
        fields = Fields(raw.parameters()) if raw.method == "GET" else Fields.of_body(raw.body)

        def done(outcome: Answer | RequestError, allowance: Allowance, sent_ns: int) -> None:
            sent_ms = self._exchange.venue_ms(sent_ns)
            if isinstance(outcome, RequestError):
                text = _envelope(outcome.code, outcome.text, "{}", sent_ms)
            else:
                result, extra = json_text(outcome.result), json_text(outcome.extra)
                text = _envelope(0, outcome.text, result, sent_ms, extra)
            reply(Response(200, text, allowance.headers()))

        perform(side, endpoint, key, fields, reply, now_ns, done, lambda: reply(None))

    def _public(self, raw: RawRequest, now_ms: int) -> Response:
        path = raw.path
        if raw.method == "GET" and path == "/v5/market/time":
            result = {"timeSecond": str(now_ms // 1000), "timeNano": str(now_ms * 1_000_000)}
            return self._reply(json_text(result), now_ms)
        read = self._market.endpoints.get(path) if raw.method == "GET" else None
        if read is not None:
            parameters = {name: value for name, value in raw.parameters().items() if value}
            try:
                return self._reply(read(Fields(parameters), now_ms), now_ms)
            except RequestError as error:
                return self._refuse(error, now_ms)
        if path.startswith("/v5/"):
            why = NO_ORDERS_YET if self._exchange.trading is None else "not in this sandbox"
            name = path if raw.method == "GET" else f"{raw.method} {path}"
            return self._refuse(RequestError(_NOT_FOUND, f"{name}: {why}"), now_ms)
        return Response(404, "404 page not found", {})

    def _reply(self, result: str, now_ms: int) -> Response:
        return Response(200, _envelope(0, "OK", result, now_ms), self._headers())

    def _refuse(self, error: RequestError, now_ms: int) -> Response:
        return Response(200, _envelope(error.code, error.text, "{}", now_ms), self._headers())

    def _headers(self) -> dict[str, str]:
        left = max(0, self._weight_max - self.weights.used)
        return {"X-Bapi-Limit": str(self._weight_max), "X-Bapi-Limit-Status": str(left)}


def _envelope(code: int, message: str, result: str, now_ms: int, extra: str = "{}") -> str:
    text = json_text(message)
    return f'{{"retCode":{code},"retMsg":{text},"result":{result},"retExtInfo":{extra},"time":{now_ms}}}'
