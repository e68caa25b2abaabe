"""Fees charged in a further asset: how much of it an attempt may need, and what is left of it."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
from support.fake_bot import FakeBot, FakeRecorder, Touch, fates, plain
from support.spread_params import spread_params

from arb.results.no_trades import size
from arb.strategies.spread import sizing
from arb.strategies.spread import strategy as spread
from arb.strategies.spread.decisions import Decision, Missed

share_funds = plain(sizing.share_funds)
S = 1_000_000_000


def leg(account: int, **changes: Any) -> Any:
    values = {
        "asset": 0, "funds": account, "is_spot": 1, "taker_fee": 0.001, "base_fee": 0.0, "is_fee_cash": 0.0,
        "fee_account": account, "fee_units": 2.0, "fee_price": 600.0, "fee_price_leg": -1, "fee_budget": -1.0,
        "attempt_qty": 0.0, "filled_qty": 0.0, "side": 1, "reference_px": 100.0, "mark": 100.0, "contract_size": 1.0,
        "other_cash": 0.0, "other_notional": 0.0,
    }  # fmt: skip
    return SimpleNamespace(**{**values, **changes})


def budgets(
    legs: list[Any], fees: float = 0.0, position: float = 0.0, is_convergence: bool = False
) -> list[float]:
    """Of the first pair. fees, position: of every leg."""
    for number, one in enumerate(legs):
        one.asset = number
    state = SimpleNamespace(position=position, balance=0.0, fee=fees)
    bot = SimpleNamespace(state_values=lambda asset: state)
    share_funds(bot, legs, 0, SimpleNamespace(slippage_tolerance=0.0, is_convergence=is_convergence))
    return [one.fee_budget for one in legs[:2]]


def test_what_fees_have_cost_is_gone() -> None:
    assert budgets([leg(0), leg(1)]) == [1200.0, 1200.0]
    assert budgets([leg(0), leg(1)], fees=50.0) == [1150.0, 1150.0]


def test_legs_of_one_venue_share_its_units() -> None:
    other_pair = [leg(0), leg(1)]
    assert budgets([leg(0), leg(1), *other_pair], fees=50.0) == [1100.0, 1100.0]
    # Both legs of the pair: half for each.
    assert budgets([leg(0), leg(0)], fees=50.0) == [550.0, 550.0]


def test_an_open_attempt_may_cost_three_fees() -> None:
    busy = leg(0, attempt_qty=2.0)
    assert budgets([leg(0), leg(1), busy, leg(1)]) == [pytest.approx(1200.0 - 3 * 0.2), 1200.0]


def test_closing_a_held_spread_is_reserved() -> None:
    assert budgets([leg(0), leg(1)], position=-5.0) == [1200.0, 1200.0]
    kept = budgets([leg(0), leg(1)], position=-5.0, is_convergence=True)
    assert kept == [pytest.approx(1200.0 - 3 * 0.5)] * 2


def test_a_price_that_moves_counts_at_its_lowest() -> None:
    # Leg 2 is the asset itself.
    legs = [leg(0, fee_price=math.nan, fee_price_leg=2), leg(1), leg(2, mark=math.nan), leg(3)]
    found = []
    for mark in (math.nan, 600.0, 500.0, 550.0):
        legs[2].mark = mark
        found.append(budgets(legs)[0])
    assert math.isnan(found[0])
    assert found[1:] == [1200.0, 1000.0, 1000.0]


@pytest.mark.parametrize(
    ("budget", "fee", "room"),
    [
        (30.0, 0.001, 100.0),
        (0.0, 0.001, 0.0),
        (-1.0, 0.001, 0.0),
        (math.nan, 0.001, 0.0),
        (0.0, 0.0, math.inf),
    ],
)
def test_an_attempt_keeps_three_fees(budget: float, fee: float, room: float) -> None:
    fee_room = plain(sizing.fee_room)
    assert fee_room(leg(0, fee_budget=budget, taker_fee=fee), 100.0) == pytest.approx(room)
    assert fee_room(leg(-1, fee_budget=budget, is_fee_cash=1.0), 100.0) == math.inf


def test_a_run_without_a_fill_is_explained_by_the_same_rule() -> None:
    assert size.FEES_KEPT == sizing.FEES_KEPT


def orders_of(**changes: Any) -> tuple[list[float], list[Missed]]:
    """The quantities that a run sends at one opportunity, and why others were missed."""
    touches = [Touch(S, 0, 99.9, 100.0, 5.0, 5.0), Touch(S, 1, 101.0, 101.1, 5.0, 5.0)]
    bot = FakeBot(touches, fates([]), 10 * S, (0.01, 0.01), (0.001, 0.001))
    recorder = FakeRecorder()
    values = {"base": 50.0, "quote": 1e5, "capital_allocation": 1.0, "slippage_tolerance": 0.0, **changes}
    plain(spread.run)(bot, spread_params(**values), recorder)
    missed = [Missed(d.order_id) for d in recorder.decisions if d.code == Decision.OPPORTUNITY_END]
    return [round(order.qty, 9) for order in bot.sent], missed


def test_a_run_trades_what_its_fee_asset_pays_for() -> None:
    named = {"fee_account_0": 0, "fee_price_0": 500.0}
    assert orders_of()[0] == [1.0, 1.0]
    assert orders_of(**named, fee_units_0=10.0)[0] == [1.0, 1.0]
    # 0.15 of quote is half of three fees of 0.1.
    assert orders_of(**named, fee_units_0=0.0003)[0] == [0.5, 0.5]
    assert orders_of(**named, fee_units_0=0.0) == ([], [Missed.INVENTORY])


def test_a_fee_in_another_asset_needs_no_quote() -> None:
    assert orders_of(quote_0=100.0)[0] == [0.999, 0.999]
    named = {"fee_account_0": 0, "fee_price_0": 500.0, "fee_units_0": 10.0}
    assert orders_of(**named, quote_0=100.0)[0] == [1.0, 1.0]
