"""`arb sweep latency`: the profit by how long orders take to each venue, as a sweep of listed sets.

Of every venue with a leg, `latency.entry_ms` is raised in equal steps above its configured value, the other venues at
theirs. The first set is the configuration itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from arb.commands.sweep_plan import Sets, points
from arb.commands.sweep_sets import SetMaker
from arb.errors import ConfigError
from arb.sweep.ranking import DEFAULT
from arb.sweep.sets import Values
from arb.sweep.table import read_head, read_results

_KEY = "latency.entry_ms"


class LatencyPoint(NamedTuple):
    """One time of a venue. marginal: change of the profit, in quote, for each further ms since the point before; NaN
    at the first."""

    venue: str
    entry_ms: float
    added_ms: float
    pnl_quote: float
    marginal: float


def latency_sets(maker: SetMaker, count: int, added_ms: float) -> Sets:
    """`count` times of every venue from the configured one to `added_ms` more. Raises ConfigError."""
    usual: dict[str, float] = {}
    for leg in maker.base.legs:
        venue = maker.base.venues[leg.venue]
        if venue.latency.order_file is not None:
            raise ConfigError(
                f"{venue.file}: [latency] order_file: measured latencies cannot be raised in steps: remove it"
            )
        usual[f"{leg.venue}.{_KEY}"] = float(venue.latency.entry_ms)
    sets: list[Values] = [dict(usual)]
    for name, entry_ms in usual.items():
        for added in np.linspace(0.0, added_ms, count)[1:]:
            # As a person would write it: no digits that only the division has.
            sets.append({**usual, name: round(entry_ms + float(added), 6)})
    return points(list(usual), sets)


def latency_points(folder: Path) -> list[LatencyPoint]:
    """The curve of each venue, from a sweep's folder. Raises InputError."""
    head = read_head(folder)
    results = [(result.values, _profit(result.figures)) for result in read_results(folder)]
    found = []
    for key in head.keys:
        others = [other.name for other in head.keys if other is not key]
        usual = results[0][0]
        own = [one for one in results if all(one[0][name] == usual[name] for name in others)]
        found += _curve(key.name, own)
    return found


def _curve(name: str, own: Sequence[tuple[Mapping[str, Any], float]]) -> list[LatencyPoint]:
    made: list[LatencyPoint] = []
    first = float(own[0][0][name])
    for values, profit in own:
        entry_ms, marginal = float(values[name]), float("nan")
        if made:
            marginal = (profit - made[-1].pnl_quote) / (entry_ms - made[-1].entry_ms)
        made.append(LatencyPoint(name.partition(".")[0], entry_ms, entry_ms - first, profit, marginal))
    return made


def _profit(figures: Mapping[str, Any]) -> float:
    value = figures.get(DEFAULT)
    return float("nan") if value is None else float(value)
