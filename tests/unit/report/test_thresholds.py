"""The levels of the spread chart: at each of them the strategy's own edge is at its own threshold."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.finished_runs import LEGS, PARAMETERS, TERMS, records, run_of, small_run

from arb.report.chart_layout import HEIGHT, WIDTH, lay_out
from arb.report.charts import charts_of
from arb.report.png import draw_png
from arb.report.svg import draw_svg
from arb.results.metrics.thresholds import cost_levels, fees_of, threshold_levels
from arb.results.result import ResultLeg
from arb.results.setup import RunSetup
from arb.strategies.spread.holding import cost_to_leave_bps
from arb.strategies.spread.inventory import imbalance, must_rebalance, skewed_threshold_bps
from arb.strategies.spread.touch import edge_bps

FEES = st.floats(-0.001, 0.01)


def touches(leg: ResultLeg, price: float) -> Any:
    """A leg as the strategy reads it, with a book whose bid and ask are the same."""
    own = {
        "is_spot": int(leg.terms.kind == "spot"),
        "base": leg.base,
        "position_limit": leg.terms.position_limit,
    }
    return SimpleNamespace(bid=price, ask=price, taker_fee=leg.terms.taker_fee, **own)


def pair_at(legs: list[ResultLeg], spread_bps: float) -> list[Any]:
    return [touches(legs[0], 100.0), touches(legs[1], 100.0 * (1.0 + spread_bps / 1e4))]


def legs_with(fee_0: float, fee_1: float, kind: str) -> list[ResultLeg]:
    return [
        leg._replace(terms=TERMS._replace(taker_fee=fee, kind=kind))
        for leg, fee in zip(LEGS, (fee_0, fee_1), strict=True)
    ]


@given(
    FEES,
    FEES,
    st.sampled_from(["spot", "linear"]),
    st.floats(-3.0, 3.0),
    st.floats(0.0, 20.0),
    st.sampled_from([0.0, 0.05, 0.5]),
    st.floats(-30.0, 30.0),
)
def test_the_edge_at_a_threshold_is_the_one_that_the_strategy_needs(
    fee_0: float, fee_1: float, kind: str, held: float, skew: float, limit: float, basis: float
) -> None:
    legs = legs_with(fee_0, fee_1, kind)
    parameters = {**PARAMETERS, "inventory_skew_bps": skew, "rebalance_threshold": limit}
    params = SimpleNamespace(**parameters)
    positions = np.array([[held, -held]])
    states = [SimpleNamespace(position=position) for position in positions[0]]
    levels = threshold_levels(parameters, legs, positions, np.array([basis]))
    share = imbalance.py_func([touches(leg, 1.0) for leg in legs], *states)
    for buy_no, level in enumerate(levels):
        pair = pair_at(legs, float(level[0]))
        edge = edge_bps.py_func(pair[buy_no], pair[1 - buy_no]) + (-basis if buy_no == 0 else basis)
        needed = skewed_threshold_bps.py_func(share, buy_no, params)
        if must_rebalance.py_func(share, buy_no, -params.rebalance_cost_bps, params):
            needed = min(needed, -params.rebalance_cost_bps)
        assert edge == pytest.approx(needed, abs=1e-6)


@given(FEES, FEES, st.floats(-30.0, 30.0))
def test_convergence_pays_for_leaving_at_entry(fee_0: float, fee_1: float, basis: float) -> None:
    legs = legs_with(fee_0, fee_1, "spot")
    parameters = {"mode": "convergence", "min_spread_bps": 3.0}
    levels = threshold_levels(parameters, legs, np.zeros((1, 2)), np.array([basis]))
    for buy_no, level in enumerate(levels):
        pair = pair_at(legs, float(level[0]))
        edge = edge_bps.py_func(pair[buy_no], pair[1 - buy_no]) + (-basis if buy_no == 0 else basis)
        assert edge == pytest.approx(3.0 + cost_to_leave_bps.py_func(pair), abs=1e-6)


def test_the_costs_are_where_a_trade_earns_nothing() -> None:
    above, below = cost_levels(fees_of(LEGS), 0.0)
    assert (above, below) == (pytest.approx(15.51, abs=0.01), pytest.approx(-15.49, abs=0.01))
    pair = pair_at(LEGS, above)
    assert edge_bps.py_func(pair[0], pair[1]) == pytest.approx(0.0, abs=1e-9)


def spread_chart(**changes: Any) -> Any:
    return next(chart for chart in charts_of(small_run(**changes)) if chart.name == "spread")


def test_the_spread_chart_has_thresholds_and_costs_with_labels_and_in_the_legend() -> None:
    chart = spread_chart()
    assert [(series.label, series.tag) for series in chart.series] == [
        ("mid to mid", ""),
        ("threshold, venue_a", "above: buy venue_a"),
        ("threshold, venue_b", "below: buy venue_b"),
        ("taker fees of both legs", "taker fees"),
        ("taker fees of both legs", ""),
    ]
    scene = lay_out(chart)
    texts = [label.text for label in scene.labels if label.role == "legend"]
    assert texts[:4] == ["mid to mid", "threshold, venue_a", "threshold, venue_b", "taker fees of both legs"]
    assert len(texts) == len(scene.keys)
    tags = sorted(label.y for label in scene.labels if label.role == "tag")
    assert len(tags) == 3
    assert min(np.diff(tags)) >= 12.0
    assert scene.box[1] <= tags[0] <= tags[-1] <= scene.box[3]
    assert draw_svg(chart).count('class="tag"') == 3
    assert draw_png(chart) != draw_png(chart._replace(series=chart.series[:1]))


def test_a_strategy_of_ones_own_has_costs_only_and_a_run_without_fees_neither() -> None:
    labels = [series.label for series in spread_chart(setup=RunSetup("arb")).series]
    assert labels == ["mid to mid", "taker fees of both legs", "taker fees of both legs"]
    unknown = [leg._replace(terms=TERMS._replace(taker_fee=float("nan"))) for leg in LEGS]
    assert [series.label for series in spread_chart(legs=unknown).series] == ["mid to mid"]


def test_long_legends_have_rows_within_the_picture() -> None:
    legs = [leg._replace(name=f"a_venue_with_a_long_name_{n}:BTCUSDT") for n, leg in enumerate(LEGS)]
    scene = lay_out(spread_chart(legs=legs, basis_halflife_ns=10**9))
    assert len({key.y for key in scene.keys}) > 1
    for label in scene.labels:
        if label.role == "legend":
            assert label.x + 7.0 * len(label.text) <= WIDTH
    assert scene.box[1] > max(key.y for key in scene.keys)
    assert scene.box[3] < HEIGHT


def test_a_level_line_has_few_points() -> None:
    run = run_of(records([[100.0, 101.0]] * 2_000))
    chart = next(chart for chart in charts_of(run) if chart.name == "spread")
    assert all(len(piece) == 2 for path in lay_out(chart).paths for piece in path.pieces)
