"""When the strategy opens an attempt, and how its loop ends."""

from __future__ import annotations

import ast
import math
from pathlib import Path
from typing import Any

import pytest
from support.fake_bot import FakeBot, FakeRecorder, Fate, Touch, fates, plain
from support.spread_params import spread_params

import arb.strategies.spread
from arb.strategies.spread import strategy as spread
from arb.strategies.spread.decisions import Decision, Missed, Outcome, Purpose

MS = 1_000_000
S = 1_000 * MS
run = plain(spread.run)


def touch(ts: int, leg_no: int, bid: float, ask: float) -> Touch:
    return Touch(ts, leg_no, bid, ask, 5.0, 5.0)


def bot_of(touches: list[Touch]) -> FakeBot:
    return FakeBot(touches, fates([]), touches[-1].ts + 10 * S, (0.01, 0.01), (0.001, 0.001))


def params(**changes: Any) -> Any:
    return spread_params(**{"base": 1e3, "quote": 1e6, "taker_fee": 0.0, "stop_loss_bps": 1e4, **changes})


def attempts(touches: list[Touch], **changes: Any) -> list[tuple[int, float]]:
    """(leg bought, edge) of every attempt."""
    recorder = FakeRecorder()
    assert run(bot_of(touches), params(**changes), recorder) == Outcome.ENDED
    return [(d.leg, round(d.value, 6)) for d in recorder.decisions if d.code == Decision.ATTEMPT]


def test_the_cheap_leg_is_bought() -> None:
    assert attempts([touch(S, 0, 99.99, 100.0), touch(S, 1, 101.0, 101.1)]) == [(0, 100.0)]
    assert attempts([touch(S, 0, 101.0, 101.1), touch(S, 1, 99.99, 100.0)]) == [(1, 100.0)]


def test_the_edge_must_be_above_the_threshold() -> None:
    books = [touch(S, 0, 99.0, 100.0), touch(S, 1, 101.0, 102.0)]
    assert attempts(books, min_spread_bps=99.9) == [(0, 100.0)]
    assert attempts(books, min_spread_bps=100.1) == []


def test_fees_count_against_the_edge() -> None:
    books = [touch(S, 0, 99.0, 100.0), touch(S, 1, 101.0, 102.0)]
    assert attempts(books, taker_fee_0=0.002, taker_fee_1=0.003) == [(0, 49.7)]
    assert attempts(books, taker_fee_0=0.005, taker_fee_1=0.005) == []


def test_an_edge_is_taken_once_until_a_touch_changes() -> None:
    books = [touch(S, 0, 99.99, 100.0), touch(S, 1, 101.0, 101.1)]
    assert len(attempts(books)) == 1
    assert len(attempts([*books, touch(2 * S, 0, 99.98, 100.0)])) == 2


def test_without_room_nothing_is_opened() -> None:
    books = [touch(S, 0, 99.99, 100.0), touch(S, 1, 101.0, 101.1)]
    assert attempts(books, base_1=0.0) == []
    assert attempts(books, quote_0=0.0) == []


def test_the_basis_is_waited_for_and_taken_off() -> None:
    # Leg 1 stands 100 bps above for good: no edge. Then it jumps by another 50.
    books = [
        touch(S + n * S, leg, *((99.99, 100.01), (100.99, 101.01))[leg]) for n in range(20) for leg in (0, 1)
    ]
    jump = touch(30 * S, 1, 101.49, 101.51)
    assert attempts([*books, jump], basis_halflife_ns=5 * S, min_spread_bps=20.0) == [
        (0, pytest.approx(48.0, abs=0.1))
    ]
    early = touch(3 * S + 1, 1, 101.49, 101.51)
    assert attempts([*books[:6], early], basis_halflife_ns=60 * S, min_spread_bps=20.0) == []


def test_it_records_at_intervals_where_a_price_moved_and_at_the_end() -> None:
    recorder = FakeRecorder()
    moves = [touch(S + n * S // 4, 1, 100.0 + n / 100, 100.2) for n in range(9)]
    run(bot_of([touch(S, 0, 99.99, 100.0), *moves]), params(), recorder)
    # At once, after one and after two seconds; nothing while it is still; at the end.
    assert recorder.records == 4
    recorder = FakeRecorder()
    moves.append(touch(5 * S, 1, math.nan, math.nan))
    run(bot_of([touch(S, 0, 99.99, 100.0), *moves]), params(), recorder)
    # Once when the book becomes unknown; nothing while it stays so.
    assert recorder.records == 5


@pytest.mark.parametrize("code", [2 + 13, 100, -1, 4])
def test_an_answer_that_is_none_ends_it(code: int) -> None:
    bot = bot_of([touch(S, 0, 99.99, 100.0)])
    bot.wait_next_feed = lambda *_: code  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="the bot failed"):
        run(bot, params(), FakeRecorder())


@pytest.mark.parametrize(
    "path", sorted(Path(arb.strategies.spread.__file__).parent.glob("*.py")), ids=lambda p: p.name
)
def test_no_record_outlives_its_array(path: Path) -> None:
    # Compiled, `np.zeros(1, dtype)[0]` points into an array that is freed at once: the state of a run was overwritten
    # by whatever the engine allocated next.
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Call):
            called = node.value.func
            assert not (
                isinstance(called, ast.Attribute) and called.attr in {"zeros", "empty", "ones", "array"}
            )


CHEAP_0 = [touch(S, 0, 99.99, 100.0), touch(S, 1, 101.0, 101.1)]


def lines(touches: list[Touch], *codes: Decision, **changes: Any) -> list[tuple[Decision, int, int, float]]:
    """(code, leg, order_id, value) of the decisions of some kinds."""
    recorder = FakeRecorder()
    run(bot_of(touches), params(**changes), recorder)
    return [(d.code, d.leg, d.order_id, round(d.value, 6)) for d in recorder.decisions if d.code in codes]


def missed(
    touches: list[Touch],
    bot_changes: dict[int, int] | None = None,
    feed_ns: dict[int, int] | None = None,
    **changes: Any,
) -> list[Missed]:
    """What came of every opportunity."""
    recorder = FakeRecorder()
    bot = bot_of(touches)
    bot.last_feed.update(bot_changes or {})
    bot.feed_ns.update(feed_ns or {})
    run(bot, params(**changes), recorder)
    return [Missed(d.order_id) for d in recorder.decisions if d.code == Decision.OPPORTUNITY_END]


def test_an_opportunity_is_reported_from_its_rise_to_its_end_with_its_highest_edge() -> None:
    books = [*CHEAP_0, touch(2 * S, 1, 102.0, 102.1), touch(3 * S, 1, 100.0, 100.1)]
    both = (Decision.OPPORTUNITY, Decision.OPPORTUNITY_END)
    assert lines(books, *both) == [
        (Decision.OPPORTUNITY, 0, 0, 100.0),
        (Decision.OPPORTUNITY_END, 0, Missed.TAKEN, 200.0),
    ]


def test_what_is_open_at_the_end_of_the_data_is_reported_of_either_direction() -> None:
    other = [touch(S, 0, 101.0, 101.1), touch(S, 1, 99.99, 100.0)]
    for books, leg in ((CHEAP_0, 0), (other, 1)):
        assert lines(books, Decision.OPPORTUNITY_END) == [
            (Decision.OPPORTUNITY_END, leg, Missed.TAKEN, 100.0)
        ]


def test_an_unknown_book_ends_an_opportunity() -> None:
    books = [*CHEAP_0, touch(2 * S, 1, math.nan, math.nan), touch(3 * S, 1, 101.0, 101.1)]
    assert len(lines(books, Decision.OPPORTUNITY_END)) == 2


def test_an_edge_above_the_cap_is_distrusted() -> None:
    assert missed(CHEAP_0, max_edge_bps=99.9) == [Missed.DISTRUSTED]
    assert attempts(CHEAP_0, max_edge_bps=99.9) == []
    assert attempts(CHEAP_0, max_edge_bps=100.1) == [(0, 100.0)]


def test_a_silent_book_opens_nothing() -> None:
    for leg_no in range(2):
        assert missed(CHEAP_0, {leg_no: S - 101 * MS}, stale_after_ns=100 * MS) == [Missed.STALE]
    assert missed(CHEAP_0, {0: S - 100 * MS}, stale_after_ns=100 * MS) == [Missed.TAKEN]


def test_a_book_that_comes_late_opens_nothing() -> None:
    for leg_no in range(2):
        assert missed(CHEAP_0, feed_ns={leg_no: 101 * MS}, stale_after_ns=100 * MS) == [Missed.STALE]
    assert missed(CHEAP_0, feed_ns={0: 100 * MS, 1: 100 * MS}, stale_after_ns=100 * MS) == [Missed.TAKEN]


def test_attempts_keep_their_distance() -> None:
    books = [*CHEAP_0, *(touch(S + n * 20 * MS, 1, 101.0 + n / 100, 102.0) for n in range(1, 11))]
    assert len(attempts(books, attempt_interval_ns=100 * MS, max_position_size=0.1)) == 3
    assert len(attempts(books, attempt_interval_ns=0, max_position_size=0.1)) == 11


def test_what_is_too_small_or_unpaid_or_over_the_limit_is_reported_apart() -> None:
    assert missed(CHEAP_0, min_notional_0=1e9) == [Missed.TOO_SMALL]
    assert missed(CHEAP_0, quote_0=0.0) == [Missed.INVENTORY]
    assert missed(CHEAP_0, position_limit=0.0) == [Missed.POSITION]
    assert missed(CHEAP_0, quote_0=101.0, capital_allocation=0.0005) == [Missed.POSITION]
    assert missed(CHEAP_0, is_spot=False, quote_0=101.0, max_leverage=0.0001) == [Missed.POSITION]


def test_an_attempt_says_what_it_is_for() -> None:
    assert lines(CHEAP_0, Decision.ATTEMPT) == [(Decision.ATTEMPT, 0, Purpose.ENTER, 100.0)]


def test_what_was_taken_is_not_taken_again_before_the_touch_changes() -> None:
    books = [*CHEAP_0, *(touch(S + n * 200 * MS, 1, 101.0 + n / 100, 102.0) for n in range(1, 11))]
    assert len(attempts(books, max_position_size=2.0)) == 3  # 2 + 2 + 1 of the 5 that leg 0 shows


PAIRS = {"is_spot": True, "legs": 4}


def two_pairs(*then: Touch) -> FakeBot:
    calm = [touch(S, leg, 99.99, 100.0) for leg in range(4)]
    return FakeBot([*calm, *then], fates([]), 20 * S, (0.01,) * 4, (0.001,) * 4)


def run_pairs(bot: FakeBot, **changes: Any) -> tuple[int, list[Any]]:
    recorder = FakeRecorder()
    outcome = run(bot, params(**{**PAIRS, "capital_allocation": 1.0, **changes}), recorder)
    return int(outcome), recorder.decisions


def test_each_pair_is_traded_by_its_own_books() -> None:
    bot = two_pairs(touch(2 * S, 3, 101.0, 101.1))
    outcome, decisions = run_pairs(bot)
    assert outcome == Outcome.ENDED
    assert [(o.leg_no, o.side) for o in bot.sent] == [(2, 1), (3, -1)]
    assert [(d.code, d.leg) for d in decisions if d.code == Decision.OPPORTUNITY] == [
        (Decision.OPPORTUNITY, 2)
    ]


def test_attempts_of_all_pairs_are_numbered_in_one_row() -> None:
    bot = two_pairs(touch(2 * S, 1, 101.0, 101.1), touch(3 * S, 3, 101.0, 101.1))
    _, decisions = run_pairs(bot)
    assert [(d.attempt, d.leg) for d in decisions if d.code == Decision.HEDGED] == [(1, -1), (2, -1)]


def test_pairs_share_the_money_of_a_venue() -> None:
    bot = two_pairs(touch(2 * S, 1, 101.0, 101.1), touch(3 * S, 3, 101.0, 101.1))
    # 150 pay for one and a half.
    run_pairs(bot, quote=150.15)
    assert [o.qty for o in bot.sent if o.side == 1] == [pytest.approx(1.0), pytest.approx(0.5)]


@pytest.mark.parametrize("is_spot", [True, False])
def test_pairs_do_not_spend_the_same_money_at_once(is_spot: bool) -> None:
    # Both edges rise in one event, before the first orders are answered: 150 pay for one and a half.
    bot = two_pairs(touch(2 * S, 1, 101.0, 101.1), touch(2 * S, 3, 101.0, 101.1))
    run_pairs(bot, is_spot=is_spot, quote_0=150.15, quote_2=150.15, position_limit=1.0)
    assert sum(o.qty for o in bot.sent if o.side == 1) <= 1.5
    assert len(bot.sent) == 4


def test_a_halt_lets_the_other_pair_end_its_attempt() -> None:
    # Pair 0 gets one leg and nothing more: it halts about 200 ms later, while pair 1 waits for its answers.
    bot = two_pairs(touch(2 * S, 1, 101.0, 101.1), touch(2 * S + 50 * MS, 3, 101.0, 101.1))
    by_pair = [fates([Fate()], Fate(share=0.0)), fates([], Fate(delay_ns=180 * MS))]
    submit = bot._submit

    def by_leg(side: int, leg_no: int, *rest: Any) -> int:
        bot.fates = by_pair[leg_no // 2]
        return submit(side, leg_no, *rest)

    bot._submit = by_leg  # type: ignore[method-assign]
    outcome, decisions = run_pairs(bot, order_timeout_ns=100 * MS, max_attempt_loss=1e9, max_drawdown=1e9)
    ends = [(d.attempt, d.code) for d in decisions if d.code in (Decision.HALTED, Decision.HEDGED)]
    assert outcome == Outcome.HALTED
    assert ends == [(1, Decision.HALTED), (2, Decision.HEDGED)]


def test_after_a_halt_the_other_pair_opens_nothing_more() -> None:
    # Pair 1 ends its attempt just when its mids have met: what it holds would be closed, were it not for the halt.
    bot = two_pairs(
        touch(2 * S, 1, 101.0, 101.1), touch(2 * S + 50 * MS, 3, 101.0, 101.1), touch(2 * S + 230 * MS, 3, 99.9, 100.0)
    )  # fmt: skip
    by_pair = [fates([Fate()], Fate(share=0.0)), fates([], Fate(delay_ns=180 * MS))]
    submit = bot._submit

    def by_leg(side: int, leg_no: int, *rest: Any) -> int:
        bot.fates = by_pair[leg_no // 2]
        return submit(side, leg_no, *rest)

    bot._submit = by_leg  # type: ignore[method-assign]
    loose = {"max_attempt_loss": 1e9, "max_drawdown": 1e9, "max_daily_loss": 1e9}
    outcome, decisions = run_pairs(bot, order_timeout_ns=100 * MS, is_convergence=True, **loose)
    assert outcome == Outcome.HALTED
    assert [d.attempt for d in decisions if d.code == Decision.ATTEMPT] == [1, 2]


@pytest.mark.parametrize("is_convergence", [False, True])
def test_a_price_of_nothing_is_no_touch(is_convergence: bool) -> None:
    books = [touch(S, 0, 0.0, 0.0), touch(S, 1, 101.0, 101.1), touch(2 * S, 1, 0.0, 0.0)]
    assert attempts(books, is_convergence=is_convergence, max_edge_bps=1e9) == []
