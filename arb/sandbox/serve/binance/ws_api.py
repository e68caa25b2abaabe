"""Binance's websocket API on one connection: requests, answers, sessions that logged on. For spot and USD-M. Pure.

Source: web-socket-api.md of binance-spot-api-docs (read 2026-07-21).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import msgspec

from arb.sandbox.accounts.keys import ApiKey, KeyKind
from arb.sandbox.serve.binance.api import Act, Api, Call, Operation, Result, Security
from arb.sandbox.serve.binance.errors import ApiError
from arb.sandbox.serve.binance.parameters import of_message
from arb.sandbox.serve.binance.signatures import Proof, may, message_payload
from arb.sandbox.serve.rest import json_text
from arb.sandbox.serve.session import Opening, Outcome, Session, Traffic

_NULL = msgspec.Raw(b"null")


class _Message(msgspec.Struct):
    method: str
    id: msgspec.Raw = _NULL
    params: dict[str, msgspec.Raw] | None = None


class Subscription(NamedTuple):
    """A subscription to user data. terminated: sends its last event, at a time in ns."""

    account: str
    end: Callable[[], None]
    terminated: Callable[[int], None]


_MESSAGE = msgspec.json.Decoder(_Message)


class WsApi(Session):
    """One connection. `key`, the session's own, and the subscriptions are of this connection."""

    def __init__(
        self,
        api: Api,
        methods: Mapping[str, Operation],
        version: str,
        opening: Opening,
        weight: int,
    ) -> None:
        """version: of methods with a prefix, such as "v3/"; weight: of connecting."""
        super().__init__()
        self.api = api
        # There is no limit of messages: requests have a weight.
        self.limits = replace(api.limits, messages_per_s=0)
        self._methods = methods
        self._version = version
        self._client_ip = opening.client_ip
        self._returns_limits = opening.query.get("returnRateLimits", "true").lower() != "false"
        self._connected_ms = opening.at_ms
        self.key: ApiKey | None = None
        self._key_since_ms: int | None = None
        #: By id.
        self.subscriptions: dict[int, Subscription] = {}
        #: The subscription of the session's own key.
        self.own_subscription: int | None = None
        self.subscriptions_made = 0
        api.weights.used += weight

    def receive(self, text: str, now_ns: int, now_ms: int) -> Outcome:
        """See `Session`; answers are sent by `send`."""
        try:
            message = _MESSAGE.decode(text)
        except (msgspec.DecodeError, UnicodeError):
            self._refuse(_NULL, ApiError(-1135, "Invalid JSON Request"))
            return Outcome()
        if bytes(message.id)[:1] not in b'"-0123456789n':
            self._refuse(
                _NULL, ApiError(-1102, "Mandatory parameter 'id' was not sent, was empty/null, or malformed.")
            )
            return Outcome()
        operation = self._methods.get(message.method.removeprefix(self._version))
        if operation is None:
            self._refuse(message.id, ApiError(-1020, "This operation is not supported."))
            return Outcome()
        key = self.key
        if key is not None and not may(key, "read", self._client_ip):
            self.end_session(now_ns)
            self._refuse(_NULL, ApiError(-2015, "Invalid API-key, IP, or permissions for action.", 401))
            return Outcome()
        try:
            parameters = of_message(message.params or {}, is_strict=self.api.assumed.strict_decimals)
        except (msgspec.DecodeError, UnicodeError):
            self._refuse(message.id, ApiError(-1135, "Invalid JSON Request"))
            return Outcome()
        call = Call(self.api, parameters, now_ns, now_ms, key, session=self)
        values = parameters.values
        proof = Proof(values.get("apiKey"), values.get("signature"), b"", self._client_ip)
        if proof.signature is not None:
            proof = proof._replace(payload=message_payload(values))
        shows_limits = self._returns_limits
        if "returnRateLimits" in parameters:
            shows_limits = values["returnRateLimits"].lower() == "true"
        request_id = message.id
        self.api.answer(
            operation,
            call,
            proof,
            self,
            lambda result: self._answer(request_id, result, shows_limits),
            lambda: self.close(0, ""),
        )
        return Outcome()

    def carries(self, what: Traffic) -> bool:
        """See `Session`."""
        return what == "orders" or bool(self.subscriptions)

    def expire_user_data(self, now_ns: int) -> None:
        """See `Session`."""
        for number in list(self.subscriptions):
            self.unsubscribe_user(number, now_ns)

    def closed(self) -> None:
        for one in self.subscriptions.values():
            one.end()
        self.subscriptions.clear()

    def shutdown_notice(self, now_ms: int) -> str | None:
        """See `Session`: spot sends one (since 2026)."""
        if self.api.venue != "binance_spot":
            return None
        return f'{{"event":{{"e":"serverShutdown","E":{now_ms}}}}}'

    def end_session(self, at_ns: int) -> None:
        """Forgets the session's key and ends the subscription that was made with it."""
        self.key = self._key_since_ms = None
        if self.own_subscription is not None:
            self.unsubscribe_user(self.own_subscription, at_ns)

    def unsubscribe_user(self, number: int, at_ns: int) -> None:
        """Ends a subscription to user data."""
        ended = self.subscriptions.pop(number)
        ended.end()
        ended.terminated(at_ns)
        if number == self.own_subscription:
            self.own_subscription = None

    def status(self, now_ms: int) -> dict[str, Any]:
        """The answer of the `session` methods."""
        return {
            "apiKey": self.key.id if self.key else None,
            "authorizedSince": self._key_since_ms,
            "connectedSince": self._connected_ms,
            "returnRateLimits": self._returns_limits,
            "serverTime": now_ms,
            "userDataStream": bool(self.subscriptions),
        }

    def log_on(self, key: ApiKey, at_ns: int, now_ms: int) -> None:
        """Makes a key the session's own."""
        if self.key is not None and self.key.account != key.account:
            self.end_session(at_ns)
        self.key, self._key_since_ms = key, now_ms

    def _answer(self, request_id: msgspec.Raw, result: Result, shows_limits: bool) -> None:
        answer: dict[str, Any] = {"id": request_id, "status": result.status}
        if result.is_error:
            answer["error"] = result.body
            if result.retry_after_s is not None:
                until_ms = result.server_ms + result.retry_after_s * 1000
                answer["error"] = result.body | {
                    "data": {"serverTime": result.server_ms, "retryAfter": until_ms}
                }
        else:
            answer["result"] = result.body
        if shows_limits:
            answer["rateLimits"] = self.api.rate_limits(result.counts)
        self.send(json_text(answer))

    def _refuse(self, request_id: msgspec.Raw, error: ApiError) -> None:
        answer = {"id": request_id, "status": error.status, "error": error.body}
        self.send(json_text(answer))


def _log_on(call: Call) -> Act:
    session, key = session_of(call), call.key
    if key is None or "apiKey" not in call.parameters:
        raise ApiError(-1102, "Mandatory parameter 'apiKey' was not sent, was empty/null, or malformed.")
    if key.kind != KeyKind.ED25519:
        raise ApiError(call.api.assumed.logon_hmac_code, "Signature for this request is not valid.")

    def act(at_ns: int) -> dict[str, Any]:
        now_ms = call.api.exchange.venue_ms(at_ns)
        session.log_on(key, at_ns, now_ms)
        return session.status(now_ms)

    return act


def _status(call: Call) -> Act:
    session = session_of(call)
    return lambda at_ns: session.status(call.api.exchange.venue_ms(at_ns))


def _log_out(call: Call) -> Act:
    session = session_of(call)

    def act(at_ns: int) -> dict[str, Any]:
        session.end_session(at_ns)
        return session.status(call.api.exchange.venue_ms(at_ns))

    return act


def session_of(call: Call) -> WsApi:
    """The connection of a request. Raises ApiError for REST."""
    if call.session is None:
        raise ApiError(-1020, "This operation is not supported.")
    return call.session


#: Methods of the connection itself.
SESSION_METHODS = {
    "session.logon": Operation(_log_on, 2),
    "session.status": Operation(_status, 2, Security.NONE),
    "session.logout": Operation(_log_out, 2, Security.NONE),
}
