"""Figures that go on as a session does: answers, falls of the profit, the capital at the start."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.dry_market import leg

from arb.bot.recorder import RECORD
from arb.engine.world import ANSWER
from arb.results.status import SPANS_MS
from arb.runtime.running_figures import (
    LATENCIES_KEPT,
    AnswerTimes,
    Falls,
    ProfitWatch,
    SpanCounts,
    StartCapital,
)

LEGS = [leg(0, venue=venue, pair=0) for venue in ("a", "b")]
MS, DAY = 1_000_000, 86_400 * 10**9


def answers(*milliseconds: float, number: int = 0, request_no: int = 1) -> Any:
    rows = np.zeros(len(milliseconds), ANSWER)
    rows["asset_no"], rows["request_no"] = number, request_no
    rows["request_ts"], rows["exch_ts"] = 1_000 * MS, 1_000 * MS
    rows["response_ts"] = 1_000 * MS + (np.array(milliseconds) * MS).astype(np.int64)
    return rows


def test_times_of_answers_are_those_of_all_at_first_and_later_of_the_last() -> None:
    times = AnswerTimes(LEGS)
    assert [line.answers for line in times.follow(answers())] == [0, 0]
    first = answers(*range(1, 101))
    line, other = times.follow(first)
    assert (line.leg, line.answers, line.p50_ms, line.p95_ms, line.p99_ms) == (LEGS[0].name, 100, 50, 95, 99)
    assert (other.answers, math.isnan(other.p50_ms)) == (0, True)
    of_both = np.concatenate([first, answers(7.5, number=1), answers(9.0, number=1, request_no=0)])
    assert times.follow(of_both)[1][1:5] == (1, 7.5, 7.5, 7.5), "a later fill of the order answers no request"
    many = np.concatenate([of_both, *[answers(*[2.5] * 1000)] * (LATENCIES_KEPT // 1000 + 1)])
    line, other = times.follow(many)
    assert line[1:5] == (100 + 1000 * (LATENCIES_KEPT // 1000 + 1), 2.5, 2.5, 2.5)
    assert times.follow(many) == [line, other]
    assert sum(line.counts) == line.answers
    assert (sum(line.counts[: SPANS_MS.index(1.0) + 1]), line.counts[-1]) == (1, 0), "one of a millisecond"
    assert (other.counts[SPANS_MS.index(10.0)], other.sum_ms) == (1, 7.5)


def test_a_fall_is_from_the_largest_profit_and_from_midnight() -> None:
    profit = ProfitWatch()
    assert profit.follow(-1.0, DAY) == Falls(1.0, 1.0)
    assert profit.follow(5.0, DAY) == Falls(0.0, 0.0)
    assert profit.follow(2.0, 2 * DAY - 1) == Falls(3.0, 0.0)
    assert all(map(math.isnan, profit.follow(math.nan, 2 * DAY - 1)))
    assert profit.follow(1.5, 2 * DAY) == Falls(3.5, 0.5), "at midnight it was 2"


def test_the_capital_has_base_at_its_first_recorded_mid() -> None:
    def recorded(*mids: tuple[float, float]) -> Any:
        records = np.zeros((len(mids), 2), RECORD)
        records["price"] = np.reshape(mids, (len(mids), 2))
        return records

    legs = [replace(LEGS[0], quote=1000.0, base=0.0), replace(LEGS[1], quote=500.0, base=2.0)]
    capital = StartCapital(legs)
    unknown, now = np.array([math.nan, math.nan]), np.array([99.0, 49.0])
    assert math.isnan(capital.follow(recorded(), unknown))
    assert capital.follow(recorded(), now) == 1598.0
    assert capital.follow(recorded(), 2 * now) == 1598.0, "the first one, while nothing is recorded"
    assert capital.follow(recorded((100.0, math.nan)), now) == 1598.0
    assert capital.follow(recorded((100.0, math.nan), (101.0, 50.0)), now) == 1600.0
    assert capital.follow(recorded((100.0, math.nan), (101.0, 50.0), (101.0, 60.0)), now) == 1600.0


def test_spans_are_counted_by_leg_up_to_each_bound() -> None:
    spans = SpanCounts(LEGS)
    for span_ns in (50_000, 50_001, 10**12):
        spans.add(1, span_ns)
    (_, none, counts), (name, sum_ms, counted) = spans.lines
    assert (none, sum(counts)) == (0.0, 0)
    assert (name, counted[:3], counted[-1]) == (LEGS[1].name, [1, 1, 0], 1)
    assert sum_ms == pytest.approx(1e6 + 0.100001)
