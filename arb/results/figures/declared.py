"""What a declaration of a figure consists of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from operator import attrgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from arb.results.result import RunResult

#: The kinds of values: a kind decides the format in tables (`arb.report.wording`), and has a unit.
UNITS: Mapping[str, str] = MappingProxyType(
    {
        "text": "text",
        "texts": "list of texts",
        "count": "count",
        "counts": "counts by name",
        "values": "numbers and texts by name",
        "money": "quote",
        "gain": "quote",
        "share": "share of one",
        "return": "share of one",
        "bps": "bps",
        "base": "base",
        "quantity": "base",
        "units": "units of an asset",
        "price": "quote per base",
        "ratio": "ratio",
        "duration": "s",
        "time": "time, UTC",
        "day": "day, UTC",
        "outages": "list of {from_time, to_time, duration_s}",
    }
)

#: What was run: of the whole run, and with a column for each leg.
SETUP, TERMS = "What was run", "Legs, as configured"
#: The tables of the terminal and the page.
RESULT, RISK, TRIPS = "Result (quote)", "Risk", "Round trips"
ATTEMPTS, EDGE, OPPORTUNITIES = "Attempts", "Edge", "Opportunities"
#: The tables with a column for each leg.
LEGS, QUALITY = "Legs", "Quality of the data"
#: Of a live session, with a column for each leg.
SIMULATED = "Orders beside the simulated exchange"
#: The end of a run without a fill.
WHY = "Why nothing was traded"


_getter = cache(attrgetter)


class Figure(NamedTuple):
    """A figure.

    name: its key in the object of its group in `summary.json`, which ends in the unit; `a.b` is b in the object a.
    kind: of `UNITS`. formula: its value from the group's source; None: the attribute `name`. table, label: where it is
    shown; "": in `summary.json` only. text: its definition. headline: its label among the main figures of the page.
    is_page_only: the terminal leaves it out.
    """

    name: str
    kind: str
    formula: Callable[[Any], Any] | None = None
    table: str = ""
    label: str = ""
    text: str = ""
    headline: str = ""
    is_page_only: bool = False

    def value(self, source: Any) -> Any:
        """The value from the group's source."""
        return (self.formula or _getter(self.name))(source)


class Group(NamedTuple):
    """An object in `summary.json`, or for a source that is a list a list of objects.

    key: "" for the top level. source: what the formulas take; None: the run has none of the figures,
    and the object is null.
    """

    key: str
    text: str
    source: Callable[[RunResult], Any]
    figures: Sequence[Figure]


def value_at(summary: Mapping[str, Any], key: str) -> Any:
    """The summary's value at `a.b.c`; None if any part of the path is missing or null."""
    value: Any = summary
    for part in key.split("."):
        if isinstance(value, list):
            value = value[int(part)]
        else:
            value = value.get(part) if isinstance(value, Mapping) else None
    return value
