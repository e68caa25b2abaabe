"""Positions: cost, entry and realized profit, one-way and hedged."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.sandbox_accounts import D

from arb.errors import InvariantError
from arb.sandbox.accounts.amounts import exact
from arb.sandbox.accounts.modes import Modes
from arb.sandbox.accounts.positions import Positions, PositionSide

BOTH, LONG, SHORT = PositionSide


@pytest.fixture(autouse=True)
def _exact() -> Iterator[None]:
    with exact():
        yield


def test_a_position_is_opened_reduced_and_flipped() -> None:
    positions = Positions(Modes())
    assert positions.apply("BTCUSDT", BOTH, D("0.3"), D("100"), 1) == 0
    assert positions.apply("BTCUSDT", BOTH, D("0.1"), D("101"), 2) == 0
    position = positions.get("BTCUSDT", BOTH)
    assert (position.quantity, position.entry, position.opened_ns) == (D("0.4"), D("100.25"), 1)
    assert position.unrealized(D("100")) == D("-0.1")
    assert positions.apply("BTCUSDT", BOTH, D("-0.1"), D("110"), 3) == D("0.975")
    assert positions.apply("BTCUSDT", BOTH, D("-0.5"), D("90"), 4) == D("-3.075")
    assert (position.quantity, position.entry, position.opened_ns) == (D("-0.2"), D(90), 4)
    assert (position.realized, position.cumulative) == (D(0), D("-2.1"))
    assert position.unrealized(D("91")) == D("-0.2")
    assert positions.apply("BTCUSDT", BOTH, D("0.2"), D("89"), 5) == D("0.2")
    assert (position.quantity, position.cost, position.entry, position.realized) == (0, 0, 0, D("0.2"))
    assert positions.open_positions() == []


def test_hedged_positions_are_separate_and_keep_their_side() -> None:
    positions = Positions(Modes(is_hedge=True))
    positions.apply("BTCUSDT", LONG, D(2), D(100), 1)
    positions.apply("BTCUSDT", SHORT, D(-1), D(110), 1)
    assert [one.quantity for one in positions.open_positions()] == [D(2), D(-1)]
    for side, quantity in ((LONG, D("-2.001")), (SHORT, D("1.001"))):
        with pytest.raises(InvariantError, match=f"the {side.name} position of BTCUSDT would be"):
            positions.apply("BTCUSDT", side, quantity, D(100), 2)
    assert positions.apply("BTCUSDT", SHORT, D(1), D(105), 2) == D(5)


def test_isolated_margin_follows_the_position() -> None:
    modes = Modes(margins={"BTCUSDT": "isolated"}, leverages={"BTCUSDT": 10})
    positions = Positions(modes)
    positions.apply("BTCUSDT", BOTH, D(3), D(100), 1)
    positions.apply("BTCUSDT", BOTH, D(-1), D(110), 2)
    view = positions.view("BTCUSDT", BOTH, D(105))
    assert (view.is_isolated, view.isolated_margin, view.leverage, view.mark) == (True, D(20), 10, D(105))
    assert (view.quantity, view.entry, view.realized, view.cumulative) == (D(2), D(100), D(10), D(10))
    positions.apply("BTCUSDT", BOTH, D(-3), D(90), 3)
    assert positions.get("BTCUSDT", BOTH).isolated_margin == D(9)
    positions.apply("ETHUSDT", BOTH, D(3), D(100), 1)
    assert positions.get("ETHUSDT", BOTH).isolated_margin == 0


@given(st.lists(st.tuples(st.integers(-400, 400).filter(bool), st.integers(1, 99_999)), max_size=60))
def test_profit_of_closed_positions_is_exact(fills: list[tuple[int, int]]) -> None:
    """The signed fills are the position; when it is flat, the realized profit is what was paid and received."""
    with exact():
        positions = Positions(Modes())
        quantity = paid = realized = Fraction(0)
        for lots, ticks in fills:
            signed, price = D(lots) * D("0.001"), D(ticks) * D("0.1")
            before = quantity
            quantity += Fraction(signed)
            paid += Fraction(signed) * Fraction(price)
            realized += Fraction(positions.apply("BTCUSDT", BOTH, signed, price, 0))
            position = positions.get("BTCUSDT", BOTH)
            assert Fraction(position.quantity) == quantity
            assert Fraction(position.cumulative) == realized
            cost = Fraction(position.cost) * (1 if quantity > 0 else -1)
            # Nothing is lost by rounding: the profit and what is still open are what was paid.
            assert cost - realized == paid
            if before * quantity < 0:
                assert cost == quantity * Fraction(price)
        if not quantity:
            assert realized == -paid
