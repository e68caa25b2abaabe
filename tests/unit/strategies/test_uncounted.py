"""Attempts whose orders are answered late, in parts or not at all, refused, or executed after their end."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest
from hftbacktest.order import BUY, SELL
from hypothesis import given, settings
from hypothesis import strategies as st
from support.fake_bot import Decided, FakeBot, FakeRecorder, Fate, Touch, fates, plain
from support.spread_params import spread_params

from arb.strategies.spread import strategy as spread
from arb.strategies.spread.decisions import Decision, Outcome, Purpose

MS = 1_000_000
START = 1_000 * MS
TIMEOUT = 100 * MS
DOUBT = 2_000 * MS
TOLERANCE = 0.001
NAN = math.nan
ROOM = 1e-9
HEDGES = (Decision.CHASE, Decision.REVERSE)
SENT = (Decision.OPEN, *HEDGES)
WATCHED = (Decision.OPPORTUNITY, Decision.OPPORTUNITY_END, Decision.IMBALANCE, Decision.EXPIRED)
FULL, NOTHING, SILENT = Fate(), Fate(share=0.0), Fate(share=None)
#: Refused on its way or by the venue: it reads EXPIRED or REJECTED, without a time at the venue.
NOT_DONE = Fate(is_rejected=True)
VALUES: dict[str, Any] = {
    "max_position_size": 1.0, "position_limit": 50.0, "slippage_tolerance": TOLERANCE, "order_timeout_ns": TIMEOUT,
    "in_doubt_max_ns": DOUBT, "attempt_interval_ns": 0, "max_failures": 0, "max_attempt_loss": 1e9,
    "max_drawdown": 1e9, "max_daily_loss": 1e9, "inventory_skew_bps": 0.0, "rebalance_threshold": 1.0,
    "stop_loss_bps": 1e4, "common_lot": 0.01, "base": 50.0, "quote": 1e5, "taker_fee": 0.0,
}  # fmt: skip


class Run(NamedTuple):
    bot: FakeBot
    decisions: list[Decided]
    outcome: int

    @property
    def codes(self) -> list[str]:
        return [one.code.name for one in self.decisions]

    def of(self, *codes: Decision) -> list[Decided]:
        return [one for one in self.decisions if one.code in codes]

    @property
    def imbalance(self) -> float:
        return self.bot.position(0) + self.bot.position(1)


def touch(at_ms: float, leg: int, bid: float, ask: float, qty: float = 5.0) -> Touch:
    return Touch(START + round(at_ms * MS), leg, bid, ask, qty, qty)


#: Leg 0 can be bought below the other's bid; half a millisecond later no longer, and nothing opens any more.
OPEN = [touch(0, 0, 99.99, 100.0), touch(0, 1, 101.0, 101.05)]
GONE = [touch(0.5, 1, 100.0, 100.05)]
#: Leg 0 has moved too far to be bought within the tolerance, and nothing opens.
FAR = [touch(0.5, 0, 100.99, 101.0)]


def run(touches: Sequence[Touch], script: Sequence[Fate], then: Fate = FULL, **changes: Any) -> Run:
    bot = FakeBot(
        touches, fates(script, then), touches[-1].ts + 5_000 * MS, (0.01, 0.01), (0.001, 0.01),
        base_fees=changes.pop("fees", ()),
    )  # fmt: skip
    recorder = FakeRecorder()
    outcome = plain(spread.run)(bot, spread_params(**{**VALUES, **changes}), recorder)
    return Run(bot, [d for d in recorder.decisions if d.code not in WATCHED], int(outcome))


# -- doubt


@pytest.mark.parametrize("second", [Fate(delay_ns=1_500 * MS), Fate(share=0.0, delay_ns=1_500 * MS)])
def test_an_attempt_in_doubt_sends_nothing_and_goes_on_with_the_answer(second: Fate) -> None:
    news = [touch(20 * n, 0, 99.98, 100.0 + n % 2 / 100) for n in range(1, 60)]
    result = run([*OPEN, *GONE, *news], [FULL, second])
    assert all(order.sent_ts in (START, START + 1_500 * MS) for order in result.bot.sent)
    assert result.outcome == Outcome.ENDED
    assert result.imbalance == pytest.approx(0.0)
    # What was executed long before the bound is not chased any longer.
    is_filled = second.share == 1.0
    assert result.codes == ["ATTEMPT", "OPEN", "OPEN"] + (
        ["HEDGED"] if is_filled else ["REVERSE", "REVERSED"]
    )


def test_an_order_that_stays_in_doubt_halts_when_that_is_given_up() -> None:
    result = run([*OPEN, *GONE], [FULL, SILENT])
    assert result.codes == ["ATTEMPT", "OPEN", "OPEN", "HALTED"]
    assert result.decisions[-1].ts == START + DOUBT
    assert result.outcome == Outcome.HALTED


def test_a_reversal_in_doubt_is_continued_once_it_is_answered() -> None:
    late = Fate(share=0.5, delay_ns=1_000 * MS)
    result = run([*OPEN, *FAR], [NOTHING, FULL, late])
    assert result.codes == ["ATTEMPT", "OPEN", "OPEN", "REVERSE", "REVERSE", "REVERSED"]
    assert result.imbalance == pytest.approx(0.0)


@pytest.mark.parametrize("doubt_ms", [60, 1_000])
def test_reversals_in_doubt_one_after_the_other_do_not_halt(doubt_ms: int) -> None:
    # Of a leg that must be traded back three orders get lost: each doubt takes most of the time that there is.
    lost = Fate(share=0.0, delay_ns=doubt_ms * MS)
    result = run([*OPEN, *FAR], [NOTHING, FULL, lost, lost, lost])
    assert result.codes == ["ATTEMPT", "OPEN", "OPEN", *["REVERSE"] * 4, "REVERSED"]
    assert result.imbalance == pytest.approx(0.0)


def test_an_attempt_whose_orders_are_all_in_doubt_ends() -> None:
    result = run(
        [*OPEN, *FAR, touch(60_000, 0, 100.99, 101.0)], [NOTHING, FULL], Fate(share=0.0, delay_ns=1_000 * MS)
    )
    assert result.codes[-1] == "HALTED"
    assert len(result.of(Decision.REVERSE)) <= 12


def test_waiting_for_a_late_answer_does_not_spin() -> None:
    bot = FakeBot(OPEN, fates([FULL, SILENT]), START + 3_000 * MS, (0.01, 0.01), (0.001, 0.01))
    waits = []
    wait = bot.wait_next_feed
    bot.wait_next_feed = lambda resp, timeout: waits.append(timeout) or wait(resp, timeout)  # type: ignore[method-assign]
    plain(spread.run)(bot, spread_params(**VALUES), FakeRecorder())
    assert len(waits) < 10


# -- the bound on unhedged time


@pytest.mark.parametrize(("bound_ms", "after_ms"), [(0, 100), (30, 30), (100, 100), (500, 100)])
def test_the_long_leg_is_reversed_at_the_bound(bound_ms: int, after_ms: int) -> None:
    result = run([*OPEN, *FAR], [NOTHING, FULL], unhedged_max_ns=bound_ms * MS)
    assert result.codes == ["ATTEMPT", "OPEN", "OPEN", "REVERSE", "REVERSED"]
    assert result.bot.sent[-1].sent_ts == START + MS + after_ms * MS


def test_the_bound_begins_with_the_first_part_of_an_order_that_has_not_ended() -> None:
    early = Fate(delay_ns=40 * MS, early_ns=30 * MS)
    result = run([*OPEN, *FAR], [NOTHING, early])
    assert result.bot.sent[-1].sent_ts == START + 10 * MS + TIMEOUT


UNKNOWN = [touch(0.6, 1, NAN, NAN, NAN)]


def test_a_leg_whose_book_is_unknown_is_reversed_at_the_other_legs_price() -> None:
    known = [*OPEN, touch(0.5, 1, 100.0, 100.05), *FAR]
    later = [touch(0.6, 1, NAN, NAN, NAN), touch(0.7, 0, 101.99, 102.01)]
    result = run([*known, *later], [NOTHING, FULL])
    last = result.bot.sent[-1]
    assert result.codes == ["ATTEMPT", "OPEN", "OPEN", "REVERSE", "REVERSED"]
    assert (last.leg_no, last.side, last.qty) == (1, BUY, pytest.approx(1.0))
    assert last.sent_ts == START + MS + TIMEOUT, "it waits for the book until the bound"
    # As both were when they were known last.
    mid = 102.0 * (100.0 + 100.05) / (100.99 + 101.0)
    assert last.price == pytest.approx(mid * (1 + TOLERANCE), abs=0.01)
    assert last.price <= mid * (1 + TOLERANCE)


def test_without_any_book_a_leg_is_reversed_at_its_own_last_mid() -> None:
    gone = [touch(0.6, leg, NAN, NAN, NAN) for leg in range(2)]
    result = run([*OPEN, *gone], [FULL, NOTHING])
    last = result.bot.sent[-1]
    assert (last.leg_no, last.side) == (0, SELL)
    assert last.price == pytest.approx(99.995 * (1 - TOLERANCE), abs=0.01)
    assert result.codes[-2:] == ["REVERSE", "REVERSED"]


def test_a_book_that_returns_before_the_bound_is_used() -> None:
    back = touch(50, 1, 101.0, 101.1)
    result = run([*OPEN, *FAR, *UNKNOWN, back], [NOTHING, FULL])
    assert result.bot.sent[-1].price == pytest.approx(101.2, abs=0.01)
    assert result.bot.sent[-1].sent_ts == START + MS + TIMEOUT


# -- chases


def test_chases_are_bounded_and_apart() -> None:
    result = run([*OPEN, *GONE], [NOTHING, FULL], Fate(share=0.1), order_timeout_ns=5_000 * MS)
    chased = result.of(Decision.CHASE)
    assert len(chased) == 5
    assert {later.ts - earlier.ts for earlier, later in itertools.pairwise(chased)} == {50 * MS}
    assert Decision.REVERSE in [one.code for one in result.decisions]


@pytest.mark.parametrize("refusal", [NOT_DONE, Fate(code=20)])
def test_a_leg_that_is_refused_twice_in_a_row_is_not_chased_any_longer(refusal: Fate) -> None:
    if refusal.code:
        result = run([*OPEN, *FAR], [FULL, refusal, refusal])
    else:
        result = run([*OPEN, *GONE], [refusal, FULL, refusal])
    assert result.codes[-2:] == ["REVERSE", "REVERSED"]
    assert result.bot.sent[-1].sent_ts < START + TIMEOUT
    assert len(result.of(Decision.CHASE)) == (1 if refusal.code == 0 else 0)


def test_an_execution_between_refusals_keeps_a_chase_going() -> None:
    part = Fate(share=0.2)
    script = [NOTHING, FULL, NOT_DONE, part, NOT_DONE, part, FULL]
    result = run([*OPEN, *GONE], script, order_timeout_ns=5_000 * MS)
    assert result.codes[-1] == "HEDGED"
    assert len(result.of(Decision.CHASE)) == 5


def test_refused_reversals_are_sent_ever_more_rarely() -> None:
    result = run([*OPEN, *FAR], [NOTHING, FULL], NOT_DONE, order_timeout_ns=2_000 * MS)
    times = [one.ts for one in result.of(Decision.REVERSE)]
    gaps = [(later - earlier) // MS for earlier, later in itertools.pairwise(times)]
    assert gaps[:6] == [21, 41, 81, 161, 321, 641]
    assert result.codes[-1] == "HALTED"


def test_reversals_stay_within_the_band_of_a_session_s_gate() -> None:
    touches, unfilled = [*OPEN, *FAR], Fate(share=0.0, delay_ns=9 * MS)
    prices = [o.price for o in run(touches, [NOTHING, FULL], unfilled, price_band=0.005).bot.sent[2:]]
    assert prices[0] == pytest.approx(101.15)
    assert prices[-1] == pytest.approx(101.55)  # half a percent above the touch of 101.05, on a tick
    narrow = run(touches, [NOTHING, FULL], unfilled, price_band=0.0005).bot.sent[2:]
    assert {round(o.price, 2) for o in narrow} == {101.1}


def test_a_refused_reversal_does_not_widen_the_band() -> None:
    result = run([*OPEN, *FAR, touch(110, 0, 100.99, 101.02)], [NOTHING, FULL, Fate(code=20), FULL])
    assert result.codes[-3:] == ["REFUSED", "REVERSE", "REVERSED"]
    assert result.bot.sent[-1].price == pytest.approx(101.15)


def test_a_leg_that_cannot_be_reversed_is_hedged_by_the_other_one() -> None:
    # Leg 1 is sold, leg 0 has left the tolerance, and leg 1's venue takes no orders any more.
    result = run([*OPEN, *FAR], [NOTHING, FULL, NOT_DONE, NOT_DONE, FULL], order_timeout_ns=2_000 * MS)
    assert result.codes[-4:] == ["REVERSE", "REVERSE", "CHASE", "HEDGED"]
    last = result.bot.sent[-1]
    assert (last.leg_no, last.side, last.qty) == (0, BUY, pytest.approx(1.0))
    assert last.price <= 101.0 * (1.0 + 3 * TOLERANCE)
    assert result.imbalance == pytest.approx(0.0)


def test_while_neither_venue_takes_orders_both_are_tried_ever_more_rarely() -> None:
    result = run([*OPEN, *FAR], [NOTHING, FULL], NOT_DONE, order_timeout_ns=2_000 * MS)
    for code in (Decision.REVERSE, Decision.CHASE):
        times = [one.ts for one in result.of(code)]
        gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
        assert 5 <= len(times) <= 10
        assert all(later > 1.5 * earlier for earlier, later in itertools.pairwise(gaps[:4]))
    assert result.codes[-1] == "HALTED"


# -- minima


def test_a_chase_is_judged_at_its_own_price() -> None:
    # 0.2 sold at the limit of 100.899 are worth 20.18, at the price of the decision 20.2.
    part = Fate(share=0.8)
    least = {"min_notional": 20.19, "order_timeout_ns": TIMEOUT}
    result = run([*OPEN, touch(0.5, 0, 100.99, 101.0)], [FULL, part], **least)
    assert not result.of(Decision.CHASE)
    result = run([*OPEN, touch(0.5, 0, 100.99, 101.0)], [FULL, part], **{**least, "min_notional": 20.17})
    assert len(result.of(Decision.CHASE)) == 1
    assert all(o.qty * o.price >= 20.17 for o in result.bot.sent)


# -- executions after an order's end


def test_an_execution_after_the_end_is_hedged_by_the_attempt_in_progress() -> None:
    late = Fate(share=0.0, late_share=0.5, late_ns=20 * MS)
    result = run([*OPEN, *FAR], [late, FULL])
    assert result.of(Decision.UNCOUNTED)[0].value == pytest.approx(0.5)
    (last,) = result.bot.sent[2:]
    assert (last.leg_no, last.side, last.qty) == (1, BUY, pytest.approx(0.5))
    assert result.codes[-1] == "HEDGED"


@pytest.mark.parametrize(("leg", "side"), [(0, SELL), (1, BUY)])
def test_an_execution_between_attempts_is_hedged_before_anything_opens(leg: int, side: int) -> None:
    late = Fate(share=0.0, late_share=0.5, late_ns=500 * MS)
    script = [late, NOTHING] if leg == 0 else [NOTHING, late]
    # The edge is back at the very moment.
    again = [touch(501, 0, 99.99, 100.0), touch(501, 1, 101.0, 101.05)]
    result = run([*OPEN, *GONE, *again], script)
    purposes = [one.order_id for one in result.of(Decision.ATTEMPT)]
    assert purposes[:2] == [Purpose.ENTER, Purpose.HEDGE]
    hedge = result.bot.sent[2]
    assert (hedge.leg_no, hedge.side, hedge.qty) == (1 - leg, side, pytest.approx(0.5))
    assert result.imbalance == pytest.approx(0.0)


def test_a_late_execution_is_traded_back_where_the_other_leg_cannot_follow() -> None:
    late = Fate(share=0.0, late_share=0.5, late_ns=500 * MS)
    gone = touch(10, 1, NAN, NAN, NAN)
    result = run([*OPEN, *GONE, gone], [late, NOTHING])
    last = result.bot.sent[-1]
    assert (last.leg_no, last.side, last.qty) == (0, SELL, pytest.approx(0.5))
    assert last.sent_ts == START + 501 * MS + TIMEOUT
    assert result.codes[-2:] == ["REVERSE", "REVERSED"]


def test_what_is_too_small_is_named_and_counts_in_the_next_attempt() -> None:
    late = Fate(share=0.0, late_share=0.004, late_ns=500 * MS)
    again = [touch(600, 0, 99.99, 100.0), touch(600, 1, 101.0, 101.05), touch(600.5, 1, 100.0, 100.05)]
    result = run([*OPEN, *GONE, *again], [late, NOTHING], min_notional=5.0)
    (found,) = result.of(Decision.UNCOUNTED)
    assert (found.attempt, found.leg, found.value) == (0, 0, pytest.approx(0.004))
    assert [one.value for one in result.of(Decision.RESIDUAL)] == pytest.approx([0.004, 0.004])
    assert [one.order_id for one in result.of(Decision.ATTEMPT)] == [Purpose.ENTER] * 2
    assert result.imbalance == pytest.approx(0.004)


def test_a_fee_that_takes_base_unexpectedly_is_counted_to_a_lot() -> None:
    # The asset that pays fees has run out: from then on a purchase brings 1.5 % less.
    later = [touch(100, 0, 99.99, 100.0), touch(100, 1, 101.0, 101.05), touch(100.5, 1, 100.0, 100.05)]
    result = run([*OPEN, *GONE, *later], [], fees=(0.015, 0.0))
    assert abs(result.imbalance) < 0.001
    assert {one.code for one in result.of(Decision.UNCOUNTED)} == {Decision.UNCOUNTED}
    assert result.outcome == Outcome.ENDED


# -- anything

some_fates = st.builds(
    Fate,
    share=st.sampled_from([0.0, 0.004, 0.3, 0.77, 1.0, 1.0, None]),
    delay_ns=st.sampled_from([MS, 30 * MS, 150 * MS, 700 * MS]),
    code=st.sampled_from([0, 0, 0, 0, 20]),
    is_rejected=st.sampled_from([False, False, False, True]),
    early_ns=st.sampled_from([0, MS // 2]),
    late_share=st.sampled_from([0.0, 0.0, 0.02, 0.5, 1.0]),
    late_ns=st.sampled_from([0, MS, 40 * MS, 400 * MS]),
)
moves = st.lists(
    st.tuples(
        st.integers(1, 300), st.integers(0, 1), st.integers(-120, 120), st.sampled_from([1, 1, 1, NAN]),
        st.sampled_from([0.004, 0.3, 5.0]),
    ),
    max_size=30,
)  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(st.lists(some_fates, max_size=12), some_fates, moves)
def test_nothing_is_hedged_by_more_than_was_executed(
    script: list[Fate], then: Fate, changes: list[tuple[int, int, int, float, float]]
) -> None:
    touches, at = list(OPEN), 0
    for gap, leg, cents, known, qty in changes:
        at += gap
        ask = ((100.0, 101.05)[leg] + cents / 100) * known
        touches.append(touch(at, leg, ask - 0.02, ask, qty * known))
    result = run(touches, script, then)

    by_id = {order.order_id: order for order in result.bot.sent}
    executions = result.bot.executions
    opened: dict[int, int] = {}
    for line in result.of(*SENT):
        order = by_id[line.order_id]
        before = [one for one in result.bot.sent if one.sent_ts < line.ts]
        assert not [one for one in before if one.answer_ts > line.ts], "sent while an order is in doubt"
        surplus = sum(qty for ts, _, qty in executions if ts <= line.ts)
        if line.code in HEDGES:
            assert order.side * surplus < 0.0, "a hedge on the wrong side"
            assert order.qty <= abs(surplus) + ROOM, "hedged by more than was executed"
        else:
            assert abs(surplus) < 0.01, "opened before what was executed is hedged"
            opened[line.attempt] = opened.get(line.attempt, 0) + 1
    assert all(count <= 2 for count in opened.values())
    is_well = (then.share, then.code, then.is_rejected) == (1.0, 0, False)
    if result.outcome != Outcome.HALTED and is_well:
        assert abs(result.imbalance) < 0.01, "left unhedged"
