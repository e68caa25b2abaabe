"""What a desk has on its way: wire requests until they are answered, their deadlines, and the outputs of an input."""

from __future__ import annotations

import heapq
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import IntEnum
from types import MappingProxyType
from typing import NamedTuple

from arb.execution.answers import BotAnswer, FundingAnswer
from arb.execution.catch_up import Questions
from arb.execution.doubt import Inquiries
from arb.execution.facts import DeskFacts
from arb.execution.ids import SessionIds
from arb.execution.order_records import Effect, Phase
from arb.execution.order_state import OrderState
from arb.execution.order_states import OrderStates
from arb.execution.position_watch import PositionWatch
from arb.execution.stream_watch import StreamWatch
from connectors.orders.limits import LimitUse
from connectors.orders.model import (
    Act,
    ExecutionKind,
    Instrument,
    OrderRequest,
    WireRequest,
)
from connectors.orders.protocol import OrderProtocol, UserProtocol
from connectors.trade.times import TradeTimes
from connectors.units import MILLISECOND

#: By how many ms our clock is wrong at least, so that requests have the venue's.
_OFF_MS = 500
#: No time.
NEVER = (1 << 63) - 1
#: Requests whose answers may still arrive, funding payments that are recognised when they are repeated.
ASKED_MAX = 10_000
FUNDINGS_MAX = 1_000
CHANGES = frozenset({Act.PLACE, Act.CANCEL, Act.AMEND})
_PLACE, _AMEND = Act.PLACE, Act.AMEND
#: Cancellations of one order that the desk itself makes at most, and how many of them before the session's end.
CANCELS_MAX, PULLS_MAX = 5, 3


class Refusal(NamedTuple):
    """A request about an order that the venue refused. kind: its code, or its text if it has none.

    is_closed: the venue does not trade the symbol now.
    """

    leg: int
    order_id: int
    act: Act
    kind: str
    is_closed: bool = False


class Outputs(NamedTuple):
    """What follows from an input, in order. retire: lines to be replaced; due_ns: when `on_tick` is needed next.

    refusals, uses: for the gate; nothing of the session's files follows from them.
    """

    wires: tuple[WireRequest, ...]
    answers: tuple[BotAnswer | FundingAnswer, ...]
    events: tuple[tuple[str, str], ...]
    retire: tuple[str, ...]
    due_ns: int
    refusals: tuple[Refusal, ...] = ()
    uses: tuple[LimitUse, ...] = ()


class Stage(IntEnum):
    """What the desk sees of its account."""

    AWAY = 0
    """No stream of events is up."""
    CATCHING_UP = 1
    """A stream is up; orders and executions before it are being queried."""
    UP = 2


@dataclass(slots=True)
class Asked:
    """A wire request, and what its answer is about."""

    request: OrderRequest
    wire: WireRequest
    state: OrderState | None
    #: Of queries: the order's `changes` and the venue's clock when it was asked.
    changes: int
    clock_ms: int
    asked_ns: int
    #: Line that has it; "" before it was sent.
    where: str = ""
    is_done: bool = False


@dataclass(slots=True)
class _Outs:
    wires: list[WireRequest] = field(default_factory=list)
    answers: list[BotAnswer | FundingAnswer] = field(default_factory=list)
    events: list[tuple[str, str]] = field(default_factory=list)
    retire: list[str] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    uses: list[LimitUse] = field(default_factory=list)


class DeskWires(ABC):
    """The state of a desk, and what it sends. See `VenueDesk`."""

    def __init__(
        self,
        venue: str,
        protocol: OrderProtocol,
        user: UserProtocol,
        legs: Mapping[int, Instrument],
        ids: SessionIds,
        times: TradeTimes,
        recv_window_ms: int = 5_000,
        states: type[OrderStates] = OrderStates,
        opening: Mapping[int, int] = MappingProxyType({}),
    ) -> None:
        """protocol, user: of this desk alone, without legs. ids: of the session's orders.

        states: what keeps the orders. opening: positions at the start, in lots by leg.
        """
        self.venue = venue
        self._protocol = protocol
        self._user = user
        self.instruments = dict(legs)
        self._leg_of = {leg.symbol: no for no, leg in legs.items()}
        for no, leg in legs.items():
            protocol.add_leg(no, leg)
            user.add_leg(no, leg)
        self._session_ms = ids.session_ms
        self._times = times
        self.orders = states(protocol.venue, legs, ids)
        self.inquiries = Inquiries(times, recv_window_ms)
        self.facts = DeskFacts()
        self._stage = Stage.AWAY
        #: Of the catch-up in progress or of the last one, and of the session's end.
        self._questions: Questions | None = None
        self._last_questions: Questions | None = None
        #: Of the comparison in progress, and when the next one is due.
        self._comparison: Questions | None = None
        self._compare_ns = NEVER
        #: When open orders are part of a comparison again, and whether positions are of the one in progress.
        self._orders_ns = 0
        self._compares_positions = True
        #: Further comparisons in a row, soon after each other.
        self._hurried = 0
        self.positions = PositionWatch(opening)
        self._stream = StreamWatch()
        #: By leg, the last execution by which the venue itself closed a position.
        self.forced: dict[int, ExecutionKind] = {}
        #: When the stream reported it.
        self.forced_ns: dict[int, int] = {}
        #: Whether the account was compared since the start.
        self.is_compared = times.reconcile_ns == 0
        self._asked: OrderedDict[str, Asked] = OrderedDict()
        self._deadlines: list[tuple[int, str]] = []
        self._trade_lines: set[str] = set()
        self._user_lines: set[str] = set()
        self._clock_ms = -1
        self._last_event_ms = ids.session_ms
        self._stopped_until = 0
        self._numbers = 0
        self._fundings: OrderedDict[tuple[str, str, int, Decimal], None] = OrderedDict()
        #: Whether the account was queried at the start; whether something unreadable arrived during a catch-up.
        self._has_account = False
        self._is_behind = False
        self._is_ending = False
        #: Legs whose open orders are cancelled; lines that their venue has said it will close.
        self._pulled: frozenset[int] = frozenset()
        self.closing: set[str] = set()
        self._cancels: dict[str, tuple[int, int]] = {}
        self._out = _Outs()

    def assume_up(self, *, is_logged_on: bool) -> None:
        """Of a desk whose requests reach no venue: lines are up, and the account is known."""
        self._stage, self._trade_lines, self._user_lines = Stage.UP, {"t1"}, {"u1"}
        if not is_logged_on:
            self._protocol.fallback()

    @property
    def venue_has_cancel_ids(self) -> bool:
        """Whether a cancellation has a client id of its own."""
        return self._protocol.venue == "binance_spot"

    @property
    def _lists_positions(self) -> bool:
        """Whether one answer has the positions of all symbols."""
        return self._protocol.venue.startswith("binance")

    @property
    def _lists_transfers(self) -> bool:
        """Whether transfers are asked for: no event reports them."""
        return self._protocol.venue.startswith("bybit")

    def _encode(
        self,
        request: OrderRequest,
        wire: str,
        state: OrderState | None,
        now: int,
        encode: Callable[[OrderRequest, str, int], WireRequest],
        made: WireRequest | None = None,
    ) -> None:
        """Encodes a request to be sent, unless it is made already; one that cannot be encoded was not sent."""
        changes = state.changes if state is not None else -1
        stamp_ms = self.stamp_ms(request.act, now, is_corrected=state is not None and state.has_venue_time)
        try:
            made = made or encode(request, wire, stamp_ms)
        except ValueError as error:
            self._note("not encoded", f"{wire}: {error}")
            if state is not None and request.act in CHANGES:
                self._apply(state, self.orders.refuse(state, now, str(error)), now)
            return
        if state is not None and state.pending is not None and request.act in CHANGES:
            state.pending.stamped_ms = stamp_ms
        self._asked[wire] = Asked(request, made, state, changes, self._clock_ms, now)
        if request.act is Act.TIME:
            self.facts.clock_asked_ns = self.facts.clock_asked_ns or now
        if len(self._asked) > ASKED_MAX:
            self._asked.popitem(last=False)
        heapq.heappush(self._deadlines, (now + self._times.answer_ns, wire))
        self._out.wires.append(made)

    @property
    def is_clock_off(self) -> bool:
        """Whether our clock is known to be wrong."""
        return abs(self.facts.clock_offset_ms or 0) >= _OFF_MS

    def stamp_ms(self, act: Act, now: int, *, is_corrected: bool = False) -> int:
        """The time of a request. All but orders have the venue's where our clock is wrong: it would refuse them. Orders
        have ours: data that seem older or younger than they are, are no ground to trade. is_corrected: an order that
        has the venue's all the same, since it reduces what is open."""
        if (act is _PLACE and not is_corrected) or act is _AMEND or not self.is_clock_off:
            return now // MILLISECOND
        return now // MILLISECOND + (self.facts.clock_offset_ms or 0)

    def _to_rest(self, asked: Asked, wire: str, now: int) -> None:
        """The socket took not a byte: the same request goes by REST."""
        is_corrected = asked.state is not None and asked.state.has_venue_time
        stamp_ms = self.stamp_ms(asked.request.act, now, is_corrected=is_corrected)
        try:
            asked.wire = self._protocol.encode_rest(asked.request, wire, stamp_ms)
        except ValueError as error:
            self._note("not encoded", f"{wire}: {error}")
            self._unsent(asked, wire, now)
            return
        if asked.state is not None and asked.state.pending is not None and asked.request.act in CHANGES:
            asked.state.pending.stamped_ms = stamp_ms
        self._out.wires.append(asked.wire)

    def _unsent(self, asked: Asked, wire: str, now: int) -> None:
        """Not a byte of a request was written, and none will be."""
        self._asked.pop(wire, None)
        if asked.request.act not in CHANGES:
            self._failed(wire, now)
        elif asked.state is not None and self._is_pending(asked):
            self._apply(asked.state, self.orders.refuse(asked.state, now, "not sent"), now)

    @abstractmethod
    def _apply(self, state: OrderState | None, effects: list[Effect], now: int) -> None:
        """Does what follows from an input, about an order or none."""

    @abstractmethod
    def _failed(self, wire: str, now: int) -> None:
        """A query has no usable answer."""

    @abstractmethod
    def _cancel_open(self, now: int) -> None:
        """Cancels what is open; when nothing is, queries the account."""

    def _is_pending(self, asked: Asked) -> bool:
        pending = asked.state.pending if asked.state is not None else None
        request = asked.request
        return pending is not None and (pending.act, pending.request_no) == (request.act, request.request_no)

    def _is_waiting(self, asked: Asked) -> bool:
        return not asked.is_done if asked.request.act not in CHANGES else self._is_pending(asked)

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers

    def _note(self, event: str, text: str) -> None:
        self.facts.events[event] += 1
        self._out.events.append((event, text))

    def _outputs(self, now: int) -> Outputs:
        self.facts.foreign = self.orders.foreign_count
        if self._is_ending or self._pulled:
            self._cancel_open(now)
        out, due_ns = self._out, self._due_ns()
        if not (out.wires or out.answers or out.events or out.retire or out.uses):
            return Outputs((), (), (), (), due_ns)
        self._out = _Outs()
        return Outputs(
            tuple(out.wires),
            tuple(out.answers),
            tuple(out.events),
            tuple(out.retire),
            due_ns,
            tuple(out.refusals),
            tuple(out.uses),
        )

    def _due_ns(self) -> int:
        while self._deadlines:
            wire = self._deadlines[0][1]
            asked = self._asked.get(wire)
            if asked is not None and self._is_waiting(asked):
                break
            heapq.heappop(self._deadlines)
            if asked is not None and asked.is_done:
                del self._asked[wire]  # an answer to it is one to nothing, as before
        due_ns = self._deadlines[0][0] if self._deadlines else NEVER
        if self._stage is Stage.UP and self._comparison is None and not self._is_ending:
            due_ns = min(due_ns, self._compare_ns)
        for asking in (
            self.inquiries, self._questions, self._comparison, self._last_questions, self._stream,
        ):  # fmt: skip
            if asking is not None and (next_ns := asking.next_ns) is not None and next_ns < due_ns:
                due_ns = next_ns
        if not (self._is_ending or self._pulled):
            return due_ns
        # An order whose doubt has just ended was not cancelled yet: that is due at once.
        return min([due_ns, *(max(due, self._stopped_until) for _, due, _ in self._to_cancel())])

    def _to_cancel(self) -> list[tuple[OrderState, int, int]]:
        """Open orders that the desk itself is to cancel: (order, when, how often it has)."""
        most = CANCELS_MAX if self._is_ending else PULLS_MAX
        found = [
            (state, *self._cancels.get(state.client_ids[0], (0, 0)))
            for state in self.orders.open.values()
            if state.pending is None and state.phase < Phase.OWED
            if self._is_ending or (state.leg in self._pulled and state.rests)
        ]
        return [one for one in found if one[2] < most]

    @property
    def _question_sets(self) -> list[Questions]:
        sets = (self._questions, self._comparison, self._last_questions)
        return [one for one in sets if one is not None]
