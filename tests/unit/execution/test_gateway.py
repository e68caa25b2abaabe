"""The gateway at the port of a live bot: requests leave together, answers reach the compiled strategy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hftbacktest.order import CANCELED, EXPIRED, FILLED, GTC, IOC, LIMIT, NEW
from support.dry_market import MS, START_NS, leg
from support.fake_protocol import FakeOrders, FakeUser, frame
from support.hand_gateway import first_rows

from arb.bot.compilation import compile_strategy
from arb.engine.live import LiveBot, LiveWorld
from arb.execution.desk_wires import Outputs
from arb.execution.gate_feed import GateFeed
from arb.execution.gateway import DeliveredAnswer, Gateway, ReadyRequest, TakenRequest
from arb.execution.ids import SessionIds
from arb.execution.venue_desk import VenueDesk
from arb.leg import Leg
from arb.risk.exposure import GateLeg
from arb.risk.gate import Gate, GateLimits
from arb.runtime.live_rows import LiveDriver
from arb.runtime.strategy_task import StrategyTask
from connectors.orders.model import (
    Act,
    EndCause,
    Execution,
    Instrument,
    OrderStatus,
    OrderUpdate,
    VenueAnswer,
    Verdict,
    WireRequest,
)
from connectors.orders.numbers import DecimalStep
from connectors.trade.interfaces import LineEvent, Sent
from connectors.trade.times import TradeTimes
from connectors.units import MILLISECOND

pytestmark = pytest.mark.slow


class Session:
    """A gateway, its bot and its venues; sockets take everything, and the test answers."""

    def __init__(self, function: Callable[..., Any], legs: int = 2, limits: GateLimits | None = None) -> None:
        """limits: of a gate; None: there is none."""
        self.now = START_NS
        self.legs = [leg(number) for number in range(legs)]
        self.wires: list[WireRequest] = []
        self.known: list[tuple[int, int]] = []
        self.noted: list[tuple[str, bool]] = []
        self.is_up = True
        self.taken: list[TakenRequest] = []
        self.delivered: list[DeliveredAnswer] = []
        self._later: list[Callable[[], None]] = []
        self.protocols: dict[str, FakeOrders] = {}
        desks = {}
        for venue in {one.venue for one in self.legs}:
            self.protocols[venue] = FakeOrders(venue)
            instruments = {
                no: Instrument(
                    one.symbol,
                    DecimalStep(f"{one.tick_size}"),
                    DecimalStep(f"{one.lot_size}"),
                    "BTC",
                    "USDT",
                    one.is_spot,
                )
                for no, one in enumerate(self.legs)
                if one.venue == venue
            }
            desks[venue] = VenueDesk(
                venue,
                self.protocols[venue],
                FakeUser(venue),
                instruments,
                SessionIds("tests1", 1, START_NS // MILLISECOND),
                TradeTimes(),
            )
        world = LiveWorld(self.legs, is_live=True)
        feed = None if limits is None else GateFeed(Gate(_gate_legs(self.legs), limits), world, desks)
        self.gateway = Gateway(world, self.legs, desks, self, lambda: self.now, self._later.append, feed)
        self.gateway.on_step = self.taken.extend
        self.gateway.on_delivered = self.delivered.extend
        self.bot = LiveBot(world, keep=self.gateway)
        self.out = np.zeros(32)
        self.task = StrategyTask(self.bot, compile_strategy(function), (self.bot, self.out))
        self.driver = LiveDriver(self.bot, self.task, self.gateway)
        self.gateway.wake = self.driver.on_answers
        for venue in desks:
            self._come_up(venue)
        assert self.driver.start()

    def send(self, venue: str, request: WireRequest) -> Sent:
        self.wires.append(request)
        #: How many requests of the strategy the desks knew, and the session had logged, when these bytes left.
        self.known.append((len(self.gateway.open_orders), len(self.taken)))
        return Sent(self.is_up, "t1")

    def log_sent(self, venue: str, request: WireRequest, sent: Sent) -> None:
        self.noted.append((request.wire_id, sent.is_sent))

    def _come_up(self, venue: str) -> None:
        """The stream of the account is up, and the queries of the catch-up are answered: there is nothing."""
        desk = self.gateway.desks[venue]
        self.gateway.apply(venue, desk.on_line("t1", LineEvent.UP, "logon", self.now), self.now)
        self.gateway.apply(venue, desk.on_line("u1", LineEvent.UP, "logon", self.now), self.now)
        for wire in self.wires:
            answer = frame(VenueAnswer(wire.wire_id, Verdict.FOUND))
            self.gateway.apply(venue, desk.on_rest(wire.wire_id, 200, answer, 0, True, self.now), self.now)
        for one in (self.wires, self.known, self.noted):
            one.clear()
        assert desk.is_up

    def rows(self, leg_no: int = 0) -> None:
        """The first rows of a leg."""
        self.now += MS
        self.driver.on_rows(leg_no, first_rows(leg_no, self.now), self.now)
        self.now += 2 * MS
        self.driver.on_time(self.now)
        self.run_later()

    def run_later(self) -> None:
        later = self._later[:]
        del self._later[: len(later)]
        for call in later:
            call()

    def answer(self, leg_no: int, input_of: Callable[[VenueDesk], Outputs]) -> None:
        """An input of the desk of a leg, 1 ms later."""
        self.now += MS
        venue = self.legs[leg_no].venue
        self.gateway.apply(venue, input_of(self.gateway.desks[venue]), self.now)
        self.run_later()

    def executed(self, wire: WireRequest, status: OrderStatus, lots: int) -> bytes:
        """The venue's answer to a placement that has executed so many lots at its price."""
        request = self.protocols[self.legs[wire.leg].venue].requests[wire.wire_id]
        update = OrderUpdate(
            request.symbol,
            request.client_id,
            "v1",
            status,
            lots,
            request.lots,
            request.tick,
            EndCause.NONE,
            self.now // MILLISECOND,
        )
        x = Execution(
            request.symbol,
            request.client_id,
            "v1",
            "x1",
            request.side,
            request.tick,
            lots,
            False,
            Decimal("0.01"),
            "USDT",
            self.now // MILLISECOND,
        )
        return frame(
            VenueAnswer(wire.wire_id, Verdict.ACCEPTED, updates=(update,), executions=(x,) if lots else ())
        )


def _gate_legs(legs: Sequence[Leg]) -> list[GateLeg]:
    return [
        GateLeg(one.venue, one.venue, 0, one.is_spot, "BTC", "USDT", one.tick_size, one.lot_size)
        for one in legs
    ]


def buy_both(bot, out):
    """Buys on both legs in one step, waits for both answers."""
    bot.elapse(1_000_000)
    for number in range(2):
        bot.submit_buy_order(number, 7, 100.0, 0.5, IOC, LIMIT, False)
    out[0] = bot.wait_order_response(0, 7, 60_000_000_000)
    out[1] = bot.wait_order_response(1, 7, 60_000_000_000)
    for number in range(2):
        order = bot.orders(number).get(7)
        out[2 + number] = order.status
        out[4 + number] = order.exec_qty
        out[6 + number] = bot.position(number)
    out[8] = bot.state_values(0).fee
    return 3


def test_the_requests_of_a_step_leave_together_and_their_answers_reach_the_strategy() -> None:
    session = Session(buy_both)
    session.rows(0)
    session.rows(1)
    assert [(wire.leg, wire.act, wire.wire_id) for wire in session.wires] == [
        (0, Act.PLACE, "0-1-p"),
        (1, Act.PLACE, "1-1-p"),
    ]
    assert [(one.leg, one.is_sent, one.step) for one in session.taken] == [(0, True, 1), (1, True, 1)]
    assert session.known == [(0, 0), (0, 0)]  # bytes leave first
    assert session.noted == [("0-1-p", True), ("1-1-p", True)]
    lots = round(0.5 / session.legs[0].lot_size)
    first, second = session.wires
    session.answer(
        0, lambda desk: desk.on_frame("t1", session.executed(first, OrderStatus.FILLED, lots), session.now)
    )
    session.answer(
        1, lambda desk: desk.on_frame("t1", session.executed(second, OrderStatus.EXPIRED, 0), session.now)
    )

    assert session.gateway.fault is None
    assert (session.task.value, session.task.error) == (3, None)
    assert list(session.out[:9]) == [0, 0, FILLED, EXPIRED, 0.5, 0.0, 0.5, 0.0, 0.01]
    assert [one.answer.request_no for one in session.delivered] == [1, 1]
    assert [float(row["price"]) for row in session.bot.fills] == [100.0]


def test_the_other_legs_request_leaves_when_one_cannot_be_sent_which_is_then_in_doubt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session = Session(buy_both)
    send = session.send

    def broken(venue: str, request: WireRequest) -> Sent:
        if request.leg == 0 and request.act is Act.PLACE:
            raise OSError("broken")
        return send(venue, request)

    monkeypatch.setattr(session, "send", broken)
    session.rows(0)
    session.rows(1)
    assert [wire.leg for wire in session.wires if wire.act is Act.PLACE] == [1]
    assert isinstance(session.gateway.fault, OSError)  # which ends the session
    desks = [session.gateway.desks[one.venue] for one in session.legs]
    assert [[doubt.act for doubt in desk.doubts.values()] for desk in desks] == [[Act.PLACE], []]
    assert len(session.gateway.open_orders) == 2


def place_and_cancel(bot, out):
    """An order that rests, is partly executed, then cancelled."""
    bot.elapse(1_000_000)
    bot.submit_sell_order(0, 3, 100.0, 0.5, GTC, LIMIT, False)
    out[0] = bot.wait_order_response(0, 3, 60_000_000_000)
    out[1] = bot.orders(0).get(3).status
    bot.cancel(0, 3, False)
    out[2] = bot.wait_order_response(0, 3, 60_000_000_000)
    order = bot.orders(0).get(3)
    out[3], out[4], out[5], out[6] = order.status, order.leaves_qty, bot.position(0), order.exec_qty
    return 1


def test_an_execution_does_not_answer_the_cancellation_in_flight() -> None:
    session = Session(place_and_cancel, legs=1)
    session.rows()
    (wire,) = session.wires
    session.answer(
        0, lambda desk: desk.on_frame("t1", session.executed(wire, OrderStatus.NEW, 0), session.now)
    )
    cancel = session.wires[1]
    assert (cancel.act, session.out[1]) == (Act.CANCEL, NEW)
    lots = round(0.5 / session.legs[0].lot_size)
    request = session.protocols[session.legs[0].venue].requests[wire.wire_id]
    x = Execution(
        request.symbol, request.client_id, "v1", "x9", -1, request.tick, lots // 5, True, Decimal(0), "", 1
    )
    session.answer(0, lambda desk: desk.on_frame("u1", frame(x), session.now))
    assert session.out[2] == 0.0
    assert session.task.is_alive
    ended = OrderUpdate(
        request.symbol, request.client_id, "v1", OrderStatus.CANCELED, lots // 5, lots, request.tick,
        EndCause.BY_USER, 2,
    )  # fmt: skip
    session.answer(0, lambda desk: desk.on_frame("u1", frame(ended), session.now))

    assert session.task.value == 1
    assert session.out[3] == CANCELED
    assert list(session.out[4:7]) == pytest.approx([0.4, -0.1, 0.1])
    assert session.gateway.is_settled


def count_answers(bot, out):
    """An order that rests; notes when it is executed, and how much of it."""
    bot.elapse(1_000_000)
    bot.submit_sell_order(0, 3, 100.0, 0.5, GTC, LIMIT, False)
    while bot.wait_next_feed(True, 60_000_000_000) != 1:
        order = bot.orders(0).get(3)
        if order.leaves_qty < 0.45:
            out[1 + int(out[0])] = order.leaves_qty
            out[0] += 1
    return 1


def test_the_answers_of_one_read_wake_the_strategy_once() -> None:
    session = Session(count_answers, legs=1)
    session.rows()
    (wire,) = session.wires
    session.answer(
        0, lambda desk: desk.on_frame("t1", session.executed(wire, OrderStatus.NEW, 0), session.now)
    )
    request = session.protocols[session.legs[0].venue].requests[wire.wire_id]
    venue, lots = session.legs[0].venue, request.lots // 5
    desk, before, switches = session.gateway.desks[venue], len(session.delivered), session.task.switches
    for number, has_more in ((1, True), (2, False)):
        assert session.task.switches == switches
        x = Execution(
            request.symbol, request.client_id, "v1", f"x{number}", -1, request.tick, lots, True, Decimal(0), "", 1
        )  # fmt: skip
        session.now += 1
        session.gateway.apply(venue, desk.on_frame("u1", frame(x), session.now), session.now, has_more)

    assert session.task.switches == switches + 1
    assert [one.received_ns for one in session.delivered[before:]] == [session.now - 1, session.now]
    # Each answer ends a wait of its own, at its own time.
    assert list(session.out[:3]) == pytest.approx([2.0, 0.4, 0.3])
    session.task.stop()


def test_what_no_line_takes_is_refused_at_once() -> None:
    session = Session(buy_both)
    session.is_up = False
    session.rows(0)
    session.rows(1)

    assert [(one.answer.request_no, one.answer.cause) for one in session.delivered] == [(1, "not sent")] * 2
    assert [int(one.row["status"][0]) for one in session.delivered] == [EXPIRED, EXPIRED]
    assert [one.is_sent for one in session.taken] == [False, False]
    assert session.gateway.is_settled


def test_a_step_is_committed_before_its_first_byte() -> None:
    session = Session(buy_both)
    committed: list[tuple[list[str], int]] = []

    def commit(ready: Sequence[ReadyRequest]) -> bool:
        committed.append(([one.wire.wire_id for one in ready], len(session.wires)))
        return True

    session.gateway.commit = commit
    session.rows(0)
    session.rows(1)
    assert committed == [(["0-1-p", "1-1-p"], 0)]
    assert len(session.wires) == 2


def test_what_cannot_be_committed_is_never_sent() -> None:
    session = Session(buy_both)
    tries: list[int] = []

    def commit(ready: Sequence[ReadyRequest]) -> bool:
        tries.append(len(ready))
        return len(tries) > 1

    session.gateway.commit = commit
    session.rows(0)
    session.rows(1)
    assert session.gateway.fault is None
    assert (session.wires, session.taken, session.gateway.open_orders) == ([], [], [])
    assert [(one.leg, one.taken_ns, one.is_sent) for one in session.gateway.drain()] == [
        (0, 0, False),
        (1, 0, False),
    ]
    assert session.gateway.drain() == []


def test_a_request_that_its_desk_refuses_is_not_committed() -> None:
    session = Session(buy_both)
    committed: list[int] = []

    def commit(ready: Sequence[ReadyRequest]) -> bool:
        committed.append(len(ready))
        return True

    session.gateway.commit = commit
    for desk in session.gateway.desks.values():
        desk.on_end(session.now)
    session.rows(0)
    session.rows(1)
    assert committed == []
    assert [one.answer.cause for one in session.delivered] == ["the session ends"] * 2


def gated(limits: GateLimits = GateLimits()) -> Session:  # noqa: B008
    """Both legs bought behind a gate, with enough money."""
    session = Session(buy_both, limits=limits)
    assert session.gateway.gate is not None
    for one in session.legs:
        session.gateway.gate.gate.exposure.set_balances(one.venue, {"USDT": 1e6})
    for book in session.gateway.gate._books:  # the strategy orders before the second leg's first row
        book[2], book[3] = 599_990, 600_000
    return session


def test_what_the_gate_lets_pass_leaves_as_without_it() -> None:
    session = gated()
    session.rows(0)
    session.rows(1)
    assert [wire.wire_id for wire in session.wires] == ["0-1-p", "1-1-p"]
    assert [one.refused for one in session.taken] == ["", ""]


def test_what_the_gate_refuses_is_answered_and_neither_sent_nor_committed() -> None:
    session = gated(GateLimits(max_notional=49.0))
    committed: list[Sequence[ReadyRequest]] = []
    session.gateway.commit = lambda ready: bool(committed.append(ready))
    session.rows(0)
    session.rows(1)
    assert (session.wires, committed) == ([], [])
    assert [one.refused for one in session.taken] == ["value above live.max_notional: 49"] * 2
    assert [(one.answer.request_no, int(one.row["status"][0])) for one in session.delivered] == [
        (1, EXPIRED),
        (1, EXPIRED),
    ]
    assert session.gateway.is_settled


@pytest.mark.parametrize(
    ("positions", "takes", "sent", "refused"),
    [((), 1, 0, 2), ((1, -1), 1, 0, 2), ((0, -1), 1, 2, 0), ((0, -1), 0, 0, 0)],
)
def test_without_room_in_the_journal_only_what_reduces_is_committed_and_sent(
    positions: tuple[int, ...], takes: int, sent: int, refused: int
) -> None:
    session, commits = gated(), list[int]()
    for no, orders in enumerate(positions):
        session.gateway.gate.gate.exposure.set_position(no, round(orders * 0.5 / session.legs[no].lot_size))  # type: ignore[union-attr]
    session.gateway.commit = lambda ready: commits.append(len(ready)) or 1 < len(commits) <= 1 + takes  # type: ignore[func-returns-value]
    session.gateway.shortage = lambda: "full"
    for no in (0, 1):
        session.rows(no)
    assert commits == ([2] if refused else [2, 2])
    assert [wire.wire_id for wire in session.wires] == ["0-1-p", "1-1-p"][:sent]
    assert [one.refused for one in session.taken if one.refused] == ["halted: full"] * refused
    assert len(session.gateway.drain()) == 2 - sent - refused


def test_a_leg_does_not_go_without_the_one_that_cannot_be_encoded() -> None:
    session = gated()
    session.protocols[session.legs[1].venue].refuses = Act.PLACE
    session.rows(0)
    session.rows(1)
    assert session.wires == []
    assert [one.refused for one in session.taken] == ["another leg is refused: its desk does not send it", ""]
    assert [int(one.row["status"][0]) for one in session.delivered] == [EXPIRED, EXPIRED]
    assert session.gateway.gate is not None
    assert [state.orders for state in session.gateway.gate.gate.exposure.states] == [{}, {}]
