"""The charts of a run: prices, spread with thresholds, costs and attempts, equity, drawdown, positions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from arb.report.chart_layout import Chart, Points, Series
from arb.results.metrics.equity import drawdown_curve
from arb.results.metrics.round_trips import LEAVING
from arb.results.metrics.spread import basis_bps, cross_spread_bps
from arb.results.metrics.thresholds import cost_levels, fees_of, threshold_levels
from arb.results.result import RunResult
from arb.strategies.spread.decisions import Decision

_LEG_COLORS = ("blue", "orange")
#: Pairs, or legs without one, whose prices and positions are drawn; the files have all of them.
CHARTED_MAX = 8


def charts_of(run: RunResult) -> list[Chart]:
    """All charts in display order; those of prices and positions once per pair, and per leg without a pair."""
    paired = {leg_no for pair in run.pairs for leg_no in pair}
    singles = [(leg_no,) for leg_no in range(len(run.legs)) if leg_no not in paired]
    groups: list[tuple[int, ...]] = [*run.pairs, *singles]
    names = [_suffixes(run, legs, number if len(groups) > 1 else None) for number, legs in enumerate(groups)]
    drawn = list(zip(groups, names, strict=True))[:CHARTED_MAX]
    charts = []
    for number, (legs, named) in enumerate(drawn):
        charts.append(_prices(run, legs, *named))
        if len(legs) == 2:
            charts.append(_spread(run, number, *named))
    return [*charts, _equity(run), _drawdown(run), *(_positions(run, legs, *named) for legs, named in drawn)]


def _suffixes(run: RunResult, legs: Sequence[int], number: int | None) -> tuple[str, str]:
    """What to add to the file name and to the title of a chart: nothing if there is only one of its kind."""
    if number is None:
        return "", ""
    if len(legs) == 1:
        return f"_{number}", f", {run.legs[legs[0]].name}"
    symbols = dict.fromkeys(run.legs[leg_no].name.partition(":")[2] for leg_no in legs)
    return f"_{number}", f", {' and '.join(symbols)}"


def _by_leg(run: RunResult, legs: Sequence[int], values: Any, style: str) -> list[Series]:
    return [
        Series(run.legs[leg_no].name, run.equity.timestamps, values[:, leg_no], color, style)
        for leg_no, color in zip(legs, _LEG_COLORS, strict=False)
    ]


def _prices(run: RunResult, legs: Sequence[int], name: str, title: str) -> Chart:
    series = _by_leg(run, legs, run.equity.prices, "solid")
    return Chart(f"prices{name}", f"Mid prices{title}", "quote", series)


def _spread(run: RunResult, pair_no: int, name: str, title: str) -> Chart:
    legs = list(run.pairs[pair_no])
    spreads = cross_spread_bps(run.equity.prices[:, legs])
    series = [Series("mid to mid", run.equity.timestamps, spreads, "gray")]
    basis: Any = np.zeros(len(spreads))
    if run.basis_halflife_ns > 0:
        basis = basis_bps(run.equity.timestamps, spreads, run.basis_halflife_ns)
        series.append(Series("basis", run.equity.timestamps, basis, "ink", "dashed"))
    first, second = (run.legs[leg_no].name.partition(":")[0] for leg_no in legs)
    series += _levels(run, legs, basis, (first, second))
    points = _attempt_points(run.attempts[run.attempts["pair"] == pair_no], first, second)
    return Chart(f"spread{name}", f"Cross spread, {second} over {first}{title}", "bps", series, points)


def _levels(run: RunResult, legs: list[int], basis: Any, names: tuple[str, str]) -> Iterator[Series]:
    """The thresholds of the built-in strategy, and what the taker fees of both legs cost."""
    times, pair = run.equity.timestamps, [run.legs[leg_no] for leg_no in legs]
    if np.isnan(fees_of(pair)).any():
        return
    if run.setup.is_spread:
        levels = threshold_levels(run.setup.parameters, pair, run.records["position"][:, legs], basis)
        words = (("above", names[0], "green"), ("below", names[1], "red"))
        for values, (side, name, color) in zip(levels, words, strict=True):
            # With a basis every record moves it; without one only attempts do.
            style = "solid" if run.basis_halflife_ns > 0 else "step"
            yield Series(f"threshold, {name}", times, values, color, style, f"{side}: buy {name}")
    for values, tag in zip(cost_levels(fees_of(pair), basis), ("taker fees", ""), strict=True):
        yield Series("taker fees of both legs", times, values, "orange", "dotted", tag)


def _attempt_points(own: Any, first: str, second: str) -> list[Points]:
    """Attempts at their filled spread. Exits have their own marks if the log shows the purpose."""
    done = own[(own["fills"] > 0) & np.isfinite(own["spread_bps"])]
    is_leaving = np.isin(done["purpose"], LEAVING)
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


def _equity(run: RunResult) -> Chart:
    series = [Series("", run.equity.timestamps, run.equity.profits, "blue")]
    return Chart("equity", "Profit: equity less capital", "quote", series)


def _drawdown(run: RunResult) -> Chart:
    series = [Series("", run.equity.timestamps, -drawdown_curve(run.equity), "red", "area")]
    return Chart("drawdown", "Drawdown from the highest equity", "quote", series)


def _positions(run: RunResult, legs: Sequence[int], name: str, title: str) -> Chart:
    sizes = np.array([leg.contract_size for leg in run.legs])
    series = _by_leg(run, legs, run.records["position"] * sizes, "step")
    return Chart(f"positions{name}", f"Positions{title}", "base", series)
