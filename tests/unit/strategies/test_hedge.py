"""Attempts on a scripted bot: whatever becomes of the orders, an attempt ends flat or halted and never over-hedges."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import pytest
from hftbacktest.order import BUY, SELL
from hypothesis import given, settings
from hypothesis import strategies as st
from support.fake_bot import Decided, FakeBot, FakeRecorder, Fate, Order, Touch, fates, plain
from support.spread_params import spread_params

from arb.strategies.spread import strategy as spread
from arb.strategies.spread.decisions import Decision, Outcome

MS = 1_000_000
TIMEOUT = 100 * MS
CHASES = 3
CHASE_INTERVAL = 10 * MS
TOLERANCE = 0.001
TICKS = (0.01, 0.05)
LOTS = (0.001, 0.01)
COMMON_LOT = 0.01
START = 1_000 * MS
ROOM = 1e-9
ENDS = (Decision.HEDGED, Decision.MISSED, Decision.REVERSED, Decision.HALTED)
SENT = (Decision.OPEN, Decision.CHASE, Decision.REVERSE)

FULL = Fate()
NOTHING = Fate(share=0.0)
PARTIAL = Fate(share=0.4)
SILENT = Fate(share=None)
LATE = Fate(delay_ns=TIMEOUT + 50 * MS)
TOO_LATE = Fate(delay_ns=2 * TIMEOUT + 50 * MS)
LATE_NOTHING = Fate(share=0.0, delay_ns=TIMEOUT + 50 * MS)
REFUSED = Fate(code=20)
REJECTED = Fate(is_rejected=True)
ALL_FATES = (FULL, NOTHING, PARTIAL, SILENT, LATE, TOO_LATE, LATE_NOTHING, REFUSED, REJECTED)

LIMIT = 3.0
VALUES = {
    "min_spread_bps": 10.0,
    "max_position_size": 1.0,
    "position_limit": LIMIT,
    "slippage_tolerance": TOLERANCE,
    "order_timeout_ns": TIMEOUT,
    "in_doubt_max_ns": 2 * TIMEOUT,
    "max_chases": CHASES,
    "chase_interval_ns": CHASE_INTERVAL,
    "attempt_interval_ns": 0,
    "max_failures": 0,
    "max_attempt_loss": 1e9,
    "max_drawdown": 1e9,
    "max_daily_loss": 1e9,
    # Each attempt stands for itself here; what moves inventory back is tested elsewhere.
    "inventory_skew_bps": 0.0,
    "rebalance_threshold": 1.0,
    "common_lot": COMMON_LOT,
    "is_spot_1": False,
    "base_0": 10.0,
    "quote": 10_000.0,
}
PARAMS = spread_params(**VALUES)


#: What is watched rather than done; `test_spread` tests it.
WATCHED = (Decision.OPPORTUNITY, Decision.OPPORTUNITY_END, Decision.IMBALANCE)


class Run(NamedTuple):
    bot: FakeBot
    decisions: list[Decided]
    outcome: int


def touch(ts: int, leg_no: int, bid: float, ask: float, bid_qty: float = 5.0, ask_qty: float = 5.0) -> Touch:
    return Touch(ts, leg_no, bid, ask, bid_qty, ask_qty)


#: Leg 0 is cheap: buying it and selling leg 1 earns about 100 bps.
OPEN = [touch(START, 0, 99.99, 100.0), touch(START, 1, 101.0, 101.05)]
#: The edge is gone, each leg still trades.
CALM = [touch(START + 2 * MS, 0, 99.99, 100.0), touch(START + 2 * MS, 1, 100.0, 100.05)]


def run(touches: Sequence[Touch], script: Sequence[Fate], then: Fate = FULL, **changes: float) -> Run:
    bot = FakeBot(touches, fates(script, then), touches[-1].ts + 6_000 * MS, TICKS, LOTS)
    recorder = FakeRecorder()
    params = spread_params(**{**VALUES, **changes}) if changes else PARAMS
    outcome = plain(spread.run)(bot, params, recorder)
    return Run(bot, [d for d in recorder.decisions if d.code not in WATCHED], int(outcome))


def codes(result: Run) -> list[str]:
    return [d.code.name for d in result.decisions]


def check(result: Run) -> None:
    """Every promise of an attempt, from the orders and what was known when each was sent."""
    by_id = {order.order_id: order for order in result.bot.sent}
    assert len(by_id) == len(result.bot.sent)
    residual = 0.0
    for attempt, group in itertools.groupby(result.decisions, key=lambda d: d.attempt):
        lines = list(group)
        assert attempt > 0
        assert lines[0].code == Decision.ATTEMPT
        assert [d.code in ENDS for d in lines].index(True) == len(lines) - 1, (
            "an attempt has one end, its last line"
        )
        residual = _check_attempt(lines, by_id, residual)
    logged = [d.order_id for d in result.decisions if d.code in SENT]
    assert sorted(logged) == sorted(by_id)
    is_halted = any(d.code == Decision.HALTED for d in result.decisions)
    assert result.outcome == (Outcome.HALTED if is_halted else Outcome.ENDED)
    if is_halted:
        assert result.decisions[-1].code == Decision.HALTED
        assert result.bot.current_timestamp == result.decisions[-1].ts, "it went on after the halt"
    for values in (result.bot.state_values(0), result.bot.state_values(1)):
        assert abs(values.position) <= LIMIT + ROOM


def _check_attempt(lines: list[Decided], by_id: dict[int, Order], residual: float) -> float:
    """residual: what earlier attempts bought less what they sold; returns it with that of this one."""
    buy_no = lines[0].leg
    sides = {buy_no: BUY, 1 - buy_no: SELL}
    opening = [by_id[d.order_id] for d in lines if d.code == Decision.OPEN]
    references = {o.leg_no: _taken(o.touch, o.side) for o in opening}
    chases: list[int] = []
    refused = [0, 0]
    executed = [o.answer_ts for o in opening if o.filled]
    overdue_ts = min(executed) + TIMEOUT if executed else math.inf
    filled = {leg_no: max(0.0, side * residual) for leg_no, side in sides.items()}
    undone = 0.0
    working: list[Order] = []
    reversals = 0
    for line in lines[1:]:
        for order in [o for o in working if o.answer_ts <= line.ts]:
            working.remove(order)
            refused[order.leg_no] = refused[order.leg_no] + 1 if order.is_rejected else 0
            if order.side == sides[order.leg_no]:
                filled[order.leg_no] += order.filled
            else:
                filled[order.leg_no] -= order.filled
                undone += order.filled
        refused[max(line.leg, 0)] += line.code == Decision.REFUSED
        if line.code in SENT:
            order = by_id[line.order_id]
            assert order.sent_ts == line.ts
            assert all(o.leg_no != order.leg_no for o in working), "two working orders on a leg"
            _check_order(order, is_overdue=line.ts >= overdue_ts)
            surplus = filled[1 - order.leg_no] - filled[order.leg_no]
            if line.code == Decision.OPEN:
                assert order.side == sides[order.leg_no]
                _check_within(order, references[order.leg_no], TOLERANCE)
            else:
                assert not working, "sent while an order was not answered"
            if line.code == Decision.CHASE:
                assert order.side == sides[order.leg_no]
                assert order.qty <= surplus + ROOM, "hedged by more than was filled"
                if refused[1 - order.leg_no] >= 2:  # the other leg cannot be reversed
                    reversals += 1
                    _check_within(order, _taken(order.touch, order.side), TOLERANCE * min(reversals, 10))
                else:
                    chases.append(line.ts)
                    assert line.ts < overdue_ts, "chased beyond the bound"
                    if order.leg_no in references:
                        _check_within(order, references[order.leg_no], TOLERANCE)
            if line.code == Decision.REVERSE:
                reversals += 1
                assert order.side == -sides[order.leg_no]
                assert order.qty <= -surplus + ROOM, "undone by more than was too much"
                if _taken(order.touch, order.side) > 0.0:
                    _check_within(order, _taken(order.touch, order.side), TOLERANCE * min(reversals, 10))
            working.append(order)
    assert len(chases) <= CHASES
    assert all(later - earlier >= CHASE_INTERVAL for earlier, later in itertools.pairwise(chases))
    end = lines[-1]
    assert (end.leg, end.order_id) == (-1, 0), "an end is of both legs"
    imbalance = filled[buy_no] - filled[1 - buy_no]
    if end.code == Decision.HALTED:
        assert end.value == pytest.approx(imbalance, abs=ROOM)
        assert working or abs(imbalance) > 0.0
        return imbalance
    assert not working
    long_no = 0 if filled[0] > filled[1] else 1
    assert abs(imbalance) < LOTS[long_no] - ROOM, "ended with a surplus that could be traded back"
    qty = min(filled.values())
    expected = Decision.HEDGED if qty > ROOM else Decision.REVERSED if undone else Decision.MISSED
    assert end.code == expected
    assert end.value == pytest.approx({Decision.HEDGED: qty, Decision.REVERSED: undone}.get(expected, 0.0))
    return imbalance


def _taken(seen: Touch, side: int) -> float:
    return seen.ask if side == BUY else seen.bid


def _check_order(order: Order, *, is_overdue: bool) -> None:
    px = _taken(order.touch, order.side)
    shown = order.touch.ask_qty if order.side == BUY else order.touch.bid_qty
    assert order.qty > 0.0
    assert math.isfinite(order.price)
    if not (px > 0.0 and shown > 0.0):
        assert is_overdue, "sent on an unknown touch"
    else:
        assert order.qty <= shown + ROOM, "sent for more than is shown"
        # It can trade at the touch: an IOC that cannot would only burn the order rate.
        assert (order.price - px) * order.side >= -ROOM
    ticks = order.price / TICKS[order.leg_no]
    assert ticks == pytest.approx(round(ticks), abs=1e-6), "not on a tick"
    lots = order.qty / LOTS[order.leg_no]
    assert lots == pytest.approx(round(lots), abs=1e-6), "not whole lots"


def _check_within(order: Order, reference: float, tolerance: float) -> None:
    worst = reference * (1.0 + order.side * tolerance)
    assert (worst - order.price) * order.side >= -ROOM, "outside the slippage tolerance"
    # And no closer than one tick to the worst: the tolerance is used, rounded inward.
    assert (worst - order.price) * order.side < TICKS[order.leg_no]


touch_changes = st.lists(
    st.tuples(
        st.integers(1, 60).map(lambda ms: ms * MS),
        st.integers(0, 1),
        st.integers(-30, 30),
        st.integers(1, 4),
        st.sampled_from([1, 1, 1, 1, math.nan]),
        st.sampled_from([0.0005, 0.004, 0.02, 0.3, 5.0]),
        st.sampled_from([0.0005, 0.004, 0.02, 0.3, 5.0]),
    ),
    max_size=25,
)


def _touches(changes: list[tuple[int, int, int, int, float, float, float]]) -> list[Touch]:
    touches = list(OPEN)
    now = START
    for gap, leg_no, offset, width, known, bid_qty, ask_qty in changes:
        now += gap
        tick = TICKS[leg_no]
        ask = (round((100.0, 101.05)[leg_no] / tick) + offset) * tick * known
        touches.append(Touch(now, leg_no, ask - width * tick, ask, bid_qty * known, ask_qty * known))
    return touches


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(ALL_FATES), max_size=12), st.sampled_from(ALL_FATES), touch_changes)
def test_every_attempt_ends_flat_or_halted(
    script: list[Fate], then: Fate, changes: list[tuple[int, int, int, int, float, float, float]]
) -> None:
    check(run(_touches(changes), script, then))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from(ALL_FATES), max_size=12), touch_changes, st.sampled_from([0.3, 0.55, 1.0]),
    st.sampled_from([0.0, 40.0, 101.05]),
)  # fmt: skip
def test_no_order_is_one_that_the_limits_refuse(
    script: list[Fate],
    changes: list[tuple[int, int, int, int, float, float, float]],
    qty_max: float,
    notional_max: float,
) -> None:
    # A hedge that is refused for its size leaves a leg alone for ever.
    then = Fate(share=0.3)
    result = run(_touches(changes), script, then, max_order_qty=qty_max, max_order_notional=notional_max)
    for order in result.bot.sent + result.bot.refused:
        assert order.qty <= qty_max + ROOM
        px = order.price if order.side == BUY else max(order.price, order.touch.bid)
        assert notional_max == 0.0 or px * order.qty <= notional_max + 1e-6


def test_a_reversal_that_is_dearer_than_one_order_may_be_is_sent_in_parts() -> None:
    # 101.05 allow one at 101, but not one bought back at 101.15.
    touches = [*OPEN, touch(START + MS // 2, 0, 100.19, 100.2)]
    result = run(touches, [NOTHING, FULL], max_order_notional=101.05)
    assert [order.qty for order in result.bot.sent] == pytest.approx([1.0, 1.0, 0.99, 0.01])
    assert codes(result)[-1] == "REVERSED"


def test_a_hedge_with_a_residual_beside_is_sent_in_parts() -> None:
    # 0.03 too many were bought and too few to be sold: with them, the next attempt leaves more than one order may be.
    touches = [
        *OPEN, touch(START + 10 * MS, 1, 101.0, 101.04), touch(START + 10 * MS + MS // 2, 1, 100.5, 100.55),
    ]  # fmt: skip
    script = [Fate(share=1.0), Fate(share=0.97), FULL, NOTHING]
    result = run(touches, script, max_order_qty=1.0, min_notional=5.0)
    assert max(order.qty for order in result.bot.sent) <= 1.0
    assert [d.code for d in result.decisions if d.code in ENDS] == [Decision.HEDGED, Decision.REVERSED]
    assert result.bot.state_values(0).position == pytest.approx(0.97 + 0.03)


@pytest.mark.parametrize("script", list(itertools.product(ALL_FATES, repeat=3)), ids=str)
def test_every_combination_of_three_answers(script: tuple[Fate, ...]) -> None:
    check(run(OPEN + CALM, script))


@pytest.mark.parametrize("fate", ALL_FATES, ids=str)
def test_every_attempt_ends_when_all_orders_fare_alike(fate: Fate) -> None:
    check(run(OPEN + CALM, [], fate))


def test_both_full_is_hedged() -> None:
    result = run(OPEN + CALM, [FULL, FULL])
    assert codes(result) == ["ATTEMPT", "OPEN", "OPEN", "HEDGED"]
    assert result.decisions[-1].value == 1.0


def test_both_empty_is_missed() -> None:
    assert codes(run(OPEN + CALM, [NOTHING, NOTHING])) == [
        "ATTEMPT", "OPEN", "OPEN", "EXPIRED", "EXPIRED", "MISSED",
    ]  # fmt: skip


def test_both_partly_filled_alike_is_hedged_for_what_was_filled() -> None:
    result = run(OPEN + CALM, [PARTIAL, PARTIAL])
    assert codes(result)[-1] == "HEDGED"
    assert result.decisions[-1].value == pytest.approx(0.4)


def test_the_short_leg_is_chased() -> None:
    touches = [*OPEN, touch(START + 2 * MS, 0, 99.99, 100.05)]  # still within 0.1 % of 100.0
    result = run(touches, [NOTHING, FULL, FULL])
    assert codes(result) == ["ATTEMPT", "OPEN", "OPEN", "EXPIRED", "CHASE", "HEDGED"]
    check(result)


def test_the_long_leg_is_reversed_when_the_short_one_has_left_the_tolerance() -> None:
    touches = [*OPEN, touch(START + MS // 2, 0, 100.19, 100.2)]
    result = run(touches, [NOTHING, FULL, FULL])
    assert codes(result) == ["ATTEMPT", "OPEN", "OPEN", "EXPIRED", "REVERSE", "REVERSED"]
    reverse = result.bot.sent[-1]
    assert (reverse.leg_no, reverse.side) == (1, BUY)
    assert reverse.sent_ts == START + MS + TIMEOUT
    assert result.decisions[-1].value == 1.0


def test_reversals_widen_their_band_until_the_halt() -> None:
    touches = [*OPEN, touch(START + MS // 2, 0, 100.19, 100.2)]
    result = run(touches, [NOTHING, FULL], Fate(share=0.0, delay_ns=9 * MS))
    prices = [o.price for o in result.bot.sent[2:]]
    assert len(prices) == 12
    assert prices == sorted(prices)
    assert prices[0] == pytest.approx(101.15)
    assert prices[-1] == prices[-2] == pytest.approx(102.05)  # ten bands at most, on a tick
    assert codes(result)[-1] == "HALTED"
    assert result.decisions[-1].value == -1.0
    assert result.outcome == Outcome.HALTED


@pytest.mark.parametrize(
    "script", [[SILENT, FULL], [FULL, SILENT], [SILENT, SILENT], [NOTHING, FULL, SILENT]]
)
def test_an_order_in_doubt_halts_and_nothing_more_is_sent(script: list[Fate]) -> None:
    result = run(
        OPEN + [touch(START + 20 * MS * n, 0, 99.98, 100.0 + n % 2 / 100) for n in range(1, 60)], script
    )
    assert len(result.bot.sent) == len(script)
    assert codes(result)[-1] == "HALTED"
    assert result.outcome == Outcome.HALTED
    check(result)


def test_an_answer_between_the_deadline_and_the_halt_counts() -> None:
    result = run(OPEN, [FULL, LATE])
    assert codes(result) == ["ATTEMPT", "OPEN", "OPEN", "HEDGED"]


def test_a_refused_first_order_opens_nothing() -> None:
    result = run(OPEN + CALM, [REFUSED])
    assert codes(result) == ["ATTEMPT", "REFUSED", "MISSED"]
    assert result.bot.sent == []


def test_a_refused_second_order_is_chased() -> None:
    touches = [*OPEN, touch(START + 2 * MS, 0, 99.0, 99.01)]
    result = run(touches, [FULL, REFUSED, FULL])
    assert codes(result)[:5] == ["ATTEMPT", "OPEN", "REFUSED", "CHASE", "HEDGED"]


def test_a_chase_takes_no_more_than_the_touch_shows() -> None:
    touches = [*OPEN, touch(START + MS // 2, 0, 99.99, 100.0, 5.0, 0.3)]
    result = run(touches, [NOTHING, FULL, FULL])
    # After three chases the rest is reversed.
    assert [o.qty for o in result.bot.sent[2:]] == pytest.approx([0.3, 0.3, 0.3, 0.1])
    assert [c for c in codes(result) if c in ("CHASE", "REVERSE")] == ["CHASE"] * 3 + ["REVERSE"]


def test_dust_of_the_finer_leg_is_traded_back_at_once() -> None:
    # 0.004 bought where the other leg sells in hundredths: nothing to chase with.
    result = run(OPEN + CALM, [Fate(share=0.004), NOTHING, FULL])
    assert codes(result) == ["ATTEMPT", "OPEN", "OPEN", "EXPIRED", "EXPIRED", "REVERSE", "REVERSED"]
    assert result.bot.sent[-1].qty == pytest.approx(0.004)
    assert result.decisions[-1].ts == START + 2 * MS


def test_dust_that_neither_lot_can_trade_is_let_be() -> None:
    # 0.99 sold in hundredths, 0.987 bought in thousandths: 0.003 could still be bought, but not within tolerance.
    touches = [*OPEN, touch(START + MS // 2, 0, 100.19, 100.2)]
    result = run(touches, [Fate(share=0.987), Fate(share=0.99)])
    assert codes(result) == ["ATTEMPT", "OPEN", "OPEN", "EXPIRED", "EXPIRED", "RESIDUAL", "HEDGED"]
    assert [d.value for d in result.decisions[-2:]] == pytest.approx([-0.003, 0.987])
    check(result)


@pytest.mark.parametrize("leg_no", [0, 1])
def test_nothing_is_sent_on_an_unknown_touch(leg_no: int) -> None:
    nan = math.nan
    unknown = Touch(START + MS // 2, leg_no, nan, nan, nan, nan)
    back = (touch(START + 50 * MS, 0, 99.99, 100.0), touch(START + 50 * MS, 1, 101.0, 101.05))[leg_no]
    result = run([*OPEN, unknown, back], [FULL, NOTHING] if leg_no else [NOTHING, FULL])
    assert codes(result)[-2:] == ["CHASE", "HEDGED"]
    assert result.bot.sent[2].sent_ts == START + 50 * MS
    check(result)


def test_no_attempt_begins_on_half_a_touch() -> None:
    nan = math.nan
    for n, side in itertools.product(range(2), ("bid", "ask")):
        touches = list(OPEN)
        touches[n] = touches[n]._replace(**{side: nan, f"{side}_qty": nan})
        assert run(touches, []).decisions == []


def test_nothing_is_sent_where_no_quantity_is_known() -> None:
    nan = math.nan
    unknown = touch(START + MS // 2, 0, 99.99, 100.0, nan, nan)
    result = run([*OPEN, unknown, touch(START + 50 * MS, 0, 99.99, 100.0)], [NOTHING, FULL])
    assert result.bot.sent[2].sent_ts == START + 50 * MS
    check(result)


def test_a_chase_sells_at_its_limit_itself() -> None:
    # 101.0 less 0.1 % is 100.899: the tick within is 100.9, and a bid there is good enough.
    touches = [*OPEN, touch(START + MS // 2, 1, 100.9, 100.95)]
    assert codes(run(touches, [FULL, NOTHING, FULL]))[-2:] == ["CHASE", "HEDGED"]
    touches = [*OPEN, touch(START + MS // 2, 1, 100.85, 100.9)]
    assert "CHASE" not in codes(run(touches, [FULL, NOTHING, FULL]))


def test_a_crossed_book_is_no_touch() -> None:
    assert run([touch(START, 0, 100.0, 99.0), OPEN[1]], []).decisions == []
