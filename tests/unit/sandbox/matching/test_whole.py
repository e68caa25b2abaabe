"""Matching by the rules of backtests: the plain second exchange agrees, and so does a backtest of the same frames."""

from __future__ import annotations

from typing import Any

import pytest
from support.venue_rows import level, rows_of, trade

from arb.errors import InvariantError
from arb.sandbox.events import ASK, BID, BUY, SELL, Listing
from arb.sandbox.matching.orders import End, EndReason, Fill, Force, Order, Prevention, Result
from arb.sandbox.matching.whole import WholeMatcher

STEPS = Listing("binance_usdm", "BTCUSDT", "1", "1")
BOOK = (level(BID, 99, 5), level(BID, 98, 7), level(ASK, 101, 5), level(ASK, 102, 7))


def make_order(no: int, side: int, tick: int | None, lots: int, force: Force = Force.GTC) -> Order:
    return Order(no, 1, -1, side, force, tick, lots, Prevention.NONE, 0)


def short(results: list[Result]) -> list[tuple[Any, ...]]:
    """(order, tick, lots, time) of fills, (order, reason, time) of ends."""
    return [
        (one.order.no, one.tick, one.lots, one.at_ns)
        if isinstance(one, Fill)
        else (one.order.no, one.reason, one.at_ns)
        for one in results
        if not isinstance(one, tuple) or isinstance(one, Fill | End)
    ]


@pytest.fixture
def matcher() -> WholeMatcher:
    made = WholeMatcher(STEPS)
    made.receive(rows_of(*BOOK, at_ns=10), 0)
    assert not made.is_ready
    assert made.advance(10) == []
    assert made.is_ready
    return made


@pytest.mark.parametrize(
    ("side", "tick", "force", "bound", "expected"),
    [
        (BUY, 101, Force.GTC, None, (1, 101, 50, 20)),
        (BUY, 103, Force.GTC, None, (1, 101, 50, 20)),
        (BUY, 101, Force.FOK, None, (1, 101, 50, 20)),
        (BUY, None, Force.IOC, None, (1, 101, 50, 20)),
        (BUY, 100, Force.IOC, None, (1, EndReason.IOC_REST, 20)),
        (BUY, 100, Force.FOK, None, (1, EndReason.FOK, 20)),
        (BUY, 101, Force.POST_ONLY, None, (1, EndReason.WOULD_TAKE, 20)),
        (BUY, 100, Force.POST_ONLY, None, None),
        (BUY, None, Force.IOC, 100, (1, EndReason.PRICE_LIMIT, 20)),
        (BUY, 102, Force.GTC, 100, (1, EndReason.PRICE_LIMIT, 20)),
        (BUY, 100, Force.GTC, 99, None),
        (SELL, 98, Force.GTC, None, (1, 99, 50, 20)),
        (SELL, 99, Force.POST_ONLY, None, (1, EndReason.WOULD_TAKE, 20)),
        (SELL, None, Force.GTC, 99, (1, 99, 50, 20)),
    ],
)
def test_a_new_order(
    matcher: WholeMatcher, side: int, tick: int | None, force: Force, bound: int | None, expected: Any
) -> None:
    order = make_order(1, side, tick, 50, force)
    assert short(matcher.place(order, 20, bound)) == ([expected] if expected else [])
    assert matcher.cancel(order, 21) is (expected is None)
    assert not matcher.cancel(order, 22)


def test_an_empty_side_has_nothing_for_a_market_order() -> None:
    matcher = WholeMatcher(STEPS)
    matcher.receive(rows_of(level(BID, 99, 5), at_ns=10), 0)
    assert short(matcher.place(make_order(1, BUY, None, 1), 20)) == [(1, EndReason.NO_LIQUIDITY, 20)]
    assert matcher.estimate(BUY, None, lots=3) == (0, 0, None)
    assert matcher.estimate(SELL, None, lots=3) == (3, 297, 99)
    assert matcher.estimate(SELL, None, value=200) == (2, 198, 99)
    assert matcher.estimate(SELL, 100, lots=3) == (0, 0, None)


def test_rows_fill_at_their_own_time_in_their_order(matcher: WholeMatcher) -> None:
    """Rows that are received early and out of order; the next one that may fill is known."""
    order = make_order(1, BUY, 99, 8)
    assert matcher.place(order, 20) == []
    assert matcher.next_due_ns() is None
    matcher.receive(rows_of(trade(SELL, 99, 4), at_ns=70), 30)
    matcher.receive(rows_of(trade(SELL, 99, 4), level(BID, 98, 1), at_ns=40), 30)
    assert matcher.next_due_ns() == 40
    assert matcher.advance(40) == []
    assert matcher.next_due_ns() == 70
    assert short(matcher.advance(100)) == [(1, 99, 8, 70)]
    assert matcher.next_due_ns() is None
    assert matcher.rows_late == 0


def test_an_order_meets_the_rows_up_to_its_time(matcher: WholeMatcher) -> None:
    first, second = make_order(1, BUY, 100, 8), make_order(2, SELL, 99, 3)
    matcher.place(first, 20)
    matcher.receive(rows_of(level(ASK, 100, 1), at_ns=30), 0)
    matcher.receive(rows_of(level(BID, 99, 0), level(BID, 100, 9), at_ns=31), 0)
    assert short(matcher.place(second, 31)) == [(1, 100, 8, 30), (2, 100, 3, 31)]
    assert not matcher.cancel(first, 31)
    third = make_order(3, BUY, 97, 8)
    matcher.place(third, 32)
    matcher.receive(rows_of(trade(SELL, 96, 1), at_ns=33), 0)
    assert not matcher.cancel(third, 34)
    assert matcher.next_due_ns() == 34
    assert short(matcher.advance(34)) == [(3, 97, 8, 33)]


def test_a_late_row_takes_effect_at_once_and_is_counted(matcher: WholeMatcher) -> None:
    order = make_order(1, BUY, 100, 8)
    matcher.place(order, 20)
    matcher.receive(rows_of(trade(SELL, 99, 1), at_ns=15), 0)
    assert matcher.rows_late == 1
    assert short(matcher.advance(30)) == [(1, 100, 8, 21)]


@pytest.mark.parametrize(
    ("tick", "lots", "keeps_place", "expected", "filled"),
    [
        (99, 5, True, [], True),
        (99, 5, False, [], False),
        (99, 9, True, [], False),
        (101, 9, True, [(1, 101, 9, 30)], True),
    ],
)
def test_an_amended_order(
    matcher: WholeMatcher, tick: int, lots: int, keeps_place: bool, expected: Any, filled: bool
) -> None:
    """Three of the five lots before it are traded, then others are displayed behind it."""
    order = make_order(1, BUY, 99, 8)
    matcher.place(order, 20)
    matcher.receive(rows_of(trade(SELL, 99, 3), level(BID, 99, 9), at_ns=25), 0)
    assert short(matcher.amend(order, tick, lots, 30, keeps_place=keeps_place)) == expected
    matcher.receive(rows_of(trade(SELL, 99, 3), at_ns=35), 0)
    matcher.advance(40)
    assert (order.filled > 0) is filled
    if filled:
        with pytest.raises(InvariantError, match="order 1 does not rest"):
            matcher.amend(order, 99, 5, 50, keeps_place=False)
