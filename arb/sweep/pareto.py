"""The sets of which no other is better in one of two figures and as good in the other."""

from __future__ import annotations

from typing import Any

import numpy as np


def pareto_front(first: Any, second: Any, *, is_first_high: bool, is_second_high: bool) -> Any:
    """The places of the front's sets, from the best in `first` on. Sets with an unknown figure are left out.

    first, second: (sets,) float64. is_first_high, is_second_high: whether high values are the good ones. Sets with
    both figures equal are all on the front, or none is.
    """
    known = np.flatnonzero(np.isfinite(first) & np.isfinite(second))
    one = first[known] if is_first_high else -first[known]
    two = second[known] if is_second_high else -second[known]
    order = np.lexsort((-two, -one))
    one, two = one[order], two[order]
    # Of sets with equal first figures, only those with the best second one can be on it.
    begins = np.flatnonzero(np.diff(one, prepend=np.nan) != 0.0)
    group = np.cumsum(np.diff(one, prepend=np.nan) != 0.0) - 1
    heads = two[begins]
    before = np.maximum.accumulate(np.concatenate(([-np.inf], heads)))[:-1]
    is_front = (two == heads[group]) & (two > before[group]) if len(one) else np.zeros(0, np.bool_)
    return known[order[is_front]]
