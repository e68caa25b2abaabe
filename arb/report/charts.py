"""The charts of a run: prices, spread with its attempts, equity, drawdown, positions."""

from __future__ import annotations

from typing import Any

import numpy as np

from arb.report.metrics.equity import drawdown_curve
from arb.report.metrics.spread import basis_bps, cross_spread_bps
from arb.report.scene import Chart, Points, Series
from arb.report.summary import Figures
from arb.strategy.decisions import Decision, Purpose

_LEG_COLORS = ("blue", "orange")
_LEAVING = (Purpose.LEAVE, Purpose.STOP_LOSS, Purpose.TIMEOUT)


def charts_of(figures: Figures) -> list[Chart]:
    """All charts, in the order in which they are read."""
    return [_prices(figures), _spread(figures), _equity(figures), _drawdown(figures), _positions(figures)]


def _by_leg(figures: Figures, values: Any, style: str) -> list[Series]:
    timestamps = figures.equity.timestamps
    return [
        Series(leg.name, timestamps, values[:, leg_no], _LEG_COLORS[leg_no % 2], style)
        for leg_no, leg in enumerate(figures.run.legs)
    ]


def _prices(figures: Figures) -> Chart:
    return Chart("prices", "Mid prices", "quote", _by_leg(figures, figures.run.records["price"], "solid"))


def _spread(figures: Figures) -> Chart:
    run, timestamps = figures.run, figures.equity.timestamps
    spreads = cross_spread_bps(run.records["price"])
    series = [Series("mid to mid", timestamps, spreads, "gray")]
    if run.basis_halflife_ns > 0:
        basis = basis_bps(timestamps, spreads, run.basis_halflife_ns)
        series.append(Series("basis", timestamps, basis, "ink", "dashed"))
    first, second = (leg.name.partition(":")[0] for leg in run.legs)
    return Chart(
        "spread",
        f"Cross spread, {second} over {first}",
        "bps",
        series,
        _attempt_points(figures, first, second),
    )


def _attempt_points(figures: Figures, first: str, second: str) -> list[Points]:
    """Attempts at the spread that they were filled at. One that leaves is told apart where the log says so."""
    done = figures.attempts[(figures.attempts["fills"] > 0) & np.isfinite(figures.attempts["spread_bps"])]
    is_leaving = np.isin(done["purpose"], _LEAVING)
    is_reversed = done["outcome"] == Decision.REVERSED
    has_bought = done["net_0"] > 0.0
    groups = (
        (f"buy {first}", ~is_leaving & ~is_reversed & has_bought, "green", "up"),
        (f"buy {second}", ~is_leaving & ~is_reversed & ~has_bought, "red", "down"),
        ("leave", is_leaving & ~is_reversed, "violet", "dot"),
    )
    return [
        Points(
            f"{label} ({int(chosen.sum()):,})",
            done["last_fill"][chosen],
            done["spread_bps"][chosen],
            color,
            shape,
        )
        for label, chosen, color, shape in groups
        if chosen.any()
    ]


def _equity(figures: Figures) -> Chart:
    equity = figures.equity
    return Chart(
        "equity",
        "Profit: equity less capital",
        "quote",
        [Series("", equity.timestamps, equity.profits, "blue")],
    )


def _drawdown(figures: Figures) -> Chart:
    equity = figures.equity
    falls = -drawdown_curve(equity)
    return Chart(
        "drawdown",
        "Drawdown from the highest equity",
        "quote",
        [Series("", equity.timestamps, falls, "red", "area")],
    )


def _positions(figures: Figures) -> Chart:
    sizes = np.array([leg.contract_size for leg in figures.run.legs])
    positions = figures.run.records["position"] * sizes
    return Chart("positions", "Positions", "base", _by_leg(figures, positions, "step"))
