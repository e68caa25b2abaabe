"""The profit along one key after the other, from a sweep of listed sets whose first one is the configuration itself."""

from __future__ import annotations

import math
from typing import NamedTuple

from arb.sweep.columns import Columns
from arb.sweep.ranking import DEFAULT

#: The source of such a sweep's sets.
POINTS = "points"


class CurvePoint(NamedTuple):
    """One value of a key, the others as in the first set. marginal: change of the profit, in quote, for each further
    unit of the key since the point before; NaN at the first."""

    key: str
    value: float
    added: float
    pnl_quote: float
    marginal: float


def curves_of(columns: Columns) -> list[CurvePoint]:
    """The points key by key, in the order of the sets. Empty for other sweeps, and if the first set failed."""
    if columns.head.source != POINTS or not columns.set_nos or columns.set_nos[0] != 0:
        return []
    profits = columns.figure(DEFAULT)
    found = []
    for key in columns.values:
        others = [column for name, column in columns.values.items() if name != key]
        places = [n for n in range(len(profits)) if all(column[n] == column[0] for column in others)]
        found += _curve(key, [(float(columns.values[key][n]), float(profits[n])) for n in places])  # type: ignore[arg-type]
    return found


def _curve(key: str, points: list[tuple[float, float]]) -> list[CurvePoint]:
    made: list[CurvePoint] = []
    for value, profit in points:
        marginal = math.nan
        if made:
            marginal = (profit - made[-1].pnl_quote) / (value - made[-1].value)
        made.append(CurvePoint(key, value, value - points[0][0], profit, marginal))
    return made
