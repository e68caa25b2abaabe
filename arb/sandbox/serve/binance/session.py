"""Binance's websocket protocol on one connection: routes, SUBSCRIBE and other requests, responses and errors.

A subscription that cannot be served is acknowledged but sends no data, as at the venue: a stream of another USD-M
route, a misspelt name, a symbol that is not listed.

Source: binance-spot-api-docs web-socket-streams.md (read 2026-07-21); USDⓈ-M "Important WebSocket Change Notice"
(read 2026-10-23). Pure.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from arb.sandbox.serve.rest import json_text
from arb.sandbox.serve.session import Outcome, RouteError, Session

#: Documented as 36 letters and digits; clients of the venue's own send UUIDs.
_ID = re.compile(r"[A-Za-z0-9_-]{1,36}")
#: USD-M streams of the route /public; all others are on /market. `@trade` is undocumented, and belongs to it.
_PUBLIC = re.compile(r"[^@]+@(depth\b.*|bookTicker|rpiDepth\b.*|trade)|!bookTicker")
#: Streams that the legacy path without a route acknowledges but never delivers.
_RETIRED = re.compile(r".*@(kline_.*|markPrice.*|aggTrade|forceOrder)|!markPrice.*|!forceOrder.*")
_METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")


class BinanceSession(Session):
    """One connection to Binance spot or USD-M."""

    def __init__(self, venue: str, path: str, query: dict[str, str], streams_max: int) -> None:
        """Raises RouteError for a path without streams."""
        super().__init__()
        self.route, rest = _route_of(venue, path)
        self._is_spot = venue == "binance_spot"
        self._streams_max = streams_max
        if rest and rest[0] == "stream" and rest[1:2] != ["ws"]:
            self.is_combined = True
            names = query.get("streams", "").split("/")
        elif rest and (rest[0] == "ws" or rest[:2] == ["stream", "ws"]):
            # /stream/ws is not a path of the venue, but some clients need it: they distinguish spot and futures by
            # "/stream".
            self.is_combined = False
            names = rest[1:] if rest[0] == "ws" else rest[2:]
        else:
            raise RouteError(f"no streams at {path}; connect to /ws or /stream")
        for name in names:
            # Names that are not streams, such as /ws/0, are accepted too, without data.
            if name and (streams_max == 0 or len(self.names) < streams_max):
                self.names[name] = None

    def receive(self, text: str, now_ns: int, now_ms: int) -> Outcome:
        try:
            request = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeError):
            return _error(3, "Invalid JSON: expected value at line 1 column 1", None)
        if not isinstance(request, dict):
            return _error(2, "Invalid request: expected an object", None)
        request_id = request.get("id")
        if not _is_id(request_id):
            return _error(2, "Invalid request: request ID must be an unsigned integer", None)
        method = request.get("method")
        if method is None:
            return _error(2, "Invalid request: missing field `method` at line 1 column 1", request_id)
        if method not in _METHODS:
            known = ", ".join(f"`{one}`" for one in _METHODS)
            return _error(
                2, f"Invalid request: unknown variant `{method}`, expected one of {known}", request_id
            )
        return self._answer(method, request.get("params"), request_id)

    def delivers(self, name: str) -> bool:
        """See `Session`: depends on the route on USD-M."""
        if self._is_spot:
            return True
        if self.route == "public":
            return _PUBLIC.fullmatch(name) is not None
        if self.route == "market":
            return _PUBLIC.fullmatch(name) is None
        return _RETIRED.fullmatch(name) is None

    def shutdown_notice(self, now_ms: int) -> str | None:
        """See `Session`: spot sends one (since 2026)."""
        if not self._is_spot:
            return None
        data = f'{{"e":"serverShutdown","E":{now_ms}}}'
        return f'{{"stream":"!serverShutdown","data":{data}}}' if self.is_combined else data

    def _answer(self, method: str, params: Any, request_id: Any) -> Outcome:
        if method == "LIST_SUBSCRIPTIONS":
            return _result(list(self.names), request_id)
        if not isinstance(params, list) or not params:
            return _error(2, "Invalid request: params must be a non-empty array", request_id)
        if method in ("SET_PROPERTY", "GET_PROPERTY"):
            return self._property(method, params, request_id)
        if not all(isinstance(name, str) for name in params):
            return _error(2, "Invalid request: stream names must be strings", request_id)
        if method == "SUBSCRIBE":
            if self._streams_max and len({*self.names, *params}) > self._streams_max:
                return _error(
                    2,
                    f"Invalid request: too many streams, at most {self._streams_max} a connection",
                    request_id,
                )
            return Outcome([_result_text(None, request_id)], added=self.subscribe(params))
        return Outcome([_result_text(None, request_id)], removed=self.unsubscribe(params))

    def _property(self, method: str, params: list[Any], request_id: Any) -> Outcome:
        if params[0] != "combined":
            return _error(0, "Unknown property", request_id)
        if method == "GET_PROPERTY":
            return _result(self.is_combined, request_id)
        if len(params) != 2 or not isinstance(params[1], bool):
            return _error(1, "Invalid value type: expected Boolean", request_id)
        self.is_combined = params[1]
        return _result(None, request_id)


def _route_of(venue: str, path: str) -> tuple[str, list[str]]:
    parts = [part for part in path.split("/") if part]
    if venue == "binance_spot":
        return "", parts
    if parts and parts[0] == "private":
        raise RouteError("no user data in this sandbox yet: connect to /public or /market")
    if parts and parts[0] in ("public", "market"):
        return parts[0], parts[1:]
    return "", parts


def _is_id(value: Any) -> bool:
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return True
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _result(result: Any, request_id: Any) -> Outcome:
    return Outcome([_result_text(result, request_id)])


def _result_text(result: Any, request_id: Any) -> str:
    return json_text({"result": result, "id": request_id})


def _error(code: int, text: str, request_id: Any) -> Outcome:
    return Outcome([json_text({"code": code, "msg": text, "id": request_id})])
