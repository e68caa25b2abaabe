"""Rows of fills straight from a run's log against those by way of the lines of `trades.csv`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.dry_market import leg

from arb.bot.account import CHARGE
from arb.bot.fills import FILL
from arb.bot.recorder import DECISION
from arb.results.metrics.fills import fills_of, rows_of_fills
from arb.results.metrics.statistics import is_any_of
from arb.results.trades import trades_of
from arb.strategies.spread.decisions import Decision

LEGS = [leg(0, contract_size=0.1, taker_fee=0.00037), leg(1, maker_fee=-0.0001)]


def logs(seed: int) -> tuple[Any, Any]:
    """Fills of both legs, some at the same time, and the decisions of most of their orders."""
    dice = np.random.default_rng(seed)
    fills = np.zeros(40, FILL)
    fills["asset_no"], fills["order_id"] = dice.integers(0, 2, 40), dice.integers(1, 30, 40)
    fills["side"], fills["maker"] = dice.choice([-1, 1], 40), dice.integers(0, 2, 40)
    fills["price"], fills["qty"] = dice.uniform(1.0, 9e4, 40), dice.uniform(0.001, 3.0, 40)
    fills["exch_ts"] = dice.integers(0, 20, 40)
    decisions = np.zeros(60, DECISION)
    decisions["code"] = dice.choice([int(code) for code in Decision], 60)
    decisions["leg"], decisions["order_id"] = dice.integers(0, 2, 60), dice.integers(0, 30, 60)
    decisions["attempt"] = dice.integers(0, 9, 60)
    return fills, decisions


def by_lines(fills: Any, decisions: Any, charges: Any) -> Any:
    trades = trades_of(fills, decisions, LEGS, charges)
    return fills_of(trades, [one.name for one in LEGS], [one.contract_size for one in LEGS])


@pytest.mark.parametrize("seed", range(20))
def test_rows_are_those_of_the_lines_to_the_bit(seed: int) -> None:
    fills, decisions = logs(seed)
    charges = np.zeros(0, CHARGE)
    rows = rows_of_fills(fills, decisions, LEGS, charges)
    assert rows.tobytes() == by_lines(fills, decisions, charges).tobytes()
    assert len(set(rows["attempt"].tolist())) > 3


def test_fees_in_base_and_funding_do_not_change_that() -> None:
    fills, decisions = logs(1)
    charges = np.zeros(3, CHARGE)
    charges["fill_no"], charges["value"], charges["base"] = [4, -1, 7], [1.5, 2.0, 0.5], [0.001, 0.0, 0.0]
    charges["is_funding"] = [0, 1, 0]
    for some in (charges, charges[1:2]):
        rows = rows_of_fills(fills, decisions, LEGS, some)
        assert rows.tobytes() == by_lines(fills, decisions, some).tobytes()
    assert rows_of_fills(fills[:0], decisions, LEGS, charges[:0]).tobytes() == b""


def test_a_few_wanted_numbers_are_found_as_by_numpy() -> None:
    values = np.random.default_rng(0).integers(0, 19, 300)
    for wanted in ((), (3,), (Decision.HEDGED, Decision.HALTED), (3, 99)):
        assert is_any_of(values, wanted).tolist() == np.isin(values, np.array(wanted, np.int64)).tolist()
