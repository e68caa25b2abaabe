"""`arb sweep capacity`: the profit by the largest quantity of an attempt, as a sweep of listed sets.

The size is raised in equal ratios above its configured value: that of the strategy, or of each symbol that has its own,
the others as configured. The first set is the configuration itself.
"""

from __future__ import annotations

import numpy as np

from arb.commands.sweep_plan import Sets, points
from arb.commands.sweep_sets import SetMaker
from arb.errors import ConfigError
from arb.sweep.sets import Values

_KEY = "max_position_size"
#: Digits of a size, as a person would write it.
_DIGITS = 6


def capacity_sets(maker: SetMaker, count: int, factor: float) -> Sets:
    """`count` sizes of every key that sets one, from the configured one to its `factor`-fold. Raises ConfigError."""
    if not maker.base.backtest.liquidity_consumption:
        raise ConfigError(
            "--set backtest.liquidity_consumption: a capacity needs it: without it quantity that was taken is shown "
            "again, and the profit grows with the size for ever; remove the setting"
        )
    usual: dict[str, float] = {}
    for leg in maker.base.legs:
        own = getattr(maker.base.symbols.get(leg.symbol), _KEY, None)
        key = f"strategy.{_KEY}" if own is None else f"symbols.{leg.symbol}.{_KEY}"
        usual[key] = float(own if own is not None else maker.base.value(f"strategy.{_KEY}"))
    sets: list[Values] = [dict(usual)]
    for key, size in usual.items():
        for ratio in np.geomspace(1.0, factor, count)[1:]:
            sets.append({**usual, key: float(f"{size * ratio:.{_DIGITS}g}")})
    return points(list(usual), sets)
