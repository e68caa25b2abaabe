"""What a dry-run says before it begins, and how it keeps a pace."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from arb.app.dryrun import paced
from arb.app.dryrun_live import slow_answer_notes
from arb.app.run_setup import outcome_of
from arb.bot.world import ANSWER
from arb.config import load, write_templates
from arb.dryrun.latencies import feed_latencies, order_latencies
from arb.errors import ExitCode


@pytest.mark.parametrize(("timeout_ms", "notes"), [(5000, 0), (400, 1)])
def test_orders_that_are_given_up_too_early_are_warned_of(
    timeout_ms: int, notes: int, tmp_path: Path
) -> None:
    write_templates(tmp_path)
    config = load(tmp_path / "arbitrage.toml", [f"execution.order_timeout_ms={timeout_ms}"])

    assert len(slow_answer_notes(config)) == notes


def test_a_pace_waits_for_the_market_and_not_for_what_is_no_time() -> None:
    wait = paced(100.0)
    began = time.monotonic()

    for known_ts in (-1, 10**18, 10**18 + 5 * 10**9, np.iinfo(np.int64).max):
        wait(int(known_ts))

    assert time.monotonic() - began >= 0.05


def test_what_a_strategy_returns_is_the_outcome() -> None:
    assert outcome_of(0) == ("ended", ExitCode.DONE)
    assert outcome_of(3) == ("halted", ExitCode.HALTED_BY_RISK)
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
