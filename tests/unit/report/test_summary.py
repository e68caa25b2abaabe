"""The summary: its numbers by hand, and what it says where nothing is known."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.finished_runs import (
    LEGS,
    decision,
    decisions,
    fill,
    fills,
    records,
    run_of,
    small_run,
)

from arb.results.figures.summary import GROUPS
from arb.results.metrics.coverage import LegOutages
from arb.results.result import ResultLeg
from arb.results.trades import time_text
from arb.strategies.spread.decisions import Decision


def test_the_small_run_comes_to_what_paper_says() -> None:
    made = small_run().summary
    assert made["pnl_quote"] == pytest.approx(0.3)
    equity = made["equity"]
    assert (equity["capital_quote"], equity["end_quote"]) == (10_000.0, pytest.approx(10_000.3))
    assert equity["return_share"] == pytest.approx(3e-5)
    assert (equity["realised_quote"], equity["unrealised_quote"]) == pytest.approx((1.3, -1.0))
    assert (equity["drawdown_quote_max"], equity["drawdown_share_max"]) == pytest.approx((1.2, 1.2e-4))
    assert equity["drawdown_from_time"] == "2024-08-08T12:00:02.000000000Z"
    assert equity["drawdown_to_time"] == "2024-08-08T12:00:04.000000000Z"
    assert equity["return_over_drawdown"] == pytest.approx(0.25)
    assert [equity[name] for name in ("return_annual_share", "sharpe", "sortino")] == [None] * 3
    assert equity["no_annual_reason"] == "less than a day"
    attempts = made["attempts"]
    assert (attempts["count"], attempts["hedged"], attempts["with_chase"]) == (2, 2, 1)
    assert attempts["pnl_quote_sum"] == pytest.approx(equity["realised_quote"])
    assert attempts["purposes"] == {"enter": 2}
    edge, captured = made["edge"], (175.0 - 2.2 / 101.0 * 1e4) / 2
    assert edge["expected_bps_mean"] == 5.0
    assert edge["captured_bps_mean"] == edge["captured_over_basis_bps_mean"] == pytest.approx(captured)
    assert edge["difference_bps_mean"] == pytest.approx(captured - 5.0)
    assert (edge["compared"], edge["positive_share"]) == (2, 0.5)
    unhedged, seen = made["unhedged"], made["opportunities"]
    assert (unhedged["attempts"], unhedged["duration_s_sum"]) == (1, pytest.approx(0.5))
    assert seen["missed_by_reason"] == {"position": 1}
    assert (seen["duration_s_mean"], seen["duration_s_p95"]) == pytest.approx((0.35, 0.5))
    assert seen["edge_peak_bps_mean"] == 7.0
    orders = made["orders"]
    assert (orders["sent"], orders["expired"], orders["chasing"], orders["fill_ratio_share"]) == (
        5,
        1,
        1,
        0.8,
    )
    assert made["risk_halt"] is None
    assert (made["decisions"]["attempt"], made["decisions"]["open"], made["decisions"]["halted"]) == (2, 4, 0)


def test_legs_are_those_of_the_last_state() -> None:
    first, second = small_run().summary["legs"]
    names = ("leg", "position_base", "cash_quote", "fee_quote", "fills")
    assert [first[name] for name in names] == ["venue_a:BTCUSDT", 1, -101, 0.3, 2]
    assert (first["pnl_quote"], second["pnl_quote"]) == pytest.approx((-101 - 0.3 + 100, 103 - 0.4 - 101))
    assert (first["start_base"], first["start_quote"]) == (10.0, 5_000.0)
    (pair,) = small_run().summary["pairs"]
    assert pair["imbalance_base"] == 0.0
    assert pair["legs"] == [first["leg"], second["leg"]]


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

    made = run_of(records([[100.0, 100.0]] * 2, [0.0, 300.0]), decisions(*log), fills(*filled)).summary

    assert made["attempts"] == {
        "count": 21,
        "filled": 12,
        "hedged": 6,
        "missed": 9,
        "reversed": 3,
        "halted": 1,
        "unfinished": 2,
        "with_chase": 7,
        "with_reversal": 5,
        "with_residual": 4,
        "residual_base_sum": 1.75,
        "pnl_quote_sum": pytest.approx(-0.12),
        "unassigned_quote": 2.25,
        "purposes": {"enter": 21},
    }


def test_an_edge_counts_as_positive_over_the_basis_alone() -> None:
    # Leg 1 stands 100 bps above leg 0 all the time; what is sold there at 100.5 earns less than that.
    log = [line for number in range(1, 5) for line in attempt_lines(number, Decision.HEDGED)]
    filled = [
        row
        for number, price in ((1, 100.5), (2, 101.5), (3, 100.25))
        for row in pair_fills(number, 0.0, price)
    ]
    rows = records([[100.0, 101.0]] * 2, [0.0, 300.0])

    made = run_of(rows, decisions(*log), fills(*filled), basis_halflife_ns=10**9).summary

    assert (made["attempts"]["hedged"], made["attempts"]["missed"]) == (4, 0)
    assert made["edge"] == {
        "expected_bps_mean": 0.0,
        "captured_bps_mean": pytest.approx((50.0 + 150.0 + 25.0) / 3 - 0.5),
        "captured_over_basis_bps_mean": pytest.approx((-50.0 + 50.0 - 75.0) / 3 - 0.5),
        "positive_share": pytest.approx(1 / 3),
        "difference_bps_mean": pytest.approx((-50.0 + 50.0 - 75.0) / 3 - 0.5),
        "compared": 3,
        "basis_halflife_s": 1.0,
    }


def test_a_leg_without_a_mid_is_one_sided_while_the_other_has_one() -> None:
    nan = math.nan
    mids = [[100.0, 101.0], [nan, 101.0], [nan, nan], [100.0, 101.0], [100.0, nan], [nan, 101.0]]
    first, second = run_of(records(mids, [0.0, 1.0, 3.0, 7.0, 15.0, 31.0])).summary["legs"]

    names = ("no_mid_s", "no_mid_other_known_s", "no_mid_records")
    assert [first[name] for name in names] == [6.0, 2.0, 3]
    assert [second[name] for name in names] == [20.0, 16.0, 2]


def test_the_book_of_a_leg_is_what_its_recordings_say() -> None:
    s = 10**9
    outages = LegOutages(2 * s, 3, 12 * s, (4 * s, 11 * s), ((4 * s, 11 * s),))
    first, second = small_run(legs=[LEGS[0]._replace(outages=outages), LEGS[1]]).summary["legs"]

    names = ("no_book_s", "before_first_s", "outages", "outage_s_sum", "outage_s_max", "first_outages")
    times = {"from_time": "1970-01-01T00:00:04.000000000Z", "to_time": "1970-01-01T00:00:11.000000000Z"}
    assert [first["book"][name] for name in names] == [
        14.0,
        2.0,
        3,
        12.0,
        7.0,
        [{**times, "duration_s": 7.0}],
    ]
    assert [second["book"][name] for name in names] == [0.0, 0.0, 0, 0.0, 0.0, []]


def test_a_flat_leg_has_a_profit_without_a_mid_and_a_held_one_has_none() -> None:
    rows = records(
        [[100.0, 100.0], [math.nan, math.nan]], position=[[0, 0], [0, 1]], balance=[[0, 0], [5, 5]]
    )
    first, second = run_of(rows).summary["legs"]
    assert (first["pnl_quote"], second["pnl_quote"]) == (5.0, None)


def test_a_strategy_without_a_log_has_equity_and_null_for_the_rest() -> None:
    made = replace(small_run(), decisions=decisions(), fills=fills()).summary
    names = ("round_trips", "attempts", "edge", "orders", "unhedged", "opportunities", "risk_halt")
    assert [made[name] for name in names] == [None] * len(names)
    assert made["decisions"] == {}
    assert made["equity"]["return_quote"] == pytest.approx(0.3)


def test_one_record_is_enough() -> None:
    made = run_of(records([[math.nan, math.nan]])).summary
    assert made["duration_s"] == 0.0
    assert made["equity"]["sharpe"] is None


def test_a_run_of_a_day_has_annual_figures_and_no_reason() -> None:
    made = run_of(
        records([[100.0, 100.0]] * 3, seconds=[0, 43_200, 86_400], balance=[[0, 0], [2, 0], [1, 0]])
    )
    equity = made.summary["equity"]
    assert equity["return_annual_share"] == pytest.approx(365 * equity["return_share"])
    assert equity["sharpe"] > 0.0
    assert equity["no_annual_reason"] is None


def test_the_summary_has_every_declared_figure_and_no_nan() -> None:
    made = small_run().summary
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    for group in GROUPS:
        holder = made[group.key] if group.key else made
        for one in holder if isinstance(holder, list) else [holder]:
            for figure in group.figures if one is not None else ():
                parent, _, name = figure.name.rpartition(".")
                assert name in (one[parent] if parent else one)


def test_no_time_is_no_text() -> None:
    assert time_text(0) == ""
    assert time_text(1) == "1970-01-01T00:00:00.000000001Z"


def legs_of(count: int) -> list[ResultLeg]:
    return [ResultLeg(f"venue:S{n}USDT", 0.0, 1_000.0 if n == 0 else 0.0, 1.0) for n in range(count)]


@pytest.mark.parametrize("count", [1, 5])
def test_legs_without_pairs_have_round_trips_from_their_fills(count: int) -> None:
    filled = fills(
        # Leg 0: flat after a profit of 2; then turned around by one fill, at a loss of 1; short at the end.
        fill(1.0, 0, 0, 2.0, 100.0, 0.1),
        fill(2.0, 0, 0, -2.0, 101.0, 0.1),
        fill(3.0, 0, 0, 1.0, 101.0),
        fill(4.0, 0, 0, -3.0, 100.0, 0.3),
        *(fill(5.0, 0, n, 1.0, 10.0) for n in range(1, count)),
    )
    run = run_of(records([[100.0] * count] * 6), None, filled, legs=legs_of(count), pairs=[])

    made = run.summary
    trips = made["round_trips"]
    assert (trips["kind"], trips["closed"], trips["open"]) == ("leg", 2, count)
    first, second = run.round_trips.closed
    assert (first["pnl"], second["pnl"]) == (pytest.approx(1.8), pytest.approx(-1.1))
    assert (trips["wins"], trips["losses"], trips["holding_s_mean"]) == (1, 1, 1.0)
    # What is open is valued at the last mids: nothing is lost.
    cash = math.fsum(filled["cash"]) - math.fsum(filled["fee"])
    left = sum(float(filled["base"][filled["leg"] == n].sum()) * 100.0 for n in range(count))
    assert trips["pnl_quote_sum"] == pytest.approx(cash + left)
    assert made["pairs"] == []
    assert (made["attempts"], made["edge"], made["unhedged"]) == (None, None, None)
    assert [leg["no_mid_other_known_s"] for leg in made["legs"]] == [None] * count
    assert made["equity"]["capital_quote"] == 1_000.0


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(-5, 5).filter(bool)), min_size=1, max_size=40))
def test_round_trips_from_fills_add_up_and_end_flat(made: list[tuple[int, int]]) -> None:
    filled = fills(*(fill(n, 0, leg, 0.1 * lots, 100.0 + n, 0.01) for n, (leg, lots) in enumerate(made)))
    run = run_of(records([[100.0] * 3] * 2), None, filled, legs=legs_of(3), pairs=[])

    trips = run.round_trips.rows
    cash = math.fsum(filled["cash"]) - math.fsum(filled["fee"])
    assert math.fsum(trips["pnl"]) == pytest.approx(cash + 100.0 * math.fsum(filled["base"]), abs=1e-9)
    for leg in range(3):
        lots = [size for number, size in made if number == leg]
        total = [sum(lots[: n + 1]) for n in range(len(lots))]
        flat = sum(
            now == 0 or (before != 0 and (now > 0) != (before > 0)) for before, now in pairwise([0, *total])
        )
        one = run_of(
            records([[100.0] * 3] * 2), None, filled[filled["leg"] == leg], legs=legs_of(3), pairs=[]
        )
        assert len(one.round_trips.closed) == flat
