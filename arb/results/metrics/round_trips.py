"""Round trips: the units of win rate, streaks and holding times.

With attempts: every attempt with a fill is a round trip; in convergence mode one runs from flat to flat, from the
attempts that enter to the one that exits. Without attempts: the fills of a leg from flat to flat. A round trip that is
not flat at the end of the run is open, as an attempt that left base unhedged: it is valued at the last mids and counts
neither as a win nor as a loss. Funding belongs to the round trip that holds the position; a single attempt holds none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from arb.results.metrics.equity import Equity
from arb.results.metrics.statistics import is_any_of
from arb.strategies.spread.decisions import Decision, Purpose
from connectors.units import SECOND

#: The attempts are 0 for a round trip of a leg.
ROUND_TRIP = np.dtype(
    [
        ("first_attempt", "i8"),
        ("last_attempt", "i8"),
        ("begin", "i8"),
        ("end", "i8"),
        ("pnl", "f8"),
        ("is_open", "?"),
    ],
    align=True,
)

#: A leg with less than this part of the round trip's largest position is flat: lots of two venues differ.
_DUST = 0.01
#: A position below this part of the leg's largest one is rounding.
_ROUNDING = 1e-9

#: How attempts end that may leave base unhedged: not at all, or halted.
_UNHEDGED = (0, Decision.HALTED)

#: Purposes of attempts that exit a spread.
LEAVING = (Purpose.LEAVE, Purpose.STOP_LOSS, Purpose.TIMEOUT)


class RoundTrips(NamedTuple):
    """kind: attempt, convergence or leg. rows: of ROUND_TRIP, by time."""

    kind: str
    rows: Any

    @property
    def closed(self) -> Any:
        return self.rows[~self.rows["is_open"]]

    @property
    def pnl(self) -> Any:
        """Profits of the closed ones."""
        return self.closed["pnl"]

    @property
    def wins(self) -> Any:
        return self.pnl[self.pnl > 0.0]

    @property
    def losses(self) -> Any:
        return self.pnl[self.pnl < 0.0]

    @property
    def holding_s(self) -> Any:
        return (self.closed["end"] - self.closed["begin"]) / SECOND


def round_trips_of(
    attempts: Any,
    fills: Any,
    payments: Any,
    pairs: Sequence[tuple[int, int]],
    equity: Equity,
    *,
    is_convergence: bool,
) -> RoundTrips:
    """The round trips of a run. is_convergence: by configuration; the purposes of attempts may show it too."""
    if not len(attempts):
        by_leg = [_of_leg(fills, payments, leg_no, equity) for leg_no in np.unique(fills["leg"])]
        return RoundTrips("leg", _sorted(by_leg))
    filled = attempts[attempts["fills"] > 0]
    if is_convergence or is_any_of(attempts["purpose"], LEAVING).any():
        by_pair = [
            _of_pair(filled[filled["pair"] == pair], equity, pairs[pair])
            for pair in np.unique(filled["pair"])
        ]
        return RoundTrips("convergence", _sorted(by_pair))
    rows = np.zeros(len(filled), ROUND_TRIP)
    rows["first_attempt"] = rows["last_attempt"] = filled["attempt"]
    rows["begin"], rows["end"], rows["pnl"] = filled["first_fill"], filled["last_fill"], filled["pnl"]
    for place in np.flatnonzero(is_any_of(filled["outcome"], _UNHEDGED) & (filled["residual"] != 0.0)):
        attempt, legs = filled[place], list(pairs[filled["pair"][place]])
        if _is_left(fills[is_any_of(fills["leg"], legs)]):
            holder = legs[int(abs(attempt["net_1"]) > abs(attempt["net_0"]))]
            value = float(attempt["residual"]) * float(equity.mids[-1, holder])
            rows["is_open"][place] = True
            rows["pnl"][place] += value - attempt["residual_quote"]
    return RoundTrips("attempt", rows)


def _is_left(fills: Any) -> bool:
    """Whether the fills of a pair leave base that its legs do not hold against each other."""
    return abs(math.fsum(fills["base"])) > _ROUNDING * float(np.abs(fills["base"]).max())


def longest_run(flags: Any) -> int:
    """The most consecutive true values."""
    edges = np.diff(np.concatenate(([0], np.asarray(flags, np.int8), [0])))
    lengths = np.flatnonzero(edges < 0) - np.flatnonzero(edges > 0)
    return int(lengths.max()) if len(lengths) else 0


def _sorted(parts: Sequence[Any]) -> Any:
    rows = np.concatenate([np.zeros(0, ROUND_TRIP), *parts])
    return rows[np.argsort(rows["end"], kind="stable")]


def _of_leg(fills: Any, payments: Any, leg_no: int, equity: Equity) -> Any:
    """The round trips of one leg's fills."""
    own = _split_at_flat(fills[fills["leg"] == leg_no])
    position = np.cumsum(own["base"])
    is_flat = np.abs(position) <= _ROUNDING * np.abs(position).max()
    ends = np.flatnonzero(is_flat)
    is_open = not is_flat[-1]
    lasts = np.append(ends, len(own) - 1) if is_open else ends
    firsts = np.append(0, lasts[:-1] + 1)
    rows = np.zeros(len(lasts), ROUND_TRIP)
    rows["begin"], rows["end"] = own["timestamp"][firsts], own["timestamp"][lasts]
    rows["pnl"] = np.add.reduceat(own["cash"] - own["fee"], firsts)
    own_payments = payments[payments["leg"] == leg_no]
    # A payment follows the fills of its time: it belongs to the position after them.
    trips = np.searchsorted(rows["begin"], own_payments["timestamp"], side="right") - 1
    np.add.at(rows["pnl"], trips[trips >= 0], own_payments["cash"][trips >= 0])
    if is_open:
        rows["is_open"][-1] = True
        rows["pnl"][-1] += float(position[-1]) * float(equity.mids[-1, leg_no])
    return rows


def _split_at_flat(fills: Any) -> Any:
    """The fills with each that turns a position around as two: one that closes it, one that opens the other."""
    before = np.concatenate(([0.0], np.cumsum(fills["base"])[:-1]))
    after = before + fills["base"]
    smallest = _ROUNDING * np.abs(after).max()
    turns = (before * after < 0.0) & (np.abs(before) > smallest) & (np.abs(after) > smallest)
    parts = np.repeat(fills, 1 + turns)
    opening = np.cumsum(1 + turns)[turns] - 1
    share = np.abs(before[turns] / fills["base"][turns])
    for name in ("base", "cash", "fee"):
        parts[name][opening - 1] *= share
        parts[name][opening] *= 1.0 - share
    return parts


def _of_pair(filled: Any, equity: Equity, legs: tuple[int, int]) -> Any:
    """The round trips of a pair's attempts, from flat to flat on both legs."""
    rows = np.zeros(len(filled), ROUND_TRIP)
    count = first = 0
    nets, peak = [0.0, 0.0], 0.0
    for place, attempt in enumerate(filled):
        nets = [nets[0] + float(attempt["net_0"]), nets[1] + float(attempt["net_1"])]
        held = max(map(abs, nets))
        peak = max(peak, held)
        is_flat = held <= _DUST * peak
        if is_flat or place == len(filled) - 1:
            rows[count] = _of_attempts(filled[first : place + 1], nets, equity, legs, is_open=not is_flat)
            count, first, nets, peak = count + 1, place + 1, [0.0, 0.0], 0.0
    return rows[:count]


def _of_attempts(
    attempts: Any, nets: list[float], equity: Equity, legs: tuple[int, int], *, is_open: bool
) -> Any:
    """One round trip; a residual is valued at each leg's mid, at the end of the round trip or of the run."""
    end = int(attempts["last_fill"].max())
    last = len(equity.timestamps) - 1
    record = last if is_open else min(int(np.searchsorted(equity.timestamps, end)), last)
    left = [
        net * float(equity.mids[record, leg]) if net else 0.0 for net, leg in zip(nets, legs, strict=True)
    ]
    pnl = math.fsum((*attempts["cash"], *(-attempts["fee"]), *attempts["funding"], *left))
    return (attempts["attempt"][0], attempts["attempt"][-1], attempts["first_fill"].min(), end, pnl, is_open)
