"""What a desk sends and when: at most once, nothing without a view of the account, look-ups until a doubt ends."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from support.fake_protocol import FakeOrders, FakeUser, frame, instrument
from support.venue_history import START_NS

from arb.execution.answers import AnswerKind, BotAnswer, FundingAnswer, RequestRow
from arb.execution.desk_wires import NEVER, Outputs
from arb.execution.venue_desk import VenueDesk
from connectors.orders.model import (
    AccountView,
    Act,
    Channel,
    EndCause,
    Execution,
    Force,
    Funding,
    Notice,
    NoticeKind,
    OrderStatus,
    OrderUpdate,
    VenueAnswer,
    Verdict,
    WireRequest,
)
from connectors.trade.interfaces import LineEvent, Sent
from connectors.trade.times import TradeTimes
from connectors.units import MILLISECOND, SECOND

RECV_MS = 2_000
CLIENT = f"arb-{START_NS // MILLISECOND:x}-0-1"


class Desk:
    """A desk of one leg on simulated time. Sockets take everything unless `is_socket_up` is False."""

    def __init__(self, venue: str = "binance_usdm", *, is_up: bool = True) -> None:
        self.now = START_NS
        self.orders = FakeOrders(venue)
        legs = {0: instrument(is_spot="spot" in venue)}
        self.desk = VenueDesk(
            venue, self.orders, FakeUser(venue), legs, START_NS // MILLISECOND, TradeTimes(), RECV_MS
        )
        self.is_socket_up = True
        self.is_rest_up = True
        self.sent: list[WireRequest] = []
        self.answers: list[BotAnswer | FundingAnswer] = []
        self.events: list[tuple[str, str]] = []
        self.retired: list[str] = []
        self.due_ns = NEVER
        self.take(self.desk.on_line("t1", LineEvent.UP, "logon", self.now))
        if is_up:
            self.line("u1", LineEvent.UP)
            self.answer_queries()
            assert self.desk.is_up

    def take(self, outputs: Outputs) -> None:
        self.answers += outputs.answers
        self.events += outputs.events
        self.retired += outputs.retire
        self.due_ns = outputs.due_ns
        for wire in outputs.wires:
            is_sent = self.is_socket_up if wire.channel is Channel.SOCKET else self.is_rest_up
            if is_sent:
                self.sent.append(wire)
            where = "t1" if wire.channel is Channel.SOCKET else f"r{len(self.sent)}"
            self.take(self.desk.on_sent(wire.wire_id, Sent(is_sent, where), self.now))

    def line(self, where: str, event: LineEvent) -> None:
        self.take(self.desk.on_line(where, event, "logon", self.now))

    def place(self, force: Force = Force.GTC, no: int = 1, *, lots: int = 10) -> None:
        self.request(Act.PLACE, no, force=force, lots=lots)

    def request(
        self, act: Act, no: int, *, force: Force = Force.GTC, tick: int = 100, lots: int = 10
    ) -> None:
        row = RequestRow(1, no, act, 1, force, False, tick, lots, self.now)
        self.take(self.desk.on_request(0, row, self.now))

    def frame(self, *decoded: Any, where: str = "u1") -> None:
        self.take(self.desk.on_frame(where, frame(*decoded), self.now))

    def rest(self, wire_id: str, *decoded: Any) -> None:
        self.take(self.desk.on_rest(wire_id, 200, frame(*decoded), 0, True, self.now))

    def update(self, status: OrderStatus, cum: int = 0) -> OrderUpdate:
        return OrderUpdate("BTCUSDT", CLIENT, "v1", status, cum, 10, 100, EndCause.NONE, self.venue_ms)

    @property
    def venue_ms(self) -> int:
        return self.now // MILLISECOND

    def pass_time(self, span_ns: int) -> None:
        """Lets time pass, with every due tick."""
        end_ns = self.now + span_ns
        while self.due_ns <= end_ns:
            self.now = max(self.now, self.due_ns)
            self.take(self.desk.on_tick(self.now))
        self.now = end_ns

    def answer_queries(self, *updates: OrderUpdate, executions: tuple[Execution, ...] = ()) -> None:
        """Answers all queries that were sent: orders and executions are these."""
        while queries := [wire for wire in self.sent if wire.act not in (Act.PLACE, Act.CANCEL, Act.AMEND)]:
            for wire in queries:
                self.sent.remove(wire)
                self.rest(wire.wire_id, self._answer(wire, updates, executions))

    def _answer(self, wire: WireRequest, updates: Any, executions: Any) -> Any:
        if wire.act is Act.LOOK_UP:
            found = tuple(u for u in updates if u.client_id == self.orders.requests[wire.wire_id].client_id)
            return VenueAnswer(wire.wire_id, Verdict.FOUND if found else Verdict.NOT_FOUND, updates=found)
        if wire.act in (Act.BALANCES, Act.POSITION):
            return AccountView({"USDT": Decimal(5)}, {}, False, self.venue_ms)
        if wire.act is Act.MODE:
            return Notice(NoticeKind.MODE_CHANGED, "one-way")
        is_list = wire.act is Act.OPEN_ORDERS
        return VenueAnswer(
            wire.wire_id,
            Verdict.FOUND,
            updates=tuple(u for u in updates if u.status.is_open) if is_list else (),
            executions=executions if wire.act is Act.EXECUTIONS else (),
            venue_ms=self.venue_ms,
        )

    @property
    def acts(self) -> list[Act]:
        return [wire.act for wire in self.sent]

    def kinds(self) -> list[tuple[AnswerKind, int, str]]:
        return [(one.kind, one.request_no, one.cause) for one in self.answers if isinstance(one, BotAnswer)]


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
    assert asked_at[:5] == [2.0, 2.5, 3.5, 5.5, 9.5]
    assert desk.now - START_NS >= (RECV_MS * MILLISECOND + 10 * SECOND)
    (doubt,) = desk.desk.facts.doubts
    assert (doubt.cause, doubt.outcome) == ("no answer in time", "never")


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
    assert desk.acts == [Act.OPEN_ORDERS, Act.EXECUTIONS]
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
    desk.answer_queries()
    assert desk.desk.is_done
    assert desk.desk.facts.balances_end == {"USDT": Decimal(5)}


def test_orders_of_others_are_counted_and_answer_nothing() -> None:
    desk = Desk()
    other = desk.update(OrderStatus.NEW)._replace(client_id="web_1", venue_order_id="v7")
    desk.frame(other)
    desk.frame(other)
    assert desk.events[-1][0] == "foreign"
    assert (desk.desk.facts.foreign, desk.answers) == (2, [])
