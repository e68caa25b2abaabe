"""The gateway at the port of a live bot: requests leave together, answers reach the compiled strategy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pytest
from hftbacktest.order import CANCELED, EXPIRED, FILLED, GTC, IOC, LIMIT, MARKET, NEW
from support.fake_protocol import frame
from support.gateway_session import GatewaySession

from arb.bot.recorder import Recorder
from arb.execution.answers import RequestRow
from arb.execution.gateway import ReadyRequest
from arb.risk.gate import GateLimits
from connectors.orders.model import (
    Act,
    EndCause,
    Execution,
    Force,
    OrderStatus,
    OrderUpdate,
    WireRequest,
)
from connectors.trade.interfaces import Sent

pytestmark = pytest.mark.slow


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
    session = GatewaySession(buy_both)
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


def test_answers_are_noted_after_the_strategy_has_run_with_the_orders_that_they_are_about() -> None:
    session = GatewaySession(buy_both)
    session.rows(0)
    session.rows(1)
    venue, first = session.legs[0].venue, session.wires[0]
    desk, noted = session.gateway.desks[venue], []
    order = desk.orders.of(0, 7)

    def wake(now: int) -> None:
        noted.append(len(session.delivered))
        again = RequestRow(7, 2, Act.PLACE, 1, Force.IOC, False, 1_000, 5, now)  # the id, once more
        session.gateway.apply(venue, desk.on_request(0, again, now), now, True)

    session.gateway.wake = wake
    lots = round(0.5 / session.legs[0].lot_size)
    session.answer(
        0, lambda desk: desk.on_frame("t1", session.executed(first, OrderStatus.FILLED, lots), session.now)
    )

    assert noted == [0]
    assert desk.orders.of(0, 7) is not order
    assert [one.order for one in session.delivered] == [order]
    session.task.stop()


def test_the_other_legs_request_leaves_when_one_cannot_be_sent_which_is_then_in_doubt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session = GatewaySession(buy_both)
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
    session = GatewaySession(place_and_cancel, legs=1)
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
    session = GatewaySession(count_answers, legs=1)
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
    session = GatewaySession(buy_both)
    session.is_up = False
    session.rows(0)
    session.rows(1)

    assert [(one.answer.request_no, one.answer.cause) for one in session.delivered] == [(1, "not sent")] * 2
    assert [int(one.row["status"][0]) for one in session.delivered] == [EXPIRED, EXPIRED]
    assert [one.is_sent for one in session.taken] == [False, False]
    assert session.gateway.is_settled


def test_a_step_is_committed_before_its_first_byte() -> None:
    session = GatewaySession(buy_both)
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
    session = GatewaySession(buy_both)
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
    session = GatewaySession(buy_both)
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


def buy_and_log(bot, recorder, out):
    """A market order, and the line about it of a strategy that counts attempts."""
    bot.elapse(1_000_000)
    bot.submit_buy_order(0, 7, 100.0, 0.5, GTC, MARKET, False)
    recorder.decide(0, 3, 29, 0, 7, 0.0)
    out[0] = bot.wait_order_response(0, 7, 60_000_000_000)
    order = bot.orders(0).get(7)
    out[1], out[2], out[3], out[4] = order.status, order.price, order.exec_qty, bot.position(0)
    return 3


def test_a_market_order_is_sent_as_ioc_at_the_edge_of_the_band() -> None:
    """The ask is 60,001.4, where the venue executes it; beyond the band it expires. Its client id has the attempt."""
    recorder = Recorder(1)
    session = gated(GateLimits(price_band_bps=50.0), legs=1, function=buy_and_log, recorder=recorder)
    session.gateway.attempts.decisions = lambda: recorder.decisions
    committed: list[ReadyRequest] = []
    session.gateway.commit = lambda ready: committed.extend(ready) or True
    session.rows(0)
    (wire,) = session.wires
    request = session.protocols[session.legs[0].venue].requests[wire.wire_id]
    assert (request.is_market, request.force, request.tick) == (False, Force.IOC, 603_014)
    assert request.client_id == "arb-tests1-1-1d-0-1"
    assert [(one.row.is_market, one.row.tick, one.row.attempt) for one in committed] == [(False, 603_014, 29)]
    assert [(one.bound, one.attempt) for one in session.taken] == [(603_014, 29)]
    session.answer(
        0, lambda desk: desk.on_frame("t1", session.executed(wire, OrderStatus.EXPIRED, 200), session.now)
    )
    # The strategy has its own order back, without the bound.
    assert session.task.value == 3
    assert list(session.out[:5]) == [0, EXPIRED, 100.0, 0.2, 0.2]


def gated(
    limits: GateLimits = GateLimits(),  # noqa: B008
    legs: int = 2,
    function: Callable[..., Any] = buy_both,
    recorder: Recorder | None = None,
) -> GatewaySession:
    """Both legs bought behind a gate, or what else a function does, with enough money."""
    session = GatewaySession(function, legs, limits, recorder)
    assert session.gateway.gate is not None
    for one in session.legs:
        session.gateway.gate.gate.exposure.set_balances(one.venue, {"USDT": 1e6})
    for book in session.gateway.gate._books:  # the strategy orders before the second leg's first row
        book[2], book[3] = 599_990, 600_000
    return session


def test_answers_can_be_noted_before_the_strategy_is_woken_and_are_noted_once() -> None:
    session, woken = gated(GateLimits(max_notional=49.0)), []
    session.gateway.wake = lambda now: woken.append(now)
    later, session.run_later = session.run_later, lambda: None  # type: ignore[method-assign]
    session.rows(0)
    assert (len(session.taken), session.delivered) == (2, [])
    session.gateway.note_answers()
    assert ([one.answer.request_no for one in session.delivered], woken) == ([1, 1], [])
    later()
    assert (len(session.delivered), woken) == (2, [session.now])
    session.gateway.note_answers()
    later()
    assert (len(session.delivered), len(woken)) == (2, 1)


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
