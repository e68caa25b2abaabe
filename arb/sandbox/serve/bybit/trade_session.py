"""Bybit's order entry by websocket, `/v5/trade`: auth, then the operations of REST, and ping. Pure.

Source: bybit-exchange/docs v5 `websocket/trade/guideline.mdx` (read 2026-07-24). The order of the checks is not
documented; here: form, reqId, operation, auth, header, category.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import msgspec

from arb.sandbox.serve.bybit import errors
from arb.sandbox.serve.bybit.account_session import AccountSession
from arb.sandbox.serve.bybit.endpoints import OPERATIONS
from arb.sandbox.serve.bybit.errors import RequestError, parameter_error
from arb.sandbox.serve.bybit.parameters import CATEGORIES, Fields
from arb.sandbox.serve.bybit.side import Answer, perform
from arb.sandbox.serve.bybit.signatures import check_window
from arb.sandbox.serve.bybit.uid_limits import Allowance
from arb.sandbox.serve.rest import json_text
from arb.sandbox.serve.session import Outcome, Traffic

_REQUEST_ID_CHARS_MAX = 36
#: Request ids that are remembered; a repeated older one is accepted.
_REQUEST_IDS_MAX = 10_000


class TradeSession(AccountSession):
    """One connection for order entry."""

    def __init__(self, *of_account: Any) -> None:
        """See `AccountSession`."""
        super().__init__(*of_account)
        #: In an OrderedDict the oldest one is at hand: a dict searches for it.
        self._request_ids: OrderedDict[str, None] = OrderedDict()

    def carries(self, what: Traffic) -> bool:
        """See `Session`."""
        return what == "orders"

    def receive(self, text: str, now_ns: int, now_ms: int) -> Outcome:
        request: Any = None
        try:
            request = msgspec.json.decode(text)
            if not isinstance(request, dict):
                raise parameter_error("the message is not a JSON object")
            return self._receive(request, now_ns, now_ms)
        except (msgspec.DecodeError, UnicodeError):
            error = parameter_error("the message is not JSON")
        except RequestError as refused:
            error = refused
        operation = request.get("op") if isinstance(request, dict) else ""
        return Outcome([self._text(request, error.code, error.text, str(operation or ""))])

    def _receive(self, request: dict[str, Any], now_ns: int, now_ms: int) -> Outcome:
        operation = request.get("op")
        if operation == "ping":
            return Outcome([self._text(None, 0, "OK", "pong", data=[str(now_ms)])])
        self._check_request_id(request.get("reqId"))
        if operation == "auth":
            self._log_on(request.get("args"), now_ms)
            return Outcome([self._text(request, 0, "OK", "auth")])
        endpoint = OPERATIONS.get(operation) if isinstance(operation, str) else None
        if endpoint is None:
            raise RequestError(errors.UNKNOWN_OPERATION, "op type is not found")
        if not self._side.operations.admits(now_ns):
            raise RequestError(errors.TOO_MANY_OF_ADDRESS, "exceed IP rate limit")
        if self.is_restarting:
            raise RequestError(errors.RESTARTING, errors.RESTARTING_TEXT)
        key = self._key
        if key is None:
            raise RequestError(errors.SIGN, "the connection is not authenticated")
        if key.is_revoked:
            raise RequestError(errors.KEY, "API key is invalid.")
        header = request.get("header")
        if not isinstance(header, dict) or header.get("X-BAPI-TIMESTAMP") in (None, ""):
            raise parameter_error("the header X-BAPI-TIMESTAMP is missing")
        window = header.get("X-BAPI-RECV-WINDOW")
        check_window(str(header["X-BAPI-TIMESTAMP"]), "" if window is None else str(window), now_ms)
        arguments = request.get("args")
        if not isinstance(arguments, list) or len(arguments) != 1 or not isinstance(arguments[0], dict):
            raise parameter_error("args takes one object")
        fields = Fields(arguments[0])
        if fields.values.get("category") not in CATEGORIES:
            raise RequestError(errors.UNKNOWN_OPERATION, "category is not correct/supported")

        def done(outcome: Answer | RequestError, allowance: Allowance, sent_ns: int) -> None:
            self.send(self._answer(request, outcome, allowance, self._clock(sent_ns)))

        perform(self._side, endpoint, key, fields, self, now_ns, done, lambda: self.close(0, ""))
        return Outcome()

    def _check_request_id(self, request_id: object) -> None:
        if request_id is None or request_id == "":
            return
        if not isinstance(request_id, str) or len(request_id) > _REQUEST_ID_CHARS_MAX:
            raise parameter_error("reqId must be a string of at most 36 characters")
        if request_id in self._request_ids:
            raise RequestError(errors.REPEATED_REQUEST, "reqId is duplicated")
        self._request_ids[request_id] = None
        if len(self._request_ids) > _REQUEST_IDS_MAX:
            self._request_ids.popitem(last=False)

    def _answer(
        self, request: dict[str, Any], outcome: Answer | RequestError, allowance: Allowance, sent_ms: int
    ) -> str:
        self._no += 1
        header = allowance.headers() | {
            "Traceid": f"{self._no:032x}",
            "Timenow": str(sent_ms),
        }
        operation = str(request["op"])
        if isinstance(outcome, RequestError):
            more: dict[str, object] = {"data": {}, "retExtInfo": {}, "header": header}
            return self._text(request, outcome.code, outcome.text, operation, **more)
        more = {"data": outcome.result, "retExtInfo": outcome.extra, "header": header}
        return self._text(request, 0, outcome.text, operation, **more)

    def _text(self, request: object, code: int, text: str, operation: str, **more: object) -> str:
        """An answer. A request without `reqId` gets none."""
        answer: dict[str, object] = {}
        request_id = request.get("reqId") if isinstance(request, dict) else None
        if isinstance(request_id, str) and request_id:
            answer["reqId"] = request_id
        answer |= {"retCode": code, "retMsg": text, "op": operation} | more
        return json_text(answer | {"connId": self._connection_id})
