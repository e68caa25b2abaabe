"""Running sums: another order of the fills of one nanosecond is no difference; anything else is."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arb.bot.recorder import RECORD
from arb.results.result import RunOutput
from arb.results.trades import Trade, iso_time
from arb.verify.reconcile import differences_of
from arb.verify.sums import SUMS

START = 1_704_067_200_000_000_000
#: Resting orders of the same price, filled by one row.
QUANTITIES = (0.1, 0.2, 0.3, 0.7)


def fill(ts: int, number: int, quantity: float, side: str = "buy", price: float = 42_278.71) -> Trade:
    cash = (-1 if side == "buy" else 1) * price * quantity
    return Trade(
        iso_time(ts),
        ts,
        "",
        "venue:A",
        side,
        price,
        quantity,
        abs(cash) * 2e-4,
        cash,
        "maker",
        number,
        "quote",
        abs(cash) * 2e-4,
    )


def states(groups: Sequence[Sequence[Trade]]) -> Any:
    """The state behind each group of fills, added up in the order given; (row, leg)."""
    rows = np.zeros((len(groups), 1), RECORD)
    totals = dict.fromkeys(SUMS, 0.0)
    count = 0
    for number, group in enumerate(groups):
        for one in group:
            totals["position"] += (1.0 if one.side == "buy" else -1.0) * one.quantity
            totals["balance"] += one.cash
            totals["fee"] += one.fee
            totals["trading_volume"] += one.quantity
            totals["trading_value"] += abs(one.cash)
            count += 1
        rows[number, 0]["timestamp"] = START + number
        rows[number, 0]["num_trades"] = count
        for name, total in totals.items():
            rows[number, 0][name] = total
    return rows


def run_of(groups: Sequence[Sequence[Trade]]) -> RunOutput:
    fills = sorted((one for group in groups for one in group), key=lambda one: (one.exch_ts, one.order_id))
    records = states(groups)
    return RunOutput(records, records[-1].copy(), np.zeros(0, [("timestamp", "i8")]), fills)


def tied() -> list[list[Trade]]:
    """Groups of four different quantities in one nanosecond, bought and sold in turn."""
    return [
        [fill(START + g, 10 * g + n, qty, ("buy", "sell")[g % 2]) for n, qty in enumerate(QUANTITIES)]
        for g in range(12)
    ]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[1:])
def test_another_order_within_a_nanosecond_is_no_difference(order: tuple[int, ...]) -> None:
    groups = tied()
    other = [[group[n] for n in order] for group in groups]

    assert differences_of(run_of(groups), run_of(other), random_sums=["venue:A"]) == []


def test_without_hftbacktests_engine_it_is_one() -> None:
    groups = tied()
    other = [group[::-1] for group in groups]

    assert differences_of(run_of(groups), run_of(other)) != []


@settings(max_examples=80)
@given(
    st.lists(
        st.lists(st.tuples(st.floats(1e-6, 1e6), st.booleans()), min_size=1, max_size=5),
        min_size=1,
        max_size=12,
    ),
    st.randoms(use_true_random=False),
)
def test_no_order_of_addition_leaves_the_bound(sizes: list[list[tuple[float, bool]]], chance: Any) -> None:
    groups = [
        [
            fill(START + g, 10 * g + n, qty, "buy" if is_buy else "sell")
            for n, (qty, is_buy) in enumerate(group)
        ]
        for g, group in enumerate(sizes)
    ]
    other = [chance.sample(group, len(group)) for group in groups]

    assert differences_of(run_of(groups), run_of(other), random_sums=["venue:A"]) == []


@pytest.mark.parametrize("field", SUMS)
@pytest.mark.parametrize("row", range(12))
def test_more_than_rounding_is_a_difference_at_every_row(field: str, row: int) -> None:
    """Two units in the last place of the largest partial sum, for each of the four addends."""
    then, now = run_of(tied()), run_of(tied())
    size = max(float(np.abs(then.records[field]).max()), 1.4 * 42_278.71 * (field not in ("position", "fee")))
    then.records[field][row] += 8 * np.spacing(size) * 4

    assert differences_of(then, now, random_sums=["venue:A"]) != []


def test_a_sum_of_fills_that_are_alone_is_exact() -> None:
    groups = [[fill(START + n, n, qty)] for n, qty in enumerate(QUANTITIES * 3)]
    then, now = run_of(groups), run_of(groups)
    then.records["position"][5] = math.nextafter(then.records["position"][5, 0], 2.0)

    assert differences_of(then, now, random_sums=["venue:A"]) != []


def test_equal_quantities_have_one_sum() -> None:
    groups = [[fill(START, n, 0.1) for n in range(4)]]
    then, now = run_of(groups), run_of(groups)
    then.final["position"] = math.nextafter(float(then.final["position"][0]), 2.0)

    assert differences_of(then, now, random_sums=["venue:A"]) != []
