"""The answering side of a live session: takes the bot's requests at the port, and puts the venues' answers.

Inside `serve` the bytes of all requests of a step leave before anything is noted; what can wait longer follows when
the strategy waits. No code is compiled for it (`arb.engine.mailbox`), so a live session runs the machine code of a
dry-run. It knows no socket: an `Outlet` sends. The host's thread.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

from arb.engine.live import LiveWorld
from arb.engine.mailbox import Mailbox, order_of
from arb.engine.port import MessageSteps
from arb.errors import InvariantError
from arb.execution.answers import (
    BotAnswer,
    FundingAnswer,
    RequestRow,
    bounded,
    funding_row,
    request_of,
)
from arb.execution.attempts import Attempts
from arb.execution.bot_orders import BotOrders
from arb.execution.desk_wires import NEVER, Outputs
from arb.execution.gate_feed import GateFeed
from arb.execution.marks import Marks
from arb.execution.order_state import OrderState
from arb.execution.venue_desk import VenueDesk
from arb.leg import Leg
from connectors.model import Rows
from connectors.orders.model import WireRequest
from connectors.trade.interfaces import Sent

#: Connections are numbered from 1.
_NO_LINE = "t0"
_SERVE = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)


class Outlet(Protocol):
    """Sends what a desk asks for."""

    def send(self, venue: str, request: WireRequest) -> Sent:
        """Writes a request to the trade socket that is up, or queues it for REST; at most once."""

    def log_sent(self, venue: str, request: WireRequest, sent: Sent) -> None:
        """Logs what became of a request."""


@dataclass(slots=True)
class TakenRequest:
    """A request of the bot. copied: the bytes of its row of ORDER."""

    leg: int
    copied: bytes
    #: Number of the step, from 1, and the session's clock when it was taken.
    step: int
    taken_ns: int
    #: When the bytes of its step had left, on the same clock; 0: it was not sent with them.
    sent_ns: int = 0
    #: Whether a line took its bytes; why the gate refused it; whether it may only reduce the position.
    is_sent: bool = False
    refused: str = ""
    reduces: bool = False
    #: Whether it is stamped with the venue's time, since our clock is wrong.
    has_venue_time: bool = False
    #: See `arb.execution.attempts`; of a market order the price in ticks at which it is sent, else 0.
    attempt: int = 0
    bound: int = 0

    @property
    def row(self) -> Any:
        """The row of ORDER."""
        return order_of(self.copied)


class ReadyRequest(NamedTuple):
    """A request of the bot whose bytes are made, and will be sent."""

    taken: TakenRequest
    row: RequestRow
    wire: WireRequest


class DeliveredAnswer(NamedTuple):
    """An answer that was put for the bot. row: of ORDER, an array of one; received_ns: as delivered.

    order: with the answer's id when it was put; the strategy may have used that again since.
    """

    answer: BotAnswer | FundingAnswer
    leg: int
    row: Any
    received_ns: int
    order: OrderState | None


def _nothing(*_: Any) -> None:
    """No callback."""


def _committed(_: Sequence[ReadyRequest]) -> bool:
    """Nothing has to be committed."""
    return True


def _ready(
    taken: Sequence[TakenRequest], rows: Sequence[RequestRow], wires: Sequence[WireRequest | None]
) -> list[ReadyRequest]:
    ready = []
    for one, row, wire in zip(taken, rows, wires, strict=True):
        if wire is not None:
            ready.append(tuple.__new__(ReadyRequest, (one, row, wire)))
    return ready


class Gateway:
    """See the module; an `AnsweringSide`."""

    def __init__(
        self,
        world: LiveWorld,
        legs: Sequence[Leg],
        desks: Mapping[str, VenueDesk],
        outlet: Outlet,
        clock: Callable[[], int],
        later: Callable[[Callable[[], None]], None],
        gate: GateFeed | None = None,
    ) -> None:
        """desks: by venue. clock: the session's. later: calls a function from the event loop, soon. gate: decides what
        may be sent; None: everything.

        It attaches itself to the world's port and must live as long as the bot.
        """
        self._legs = tuple(legs)
        self._venues = [leg.venue for leg in legs]
        self._lot_sizes = [leg.lot_size for leg in legs]
        self.desks = dict(desks)
        #: By leg.
        self._desk_of = [desks[leg.venue] for leg in legs]
        self._instruments = [desks[leg.venue].instruments[no] for no, leg in enumerate(legs)]
        self._outlet = outlet
        self._clock = clock
        self._later = later
        self.gate = gate
        self._mailbox = Mailbox(world)
        #: See `Mailbox`.
        self.earliest_ts = self._mailbox.earliest_ts
        self._marks = Marks(world, legs)
        self._orders = BotOrders(legs)
        self.attempts = Attempts()
        #: Answers that were put and not noted; whether the strategy is to be woken with some.
        self._delivered: list[DeliveredAnswer] = []
        self._is_answered = False
        #: Time of receipt of the latest answer.
        self._received_ns = 0
        self._steps = 0
        #: Ends the session: an error inside `serve`, or what cannot be.
        self.fault: BaseException | None = None
        #: When `VenueDesk.on_tick` is needed next, by venue.
        self.due_ns: dict[str, int] = dict.fromkeys(desks, NEVER)
        #: The time reached; no row takes effect on answers.
        self.settled_ts = -1
        self.on_late: Callable[[int, int, int], object] = _nothing
        #: Messages are passed one by one.
        self.steps: MessageSteps | None = None
        #: Requests that could not be committed, and those after them: no desk knows them.
        self._left: list[TakenRequest] = []
        #: Set by the session. Commits the requests of a step before the first byte of any is sent. False: nothing of
        #: this step or a later one is sent, and the session has to end.
        self.commit: Callable[[Sequence[ReadyRequest]], bool] = _committed
        #: Set by the session. After a commit that failed: why only what reduces may be sent from now on, and can be
        #: committed; "": nothing can.
        self.shortage: Callable[[], str] = str
        #: Set by the session. The requests of a step, once their bytes have left; answers that were put, after the
        #: strategy has run with them or at `note_answers`; there are some, so it may run; `due_ns` of a venue changed;
        #: something for the log: (venue, event, text); lines to be replaced: (venue, where).
        self.on_step: Callable[[Sequence[TakenRequest]], None] = _nothing
        self.on_delivered: Callable[[Sequence[DeliveredAnswer]], None] = _nothing
        self.wake: Callable[[int], None] = _nothing
        self.on_due: Callable[[str, int], None] = _nothing
        self.on_event: Callable[[str, str, str], None] = _nothing
        self.on_retire: Callable[[str, str], None] = _nothing
        #: The process was stopped for longer than the gate allows: `VenueDesk.on_stopped` of all is needed.
        self.on_stopped: Callable[[int], None] = _nothing
        self._callback = _SERVE(self.serve)
        world.attach(ctypes.cast(self._callback, ctypes.c_void_p).value or 0)

    # -- AnsweringSide

    def on_rows(self, leg_no: int, rows: Rows) -> None:
        """See `AnsweringSide`: only prices of answers are taken from them."""
        self._marks.on_rows(leg_no, rows)

    def on_time(self, now_ns: int) -> None:
        """See `AnsweringSide`: its events are those of the venues."""
        self.settled_ts = max(self.settled_ts, now_ns)
        if self.gate is not None and self.gate.was_stopped(now_ns):
            self.on_stopped(now_ns)

    # -- requests

    def serve(self, _: int) -> int:
        """The port's function, on the strategy's stack. It raises nothing: `fault` is the host's."""
        taken: list[TakenRequest] = []
        try:
            now = self._clock()
            taken = self._taken(now)
            self._request(taken, now)
        except BaseException as error:
            self.fault = self.fault or error
        self._later(self._after_step)
        return 0

    def _taken(self, now: int) -> list[TakenRequest]:
        """The requests that wait, as those of a step."""
        self._steps += 1
        taken = []
        for leg, row in self._mailbox.take_bytes():
            taken.append(TakenRequest(leg, row, self._steps, now))
        return taken

    def _request(self, taken: Sequence[TakenRequest], now: int) -> None:
        """Encodes everything, sends everything, then notes it: the legs of a step leave together, and first.

        That is possible since a step has one request about an order at most: the bot refuses a second one.
        """
        if self._left:
            self._left += taken
            return
        # Until the last byte has left: plain loops, few calls. After a pause little of this is in the processor's
        # caches, and each further function costs a microsecond or more.
        rows: list[RequestRow] = []
        sent: dict[str, Sent] = {}
        venues = self._venues
        try:
            attempts = self.attempts
            attempts.read()
            for one in taken:
                row = request_of(one.copied, self._lot_sizes[one.leg])
                if attempt := attempts.of(one.leg, row.order_id):
                    one.attempt, row = attempt, row._replace(attempt=attempt)
                rows.append(row)
            wires = self._wires_of(taken, rows, now)
            if not self._commit(taken, rows, wires, now):
                self._left += taken
                taken = ()
                return
            for one, wire in zip(taken, wires, strict=True):
                if wire is not None:
                    sent[wire.wire_id] = self._send(venues[one.leg], wire)
            sent_ns = self._clock()
            for one, wire in zip(taken, wires, strict=True):
                one.sent_ns = sent_ns if wire is not None else 0
        finally:
            self.on_step(taken)
        outputs: list[Outputs] = []
        for one, row, wire in zip(taken, rows, wires, strict=True):
            self._orders.note(one.leg, row, one.copied)
            outputs.append(self._desk_of[one.leg].on_request(one.leg, row, now, wire, one.refused))
        for one, output in zip(taken, outputs, strict=True):
            one.is_sent = self._follow(venues[one.leg], output, now, sent)
        if sent:
            raise InvariantError(f"sent without a request of its desk: {', '.join(sent)}")

    def _commit(
        self,
        taken: Sequence[TakenRequest],
        rows: Sequence[RequestRow],
        wires: list[WireRequest | None],
        now: int,
    ) -> bool:
        """Commits what is to be sent. Where there is room for the last orders only, the others are refused."""
        ready = _ready(taken, rows, wires)
        if not ready or self.commit(ready):
            return True
        why = self.shortage()
        if not why or self.gate is None:
            return False
        for no in self.gate.withdraw_openings(now):
            if wires[no] is not None:
                taken[no].refused, wires[no] = f"halted: {why}", None
        ready = _ready(taken, rows, wires)
        return not ready or self.commit(ready)

    def _send(self, venue: str, wire: WireRequest) -> Sent:
        """What became of a request. One whose sending has failed may have left: it is in doubt, and the others go."""
        try:
            return self._outlet.send(venue, wire)
        except Exception as error:
            self.fault = self.fault or error
            return Sent(True, _NO_LINE)

    def _wires_of(
        self, taken: Sequence[TakenRequest], rows: list[RequestRow], now: int
    ) -> list[WireRequest | None]:
        """The bytes of what is to be sent: of orders that go together, of all or of none. The rows of those that may
        only reduce are marked."""
        gate = self.gate
        if gate is not None:
            legs = [one.leg for one in taken]
            for one, why in zip(taken, gate.decide(legs, rows, now), strict=True):
                one.refused = why
            for no, tick in gate.bounds():
                taken[no].bound, rows[no] = tick, bounded(rows[no], tick)
            for no in gate.reducing(legs, rows):
                taken[no].reduces, rows[no] = True, rows[no]._replace(reduces=True)
            for no in gate.corrected(legs, rows):
                taken[no].has_venue_time, rows[no] = True, rows[no]._replace(has_venue_time=True)
        wires: list[WireRequest | None] = []
        for one, row in zip(taken, rows, strict=True):
            wires.append(None if one.refused else self._desk_of[one.leg].wire_of(one.leg, row, now))
        if gate is not None and None in wires:
            lost = [no for no, wire in enumerate(wires) if wire is None and not taken[no].refused]
            for no in gate.withdraw(lost, now) if lost else ():
                taken[no].refused, wires[no] = "another leg is refused: its desk does not send it", None
        return wires

    def _after_step(self) -> None:
        """What can wait until the strategy does."""
        for venue, due in self.due_ns.items():
            self.on_due(venue, due)
        self._hand_over(self._clock())

    # -- answers

    def apply(self, venue: str, outputs: Outputs, received_ns: int, has_more: bool = False) -> None:
        """Does what a desk's outputs say: sends, puts answers, wakes the strategy once.

        has_more: further outputs of the same read follow; the strategy is woken after the last ones.
        """
        self._follow(venue, outputs, received_ns)
        if not has_more:
            self._hand_over(received_ns)
            self.on_due(venue, self.due_ns[venue])

    def _follow(self, venue: str, outputs: Outputs, now: int, already: dict[str, Sent] | None = None) -> bool:
        """Sends wires and puts answers; returns whether a line took the bytes of a wire.

        already: what became of wires that are sent, by id; those of the outputs are removed from it.
        """
        is_sent = False
        desk = self.desks[venue]
        if self.gate is not None:
            self.gate.follow(venue, outputs, now)
        for event, text in outputs.events:
            if event == "broken":
                self.fault = self.fault or InvariantError(f"{venue}: {text}")
            self.on_event(venue, event, text)
        for answer in outputs.answers:
            self._put(answer)
        for where in outputs.retire:
            self.on_retire(venue, where)
        self.due_ns[venue] = outputs.due_ns
        for wire in outputs.wires:
            sent = already.pop(wire.wire_id, None) if already else None
            sent = sent or self._send(venue, wire)
            self._outlet.log_sent(venue, wire, sent)
            is_sent |= sent.is_sent
            is_sent |= self._follow(venue, desk.on_sent(wire.wire_id, sent, now), now)
        return is_sent

    def _put(self, answer: BotAnswer | FundingAnswer) -> None:
        """Puts an answer into the bot's queue."""
        leg, order = answer.leg, None
        if isinstance(answer, FundingAnswer):
            mark, rate = self._marks.of(leg)
            row = funding_row(
                answer._replace(
                    mark=mark if answer.mark != answer.mark else answer.mark,
                    rate=rate if answer.rate != answer.rate else answer.rate,
                )
            )
        else:
            order = self._desk_of[leg].orders.of(leg, answer.order_id)
            row = self._orders.row_of(answer, self._instruments[leg], self._marks.fee_price(leg))
        received_ns = self._mailbox.put(leg, row, answer.received_ns)
        if received_ns > self._received_ns:
            self._received_ns = received_ns
        self._delivered.append(tuple.__new__(DeliveredAnswer, (answer, leg, row, received_ns, order)))
        self._is_answered = True

    def _hand_over(self, now: int) -> None:
        delivered, self._delivered = self._delivered, []
        is_answered, self._is_answered = self._is_answered, False
        if is_answered:
            try:
                self.wake(max(now, self._received_ns))
            finally:
                if delivered:
                    self.on_delivered(delivered)

    def note_answers(self) -> None:
        """Calls `on_delivered` with the answers that were put: the strategy may have run with them, or will."""
        delivered, self._delivered = self._delivered, []
        if delivered:
            self.on_delivered(delivered)

    # -- the end

    def drain(self) -> list[TakenRequest]:
        """Takes the requests that a stopped strategy left behind, as those of a step, and those that could not be
        committed; they are not sent, taken at 0."""
        taken = self._taken(0)
        self._steps -= not taken
        left, self._left = self._left, []
        return [replace(one, taken_ns=0) for one in left] + taken

    @property
    def open_orders(self) -> list[OrderState]:
        """Orders that may still trade, or of which something is not known."""
        return [state for desk in self.desks.values() for state in desk.orders.open.values()]

    @property
    def is_settled(self) -> bool:
        """Whether no order is open and nothing is pending."""
        return all(desk.is_settled for desk in self.desks.values())
