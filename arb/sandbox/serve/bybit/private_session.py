"""Bybit's stream of an account, `/v5/private`: auth, topics with and without category, ping. Pure.

There are no snapshots: clients query first. Source: bybit-exchange/docs v5 `websocket/wss-authentication.mdx`,
`websocket/private/*.mdx` (read 2026-07-24); texts of refusals are not documented.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from arb.sandbox.serve.bybit.account_session import AccountSession
from arb.sandbox.serve.bybit.errors import RequestError
from arb.sandbox.serve.bybit.events import BY_CATEGORY, PLAIN, Part
from arb.sandbox.serve.bybit.session import request_of
from arb.sandbox.serve.rest import json_text
from arb.sandbox.serve.session import Outcome, Traffic
from arb.sandbox.trading.events import Event

_VENUES = ("bybit_spot", "bybit_linear")
#: Topics of the disconnect protection, and what they protect.
_PROTECTED = {"dcp.spot": "bybit_spot", "dcp.future": "bybit_linear"}
_TOPICS = frozenset(
    (*BY_CATEGORY, *PLAIN, *(f"{topic}.{name}" for topic, names in BY_CATEGORY.items() for name in names))
)


class PrivateSession(AccountSession):
    """One connection to the stream of an account."""

    def __init__(self, *of_account: Any) -> None:
        """See `AccountSession`."""
        super().__init__(*of_account)
        self._ends: list[Callable[[], None]] = []
        self._topics: dict[str, None] = {}

    def carries(self, what: Traffic) -> bool:
        """See `Session`."""
        return what == "user"

    def receive(self, text: str, now_ns: int, now_ms: int) -> Outcome:
        request, request_id = request_of(text)
        operation = str(request.get("op", ""))
        if request_id is None:
            return self._refuse("Params Error", "", operation)
        if operation == "ping":
            pong = {"req_id": request_id, "op": "pong", "args": [str(now_ms)], "conn_id": self._connection_id}
            return Outcome([json_text(pong)])
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
        try:
            key = self._log_on(request.get("args"), now_ms)
        except RequestError as error:
            return self._refuse(error.text, request_id, "auth")
        for venue in _VENUES:
            self._ends.append(self._side.trading.listen(venue, key.account, self._on_event))
        listeners = self._side.lost_cancels.setdefault(key.account, [])
        listeners.append(self._send_part)
        self._ends.append(lambda: listeners.remove(self._send_part))
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
        for part in self._side.events.of(event):
            self._send_part(part, event.at_ns)

    def _send_part(self, part: Part, at_ns: int) -> None:
        at_ms = self._clock(at_ns)
        for topic in part.topics:
            for row in part.texts if topic in self._topics else ():
                self._no += 1
                number = (
                    "" if topic.startswith("execution.fast") else f'"id":"{self._connection_id}_{self._no}",'
                )
                self.send(f'{{"topic":"{topic}",{number}"creationTime":{at_ms},"data":[{row}]}}')

    def _refuse(self, reason: str, request_id: str, operation: str) -> Outcome:
        return Outcome([self._reply(False, reason, request_id, operation)])

    def _reply(self, success: bool, message: str, request_id: str, operation: str) -> str:
        reply: dict[str, object] = {"success": success, "ret_msg": message, "op": operation}
        if request_id:
            reply["req_id"] = request_id
        return json_text(reply | {"conn_id": self._connection_id})
