"""The summary: its numbers by hand, and what it says where nothing is known."""

from __future__ import annotations

import json
import math

import pytest
from support.finished_runs import decision, decisions, figures, records, run_of, small_run

from arb.report.summary import Summary, count_decisions, mean_edge_bps, span
from arb.strategy.decisions import Decision


def test_the_small_run_comes_to_what_paper_says() -> None:
    made = figures().summary
    assert made.pnl == pytest.approx(0.3)
    equity = made.equity
    assert (equity.capital_quote, equity.end_quote) == (10_000.0, pytest.approx(10_000.3))
    assert equity.return_share == pytest.approx(3e-5)
    assert (equity.realised_quote, equity.unrealised_quote) == pytest.approx((1.3, -1.0))
    assert (equity.drawdown_quote_max, equity.drawdown_share_max) == pytest.approx((1.2, 1.2e-4))
    assert equity.drawdown_from_time == "2024-08-08T12:00:02.000000000Z"
    assert equity.drawdown_to_time == "2024-08-08T12:00:04.000000000Z"
    assert equity.return_over_drawdown == pytest.approx(0.25)
    assert math.isnan(equity.return_annual_share)
    assert made.attempts is not None
    assert (made.attempts.count, made.attempts.hedged, made.attempts.chased) == (2, 2, 1)
    assert made.attempts.pnl_quote_sum == pytest.approx(equity.realised_quote)
    assert made.attempts.purposes == {"enter": 2}
    assert made.edge is not None
    assert made.edge.expected_bps_mean == 5.0
    captured = (175.0 - 2.2 / 101.0 * 1e4) / 2
    assert made.edge.captured_bps_mean == made.edge.captured_over_basis_bps_mean == pytest.approx(captured)
    assert made.edge.difference_bps_mean == pytest.approx(captured - 5.0)
    assert (made.edge.compared, made.edge.positive_share) == (2, 0.5)
    assert made.unhedged is not None
    assert (made.unhedged.attempts, made.unhedged.unhedged_s_sum) == (1, pytest.approx(0.5))
    assert made.opportunities is not None
    assert made.opportunities.missed_by_reason == {"position": 1}
    assert (made.opportunities.duration_s_mean, made.opportunities.duration_s_p95) == pytest.approx(
        (0.35, 0.5)
    )
    assert made.opportunities.edge_peak_bps_mean == 7.0
    assert made.orders is not None
    assert (made.orders.sent, made.orders.expired, made.orders.chasing) == (5, 1, 1)
    assert made.risk_halt is None


def test_legs_are_those_of_the_last_state() -> None:
    first, second = figures().summary.legs
    assert (first.leg, first.position, first.balance, first.fee, first.trades) == (
        "venue_a:BTCUSDT",
        1,
        -101,
        0.3,
        2,
    )
    assert (first.pnl, second.pnl) == pytest.approx((-101 - 0.3 + 100, 103 - 0.4 - 101))
    assert (first.start_base, first.start_quote) == (10.0, 5_000.0)
    assert figures().summary.pairs[0].imbalance == 0.0


def test_a_flat_leg_has_a_profit_without_a_mid_and_a_held_one_has_none() -> None:
    rows = records(
        [[100.0, 100.0], [math.nan, math.nan]], position=[[0, 0], [0, 1]], balance=[[0, 0], [5, 5]]
    )
    first, second = figures(run_of(rows)).summary.legs
    assert first.pnl == 5.0
    assert math.isnan(second.pnl)


def test_a_strategy_without_a_log_has_equity_and_null_for_the_rest() -> None:
    made = figures(small_run()._replace(decisions=decisions(), fills=small_run().fills[:0])).summary.as_dict()
    names = (
        "rounds",
        "attempts",
        "edge",
        "orders",
        "unhedged",
        "opportunities",
        "risk_halt",
        "edge_bps_mean",
    )
    assert [made[name] for name in names] == [None] * len(names)
    assert made["decisions"] == {}
    assert made["equity"]["return_quote"] == pytest.approx(0.3)


def test_one_record_is_enough() -> None:
    made = figures(run_of(records([[math.nan, math.nan]]))).summary.as_dict()
    assert made["span_s"] == 0.0
    assert made["equity"]["sharpe"] is None


def test_the_dict_is_in_the_order_of_the_fields_and_has_no_nan() -> None:
    made = figures().summary.as_dict()
    assert list(made) == list(Summary.__struct_fields__)
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    assert made["equity"]["return_annual_share"] is None


def test_decisions_are_counted_by_name() -> None:
    lines = decisions(decision(0, Decision.ATTEMPT), decision(0, Decision.OPEN), decision(0, Decision.OPEN))
    counted = count_decisions(lines)
    assert (counted["attempt"], counted["open"], counted["halted"]) == (1, 2, 0)
    assert list(counted) == [code.name.lower() for code in Decision]
    assert count_decisions(decisions()) == {}


def test_the_mean_edge_is_that_of_the_attempts() -> None:
    lines = decisions(decision(0, Decision.ATTEMPT, value=5.0), decision(0, Decision.ATTEMPT, value=8.0))
    assert mean_edge_bps(lines) == 6.5
    assert math.isnan(mean_edge_bps(decisions()))


def test_no_time_is_no_text() -> None:
    assert span(0) == ""
    assert span(1) == "1970-01-01T00:00:00.000000001Z"
