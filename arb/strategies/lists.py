"""Converts lists of `[strategy.params]` to arguments of a compiled function: an array, or a tuple if the default is.

A list becomes an array of float64, of booleans if all its items are, or of the type of the default that it replaces; a
list of lists of equal length becomes a two-dimensional array. Every run gets new arrays: a strategy may write to them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Number = bool | int | float
#: Lists as the configuration holds them.
Items = tuple[Number | tuple[Number, ...], ...]


def fault_of(items: Items) -> str:
    """What is wrong with a list, to follow "the list" in an error; empty for a valid list."""
    lengths = {len(item) if isinstance(item, tuple) else -1 for item in items}
    if len(lengths) > 1:
        return "mixes numbers and lists, or lists of several lengths"
    flat = flat_of(items)
    if any(isinstance(one, bool) for one in flat) and not all(isinstance(one, bool) for one in flat):
        return "mixes booleans and numbers"
    return ""


def flat_of(items: Items) -> list[Number]:
    """The numbers of a list and of the lists in it, in order."""
    return [one for item in items for one in (item if isinstance(item, tuple) else (item,))]


def array_of(items: Items, kind: np.dtype[Any] | None = None) -> NDArray[Any]:
    """A new array. kind: its dtype; by default booleans for a list of booleans, otherwise float64."""
    if kind is None:
        flat = flat_of(items)
        kind = np.dtype(bool if flat and isinstance(flat[0], bool) else np.float64)
    return np.array(items, kind)


def items_of(array: NDArray[Any]) -> Items:
    """Converts an array of one or two dimensions to the configuration's form."""
    return tuple(tuple(row) if isinstance(row, list) else row for row in array.tolist())


def is_array(value: object) -> bool:
    """Whether a default is an array that a list can replace."""
    return isinstance(value, np.ndarray) and value.ndim in (1, 2) and value.dtype.kind in "bif"


def is_tuple(value: object) -> bool:
    """Whether a default is a tuple of numbers."""
    return (
        isinstance(value, tuple) and bool(value) and all(isinstance(one, bool | int | float) for one in value)
    )
