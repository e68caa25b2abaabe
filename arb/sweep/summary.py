"""The judgement of a sweep by name, as `arb sweep show --json` prints it; the page and the terminal draw it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from arb.report.wording import shown
from arb.sweep.columns import Columns
from arb.sweep.curves import curves_of
from arb.sweep.deflated import Deflated
from arb.sweep.figure_kinds import kind
from arb.sweep.judgement import Judgement
from arb.sweep.overfitting import Overfitting
from arb.sweep.table import TEST, TRAIN
from arb.sweep.unknown import Unknown
from arb.sweep.walk_forward import WalkForward

#: Limits of the verdict: the usual 95 % for a Sharpe ratio, and few splits in which the choice was bad.
_DEFLATED_GOOD, _OVERFITTING_GOOD = 0.95, 0.1
#: Sets of the front that a line has.
_FRONT_MAX = 8
#: Beyond these, luck is as likely as not.
_DEFLATED_BAD, _OVERFITTING_BAD = 0.5, 0.4


def sweep_summary(columns: Columns, judgement: Judgement) -> dict[str, Any]:
    """The figures by name; unknown ones are None."""
    return {
        "span": _span(columns),
        "by": judgement.by,
        "is_high_good": judgement.is_high,
        "sets": len(columns.set_nos),
        "sets_failed": columns.failed,
        "sets_unfinished": columns.unfinished,
        "sets_halted": sum(outcome == "halted" for outcome in columns.outcomes),
        "luck": {
            "verdict": _verdict(judgement),
            **_overfitting(judgement.overfitting, judgement.annual),
            **_deflated(judgement.deflated, judgement.annual),
            "is_sharpe_annual": math.isfinite(judgement.annual),
        },
        "best": set_summary(columns, judgement, judgement.best),
        "best_plateau": set_summary(columns, judgement, judgement.best_plateau),
        "curves": [
            {**one._asdict(), "pnl_quote": _known(one.pnl_quote), "marginal": _known(one.marginal)}
            for one in curves_of(columns)
        ],
        "walk": _walk(columns, judgement.walk),
        "front": {
            "first": judgement.front_by[0],
            "second": judgement.front_by[1],
            "sets": [columns.set_nos[place] for place in judgement.front],
        },
    }


def _span(columns: Columns) -> str:
    """The days of all periods, as they were given."""
    periods = columns.head.periods
    start = min(period.start for period in periods)
    ends = [period.end for period in periods if period.end is not None]
    return f"{start} to {max(ends)}" if len(ends) == len(periods) else f"from {start}"


def set_summary(columns: Columns, judgement: Judgement, place: int | None) -> dict[str, Any] | None:
    """One set: its number, values, figures, and the median and number of its neighbours."""
    if place is None:
        return None
    return {
        "set_no": columns.set_nos[place],
        "outcome": columns.outcomes[place],
        "values": {name: column[place] for name, column in columns.values.items()},
        "figures": {name: _known(columns.figure(name)[place]) for name in columns.figures},
        "plateau": _known(judgement.plateau.medians[place]),
        "neighbours": int(judgement.plateau.counts[place]),
    }


def luck_lines(summary: Mapping[str, Any]) -> list[str]:
    """How much of the best is luck, to be shown above the best set: two or three lines."""
    luck = summary["luck"]
    return [f"LUCK: {luck['verdict']}", *_luck_parts(luck)]


def further_lines(summary: Mapping[str, Any]) -> Iterator[str]:
    """What the choice of a walk-forward was worth, the best neighbourhood, and the front: a line each, where known."""
    walk, by, kind_of_by = summary["walk"], summary["by"], kind(summary["by"])
    if walk is not None and walk["unknown"]:
        yield f"walk-forward: not known: {walk['unknown']}"
    elif walk is not None:
        after, median = (shown(walk[name], kind_of_by) for name in ("after_mean", "median_mean"))
        yield (
            f"walk-forward: {by} {after} after the choice, {median} the median of all sets; above it in "
            f"{shown(walk['above_share'], 'share')} of {len(walk['steps']):,} steps"
        )
    plateau, front = summary["best_plateau"], summary["front"]
    if plateau is not None:
        median = shown(plateau["plateau"], kind_of_by)
        count = plateau["neighbours"] - 1
        yield f"plateau: set {plateau['set_no']} and its {count} neighbours have a median of {median}"
    if front["sets"]:
        first = ", ".join(map(str, front["sets"][:_FRONT_MAX]))
        more = len(front["sets"]) - _FRONT_MAX
        others = f", and {more:,} more" if more > 0 else ""
        yield f"front of {front['first']} and {front['second']}: sets {first}{others}"


def _luck_parts(luck: Mapping[str, Any]) -> Iterator[str]:
    if luck["overfitting_unknown"]:
        yield f"  probability of overfitting: not known: {luck['overfitting_unknown']}"
    else:
        yield (
            f"  probability of overfitting {shown(luck['overfitting_share'], 'share')}: so often, of "
            f"{luck['splits']:,} splits of the time, the best set of one half is not above the median on the other"
        )
    if luck["deflated_unknown"]:
        yield f"  deflated Sharpe ratio: not known: {luck['deflated_unknown']}"
    else:
        yield (
            f"  deflated Sharpe ratio {shown(luck['deflated_sharpe'], 'share')}: the probability that its Sharpe ratio "
            f"is more than the best of {luck['trials']:,} sets has by luck"
        )


def _verdict(judgement: Judgement) -> str:
    overfit, deflated = judgement.overfitting, judgement.deflated
    if isinstance(overfit, Unknown) or isinstance(deflated, Unknown):
        return "how much of the best set is luck is not known."
    if deflated.probability >= _DEFLATED_GOOD and overfit.share < _OVERFITTING_GOOD:
        return "the best set is better than luck explains."
    if deflated.probability < _DEFLATED_BAD or overfit.share >= _OVERFITTING_BAD:
        return "luck alone explains the best set."
    return "luck may explain the best set."


def _overfitting(found: Overfitting | Unknown, annual: float) -> dict[str, Any]:
    names = ("overfitting_share", "loss_share", "sharpe_before", "sharpe_after", "blocks", "splits")
    if isinstance(found, Unknown):
        return {"overfitting_unknown": found.reason, **dict.fromkeys(names)}
    scale = _scale(annual)
    before, after = scale * found.sharpe_before, scale * found.sharpe_after
    values = (found.share, found.loss_share, before, after, found.blocks, found.splits)
    return {"overfitting_unknown": None, **dict(zip(names, values, strict=True))}


def _deflated(found: Deflated | Unknown, annual: float) -> dict[str, Any]:
    names = (
        *("deflated_sharpe", "deflated_sharpe_independent", "trials", "trials_independent", "sharpe"),
        *("sharpe_expected", "skew", "kurtosis", "returns"),
    )
    if isinstance(found, Unknown):
        return {"deflated_unknown": found.reason, **dict.fromkeys(names)}
    scale = _scale(annual)
    values = (
        *(found.probability, found.probability_independent, found.trials, found.trials_independent),
        *(scale * found.sharpe, scale * found.expected_best, found.skew, found.kurtosis, found.returns),
    )
    return {"deflated_unknown": None, **dict(zip(names, values, strict=True))}


def _scale(annual: float) -> float:
    return annual if math.isfinite(annual) else 1.0


def _walk(columns: Columns, walk: WalkForward | Unknown | None) -> dict[str, Any] | None:
    if walk is None:
        return None
    if isinstance(walk, Unknown):
        return {"unknown": walk.reason, "steps": []}
    of_step = {(period.role, period.step): period for period in columns.head.periods}
    tests, trains = ({step for own, step in of_step if own == role} for role in (TEST, TRAIN))
    numbers = sorted(tests & trains)
    steps: list[dict[str, Any]] = []
    for place, step in zip(walk.places, walk.steps, strict=True):
        train, test = (of_step[role, numbers[place]] for role in (TRAIN, TEST))
        times = {"train_start": train.start, "test_start": test.start}
        names: Sequence[str] = ("before", "after", "median", "best", "below_share")
        known = {name: _known(getattr(step, name)) for name in names}
        steps.append({"step": numbers[place], "set_no": columns.set_nos[step.chosen], **times, **known})
    return {
        "unknown": None,
        "steps_left_out": walk.left_out,
        "before_mean": walk.before_mean,
        "after_mean": walk.after_mean,
        "median_mean": walk.median_mean,
        "above_share": walk.above_share,
        "steps": steps,
    }


def _known(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None
