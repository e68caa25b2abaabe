"""Sets chosen on one period and judged on the next, step after step: what following the sweep would have brought."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from arb.sweep.unknown import Unknown


class Step(NamedTuple):
    """One step. chosen: the place of the set with the best result on the first period; the first of equal ones.

    before, after: its results on both periods. median, best: of all sets on the second period. below_share: share of
    the other sets with a known result that are worse there, equal ones counted half. NaN: unknown.
    """

    chosen: int
    before: float
    after: float
    median: float
    best: float
    below_share: float


class WalkForward(NamedTuple):
    """steps: those with a choice. left_out: number of the others. Means over the steps whose chosen set has a known
    result on the second period; above_share: of these, the share in which it is above the median of all sets."""

    steps: Sequence[Step]
    places: Sequence[int]
    left_out: int
    before_mean: float
    after_mean: float
    median_mean: float
    above_share: float


def walk_forward(before: Any, after: Any, *, is_high: bool = True) -> WalkForward | Unknown:
    """Judges the choices. before, after: (steps, sets) float64 results on the periods of each step, NaN if unknown.

    is_high: whether high results are the good ones. A step in which no set has a known first result has no choice.
    """
    if after.shape[1] < 2:
        return Unknown("fewer than two sets: nothing was chosen")
    made = [(n, _step(*pair, is_high)) for n, pair in enumerate(zip(before, after, strict=True))]
    steps = [(n, step) for n, step in made if step is not None]
    known = [step for _, step in steps if np.isfinite(step.after)]
    if not known:
        return Unknown("no step has a known result of the set that was chosen")
    above = [
        _share_above(step.after - step.median if is_high else step.median - step.after) for step in known
    ]
    return WalkForward(
        [step for _, step in steps],
        [n for n, _ in steps],
        len(made) - len(known),
        float(np.mean([step.before for step in known])),
        float(np.mean([step.after for step in known])),
        float(np.mean([step.median for step in known])),
        float(np.mean(above)),
    )


def _share_above(difference: float) -> float:
    return 0.5 if difference == 0.0 else float(difference > 0.0)


def _step(before: Any, after: Any, is_high: bool) -> Step | None:
    if not np.isfinite(before).any():
        return None
    sign = 1.0 if is_high else -1.0
    chosen = int(np.nanargmax(sign * before))
    known = after[np.isfinite(after)]
    own = float(after[chosen])
    others = len(known) - 1
    worse = (known * sign < own * sign).sum() + 0.5 * ((known == own).sum() - 1)
    return Step(
        chosen,
        float(before[chosen]),
        own,
        float(np.median(known)) if len(known) else np.nan,
        float(sign * (sign * known).max()) if len(known) else np.nan,
        float(worse / others) if others > 0 and np.isfinite(own) else np.nan,
    )
