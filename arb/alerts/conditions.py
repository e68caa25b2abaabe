"""A condition of an alert, `METRIC OP NUMBER`, and whether it has held for long enough. Pure."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import NamedTuple

_OPERATORS: Mapping[str, Callable[[float, float], bool]] = MappingProxyType(
    {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
)
_FORM = re.compile(
    r"\s*(?P<metric>[A-Za-z_][A-Za-z0-9_]*)\s*(?P<op>>=|<=|>|<)\s*(?P<number>\S+)\s*", re.ASCII
)


class Condition(NamedTuple):
    """metric: a name of `arb.alerts.metrics`; op: one of > >= < <=."""

    metric: str
    op: str
    limit: float

    def holds(self, value: float | None) -> bool | None:
        """Whether it is so; None if the value is not known (None or NaN)."""
        if value is None or math.isnan(value):
            return None
        return _OPERATORS[self.op](value, self.limit)

    def __str__(self) -> str:
        return f"{self.metric} {self.op} {self.limit:g}"


def condition_of(text: str, metrics: Iterable[str]) -> Condition:
    """The condition of a text. metrics: the known names. Raises ValueError with the reason, to follow a key."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError(
            f'is {text!r}; it must be "METRIC OP NUMBER" with >, >=, < or <=, as "lag_p99_ms > 1000"'
        )
    try:
        limit = float(found["number"])
    except ValueError:
        limit = math.nan
    if not math.isfinite(limit):
        raise ValueError(f"compares with {found['number']!r}, which is no number")
    known = list(metrics)
    if found["metric"] not in known:
        raise ValueError(f"has no known metric: {found['metric']!r}; {nearest(found['metric'], known)}")
    return Condition(found["metric"], found["op"], limit)


def nearest(name: str, known: Iterable[str]) -> str:
    """What follows an unknown name: the nearest one, or all."""
    names = list(known)
    near = get_close_matches(name, names, n=1, cutoff=0.3)
    return f"did you mean {near[0]}?" if near else f"known here: {', '.join(names) or 'none'}"


class Lasting:
    """Whether a condition has held without a break for `for_ns`. One thread."""

    def __init__(self, for_ns: int) -> None:
        self._for_ns = for_ns
        #: When it began to hold, None while it does not.
        self.since_ns: int | None = None

    def look(self, holds: bool | None, now_ns: int) -> bool | None:
        """True: it has held for long enough; False: it does not hold; None: it holds not long enough, or is not known,
        and what was said last stays."""
        if holds is None:
            return None
        if not holds:
            self.since_ns = None
            return False
        if self.since_ns is None or self.since_ns > now_ns:  # the machine's clock may be set back
            self.since_ns = now_ns
        return True if now_ns - self.since_ns >= self._for_ns else None
