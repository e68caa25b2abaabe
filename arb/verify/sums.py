"""Bounds the rounding differences between running sums of the same fills in different order. Pure.

hftbacktest's engine keeps orders in a hash map with random order, so fills of one leg in one nanosecond are added in
random order, and the last digits of position, balance, fee and volume differ from run to run. Each addition rounds by
at most half a unit in the last place (ulp) of the result. Two orders of adding the same k numbers therefore differ by
at most k ulp of the largest possible partial sum. A fill that is alone in its nanosecond, or fills that are all equal,
give only one sum.

Every record is checked against the record before it, so the tolerance of one nanosecond does not carry over to later
records.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from arb.results.trades import Trade

#: Fields of a state that are running sums of its fills.
SUMS = ("position", "balance", "fee", "trading_volume", "trading_value")


class LegSums:
    """The running sums of one leg, from its fills in order of the venue's time."""

    def __init__(self, fills: Sequence[Trade]) -> None:
        self._times = np.array([fill.exch_ts for fill in fills], np.int64)
        side = np.array([1.0 if fill.side == "buy" else -1.0 for fill in fills], np.float64)
        quantity = np.array([fill.quantity for fill in fills], np.float64)
        cash = np.array([fill.cash for fill in fills], np.float64)
        self._addends = {
            "position": side * quantity,
            "balance": cash,
            "fee": np.array([fill.fee for fill in fills], np.float64),
            "trading_volume": quantity,
            "trading_value": np.abs(cash),
        }

    def are_sums(self, states: Any) -> dict[str, np.ndarray[Any, Any]]:
        """For every field of SUMS, a flag per state: whether it follows from the previous state, the first from zero.

        states: (n,), of hftbacktest's `record_dtype`, in order of time; `num_trades` is the number of fills in each.
        """
        counts = states["num_trades"].astype(np.int64)
        before = np.concatenate(([0], counts[:-1]))
        found = {}
        for field in SUMS:
            values = states[field]
            starts = np.concatenate(([0.0], values[:-1]))
            is_right = (counts == before) & (values == starts)
            is_counted = (counts > before) & (counts <= len(self._times)) & (before >= 0)
            for row in np.flatnonzero(is_counted):
                total, room = self._added(field, float(starts[row]), int(before[row]), int(counts[row]))
                is_right[row] = abs(float(values[row]) - total) <= room
            found[field] = is_right
        return found

    def _added(self, field: str, total: float, first: int, end: int) -> tuple[float, float]:
        """The sum after the fills `first` to `end`, and how much another order of addition may differ from it."""
        times, addends, room = self._times, self._addends[field], 0.0
        while first < end:
            behind = min(int(np.searchsorted(times, times[first], side="right")), end)
            part = addends[first:behind]
            # After a sum that may differ, the same addition may round differently.
            if room or (part != part[0]).any():
                largest = abs(total) + float(np.abs(part).sum()) + room
                room += len(part) * float(np.spacing(largest))
            for addend in part.tolist():
                total += addend
            first = behind
        return total, room
