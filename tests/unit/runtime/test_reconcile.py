"""Whatever is changed in one telling of a run is told as a difference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arb.bot.recorder import DECISION, RECORD
from arb.results.result import RunOutput
from arb.results.trades import Trade, iso_time
from arb.verify.reconcile import differences_of

START = 1_704_067_200_000_000_000


def a_run(count: int = 20) -> RunOutput:
    trades = []
    for n in range(count):
        ts = START + n * 1_000_000
        trades.append(
            Trade(iso_time(ts), ts, n // 2 + 1, f"venue_{n % 2}:BTCUSDT", ("buy", "sell")[n % 2], 42_000.0 + n,
                  0.01, 0.42, -420.0, "taker", 10 + n, "quote", 0.42)
        )  # fmt: skip
    decisions = np.zeros(count, DECISION)
    decisions["timestamp"] = START + np.arange(count)
    records = np.zeros((count, 2), RECORD)
    records["timestamp"] = (START + np.arange(count))[:, None]
    records["price"][0] = np.nan
    return RunOutput(records, records[-1].copy(), decisions, trades)


def changed(value: Any, amount: int) -> Any:
    if isinstance(value, str):
        return {"buy": "sell", "sell": "buy"}.get(value, value + "x")
    return value + amount if isinstance(value, int) else value * (1 + 1e-12 * amount)


def test_the_same_run_has_no_differences() -> None:
    assert differences_of(a_run(), a_run()) == []


@settings(max_examples=100)
@given(st.integers(0, 19), st.sampled_from(Trade._fields), st.integers(1, 1000))
def test_a_changed_field_of_a_fill_is_reported(line: int, field: str, amount: int) -> None:
    run = a_run()
    trade = run.trades[line]
    new = trade._replace(**{field: changed(getattr(trade, field), amount)})
    mutated = run._replace(trades=[new if n == line else one for n, one in enumerate(run.trades)])

    found = differences_of(mutated, run)

    assert new != trade
    assert {one.what for one in found} == {"fill"}
    assert not any(one.cause for one in found)


@pytest.mark.parametrize("change", ["missing", "extra", "order"])
def test_missing_doubled_and_moved_fills_are_reported(change: str) -> None:
    run = a_run()
    trades = list(run.trades)
    if change == "missing":
        del trades[7]
    elif change == "extra":
        trades.insert(7, trades[7])
    else:
        trades[3], trades[4] = trades[4], trades[3]

    assert len(differences_of(run._replace(trades=trades), run)) == 1


@pytest.mark.parametrize("part", ["decisions", "records", "final"])
def test_other_parts_are_compared(part: str) -> None:
    run, other = a_run(), a_run()
    name = "code" if part == "decisions" else "position"
    getattr(other, part)[name][-1:] = 3

    assert {one.what for one in differences_of(run, other)} <= {"decision", "record", "state"}
    assert differences_of(run, other)


def test_what_comes_behind_the_stop_of_a_session_does_not_count() -> None:
    run, other = a_run(), a_run()
    run.decisions["code"][15:] = 9

    assert differences_of(run, other, decisions=15, records=15, end_ts=START + 14) == []
    assert differences_of(run, other, decisions=16, records=15, end_ts=START + 15)
    assert differences_of(run, other, decisions=15, records=15, end_ts=START + 13)
