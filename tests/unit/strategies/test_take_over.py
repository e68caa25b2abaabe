"""Positions with which a run begins: balanced by the host, then open spreads and moved inventory of their pairs."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hftbacktest.types import (
    BUY_EVENT,
    DEPTH_SNAPSHOT_EVENT,
    EXCH_EVENT,
    LOCAL_EVENT,
    SELL_EVENT,
    event_dtype,
)
from support.dry_market import MS, START_NS, leg
from support.fake_bot import FakeBot, FakeRecorder, Touch, fates, plain
from support.spread_params import spread_params

from arb.bot.compilation import compile_strategy
from arb.bot.recorder import Recorder
from arb.leg import Leg
from arb.runtime.replay import replay
from arb.simulation.bot import DryRunBot
from arb.strategies.flatten import HostOrders, closing_first
from arb.strategies.hedge_first import hedging_first
from arb.strategies.spread import strategy as spread
from arb.strategies.spread.decisions import Decision, Outcome, Purpose, is_halted

S = 1_000 * MS
run = plain(spread.run)


def spread_run(
    touches: list[Touch], opening: tuple[float, float], **changes: Any
) -> tuple[FakeBot, FakeRecorder]:
    recorder = FakeRecorder()
    bot = FakeBot(touches, fates([]), touches[-1].ts + 10 * S, (0.01, 0.01), (0.001, 0.001), opening=opening)
    given = {"base": 1e3, "quote": 1e6, "taker_fee": 0.0, "stop_loss_bps": 1e4, **changes}
    assert run(bot, spread_params(**given), recorder) == Outcome.ENDED
    return bot, recorder


def both(ts: int, first: float, second: float) -> list[Touch]:
    """Touches of both legs around these mids."""
    return [Touch(ts, no, mid - 0.01, mid + 0.01, 5.0, 5.0) for no, mid in enumerate((first, second))]


def purposes(recorder: FakeRecorder) -> list[int]:
    return [one.order_id for one in recorder.decisions if one.code == Decision.ATTEMPT]


def test_a_held_spread_is_closed_when_it_has_reverted() -> None:
    touches = [*both(S, 100.0, 100.0), *both(2 * S, 100.0, 99.9)]
    bot, recorder = spread_run(touches, (0.5, -0.5), is_convergence=True, exit_spread_bps=1.0, is_spot=0)
    assert purposes(recorder) == [Purpose.LEAVE]
    assert [bot.position(no) for no in range(2)] == [0.0, 0.0]


def test_a_held_spread_forbids_the_opposite_one() -> None:
    # Buying leg 1 has an edge of 50 bps; leg 0 is held, and has not reverted.
    touches = [*both(S, 100.5, 100.0), *both(2 * S, 100.51, 100.0)]
    _, held = spread_run(touches, (0.5, -0.5), is_convergence=True, exit_spread_bps=-1e3, is_spot=0)
    assert purposes(held) == []
    _, flat = spread_run(touches, (0.0, 0.0), is_convergence=True, exit_spread_bps=-1e3, is_spot=0)
    assert purposes(flat)[0] == Purpose.ENTER


def test_moved_inventory_is_moved_back() -> None:
    touches = [*both(S, 100.0, 100.0), *both(2 * S, 100.02, 100.0)]
    given = {"base": 1.0, "rebalance_threshold": 0.2, "rebalance_cost_bps": 5.0}
    bot, recorder = spread_run(touches, (0.5, -0.5), **given)
    assert purposes(recorder)[0] == Purpose.REBALANCE
    assert bot.position(0) < 0.5
    _, flat = spread_run(touches, (0.0, 0.0), **given)
    assert purposes(flat) == []


def test_a_remainder_counts_in_the_next_attempt() -> None:
    touches = [*both(S, 100.0, 101.0), *both(2 * S, 100.0, 101.1)]
    bot, _ = spread_run(touches, (0.0005, 0.0), max_position_size=0.01)
    assert bot.position(0) + bot.position(1) == pytest.approx(0.0, abs=0.001)


# -- the host's hedge, over compiled code


def never(bot, seen):
    """Counts its calls, and holds the positions."""
    seen[0] += 1
    seen[1] = bot.position(0)
    seen[2] = bot.position(1)
    while bot.wait_next_feed(True, 60_000_000_000) != 1:
        pass
    return 0


def rows_of(number: int, qty: float, begin_s: float = 0.0) -> Any:
    """A book of one level each side, sent again every 20 ms for 6 s."""
    rows = []
    for step in range(round(begin_s * 50), 300):
        ts = START_NS + step * 20 * MS
        bid = 60_000.0 + (step % 2) * 0.5
        for side, px in ((BUY_EVENT, bid), (SELL_EVENT, bid + 1.0)):
            rows.append((DEPTH_SNAPSHOT_EVENT | side, ts, ts + 5 * MS, px, qty, 0, 0, 0.0))
    found = np.array(rows, event_dtype)
    found["ev"] |= EXCH_EVENT | LOCAL_EVENT
    return found


def hedged(
    opening: tuple[float, float],
    qtys: tuple[float, float] = (5.0, 5.0),
    *,
    first: Any = hedging_first,
    begin_s: float = 0.0,
    **changes: Any,
) -> tuple[int, Any, Any]:
    """(outcome, what the strategy saw, decisions) of a run that begins with these positions. first: runs before the
    strategy; begin_s: of the second leg's book."""
    legs: list[Leg] = [
        dataclasses.replace(leg(no, **changes), pair=0, opening_position=opening[no], opening_price=60_000.0)
        for no in range(2)
    ]
    bot, recorder, seen = DryRunBot(legs), Recorder(2), np.zeros(4)
    bot.host()
    function = first(compile_strategy(never), HostOrders(bot, recorder, legs, 0.001))
    arrays = [[rows_of(no, qty, no * begin_s)] for no, qty in enumerate(qtys)]
    task = replay(bot, arrays, function, (bot, seen))
    assert task.error is None
    assert is_halted(task.value) or task.value == 0
    times = recorder.records["timestamp"]
    assert ((times >= START_NS) & (times < START_NS + 60 * S)).all(), "no record before the clock runs"
    found = int(task.value), seen.copy(), recorder.decisions.copy()
    bot.close()
    return found


pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("opening", "left"),
    [
        ((0.5, 0.0), (0.5, -0.5)),
        ((0.5, -0.2), (0.5, -0.5)),
        ((-0.5, 0.2), (-0.5, 0.5)),
        ((0.2, -0.5), (0.5, -0.5)),
        ((0.5, -0.5), (0.5, -0.5)),
    ],
)
def test_a_surplus_is_chased_before_the_strategy_starts(
    opening: tuple[float, float], left: tuple[float, float]
) -> None:
    outcome, seen, decisions = hedged(opening)
    assert (outcome, seen[0]) == (0, 1)
    assert seen[1:3] == pytest.approx(left)
    assert set(decisions["code"]) <= {Decision.HEDGE}
    assert len(decisions) == (opening != left)


def test_what_cannot_be_chased_is_reversed() -> None:
    outcome, seen, decisions = hedged((0.5, 0.0), (5.0, 0.0))
    assert (outcome, seen[0]) == (0, 1)
    assert seen[1:3] == pytest.approx((0.0, 0.0))
    assert set(decisions["leg"]) == {0}


def test_a_pair_that_cannot_be_balanced_halts_before_the_strategy_starts() -> None:
    # A touch of less than the smallest order.
    outcome, seen, decisions = hedged((0.5, 0.0), (0.0005, 0.0005))
    assert (outcome, seen[0]) == (Outcome.HALTED, 0)
    assert [(one["code"], one["value"]) for one in decisions] == [(Decision.HALTED, 0.5)]
    assert 2.5 * S <= decisions[0]["timestamp"] - START_NS <= 3.1 * S


def test_without_any_book_it_halts_too() -> None:
    outcome, seen, decisions = hedged((0.5, 0.0), (0.0, 0.0))
    assert (outcome, seen[0]) == (Outcome.HALTED, 0)
    assert [one["code"] for one in decisions] == [Decision.HALTED]


def test_a_remainder_too_small_to_trade_is_left_to_the_strategy() -> None:
    outcome, seen, decisions = hedged((0.5005, -0.5))
    assert (outcome, seen[0], len(decisions)) == (0, 1, 0)


# -- the host closes what it takes over


def test_a_pair_is_closed_once_both_touches_are_known() -> None:
    outcome, seen, decisions = hedged((0.5, -0.5), first=closing_first, begin_s=2.0)
    assert (outcome, seen[0]) == (0, 1)
    assert seen[1:3] == pytest.approx((0.0, 0.0))
    assert [(one["code"], one["leg"]) for one in decisions] == [(Decision.FLATTEN, 0), (Decision.FLATTEN, 1)]
    assert decisions["timestamp"][0] == decisions["timestamp"][1] >= START_NS + 2 * S


def test_no_leg_is_closed_alone_and_the_strategy_does_not_start_with_a_position() -> None:
    outcome, seen, decisions = hedged((0.5, -0.5), (5.0, 0.0), first=closing_first)
    assert (outcome, seen[0]) == (Outcome.HALTED, 0)
    assert [(one["code"], one["value"]) for one in decisions] == [
        (Decision.HALTED, 0.5),
        (Decision.HALTED, -0.5),
    ]
