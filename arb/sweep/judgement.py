"""What the results of a sweep mean together: how much of the best set is luck, and which sets are worth a look.

Figures of arrays only; `summary` has them by name, for people and programs. Start with `judge`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from arb.results.metrics.equity import ANNUAL_SPAN_NS, DAYS_PER_YEAR
from arb.sweep.columns import Columns, judged_periods
from arb.sweep.deflated import Deflated, deflated_sharpe
from arb.sweep.moments import Moments
from arb.sweep.overfitting import Overfitting, overfitting
from arb.sweep.pareto import pareto_front
from arb.sweep.plateau import Plateau, plateau
from arb.sweep.table import TEST, TRAIN
from arb.sweep.unknown import Unknown
from arb.sweep.walk_forward import WalkForward, walk_forward
from connectors.units import DAY

#: The figures of the front, unless others are chosen.
FRONT = ("pnl_quote", "equity.drawdown_quote_max")
#: How the names of figures begin of which low values are the good ones.
_LOW = (
    "drawdown_",
    "fee_",
    "loss",
    "missed",
    "refused",
    "expired",
    "reversed",
    "residual_",
    "halted",
    "unfinished",
)


class Judgement(NamedTuple):
    """Of the sets that ended in every period; a set is its place in the columns.

    by: the figure by which sets are compared. best: the set with the best known one, the first of equal ones; None: no
    set has one. best_plateau: the same of the medians over neighbours. walk: None without `--walk`. front: the sets of
    which no other is better in both figures `front_by`. annual: what a Sharpe ratio per return is to be multiplied
    with; NaN for data of less than a day.
    """

    by: str
    is_high: bool
    results: Any
    best: int | None
    overfitting: Overfitting | Unknown
    deflated: Deflated | Unknown
    plateau: Plateau
    best_plateau: int | None
    walk: WalkForward | Unknown | None
    front_by: tuple[str, str]
    front: Sequence[int]
    annual: float


def best_first(results: Any, *, is_high: bool) -> list[int]:
    """The sets with a known result, the best first; at equal ones the earlier set. results: (sets,) float64."""
    goodness = results if is_high else -results
    known = np.flatnonzero(np.isfinite(goodness))
    return [int(place) for place in known[np.argsort(-goodness[known], kind="stable")]]


def is_high_good(figure: str) -> bool:
    """Whether high values of a figure are the good ones."""
    return not (figure.startswith("unhedged.") or figure.rpartition(".")[2].startswith(_LOW))


def judge(columns: Columns, by: str, front_by: tuple[str, str] = FRONT) -> Judgement:
    """Judges a sweep by a figure. The columns have `by` and `front_by`."""
    results, is_high = columns.figure(by), is_high_good(by)
    sign = 1.0 if is_high else -1.0
    best = _best(sign * results)
    medians = plateau(columns.values, results)
    moments = columns.moments
    is_judged = isinstance(moments, Moments)
    return Judgement(
        by=by,
        is_high=is_high,
        results=results,
        best=best,
        overfitting=overfitting(moments) if isinstance(moments, Moments) else moments,
        deflated=_deflated(moments, best),
        plateau=medians,
        best_plateau=_best(sign * medians.medians),
        walk=_walk(columns, by, is_high),
        front_by=front_by,
        front=_front(columns, front_by),
        annual=_annual(columns) if is_judged else math.nan,
    )


def _best(goodness: Any) -> int | None:
    return int(np.nanargmax(goodness)) if np.isfinite(goodness).any() else None


def _deflated(moments: Moments | Unknown, best: int | None) -> Deflated | Unknown:
    if isinstance(moments, Unknown):
        return moments
    return (
        Unknown("no set has the figure by which sets are chosen")
        if best is None
        else deflated_sharpe(moments, best)
    )


def _walk(columns: Columns, by: str, is_high: bool) -> WalkForward | Unknown | None:
    periods = columns.head.periods
    tests = {period.step: n for n, period in enumerate(periods) if period.role == TEST}
    trains = {period.step: n for n, period in enumerate(periods) if period.role == TRAIN}
    if not tests:
        return None
    steps = sorted(tests.keys() & trains.keys())
    figures = columns.figures[by]
    return walk_forward(
        figures[[trains[s] for s in steps]], figures[[tests[s] for s in steps]], is_high=is_high
    )


def _front(columns: Columns, front_by: tuple[str, str]) -> Sequence[int]:
    one, two = front_by
    found = pareto_front(
        columns.figure(one),
        columns.figure(two),
        is_first_high=is_high_good(one),
        is_second_high=is_high_good(two),
    )
    return [int(place) for place in found]


def _annual(columns: Columns) -> float:
    judged = [columns.head.periods[n] for n in judged_periods(columns.head.periods)]
    interval = judged[0].returns_interval_ns
    span = interval * sum(period.returns_count for period in judged)
    return math.sqrt(DAYS_PER_YEAR * DAY / interval) if span >= ANNUAL_SPAN_NS else math.nan
