"""Fills as lines of trades.csv."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.recording_files import make_leg

from arb.bot.fills import FILL
from arb.bot.recorder import DECISION
from arb.results.trades import HEADER, Trade, iso_time, trades_of
from arb.strategies.spread.decisions import Decision

TS = 1_723_161_600_000_000_000


LEGS = [
    make_leg("a", maker_fee=-0.0001, taker_fee=0.001),
    make_leg("b", maker_fee=0.0002, taker_fee=0.0005, contract_size=10.0),
]


def fill(
    asset_no: int, order_id: int, side: int, price: float, qty: float, maker: int = 0, ts: int = TS
) -> Any:
    return (asset_no, order_id, side, price, qty, maker, ts, ts - 5)


def fills(*rows: Any) -> Any:
    return np.array(list(rows), FILL)


def decisions(*rows: Any) -> Any:
    return np.array(list(rows), DECISION)


def test_the_header_names_the_fields() -> None:
    assert (*Trade._fields[:11], "kind", *Trade._fields[11:], "rate") == HEADER


def test_a_bought_fill() -> None:
    (trade,) = trades_of(fills(fill(0, 7, 1, 100.0, 0.5)), decisions(), LEGS)
    assert trade == Trade(
        "2024-08-09T00:00:00.000000000Z",
        TS,
        "",
        "a:BTCUSDT",
        "buy",
        100.0,
        0.5,
        0.05,
        -50.0,
        "taker",
        7,
        "quote",
        0.05,
    )


def test_a_sold_maker_fill_of_contracts() -> None:
    (trade,) = trades_of(fills(fill(1, 7, -1, 100.0, 0.5, maker=1)), decisions(), LEGS)
    assert (trade.side, trade.cash, trade.liquidity) == ("sell", 500.0, "maker")
    assert trade.fee == pytest.approx(0.1)


def test_fills_carry_the_attempt_that_sent_their_order() -> None:
    sent = decisions(
        (TS, Decision.ATTEMPT, 1, 0, 0, 5.0),
        (TS, Decision.OPEN, 1, 0, 1, 100.0),
        (TS, Decision.OPEN, 1, 1, 2, 101.0),
        (TS, Decision.HEDGED, 1, -1, 0, 1.0),
        (TS, Decision.REFUSED, 2, 0, 3, 20.0),
        (TS, Decision.OPEN, 3, 0, 3, 100.0),
        (TS, Decision.REVERSE, 3, 0, 4, 100.0),
    )
    made = trades_of(
        fills(*(fill(n % 2, i, 1, 100.0, 1.0) for n, i in ((0, 1), (1, 2), (0, 3), (0, 4), (1, 1)))),
        sent,
        LEGS,
    )
    assert {(t.leg[0], t.order_id): t.attempt for t in made} == {
        ("a", 1): 1, ("b", 2): 1, ("a", 3): 3, ("a", 4): 3, ("b", 1): "",
    }  # fmt: skip


def test_lines_are_in_the_order_of_the_venues_time() -> None:
    rows = [
        fill(0, 3, 1, 1.0, 1.0, ts=TS + 2),
        fill(1, 2, 1, 1.0, 1.0, ts=TS),
        fill(0, 9, 1, 1.0, 1.0, ts=TS),
    ]
    assert [t.order_id for t in trades_of(fills(*rows), decisions(), LEGS)] == [9, 2, 3]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 1),
            st.sampled_from([1, -1]),
            st.integers(1, 10**6),
            st.integers(1, 10**4),
            st.integers(0, 1),
        ),
        max_size=50,
    )
)
def test_cash_and_fees_add_up(rows: list[tuple[int, int, int, int, int]]) -> None:
    made = trades_of(
        fills(*(fill(a, n + 1, s, t * 0.1, q * 0.001, m) for n, (a, s, t, q, m) in enumerate(rows))),
        decisions(),
        LEGS,
    )
    cash = sum(-s * LEGS[a].contract_size * (t * 0.1) * (q * 0.001) for a, s, t, q, _ in rows)
    assert math.fsum(t.cash for t in made) == pytest.approx(cash, rel=1e-12, abs=1e-6)
    assert all(
        t.fee == pytest.approx(abs(t.cash) * (
            {"a": (-0.0001, 0.001), "b": (0.0002, 0.0005)}[t.leg[0]][t.liquidity == "taker"]
        ))
        for t in made
    )  # fmt: skip


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "1970-01-01T00:00:00.000000000Z"),
        (TS + 1, "2024-08-09T00:00:00.000000001Z"),
        (TS - 1, "2024-08-08T23:59:59.999999999Z"),
        (4_102_444_800_999_999_999, "2100-01-01T00:00:00.999999999Z"),
    ],
)
def test_times_keep_every_digit(ns: int, text: str) -> None:
    assert iso_time(ns) == text
