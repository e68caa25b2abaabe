"""When the strategy opens an attempt, and how its loop ends."""

from __future__ import annotations

import ast
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.fake_bot import FakeBot, FakeRecorder, Touch, fates, plain

import arb.strategy
from arb.strategy import spread
from arb.strategy.decisions import Decision, Outcome

MS = 1_000_000
S = 1_000 * MS
run = plain(spread.run)


def touch(ts: int, leg_no: int, bid: float, ask: float) -> Touch:
    return Touch(ts, leg_no, bid, ask, 5.0, 5.0)


def bot_of(touches: list[Touch]) -> FakeBot:
    return FakeBot(touches, fates([]), touches[-1].ts + 10 * S, (0.01, 0.01), (0.001, 0.001))


def params(**changes: Any) -> Any:
    plenty = {
        "base_0": 1e3,
        "base_1": 1e3,
        "quote_0": 1e6,
        "quote_1": 1e6,
        "taker_fee_0": 0.0,
        "taker_fee_1": 0.0,
    }
    return SimpleNamespace(**{**spread.PARAMS, **plenty, **changes})


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


def test_it_records_at_intervals_at_the_end_of_an_attempt_and_at_the_end() -> None:
    recorder = FakeRecorder()
    run(bot_of([touch(S, 0, 99.99, 100.0), touch(S, 1, 100.0, 100.1)]), params(), recorder)
    assert recorder.records == 12  # at once, each second for ten, at the end


@pytest.mark.parametrize("code", [2 + 13, 100, -1, 4])
def test_an_answer_that_is_none_ends_it(code: int) -> None:
    bot = bot_of([touch(S, 0, 99.99, 100.0)])
    bot.wait_next_feed = lambda *_: code  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="the bot failed"):
        run(bot, params(), FakeRecorder())


@pytest.mark.parametrize(
    "path", sorted(Path(arb.strategy.__file__).parent.glob("*.py")), ids=lambda p: p.name
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
