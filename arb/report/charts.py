"""The charts of a run: prices, spread with its attempts, equity, drawdown, positions."""

from __future__ import annotations

from typing import Any

import numpy as np

from arb.report.chart_layout import Chart, Points, Series
from arb.results.metrics.equity import drawdown_curve
from arb.results.metrics.spread import basis_bps, cross_spread_bps
from arb.results.summary import Figures
from arb.strategies.spread.decisions import Decision, Purpose

_LEG_COLORS = ("blue", "orange")
_LEAVING = (Purpose.LEAVE, Purpose.STOP_LOSS, Purpose.TIMEOUT)


def charts_of(figures: Figures) -> list[Chart]:
    """All charts in display order; charts of a pair once per pair."""
    pairs = range(len(figures.summary.pairs))
    return [
        *(chart for pair in pairs for chart in (_prices(figures, pair), _spread(figures, pair))),
        _equity(figures),
        _drawdown(figures),
        *(_positions(figures, pair) for pair in pairs),
    ]


def _named(figures: Figures, pair: int, name: str, title: str) -> tuple[str, str]:
    """Name and title of a pair's chart; they name the pair only if there are several."""
    symbol = figures.summary.pairs[pair].name
    return (name, title) if len(figures.summary.pairs) == 1 else (f"{name}_{pair}", f"{title}, {symbol}")


def _by_leg(figures: Figures, pair: int, values: Any, style: str) -> list[Series]:
    timestamps = figures.equity.timestamps
    return [
        Series(figures.run.legs[leg_no].name, timestamps, values[:, leg_no], _LEG_COLORS[leg_no % 2], style)
        for leg_no in (2 * pair, 2 * pair + 1)
    ]


def _prices(figures: Figures, pair: int) -> Chart:
    name, title = _named(figures, pair, "prices", "Mid prices")
    return Chart(name, title, "quote", _by_leg(figures, pair, figures.run.records["price"], "solid"))


def _spread(figures: Figures, pair: int) -> Chart:
    run, timestamps = figures.run, figures.equity.timestamps
    spreads = cross_spread_bps(run.records["price"][:, 2 * pair : 2 * pair + 2])
    series = [Series("mid to mid", timestamps, spreads, "gray")]
    if run.basis_halflife_ns > 0:
        basis = basis_bps(timestamps, spreads, run.basis_halflife_ns)
        series.append(Series("basis", timestamps, basis, "ink", "dashed"))
    first, second = (leg.name.partition(":")[0] for leg in run.legs[2 * pair : 2 * pair + 2])
    name, title = _named(figures, pair, "spread", f"Cross spread, {second} over {first}")
    return Chart(name, title, "bps", series, _attempt_points(figures, pair, first, second))


def _attempt_points(figures: Figures, pair: int, first: str, second: str) -> list[Points]:
    """Attempts at their filled spread. Exits have their own marks if the log shows the purpose."""
    own = figures.attempts[figures.attempts["pair"] == pair]
    done = own[(own["fills"] > 0) & np.isfinite(own["spread_bps"])]
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


def _positions(figures: Figures, pair: int) -> Chart:
    sizes = np.array([leg.contract_size for leg in figures.run.legs])
    positions = figures.run.records["position"] * sizes
    name, title = _named(figures, pair, "positions", "Positions")
    return Chart(name, title, "base", _by_leg(figures, pair, positions, "step"))
