"""What the charts of a sweep's page draw: at most `SETS_MAX` sets, by column, in short numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from arb.sweep.columns import Columns
from arb.sweep.judgement import Judgement, is_high_good
from arb.sweep.overfitting import Overfitting

#: Sets that a page has: the best ones, those of the front, and every so many of the others.
SETS_MAX = 10_000
_BEST_MAX = 2_000
#: Digits of numbers that are drawn.
_DIGITS = 7
#: Bars of the distribution of ranks.
_BARS = 20


def page_data(columns: Columns, judgement: Judgement) -> dict[str, Any]:
    """The data, for JSON."""
    places = drawn_places(columns, judgement)
    where = {place: n for n, place in enumerate(places)}
    return {
        "by": judgement.by,
        "setNos": [columns.set_nos[place] for place in places],
        "keys": [_key(name, column, places) for name, column in columns.values.items()],
        "figures": {name: _short(columns.figure(name)[places]) for name in columns.figures},
        "isHighGood": {name: is_high_good(name) for name in columns.figures},
        "plateau": _short(judgement.plateau.medians[places]),
        "best": None if judgement.best is None else where[judgement.best],
        "bestPlateau": None if judgement.best_plateau is None else where[judgement.best_plateau],
        "frontBy": judgement.front_by,
        "front": [where[place] for place in judgement.front if place in where],
        "ranks": _bars(judgement.overfitting.ranks)
        if isinstance(judgement.overfitting, Overfitting)
        else None,
    }


def drawn_places(columns: Columns, judgement: Judgement) -> list[int]:
    """The sets that are drawn, in their order."""
    count = len(columns.set_nos)
    if count <= SETS_MAX:
        return list(range(count))
    goodness = judgement.results if judgement.is_high else -judgement.results
    order = np.argsort(-np.where(np.isfinite(goodness), goodness, -np.inf), kind="stable")
    chosen = set(order[:_BEST_MAX].tolist()) | set(judgement.front[:_BEST_MAX])
    if judgement.best_plateau is not None:
        chosen.add(judgement.best_plateau)
    others = order[_BEST_MAX:]
    chosen.update(others[np.linspace(0, len(others) - 1, SETS_MAX - len(chosen)).astype(int)].tolist())
    return sorted(chosen)


def _key(name: str, column: Sequence[Any], places: Sequence[int]) -> dict[str, Any]:
    """A key: its values in order, and the place of each set's value among them."""
    values = [column[place] for place in places]
    are_numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in column)
    texts: Mapping[Any, Any] = {repr(value): value for value in values}
    levels = sorted(texts, key=(lambda text: texts[text]) if are_numbers else str)
    number = {text: n for n, text in enumerate(levels)}
    shown = [_shortened(float(texts[text])) if are_numbers else str(texts[text]) for text in levels]
    return {
        "name": name,
        "isNumber": are_numbers,
        "levels": shown,
        "of": [number[repr(value)] for value in values],
    }


def _short(values: Any) -> list[float | None]:
    return [_shortened(value) for value in np.asarray(values, np.float64).tolist()]


def _shortened(value: float) -> float | None:
    if not math.isfinite(value):
        return None
    short = float(f"{value:.{_DIGITS}g}")
    return int(short) if short.is_integer() and abs(short) < 1e15 else short


def _bars(ranks: Any) -> list[int]:
    """How many splits have their chosen set in each twentieth of the ranks."""
    return np.histogram(ranks, bins=_BARS, range=(0.0, 1.0))[0].tolist()
