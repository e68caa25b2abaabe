"""Bybit's websocket protocol on one connection: subscribe, unsubscribe, ping, and their responses.

A request with an unknown topic is refused as a whole. The response formats differ between spot and linear, and between
public and private sockets. Pure.

Source: bybit-exchange/docs v5 `ws/connect.mdx` and `websocket/public/*.mdx` (read 2026-07-24); the texts of errors are
not documented: clients should not compare them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from arb.sandbox.serve.limits import Limits
from arb.sandbox.serve.rest import json_text
from arb.sandbox.serve.session import Outcome, Session

_TOPIC = re.compile(
    r"(orderbook\.(1|50|200|1000|rpi|full)|publicTrade|tickers|kline\.(1|3|5|15|30|60|120|240|360|720|D|W|M))"
    r"\.([A-Z0-9-]+)"
)
_REQUEST_ID_CHARS_MAX = 64
NO_ORDERS_YET = "not in this sandbox yet: it has market data only"


class BybitSession(Session):
    """One connection to Bybit spot or linear."""

    def __init__(
        self,
        venue: str,
        connection_id: str,
        is_symbol: Callable[[str], bool],
        limits: Limits,
        *,
        is_private: bool,
    ) -> None:
        super().__init__()
        self._is_spot = venue == "bybit_spot"
        self._connection_id = connection_id
        self._is_symbol = is_symbol
        self._limits = limits
        self._is_private = is_private

    def receive(self, text: str, now_ns: int, now_ms: int) -> Outcome:
        request, request_id = request_of(text)
        op = request.get("op")
        if request_id is None:
            return self._refuse("Params Error", "", str(op))
        if op == "ping":
            return Outcome([self._pong(request_id, now_ms)])
        if self._is_private:
            return self._refuse(NO_ORDERS_YET, request_id, str(op))
        if op not in ("subscribe", "unsubscribe"):
            return self._refuse("error:handler not found", request_id, str(op))
        topics = request.get("args")
        if not isinstance(topics, list) or not topics or not all(isinstance(one, str) for one in topics):
            return self._refuse("error:request args is empty or no list of topics", request_id, op)
        return self._change(op, topics, request_id)

    def _change(self, op: str, topics: list[str], request_id: str) -> Outcome:
        reason = self._fault_of(op, topics)
        if reason:
            return self._refuse(reason, request_id, op)
        reply = self._reply(True, op if self._is_spot else "", request_id, op)
        if op == "subscribe":
            return Outcome([reply], added=self.subscribe(topics))
        return Outcome([reply], removed=self.unsubscribe(topics))

    def _fault_of(self, op: str, topics: list[str]) -> str:
        limits = self._limits
        if limits.args_max and len(topics) > limits.args_max:
            return f"args size >{limits.args_max}"
        for topic in topics:
            match = _TOPIC.fullmatch(topic)
            if match is None:
                return f"error:handler not found,topic:{topic[:100]}"
            if not self._is_symbol(match.group(4)):
                return f"Invalid symbol :[{topic}]"
        chars = sum(map(len, {*self.names, *topics}))
        if op == "subscribe" and limits.args_chars_max and chars > limits.args_chars_max:
            return f"args length exceeds {limits.args_chars_max} characters"
        return ""

    def _pong(self, request_id: str, now_ms: int) -> str:
        if self._is_private:
            pong = {"req_id": request_id, "op": "pong", "args": [str(now_ms)], "conn_id": self._connection_id}
            return json_text(pong)
        return self._reply(True, "pong", request_id, "ping")

    def _refuse(self, reason: str, request_id: str, op: str) -> Outcome:
        return Outcome([self._reply(False, reason, request_id, op)])

    def _reply(self, success: bool, message: str, request_id: str, op: str) -> str:
        reply: dict[str, Any] = {"success": success, "ret_msg": message, "conn_id": self._connection_id}
        # A request without an id: spot omits the field, linear sends it empty.
        if request_id or not self._is_spot:
            reply["req_id"] = request_id
        return json_text(reply | {"op": op})


def request_of(text: str) -> tuple[dict[str, Any], str | None]:
    """A request and its id, which is None of a request that is refused as a whole."""
    try:
        request = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError):
        request = None
    if not isinstance(request, dict):
        return {"op": ""}, None
    request_id = request.get("req_id", "")
    if isinstance(request_id, int) and not isinstance(request_id, bool):
        request_id = str(request_id)  # undocumented, but ccxt sends numbers
    is_valid = isinstance(request_id, str) and len(request_id) <= _REQUEST_ID_CHARS_MAX
    return request, request_id if is_valid else None
