"""The cross spread over time and the basis that edges are measured from, estimated from the records.

The strategy updates its average at every change of a touch; this module only at every record, about once a second and
at the end of each attempt. So the result only approximates the strategy's basis.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from arb.results.metrics.statistics import BPS


def cross_spread_bps(prices: Any) -> Any:
    """Leg 1 over leg 0, mid to mid, in bps of leg 0; NaN where either is not known. prices: (row, 2)."""
    return BPS * (prices[:, 1] - prices[:, 0]) / prices[:, 0]


def basis_bps(timestamps: Any, spreads: Any, halflife_ns: int) -> Any:
    """The average of the cross spread at each record, with weights that halve every `halflife_ns`.

    Each value is weighted by how long it lasted; times without a value are skipped. NaN before the first.
    """
    decays = 0.5 ** (np.diff(timestamps) / halflife_ns)
    averages = np.full(len(spreads), math.nan)
    average = last = math.nan
    rows = zip(spreads.tolist(), [1.0, *decays.tolist()], strict=True)
    for row, (spread, decay) in enumerate(rows):
        if not math.isnan(last):
            average = last + (average - last) * decay
        if math.isnan(average):
            average = spread
        last = spread
        averages[row] = average
    return averages


def values_at(timestamps: Any, values: Any, times: Any) -> Any:
    """For each of `times` the value of the last row at or before it; NaN before the first row."""
    places = np.searchsorted(timestamps, times, side="right") - 1
    return np.where(places >= 0, values[np.maximum(places, 0)], math.nan)
