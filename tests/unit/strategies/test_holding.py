"""Convergence: a spread is entered, held, and left when it has come back, at a loss, or for its time."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.fake_bot import FakeBot, FakeRecorder, Fate, Touch, fates, plain
from support.spread_params import spread_params

from arb.strategies.spread import holding
from arb.strategies.spread import strategy as spread
from arb.strategies.spread.decisions import Decision, Missed, Outcome, Purpose

S = 1_000_000_000
MS = 1_000_000


def touch(ts: int, leg_no: int, mid: float, qty: float = 5.0, half: float = 0.005) -> Touch:
    return Touch(ts, leg_no, mid - half, mid + half, qty, qty)


#: Leg 1 stands 1 % above leg 0.
APART = [touch(S, 0, 100.0), touch(S, 1, 101.0)]


def params(**changes: Any) -> Any:
    plenty = {
        "base": 100.0, "quote": 1e5, "taker_fee": 0.0, "slippage_tolerance": 0.0, "position_limit": 1.0,
    }  # fmt: skip
    return spread_params(**{**plenty, "is_convergence": True, **changes})


def bot_of(
    then: list[Touch], script: list[Fate], first: list[Touch] = APART, silence: int = 60 * S
) -> FakeBot:
    touches = [*first, *then]
    return FakeBot(touches, fates(script), touches[-1].ts + silence, (0.001, 0.001), (0.001, 0.001))


def run(
    then: list[Touch], script: list[Fate] | None = None, first: list[Touch] = APART, **changes: Any
) -> tuple[FakeBot, list[Any]]:
    bot, recorder = bot_of(then, script or [], first), FakeRecorder()
    assert plain(spread.run)(bot, params(**changes), recorder) == Outcome.ENDED
    return bot, recorder.decisions


def attempts(then: list[Touch], **changes: Any) -> list[tuple[Purpose, int]]:
    """(purpose, leg bought) of the attempts."""
    _, decisions = run(then, **changes)
    return [(Purpose(d.order_id), d.leg) for d in decisions if d.code == Decision.ATTEMPT]


ENTER_0 = (Purpose.ENTER, 0)


def test_a_spread_is_left_when_the_mids_meet() -> None:
    bot, decisions = run([touch(2 * S, 1, 100.5), touch(3 * S, 1, 100.0)])
    begun = [(Purpose(d.order_id), d.leg, d.ts) for d in decisions if d.code == Decision.ATTEMPT]
    assert begun == [(Purpose.ENTER, 0, S), (Purpose.LEAVE, 1, 3 * S)]
    assert [bot.state_values(n).position for n in range(2)] == [0.0, 0.0]


def test_it_may_be_left_before_or_behind_the_average() -> None:
    half_way = [touch(2 * S, 1, 100.5)]
    assert attempts(half_way, exit_spread_bps=51.0) == [ENTER_0, (Purpose.LEAVE, 1)]
    assert attempts(half_way, exit_spread_bps=49.0) == [ENTER_0]
    met = [touch(2 * S, 1, 100.0)]
    assert attempts(met, exit_spread_bps=-1.0) == [ENTER_0]


def test_the_other_direction_is_the_same() -> None:
    first = [touch(S, 0, 101.0), touch(S, 1, 100.0)]
    then = [touch(2 * S, 0, 100.0)]
    assert attempts(then, first=first) == [(Purpose.ENTER, 1), (Purpose.LEAVE, 0)]


def test_the_cost_of_leaving_counts_against_entering() -> None:
    # 100 bps between the mids: half of both spreads to enter, half of both to leave, fees twice.
    fees = {"taker_fee": 0.001}
    least = 100.0 - 2 * 1.0 - 4 * 10.0
    assert attempts([], **fees, min_spread_bps=least - 1.0) == [ENTER_0]
    assert attempts([], **fees, min_spread_bps=least + 1.0) == []


@pytest.mark.parametrize(("mid", "is_stopped"), [(101.49, False), (101.51, True)])
def test_a_loss_is_cut(mid: float, is_stopped: bool) -> None:
    # One held: half a unit of a hundred is 50 bps; both spreads of 0.01 are lost beside.
    expected = [ENTER_0, (Purpose.STOP_LOSS, 1)] if is_stopped else [ENTER_0]
    found = attempts([touch(2 * S, 1, mid - 0.015)], stop_loss_bps=49.6, max_edge_bps=105.0)
    assert found == expected


def test_what_was_stopped_is_not_entered_again_before_it_came_back() -> None:
    wide = [touch((2 + n) * S, 1, 102.0 + n / 10) for n in range(4)]
    stop = {"stop_loss_bps": 50.0, "max_edge_bps": 1e6}
    stopped = [ENTER_0, (Purpose.STOP_LOSS, 1)]
    assert attempts(wide, **stop) == stopped
    _, decisions = run(wide, **stop)
    ends = [Missed(d.order_id) for d in decisions if d.code == Decision.OPPORTUNITY_END]
    assert ends == [Missed.TAKEN], "one opportunity, taken at first"
    back = [*wide, touch(9 * S, 1, 99.99), touch(10 * S, 1, 101.0)]
    assert attempts(back, **stop) == [*stopped, ENTER_0]


def test_a_blocked_spread_says_so() -> None:
    then = [touch(2 * S, 1, 102.0), touch(3 * S, 1, math.nan), touch(4 * S, 1, 102.0)]
    _, decisions = run(then, stop_loss_bps=50.0, max_edge_bps=1e6)
    ends = [Missed(d.order_id) for d in decisions if d.code == Decision.OPPORTUNITY_END]
    assert ends == [Missed.TAKEN, Missed.STOPPED]


def test_a_spread_is_held_no_longer_than_allowed_even_when_its_books_do_not_move() -> None:
    still = [Touch((2 + n) * S, 0, 99.995, 100.005, 5.0 + n, 5.0 + n) for n in range(30)]
    _, decisions = run(still, max_holding_ns=10 * S)
    begun = [(Purpose(d.order_id), d.ts) for d in decisions if d.code == Decision.ATTEMPT]
    # Entered when the answers came, a millisecond after the first second.
    assert begun == [(Purpose.ENTER, S), (Purpose.TIMEOUT, 12 * S)]


def test_it_is_left_for_its_time_without_any_event() -> None:
    # The bot's books stay as they are and are as fresh as the clock: only the record tick is left to notice.
    _, decisions = run([], max_holding_ns=10 * S)
    begun = [(Purpose(d.order_id), d.ts) for d in decisions if d.code == Decision.ATTEMPT]
    assert [purpose for purpose, _ in begun] == [Purpose.ENTER, Purpose.TIMEOUT]
    assert 11 * S <= begun[1][1] <= 12 * S + 10 * MS


def test_nothing_is_left_on_a_silent_or_an_unknown_book() -> None:
    met = [touch(2 * S, 1, 100.0)]
    bot, recorder = bot_of(met, []), FakeRecorder()
    wait = bot.wait_next_feed

    def then_silent(*args: Any) -> int:
        result = wait(*args)
        if bot.current_timestamp >= 2 * S:
            bot.last_feed[0] = -S
        return result

    bot.wait_next_feed = then_silent  # type: ignore[method-assign]
    plain(spread.run)(bot, params(), recorder)
    assert [Purpose(d.order_id) for d in recorder.decisions if d.code == Decision.ATTEMPT] == [Purpose.ENTER]
    assert attempts([touch(2 * S, 1, math.nan)], max_holding_ns=5 * S) == [ENTER_0]


@pytest.mark.parametrize("leg_no", [0, 1])
def test_nothing_is_left_on_a_crossed_book(leg_no: int) -> None:
    crossed = [Touch(2 * S, leg_no, 101.0, 100.0, 5.0, 5.0)]
    assert attempts(crossed, max_holding_ns=5 * S) == [ENTER_0]


def test_a_small_spread_is_stopped_like_a_large_one() -> None:
    then = [touch(2 * S, 1, 102.0)]
    stopped = [ENTER_0, (Purpose.STOP_LOSS, 1)]
    assert attempts(then, stop_loss_bps=50.0, max_edge_bps=150.0, max_position_size=0.005) == stopped


def test_adding_to_a_spread_does_not_make_it_younger() -> None:
    more = [touch(6 * S, 1, 101.2), *(touch((7 + n) * S, 1, 101.2, qty=5.0 + n) for n in range(12))]
    _, decisions = run(more, max_holding_ns=10 * S, max_position_size=0.5, stop_loss_bps=1e4)
    begun = [(Purpose(d.order_id), d.ts) for d in decisions if d.code == Decision.ATTEMPT]
    assert begun[:2] == [(Purpose.ENTER, S), (Purpose.ENTER, 6 * S)]
    assert begun[2][0] == Purpose.TIMEOUT
    assert begun[2][1] <= 12 * S


@pytest.mark.parametrize("dear", [0, 1])
def test_leaving_is_logged_with_what_it_earns_over_the_basis(dear: int) -> None:
    # One leg stands half a per cent above the other for good, then twice as far, and is back.
    usual = [touch((1 + n) * S, leg, (100.5, 100.0)[leg != dear]) for n in range(20) for leg in (0, 1)]
    then = [touch(21 * S, dear, 101.0), touch(22 * S, dear, 100.5)]
    _, decisions = run(then, first=usual, basis_halflife_ns=10 * S, stop_loss_bps=1e4)
    enter, leave = [d for d in decisions if d.code == Decision.ATTEMPT]
    assert (Purpose(enter.order_id), Purpose(leave.order_id)) == (Purpose.ENTER, Purpose.LEAVE)
    assert (enter.leg, leave.leg) == (1 - dear, dear)
    assert enter.value == pytest.approx(49.0, abs=4.0)
    assert leave.value == pytest.approx(0.0, abs=6.0)


def test_where_nothing_is_shown_nothing_is_left() -> None:
    assert attempts([touch(2 * S, 1, 100.0, qty=0.0004)]) == [ENTER_0]


def test_a_short_spread_is_valued_at_the_asks_it_is_bought_back_at() -> None:
    legs, held = [_Leg(99.0, 101.0), _Leg(99.0, 101.0)], _Held(bought_no=0, cash=0.0)
    profit, value = plain(holding.open_profit)(legs, held, _Values(0.5, 0.0), _Values(-0.5, 0.0))
    assert (profit, value) == (pytest.approx(0.5 * 99.0 - 0.5 * 101.0), pytest.approx(0.5 * 101.0))


def test_leaving_takes_what_is_shown_and_goes_on_until_flat() -> None:
    met = [touch((2 + n) * S, 1, 100.0 - n / 100, qty=0.4) for n in range(4)]
    bot, decisions = run(met)
    leaving = [d.attempt for d in decisions if d.code == Decision.ATTEMPT and d.order_id == Purpose.LEAVE]
    assert len(leaving) == 3
    assert [round(o.qty, 9) for o in bot.sent[2:]] == [0.4, 0.4, 0.4, 0.4, 0.2, 0.2]
    assert bot.state_values(0).position == pytest.approx(0.0)


def test_leaving_is_free_of_the_rules_that_keep_from_entering() -> None:
    met = [touch(2 * S, 1, 100.0)]
    for rule in ({"max_attempts_per_day": 1}, {"max_daily_loss": 1e-9}, {"max_edge_bps": 100.0}):
        assert attempts(met, **rule) == [ENTER_0, (Purpose.LEAVE, 1)], rule


def test_a_spread_too_small_to_be_traded_is_none() -> None:
    # A tenth was filled; closing it is below the least value of a venue.
    met = [touch(2 * S, 1, 100.0)]
    tenth = [Fate(share=0.1), Fate(share=0.1)]
    bot, decisions = run(met, tenth, min_notional=50.0)
    assert [Purpose(d.order_id) for d in decisions if d.code == Decision.ATTEMPT] == [Purpose.ENTER]
    assert bot.state_values(0).position == pytest.approx(0.1)


def test_what_is_too_small_to_be_closed_is_not_held() -> None:
    # Nothing closes 0.0015 in lots of 0.001 but for one of them: the rest must not keep the other direction away.
    met = [touch(2 * S, 1, 100.0), touch(3 * S, 1, 99.0)]
    script = [Fate(share=0.0015), Fate(share=0.0015)]
    changes = {"common_lot": 0.001, "min_qty": 0.0}
    bot = FakeBot([*APART, *met], fates(script), 60 * S, (0.001, 0.001), (0.0005, 0.0005))
    recorder = FakeRecorder()
    plain(spread.run)(bot, params(**changes), recorder)
    begun = [(Purpose(d.order_id), d.leg) for d in recorder.decisions if d.code == Decision.ATTEMPT]
    assert begun == [ENTER_0, (Purpose.LEAVE, 1), (Purpose.ENTER, 1)]


def test_what_was_left_before_is_no_profit_of_what_is_held() -> None:
    # 0.04 were bought at 100 and could not be sold: below the least value of the venue.
    legs = [
        SimpleNamespace(
            asset=n, bid=100.0, ask=100.0, mark=100.0, contract_size=1.0, common_lot=0.01, min_qty=0.0, min_notional=5.0
        )
        for n in range(2)
    ]  # fmt: skip
    held = SimpleNamespace(bought_no=0, since_ts=0, cash=0.0, blocked_no=-1)
    values = [_Values(0.04, -4.0), _Values(-0.03, 3.0)]
    plain(holding.update_holding)(SimpleNamespace(state_values=values.__getitem__), legs, held, S, params())
    assert held.bought_no == holding.NONE_HELD
    assert plain(holding.open_profit)(legs, held, *values)[0] == pytest.approx(0.0)


def test_open_profit_is_what_closing_at_the_touches_brings() -> None:
    pair = [touch(S, 0, 100.0), touch(S, 1, 101.0)]
    legs = [_Leg(t.bid, t.ask) for t in pair]
    held = _Held(bought_no=0, cash=10.0)
    # Bought 2 at 99, sold 2 at 102: cash -198 and +204 after the 10 of before.
    profit, value = plain(holding.open_profit)(legs, held, _Values(2.0, -188.0), _Values(-2.0, 204.0))
    assert profit == pytest.approx(6.0 + 2 * 99.995 - 2 * 101.005)
    assert value == pytest.approx(2 * 101.005)


class _Leg:
    def __init__(self, bid: float, ask: float) -> None:
        self.bid, self.ask, self.contract_size, self.paid_base = bid, ask, 1.0, 0.0


class _Held:
    def __init__(self, bought_no: int, cash: float) -> None:
        self.bought_no, self.cash = bought_no, cash


class _Values:
    def __init__(self, position: float, balance: float) -> None:
        self.position, self.balance = position, balance


FATES = [Fate(), Fate(), Fate(), Fate(share=0.0), Fate(share=0.5), Fate(delay_ns=30 * MS), Fate(code=20)]
walks = st.lists(
    st.tuples(
        st.integers(20, 900).map(lambda ms: ms * MS),
        st.integers(0, 1),
        st.integers(-120, 120).map(lambda bps: 100.0 * (1 + bps / 1e4)),
        st.sampled_from([0.05, 0.7, 5.0]),
    ),
    max_size=30,
)


@settings(max_examples=200, deadline=None)
@given(walks, st.lists(st.sampled_from(FATES), max_size=20))
def test_leaving_only_ever_makes_the_position_smaller(
    walk: list[tuple[int, int, float, float]], script: list[Fate]
) -> None:
    touches, now = [], S
    for gap, leg_no, mid, qty in walk:
        now += gap
        touches.append(touch(now, leg_no, mid, qty))
    bot, recorder = bot_of(touches, script), FakeRecorder()
    outcome = plain(spread.run)(
        bot,
        params(
            position_limit=2.0,
            order_timeout_ns=50 * MS,
            max_failures=0,
            max_holding_ns=3 * S,
            stop_loss_bps=60.0,
        ),
        recorder,
    )
    by_id = {(o.leg_no, o.order_id): o for o in bot.sent}
    purposes = {d.attempt: Purpose(d.order_id) for d in recorder.decisions if d.code == Decision.ATTEMPT}
    position = {0: 0.0, 1: 0.0}
    for line in recorder.decisions:
        if line.code not in (Decision.OPEN, Decision.CHASE, Decision.REVERSE):
            continue
        order = by_id[(line.leg, line.order_id)]
        if line.code == Decision.OPEN and purposes[line.attempt] != Purpose.ENTER:
            assert order.side * position[line.leg] < 0.0, "closing would have opened"
            assert order.qty <= abs(position[line.leg]) + 1e-9, "closed more than is held"
        position[line.leg] += order.side * (order.filled if order.answer_ts < math.inf else 0.0)
        assert abs(position[line.leg]) <= 2.0 + 1e-9
    if outcome == Outcome.ENDED:
        assert abs(position[0] + position[1]) < 1e-9, "one leg is left without the other"
