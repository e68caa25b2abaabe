"""What a session publishes of its configuration, for its screen and for other processes."""

from __future__ import annotations

import math
from pathlib import Path

from arb.commands.run_setup import Setup
from arb.config import Config
from arb.runtime.session_watch import Facts
from arb.runtime.status_file import Bounds
from arb.strategies.loader import PAIRS


def facts_of(
    config: Config, setup: Setup, command: str, *, folder: Path, created_ns: int, duration_s: float | None
) -> Facts:
    """The facts of a session. command: "dry-run" or "live"; the rest as in `Facts`."""
    params = setup.arguments.params
    return Facts(
        folder=folder,
        command=command,
        created_ns=created_ns,
        duration_s=duration_s,
        threshold_bps=_number(params.get("min_spread_bps")),
        is_over_basis=_number(params.get("basis_halflife_ns")) > 0.0,
        bounds=Bounds(_number(params.get("max_edge_bps")), 100.0 * _max_drawdown(config, setup, command)),
        has_pairs=setup.strategy.legs == PAIRS,
        max_leverage=config.risk.max_leverage,
    )


def _max_drawdown(config: Config, setup: Setup, command: str) -> float:
    """The drawdown that halts the session, by its strategy or its supervisor, as a share; NaN: none does."""
    found = [_number(setup.arguments.params.get("max_drawdown"))]
    own = config.supervisor
    if command == "live" and own.drawdown in ("halt", "flatten"):
        found.append(own.drawdown_pct / 100.0)
    return min((one for one in found if one == one), default=math.nan)


def _number(parameter: object) -> float:
    """A parameter of the strategy; NaN for none, or one that legs have each."""
    return float(parameter) if isinstance(parameter, int | float) else math.nan
