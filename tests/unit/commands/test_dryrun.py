"""What a dry-run says before it begins, and how it keeps a pace."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from hftbacktest.types import event_dtype

from arb.commands.dryrun import paced
from arb.commands.dryrun_live import slow_answer_notes
from arb.commands.run_setup import outcome_of
from arb.config import load, write_templates
from arb.engine.world import ANSWER, NEVER
from arb.errors import ExitCode
from arb.runtime.latencies import FeedLags, feed_latencies, order_latencies
from arb.runtime.watchdog import Watchdog

S = 1_000_000_000


@pytest.mark.parametrize(("timeout_ms", "notes"), [(5000, 0), (400, 1)])
def test_orders_that_are_given_up_too_early_are_warned_of(
    timeout_ms: int, notes: int, tmp_path: Path
) -> None:
    write_templates(tmp_path)
    config = load(tmp_path / "arbitrage.toml", [f"execution.order_timeout_ms={timeout_ms}"])

    assert len(slow_answer_notes(config)) == notes


class LookedAway:
    """A watchdog that knows whether it is paused."""

    is_paused = False

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """As of a real one."""
        self.is_paused = True
        yield
        self.is_paused = False


@pytest.mark.parametrize("speed", [1.0, 10.0, 100.0])
def test_a_pace_waits_for_the_market_and_not_for_what_is_no_time(speed: float) -> None:
    watchdog = LookedAway()
    now = [1000.0]
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        assert watchdog.is_paused
        slept.append(seconds)
        now[0] += seconds

    wait = paced(speed, cast(Watchdog, watchdog), clock=lambda: now[0], sleep=sleep)
    for known_ts in (-1, 0, 5 * S, -1, NEVER, 6 * S):
        wait(10**18 + known_ts if 0 <= known_ts < NEVER else known_ts)
    # After a long computation there is nothing to wait for until the market is ahead again.
    now[0] += 5.0 / speed
    for known_ts in (8 * S, 10 * S, 20 * S):
        wait(10**18 + known_ts)
        assert not watchdog.is_paused

    assert slept == pytest.approx([5.0 / speed, 1.0 / speed, 9.0 / speed])
    assert now[0] == pytest.approx(1000.0 + 20.0 / speed)


def test_what_a_strategy_returns_is_the_outcome() -> None:
    assert outcome_of(0) == ("ended", ExitCode.DONE)
    assert outcome_of(3) == ("halted", ExitCode.HALTED_BY_RISK)
    assert outcome_of(3.0) == ("halted", ExitCode.HALTED_BY_RISK)
    assert outcome_of(None) == ("ended", ExitCode.DONE)
    assert outcome_of(3, is_interrupted=True) == ("interrupted", ExitCode.INTERRUPTED)


def test_latencies_are_of_answered_requests_alone() -> None:
    answers = np.zeros(4, ANSWER)
    answers["request_no"] = [2, 1, 0, 3]
    answers["request_ts"] = [20, 10, 5, 30]
    answers["exch_ts"] = [25, 14, 26, 29]
    answers["response_ts"] = [28, 19, 30, 35]

    rows = order_latencies(answers)

    assert rows["req_ts"].tolist() == [10, 20]
    assert rows["exch_ts"].tolist() == [14, 25]
    assert rows["resp_ts"].tolist() == [19, 28]


def test_the_feeds_latency_counts_for_both_ways() -> None:
    rows = feed_latencies([(1000, 7)])

    assert (rows["req_ts"][0], rows["exch_ts"][0], rows["resp_ts"][0]) == (1000, 1007, 1014)


def test_the_feeds_latency_is_sampled_once_a_second() -> None:
    lags = FeedLags()
    for n in range(35):
        rows = np.zeros(2, event_dtype)
        rows["local_ts"] = [n * S // 10 - 1, 10**18 + n * S // 10]
        rows["exch_ts"] = rows["local_ts"] - 7 - n

        lags.follow(rows)

    assert lags.samples == [(10**18, 7), (10**18 + S, 17), (10**18 + 2 * S, 27), (10**18 + 3 * S, 37)]
