"""A desk, a bot and a venue (`support.venue_model`) on simulated time, with a bad channel between them.

After every input it is checked that what the desk says is what happened at the venue, or nothing; at the end, that
nothing is open, in doubt or missing.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from typing import Any

from hftbacktest.order import CANCELED, EXPIRED, FILLED

from arb.execution.answers import AnswerKind, BotAnswer, RequestRow
from arb.execution.desk_wires import NEVER, Outputs
from arb.execution.ids import SessionIds
from arb.execution.venue_desk import VenueDesk
from connectors.orders.model import (
    Act,
    Channel,
    EndCause,
    Force,
    OrderRequest,
    OrderStatus,
    VenueAnswer,
    Verdict,
    WireRequest,
)
from connectors.trade.interfaces import LineEvent, Sent
from connectors.trade.times import TradeTimes
from connectors.units import MILLISECOND, SECOND
from support.fake_protocol import FakeOrders, FakeUser, frame, instrument
from support.venue_model import RECV_MS, STYLES, Faults, TrueOrder, Venue

START_NS = 1_704_067_200 * SECOND
_STATUSES = {OrderStatus.FILLED: FILLED, OrderStatus.CANCELED: CANCELED, OrderStatus.EXPIRED: EXPIRED}


class History:
    """A desk, a bot and a venue; `run` is one history."""

    def __init__(self, seed: int, style: str | None = None, faults: Faults | None = None) -> None:
        self.rng = rng = random.Random(seed)
        self.style = style or rng.choice(STYLES)
        self.faults = faults or Faults.of(rng)
        self.now = START_NS
        self.skew_ms = rng.randint(-300, 300)
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._count = itertools.count()
        self.venue = Venue(self.style, rng, self.faults, self._event)
        self.protocol = FakeOrders(self.style)
        self.desk = VenueDesk(
            self.style,
            self.protocol,
            FakeUser(self.style),
            {0: instrument(is_spot="spot" in self.style)},
            SessionIds("tests1", 1, START_NS // MILLISECOND),
            TradeTimes(),
            RECV_MS,
        )
        self.lines = {"t": "", "u": ""}
        #: A stream of events that has a successor.
        self._second = ""
        self._line_numbers = itertools.count(1)
        self._alarm_ns = NEVER
        self.in_flight: dict[int, tuple[int, Act]] = {}
        #: By order: executions delivered, its end, its pending request.
        self.bot: dict[int, dict[str, Any]] = {}
        self._request_no = 0
        self.answers: list[BotAnswer] = []
        self.broken = ""
        self.is_calm = False
        self.log: list[str] = []

    # -- time

    def at(self, delay_ns: int, call: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (self.now + max(delay_ns, 0), next(self._count), call))

    def _run_until(self, end_ns: int, is_over: Callable[[], bool] = lambda: False) -> None:
        begun = next(self._count)
        while self._heap and self._heap[0][0] <= end_ns and not self.broken and not is_over():
            assert next(self._count) - begun < 100_000, "the desk asks without end"
            self.now, _, call = heapq.heappop(self._heap)
            self.venue.now_ms = self.now // MILLISECOND + self.skew_ms
            call()

    def _chance(self, probability: float) -> bool:
        return not self.is_calm and self.rng.random() < probability

    def _delay(self) -> int:
        if self.is_calm:
            return 5 * MILLISECOND
        return int(self.rng.expovariate(1.0) * self.faults.delay_ns) + MILLISECOND

    # -- lines

    def line_up(self, kind: str) -> None:
        if self.lines[kind]:
            return
        where = f"{kind}{next(self._line_numbers)}"
        self.lines[kind] = where
        self.input(lambda: self.desk.on_line(where, LineEvent.UP, "logon", self.now))

    def line_lost(self, kind: str) -> None:
        where = self.lines[kind]
        if not where:
            return
        self.lines[kind] = ""
        self.input(lambda: self.desk.on_line(where, LineEvent.LOST, "reset", self.now))
        self.at(self.rng.randint(10, 3_000) * MILLISECOND, lambda: self.line_up(kind))

    def change_over(self) -> None:
        """A second stream of events is up before the first one goes."""
        if not self.lines["u"] or self._second:
            return
        first, second = self.lines["u"], f"u{next(self._line_numbers)}"
        self.lines["u"], self._second = second, first
        self.input(lambda: self.desk.on_line(second, LineEvent.UP, "logon", self.now))
        self.input(lambda: self.desk.on_line(first, LineEvent.RETIRING, "", self.now))
        self.at(2 * SECOND, lambda: self._retire(first))

    def _retire(self, where: str) -> None:
        self._second = ""
        self.input(lambda: self.desk.on_line(where, LineEvent.LOST, "replaced", self.now))

    def _event(self, *records: Any) -> None:
        """The venue reports something on the stream that is up."""
        data = frame(*records)
        for where in filter(None, (self.lines["u"], self._second)):
            if self._chance(self.faults.lost):
                continue
            sent = b"?" if self._chance(self.faults.unknown * 0.2) else data
            for _ in range(2 if self._chance(self.faults.repeated) else 1):
                self.at(self._delay(), lambda where=where, sent=sent: self._deliver(where, sent))

    def _deliver(self, where: str, data: bytes) -> None:
        if where in (*self.lines.values(), self._second):
            self.input(lambda: self.desk.on_frame(where, data, self.now))

    # -- the desk

    def input(self, call: Callable[[], Outputs]) -> None:
        """One input of the desk, and everything that follows from its outputs."""
        self._follow(call())
        self.check()

    def _follow(self, outputs: Outputs) -> None:
        for event, text in outputs.events:
            self.log.append(f"{(self.now - START_NS) / 1e9:.3f} {event}: {text}")
            if event == "broken":
                self.broken = text
        for answer in outputs.answers:
            assert isinstance(answer, BotAnswer)
            self._answered(answer)
        for wire in outputs.wires:
            sent = self._send(wire)
            self._follow(self.desk.on_sent(wire.wire_id, sent, self.now))
        if outputs.due_ns < self._alarm_ns:
            self._alarm_ns = outputs.due_ns
            self.at(outputs.due_ns - self.now, self._tick)

    def _tick(self) -> None:
        if self.now >= self._alarm_ns:
            self._alarm_ns = NEVER
        self.input(lambda: self.desk.on_tick(self.now))

    def _send(self, wire: WireRequest) -> Sent:
        request = self.protocol.requests[wire.wire_id]
        stamp_ms = int(wire.text.split()[1])
        if wire.channel is Channel.REST:
            if self._chance(0.02):
                return Sent(False, "")
            where = f"r-{wire.wire_id}"
            self.at(self._delay(), lambda: self._rest(wire, request, stamp_ms))
            return Sent(True, where)
        where = self.lines["t"]
        if not where or self._chance(0.01):
            return Sent(False, "")
        if not self._chance(self.faults.lost):
            self.at(self._delay(), lambda: self._arrive(where, wire, request, stamp_ms))
        return Sent(True, where)

    def _arrive(self, where: str, wire: WireRequest, request: OrderRequest, stamp_ms: int) -> None:
        """A request reaches the venue by its socket; the answer follows unless the line is lost."""
        answer = self.venue.receive(wire.wire_id, request, stamp_ms)
        if self._chance(self.faults.lost):
            return
        if self._chance(self.faults.unknown):
            answer = VenueAnswer(wire.wire_id, Verdict.UNKNOWN, -1007, "timeout")
        data = frame(answer)
        for _ in range(2 if self._chance(self.faults.repeated) else 1):
            self.at(self._delay(), lambda: self._deliver(where, data))

    def _rest(self, wire: WireRequest, request: OrderRequest, stamp_ms: int) -> None:
        def answer(status: int, body: bytes, was_sent: bool) -> None:
            self.input(lambda: self.desk.on_rest(wire.wire_id, status, body, 0, was_sent, self.now))

        if self._chance(0.01):
            answer(0, b"refused", False)
            return
        is_lost = self._chance(self.faults.lost)
        if is_lost and self.rng.random() < 0.5:
            self.at(SECOND, lambda: answer(0, b"timeout", True))
            return
        said = self.venue.receive(wire.wire_id, request, stamp_ms)
        if is_lost:
            self.at(SECOND, lambda: answer(0, b"timeout", True))
            return
        if self._chance(self.faults.unknown):
            said = VenueAnswer(wire.wire_id, Verdict.UNKNOWN, -1007, "timeout")
        body = frame(said)
        self.at(self._delay(), lambda: answer(200, body, True))

    # -- the bot

    def act(self) -> None:
        """The bot places, cancels or amends."""
        rng = self.rng
        idle = [
            no for no, one in self.bot.items() if one["is_accepted"] and not one["end"] and not one["pending"]
        ]
        kind = rng.random()
        if not idle or kind < 0.5:
            self.place(
                rng.choice(tuple(Force)), rng.random() < 0.1, rng.randint(100, 110), rng.randint(1, 40)
            )
        elif kind < 0.75:
            self.change(rng.choice(idle), Act.CANCEL)
        else:
            self.change(rng.choice(idle), Act.AMEND, rng.randint(100, 103), rng.randint(1, 40))

    def place(self, force: Force, is_market: bool, tick: int, lots: int) -> int:
        order_id = len(self.bot) + 1
        side = self.rng.choice((1, -1))
        self.bot[order_id] = {
            "executed": {},
            "end": 0,
            "pending": 0,
            "is_accepted": False,
            "side": side,
            "force": force,
        }
        self._request(order_id, Act.PLACE, force, is_market, tick, lots)
        return order_id

    def change(self, order_id: int, act: Act, tick: int = 0, lots: int = 0) -> None:
        self._request(order_id, act, self.bot[order_id]["force"], False, tick, lots)

    def _request(self, order_id: int, act: Act, force: Force, is_market: bool, tick: int, lots: int) -> None:
        self._request_no += 1
        no = self._request_no
        one = self.bot[order_id]
        one["pending"] = no
        self.in_flight[no] = (order_id, act)
        row = RequestRow(order_id, no, act, one["side"], force, is_market, tick, lots, self.now)
        self.input(lambda: self.desk.on_request(0, row, self.now))

    def _answered(self, answer: BotAnswer) -> None:
        """Checks an answer against the truth, and gives it to the bot."""
        self.answers.append(answer)
        one = self.bot[answer.order_id]
        act = None
        if answer.request_no:
            order_id, act = self.in_flight.pop(answer.request_no)
            assert order_id == answer.order_id
            one["pending"] = 0
        truth = self._chain(answer.order_id)
        if answer.fill_lots:
            (x,) = [x for order in truth for x in order.executions if x.execution_id == answer.execution_id]
            assert x.execution_id not in one["executed"]
            assert (x.tick, x.lots, x.fee) == (answer.exec_tick, answer.fill_lots, answer.fee)
            one["executed"][x.execution_id] = x.lots
        if answer.kind is AnswerKind.REJECTED:
            self._check_refused(answer, act, truth)
            return
        executed = sum(one["executed"].values())
        assert answer.leaves_lots == answer.total_lots - executed
        assert truth
        if answer.kind is AnswerKind.ENDED:
            assert not one["end"]
            one["end"] = answer.status
            self._check_end(answer, truth, executed)
        else:
            one["is_accepted"] = True
            state = self.desk.orders.of(0, answer.order_id)
            assert state is not None
            if answer.kind is AnswerKind.MODIFIED and not one["end"]:
                versions = {version for order in truth for version in order.versions}
                assert (state.present.tick, state.present.total) in versions
                if answer.cause:
                    self._die(Act.AMEND, answer.request_no)

    def _check_refused(self, answer: BotAnswer, act: Act | None, truth: list[TrueOrder]) -> None:
        assert act is not None
        one = self.bot[answer.order_id]
        if act is Act.PLACE:
            assert all(not order.executions and not order.status.is_open for order in truth)
            one["end"] = EXPIRED
        self._die(act, answer.request_no, is_over=bool(one["end"]))

    def _die(self, act: Act, no: int, *, is_over: bool = False) -> None:
        letter = {Act.PLACE: "p", Act.CANCEL: "c", Act.AMEND: "a"}[act]
        key = (act, f"0-{no}-{letter}")
        assert is_over or key not in self.venue.done, f"{key} was done, but reported as refused"
        self.venue.dead.add(key)

    def _check_end(self, answer: BotAnswer, truth: list[TrueOrder], executed: int) -> None:
        last = truth[-1]
        assert all(not order.status.is_open for order in truth), "reported as ended, but open"
        assert executed == sum(order.executed for order in truth), "executions are missing"
        allowed = {_STATUSES[last.status]}
        if last.status is OrderStatus.CANCELED:
            if not last.rests or last.cause is EndCause.BY_VENUE or len(truth) > 0:
                allowed.add(EXPIRED)
        if answer.cause == "unknown" and not last.rests:
            allowed.add(EXPIRED)  # the venue does not know it any more, and had cut it to what was executed
        assert answer.status in allowed, f"{answer.status}, but {last.status.name}"

    def _chain(self, order_id: int) -> list[TrueOrder]:
        """The venue's orders of an order of the bot, in the order of their creation."""
        state = self.desk.orders.of(0, order_id)
        if state is None:
            return []
        found = {id(one): one for client in state.client_ids if (one := self.venue.orders.get(client))}
        return list(found.values())

    # -- checks

    def check(self) -> None:
        """After every input: what is known has happened."""
        for state in self.desk.orders.open.values():
            truth = self._chain(state.order_id)
            assert state.executed_lots <= sum(order.executed for order in truth)

    # -- one history

    def run(self, steps: int = 12) -> None:
        """A history: requests and events at random times, then calm, then the end of the session."""
        rng = self.rng
        self.line_up("t")
        self.line_up("u")
        for _ in range(steps):
            self.at(rng.randint(0, 8_000) * MILLISECOND, self.act)
            self.at(rng.randint(0, 8_000) * MILLISECOND, self.venue.happen)
            if rng.random() < self.faults.line_lost * 5:
                self.at(rng.randint(0, 8_000) * MILLISECOND, lambda: self.line_lost("t"))
            if rng.random() < self.faults.line_lost * 5:
                self.at(rng.randint(0, 8_000) * MILLISECOND, lambda: self.line_lost("u"))
        if rng.random() < 0.2:
            self.at(rng.randint(0, 8_000) * MILLISECOND, self.change_over)
        if rng.random() < 0.3:
            for _ in range(3):
                self.at(rng.randint(0, 8_000) * MILLISECOND, self.venue.trade_by_hand)
        self._run_until(START_NS + 9 * SECOND)
        self.is_calm = True
        self._run_until(START_NS + 15 * SECOND)
        self.input(lambda: self.desk.on_end(self.now))
        self._run_until(START_NS + 180 * SECOND, lambda: self.desk.is_done)
        self.finish()

    def finish(self) -> None:
        """Nothing is open, in doubt or missing."""
        assert not self.broken, self.broken
        assert self.desk.is_done, f"open: {list(self.desk.orders.open)}"
        assert not self.desk.doubts
        for order_id, one in self.bot.items():
            assert one["end"], f"order {order_id} has not ended"
            assert not one["pending"], f"not answered: {one['pending']}"
            executions = {x.execution_id: x.lots for order in self._chain(order_id) for x in order.executions}
            assert executions == one["executed"], f"order {order_id}"
        listed = {x.execution_id for x in self.desk.facts.executions.values()}
        assert listed == {x.execution_id for order in self.venue.orders.values() for x in order.executions}
