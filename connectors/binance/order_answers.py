"""Binance's answers to order requests and queries, of the websocket API and of REST. Pure.

Sources: rest-api.md and web-socket-api.md of binance-spot-api-docs (read 2026-07-21); USD-M: saved pages of "Trade" and
"Account" (read 2025-11), without `avgPrice` and `cumQuote` in answers to changes (since 2026-07-14).
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from connectors.binance.limits import RateLimit, uses_of
from connectors.binance.order_errors import Judge, VenueError, reason_of
from connectors.binance.order_words import SIDES, STATUSES, cause_of, lots_of, tick_of, traded_tick_of
from connectors.errors import DecodeError, OffGridError
from connectors.orders.model import (
    Execution,
    Instrument,
    Notice,
    NoticeKind,
    OrderStatus,
    OrderUpdate,
    VenueAnswer,
    Verdict,
)
from connectors.orders.numbers import amount_of
from connectors.units import MILLISECOND

#: Codes of a cancelReplace of which a part, or all, failed.
_PARTLY, _WHOLLY = -2021, -2022
#: Without a request's id: the key that logged on is not valid any more, and the connection takes no more requests.
_REVOKED = -2015
_TEXT_MAX = 200
#: Most executions of an answer.
PAGE_MAX = 1000


class _Fill(msgspec.Struct, frozen=True, rename="camel"):
    price: str
    qty: str
    commission: str
    commission_asset: str
    trade_id: int


class Item(msgspec.Struct, frozen=True, rename="camel"):
    """An order, execution, clock or log-on: the fields of all of them. None: not sent."""

    symbol: str | None = None
    order_id: int | None = None
    client_order_id: str = ""
    #: Of an order that was cancelled, or amended on spot: its id before.
    orig_client_order_id: str = ""
    status: str | None = None
    price: str | None = None
    orig_qty: str | None = None
    executed_qty: str | None = None
    time_in_force: str = ""
    side: str = ""
    expiry_reason: str | None = None
    transact_time: int | None = None
    update_time: int | None = None
    #: Of queries: when the order was placed, or executed.
    time: int | None = None
    fills: tuple[_Fill, ...] = ()
    # Executions.
    id: int | None = None
    qty: str | None = None
    commission: str | None = None
    commission_asset: str | None = None
    is_buyer: bool | None = None
    is_maker: bool | None = None
    buyer: bool | None = None
    maker: bool | None = None
    # Two requests in one, and amendments of spot.
    cancel_response: Item | None = None
    new_order_response: Item | None = None
    amended_order: Item | None = None
    # Neither orders nor executions.
    server_time: int | None = None
    subscription_id: int | None = None
    api_key: str | None = None
    code: int | None = None


class _Parts(msgspec.Struct, frozen=True, rename="camel"):
    """`data` of a cancelReplace that failed. Either response is an order or an error."""

    cancel_result: str
    new_order_result: str
    cancel_response: msgspec.Raw
    new_order_response: msgspec.Raw


class _Limit(msgspec.Struct, frozen=True, rename="camel"):
    """`data` of 429 and 418."""

    server_time: int = 0
    retry_after: int = 0


class _Event(msgspec.Struct, frozen=True, rename="camel"):
    e: str


class _Frame(msgspec.Struct, frozen=True, rename="camel"):
    id: str | None = None
    status: int | None = None
    result: Item | tuple[Item, ...] | None = None
    error: VenueError | None = None
    event: _Event | None = None
    rate_limits: tuple[RateLimit, ...] = ()


class _Envelope(msgspec.Struct, frozen=True, rename="camel"):
    """What can be read of an answer whose content cannot."""

    id: str
    status: int


_FRAME = msgspec.json.Decoder(_Frame)
_ENVELOPE = msgspec.json.Decoder(_Envelope)
_ITEM = msgspec.json.Decoder(Item)
_ITEMS = msgspec.json.Decoder(Item | tuple[Item, ...])
_ERROR = msgspec.json.Decoder(VenueError)
_PARTS = msgspec.json.Decoder(_Parts)
_LIMIT = msgspec.json.Decoder(_Limit)


class UnreadableError(Exception):
    """A message of a known form has an unknown content."""


class Answers:
    """Decodes the answers of one market."""

    def __init__(self, venue: str, judge: Judge) -> None:
        self._venue = venue
        self._judge = judge
        self._instruments: dict[str, Instrument] = {}

    def add(self, instrument: Instrument) -> None:
        """Makes a symbol known; orders and executions of others are left out of answers."""
        self._instruments[instrument.symbol] = instrument

    def of_frame(self, frame: bytes) -> VenueAnswer | Notice:
        """A frame of the websocket API. Raises DecodeError.

        If only the content of an answer is unknown, its verdict is UNKNOWN.
        """
        try:
            message = _FRAME.decode(frame)
            if message.event is not None:
                kind = NoticeKind.SHUTDOWN if message.event.e == "serverShutdown" else NoticeKind.IGNORED
                return Notice(kind, message.event.e)
            if message.status is None:
                raise UnreadableError("neither an answer nor an event")
            wire_id = message.id or ""
            if message.error is not None:
                answer = self.of_error(wire_id, message.error, message.status)
            elif message.result is None or message.status != 200:
                raise UnreadableError("an answer without result and error")
            else:
                answer = self.of_result(wire_id, message.result)
            return answer._replace(uses=uses_of(message.rate_limits)) if message.rate_limits else answer
        except (msgspec.DecodeError, OffGridError, UnreadableError, UnicodeError) as error:
            try:
                wire_id = _ENVELOPE.decode(frame).id
            except (msgspec.DecodeError, UnicodeError):
                raise DecodeError(self._venue, str(error), frame) from None
            return VenueAnswer(wire_id, Verdict.UNKNOWN, text=f"undecodable: {error}"[:_TEXT_MAX])

    def of_body(self, wire_id: str, body: bytes) -> VenueAnswer:
        """A REST response with status 200. Raises DecodeError."""
        try:
            return self.of_result(wire_id, _ITEMS.decode(body))
        except (msgspec.DecodeError, OffGridError, UnreadableError, UnicodeError) as error:
            raise DecodeError(self._venue, str(error), body) from None

    def of_error_body(self, wire_id: str, status: int, body: bytes, retry_after_ns: int) -> VenueAnswer:
        """A REST response with another status; 0: there was none. Raises DecodeError."""
        try:
            error = _ERROR.decode(body)
        except (msgspec.DecodeError, UnicodeError):
            text = f"status {status}" if status else "no answer"
            return VenueAnswer(wire_id, Verdict.UNKNOWN, text=text, retry_after_ns=retry_after_ns)
        try:
            answer = self.of_error(wire_id, error, status)
        except (msgspec.DecodeError, OffGridError, UnreadableError) as unreadable:
            raise DecodeError(self._venue, str(unreadable), body) from None
        return answer._replace(retry_after_ns=max(answer.retry_after_ns, retry_after_ns))

    def of_result(self, wire_id: str, result: Item | tuple[Item, ...]) -> VenueAnswer:
        """What a successful request or query gives. Raises OffGridError, UnreadableError."""
        if isinstance(result, tuple):
            return self._of_list(wire_id, result)
        if result.amended_order is not None:
            update = self._amended(result.amended_order, result.transact_time or 0)
            return VenueAnswer(wire_id, Verdict.ACCEPTED, updates=update, venue_ms=result.transact_time or 0)
        if result.cancel_response is not None and result.new_order_response is not None:
            before, after = result.cancel_response, result.new_order_response
            return VenueAnswer(
                wire_id,
                Verdict.ACCEPTED,
                updates=self._updates(before) + self._updates(after),
                executions=self._fills(after),
                venue_ms=after.transact_time or 0,
            )
        if result.symbol is not None and result.order_id is not None:
            is_query = result.time is not None
            return VenueAnswer(
                wire_id,
                Verdict.FOUND if is_query else Verdict.ACCEPTED,
                updates=self._updates(result),
                executions=self._fills(result),
                venue_ms=0 if is_query else result.transact_time or result.update_time or 0,
            )
        if result.server_time is not None and result.api_key is None:
            return VenueAnswer(wire_id, Verdict.FOUND, venue_ms=result.server_time)
        if result.server_time is not None or result.subscription_id is not None or result.code == 200:
            return VenueAnswer(wire_id, Verdict.ACCEPTED, venue_ms=result.server_time or 0)
        raise UnreadableError("a result of no known form")

    def of_error(self, wire_id: str, error: VenueError, status: int) -> VenueAnswer:
        """What a refused or failed request gives. Raises OffGridError, UnreadableError."""
        if error.code in (_PARTLY, _WHOLLY) and error.data:
            return self._of_parts(wire_id, error)
        retry_after_ns = 0
        if status in (418, 429) and error.data:
            limit = _LIMIT.decode(error.data)
            retry_after_ns = max(0, limit.retry_after - limit.server_time) * MILLISECOND
        return VenueAnswer(
            wire_id,
            self._judge(error, status),
            error.code,
            error.text,
            retry_after_ns=retry_after_ns,
            is_line_over=error.code == _REVOKED and not wire_id,
            reason=reason_of(error),
        )

    def _of_parts(self, wire_id: str, error: VenueError) -> VenueAnswer:
        """A cancelReplace that failed. It stops at the first failure, so that a new order means a cancelled one."""
        parts = _PARTS.decode(error.data)
        if parts.cancel_result == "SUCCESS":
            cancelled = self._updates(_ITEM.decode(parts.cancel_response))
            refused = _ERROR.decode(parts.new_order_response)
            if parts.new_order_result != "FAILURE":
                raise UnreadableError(f"newOrderResult {parts.new_order_result}")
            venue_ms = cancelled[0].venue_ms if cancelled else 0
            return VenueAnswer(
                wire_id,
                self._judge(refused, 400),
                error.code,
                refused.text,
                cancelled,
                venue_ms=venue_ms,
                reason=reason_of(refused),
            )
        if parts.cancel_result != "FAILURE" or parts.new_order_result == "SUCCESS":
            raise UnreadableError(
                f"cancelResult {parts.cancel_result}, newOrderResult {parts.new_order_result}"
            )
        refused = _ERROR.decode(parts.cancel_response)
        return VenueAnswer(wire_id, self._judge(refused, 400), error.code, refused.text)

    def _of_list(self, wire_id: str, items: tuple[Item, ...]) -> VenueAnswer:
        """Orders or executions that were found; orders that were cancelled have the time of that."""
        updates: list[OrderUpdate] = []
        executions: list[Execution] = []
        for item in items:
            if item.commission is not None:
                executions += self._execution(item)
            elif item.status is not None:
                updates += self._updates(item)
            else:
                raise UnreadableError("an entry that is neither an order nor an execution")
        is_change = any(item.transact_time is not None for item in items)
        verdict = Verdict.ACCEPTED if is_change else Verdict.FOUND
        is_full = len(items) >= PAGE_MAX and executions
        cursor = str(1 + max(item.id or 0 for item in items)) if is_full else ""
        return VenueAnswer(
            wire_id, verdict, updates=tuple(updates), executions=tuple(executions), cursor=cursor
        )

    def _updates(self, item: Item) -> tuple[OrderUpdate, ...]:
        """The state of an order; empty for an acknowledgement without one, and for an unknown symbol."""
        if item.symbol is None or item.order_id is None:
            raise UnreadableError("an order without symbol or id")
        instrument = self._instruments.get(item.symbol)
        if item.status is None or instrument is None:
            return ()
        if item.executed_qty is None or item.orig_qty is None or item.price is None:
            raise UnreadableError("an order without quantities or price")
        client_id = item.client_order_id
        if item.status == "CANCELED" and item.orig_client_order_id:
            client_id = item.orig_client_order_id  # the other one is of the cancellation
        return (
            OrderUpdate(
                item.symbol,
                client_id,
                str(item.order_id),
                status_of(item.status),
                lots_of(instrument, item.executed_qty),
                lots_of(instrument, item.orig_qty),
                tick_of(instrument, item.price),
                cause_of(item.status, item.expiry_reason, item.time_in_force),
                item.transact_time or item.update_time or 0,
            ),
        )

    def _amended(self, item: Item, venue_ms: int) -> tuple[OrderUpdate, ...]:
        """An order of spot whose quantity was reduced, under its new id."""
        if item.qty is None or item.executed_qty is None:
            raise UnreadableError("an amended order without quantities")
        as_order = msgspec.structs.replace(item, orig_qty=item.qty, transact_time=venue_ms)
        return tuple(one._replace(was_amended=True) for one in self._updates(as_order))

    def _fills(self, item: Item) -> tuple[Execution, ...]:
        """The executions in the answer to a new order of spot: all as taker."""
        if not item.fills or item.symbol not in self._instruments:
            return ()
        instrument = self._instruments[item.symbol]
        return tuple(
            Execution(
                item.symbol,
                item.client_order_id,
                str(item.order_id),
                str(fill.trade_id),
                side_of(item.side),
                traded_tick_of(instrument, fill.price),
                lots_of(instrument, fill.qty),
                False,
                *fee_of(fill.commission, fill.commission_asset),
                item.transact_time or 0,
            )
            for fill in item.fills
        )

    def _execution(self, item: Item) -> tuple[Execution, ...]:
        """An execution of a list, which has no client id; empty for an unknown symbol."""
        is_buyer = item.is_buyer if item.buyer is None else item.buyer
        is_maker = item.is_maker if item.maker is None else item.maker
        if (
            item.symbol is None or item.id is None or item.order_id is None or item.price is None
            or item.qty is None or item.commission is None or item.commission_asset is None
            or item.time is None or is_buyer is None or is_maker is None
        ):  # fmt: skip
            raise UnreadableError("an execution that lacks a field")
        instrument = self._instruments.get(item.symbol)
        if instrument is None:
            return ()
        return (
            Execution(
                item.symbol,
                "",
                str(item.order_id),
                str(item.id),
                1 if is_buyer else -1,
                traded_tick_of(instrument, item.price),
                lots_of(instrument, item.qty),
                is_maker,
                *fee_of(item.commission, item.commission_asset),
                item.time,
            ),
        )


def side_of(word: str) -> int:
    """1 or -1. Raises UnreadableError."""
    side = SIDES.get(word)
    if side is None:
        raise UnreadableError(f"side {word[:40]!r}")
    return side


def fee_of(amount: str | None, asset: str | None) -> tuple[Decimal, str]:
    """A fee and its asset; "" if there is none. Raises OffGridError."""
    fee = amount_of(amount or "")
    return fee, asset or "" if fee else ""


def status_of(word: str) -> OrderStatus:
    """Raises UnreadableError."""
    status = STATUSES.get(word)
    if status is None:
        raise UnreadableError(f"status {word[:40]!r}")
    return status
