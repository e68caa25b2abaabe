"""Lags and rates: against plain Python over everything that was seen."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.feed.lags import Histogram, Rate, _upper, bucket_of, clock_sample

S = 1_000_000_000
T0 = 1_704_067_200 * S


@given(st.integers(0, 10 * S), st.integers(0, 10 * S), st.integers(-(10**12), 10**12))
def test_a_clock_sample_holds_the_truth(there: int, back: int, skew: int) -> None:
    sample = clock_sample(T0, T0 + there + skew, T0 + there + back)
    assert abs(sample.skew_ns - skew) <= sample.error_ns + 1


@given(st.integers(-S, 1000 * S))
def test_a_bucket_is_no_wider_than_an_eighth(span: int) -> None:
    upper = _upper(int(bucket_of(span)))
    assert max(0, span) <= upper
    assert upper <= max(span, 0) * 9 / 8 + 1000


@given(st.lists(st.integers(0, 100 * S), min_size=1, max_size=200), st.floats(0.01, 1.0))
def test_percentiles_are_those_of_all_spans_to_an_eighth(spans: list[int], share: float) -> None:
    histogram = Histogram()
    for span in spans:
        histogram.add(span, 0)
    exact = sorted(spans)[math.ceil(share * len(spans) - 1e-9) - 1]
    assert exact <= histogram.percentile(share) <= exact * 9 / 8 + 1000


def test_old_spans_are_forgotten() -> None:
    histogram = Histogram(10 * S)
    assert math.isnan(histogram.percentile(0.5))
    histogram.add(5 * S, 0)
    histogram.add(1000, 11 * S)
    assert histogram.count == 2
    histogram.add(1000, 22 * S)
    assert histogram.count == 2
    histogram.add(1000, 99 * S)
    assert histogram.count == 1


def test_a_rate_is_that_of_the_last_whole_span() -> None:
    rate = Rate(10 * S)
    for n in range(20):
        rate.add(n * S // 2)
    assert rate.per_s(9 * S + S // 2) == pytest.approx(20 / 9.5)
    assert rate.per_s(10 * S) == 2.0
    assert rate.per_s(15 * S) == 2.0
    assert rate.per_s(40 * S) == 0.0
