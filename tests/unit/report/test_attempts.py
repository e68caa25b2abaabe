"""Attempts and round trips: their accounts by hand, and that they add up to the run's."""

from __future__ import annotations

import csv
import io
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.finished_runs import (
    LEGS,
    NOON,
    S,
    decision,
    decisions,
    fill,
    fills,
    records,
    run_of,
    small_run,
)

from arb.results.attempts_table import COLUMNS, attempts_csv
from arb.results.metrics.round_trips import longest_run
from arb.results.result import RunResult
from arb.strategies.spread.decisions import Decision, Purpose


def test_profit_is_the_cash_of_the_fills_less_their_fees() -> None:
    first, second = small_run().attempts
    assert first["pnl"] == pytest.approx(4.0 - 0.5)
    assert second["pnl"] == pytest.approx(-2.0 - 0.2)
    assert (first["bought"], second["bought"]) == (200.0, 101.0)
    assert (first["captured_bps"], second["captured_bps"]) == pytest.approx((175.0, -2.2 / 101.0 * 1e4))


def test_the_log_gives_purpose_outcome_times_and_orders() -> None:
    first, second = small_run().attempts
    assert (first["purpose"], first["outcome"], second["outcome"]) == (
        Purpose.ENTER,
        Decision.HEDGED,
        Decision.HEDGED,
    )
    assert (first["begin"], first["end"]) == (NOON + S, NOON + 3 * S // 2)
    assert (first["expected_bps"], second["expected_bps"]) == (4.0, 6.0)
    assert (first["chases"], second["chases"], second["reversals"]) == (0, 1, 0)
    assert second["last_fill"] - second["first_fill"] == pytest.approx(0.4 * S)


def test_the_price_of_an_attempt_is_leg_1_over_leg_0() -> None:
    assert small_run().attempts["spread_bps"].tolist() == pytest.approx([200.0, 1e4 * 2.0 / 99.0])


def test_a_residual_is_marked_and_valued_at_the_mid_of_its_leg() -> None:
    log = decisions(decision(0, Decision.ATTEMPT, 1), decision(2, Decision.HALTED, 1))
    run = run_of(
        records([[100.0, 90.0]] * 4), log, fills(fill(1, 1, 1, 3.0, 95.0, 0.5), fill(1, 1, 0, -1.0, 100.0))
    )
    (row,) = run.attempts
    assert row["residual"] == 2.0
    assert row["residual_quote"] == 2.0 * 90.0
    assert row["pnl"] == pytest.approx(-285.0 + 100.0 - 0.5 + 180.0)
    assert math.isnan(row["captured_bps"])


def test_less_than_a_lot_that_fees_left_is_valued_and_not_open() -> None:
    log = decisions(decision(0, Decision.ATTEMPT, 1), decision(2, Decision.HEDGED, 1))
    for missing, is_open in ((0.0009, 0), (0.001, 1)):
        filled = fills(fill(1, 1, 0, 1.0 - missing, 100.0), fill(1, 1, 1, -1.0, 102.0))
        legs = [leg._replace(terms=leg.terms._replace(fee_lot=0.001)) for leg in LEGS]
        (row,) = run_of(records([[100.0, 100.0]] * 3), log, filled, legs=legs).attempts
        assert row["residual"] == pytest.approx(-missing)
        assert row["is_open"] == is_open
        assert math.isnan(row["captured_bps"]) == bool(is_open)
        assert row["pnl"] == pytest.approx(102.0 - 100.0 * (1.0 - missing) - 100.0 * missing)


def test_rounding_leaves_no_residual() -> None:
    filled = fills(fill(1, 1, 0, 0.1, 100.0), fill(1, 1, 0, 0.2, 100.0), fill(1, 1, 1, -0.3, 100.0))
    (row,) = run_of(records([[100.0, 100.0]] * 3), None, filled).attempts
    assert row["residual"] == 0.0


def test_an_attempt_without_a_fill_captured_nothing_that_is_known() -> None:
    log = decisions(decision(0, Decision.ATTEMPT, 1, value=3.0), decision(1, Decision.MISSED, 1))
    (row,) = run_of(records([[1.0, 1.0]] * 2), log).attempts
    assert (row["pnl"], row["fills"], row["outcome"]) == (0.0, 0, Decision.MISSED)
    assert math.isnan(row["captured_bps"])


def test_the_basis_is_taken_from_what_was_captured_by_the_direction() -> None:
    # A basis of 100 bps all along: buying leg 0 and selling leg 1 earns it, the other way round pays it.
    log = decisions(
        decision(2, Decision.ATTEMPT, 1), decision(3, Decision.ATTEMPT, 2), decision(4, Decision.ATTEMPT, 3)
    )
    filled = fills(
        fill(2, 1, 0, 1.0, 100.0), fill(2, 1, 1, -1.0, 101.0),
        fill(3, 2, 0, -1.0, 100.0), fill(3, 2, 1, 1.0, 101.0),
        fill(4, 3, 0, 1.0, 100.0), fill(4, 3, 0, -1.0, 99.0),
    )  # fmt: skip
    rows = run_of(records([[100.0, 101.0]] * 6), log, filled, basis_halflife_ns=S).attempts
    assert rows["captured_bps"].tolist() == pytest.approx([100.0, -1e4 / 101.0, -100.0])
    assert rows["over_basis_bps"].tolist() == pytest.approx([0.0, 100.0 - 1e4 / 101.0, -100.0])


def test_a_round_trip_is_an_attempt_unless_spreads_are_left() -> None:
    totals = small_run().summary["round_trips"]
    assert totals["kind"] == "attempt"
    assert (totals["closed"], totals["open"], totals["wins"], totals["losses"]) == (2, 0, 1, 1)
    assert totals["win_rate_share"] == 0.5
    assert totals["profit_factor"] == pytest.approx(3.5 / 2.2)
    assert totals["expectancy_quote"] == pytest.approx(0.65)
    assert (totals["win_quote_max"], totals["loss_quote_max"]) == pytest.approx((3.5, 2.2))
    assert (totals["holding_s_mean"], totals["holding_s_median"]) == pytest.approx((0.2, 0.2))


def convergence_run() -> RunResult:
    """Entered twice, left in two parts, with dust; then entered and not left."""
    purposes = (Purpose.ENTER, Purpose.ENTER, Purpose.LEAVE, Purpose.LEAVE, Purpose.ENTER)
    log = decisions(*(decision(n, Decision.ATTEMPT, n + 1, order_id=p) for n, p in enumerate(purposes)))
    sizes = (
        (2.0, 100.0, 103.0),
        (1.0, 100.0, 103.0),
        (-2.0, 101.0, 102.0),
        (-0.999, 101.0, 102.0),
        (1.0, 100.0, 104.0),
    )
    filled = fills(
        *(
            row
            for n, (base, first, second) in enumerate(sizes)
            for row in (
                fill(n + 0.5, n + 1, 0, base, first, 0.1),
                fill(n + 0.5, n + 1, 1, -base, second, 0.1),
            )
        )
    )
    return run_of(records([[100.0, 102.0]] * 8), log, filled)


def test_in_convergence_a_round_trip_runs_from_flat_to_flat() -> None:
    run = convergence_run()
    assert run.round_trips.kind == "convergence"
    done, left = run.round_trips.rows
    assert (done["first_attempt"], done["last_attempt"], done["is_open"]) == (1, 4, False)
    assert (left["first_attempt"], left["is_open"]) == (5, True)
    dust = 0.001 * 100.0 - 0.001 * 102.0
    assert done["pnl"] == pytest.approx(3.0 * 3.0 - 2.999 - 0.8 + dust)
    assert left["pnl"] == pytest.approx(4.0 - 0.2 + 100.0 - 102.0)
    totals = run.summary["round_trips"]
    assert (totals["closed"], totals["open"], totals["wins"], totals["holding_s_mean"]) == (1, 1, 1, 3.0)


def test_totals_of_no_round_trips_are_unknown() -> None:
    log = decisions(decision(0, Decision.ATTEMPT, 1), decision(1, Decision.MISSED, 1))
    totals = run_of(records([[1.0, 1.0]]), log).summary["round_trips"]
    assert (totals["closed"], totals["win_streak_max"]) == (0, 0)
    assert [totals[name] for name in ("win_rate_share", "profit_factor", "expectancy_quote")] == [None] * 3


@pytest.mark.parametrize(("flags", "length"), [("", 0), ("000", 0), ("1", 1), ("0110111", 3), ("1101", 2)])
def test_streaks_are_the_longest_runs(flags: str, length: int) -> None:
    assert longest_run(np.array([flag == "1" for flag in flags], bool)) == length


trades_made = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.integers(0, 1),
        st.integers(-50, 50).filter(bool),
        st.floats(50.0, 150.0),
        st.floats(0.0, 1.0),
    ),
    max_size=40,
)


@given(trades_made, st.booleans())
def test_attempts_and_round_trips_add_up_to_the_cash_of_the_run(made: Any, by_spread: bool) -> None:
    filled = fills(
        *(fill(n, a, leg, lots * 0.001, px, fee) for n, (a, leg, lots, px, fee) in enumerate(made))
    )
    run = run_of(records([[100.0, 101.0]] * 50), None, filled, is_convergence=by_spread)
    rows = run.attempts
    loose = filled[filled["attempt"] == 0]
    total = math.fsum(filled["cash"]) - math.fsum(filled["fee"])
    parts = math.fsum(rows["pnl"]) - math.fsum(rows["residual_quote"])
    assert parts + math.fsum(loose["cash"]) - math.fsum(loose["fee"]) == pytest.approx(total, abs=1e-9)
    # Round trips are valued: what their fills leave behind counts at the mids.
    trips = run.round_trips.rows
    if not len(rows):
        left = sum(
            float(filled["base"][filled["leg"] == n].sum()) * mid for n, mid in enumerate((100.0, 101.0))
        )
        assert math.fsum(trips["pnl"]) == pytest.approx(total + left, abs=1e-9)
    elif by_spread:
        left = sum(float(rows[f"net_{n}"].sum()) * mid for n, mid in enumerate((100.0, 101.0)))
        own = math.fsum(rows["cash"]) - math.fsum(rows["fee"])
        assert math.fsum(trips["pnl"]) == pytest.approx(own + left, abs=1e-9)
    else:
        assert math.fsum(trips["pnl"]) == pytest.approx(math.fsum(rows["pnl"]), abs=1e-9)


def test_the_csv_has_a_line_an_attempt_and_leaves_the_unknown_empty() -> None:
    log = decisions(decision(0, Decision.ATTEMPT, 7, value=3.0), decision(1, Decision.MISSED, 7))
    run = run_of(records([[1.0, 1.0]] * 2), log)
    (line,) = csv.DictReader(io.StringIO(attempts_csv(run.attempts)))
    assert list(line) == [column.name for column in COLUMNS]
    assert (line["attempt"], line["outcome"], line["purpose"], line["captured_bps"]) == (
        "7",
        "missed",
        "",
        "",
    )
    assert line["time"] == "2024-08-08T12:00:00.000000000Z"
    assert float(line["expected_bps"]) == 3.0
