"""The summary of a run from the declared figures, and where each is shown."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from arb.results.evidence import as_json
from arb.results.figures.declared import Group
from arb.results.figures.legs import LEG_FIGURES, PAIR_FIGURES
from arb.results.figures.money import EQUITY
from arb.results.figures.no_trades import NET_EDGES, NO_TRADES
from arb.results.figures.run import LOG, RUN, SETUP_FIGURES, TOTALS
from arb.results.figures.simulated import SIMULATED_FIGURES
from arb.results.figures.trading import (
    ATTEMPT_FIGURES,
    EDGE_FIGURES,
    OPPORTUNITY_FIGURES,
    ORDER_FIGURES,
    RISK_HALT,
    ROUND_TRIP_FIGURES,
    UNHEDGED_FIGURES,
)

if TYPE_CHECKING:
    from arb.results.result import RunResult

#: In the order of `summary.json` and of the lines of a table.
GROUPS = (
    RUN,
    SETUP_FIGURES,
    EQUITY,
    TOTALS,
    LEG_FIGURES,
    PAIR_FIGURES,
    ROUND_TRIP_FIGURES,
    ATTEMPT_FIGURES,
    ORDER_FIGURES,
    UNHEDGED_FIGURES,
    EDGE_FIGURES,
    OPPORTUNITY_FIGURES,
    RISK_HALT,
    SIMULATED_FIGURES,
    NO_TRADES,
    NET_EDGES,
    LOG,
)


def summary_of(run: RunResult) -> dict[str, Any]:
    """The content of `summary.json`; unknown values are None."""
    summary: dict[str, Any] = {}
    for group in GROUPS:
        if group.key:
            summary[group.key] = group_of(group, run)
        else:
            summary |= group_of(group, run)
    return dict(as_json(summary))


def group_of(group: Group, run: RunResult) -> Any:
    """The figures of a group by name, for each of a list; None if the run has none of them."""
    source = group.source(run)
    if source is None:
        return None
    if group.key and isinstance(source, list):
        return [_values(group, one) for one in source]
    return _values(group, source)


@cache
def _names(path: str) -> list[str]:
    return path.split(".")


def _values(group: Group, source: Any) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for figure in group.figures:
        *parents, name = _names(figure.name)
        place = values
        for parent in parents:
            place = place.setdefault(parent, {})
        place[name] = figure.value(source)
    return values
