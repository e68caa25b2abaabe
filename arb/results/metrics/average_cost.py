"""What positions cost, by average cost: a sale realises a profit against the mean price of what is held.

Positions are counted from the start of the run, so that the initial inventory has neither a cost nor a profit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from arb.results.metrics.statistics import is_any_of

#: A position below this part of a leg's largest one is rounding.
_ROUNDING = 1e-9


def held_costs(fills: Any, positions: Sequence[float], groups: Sequence[Sequence[int]]) -> list[float]:
    """The cost of what each group of legs holds in sum, in quote units and without fees; negative if it is short.

    fills: rows of FILL_ROW, by time. positions: base units at the end, one a leg. groups: numbers of legs; base that
    one leg of a group bought and another sold is flat. 0 for a flat group; NaN where the fills do not add up to the
    position, as when the log of fills was full.
    """
    return [
        _held_cost(fills[is_any_of(fills["leg"], legs)], math.fsum(positions[leg_no] for leg_no in legs))
        for legs in groups
    ]


def _held_cost(fills: Any, held: float) -> float:
    dust = _ROUNDING * _largest_position(fills)
    if abs(held) <= dust:
        return 0.0
    positions = np.cumsum(fills["base"])
    if not len(positions) or abs(float(positions[-1]) - held) > dust:
        return math.nan
    flat = np.flatnonzero(np.abs(positions) <= dust)
    rest = fills[flat[-1] + 1 :] if len(flat) else fills
    position = cost = 0.0
    for base, cash in zip(rest["base"].tolist(), rest["cash"].tolist(), strict=True):
        after = position + base
        if position * after < 0.0:  # turned around: the part that opens the new position
            cost = -cash * after / base
        elif position * base < 0.0:
            cost *= after / position
        else:
            cost -= cash
        position = after
    return cost


def _largest_position(fills: Any) -> float:
    """Of any leg, either side: the legs of a group may be flat in sum at all times."""
    legs = (fills["base"][fills["leg"] == leg_no] for leg_no in np.unique(fills["leg"]))
    return max((float(np.abs(np.cumsum(base)).max()) for base in legs), default=0.0)
