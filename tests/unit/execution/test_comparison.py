"""Open orders and positions are compared with the venue's again and again while a session runs."""

from __future__ import annotations

from decimal import Decimal

import pytest
from support.one_desk import CLIENT, Desk

from arb.execution.position_watch import TIMES, PositionWatch
from connectors.orders.model import (
    AccountView,
    Act,
    Execution,
    ExecutionKind,
    Notice,
    NoticeKind,
    OrderStatus,
    Setting,
    Transfer,
    VenueAnswer,
    Verdict,
)
from connectors.trade.interfaces import LineEvent
from connectors.units import SECOND

EVERY_NS = 30 * SECOND


def desk_of(opening: int = 0, account_ns: int = 0) -> Desk:
    """A desk that has compared its account once."""
    desk = Desk(reconcile_ns=EVERY_NS, account_ns=account_ns, opening=opening)
    desk.position = Decimal(opening) / 1000
    assert not desk.desk.is_compared
    desk.pass_time(0)
    desk.answer_queries()
    assert desk.desk.is_compared
    return desk


def differences(desk: Desk) -> list[tuple[str, str]]:
    return [one for one in desk.events if one[0].startswith("position")]


def test_the_account_is_compared_at_the_interval() -> None:
    desk = desk_of()
    desk.pass_time(EVERY_NS - 1)
    assert desk.acts == []
    desk.pass_time(1)
    assert set(desk.acts) == {Act.OPEN_ORDERS, Act.BALANCES, Act.POSITION}
    desk.answer_queries()
    assert differences(desk) == []
    assert desk.desk.facts.balances == {"USDT": Decimal(5)}


def test_balances_positions_and_the_clock_are_queried_in_between() -> None:
    desk = desk_of(account_ns=7 * SECOND)
    own = {Act.BALANCES, Act.POSITION, Act.TIME}
    for _ in range(4):
        desk.pass_time(7 * SECOND - 1)
        assert desk.acts == []
        desk.pass_time(1)
        assert set(desk.acts) == own
        desk.now += SECOND // 5
        desk.answer_queries()
        assert desk.desk.facts.round_trip_ns == SECOND // 5
        assert desk.desk.facts.balances_ns == desk.now
    desk.pass_time(7 * SECOND)
    assert set(desk.acts) == {Act.OPEN_ORDERS, Act.MODE, *own}


@pytest.mark.parametrize("is_last", [False, True])
def test_what_a_comparison_is_told_after_the_end_began_is_of_neither_start_nor_end(is_last: bool) -> None:
    desk = desk_of(account_ns=7 * SECOND)
    desk.pass_time(7 * SECOND)
    (late,) = (wire for wire in desk.sent if wire.act is Act.BALANCES)
    desk.sent.remove(late)
    if is_last:
        desk.take(desk.desk.on_end(desk.now))
        desk.answer_queries()
    else:
        desk.place()
        desk.take(desk.desk.on_end(desk.now))  # its questions wait for the order
    desk.rest(late.wire_id, AccountView({"USDT": Decimal(7)}, {}, False, desk.venue_ms))
    facts = desk.desk.facts
    assert facts.balances_start == {"USDT": Decimal(5)}
    assert facts.balances_end == ({"USDT": Decimal(5)} if is_last else {})


def test_a_clock_that_is_not_answered_in_time_counts_from_its_first_query() -> None:
    desk = desk_of(account_ns=7 * SECOND)
    facts = desk.desk.facts
    assert facts.clock_asked_ns == 0
    desk.pass_time(7 * SECOND)
    asked = desk.now
    for _ in range(3):  # each query is given up, and the next one asked
        desk.sent.clear()
        desk.pass_time(2 * SECOND)
        desk.pass_time(SECOND)
        assert Act.TIME in desk.acts
        assert facts.clock_asked_ns == asked
    desk.answer_queries()
    assert facts.clock_asked_ns == 0
    desk.pass_time(7 * SECOND)
    assert facts.clock_asked_ns == desk.now
    desk.line("u1", LineEvent.LOST)
    assert facts.clock_asked_ns == 0, "the connection is away, not slow"


def test_positions_in_between_are_no_comparison_until_one_has_differed() -> None:
    desk = desk_of(opening=5, account_ns=5 * SECOND)
    desk.position = Decimal("0.003")
    for _ in range(5):
        desk.pass_time(5 * SECOND)
        desk.answer_queries()
    assert not desk.desk.positions.is_in_doubt
    desk.pass_time(5 * SECOND)
    desk.answer_queries()
    assert desk.desk.positions.is_in_doubt
    for _ in range(TIMES):
        desk.pass_time(SECOND)
        desk.answer_queries()
    assert differences(desk) == [("position differs", "BTCUSDT: 3 lots at the venue, 5 by executions")]
    desk.position = Decimal("0.005")
    for _ in range(5):
        desk.pass_time(SECOND)
        desk.answer_queries()
    assert not desk.desk.positions.differs


def test_it_is_compared_after_the_stream_was_away() -> None:
    desk = desk_of()
    desk.pass_time(SECOND)
    desk.line("u1", LineEvent.LOST)
    desk.line("u2", LineEvent.UP)
    desk.answer_queries()
    assert desk.desk.is_up
    desk.pass_time(0)
    assert Act.POSITION in desk.acts


def test_a_position_that_stays_different_is_reported_once_and_then_when_it_agrees() -> None:
    desk = desk_of(opening=5)
    desk.position = Decimal("0.003")
    desk.pass_time(EVERY_NS)
    for _ in range(TIMES + 2):
        desk.answer_queries()
        desk.pass_time(EVERY_NS if desk.desk.positions.differs else SECOND)
    assert differences(desk) == [("position differs", "BTCUSDT: 3 lots at the venue, 5 by executions")]
    desk.position = Decimal("0.005")
    desk.answer_queries()
    desk.pass_time(EVERY_NS)
    desk.answer_queries()
    assert differences(desk)[1:] == [("position agrees", "BTCUSDT: 5 lots at the venue, 5 by executions")]
    assert not desk.desk.positions.differs


@pytest.mark.parametrize("client", ["autoclose-1", "somebody", ""])
@pytest.mark.parametrize("kind", [ExecutionKind.LIQUIDATION, ExecutionKind.ADL, ExecutionKind.TRADE])
def test_an_execution_of_no_order_of_the_session_is_looked_into_within_two_seconds(
    kind: ExecutionKind, client: str
) -> None:
    desk = desk_of(opening=5)
    desk.pass_time(SECOND)
    desk.position = Decimal(0)
    desk.frame(
        Execution("BTCUSDT", client, "v9", "z", -1, 100, 5, False, Decimal(0), "", desk.venue_ms, kind)
    )
    passed = 0
    while not desk.desk.positions.differs and passed < 2 * SECOND:
        desk.pass_time(SECOND // 20)
        passed += SECOND // 20
        if desk.acts:
            desk.answer_queries()
    assert differences(desk) == [("position differs", "BTCUSDT: 0 lots at the venue, 5 by executions")]
    assert desk.desk.positions.difference(0) == -5
    assert passed <= SECOND
    assert desk.desk.forced == ({} if kind is ExecutionKind.TRADE else {0: kind})
    assert set(desk.desk.forced_ns) == set(desk.desk.forced)


def test_an_execution_that_is_late_is_no_difference() -> None:
    desk = desk_of()
    desk.place()
    desk.frame(desk.update(OrderStatus.NEW))
    desk.position = Decimal("0.004")
    desk.pass_time(EVERY_NS)
    desk.answer_queries(desk.update(OrderStatus.NEW))
    x = Execution("BTCUSDT", CLIENT, "v1", "a", 1, 100, 4, False, Decimal(0), "", desk.venue_ms)
    desk.frame(x)
    desk.pass_time(3 * SECOND)
    desk.answer_queries(desk.update(OrderStatus.PARTIAL, 4))
    assert differences(desk) == []
    assert desk.desk.positions.lots(0) == 4


def test_an_order_that_ended_unseen_is_looked_up() -> None:
    desk = desk_of()
    desk.place()
    desk.frame(desk.update(OrderStatus.NEW))
    desk.pass_time(EVERY_NS)
    desk.answer_queries(desk.update(OrderStatus.CANCELED))
    assert not desk.desk.orders.open


def test_differences_that_change_do_not_count() -> None:
    watch = PositionWatch({0: 5})
    assert not any(watch.compare(0, lots) for lots in (4, 6, 4, 6, 4, 4))
    assert watch.is_in_doubt
    assert watch.compare(0, 4)
    assert (watch.differs, watch.is_in_doubt) == ({0}, False)
    watch.executed(0, -1)
    assert watch.compare(0, 4)
    assert not watch.differs


def test_a_transfer_is_reported_once_and_asked_for_where_no_event_reports_it() -> None:
    desk = Desk("bybit_linear", reconcile_ns=EVERY_NS, account_ns=5 * SECOND)
    desk.pass_time(0)
    assert desk.acts.count(Act.TRANSFERS) == 2
    own = Transfer("USDT", Decimal(-5), "t1", desk.venue_ms + 1)
    wires = [one.wire_id for one in desk.sent if one.act is Act.TRANSFERS]
    desk.rest(wires[0], own, own._replace(transfer_id="t0", venue_ms=desk.desk._session_ms - 1))
    desk.rest(wires[1], own)
    assert [one for one in desk.events if one[0] == "transfer"] == [("transfer", "-5 USDT")]


def test_a_setting_that_changes_is_reported_once_and_an_event_is_a_change() -> None:
    desk = desk_of()
    desk.frame(Setting("leverage of BTCUSDT", "25"), Setting("leverage of BTCUSDT", "25"))
    desk.frame(Notice(NoticeKind.MODE_CHANGED, "one-way"))
    desk.frame(Notice(NoticeKind.MODE_CHANGED, "hedge"))
    assert [one[1] for one in desk.events if one[0] == "setting"] == [
        "leverage of BTCUSDT was as prepared, is 25",
        "position mode was one-way, is hedge",
    ]
    desk.frame(Notice(NoticeKind.MODE_CHANGED, "one-way"))
    assert list(desk.desk.facts.changed) == ["leverage of BTCUSDT"]


def test_transfers_that_the_key_may_not_ask_for_do_not_hold_up_the_comparison() -> None:
    desk = Desk("bybit_linear", reconcile_ns=EVERY_NS, account_ns=5 * SECOND)
    desk.pass_time(0)
    for wire in [one for one in desk.sent if one.act is Act.TRANSFERS]:
        desk.sent.remove(wire)
        desk.rest(wire.wire_id, VenueAnswer(wire.wire_id, Verdict.REFUSED, 10005, "Permission denied"))
    desk.answer_queries()
    assert desk.desk.is_compared
    desk.pass_time(5 * SECOND - 1)
    assert desk.acts == []


def test_the_position_of_a_leg_is_compared_once_no_unknown_order_of_it_can_explain_it() -> None:
    desk = desk_of()
    desk.place()
    desk.position = Decimal("0.003")
    desk.pass_time(2 * SECOND)
    desk.desk._compare_ns = desk.now
    desk.desk._hurried = 100  # as after an execution that is not the session's
    while desk.desk.doubts:
        assert not differences(desk)
        desk.answer_queries()
        desk.pass_time(SECOND // 4)
    for _ in range(2 * TIMES):
        desk.pass_time(SECOND // 4)
        desk.answer_queries()
    assert [event for event, _ in differences(desk)] == ["position differs"]
