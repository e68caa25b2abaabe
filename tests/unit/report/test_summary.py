"""The summary: its numbers by hand, and what it says where nothing is known."""

from __future__ import annotations

import json
import math

import pytest
from support.finished_runs import (
    LEGS,
    decision,
    decisions,
    figures,
    fill,
    fills,
    records,
    run_of,
    small_run,
)

from arb.results.metrics.coverage import BookGaps
from arb.results.summary import count_decisions, mean_edge_bps, span
from arb.results.summary_fields import AttemptsSummary, BookSummary, EdgeSummary, SpellSummary, Summary
from arb.strategies.spread.decisions import Decision


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


def attempt_lines(number: int, *codes: int) -> list[object]:
    """An attempt that begins, and what came of it, half a second each."""
    at = 10.0 * number
    codes = (Decision.ATTEMPT, *codes)
    return [decision(at + n / 2, code, number, 0, 1) for n, code in enumerate(codes)]


def pair_fills(number: int, rest: float = 0.0, sold_at: float = 100.0) -> list[object]:
    """Two bought at leg 0 and as much less `rest` sold at leg 1, for a fee of a hundredth."""
    at = 10.0 * number + 0.1
    return [fill(at, number, 0, 2.0, 100.0, 0.01), fill(at, number, 1, rest - 2.0, sold_at)]


def test_attempts_are_counted_by_how_they_ended() -> None:
    chase, reverse = Decision.CHASE, Decision.REVERSE
    # Each so often, with the residuals of the last ones.
    kinds = [
        (2, [Decision.HEDGED], []),
        (4, [chase, chase, Decision.HEDGED], []),
        (9, [Decision.MISSED], None),
        (3, [chase, reverse, Decision.REVERSED], [0.25]),
        (1, [reverse, Decision.HALTED], [2.0]),
        (1, [reverse], [-1.0]),
        (1, [], [0.5]),
    ]
    log, filled = [], [fill(1.0, 0, 0, 1.0, 100.0, 0.5), fill(2.0, 0, 0, -1.0, 103.0, 0.25)]
    number = 0
    for count, codes, rests in kinds:
        for left in range(count, 0, -1):
            number += 1
            log += attempt_lines(number, *codes)
            if rests is not None:
                filled += pair_fills(number, rests[0] if left <= len(rests) else 0.0)

    made = figures(run_of(records([[100.0, 100.0]] * 2, [0.0, 300.0]), decisions(*log), fills(*filled)))

    assert made.summary.attempts == AttemptsSummary(
        count=21,
        filled=12,
        hedged=6,
        missed=9,
        reversed=3,
        halted=1,
        unfinished=2,
        chased=7,
        undone=5,
        with_residual=4,
        residual_base_sum=1.75,
        pnl_quote_sum=pytest.approx(-0.12),
        unassigned_quote=2.25,
        purposes={"enter": 21},
    )


def test_an_edge_counts_as_positive_over_the_basis_alone() -> None:
    # Leg 1 stands 100 bps above leg 0 all the time; what is sold there at 100.5 earns less than that.
    log = [line for number in range(1, 5) for line in attempt_lines(number, Decision.HEDGED)]
    filled = [
        row
        for number, price in ((1, 100.5), (2, 101.5), (3, 100.25))
        for row in pair_fills(number, 0.0, price)
    ]
    rows = records([[100.0, 101.0]] * 2, [0.0, 300.0])

    made = figures(run_of(rows, decisions(*log), fills(*filled), halflife_ns=10**9)).summary

    assert made.attempts is not None
    assert (made.attempts.hedged, made.attempts.missed) == (4, 0)
    assert made.edge == EdgeSummary(
        expected_bps_mean=0.0,
        captured_bps_mean=pytest.approx((50.0 + 150.0 + 25.0) / 3 - 0.5),
        captured_over_basis_bps_mean=pytest.approx((-50.0 + 50.0 - 75.0) / 3 - 0.5),
        positive_share=pytest.approx(1 / 3),
        difference_bps_mean=pytest.approx((-50.0 + 50.0 - 75.0) / 3 - 0.5),
        compared=3,
        basis_halflife_s=1.0,
    )


def test_a_leg_without_a_mid_is_one_sided_while_the_other_has_one() -> None:
    nan = math.nan
    mids = [[100.0, 101.0], [nan, 101.0], [nan, nan], [100.0, 101.0], [100.0, nan], [nan, 101.0]]
    first, second = figures(run_of(records(mids, [0.0, 1.0, 3.0, 7.0, 15.0, 31.0]))).summary.legs

    assert (first.unquoted_s, first.one_sided_s, first.unquoted_records) == (6.0, 2.0, 3)
    assert (second.unquoted_s, second.one_sided_s, second.unquoted_records) == (20.0, 16.0, 2)


def test_the_book_of_a_leg_is_what_its_recordings_say() -> None:
    s = 10**9
    gaps = BookGaps(2 * s, 3, 12 * s, (4 * s, 11 * s), ((4 * s, 11 * s),))
    first, second = figures(book_gaps={LEGS[0].name: gaps}).summary.legs

    spell = SpellSummary("1970-01-01T00:00:04.000000000Z", "1970-01-01T00:00:11.000000000Z", 7.0)
    assert first.book == BookSummary(14.0, 2.0, 3, 12.0, 7.0, [spell])
    assert second.book == BookSummary(0.0, 0.0, 0, 0.0, 0.0, [])


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
