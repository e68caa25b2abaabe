"""Bybit's stream of an account, `/v5/private`: auth, topics with and without category, ping. Pure.

There are no snapshots: clients query first. Source: bybit-exchange/docs v5 `websocket/wss-authentication.mdx`,
`websocket/private/*.mdx` (read 2026-07-24); texts of refusals are not documented.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from arb.sandbox.accounts.amounts import exact
from arb.sandbox.accounts.keys import ApiKey
from arb.sandbox.serve.bybit.errors import RequestError
from arb.sandbox.serve.bybit.events import BY_CATEGORY, PLAIN, lost_cancel, messages
from arb.sandbox.serve.bybit.side import Side
from arb.sandbox.serve.bybit.signatures import authenticate_socket
from arb.sandbox.serve.limits import Limits
from arb.sandbox.serve.session import Outcome, Session, Traffic
from arb.sandbox.trading.events import Event
from arb.sandbox.trading.order_state import VenueOrder
from connectors.units import MILLISECOND

_VENUES = ("bybit_spot", "bybit_linear")
#: Topics of the disconnect protection, and what they protect.
_PROTECTED = {"dcp.spot": "bybit_spot", "dcp.future": "bybit_linear"}
_TOPICS = frozenset(
    (*BY_CATEGORY, *PLAIN, *(f"{topic}.{name}" for topic, names in BY_CATEGORY.items() for name in names))
)
_REQUEST_ID_CHARS_MAX = 64


class PrivateSession(Session):
    """One connection to the stream of an account."""

    def __init__(self, side: Side, connection_id: str, client_ip: str, limits: Limits) -> None:
        super().__init__()
        self.limits = limits
        self._side = side
        self._connection_id = connection_id
        self._client_ip = client_ip
        self._key: ApiKey | None = None
        self._ends: list[Callable[[], None]] = []
        self._topics: dict[str, None] = {}
        self._no = 0
        #: Difference of the venue's clock from the sandbox's, as of the last message, and the time of that.
        self._offset_ms = 0
        self._now_ns = 0

    def carries(self, what: Traffic) -> bool:
        """See `Session`."""
        return what == "user"

    def receive(self, text: str, now_ns: int, now_ms: int) -> Outcome:
        self._offset_ms, self._now_ns = now_ms - now_ns // MILLISECOND, now_ns
        try:
            request = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeError):
            return self._refuse("Params Error", "", "")
        if not isinstance(request, dict):
            return self._refuse("Params Error", "", "")
        operation, request_id = str(request.get("op", "")), request.get("req_id", "")
        if isinstance(request_id, int) and not isinstance(request_id, bool):
            request_id = str(request_id)  # undocumented, but ccxt sends numbers
        if not isinstance(request_id, str) or len(request_id) > _REQUEST_ID_CHARS_MAX:
            return self._refuse("Params Error", "", operation)
        if operation == "ping":
            pong = {"req_id": request_id, "op": "pong", "args": [str(now_ms)], "conn_id": self._connection_id}
            return Outcome([msgspec.json.encode(pong).decode()])
        if operation == "auth":
            return self._authenticate(request, request_id, now_ms)
        if operation not in ("subscribe", "unsubscribe"):
            return self._refuse("error:handler not found", request_id, operation)
        if self._key is None:
            return self._refuse("Request not authorized", request_id, operation)
        return self._change(operation, request.get("args"), request_id, now_ns)

    def closed(self) -> None:
        for end in self._ends:
            end()
        self._ends.clear()
        self._unprotect(list(self._topics), self._side.trading.now_ns)

    def _authenticate(self, request: dict[str, Any], request_id: str, now_ms: int) -> Outcome:
        if self._key is not None:
            return self._refuse("Repeat auth", request_id, "auth")
        try:
            key = authenticate_socket(request.get("args"), self._side.trading.keys, self._client_ip, now_ms)
        except RequestError as error:
            return self._refuse(error.text, request_id, "auth")
        self._key = key
        for venue in _VENUES:
            self._ends.append(self._side.trading.listen(venue, key.account, self._on_event))
        listeners = self._side.lost_cancels.setdefault(key.account, [])
        listeners.append(self._on_lost_cancel)
        self._ends.append(lambda: listeners.remove(self._on_lost_cancel))
        return Outcome([self._reply(True, "", request_id, "auth")])

    def _change(self, operation: str, topics: object, request_id: str, now_ns: int) -> Outcome:
        if not isinstance(topics, list) or not topics or not all(isinstance(one, str) for one in topics):
            return self._refuse("error:request args is empty or no list of topics", request_id, operation)
        unknown = [one for one in topics if one not in _TOPICS]
        if unknown:
            return self._refuse(f"error:handler not found,topic:{unknown[0][:100]}", request_id, operation)
        if operation == "subscribe" and any(
            topic in topics and any(f"{topic}.{name}" in topics for name in names)
            for topic, names in BY_CATEGORY.items()
        ):
            return self._refuse(
                "error:a topic with and without category in one request", request_id, operation
            )
        if operation == "subscribe":
            self._topics |= dict.fromkeys(topics)
            for topic in topics:
                if topic in _PROTECTED:
                    self._protection(topic).connect(self)
        else:
            self._unprotect([one for one in topics if one in self._topics], now_ns)
            for topic in topics:
                self._topics.pop(topic, None)
        return Outcome([self._reply(True, "", request_id, operation)])

    def _protection(self, topic: str) -> Any:
        account = self._key.account if self._key is not None else ""
        return self._side.trading.protection(account, _PROTECTED[topic])

    def _unprotect(self, topics: list[str], now_ns: int) -> None:
        for topic in topics:
            if topic in _PROTECTED:
                self._protection(topic).disconnect(self, now_ns)

    def _on_event(self, event: Event) -> None:
        with exact():
            for topic, row in messages(event, self._side, self._topics):
                self._send(topic, row, event.at_ns)

    def _on_lost_cancel(self, order: VenueOrder, at_ns: int) -> None:
        with exact():
            for topic, row in lost_cancel(order, self._topics):
                self._send(topic, row, at_ns)

    def _send(self, topic: str, row: dict[str, Any], at_ns: int) -> None:
        self._no += 1
        message: dict[str, object] = {
            "topic": topic,
            "id": f"{self._connection_id}_{self._no}",
            "creationTime": at_ns // MILLISECOND + self._offset_ms,
            "data": [row],
        }
        if topic.startswith("execution.fast"):
            del message["id"]
        self.send(msgspec.json.encode(message).decode())

    def _refuse(self, reason: str, request_id: str, operation: str) -> Outcome:
        return Outcome([self._reply(False, reason, request_id, operation)])

    def _reply(self, success: bool, message: str, request_id: str, operation: str) -> str:
        reply: dict[str, object] = {"success": success, "ret_msg": message, "op": operation}
        if request_id:
            reply["req_id"] = request_id
        return msgspec.json.encode(reply | {"conn_id": self._connection_id}).decode()
