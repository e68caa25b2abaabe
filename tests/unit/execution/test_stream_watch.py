"""A stream of an account that is up and reports nothing: what a query finds first must arrive there, too."""

from __future__ import annotations

from decimal import Decimal

from support.one_desk import CLIENT, Desk

from arb.execution.answers import AnswerKind
from arb.execution.stream_watch import SILENT_NS, StreamWatch
from connectors.orders.model import Act, Execution, Force, OrderStatus, VenueAnswer, Verdict
from connectors.trade.interfaces import LineEvent
from connectors.units import MILLISECOND, SECOND


def execution(desk: Desk, no: int = 1) -> Execution:
    return Execution("BTCUSDT", "", "v1", f"x{no}", 1, 100, 10, False, Decimal(0), "", desk.venue_ms)


def filled_without_an_event(desk: Desk) -> Execution:
    """An order whose answer says that it is filled, and whose execution is queried."""
    done = execution(desk)
    desk.place(Force.IOC)
    updates = (desk.update(OrderStatus.FILLED, 10),)
    desk.frame(VenueAnswer("0-1-p", Verdict.ACCEPTED, updates=updates), where="t1")
    desk.pass_time(SECOND // 2)
    desk.answer_queries(executions=(done,))
    assert desk.kinds() == [(AnswerKind.ENDED, 1, "")]
    return done


def silences(desk: Desk) -> int:
    return [event for event, _ in desk.events].count("silent")


def test_a_stream_that_does_not_report_an_execution_is_replaced() -> None:
    desk = Desk()
    filled_without_an_event(desk)
    desk.pass_time(2 * SECOND)
    assert desk.retired == []
    desk.pass_time(SECOND // 2)
    assert (silences(desk), desk.retired, desk.desk.is_up) == (1, ["u1"], False)
    desk.place(no=2)
    assert Act.PLACE not in desk.acts[1:]
    desk.line("u2", LineEvent.UP)
    desk.line("u1", LineEvent.LOST)
    desk.answer_queries()
    assert desk.desk.is_up


def test_a_stream_that_reports_it_later_is_kept() -> None:
    desk = Desk()
    done = filled_without_an_event(desk)
    desk.pass_time(2 * SECOND)
    desk.frame(done._replace(client_id=CLIENT))
    desk.pass_time(10 * SECOND)
    assert (silences(desk), desk.retired, desk.desk.is_up) == (0, [], True)


def test_a_stream_is_not_taken_for_silent_again_soon() -> None:
    watch, found = StreamWatch(), execution(Desk())
    begun = found.venue_ms * MILLISECOND
    for at_s, is_silent in ((0, True), (10, False), (40, True)):
        now = begun + at_s * SECOND
        watch.found(found, 0, now)
        assert watch.next_ns == max(now, begun + SILENT_NS)
        assert not watch.is_silent(now - 1)
        assert watch.is_silent(max(now, begun + SILENT_NS)) is is_silent
        assert watch.next_ns is None


def test_orders_that_rest_are_looked_for() -> None:
    """The venue fills one, and its stream is silent about that."""
    desk = Desk(reconcile_ns=60 * SECOND, account_ns=4 * SECOND)
    desk.pass_time(0)
    desk.answer_queries()
    desk.pass_time(4 * SECOND)
    assert Act.OPEN_ORDERS not in desk.acts, "none rests"
    desk.answer_queries()
    desk.place()
    desk.frame(desk.update(OrderStatus.NEW))
    desk.sent.clear()
    done = execution(desk)
    desk.pass_time(4 * SECOND)
    assert Act.OPEN_ORDERS in desk.acts
    for _ in range(2):
        desk.answer_queries(desk.update(OrderStatus.FILLED, 10), executions=(done,))
        desk.pass_time(SECOND // 2)
    assert desk.kinds()[-1] == (AnswerKind.ENDED, 0, "")
    assert (silences(desk), desk.desk.is_up) == (1, False)
