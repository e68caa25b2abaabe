"""What the position of each leg cost, by average cost: a sale realises a profit against the mean price of what is held.

Positions are counted from the start of the run, so that the initial inventory has neither a cost nor a profit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

#: A position below this part of the leg's largest one is rounding.
_ROUNDING = 1e-9


def held_costs(fills: Any, positions: Sequence[float]) -> list[float]:
    """The cost of each leg's last position in quote units, without fees; negative for a short position, 0 for none.

    fills: rows of FILL_ROW, by time. positions: base units at the end, one a leg. NaN where the fills do not add up to
    the position, as when the log of fills was full.
    """
    return [_held_cost(fills[fills["leg"] == leg_no], held) for leg_no, held in enumerate(positions)]


def _held_cost(fills: Any, held: float) -> float:
    positions = np.cumsum(fills["base"])
    dust = _ROUNDING * float(np.abs(positions).max(initial=0.0))
    if abs(held) <= dust:
        return 0.0
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
