"""Requests in doubt: never sent again, looked up until the venue's answers prove what happened."""

from __future__ import annotations

from decimal import Decimal

import pytest
from support.one_desk import CLIENT, Desk
from support.venue_history import START_NS

from arb.execution.answers import AnswerKind, RequestRow
from arb.execution.desk_wires import NEVER
from connectors.orders.model import (
    Act,
    Execution,
    Force,
    OrderStatus,
    RefusedFor,
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


def test_a_refusal_for_the_time_asks_for_the_venues_clock_at_once() -> None:
    desk = Desk()
    desk.place()
    answer = VenueAnswer("0-1-p", Verdict.REFUSED, -1021, "outside of the recvWindow", reason=RefusedFor.TIME)
    desk.frame(answer, where="t1")
    assert desk.acts.count(Act.TIME) == 1


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


def in_doubt(force: Force, *executions: Execution) -> Desk:
    """A desk whose order is not found under any id, asked about for a minute; the venue lists these executions."""
    desk = Desk("binance_spot")
    desk.place(force)
    ask_for_a_minute(desk, *executions)
    return desk


def ask_for_a_minute(desk: Desk, *executions: Execution) -> None:
    while desk.now < START_NS + 60 * SECOND:
        desk.pass_time(SECOND // 2)
        desk.answer_queries(executions=executions)


def executed(no: int, lots: int, *, order: str = "v9", tick: int = 100, after_ms: int = 500) -> Execution:
    at_ms = START_NS // MILLISECOND + after_ms
    return Execution("BTCUSDT", "", order, f"x{no}", 1, tick, lots, False, Decimal(0), "", at_ms)


def test_an_order_that_the_venue_does_not_know_any_more_is_what_its_executions_say() -> None:
    desk = in_doubt(Force.IOC, executed(1, 3), executed(2, 4, tick=99))
    assert not desk.desk.doubts
    assert [(one.kind, one.fill_lots) for one in desk.answers] == [
        (AnswerKind.EXECUTED, 3),
        (AnswerKind.EXECUTED, 4),
        (AnswerKind.ENDED, 0),
    ]
    assert desk.kinds()[-1][:2] == (AnswerKind.ENDED, 1)
    (doubt,) = desk.desk.facts.doubts
    assert (doubt.cause, doubt.outcome) == ("no answer in time", "final")
    assert [text for event, text in desk.events if event == "found"] == [
        f"{CLIENT}: by its executions, as order v9 of the venue"
    ]


def test_its_executions_decide_only_when_both_of_its_ids_were_not_found_twice_after_it_expired() -> None:
    desk = Desk("binance_spot")
    desk.place(Force.IOC)
    desk.pass_time(2 * SECOND)
    while desk.desk.doubts:
        desk.answer_queries(executions=(executed(1, 3),))
        if desk.desk.doubts:
            desk.pass_time(max(desk.due_ns - desk.now, 0))
    assert (desk.now - START_NS) / SECOND == 14.5


def test_an_unknown_order_that_was_not_looked_up_decides_nothing_although_the_time_is_over() -> None:
    desk = Desk("binance_spot")
    desk.place(Force.IOC)
    while desk.now < START_NS + 14 * SECOND:  # its execution is in no list until then
        desk.pass_time(SECOND // 2)
        desk.answer_queries()
    desk.pass_time(SECOND // 2)
    desk.answer_queries(executions=(executed(1, 3),))
    assert desk.desk.doubts
    assert not desk.answers
    ask_for_a_minute(desk, executed(1, 3))
    assert desk.kinds()[-1][:2] == (AnswerKind.ENDED, 1)


def test_a_whole_execution_ends_the_doubt_about_an_order_that_rests_and_a_part_does_not() -> None:
    desk = in_doubt(Force.GTC, executed(1, 10))
    assert desk.kinds() == [(AnswerKind.ENDED, 1, "")]
    assert in_doubt(Force.GTC, executed(1, 9)).desk.doubts


@pytest.mark.parametrize(
    "other",
    [
        executed(1, 3, tick=101),
        executed(1, 11),
        executed(1, 3, after_ms=12_001),
    ],
    ids=["a worse price", "more than its quantity", "after it had expired"],
)
def test_an_execution_that_cannot_be_of_the_order_does_not_keep_its_doubt(other: Execution) -> None:
    assert in_doubt(Force.IOC, other).kinds() == [(AnswerKind.REJECTED, 1, "never arrived")]


def test_a_part_of_a_fill_or_kill_order_is_of_another_order() -> None:
    assert in_doubt(Force.FOK, executed(1, 3)).kinds() == [(AnswerKind.REJECTED, 1, "never arrived")]
    whole = in_doubt(Force.FOK, executed(1, 3), executed(2, 7), executed(3, 9, order="v10"))
    assert whole.kinds()[-1] == (AnswerKind.ENDED, 1, "")
    assert sum(one.fill_lots for one in whole.answers) == 10


def test_executions_of_two_unknown_orders_keep_the_doubt() -> None:
    desk = in_doubt(Force.IOC, executed(1, 3), executed(2, 3, order="v10"))
    assert desk.desk.doubts
    assert not desk.answers


def test_an_unknown_order_that_two_requests_may_have_made_keeps_both_doubts() -> None:
    desk = Desk("binance_spot")
    for no in (1, 2):
        row = RequestRow(no, no, Act.PLACE, 1, Force.IOC, False, 100, 10, desk.now)
        desk.take(desk.desk.on_request(0, row, desk.now))
    ask_for_a_minute(desk, executed(1, 3))
    assert len(desk.desk.doubts) == 2


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
