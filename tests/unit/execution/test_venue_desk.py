"""What a desk sends and when: at most once, nothing without a view of the account."""

from __future__ import annotations

from decimal import Decimal

import pytest
from support.one_desk import Desk

from arb.execution.answers import AnswerKind, FundingAnswer
from connectors.orders.model import (
    Act,
    Channel,
    Execution,
    Force,
    Funding,
    Notice,
    NoticeKind,
    OrderStatus,
    VenueAnswer,
    Verdict,
)
from connectors.trade.interfaces import LineEvent
from connectors.units import MILLISECOND, SECOND


def test_the_start_queries_the_account_before_it_is_up() -> None:
    desk = Desk(is_up=False)
    desk.line("u1", LineEvent.UP)
    assert set(desk.acts) == {
        Act.OPEN_ORDERS, Act.EXECUTIONS, Act.TIME, Act.BALANCES, Act.POSITION, Act.MODE, Act.COMMISSION,
    }  # fmt: skip
    assert not desk.desk.is_up
    desk.answer_queries()
    assert desk.desk.is_up
    facts = desk.desk.facts
    assert (facts.mode, facts.balances_start, facts.clock_offset_ms) == ("one-way", {"USDT": Decimal(5)}, 0)


@pytest.mark.parametrize("is_lost", [False, True])
def test_without_a_view_of_the_account_orders_are_refused_and_cancellations_sent(is_lost: bool) -> None:
    desk = Desk(is_up=is_lost)
    if is_lost:
        desk.place()
        desk.frame(desk.update(OrderStatus.NEW))
        desk.line("u1", LineEvent.LOST)
        desk.answers.clear()
        desk.sent.clear()
        desk.request(Act.AMEND, 2, tick=101)
        assert desk.kinds() == [(AnswerKind.MODIFIED, 2, "not up")]
        desk.request(Act.CANCEL, 3)
        assert desk.acts == [Act.CANCEL]
    else:
        desk.place()
        assert desk.kinds() == [(AnswerKind.REJECTED, 1, "not up")]
        assert not desk.sent


def test_what_the_socket_did_not_take_goes_by_rest_once() -> None:
    desk = Desk()
    desk.is_socket_up = False
    desk.place()
    assert [(wire.channel, wire.wire_id) for wire in desk.sent] == [(Channel.REST, "0-1-p")]
    desk.pass_time(60 * SECOND)
    assert [wire.wire_id for wire in desk.sent if wire.act is Act.PLACE] == ["0-1-p"]


def test_whether_orders_have_a_socket() -> None:
    desk = Desk()
    assert desk.desk.has_socket
    desk.line("t1", LineEvent.LOST)
    assert not desk.desk.has_socket
    assert desk.desk.is_up


def test_what_nobody_took_is_refused() -> None:
    desk = Desk()
    desk.is_socket_up = desk.is_rest_up = False
    desk.place()
    assert desk.kinds() == [(AnswerKind.REJECTED, 1, "not sent")]
    assert desk.desk.is_settled


def test_a_rest_request_that_was_not_sent_is_refused_and_one_that_was_is_in_doubt() -> None:
    for was_sent in (False, True):
        desk = Desk()
        desk.is_socket_up = False
        desk.place()
        desk.take(desk.desk.on_rest("0-1-p", 0, b"reset", 0, was_sent, desk.now))
        assert bool(desk.desk.doubts) is was_sent
        assert bool(desk.answers) is not was_sent


def test_a_request_is_forgotten_once_nothing_of_it_is_open_and_its_second_answer_is_one_to_nothing() -> None:
    desk = Desk()
    desk.place()
    assert list(desk.desk._asked) == ["0-1-p"]
    accepted = VenueAnswer("0-1-p", Verdict.ACCEPTED, updates=(desk.update(OrderStatus.NEW),))
    desk.frame(accepted, where="t1")
    assert (list(desk.desk._asked), desk.kinds()) == ([], [(AnswerKind.ACCEPTED, 1, "")])
    desk.frame(accepted, where="t1")
    assert [event for event, _ in desk.events] == ["up", "unasked"]


def test_missing_executions_are_queried_after_a_while() -> None:
    desk = Desk()
    desk.place(Force.IOC)
    desk.frame(
        VenueAnswer("0-1-p", Verdict.ACCEPTED, updates=(desk.update(OrderStatus.FILLED, 10),)), where="t1"
    )
    desk.pass_time(499 * MILLISECOND)
    assert desk.acts == [Act.PLACE]
    desk.pass_time(MILLISECOND)
    assert desk.acts == [Act.PLACE, Act.EXECUTIONS]
    x = Execution("BTCUSDT", "", "v1", "x1", 1, 100, 10, False, Decimal(0), "", desk.venue_ms)
    desk.answer_queries(executions=(x,))
    assert desk.kinds() == [(AnswerKind.ENDED, 1, "")]
    desk.pass_time(60 * SECOND)
    assert desk.acts == [Act.PLACE]


def test_a_stream_that_was_away_is_followed_by_a_look_at_orders_and_executions() -> None:
    desk = Desk()
    desk.place()
    desk.frame(desk.update(OrderStatus.NEW))
    desk.line("u1", LineEvent.LOST)
    desk.sent.clear()
    desk.pass_time(SECOND)
    desk.line("u2", LineEvent.UP)
    assert desk.acts == [Act.TIME, Act.OPEN_ORDERS, Act.EXECUTIONS]
    assert not desk.desk.is_up
    x = Execution("BTCUSDT", "", "v1", "x1", 1, 100, 10, True, Decimal(0), "", desk.venue_ms)
    desk.answer_queries(desk.update(OrderStatus.FILLED, 10), executions=(x,))
    assert desk.desk.is_up
    assert desk.kinds()[-1] == (AnswerKind.ENDED, 0, "")


def test_a_query_that_fails_is_repeated_until_the_desk_is_up() -> None:
    desk = Desk(is_up=False)
    desk.line("u1", LineEvent.UP)
    for wire in list(desk.sent):
        desk.sent.remove(wire)
        desk.take(desk.desk.on_rest(wire.wire_id, 0, b"timeout", 0, True, desk.now))
    desk.pass_time(SECOND)
    desk.answer_queries()
    assert desk.desk.is_up


def test_an_unreadable_event_leads_to_a_look_at_the_account() -> None:
    desk = Desk()
    desk.take(desk.desk.on_frame("u1", b"?", desk.now))
    assert not desk.desk.is_up
    desk.answer_queries()
    assert desk.desk.is_up


def test_after_a_limit_nothing_is_placed_until_its_end() -> None:
    desk = Desk()
    desk.place()
    limited = VenueAnswer("0-1-p", Verdict.REFUSED, -1003, "limit", retry_after_ns=3 * SECOND)
    desk.frame(limited, where="t1")
    desk.place(no=2)
    assert desk.kinds()[-1] == (AnswerKind.REJECTED, 2, "the venue limits requests")
    desk.pass_time(3 * SECOND)
    desk.place(no=3)
    assert len(desk.answers) == 2


def test_a_quantity_that_is_no_whole_number_of_lots_is_refused() -> None:
    desk = Desk()
    desk.place(lots=-1)
    assert desk.kinds() == [(AnswerKind.REJECTED, 1, "no whole number of lots")]


def test_a_request_that_cannot_be_encoded_is_refused_alone() -> None:
    desk = Desk()
    desk.orders.refuses = Act.PLACE
    desk.place()
    assert desk.kinds() == [(AnswerKind.REJECTED, 1, "no PLACE here")]


def test_a_socket_that_takes_no_more_requests_is_replaced() -> None:
    desk = Desk()
    desk.place()
    desk.frame(VenueAnswer("0-1-p", Verdict.REFUSED, 10019, is_line_over=True), where="t1")
    desk.frame(Notice(NoticeKind.SHUTDOWN), where="t1")
    assert desk.retired == ["t1", "t1"]
    assert desk.desk.closing == {"t1"}
    assert [text for event, text in desk.events if event == "line ends"] == ["t1: 10019 "]
    desk.line("t1", LineEvent.LOST)
    assert desk.desk.closing == set()


def test_what_rests_is_pulled_and_the_end_may_still_cancel_it() -> None:
    desk = Desk()
    desk.take(desk.desk.on_pull((0,), desk.now))
    desk.place()
    desk.frame(desk.update(OrderStatus.NEW))
    for no in (1, 2, 3):
        assert desk.sent[-1].wire_id == f"0-1-e{no}"
        desk.frame(VenueAnswer(f"0-1-e{no}", Verdict.REFUSED, -1003), where="t1")
        desk.pass_time(SECOND)
    assert len(desk.sent) == 4, "no more often"
    desk.take(desk.desk.on_end(desk.now))
    assert desk.sent[-1].wire_id == "0-1-e4"
    desk.frame(desk.update(OrderStatus.CANCELED))
    assert desk.kinds()[-1] == (AnswerKind.ENDED, 0, "")


def test_neither_other_legs_nor_orders_that_never_rest_are_pulled() -> None:
    desk = Desk()
    desk.place(Force.IOC)
    desk.frame(VenueAnswer("0-1-p", Verdict.ACCEPTED), where="t1")
    desk.take(desk.desk.on_pull((0,), desk.now))
    desk.pass_time(SECOND // 4)
    assert Act.CANCEL not in desk.acts
    resting = Desk()
    resting.place()
    resting.frame(resting.update(OrderStatus.NEW))
    for legs in ((7,), ()):
        resting.take(resting.desk.on_pull(legs, resting.now))
    assert Act.CANCEL not in resting.acts


def test_a_funding_payment_of_two_streams_is_one() -> None:
    desk = Desk()
    payment = Funding("BTCUSDT", "USDT", Decimal("-0.5"), 1e-4, 100.0, Decimal(3), desk.venue_ms)
    desk.frame(payment)
    desk.frame(payment, where="u2")
    assert [type(one) for one in desk.answers] == [FundingAnswer]


def test_the_end_cancels_what_is_open_and_queries_the_account() -> None:
    desk = Desk()
    desk.place()
    desk.frame(desk.update(OrderStatus.NEW))
    desk.sent.clear()
    desk.take(desk.desk.on_end(desk.now))
    assert [wire.wire_id for wire in desk.sent] == ["0-1-e1"]
    desk.frame(VenueAnswer("0-1-e1", Verdict.REFUSED, -1003), where="t1")
    desk.pass_time(SECOND)
    assert [wire.wire_id for wire in desk.sent] == ["0-1-e1", "0-1-e2"]
    ended = desk.update(OrderStatus.CANCELED)
    desk.frame(VenueAnswer("0-1-e2", Verdict.ACCEPTED, updates=(ended,)), where="t1")
    assert desk.kinds()[-1] == (AnswerKind.ENDED, 0, "")
    assert not desk.desk.is_done
    everything = ["balances", "commission", "executions", "mode", "open orders", "position"]
    assert (desk.desk.missing_facts, desk.desk.end_answers) == (everything, 0)
    lists = [wire for wire in desk.sent if wire.act is Act.EXECUTIONS]
    desk.rest(lists[0].wire_id, VenueAnswer(lists[0].wire_id, Verdict.FOUND, cursor="2"))
    assert (desk.desk.missing_facts, desk.desk.end_answers) == (everything, 1), "the second page is missing"
    desk.answer_queries()
    assert desk.desk.is_done
    assert not desk.desk.missing_facts
    assert desk.desk.facts.balances_end == {"USDT": Decimal(5)}


def test_orders_of_others_are_counted_and_answer_nothing() -> None:
    desk = Desk()
    other = desk.update(OrderStatus.NEW)._replace(client_id="web_1", venue_order_id="v7")
    desk.frame(other)
    desk.frame(other)
    assert desk.events[-1][0] == "foreign"
    assert (desk.desk.facts.foreign, desk.answers) == (2, [])


def test_while_the_venue_limits_requests_nothing_goes_over_the_socket() -> None:
    """Neither cancellations of the session's end nor queries; REST requests wait in their queue."""
    desk = Desk()
    desk.place()
    desk.frame(desk.update(OrderStatus.NEW))
    desk.sent.clear()
    desk.frame(VenueAnswer("", Verdict.REFUSED, -1003, "", retry_after_ns=3 * SECOND), where="t1")
    assert desk.desk.stopped_until_ns == desk.now + 3 * SECOND
    desk.take(desk.desk.on_end(desk.now))
    assert desk.sent == []
    desk.pass_time(3 * SECOND - 1)
    assert [one for one in desk.sent if one.channel is Channel.SOCKET] == []
    desk.pass_time(1)
    assert desk.acts == [Act.CANCEL]
