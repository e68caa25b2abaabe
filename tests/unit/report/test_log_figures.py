"""What is read off the decision log and the records: opportunities, orders, unhedged and one-sided time, the basis."""

from __future__ import annotations

import math

import numpy as np
import pytest
from support.finished_runs import (
    NOON,
    S,
    decision,
    decisions,
    fill,
    fills,
    records,
    small_run,
)

from arb.results.metrics.opportunities import opportunities_of
from arb.results.metrics.orders import orders_of, risk_halt_of, unhedged_of
from arb.results.metrics.spread import basis_bps, cross_spread_bps, values_at
from arb.strategies.spread.decisions import Decision, Missed
from arb.strategies.spread.touch import BASIS, LEG, update_basis

BEGIN, END = Decision.OPPORTUNITY, Decision.OPPORTUNITY_END


def test_opportunities_are_paired_leg_by_leg() -> None:
    found = opportunities_of(
        decisions(
            decision(0.0, BEGIN, leg=0),
            decision(0.5, BEGIN, leg=1),
            decision(1.0, END, leg=0, order_id=Missed.TAKEN, value=3.0),
            decision(2.5, END, leg=1, order_id=Missed.STALE, value=9.0),
            decision(3.0, BEGIN, leg=1),
            decision(3.5, END, leg=1, order_id=99, value=1.0),
            decision(4.0, BEGIN, leg=0),
        )
    )
    assert found is not None
    assert (found.seen, found.taken, found.open) == (4, 1, 1)
    assert found.missed_by_reason == {"stale": 1, "reason_99": 1}
    assert sorted(found.durations_s) == [0.5, 1.0, 2.0]
    assert sorted(found.peaks_bps) == [1.0, 3.0, 9.0]


def test_an_end_without_a_beginning_and_a_beginning_twice_are_no_pairs() -> None:
    found = opportunities_of(
        decisions(decision(0, END, leg=0), decision(1, BEGIN, leg=0), decision(2, BEGIN, leg=0))
    )
    assert found is not None
    assert (found.seen, found.taken, found.open, len(found.durations_s)) == (2, 0, 2, 0)


def test_a_log_without_opportunities_has_none() -> None:
    assert opportunities_of(decisions(decision(0, Decision.ATTEMPT, 1))) is None


def test_orders_are_counted_once_by_leg_and_id() -> None:
    run = small_run()
    assert orders_of(run.decisions, run.fills)[:2] == (5, 4)
    # The same id on the other leg is another order.
    other = fills(fill(1, 1, 1, 1.0, 1.0, order_id=1))
    assert orders_of(decisions(decision(0, Decision.OPEN, 1, 0, 1)), other)[:2] == (1, 0)
    assert orders_of(decisions(), run.fills) is None


def test_unhedged_time_runs_from_the_imbalance_to_the_end_of_the_attempt() -> None:
    log = decisions(
        decision(1.0, Decision.IMBALANCE, 1),
        decision(1.5, Decision.IMBALANCE, 1),
        decision(2.0, Decision.REVERSED, 1),
        decision(3.0, Decision.IMBALANCE, 2),
    )
    assert unhedged_of(log, NOON + 7 * S) == (2, 5.0, 4.0)


def test_without_an_imbalance_the_log_is_believed_where_nothing_was_worked() -> None:
    quiet = decisions(decision(0, Decision.ATTEMPT, 1), decision(1, Decision.HEDGED, 1))
    worked = decisions(decision(0, Decision.ATTEMPT, 1), decision(1, Decision.CHASE, 1))
    assert unhedged_of(quiet, NOON) == (0, 0.0, 0.0)
    doubted = decisions(decision(0, Decision.ATTEMPT, 1), decision(1, Decision.HALTED, 1))
    assert math.isnan(unhedged_of(worked, NOON).duration_s_sum)
    assert math.isnan(unhedged_of(doubted, NOON).duration_s_sum)
    assert math.isnan(unhedged_of(decisions(), NOON).duration_s_sum)


def test_the_rule_that_stopped_a_run_is_named() -> None:
    halt = risk_halt_of(decisions(decision(2, Decision.RISK_HALTED, order_id=Missed.DRAWDOWN, value=-70.0)))
    assert halt == ("drawdown", -70.0, NOON + 2 * S)
    assert risk_halt_of(decisions()) is None


def test_the_basis_is_the_strategys_own_where_the_records_see_every_change() -> None:
    chance = np.random.default_rng(5)
    mids = 100.0 + chance.normal(0.0, 0.1, (60, 2))
    mids[20:24, 0] = np.nan
    rows = records(mids.tolist(), np.cumsum(chance.uniform(0.1, 3.0, 60)).tolist())
    halflife = 7 * S
    ours = basis_bps(rows["timestamp"][:, 0], cross_spread_bps(rows["price"]), halflife)
    legs, bases = np.zeros(2, LEG), np.zeros(1, BASIS)
    for row, average in zip(rows, ours, strict=True):
        for leg_no in range(2):
            legs[leg_no]["bid"], legs[leg_no]["ask"] = row[leg_no]["price"] + np.array([-0.01, 0.01])
        update_basis.py_func(
            bases.view(np.recarray)[0], legs.view(np.recarray), int(row[0]["timestamp"]), halflife
        )
        assert average == pytest.approx(float(bases[0]["bps"]), abs=1e-9)


def test_values_are_those_at_or_before_a_time() -> None:
    found = values_at(np.array([10, 20]), np.array([1.0, 2.0]), np.array([5, 10, 19, 20, 99]))
    assert math.isnan(found[0])
    assert found[1:].tolist() == [1.0, 1.0, 2.0, 2.0]
