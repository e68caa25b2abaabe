"""Bybit's answers to requests: acknowledgements of the trade socket and of REST, which have ids and no state. Pure.

Source: bybit-exchange/docs v5 `websocket/trade/guideline.mdx`, `guide.mdx` (read 2026-07-24).
"""

from __future__ import annotations

import msgspec

from connectors.bybit.limits import uses_of_header
from connectors.bybit.order_errors import LINE_OVER, REFUSING_STATUSES, reason_of, verdict_of
from connectors.bybit.order_words import UnreadableError, ms_of
from connectors.errors import DecodeError
from connectors.orders.limits import LimitUse
from connectors.orders.model import Act, Notice, NoticeKind, VenueAnswer, Verdict, WireRequest

_TEXT_MAX = 200
OPERATIONS = {
    Act.PLACE: "order.create",
    Act.AMEND: "order.amend",
    Act.CANCEL: "order.cancel",
}
_ACTS = {operation: act for act, operation in OPERATIONS.items()}


class _Header(msgspec.Struct, frozen=True):
    time_now: str = msgspec.field(default="0", name="Timenow")
    limit: str = msgspec.field(default="", name="X-Bapi-Limit")
    left: str = msgspec.field(default="", name="X-Bapi-Limit-Status")
    reset: str = msgspec.field(default="", name="X-Bapi-Limit-Reset-Timestamp")

    @property
    def names(self) -> dict[str, str]:
        """As headers of a REST response."""
        return {
            "x-bapi-limit": self.limit,
            "x-bapi-limit-status": self.left,
            "x-bapi-limit-reset-timestamp": self.reset,
        }


class _Answer(msgspec.Struct, frozen=True, rename="camel"):
    op: str
    ret_code: int
    ret_msg: str = ""
    req_id: str = ""
    header: _Header = _Header()


class Envelope(msgspec.Struct, frozen=True, rename="camel"):
    """A REST response."""

    ret_code: int
    ret_msg: str = ""
    result: msgspec.Raw = msgspec.Raw(b"{}")
    time: int = 0


_ANSWER = msgspec.json.Decoder(_Answer)
_ENVELOPE = msgspec.json.Decoder(Envelope)


def decode_answer(venue: str, frame: bytes) -> VenueAnswer | Notice:
    """A frame of the trade socket. Raises DecodeError."""
    try:
        answer = _ANSWER.decode(frame)
        if answer.op == "pong":
            return Notice(NoticeKind.PONG)
        code, text = answer.ret_code, answer.ret_msg[:_TEXT_MAX]
        if answer.op == "auth":
            return VenueAnswer("auth", Verdict.REFUSED if code else Verdict.ACCEPTED, code, text)
        act = _ACTS.get(answer.op)
        if act is None and code == 0:
            raise UnreadableError(f"an answer to {answer.op[:40]!r}")
        uses: tuple[LimitUse, ...] = ()
        if act is not None and answer.header.limit:
            uses = uses_of_header(act, answer.header.names)
        return VenueAnswer(
            answer.req_id,
            # A refusal of a message that could not be read has no operation.
            verdict_of(code, Act.LOG_ON if act is None else act),
            code,
            text,
            venue_ms=ms_of(answer.header.time_now),
            is_line_over=code in LINE_OVER,
            uses=uses,
            reason=reason_of(code),
        )
    except (msgspec.DecodeError, UnicodeError, UnreadableError) as error:
        raise DecodeError(venue, str(error), frame) from None


def decode_envelope(body: bytes) -> Envelope | None:
    """The envelope of a REST response; None if it has none."""
    try:
        return _ENVELOPE.decode(body)
    except (msgspec.DecodeError, UnicodeError):
        return None


def rest_answer(asked: WireRequest, status: int, body: bytes, retry_after_ns: int) -> VenueAnswer:
    """The answer to a request, or to a query that failed; of one that succeeded without its content."""
    envelope = decode_envelope(body)
    if status in REFUSING_STATUSES:
        code = envelope.ret_code if envelope is not None else status
        text = envelope.ret_msg if envelope is not None else body.decode("utf-8", "replace")
        return VenueAnswer(
            asked.wire_id, Verdict.REFUSED, code, text[:_TEXT_MAX], retry_after_ns=retry_after_ns
        )
    if envelope is None or not (status == 200 or 400 <= status < 500):
        text = f"status {status}: {body[:_TEXT_MAX].decode('utf-8', 'replace')}"
        return VenueAnswer(asked.wire_id, Verdict.UNKNOWN, status, text[:_TEXT_MAX])
    return VenueAnswer(
        asked.wire_id,
        verdict_of(envelope.ret_code, asked.act),
        envelope.ret_code,
        envelope.ret_msg[:_TEXT_MAX],
        venue_ms=envelope.time,
        reason=reason_of(envelope.ret_code),
    )
