"""Which funding times passed, and how many of them the data lack."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hftbacktest.types import event_dtype

from arb.data.funding import FundingCount, FundingSpan, FundingSpans, count_funding
from connectors.model import FUNDING_EVENT
from connectors.units import MINUTE, SECOND

HOUR = 60 * MINUTE
MIDNIGHT = round(datetime(2024, 8, 8, tzinfo=UTC).timestamp()) * SECOND


def at(hours: float) -> int:
    return MIDNIGHT + round(hours * HOUR)


def spans(*pairs: tuple[float, float]) -> list[FundingSpan]:
    return [FundingSpan(at(begin), at(end)) for begin, end in pairs]


@pytest.mark.parametrize(
    ("start", "end", "passed"),
    [
        (0.1, 23.9, 2),
        (0, 24, 3),
        (0, 23.9, 2),
        (8, 16, 1),
        (8.1, 15.9, 0),
        (9, 9, 0),
        (-0.1, 0.1, 1),
        (0, 72, 9),
    ],
)
def test_without_data_every_eight_hours_is_assumed(start: float, end: float, passed: int) -> None:
    assert count_funding([], at(start), at(end)) == FundingCount(passed, passed, passed > 0)


@pytest.mark.parametrize(
    ("covered", "start", "end", "passed", "missing", "is_assumed"),
    [
        # Whole data, a second of silence after each funding time.
        ([(0.1, 8), (8.0003, 16), (16.0003, 24)], 0.1, 23.9, 2, 0, False),
        # Data end in the middle, and the last named time is passed: the next one is not known.
        ([(0.1, 8), (8.0003, 16)], 0.1, 24, 3, 1, False),
        # A hole over a named time hides nothing; one over the time after it does.
        ([(0.1, 8), (15.0, 16)], 0.1, 17, 2, 0, True),
        ([(0.1, 8), (17.0, 24)], 0.1, 25, 3, 1, True),
        # Nothing before the first frame.
        ([(9.0, 16)], 0.5, 17, 2, 1, True),
        # Intervals that change: 8 h, 4 h, 1 h. The shortest is assumed in a hole.
        ([(0.1, 8), (8.001, 16), (16.001, 20), (20.001, 24), (24.001, 25)], 0.1, 25.5, 5, 0, False),
        ([(0.1, 8), (8.001, 12), (12.001, 13), (16.5, 17)], 0.1, 18, 8, 4, False),
        # A time named before the run begins, and one after its end.
        ([(-9, -8), (-7.9, 0), (0.001, 8), (8.001, 16)], 0.1, 7, 0, 0, False),
        # The same time in two days' data.
        ([(0.1, 8), (7.5, 8), (8.001, 16)], 0.1, 9, 1, 0, False),
    ],
)
def test_holes_are_counted_at_the_interval_that_the_data_show(
    covered: list[tuple[float, float]], start: float, end: float, passed: int, missing: int, is_assumed: bool
) -> None:
    found = count_funding(reversed(spans(*covered)), at(start), at(end))
    assert found == FundingCount(passed, missing, missing > 0 and is_assumed)


def test_spans_begin_with_the_first_row_that_names_a_time() -> None:
    rows = np.zeros(6, event_dtype)
    rows["ev"] = FUNDING_EVENT
    rows["exch_ts"] = [at(1), at(2), at(7.9), at(8.0001), at(8.0002), at(9)]
    # A delta without a time, and a frame of just after a payment that still names it.
    rows["ival"] = [at(8), 0, at(8), at(8), at(16), at(16)]
    found = FundingSpans()
    found.follow(rows[:2])
    found.follow(rows[2:])
    assert list(found.spans) == spans((1, 8), (8.0002, 16))
