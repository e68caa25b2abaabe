"""Which entries of a query are returned: those between two times, and at most so many. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")

#: Beginning and end in ms; None: no bound.
Times = tuple[int | None, int | None]


def between(entries: Sequence[T], time_of: Callable[[T], int], times: Times) -> list[T]:
    """Those at or after the beginning, and at or before the end."""
    start, end = times
    return [
        one
        for one in entries
        if (start is None or time_of(one) >= start) and (end is None or time_of(one) <= end)
    ]


def paged(
    entries: Sequence[T], time_of: Callable[[T], int], times: Times, first_id: int | None, limit: int
) -> Sequence[T]:
    """Those between the times: the oldest ones from a time or number that is given, the newest ones otherwise."""
    found = between(entries, time_of, times)
    return found[-limit:] if first_id is None and times[0] is None else found[:limit]
