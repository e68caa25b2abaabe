"""The lot that recorded quantities show, and a price near the touch."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hftbacktest.types import event_dtype

from arb.commands.recorded_symbols import Sample


def sample_of(*batches: list[float]) -> Sample:
    """A sample of rows with these quantities; a batch's first price is 99.0, its last 101.0."""
    sample = Sample()
    for quantities in batches:
        rows = np.zeros(len(quantities), event_dtype)
        rows["px"], rows["qty"] = np.linspace(99.0, 101.0, len(quantities)), quantities
        sample.append(rows)
    return sample


@pytest.mark.parametrize(
    ("quantities", "divisor", "lot"),
    [
        ([0.001, 0.025, 3.0] * 100, "0.001", "0.001"),
        # One of 301 is off a lot of 0.001: older than the lot. Ten of them are not.
        ([0.001, 0.025, 3.0] * 100 + [0.10237], "0.00001", "0.001"),
        ([0.001, 0.025, 3.0] * 100 + [0.10237] * 10, "0.00001", "0.00001"),
        # A level of such an order alone would vanish.
        ([0.001, 0.025, 3.0] * 100 + [0.00002], "0.00001", "0.00001"),
        ([0.5, 1.5, 4.0], "0.5", "0.5"),
        ([10.0, 300.0], "10", "10"),
        ([2.0, 8.0, 14.0], "2", "2"),
        ([0.0, math.nan], "0.1", "0.1"),
    ],
)
def test_the_lot_is_that_of_nearly_all_quantities(quantities: list[float], divisor: str, lot: str) -> None:
    assert sample_of(quantities[:50], quantities[50:]).lot(divisor) == lot


def test_the_price_is_the_median_of_the_first_rows() -> None:
    sample = sample_of([1.0] * 101, [1.0])
    assert sample.price == pytest.approx(100.0)
    sample.clear()
    assert math.isnan(sample.price)
    assert sample.lot("0.1") == "0.1"
