"""Realised profit and profit in positions: by hand, and against exact fractions."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.finished_runs import decision, decisions, fill, fills, records, run_of

from arb.results.figures.legs import legs_of
from arb.results.result import ResultLeg, RunResult
from arb.strategies.spread.decisions import Decision

#: Leg, signed lots, price, fee.
Step = tuple[int, int, int, int]

LOT = 0.001
STEPS = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.integers(-5, 5).filter(bool),
        st.integers(100, 120),
        st.integers(-1, 3),
    ),
    max_size=40,
)


def signal_run(
    steps: list[Step], mids: tuple[float, float] = (110.0, 110.0), lot: float = 1.0, **changes: Any
) -> RunResult:
    """A run without a decision log that ends after its fills, on legs with an initial inventory."""
    legs = [ResultLeg("venue_a:X", 7.0, 1_000.0, 1.0), ResultLeg("venue_b:X", 0.0, 1_000.0, 1.0)]
    rows = records([mids] * 2)
    for leg, lots, price, fee in steps:
        last = rows[-1, leg : leg + 1]
        last["position"] += lots * lot
        last["balance"] -= lots * lot * price
        last["fee"] += fee
        last["num_trades"] += 1
    filled = [
        fill(n / 100, 0, leg, lots * lot, price, fee) for n, (leg, lots, price, fee) in enumerate(steps)
    ]
    return run_of(rows, **{"filled": fills(*filled), "legs": legs, "pairs": [], **changes})


def spread_run(steps: list[Step], mids: tuple[float, float] = (110.0, 110.0), lot: float = 1.0) -> RunResult:
    """A run that logs one attempt, which halts, of a pair of legs; a fill of the host's is among the fills."""
    log = decisions(decision(0.0, Decision.ATTEMPT, 1), decision(0.1, Decision.HALTED, 1, value=1.0))
    return signal_run(steps, mids, lot, pairs=[(0, 1)], log=log)


def split(run: RunResult) -> Any:
    equity = run.summary["equity"]
    return equity["realised_quote"], equity["unrealised_quote"]


def exact_split(
    steps: list[Step], mids: tuple[float, float], *, is_pair: bool = False
) -> tuple[Fraction, Fraction]:
    """Realised profit trade by trade, and the positions at the mids less their average price.

    is_pair: the position is that of both legs, and what they hold against each other is valued at the mids.
    """
    if is_pair:
        held = [sum(step[1] for step in steps if step[0] == leg) for leg in (0, 1)]
        realised, in_positions = exact_split([(0, *step[1:]) for step in steps], (0, 0))
        return realised, in_positions + sum(
            (n * Fraction(m) for n, m in zip(held, mids, strict=True)), Fraction(0)
        )
    realised = Fraction(0)
    positions, averages = [Fraction(0)] * 2, [Fraction(0)] * 2
    for leg, lots, price, fee in steps:
        held, average = positions[leg], averages[leg]
        closed = min(abs(lots), abs(held)) if lots * held < 0 else 0
        realised += closed * (price - average) * (1 if held > 0 else -1) - fee
        after = positions[leg] = held + lots
        if lots * held >= 0:
            averages[leg] = (held * average + lots * price) / after
        elif lots * after > 0:
            averages[leg] = Fraction(price)
    held_now = [
        position * (Fraction(mid) - average)
        for position, mid, average in zip(positions, mids, averages, strict=True)
    ]
    return realised, sum(held_now, Fraction(0))


def test_a_position_at_the_end_is_no_realised_loss() -> None:
    run = signal_run([(0, 4, 60_000, 10), (0, -1, 60_100, 5)], mids=(59_900.0, 60_000.0))
    assert split(run) == pytest.approx((100.0 - 15.0, -300.0))


def test_a_purchase_changes_the_average_and_a_sale_does_not() -> None:
    run = signal_run([(0, 1, 100, 0), (0, 1, 110, 0), (0, -1, 120, 0)], mids=(106.0, 1.0))
    assert split(run) == pytest.approx((15.0, 1.0))


def test_a_fill_that_turns_the_position_around_opens_at_its_price() -> None:
    run = signal_run([(0, 2, 100, 0), (0, -5, 103, 0)], mids=(104.0, 1.0))
    assert split(run) == pytest.approx((6.0, -3.0))


def test_what_is_sold_of_the_initial_inventory_is_a_short_position() -> None:
    assert split(signal_run([(0, -3, 112, 1)])) == pytest.approx((-1.0, 6.0))


def test_a_leg_with_a_contract_size_has_its_cost_in_quote() -> None:
    legs = [ResultLeg("venue_a:X", 0.0, 0.0, 0.1), ResultLeg("venue_b:X", 0.0, 0.0, 1.0)]
    rows = records([[110.0, 1.0]] * 2, position=[[0, 0], [5, 0]], balance=[[0, 0], [-50, 0]])
    run = run_of(rows, filled=fills(fill(0.0, 0, 0, 0.5, 100.0)), legs=legs, pairs=[])
    assert split(run) == pytest.approx((0.0, 5.0))


def test_a_position_that_the_fills_do_not_explain_has_no_split() -> None:
    run = signal_run([(0, 1, 100, 0), (0, 1, 101, 0)])
    lost = run_of(run.records, filled=run.fills[:1], legs=run.legs, pairs=[])
    assert split(lost) == (None, None)
    assert lost.summary["equity"]["return_quote"] == pytest.approx(19.0)


def test_what_a_halted_attempt_leaves_unhedged_is_in_positions_at_its_cost() -> None:
    # Bought 2 at 100, sold 2 at 103; then bought 3 at 101 and sold only 1 at 104: 2 are left.
    steps = [(0, 2, 100, 1), (1, -2, 103, 1), (0, 3, 101, 1), (1, -1, 104, 1)]
    run = spread_run(steps, mids=(90.0, 90.0))
    assert run.summary["attempts"]["halted"] == 1
    assert split(run) == pytest.approx((2 * 3.0 + 1 * 3.0 - 4.0, 2 * (90.0 - 101.0)))


def test_a_halted_attempt_that_leaves_base_is_an_open_round_trip_at_the_last_mids() -> None:
    log = decisions(
        decision(0.0, Decision.ATTEMPT, 1),
        decision(0.3, Decision.HEDGED, 1),
        decision(1.0, Decision.ATTEMPT, 2),
        decision(1.3, Decision.HALTED, 2, value=2.0),
    )
    rows = [
        fill(0.1, 1, 0, 2.0, 100.0),
        fill(0.1, 1, 1, -2.0, 103.0),
        fill(1.1, 2, 0, 3.0, 101.0),
        fill(1.2, 2, 1, -1.0, 104.0),
    ]
    mids = [[100.0, 100.0], [100.0, 100.0], [95.0, 95.0], [90.0, 90.0]]
    run = run_of(records(mids), log, fills(*rows))
    trips = run.summary["round_trips"]
    assert (trips["closed"], trips["open"], trips["wins"], trips["losses"]) == (1, 1, 1, 0)
    assert trips["pnl_quote_sum"] == pytest.approx(6.0 + (104.0 - 303.0 + 2 * 90.0))
    closed = run_of(records(mids), log, fills(*rows, fill(2.0, 0, 0, -2.0, 96.0)))
    trips = closed.summary["round_trips"]
    assert (trips["closed"], trips["open"], trips["losses"]) == (2, 0, 1)


def test_a_residual_that_the_host_closes_is_realised() -> None:
    steps = [(0, 3, 100, 0), (1, -1, 102, 0), (0, -2, 95, 1)]
    assert split(spread_run(steps, mids=(80.0, 80.0))) == pytest.approx((2.0 - 10.0 - 1.0, 0.0))


def test_a_spread_that_is_held_hedged_is_no_position_in_sum() -> None:
    assert split(spread_run([(0, 2, 100, 0), (1, -2, 103, 0)], mids=(90.0, 91.0))) == pytest.approx(
        (6.0, -2.0)
    )


@given(STEPS, st.tuples(st.integers(90, 130), st.integers(90, 130)), st.booleans())
def test_the_split_is_that_of_exact_fractions(
    steps: list[Step], mids: tuple[float, float], is_pair: bool
) -> None:
    run = spread_run(steps, mids) if is_pair else signal_run(steps, mids)
    realised, in_positions = split(run)
    exact = exact_split(steps, mids, is_pair=is_pair)
    assert (realised, in_positions) == pytest.approx(tuple(map(float, exact)), abs=1e-9)
    assert float(sum(exact)) == run.summary["equity"]["return_quote"]
    last_digit = math.ulp(max(abs(realised), abs(in_positions)))
    assert abs(realised + in_positions - run.summary["equity"]["return_quote"]) <= last_digit


@given(STEPS)
def test_lots_that_are_no_binary_numbers_leave_no_dust(steps: list[Step]) -> None:
    closing = [(leg, -sum(s[1] for s in steps if s[0] == leg), 105, 0) for leg in (0, 1)]
    run = signal_run([*steps, *(step for step in closing if step[1])], lot=LOT)
    realised, in_positions = split(run)
    cash_less_fees = math.fsum(leg.cash - leg.fee for leg in legs_of(run))
    assert realised == pytest.approx(cash_less_fees, abs=1e-9)
    assert in_positions == pytest.approx(0.0, abs=1e-9)
    assert np.abs(run.records[-1]["position"]).max() < 1e-9
