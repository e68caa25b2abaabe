"""Requests in doubt: never sent again, looked up until the venue's answers prove what happened."""

from __future__ import annotations

from decimal import Decimal

import pytest
from support.one_desk import CLIENT, Desk
from support.venue_history import START_NS

from arb.execution.answers import AnswerKind
from arb.execution.desk_wires import NEVER
from connectors.orders.model import (
    Act,
    Execution,
    Force,
    OrderStatus,
    VenueAnswer,
    Verdict,
)
from connectors.trade.interfaces import LineEvent
from connectors.units import MILLISECOND, SECOND


@pytest.mark.parametrize("how", ["timeout", "line lost", "answer"])
def test_a_request_without_an_outcome_is_looked_up_and_never_repeated(how: str) -> None:
    desk = Desk()
    desk.place()
    if how == "timeout":
        desk.pass_time(2 * SECOND)
    elif how == "line lost":
        desk.line("t1", LineEvent.LOST)
    else:
        desk.frame(VenueAnswer("0-1-p", Verdict.UNKNOWN, -1007), where="t1")
    assert list(desk.desk.doubts) == [CLIENT]
    assert {Act.LOOK_UP, Act.TIME, Act.EXECUTIONS} <= set(desk.acts)
    desk.answer_queries(desk.update(OrderStatus.NEW))
    assert desk.kinds() == [(AnswerKind.ACCEPTED, 1, "")]
    assert not desk.desk.doubts
    desk.pass_time(60 * SECOND)
    assert desk.acts == [Act.PLACE]


@pytest.mark.parametrize(("off_ms", "corrected_ms"), [(-5_000, -5_000), (-400, 0), (5_000, 5_000)])
def test_queries_have_the_venues_time_while_our_clock_is_wrong(off_ms: int, corrected_ms: int) -> None:
    desk = Desk()
    desk.place()
    desk.pass_time(2 * SECOND)
    (asked,) = [wire for wire in desk.sent if wire.act is Act.TIME]
    desk.sent.clear()
    desk.rest(asked.wire_id, VenueAnswer(asked.wire_id, Verdict.FOUND, venue_ms=desk.venue_ms + off_ms))
    desk.pass_time(SECOND // 2)
    stamps = {wire.act: int(wire.text.split()[1]) for wire in desk.sent}
    assert stamps[Act.LOOK_UP] == desk.venue_ms + corrected_ms


def test_orders_have_our_time_and_cancellations_the_venues_while_our_clock_is_wrong() -> None:
    desk = Desk()
    desk.desk.facts.clock_offset_ms = -5_000
    desk.place()
    desk.frame(desk.update(OrderStatus.NEW))
    desk.request(Act.CANCEL, 2)
    stamps = {wire.act: int(wire.text.split()[1]) - desk.venue_ms for wire in desk.sent}
    assert stamps == {Act.PLACE: 0, Act.CANCEL: -5_000}


def test_an_order_is_given_up_when_it_cannot_arrive_any_more_and_is_not_found_twice() -> None:
    desk = Desk()
    desk.place()
    desk.pass_time(2 * SECOND)
    asked_at = []
    while desk.due_ns != NEVER:
        if Act.LOOK_UP in desk.acts:
            asked_at.append((desk.now - START_NS) / SECOND)
        desk.answer_queries()
        assert desk.now < START_NS + 60 * SECOND
        if desk.due_ns != NEVER:
            desk.pass_time(max(desk.due_ns - desk.now, 0))
    assert desk.kinds() == [(AnswerKind.REJECTED, 1, "never arrived")]
    # At 14.5 s the venue's clock says that the time is over, and the order is looked up once more at once.
    assert asked_at == [2.0, 2.5, 3.5, 5.5, 9.5, 14.5]
    assert (desk.now - START_NS) / SECOND == 14.5
    (doubt,) = desk.desk.facts.doubts
    assert (doubt.cause, doubt.outcome) == ("no answer in time", "never")


def test_one_look_up_is_not_enough_although_the_time_is_over() -> None:
    desk = Desk()
    desk.place()
    lost = 0
    while desk.now < START_NS + 14 * SECOND:
        desk.pass_time(SECOND)
        for wire in [wire for wire in desk.sent if wire.act is Act.LOOK_UP]:
            desk.sent.remove(wire)
            desk.take(desk.desk.on_rest(wire.wire_id, 0, b"timeout", 0, True, desk.now))
            lost += 1
        desk.answer_queries()
    assert lost == 5
    desk.pass_time(SECOND)
    desk.answer_queries()
    assert desk.desk.doubts
    desk.pass_time(5 * SECOND)
    desk.answer_queries()
    assert desk.kinds() == [(AnswerKind.REJECTED, 1, "never arrived")]


def test_an_amendment_is_given_up_only_when_it_cannot_be_done_any_more() -> None:
    desk = Desk()
    desk.place()
    desk.frame(desk.update(OrderStatus.NEW))
    desk.request(Act.AMEND, 2, tick=101)
    desk.pass_time(2 * SECOND)
    asked_at = []
    while desk.desk.doubts:
        asked_at.append((desk.now - START_NS) / SECOND)
        desk.answer_queries(desk.update(OrderStatus.NEW))
        if desk.desk.doubts:
            desk.pass_time(max(desk.due_ns - desk.now, 0))
    # Each look-up finds the order as it was; the last is later than the receive window and ten seconds.
    assert asked_at == [2.0, 2.5, 3.5, 5.5, 9.5, 14.5]
    assert desk.kinds()[-1] == (AnswerKind.MODIFIED, 2, "never arrived")


def test_executions_are_known_up_to_the_query_of_their_first_page() -> None:
    desk = Desk()

    def sent(act: Act) -> list[str]:
        found = [wire.wire_id for wire in desk.sent if wire.act is act]
        desk.sent = [wire for wire in desk.sent if wire.act is not act]
        return found

    desk.place()
    while desk.now < START_NS + 14 * SECOND:
        desk.pass_time(500 * MILLISECOND)
        desk.answer_queries()
    desk.pass_time(500 * MILLISECOND)
    (early,) = sent(Act.EXECUTIONS)
    for wire_id in sent(Act.TIME):
        desk.rest(wire_id, VenueAnswer(wire_id, Verdict.FOUND, venue_ms=desk.venue_ms))
    (late,) = sent(Act.EXECUTIONS)
    for wire_id in sent(Act.LOOK_UP):
        desk.rest(wire_id, VenueAnswer(wire_id, Verdict.NOT_FOUND))
    desk.rest(early, VenueAnswer(early, Verdict.FOUND, cursor="2"))
    (page,) = sent(Act.EXECUTIONS)
    desk.rest(page, VenueAnswer(page, Verdict.FOUND))
    assert desk.desk.doubts, "what happened since the first page may be on none"
    desk.rest(late, VenueAnswer(late, Verdict.FOUND))
    assert desk.kinds() == [(AnswerKind.REJECTED, 1, "never arrived")]


def test_an_execution_of_an_unknown_order_keeps_the_doubt() -> None:
    desk = Desk()
    desk.place(Force.IOC)
    desk.pass_time(2 * SECOND)
    x = Execution("BTCUSDT", "", "v9", "x1", 1, 100, 3, False, Decimal(0), "", desk.venue_ms)
    for _ in range(12):
        desk.answer_queries(executions=(x,))
        desk.pass_time(5 * SECOND)
    assert desk.desk.doubts
    assert not desk.answers


def test_executions_of_unknown_orders_keep_no_doubt_about_an_order_whose_id_is_known() -> None:
    desk = Desk()
    desk.place(Force.IOC)
    desk.frame(desk.update(OrderStatus.NEW))
    desk.line("t1", LineEvent.LOST)
    x = Execution("BTCUSDT", "", "v9", "x1", 1, 100, 3, False, Decimal(0), "", desk.venue_ms)
    for _ in range(12):
        desk.answer_queries(executions=(x,))
        desk.pass_time(2 * SECOND)
    assert not desk.desk.doubts
    assert desk.kinds() == [(AnswerKind.ENDED, 1, "unknown")]


def test_executions_of_unknown_orders_keep_no_doubt_about_an_amendment_that_makes_no_order() -> None:
    desk = Desk()
    desk.place()
    desk.frame(desk.update(OrderStatus.NEW))
    desk.request(Act.AMEND, 2, tick=101)
    x = Execution("BTCUSDT", "", "v9", "x1", 1, 100, 3, False, Decimal(0), "", desk.venue_ms)
    for _ in range(12):
        desk.pass_time(2 * SECOND)
        desk.answer_queries(desk.update(OrderStatus.NEW), executions=(x,))
    assert not desk.desk.doubts
    assert desk.kinds()[-1] == (AnswerKind.MODIFIED, 2, "never arrived")


def test_orders_of_unknown_executions_are_looked_up_in_turn() -> None:
    desk = Desk()
    desk.place()
    desk.pass_time(2 * SECOND)
    executions = tuple(
        Execution("BTCUSDT", "", f"v{no}", f"x{no}", 1, 100, 3, False, Decimal(0), "", desk.venue_ms)
        for no in range(9, 20)
    )
    asked = []
    for _ in range(4):
        look_ups = (desk.orders.requests[wire.wire_id] for wire in desk.sent if wire.act is Act.LOOK_UP)
        asked.append({one.venue_order_id for one in look_ups if not one.client_id})
        desk.answer_queries(executions=executions)
        desk.pass_time(desk.due_ns - desk.now)
    assert [len(one) for one in asked] == [0, 5, 5, 5]
    assert set().union(*asked) == {f"v{no}" for no in range(9, 20)}
