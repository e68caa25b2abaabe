"""Means and extremes that are NaN where there are no values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

BPS = 1e4


def is_any_of(values: Any, wanted: Sequence[int]) -> Any:
    """Which of the whole numbers are among a few wanted ones: as `np.isin`, which takes ten times as long for few."""
    found = np.zeros(len(values), np.bool_)
    for one in wanted:
        found |= values == int(one)
    return found


def mean(values: Any) -> float:
    """The mean; NaN of none."""
    return float(np.mean(values)) if len(values) else float("nan")


def median(values: Any) -> float:
    """The median; NaN of none."""
    return float(np.median(values)) if len(values) else float("nan")


def percentile(values: Any, percent: float) -> float:
    """The smallest value that at least `percent` of 100 do not exceed; NaN of none."""
    return float(np.percentile(values, percent, method="inverted_cdf")) if len(values) else float("nan")


def largest(values: Any) -> float:
    """The largest; NaN of none."""
    return float(np.max(values)) if len(values) else float("nan")


def smallest(values: Any) -> float:
    """The smallest; NaN of none."""
    return float(np.min(values)) if len(values) else float("nan")


def share_of(part: float, whole: float) -> float:
    """`part / whole`; NaN unless `whole` is positive."""
    return part / whole if whole > 0.0 else float("nan")
