"""Lists of `[strategy.params]` as what a compiled function takes: an array, or a tuple where its default is one.

A list becomes an array of float64, of booleans where all of it are, or of the type of the default that it replaces; a
list of lists of one length becomes an array of two dimensions. Arrays are made anew for every run: a strategy may
write into them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Number = bool | int | float
#: As the configuration holds them.
Items = tuple[Number | tuple[Number, ...], ...]


def fault_of(items: Items) -> str:
    """What is wrong with a list, in words that fit behind "the list"; empty for one that is an array."""
    lengths = {len(item) if isinstance(item, tuple) else -1 for item in items}
    if len(lengths) > 1:
        return "mixes numbers and lists, or lists of several lengths"
    flat = flat_of(items)
    if any(isinstance(one, bool) for one in flat) and not all(isinstance(one, bool) for one in flat):
        return "mixes booleans and numbers"
    return ""


def flat_of(items: Items) -> list[Number]:
    """The numbers of a list and of the lists in it."""
    return [one for item in items for one in (item if isinstance(item, tuple) else (item,))]


def array_of(items: Items, kind: np.dtype[Any] | None = None) -> NDArray[Any]:
    """A new array. kind: of its numbers; by default what the list holds, whole numbers as float64."""
    if kind is None:
        flat = flat_of(items)
        kind = np.dtype(bool if flat and isinstance(flat[0], bool) else np.float64)
    return np.array(items, kind)


def items_of(array: NDArray[Any]) -> Items:
    """An array of one or two dimensions as the configuration would hold it."""
    return tuple(tuple(row) if isinstance(row, list) else row for row in array.tolist())


def is_array(value: object) -> bool:
    """Whether a default is an array that a list can replace."""
    return isinstance(value, np.ndarray) and value.ndim in (1, 2) and value.dtype.kind in "bif"


def is_tuple(value: object) -> bool:
    """Whether a default is a tuple of numbers."""
    return (
        isinstance(value, tuple) and bool(value) and all(isinstance(one, bool | int | float) for one in value)
    )
