"""Each set's result beside that of its neighbours: a peak that its neighbours do not share is often luck.

A neighbour's values differ little in every number and not at all in texts and switches. On a grid that is a step of at
most one in every key. Sets that were drawn have no steps: there the neighbours are the nearest ones, by the
order of each key's values.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

#: Nearest sets of drawn ones, the set itself included; more if several have the same distance.
NEAREST = 9
#: Steps in all keys at once are looked at while there are no more than these; then, steps in one key at a time.
_STEPS_MAX = 3**6
#: Distances computed at once.
_DISTANCES_AT_ONCE = 4_000_000


class Plateau(NamedTuple):
    """(sets,) medians over each set and its neighbours, NaN of unknown results left out, and the numbers of these."""

    medians: Any
    counts: Any


def plateau(keys: Mapping[str, Sequence[Any]], results: Any) -> Plateau:
    """The plateau of every set. keys: the values of each varied key, one a set. results: (sets,) float64.

    The median of a set whose own result is unknown is NaN.
    """
    medians, counts = np.full(len(results), np.nan), np.zeros(len(results), np.int64)
    numbers = [np.array(values, np.float64) for values in keys.values() if _are_numbers(values)]
    texts = [list(map(repr, values)) for values in keys.values() if not _are_numbers(values)]
    alike: dict[tuple[str, ...], list[int]] = {}
    for n in range(len(results)):
        alike.setdefault(tuple(column[n] for column in texts), []).append(n)
    for group in map(np.array, alike.values()):
        columns = [column[group] for column in numbers]
        medians[group], counts[group] = _of_group(columns, results[group])
    medians[np.isnan(results)] = np.nan
    return Plateau(medians, counts)


def _are_numbers(values: Sequence[Any]) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _of_group(columns: list[Any], results: Any) -> tuple[Any, Any]:
    """Medians and counts of sets that differ in numbers alone."""
    if not columns:
        return results, np.isfinite(results).astype(np.int64)
    levels = [np.unique(column, return_inverse=True) for column in columns]
    shape = tuple(len(values) for values, _ in levels)
    places = [inverse for _, inverse in levels]
    # Products of many levels may not fit any integer of NumPy.
    size = 1
    for length in shape:
        size *= length
    if size == len(results) and len(np.unique(np.ravel_multi_index(places, shape))) == size:
        return _on_grid(places, shape, results)
    return _of_nearest(places, shape, results)


def _on_grid(places: list[Any], shape: tuple[int, ...], results: Any) -> tuple[Any, Any]:
    # A border of unknown values, so that a step beyond the grid finds none.
    padded = np.full([length + 2 for length in shape], np.nan)
    inner = tuple(place + 1 for place in places)
    padded[inner] = results
    near = np.stack(
        [padded[tuple(p + s for p, s in zip(inner, step, strict=True))] for step in _steps(len(shape))]
    )
    return _medians(near), np.isfinite(near).sum(axis=0)


def _steps(keys: int) -> list[tuple[int, ...]]:
    if 3**keys <= _STEPS_MAX:
        return list(itertools.product((-1, 0, 1), repeat=keys))
    ones = [tuple(sign if k == key else 0 for k in range(keys)) for key in range(keys) for sign in (-1, 1)]
    return [(0,) * keys, *ones]


def _of_nearest(places: list[Any], shape: tuple[int, ...], results: Any) -> tuple[Any, Any]:
    """Of the nearest sets by the largest difference in any key, as a share of its values; all of equal distance."""
    shares = np.stack([p / max(length - 1, 1) for p, length in zip(places, shape, strict=True)])
    count = min(NEAREST, len(results))
    medians, counts = np.full(len(results), np.nan), np.zeros(len(results), np.int64)
    rows = max(1, _DISTANCES_AT_ONCE // len(results))
    for first in range(0, len(results), rows):
        distances = np.zeros((len(results[first : first + rows]), len(results)))
        for column in shares:
            np.maximum(distances, np.abs(column[first : first + rows, None] - column), out=distances)
        limits = np.partition(distances, count - 1, axis=1)[:, count - 1]
        for n, (row, limit) in enumerate(zip(distances, limits, strict=True), first):
            near = results[row <= limit]
            near = near[np.isfinite(near)]
            counts[n] = len(near)
            medians[n] = np.median(near) if len(near) else np.nan
    return medians, counts


def _medians(near: Any) -> Any:
    """(sets,) medians of the columns of (neighbours, sets); NaN where none is known."""
    is_known = np.isfinite(near).any(axis=0)
    medians = np.full(near.shape[1], np.nan)
    if is_known.any():
        medians[is_known] = np.nanmedian(near[:, is_known], axis=0)
    return medians
