"""`arb sweep latency`: the profit by how long orders take to each venue, as a sweep of listed sets.

Of every venue with a leg, `latency.entry_ms` is raised in equal steps above its configured value, the other venues at
theirs. The first set is the configuration itself.
"""

from __future__ import annotations

import numpy as np

from arb.commands.sweep_plan import Sets, points
from arb.commands.sweep_sets import SetMaker
from arb.errors import ConfigError
from arb.sweep.sets import Values

_KEY = "latency.entry_ms"


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
