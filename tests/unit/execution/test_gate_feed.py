"""The gate of a session: fed with touches and with what desks answer; what it refuses is answered at once."""

from __future__ import annotations

import ctypes
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hftbacktest.order import EXPIRED
from support.dry_market import leg
from support.one_desk import CLIENT, Desk

from arb.engine.book import BOOK, NO_ASK, NO_BID
from arb.engine.live import LiveWorld
from arb.execution.answers import AnswerKind, BotAnswer, RequestRow
from arb.execution.desk_wires import Outputs
from arb.execution.gate_feed import GateFeed
from arb.risk.exposure import GateLeg
from arb.risk.gate import STOPPED_NS, Gate, GateLimits
from connectors.orders.limits import LimitKind, LimitUse
from connectors.orders.model import (
    Act,
    EndCause,
    Execution,
    Force,
    OrderStatus,
    OrderUpdate,
    RefusedFor,
    VenueAnswer,
    Verdict,
)
from connectors.trade.interfaces import LineEvent
from connectors.units import MILLISECOND, SECOND

VENUE = "binance_usdm"


class Gated(Desk):
    """A desk behind a gate. Balance: 5 USDT, leverage 1; the touch is 99 and 100 ticks of 0.1."""

    def __init__(self, *, is_up: bool = True, **limits: float) -> None:
        self.world = LiveWorld([leg(0)], is_live=True)
        own = GateLeg(VENUE, VENUE, 0, False, "BTC", "USDT", 0.1, 0.001)
        self.gate = Gate([own], GateLimits(**limits))
        self.halts: dict[str, str] = {}
        self.feed: Any = None
        super().__init__(VENUE, is_up=is_up)
        self.touch(99, 100)

    def touch(self, bid: int, ask: int) -> None:
        memory: Any = (ctypes.c_char * BOOK.itemsize).from_address(int(self.world.assets["book"][0]))
        book = np.frombuffer(memory, BOOK)
        book["best_bid"], book["best_ask"] = bid, ask

    def take(self, outputs: Outputs) -> None:
        if self.feed is None:
            self.feed = GateFeed(self.gate, self.world, {VENUE: self.desk}, lambda: self.halts)
        self.feed.follow(VENUE, outputs, self.now)
        super().take(outputs)

    def ask(
        self, act: Act, no: int, *, side: int = 1, tick: int = 100, lots: int = 10, order_id: int = 1
    ) -> str:
        """A request of the bot; returns why it is refused."""
        row = RequestRow(order_id, no, act, side, Force.GTC, False, tick, lots, self.now)
        (reason,) = self.feed.decide([0], [row], self.now)
        self.take(self.desk.on_request(0, row, self.now, refused=reason))
        return str(reason)

    @property
    def state(self) -> Any:
        return self.gate.exposure.states[0]


def new(desk: Gated, **fields: Any) -> OrderUpdate:
    given = {"status": OrderStatus.NEW, "executed_lots": 0, "total_lots": 10, "tick": 100} | fields
    return OrderUpdate("BTCUSDT", CLIENT, "v1", cause=EndCause.NONE, venue_ms=desk.venue_ms, **given)


def execution(desk: Gated, number: str, lots: int) -> Execution:
    fee = Decimal("0.001")
    return Execution("BTCUSDT", CLIENT, "v1", number, 1, 100, lots, False, fee, "USDT", desk.venue_ms)


def test_an_order_is_counted_from_its_request_to_its_end() -> None:
    desk = Gated()
    assert desk.ask(Act.PLACE, 1) == ""
    assert desk.acts == [Act.PLACE]
    assert (desk.state.buy_lots, desk.state.buy_value) == (10, 1_000)
    desk.frame(new(desk))
    desk.frame(execution(desk, "x1", 4))
    assert (desk.state.buy_lots, desk.state.position) == (6, 4)
    desk.frame(new(desk, status=OrderStatus.CANCELED, executed_lots=4))
    assert (desk.state.buy_lots, desk.state.position, desk.state.orders) == (0, 4, {})
    assert desk.gate.exposure.balances[VENUE]["USDT"] == pytest.approx(5.0 - 0.001)


def test_an_execution_after_the_end_counts() -> None:
    desk = Gated()
    desk.ask(Act.PLACE, 1)
    desk.frame(new(desk, status=OrderStatus.CANCELED))
    assert desk.state.orders == {}
    desk.frame(execution(desk, "late", 10))
    assert desk.state.position == 10


def test_what_the_venue_or_the_desk_refuses_is_not_counted() -> None:
    desk = Gated()
    desk.ask(Act.PLACE, 1)
    desk.frame(VenueAnswer("0-1-p", Verdict.REFUSED, -2019, "Margin is insufficient."), where="t1")
    assert desk.state.orders == {}
    desk.is_socket_up = desk.is_rest_up = False
    desk.ask(Act.PLACE, 2, order_id=2)
    assert desk.state.orders == {}


def test_a_refused_order_is_answered_like_a_refusal_on_its_way() -> None:
    desk = Gated(max_notional=0.05)
    assert desk.ask(Act.PLACE, 1) == "value above live.max_notional: 0.05"
    (answer,) = desk.answers
    assert isinstance(answer, BotAnswer)
    assert (answer.kind, answer.status, answer.request_no) == (AnswerKind.REJECTED, EXPIRED, 1)
    assert desk.sent == []
    assert desk.state.orders == {}
    assert not desk.desk.orders.open


def test_the_log_has_the_first_refusal_of_a_kind_and_the_facts_count_them() -> None:
    desk = Gated(max_notional=0.05, price_band_bps=50.0)
    for no in range(1, 5):
        desk.ask(Act.PLACE, no, tick=100 if no < 4 else 200, order_id=no)
    assert [text for event, text in desk.events if event == "refused"] == [
        "value above live.max_notional: 0.05",
        "price beyond the band: 10000 bps from the touch, at most 50",
    ]
    assert desk.desk.facts.gate == {"value above live.max_notional": 3, "price beyond the band": 1}


def test_a_refused_change_leaves_the_order_as_it_is() -> None:
    desk = Gated(max_notional=0.15)
    desk.ask(Act.PLACE, 1)
    desk.frame(new(desk))
    desk.answers.clear()
    desk.sent.clear()
    assert desk.ask(Act.AMEND, 2, lots=20) == "value above live.max_notional: 0.15"
    assert desk.sent == []
    (answer,) = desk.answers
    assert isinstance(answer, BotAnswer)
    assert (answer.kind, answer.request_no, answer.leaves_lots) == (AnswerKind.MODIFIED, 2, 10)
    assert (desk.state.buy_lots, desk.state.orders[1].asked_no) == (10, 0)
    assert desk.ask(Act.CANCEL, 3) == ""
    assert desk.acts == [Act.CANCEL]


def test_a_change_that_the_venue_refuses_is_not_counted_any_more() -> None:
    desk = Gated()
    desk.ask(Act.PLACE, 1)
    desk.frame(new(desk))
    assert desk.ask(Act.AMEND, 2, lots=20) == ""
    assert desk.state.buy_lots == 20
    desk.frame(VenueAnswer("0-2-a", Verdict.REFUSED, -2019, "Margin is insufficient."), where="t1")
    assert desk.state.buy_lots == 10


def test_three_refusals_of_the_venue_close_the_leg() -> None:
    desk = Gated()
    for no in range(1, 4):
        assert desk.ask(Act.PLACE, no, order_id=no) == ""
        desk.frame(VenueAnswer(f"0-{no}-p", Verdict.REFUSED, -2019, "Margin is insufficient."), where="t1")
    assert desk.ask(Act.PLACE, 4, order_id=4) == "closed for a while after refusals: -2019"
    desk.now += 100 * MILLISECOND
    assert desk.ask(Act.PLACE, 5, order_id=5) == ""
    desk.frame(VenueAnswer("0-5-p", Verdict.REFUSED, -2019, "Margin is insufficient."), where="t1")
    desk.now += 100 * MILLISECOND
    assert "closed" in desk.ask(Act.PLACE, 6, order_id=6)


def test_refusals_for_which_the_market_is_the_reason_close_nothing() -> None:
    desk = Gated()
    for no in range(1, 8):
        assert desk.ask(Act.PLACE, no, order_id=no) == ""
        answer = VenueAnswer(f"0-{no}-p", Verdict.REFUSED, -5022, "would take", reason=RefusedFor.MARKET)
        desk.frame(answer, where="t1")


def test_nothing_is_opened_where_the_venue_does_not_trade() -> None:
    desk = Gated()
    desk.ask(Act.PLACE, 1)
    answer = VenueAnswer("0-1-p", Verdict.REFUSED, -4141, "Symbol is closed.", reason=RefusedFor.CLOSED)
    desk.frame(answer, where="t1")
    assert desk.ask(Act.PLACE, 2, order_id=2) == "the venue does not trade the symbol now"


def test_cancellations_that_the_venue_refuses_wait_until_the_order_ends() -> None:
    desk = Gated()
    desk.ask(Act.PLACE, 1)
    desk.frame(new(desk))
    for no in range(2, 5):
        assert desk.ask(Act.CANCEL, no) == ""
        desk.frame(VenueAnswer(f"0-{no}-c", Verdict.REFUSED, -1021, "Timestamp"), where="t1")
    assert desk.ask(Act.CANCEL, 5) == "closed for a while after refusals: -1021"
    assert 1 in desk.state.orders
    desk.frame(new(desk, status=OrderStatus.CANCELED))
    assert not desk.gate.closed.has_any


def test_changes_that_the_venue_refuses_close_the_leg() -> None:
    desk = Gated()
    desk.ask(Act.PLACE, 1)
    desk.frame(new(desk))
    for no in range(2, 5):
        assert desk.ask(Act.AMEND, no, lots=20) == ""
        desk.frame(VenueAnswer(f"0-{no}-a", Verdict.REFUSED, -4164, "Order's notional"), where="t1")
    assert desk.ask(Act.AMEND, 5, lots=20) == "closed for a while after refusals: -4164"


def test_a_change_that_the_desk_refuses_is_not_counted() -> None:
    desk = Gated()
    desk.ask(Act.PLACE, 1)
    desk.frame(new(desk))
    desk.ask(Act.CANCEL, 2)
    assert desk.ask(Act.AMEND, 3, lots=20) == ""
    assert desk.kinds()[-1] == (AnswerKind.REJECTED, 3, "a request is in flight")
    assert desk.state.buy_lots == 10


def test_an_accepted_order_opens_the_leg_again() -> None:
    desk = Gated()
    for no in range(1, 6):
        order = desk.ask(Act.PLACE, no, order_id=no)
        assert order == ""
        verdict = Verdict.ACCEPTED if no == 2 else Verdict.REFUSED
        if no == 2:
            client = next(one for one in desk.desk.orders.open)
            desk.frame(new(desk)._replace(client_id=client))
        desk.frame(VenueAnswer(f"0-{no}-p", verdict, -2019 if no != 2 else 0, ""), where="t1")
    assert "closed" in desk.ask(Act.PLACE, 6, order_id=6)


def test_nothing_is_opened_while_the_stream_is_away_or_a_request_in_doubt() -> None:
    desk = Gated()
    desk.ask(Act.PLACE, 1)
    desk.pass_time(3 * SECOND)
    assert desk.desk.doubts
    assert desk.ask(Act.PLACE, 2, order_id=2) == "an order is in doubt"
    desk.line("u1", LineEvent.LOST)
    assert desk.ask(Act.PLACE, 3, order_id=3) == "not up"


def test_without_a_touch_nothing_is_opened() -> None:
    desk = Gated()
    desk.touch(NO_BID, NO_ASK)
    assert desk.ask(Act.PLACE, 1) == "the touch is not known"


def test_kill_flags_are_read_before_each_step() -> None:
    desk = Gated()
    desk.halts[VENUE] = "by hand"
    assert desk.ask(Act.PLACE, 1) == "halted: by hand"
    desk.halts = {"": "all"}
    assert desk.ask(Act.PLACE, 2, order_id=2) == "halted: all"
    desk.halts = {}
    assert desk.ask(Act.PLACE, 3, order_id=3) == ""


def test_after_a_forced_closing_only_the_host_trades_the_pair_for_two_seconds() -> None:
    desk = Gated()
    desk.desk.forced_ns[0] = desk.now
    reason = "the venue has closed a position of the pair"
    assert desk.ask(Act.PLACE, 1) == reason
    desk.state.position = 10
    assert desk.ask(Act.PLACE, 2, side=-1, tick=99, order_id=2) == reason, "also what reduces"
    desk.feed.is_halting = lambda: True
    assert desk.ask(Act.PLACE, 3, side=-1, tick=99, order_id=3) == ""
    desk.feed.is_halting = lambda: False
    desk.now += 2 * SECOND
    assert desk.ask(Act.PLACE, 4, order_id=4) == ""


def test_what_the_venue_reports_as_used_counts() -> None:
    desk = Gated()
    use = LimitUse(LimitKind.ORDERS, 10 * SECOND, 6, 10)
    desk.frame(VenueAnswer("unasked", Verdict.ACCEPTED, uses=(use,)), where="t1")
    assert desk.ask(Act.PLACE, 1) == "no room in the venue's limits on requests"


def test_retry_after_stops_everything_until_then() -> None:
    desk = Gated()
    desk.ask(Act.PLACE, 1)
    desk.frame(new(desk))
    limited = VenueAnswer("0-1-p", Verdict.REFUSED, -1003, "", retry_after_ns=3 * SECOND)
    desk.frame(limited._replace(wire_id=""), where="t1")
    until = desk.now + 3 * SECOND
    desk.sent.clear()
    assert desk.ask(Act.CANCEL, 2) == "the venue limits requests"
    desk.pass_time(3 * SECOND - 1)
    assert desk.ask(Act.PLACE, 3, order_id=3) == "the venue limits requests"
    assert desk.sent == []
    desk.now = until
    assert desk.ask(Act.CANCEL, 4) == ""
    assert desk.acts == [Act.CANCEL]


def test_a_process_that_was_stopped_asks_the_venue_before_it_sends() -> None:
    desk = Gated()
    assert not desk.feed.was_stopped(desk.now)
    desk.now += STOPPED_NS + 1
    assert desk.feed.was_stopped(desk.now)
    assert not desk.feed.was_stopped(desk.now)  # it is being reconciled
    desk.take(desk.desk.on_stopped(desk.now))
    assert set(desk.acts) == {Act.TIME, Act.OPEN_ORDERS, Act.EXECUTIONS}
    assert not desk.feed.was_stopped(desk.now)
    assert desk.ask(Act.PLACE, 1) == "the process was stopped, and has not reconciled"
    desk.answer_queries()
    assert not desk.feed.was_stopped(desk.now)
    assert desk.ask(Act.PLACE, 2, order_id=2) == ""


def test_balances_are_those_of_the_account() -> None:
    desk = Gated()
    assert desk.gate.exposure.balances == {VENUE: {"USDT": 5.0}}
    assert desk.ask(Act.PLACE, 1, lots=501) == "not enough USDT: 0.01 missing"
    assert desk.ask(Act.PLACE, 2, lots=500, order_id=2) == ""


@pytest.mark.parametrize(
    ("side", "force", "lots", "reduces"),
    [
        (1, Force.IOC, 10, True),
        (1, Force.FOK, 4, True),
        (1, Force.GTC, 4, False),
        (1, Force.IOC, 11, False),
        (-1, Force.IOC, 10, False),
    ],
)
def test_what_closes_a_perpetual_and_never_rests_may_only_reduce(
    side: int, force: Force, lots: int, reduces: bool
) -> None:
    desk = Gated()
    desk.ask(Act.PLACE, 1, lots=1)
    desk.gate.exposure.remove(0, 1)
    desk.gate.exposure.set_position(0, -10)
    row = RequestRow(2, 2, Act.PLACE, side, force, False, 100, lots, desk.now)
    desk.feed.decide([0], [row], desk.now)
    assert desk.feed.reducing([0], [row]) == [0] * reduces
    marked = row._replace(reduces=reduces)
    assert desk.desk.orders.request_of(0, marked, None).reduce_only == reduces
    spot = desk.gate.legs[0]._replace(is_spot=True)
    desk.gate.legs = (spot,)
    assert desk.feed.reducing([0], [row]) == []


@pytest.mark.parametrize(
    ("side", "off_ms", "is_corrected"),
    [(1, 5_000, True), (1, -500, True), (1, 499, False), (-1, 5_000, False)],
)
def test_where_our_clock_is_wrong_what_reduces_has_the_venues_time_and_what_opens_has_ours(
    side: int, off_ms: int, is_corrected: bool
) -> None:
    desk = Gated()
    desk.gate.exposure.set_position(0, -10)
    desk.desk.facts.clock_offset_ms = off_ms
    row = RequestRow(1, 1, Act.PLACE, side, Force.IOC, False, 100, 4, desk.now)
    assert desk.feed.decide([0], [row], desk.now) == [""]
    assert desk.feed.corrected([0], [row]) == [0] * is_corrected
    wire = desk.desk.wire_of(0, row._replace(has_venue_time=is_corrected), desk.now)
    assert wire is not None
    assert int(wire.text.split()[1]) == desk.now // 1_000_000 + off_ms * is_corrected
