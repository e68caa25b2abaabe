"""A session whose orders were answered from outside, replayed over its rows and whole answers: the same, bit by bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity.strategies import quote_touches, random_orders
from support.dry_market import MS
from support.hand_session import LEGS, Ended, HandSession

from arb.bot.account import ACCOUNT
from arb.bot.recorder import DECISION
from arb.leg import Leg
from arb.results.trades import trades_of
from arb.runtime.live_files import RESPONSE

pytestmark = pytest.mark.slow

NO_DECISIONS = np.zeros(0, DECISION)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("function", "arguments"),
    [(random_orders, (5, 10_000, 6, 0.004, 0.004)), (quote_touches, (0.004, 37 * MS))],
    ids=["random", "quotes"],
)
def test_a_session_is_replayed_bit_by_bit(seed: int, function: Any, arguments: tuple[Any, ...]) -> None:
    session = HandSession(seed, function, arguments)
    responses = np.array(session.responses, RESPONSE)
    assert len(session.requests) > 30
    assert len(session.ended.fills) > 20
    found = session.replayed(responses)
    assert found.value == session.ended.value
    assert [name for name, part in session.ended.parts.items() if found.parts[name] != part] == []

    ended = session.ended
    check_money(ended, LEGS)
    changed = responses.copy()
    changed["row"]["exec_price_tick"][np.flatnonzero(changed["row"]["fill_qty"] > 0)[3]] += 1
    other = session.replayed(changed)
    assert other.parts["fills"] != ended.parts["fills"]


def check_money(ended: Ended, legs: list[Leg]) -> None:
    """Position, cash and fees are the sums of what `trades.csv` says."""
    assert ended.charges["fill_no"].tolist() == sorted(ended.charges["fill_no"].tolist())
    trades = trades_of(ended.fills, NO_DECISIONS, legs, ended.charges)
    assert len(trades) == len(ended.fills)
    assert {trade.fee_asset for trade in trades} == {"quote", "base", "other"}
    for one, state in zip(legs, ended.state, strict=True):
        own = [trade for trade in trades if trade.leg == one.name]
        base = sum(trade.fee_amount for trade in own if trade.fee_asset == "base")
        sides = sum(trade.quantity * (1 if trade.side == "buy" else -1) for trade in own)
        charged = sum(trade.fee for trade in own if trade.fee_asset != "base")
        assert state["position"] == pytest.approx(sides - base, abs=1e-9)
        assert state["balance"] == pytest.approx(sum(trade.cash for trade in own), rel=1e-9, abs=1e-6)
        assert state["fee"] == pytest.approx(charged, rel=1e-9, abs=1e-9)
        assert state["base_fee"] == pytest.approx(base, abs=1e-12)
        assert set(ACCOUNT.names or ()) <= set(state.dtype.names)
