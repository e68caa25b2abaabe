"""Round trips: the units of win rate, streaks and holding times.

In convergence mode a round trip runs from flat to flat: from the attempts that enter to the one that exits. Otherwise
every attempt with a fill is its own round trip. A round trip that is not flat at the end of the run is open: it is
valued at the last mids and counts neither as a win nor as a loss.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from arb.results.metrics.equity import Equity
from arb.results.metrics.run import NS_PER_S, largest, mean, median, smallest
from arb.strategies.spread.decisions import Purpose

ROUND_ROW = np.dtype(
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

_LEAVING = (Purpose.LEAVE, Purpose.STOP_LOSS, Purpose.TIMEOUT)


class Rounds(NamedTuple):
    """Totals of the closed round trips; NaN if there are none."""

    closed: int
    open: int
    wins: int
    losses: int
    win_rate_share: float
    profit_factor: float
    expectancy_quote: float
    win_quote_max: float
    loss_quote_max: float
    win_streak_max: int
    loss_streak_max: int
    holding_s_mean: float
    holding_s_median: float
    #: Of all round trips, including open ones.
    pnl_quote_sum: float


def is_convergence(attempts: Any) -> bool:
    """Whether any attempt had the purpose of exiting a spread."""
    return bool(np.isin(attempts["purpose"], _LEAVING).any())


def rounds_of(attempts: Any, equity: Equity, *, by_spread: bool) -> Any:
    """Rows of ROUND_ROW by time; by_spread: from flat to flat instead of attempt by attempt."""
    filled = attempts[attempts["fills"] > 0]
    if by_spread:
        pairs = [
            _from_flat_to_flat(filled[filled["pair"] == pair], equity, 2 * int(pair))
            for pair in np.unique(filled["pair"])
        ]
        rows = np.concatenate([np.zeros(0, ROUND_ROW), *pairs])
        return rows[np.argsort(rows["end"], kind="stable")]
    rows = np.zeros(len(filled), ROUND_ROW)
    rows["first_attempt"] = rows["last_attempt"] = filled["attempt"]
    rows["begin"], rows["end"], rows["pnl"] = filled["first_fill"], filled["last_fill"], filled["pnl"]
    return rows


def totals_of(rows: Any) -> Rounds:
    """Totals of round trips."""
    closed = rows[~rows["is_open"]]
    pnl = closed["pnl"]
    won, lost = pnl[pnl > 0.0], pnl[pnl < 0.0]
    holding = (closed["end"] - closed["begin"]) / NS_PER_S
    return Rounds(
        closed=len(closed),
        open=len(rows) - len(closed),
        wins=len(won),
        losses=len(lost),
        win_rate_share=len(won) / len(closed) if len(closed) else math.nan,
        profit_factor=math.fsum(won) / -math.fsum(lost) if len(lost) else math.nan,
        expectancy_quote=mean(pnl),
        win_quote_max=largest(won),
        loss_quote_max=-smallest(lost),
        win_streak_max=longest_run(pnl > 0.0),
        loss_streak_max=longest_run(pnl < 0.0),
        holding_s_mean=mean(holding),
        holding_s_median=median(holding),
        pnl_quote_sum=math.fsum(rows["pnl"]),
    )


def longest_run(flags: Any) -> int:
    """The most consecutive true values."""
    edges = np.diff(np.concatenate(([0], np.asarray(flags, np.int8), [0])))
    lengths = np.flatnonzero(edges < 0) - np.flatnonzero(edges > 0)
    return int(lengths.max()) if len(lengths) else 0


def _from_flat_to_flat(filled: Any, equity: Equity, first_leg: int) -> Any:
    rows = np.zeros(len(filled), ROUND_ROW)
    count = first = 0
    nets, peak = [0.0, 0.0], 0.0
    for place, attempt in enumerate(filled):
        nets = [nets[0] + float(attempt["net_0"]), nets[1] + float(attempt["net_1"])]
        held = max(map(abs, nets))
        peak = max(peak, held)
        is_flat = held <= _DUST * peak
        if is_flat or place == len(filled) - 1:
            rows[count] = _round_of(filled[first : place + 1], nets, equity, first_leg, is_open=not is_flat)
            count, first, nets, peak = count + 1, place + 1, [0.0, 0.0], 0.0
    return rows[:count]


def _round_of(attempts: Any, nets: list[float], equity: Equity, first_leg: int, *, is_open: bool) -> Any:
    """One round trip; a residual is valued at each leg's mid, at the end of the round trip or of the run."""
    end = int(attempts["last_fill"].max())
    last = len(equity.timestamps) - 1
    record = last if is_open else min(int(np.searchsorted(equity.timestamps, end)), last)
    left = [net * float(equity.mids[record, first_leg + n]) if net else 0.0 for n, net in enumerate(nets)]
    pnl = math.fsum((*attempts["cash"], *(-attempts["fee"]), *left))
    return (attempts["attempt"][0], attempts["attempt"][-1], attempts["first_fill"].min(), end, pnl, is_open)
