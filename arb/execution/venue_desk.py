"""The orders of one venue: requests, frames, lines and time in; wire requests, answers and the next due time out.

It is the only one that decides about orders. Its outputs follow from its inputs, so a session's private frames give
them again. A request goes to a line at most once; places and amendments are refused while nothing can be seen of the
account (`is_up`). What is not certain is in doubt until the venue says it (`arb.execution.doubt`).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from decimal import Decimal

from hftbacktest.order import EXPIRED

from arb.execution.answers import AnswerKind, BotAnswer, RequestRow
from arb.execution.desk_end import DeskEnd
from arb.execution.desk_wires import CHANGES, Asked, Outputs, Refusal, Stage
from arb.execution.doubt import DoubtCause
from arb.execution.ids import LETTERS, REQUESTS_MAX, cancel_id, wire_id
from arb.execution.order_state import OrderState
from connectors.errors import DecodeError
from connectors.orders.model import (
    AccountView,
    Act,
    Channel,
    Decoded,
    Execution,
    Funding,
    Notice,
    NoticeKind,
    OrderRequest,
    OrderUpdate,
    RefusedFor,
    Setting,
    Transfer,
    VenueAnswer,
    Verdict,
    WireRequest,
)
from connectors.trade.interfaces import LineEvent, Sent
from connectors.units import SECOND

# Members of an enumeration are looked up at each use; these are on the way of an order's bytes.
_PLACE, _CANCEL, _UP = Act.PLACE, Act.CANCEL, Stage.UP
_CANCEL_APART_NS = SECOND
#: After these a line is to be replaced.
_LAST_WORDS = frozenset({NoticeKind.SHUTDOWN, NoticeKind.ENDED, NoticeKind.KEY_EXPIRED})
#: The venue has not done what was asked.
_NOT_DONE = frozenset({Verdict.REFUSED, Verdict.NOT_OPEN, Verdict.NOT_FOUND})


class VenueDesk(DeskEnd):
    """See the module. `now` is the session's clock, ns; it never decreases."""

    @property
    def is_up(self) -> bool:
        """Whether events of the account are received and nothing before them is missing."""
        return self._stage is Stage.UP

    @property
    def stopped_until_ns(self) -> int:
        """Before this time the venue takes no requests."""
        return self._stopped_until

    @property
    def has_socket(self) -> bool:
        """Whether a connection for orders is up; without one they go by REST."""
        return bool(self._trade_lines)

    def wire_of(self, leg: int, row: RequestRow, now: int) -> WireRequest | None:
        """The bytes of a request of the bot, which `on_request` makes too; None for one that is not to be sent.

        Nothing is noted: the bytes can leave before that is done.
        """
        state = self.orders.of(leg, row.order_id)
        if (state is not None or row.act is not _PLACE) and _conflict(row, state):
            return None
        if self._refusal(row, now):
            return None
        wire = f"{leg}-{row.request_no}-{LETTERS[row.act]}"  # `wire_id`, without a call
        request = self.orders.request_of(leg, row, state)
        if row.act is _CANCEL:
            request = self._named(request, state, wire)
        try:
            stamp_ms = self.stamp_ms(row.act, now, is_corrected=row.has_venue_time)
            return self._protocol.encode(request, wire, stamp_ms)
        except ValueError:
            return None

    def on_request(
        self, leg: int, row: RequestRow, now: int, made: WireRequest | None = None, refused: str = ""
    ) -> Outputs:
        """A request of the bot. made: what `wire_of` gave for it at this time, if it was asked. refused: why it is not
        to be sent; it is answered like a refusal on its way."""
        if refused:
            self._gated(refused)
        state = self.orders.of(leg, row.order_id)
        conflict = _conflict(row, state)
        if conflict:
            self._reject(leg, row, None if row.act is Act.PLACE else state, now, conflict)
            return self._outputs(now)
        request = self.orders.request_of(leg, row, state)
        if state is None or row.act is Act.PLACE:
            state = self.orders.place(request, row, now)
        elif row.act is Act.CANCEL:
            self.orders.cancel(state, row.request_no, now)
        else:
            self.orders.amend(state, request, now)
        reason = refused or self._refusal(row, now)
        if reason:
            self._apply(state, self.orders.refuse(state, now, reason), now)
        else:
            self._send_change(state, request, wire_id(leg, row.request_no, row.act), now, made)
        return self._outputs(now)

    def on_sent(self, wire_id: str, sent: Sent, now: int) -> Outputs:
        """What became of a wire request: on a line, or not a byte of it was written."""
        asked = self._asked.get(wire_id)
        if asked is None or asked.where:
            return self._outputs(now)
        if sent.is_sent:
            asked.where = sent.where
            if asked.wire.channel is Channel.SOCKET and sent.where not in self._trade_lines:
                self._unknown(asked, wire_id, DoubtCause.LINE_LOST, now)
        elif asked.wire.channel is Channel.SOCKET:
            self._to_rest(asked, wire_id, now)
        else:
            self._unsent(asked, wire_id, now)
        return self._outputs(now)

    def on_frame(self, where: str, frame: bytes, now: int) -> Outputs:
        """A frame of a trade line ("t3") or a stream of events ("u1")."""
        is_user = where[0] == "u"
        try:
            decoded = self._user.decode(frame) if is_user else (self._protocol.decode(frame),)
        except DecodeError as error:
            self._note("undecodable", f"{where}: {error}")
            if is_user:
                self._catch_up(now)  # what it said is unknown
            return self._outputs(now)
        for one in decoded if len(decoded) == 1 else _executions_first(decoded):
            self._decoded(one, where, now)
        return self._outputs(now)

    def on_rest(
        self, wire_id: str, status: int, body: bytes, retry_after_ns: int, was_sent: bool, now: int
    ) -> Outputs:
        """The end of a REST request. status 0: no response."""
        if retry_after_ns > 0:
            self._stopped_until = max(self._stopped_until, now + retry_after_ns)
        asked = self._asked.get(wire_id)
        if asked is None or asked.is_done:
            return self._outputs(now)
        if status == 0:
            if was_sent:
                self._unknown(asked, wire_id, DoubtCause.REST_LOST, now)
            else:
                self._unsent(asked, wire_id, now)
            return self._outputs(now)
        try:
            decoded = self._protocol.decode_rest(asked.wire, status, body, retry_after_ns)
        except DecodeError as error:
            self._note("undecodable", f"{wire_id}: {error}")
            self._unknown(asked, wire_id, DoubtCause.ANSWER, now)
            return self._outputs(now)
        self._answered(asked, wire_id, decoded, now)
        return self._outputs(now)

    def on_line(self, where: str, event: LineEvent, text: str, now: int) -> Outputs:
        """A change of a line."""
        lines = self._user_lines if where.startswith("u") else self._trade_lines
        if event is LineEvent.UP:
            lines.add(where)
            if lines is self._trade_lines and text == "signed":
                self._protocol.fallback()
            if lines is self._user_lines and self._stage is Stage.AWAY:
                self._catch_up(now)
        elif event is LineEvent.RETIRING:
            self.facts.change_overs += 1
        elif event is LineEvent.LOST:
            lines.discard(where)
            self.closing.discard(where)
            for wire, asked in list(self._asked.items()):
                if asked.where == where and not asked.is_done:
                    self._unknown(asked, wire, DoubtCause.LINE_LOST, now)
            self._look_for_streams()
            # Perhaps for its time, and nobody else asks while the account is away.
            if text.startswith("refused"):
                self._ask_time(now)
        return self._outputs(now)

    def on_tick(self, now: int) -> Outputs:
        """Does what is due at this time."""
        while self._deadlines and self._deadlines[0][0] <= now:
            wire = heapq.heappop(self._deadlines)[1]
            asked = self._asked.get(wire)
            if asked is not None and self._is_waiting(asked):
                self._unknown(asked, wire, DoubtCause.TIMEOUT, now)
        for inquiry in self.inquiries.due(now):
            self._inquire(inquiry, now)
        if self._stream.is_silent(now) and self._stage is Stage.UP and not self._is_ending:
            self._give_up_streams()
        if (
            self._stage is Stage.UP
            and self._comparison is None
            and self._compare_ns <= now
            and not self._is_ending
        ):
            self._compare(now)
        self._ask_questions(now)
        return self._outputs(now)

    def on_stopped(self, now: int) -> Outputs:
        """The process was stopped for a while: what happened meanwhile is queried, and nothing placed before."""
        if self._stage is not Stage.AWAY:
            self._catch_up(now)
        return self._outputs(now)

    def on_pull(self, legs: Iterable[int], now: int) -> Outputs:
        """From now on cancels whatever rests at these legs, and at no others."""
        self._pulled = frozenset(legs) & self.instruments.keys()
        return self._outputs(now)

    def on_end(self, now: int) -> Outputs:
        """The strategy has ended: cancels what is open, then queries the account once more."""
        self._is_ending = True
        self._comparison = None
        return self._outputs(now)

    def _refusal(self, row: RequestRow, now: int) -> str:
        """Why a request is not sent; "": it is."""
        if row.act is _CANCEL:
            return ""
        if row.lots <= 0:
            return "no whole number of lots"
        if self._is_ending:
            return "the session ends"
        if row.request_no >= REQUESTS_MAX:
            return "no client id is left: start the session again"
        if now < self._stopped_until:
            return "the venue limits requests"
        return "" if self._stage is _UP else "not up"

    def _gated(self, reason: str) -> None:
        """Counts a refusal of the gate; the log has the first one of a kind."""
        kind = reason.partition(":")[0]
        if self.facts.gated(kind):
            self._note("refused", reason)

    def _reject(self, leg: int, row: RequestRow, state: OrderState | None, now: int, reason: str) -> None:
        """Refuses a request that has no effect on any order."""
        self._out.answers.append(
            BotAnswer(
                leg, row.order_id, row.request_no, AnswerKind.REJECTED, state.end if state else EXPIRED, row.tick,
                max(row.lots, 0), 0, 0, 0, False, 0, Decimal(0), "", "", 0, now, reason,
            )
        )  # fmt: skip

    def _named(self, request: OrderRequest, state: OrderState | None, wire: str) -> OrderRequest:
        """The request with the client id that a cancellation has at some venues."""
        if state is None or request.act is not Act.CANCEL or not self.venue_has_cancel_ids:
            return request
        return request._replace(new_client_id=cancel_id(state.client_ids[0], wire))

    def _send_change(
        self,
        state: OrderState,
        request: OrderRequest,
        wire: str,
        now: int,
        made: WireRequest | None = None,
    ) -> None:
        self._encode(self._named(request, state, wire), wire, state, now, self._protocol.encode, made)

    def _unknown(self, asked: Asked, wire: str, cause: DoubtCause, now: int) -> None:
        """The outcome of a request is not known."""
        state = asked.state
        if asked.request.act not in CHANGES:
            asked.is_done = True
            self._asked.pop(wire, None)
            self._failed(wire, now)
        elif state is not None and self._is_pending(asked):
            self._doubt(state, cause, now)

    def _decoded(self, one: Decoded, where: str, now: int) -> None:
        if isinstance(one, Execution):
            self._last_event_ms = max(self._last_event_ms, one.venue_ms)
            self._execution(one, now, is_event=where.startswith("u"))
        elif isinstance(one, OrderUpdate):
            self._last_event_ms = max(self._last_event_ms, one.venue_ms)
            self._update(one, now)
        elif isinstance(one, VenueAnswer):
            if one.is_line_over and where:
                self._out.retire.append(where)
                self._line_ends(where, f"{one.code} {one.text}")
            self._out.uses += one.uses
            if one.retry_after_ns:
                self._stopped_until = max(self._stopped_until, now + one.retry_after_ns)
            asked = self._asked.get(one.wire_id)
            if asked is None or asked.is_done:
                if one.wire_id:
                    self._note("unasked", f"{where} {one.wire_id}: {one.text}")
                return
            self._answered(asked, one.wire_id, one, now)
        elif isinstance(one, Funding):
            self._funding(one, now)
        elif isinstance(one, Transfer):
            self._transfer(one)
        elif isinstance(one, Setting):
            self.facts.settings.setdefault(one.name, "as prepared")
            self._set(one)
        elif isinstance(one, Notice):
            self._noticed(one, where, now)

    def _line_ends(self, where: str, text: str) -> None:
        """The venue has said that it will close a line."""
        if where not in self.closing:
            self.closing.add(where)
            self._note("line ends", f"{where}: {text}")

    def _noticed(self, notice: Notice, where: str, now: int) -> None:
        if notice.kind in _LAST_WORDS and where:
            self._out.retire.append(where)
        if notice.kind is NoticeKind.SHUTDOWN and where:
            self._line_ends(where, notice.text)
        if notice.kind in (NoticeKind.ENDED, NoticeKind.KEY_EXPIRED):
            # The connection stays open, and nothing more arrives on it.
            self._user_lines.discard(where)
            self._look_for_streams()
        if notice.kind is NoticeKind.MODE_CHANGED:
            self._set_mode(notice.text)
        if notice.kind in (NoticeKind.MODE_CHANGED, NoticeKind.MARGIN_CALL):
            self._note(notice.kind.name.lower().replace("_", " "), notice.text)

    def _answered(
        self,
        asked: Asked,
        wire: str,
        decoded: VenueAnswer | AccountView | tuple[Decoded, ...],
        now: int,
    ) -> None:
        """An answer to a wire request."""
        asked.is_done = True
        if isinstance(decoded, VenueAnswer) and decoded.verdict not in (Verdict.FOUND, Verdict.ACCEPTED):
            self.facts.refused(decoded)
            is_fault = decoded.verdict in _NOT_DONE and decoded.reason is not RefusedFor.MARKET
            if is_fault and asked.state is not None and asked.request.act in CHANGES:
                kind = str(decoded.code) if decoded.code else decoded.text
                is_closed = decoded.reason is RefusedFor.CLOSED
                refusal = Refusal(asked.request.leg, asked.state.order_id, asked.request.act, kind, is_closed)
                self._out.refusals.append(refusal)
                if decoded.reason is RefusedFor.TIME:
                    self._ask_time(now)
        if asked.request.act in CHANGES:
            if isinstance(decoded, VenueAnswer) and asked.state is not None:
                if decoded.retry_after_ns:
                    self._stopped_until = max(self._stopped_until, now + decoded.retry_after_ns)
                is_pending = self._is_pending(asked)
                effects = self.orders.answer(asked.state, asked.request, decoded, now)
                self._apply(asked.state, effects, now)
                if is_pending and self._is_pending(asked):
                    if decoded.verdict is Verdict.UNKNOWN or decoded.verdict is Verdict.EXISTS:
                        self._doubt(asked.state, DoubtCause.ANSWER, now)
            return
        self._asked.pop(wire, None)
        if isinstance(decoded, VenueAnswer) and decoded.verdict not in (
            Verdict.FOUND,
            Verdict.NOT_FOUND,
            Verdict.ACCEPTED,
        ):
            self._failed(wire, now)
            return
        self._queried(asked, wire, decoded, now)

    def _cancel_open(self, now: int) -> None:
        """Cancels what is open; at the end, when nothing can be cancelled any more, queries the account."""
        for state, due, count in self._to_cancel():
            if max(due, self._stopped_until) <= now:
                self._cancels[state.client_ids[0]] = (now + _CANCEL_APART_NS, count + 1)
                self.orders.cancel(state, 0, now)
                request = self.orders.cancellation(state, 0)
                self._send_change(state, request, f"{state.leg}-{state.request_no}-e{count + 1}", now)
        if self._is_ending:
            self._ask_at_end(now)


def _conflict(row: RequestRow, state: OrderState | None) -> str:
    """Why a request has no effect on any order; "": it has. state: the order with its id."""
    if row.act is _PLACE:
        return "the id belongs to an open order" if state is not None and not state.is_over else ""
    if state is None:
        return "no such order"
    return "a request is in flight" if state.pending is not None else ""


def _executions_first(decoded: tuple[Decoded, ...]) -> Sequence[Decoded]:
    """The order in which messages of one frame are applied: an order's end is given with its last execution."""
    if len(decoded) == 2 and isinstance(decoded[0], Execution):
        return decoded
    return sorted(decoded, key=lambda one: not isinstance(one, Execution))
