"""Live rows: the venues' side waits for its watermark, and a replay with the recorded times is the same run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hftbacktest.types import event_dtype
from hypothesis import given, settings
from hypothesis import strategies as st
from parity.strategies import quote_touches, random_orders
from parity.worlds import DISORDER_NS, compare_again, drive
from support.dry_market import MS, dry_legs, leg, received_rows

from arb.bot.compilation import compile_strategy
from arb.engine.world import ANSWER
from arb.runtime.live_rows import LiveDriver
from arb.runtime.strategy_task import StrategyTask
from arb.simulation.bot import DryRunBot
from arb.simulation.latency import recorded_times
from arb.simulation.watermark import VenueOrder, VenueSide


def answers_of(function: Any, arguments: Any, seed: int) -> Any:
    """The responses of a run on live rows."""
    bot = DryRunBot([leg(number) for number in range(2)], is_live=True, keep_trades=True)
    journal = np.zeros(3_000_000)
    task = StrategyTask(bot, compile_strategy(function), (bot, journal, *arguments))
    drive(bot, task, [received_rows(number, seed, 1500) for number in range(2)])
    assert task.error is None
    return bot.world.answers.copy()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("function", "arguments"),
    [(random_orders, (4, 120, 1, 0.001, 0.003)), (quote_touches, (0.01, 25 * MS))],
)
def test_a_replay_with_the_recorded_times_is_the_same_run(function: Any, arguments: Any) -> None:
    compared = compare_again(function, dry_legs(8, 1500), lambda bot, _, journal: (bot, journal, *arguments))

    assert compared.differing == []
    assert compared.fills > 10
    assert compared.looks > 5_000


@pytest.mark.slow
def test_answers_are_held_until_the_watermark_has_passed() -> None:
    answers = answers_of(quote_touches, (0.01, 25 * MS), seed=8)
    asked = answers[answers["request_no"] > 0]

    assert (asked["exch_ts"] - asked["request_ts"] == 10 * MS).all()
    held = answers["response_ts"] - answers["exch_ts"] - 10 * MS
    assert (held >= 0).all()
    # The venues' side lags by the disorder that is allowed, so that answers come as late.
    assert DISORDER_NS / 2 < np.median(held) < 2 * DISORDER_NS


@pytest.mark.slow
def test_without_disorder_answers_come_in_time() -> None:
    rows = []
    for number in range(2):
        of_leg = received_rows(number, 8, 800)
        of_leg["local_ts"] = of_leg["exch_ts"] + 1
        rows.append(of_leg[np.argsort(of_leg["exch_ts"], kind="stable")])
    bot = DryRunBot([leg(number) for number in range(2)], is_live=True)
    journal = np.zeros(3_000_000)
    task = StrategyTask(bot, compile_strategy(quote_touches), (bot, journal, 0.01, 25 * MS))
    late_rows = drive(bot, task, rows, disorder_ns=0)

    late = bot.world.answers["response_ts"] - bot.world.answers["exch_ts"] - 10 * MS
    assert len(late) > 100
    assert late_rows == 0
    assert np.quantile(late, 0.5) < 25 * MS, "no later than the next row of the leg that is behind"


def rows_at(times: list[tuple[int, int]]) -> Any:
    made = np.zeros(len(times), event_dtype)
    for row, (number, exch_ts) in zip(made, times, strict=True):
        row["exch_ts"], row["ival"], row["ev"] = exch_ts, number, 1
    return made


@settings(max_examples=100)
@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 30), st.integers(1, 4)), min_size=1, max_size=60)
)
def test_rows_come_out_by_venue_time_and_none_is_lost(received: list[Any]) -> None:
    order = VenueOrder(20, 100)
    out, now, number, given_rows, late = [], 0, 0, 0, 0
    for passed, behind, count in received:
        now += passed
        late += order.receive(rows_at([(number + index, now - behind) for index in range(count)]))
        number += count
        given_rows += count
        before = order.watermark
        released = order.release(now)
        assert order.watermark >= before
        assert all(row["exch_ts"] <= order.watermark for row in released)
        assert all(row["exch_ts"] > before for row in released) or before == -1
        out += [(int(row["exch_ts"]), int(row["ival"])) for row in released]
    out += [(int(row["exch_ts"]), int(row["ival"])) for row in order.release(now + 1000)]

    assert [time for time, _ in out] == sorted(time for time, _ in out)
    assert sorted(number for _, number in out) == list(range(given_rows))
    if not late:
        assert out == sorted(out), "of one time, the one received first"


def test_a_silent_leg_does_not_hold_the_other_up() -> None:
    order = VenueOrder(20, 100)
    order.receive(rows_at([(0, 50)]))
    assert len(order.release(60)) == 0
    assert order.watermark == 30
    assert len(order.release(149)) == 0
    assert len(order.release(150)) == 1


def test_recorded_times_are_by_request() -> None:
    answers = np.zeros(4, ANSWER)
    answers["request_no"] = [2, 0, 1, 4]
    answers["request_ts"] = [15, 5, 5, 30]
    answers["exch_ts"] = [20, 25, 10, 40]
    answers["response_ts"] = [21, 26, 27, 41]

    arrivals, replies = recorded_times(answers)

    assert list(arrivals) == [10, 20, 2**63 - 1, 40]
    assert list(replies) == [21, 26, 27, 41]


def test_a_request_that_was_turned_down_is_so_again() -> None:
    answers = np.zeros(2, ANSWER)
    answers["request_no"] = [1, 2]
    answers["request_ts"] = [100, 200]
    answers["exch_ts"] = [0, 210]
    answers["response_ts"] = [104, 220]

    arrivals, replies = recorded_times(answers)

    assert list(arrivals - answers["request_ts"]) == [-4, 10], "below 0 is an answer after as long"
    assert list(replies) == [220]


def test_a_driver_wants_a_live_bot() -> None:
    bot = DryRunBot([leg(0)])
    task = StrategyTask(bot, compile_strategy(quote_touches), (bot, np.zeros(10), 0.01, MS))
    with pytest.raises(ValueError, match="is_live"):
        LiveDriver(bot, task, VenueSide(bot.exchanges, 0, 0))
