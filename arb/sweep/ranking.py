"""The best results of a sweep by a figure. Reads them one at a time and keeps the best."""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from arb.config.files import hint
from arb.errors import InputError
from arb.sweep.table import FAILED, SetResult, read_results

#: The figure that decides without another.
DEFAULT = "pnl_quote"


class Ranked(NamedTuple):
    """The best results, the best first; how many there are, and how many of them failed."""

    best: list[SetResult]
    results: int
    failed: int


class Bounds(NamedTuple):
    """Figures' least and largest values of results that count."""

    least: Mapping[str, float] = {}
    most: Mapping[str, float] = {}

    def has(self, result: SetResult) -> bool:
        """Whether a result is within all bounds; a figure that is not known is not."""
        least = all(_number(result, name) >= bound for name, bound in self.least.items())
        return least and all(_number(result, name) <= bound for name, bound in self.most.items())


#: No bounds.
UNBOUNDED = Bounds()


def ranked(
    folder: Path, by: str, count: int | None = None, bounds: Bounds = UNBOUNDED, *, is_high: bool = True
) -> Ranked:
    """The results with the best figure `by`, at equal ones the earlier set; count: as many at most.

    is_high: the largest is the best.

    A result without the figure, as of a failed set, is left out. Raises InputError for a figure that no result has.
    """
    kept: list[tuple[float, int, SetResult]] = []
    results = failed = 0
    names: dict[str, None] = {}
    for result in read_results(folder):
        results += 1
        failed += result.outcome == FAILED
        names |= dict.fromkeys(result.figures)
        number = _number(result, by)
        if math.isnan(number) or not bounds.has(result):
            continue
        entry = (number if is_high else -number), -results, result
        if count is None or len(kept) < count:
            heapq.heappush(kept, entry)
        else:
            heapq.heappushpop(kept, entry)
    for name in (by, *bounds.least, *bounds.most):
        if names and name not in names:
            raise InputError(f"{name}: no result of {folder} has this figure{near(name, list(names))}")
    kept.sort(key=lambda entry: entry[:2], reverse=True)
    return Ranked([result for _, _, result in kept], results, failed)


def near(name: str, known: list[str]) -> str:
    """Which known figure may be meant."""
    return hint(name, known).partition("; known")[0] + "; sweep.csv has all of them"


def _number(result: SetResult, name: str) -> float:
    value = result.figures.get(name)
    return math.nan if value is None else float(value)
