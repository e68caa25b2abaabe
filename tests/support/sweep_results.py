"""Results of sweeps that nothing ran: of sets whose returns are drawn."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from arb.sweep.judgement import FRONT
from arb.sweep.table import ALL, Key, Period, SetResult, SweepHead

HOUR = 3_600_000_000_000
FIGURES = (*FRONT, "equity.sharpe", "round_trips.closed")


def period(role: str = ALL, step: int = 0, returns: int = 48, interval_ns: int = HOUR) -> Period:
    return Period(f"2026-01-{step + 1:02d}", f"2026-01-{step + 2:02d}", role, step, 0, interval_ns, returns)


def head(keys: list[Key], periods: list[Period], sets: int) -> SweepHead:
    legs = ["binance_usdm:BTCUSDT", "bybit_linear:BTCUSDT"]
    return SweepHead(
        1, "sweep", "2026-01-05T00:00:00Z", "1", "c", "arb.strategies:one", legs, {}, keys, periods, sets
    )


def result(set_no: int, period_no: int, values: Mapping[str, Any], returns: Any) -> SetResult:
    curve = np.cumsum(returns)
    figures = {
        "pnl_quote": float(curve[-1]),
        "equity.drawdown_quote_max": float((np.maximum.accumulate(curve) - curve).max()),
        "equity.sharpe": None,
        "round_trips.closed": 3 + set_no,
    }
    return SetResult(set_no, period_no, dict(values), "ended", None, figures, returns.tolist())


def sweep(
    spreads: int = 4, timeouts: int = 3, periods: tuple[Period, ...] = (period(),), seed: int = 1
) -> tuple[SweepHead, list[SetResult]]:
    """A grid whose profit is highest at the third spread."""
    keys = [
        Key("strategy.min_spread_bps", [0.5 * n for n in range(spreads)]),
        Key("execution.order_timeout_ms", [100 * n for n in range(1, timeouts + 1)]),
    ]
    generator, results = np.random.default_rng(seed), []
    for set_no, values in enumerate(itertools.product(*(key.values for key in keys))):
        for period_no, one in enumerate(periods):
            edge = 0.5 - abs(float(values[0]) - 1.0)  # type: ignore[arg-type]
            returns = generator.normal(edge, 1.0, one.returns_count)
            named = dict(zip((key.name for key in keys), values, strict=True))
            results.append(result(set_no, period_no, named, returns))
    return head(keys, list(periods), spreads * timeouts), results
