"""The input of the figures: the legs, the records, the decisions and the fills of one run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

NS_PER_S = 1_000_000_000
NS_PER_DAY = 86_400 * NS_PER_S
BPS = 1e4

#: One fill. base: quantity in base units, positive for purchases; cash excludes the fee; attempt 0: none.
FILL_ROW = np.dtype(
    [
        ("timestamp", "i8"),
        ("attempt", "i8"),
        ("leg", "i8"),
        ("order_id", "u8"),
        ("price", "f8"),
        ("base", "f8"),
        ("cash", "f8"),
        ("fee", "f8"),
    ],
    align=True,
)


class LegFacts(NamedTuple):
    """A leg's initial holdings and its contract size."""

    name: str
    base: float
    quote: float
    contract_size: float


class RunData(NamedTuple):
    """The data of one run."""

    legs: Sequence[LegFacts]
    #: (row, leg) of hftbacktest's `record_dtype`, the last state included; rows by time.
    records: Any
    #: Rows of `arb.bot.recorder.DECISION`, by time.
    decisions: Any
    #: Rows of FILL_ROW, by time.
    fills: Any
    #: Half-life of the average that edges are measured from; 0: none.
    basis_halflife_ns: int
    #: Whether the strategy enters and exits spreads by configuration; the purposes of attempts may show it too.
    is_convergence: bool = False


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
