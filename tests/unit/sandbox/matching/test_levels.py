"""Matching against displayed levels: taking, resting, prevention, amendments, and what always holds."""

from __future__ import annotations

from collections import defaultdict
from itertools import count
from typing import Any

import pytest
from hftbacktest.types import DEPTH_EVENT
from hypothesis import given, settings
from hypothesis import strategies as st
from support.venue_rows import Row, clear, level, rows_of, trade

from arb.errors import InvariantError
from arb.sandbox.events import ASK, BID, BUY, SELL
from arb.sandbox.matching.levels import LevelMatcher
from arb.sandbox.matching.orders import End, EndReason, Fill, Force, Order, Prevented, Prevention, Result

BOOK = (level(BID, 99, 5), level(BID, 98, 7), level(ASK, 101, 5), level(ASK, 102, 7))


class Desk:
    """A matcher with a clock, and orders by number."""

    def __init__(self, *rows: Row) -> None:
        self.matcher = LevelMatcher(1.0, 1.0)
        self._numbers = count(1)
        self.now_ns = 0
        self.receive(*(rows or BOOK))

    def receive(self, *rows: Row) -> list[tuple[Any, ...]]:
        self.now_ns += 1
        return short(self.matcher.receive(rows_of(*rows, at_ns=self.now_ns), self.now_ns))

    def order(self, side: int, tick: int | None, lots: int, force: Force = Force.GTC, **more: Any) -> Order:
        plain = {"account": 1, "group": -1, "prevention": Prevention.NONE, "arrived_ns": self.now_ns}
        return Order(no=next(self._numbers), side=side, tick=tick, lots=lots, force=force, **(plain | more))

    def place(self, order: Order, bound: int | None = None) -> list[tuple[Any, ...]]:
        self.now_ns += 1
        return short(self.matcher.place(order, self.now_ns, bound))

    def put(self, side: int, tick: int | None, lots: int, force: Force = Force.GTC, **more: Any) -> Order:
        """Places an order that rests at once."""
        order = self.order(side, tick, lots, force, **more)
        assert self.place(order) == []
        return order


def short(results: list[Result]) -> list[tuple[Any, ...]]:
    """(order, tick, lots) of fills, (order, reason) of ends, (taker, maker, lots) of what was prevented."""
    out: list[tuple[Any, ...]] = []
    for one in results:
        if isinstance(one, Fill):
            out.append((one.order.no, one.tick, one.lots))
        elif isinstance(one, End):
            out.append((one.order.no, one.reason))
        else:
            out.append(("prevented", one.taker.no, one.maker.no, one.lots))
    return out


@pytest.mark.parametrize(
    ("side", "tick", "lots", "force", "bound", "expected"),
    [
        (BUY, 100, 5, Force.GTC, None, []),
        (BUY, 101, 3, Force.GTC, None, [(1, 101, 3)]),
        (BUY, 102, 9, Force.GTC, None, [(1, 101, 5), (1, 102, 4)]),
        (BUY, 101, 9, Force.GTC, None, [(1, 101, 5)]),
        (BUY, 101, 9, Force.IOC, None, [(1, 101, 5), (1, EndReason.IOC_REST)]),
        (BUY, 100, 9, Force.IOC, None, [(1, EndReason.IOC_REST)]),
        (BUY, 102, 12, Force.FOK, None, [(1, 101, 5), (1, 102, 7)]),
        (BUY, 102, 13, Force.FOK, None, [(1, EndReason.FOK)]),
        (BUY, 102, 12, Force.FOK, 101, [(1, EndReason.FOK)]),
        (BUY, 101, 1, Force.POST_ONLY, None, [(1, EndReason.WOULD_TAKE)]),
        (BUY, 100, 1, Force.POST_ONLY, None, []),
        (BUY, None, 20, Force.GTC, None, [(1, 101, 5), (1, 102, 7), (1, EndReason.IOC_REST)]),
        (BUY, None, 9, Force.IOC, 101, [(1, 101, 5), (1, EndReason.PRICE_LIMIT)]),
        (BUY, None, 9, Force.IOC, 100, [(1, EndReason.PRICE_LIMIT)]),
        (BUY, 102, 9, Force.GTC, 101, [(1, 101, 5), (1, EndReason.PRICE_LIMIT)]),
        (BUY, 101, 9, Force.GTC, 101, [(1, 101, 5)]),
        (SELL, 98, 9, Force.GTC, None, [(1, 99, 5), (1, 98, 4)]),
        (SELL, 99, 9, Force.IOC, None, [(1, 99, 5), (1, EndReason.IOC_REST)]),
        (SELL, 98, 13, Force.FOK, None, [(1, EndReason.FOK)]),
        (SELL, 99, 1, Force.POST_ONLY, None, [(1, EndReason.WOULD_TAKE)]),
        (SELL, None, 9, Force.GTC, 99, [(1, 99, 5), (1, EndReason.PRICE_LIMIT)]),
    ],
)
def test_a_new_order(
    side: int, tick: int | None, lots: int, force: Force, bound: int | None, expected: list[Any]
) -> None:
    desk = Desk()
    order = desk.order(side, tick, lots, force)
    assert desk.place(order, bound) == expected
    is_resting = order.left > 0 and not any(isinstance(one[-1], EndReason) for one in expected)
    assert desk.matcher.cancel(order, desk.now_ns) is is_resting
    assert not desk.matcher.cancel(order, desk.now_ns)


def test_a_market_order_meets_an_empty_side() -> None:
    desk = Desk(level(BID, 99, 5))
    assert desk.matcher.is_ready
    assert desk.place(desk.order(BUY, None, 1, Force.IOC)) == [(1, EndReason.NO_LIQUIDITY)]
    assert desk.matcher.touch() == (99, None)


def test_a_matcher_is_ready_with_its_first_level_until_the_book_is_cleared() -> None:
    desk = Desk(trade(BUY, 100, 1))
    assert not desk.matcher.is_ready
    desk.receive(*BOOK)
    assert desk.matcher.is_ready
    desk.receive(clear(BID), clear(ASK))
    assert not desk.matcher.is_ready


def test_what_was_taken_is_gone_until_the_level_changes() -> None:
    desk = Desk()
    assert desk.place(desk.order(BUY, 101, 3, Force.IOC)) == [(1, 101, 3)]
    assert desk.matcher.estimate(BUY, 101).lots == 2
    desk.receive(level(ASK, 102, 6))
    assert desk.place(desk.order(BUY, 101, 3, Force.IOC)) == [(2, 101, 2), (2, EndReason.IOC_REST)]
    assert desk.matcher.touch() == (99, 102)
    desk.receive(level(ASK, 101, 4))
    assert desk.matcher.touch() == (99, 101)
    assert desk.place(desk.order(BUY, 101, 9, Force.IOC))[0] == (3, 101, 4)


def test_orders_of_clients_are_behind_the_displayed_lots_in_the_order_of_their_entry() -> None:
    desk = Desk()
    desk.put(SELL, 101, 2)
    desk.put(SELL, 101, 2, account=2)
    desk.put(SELL, 100, 1)
    taker = desk.order(BUY, 101, 8, account=3)
    results = desk.matcher.place(taker, 50)
    assert short(results) == [(4, 100, 1), (3, 100, 1), (4, 101, 5), (4, 101, 2), (1, 101, 2)]
    fills = [one for one in results if isinstance(one, Fill)]
    assert [one.is_maker for one in fills] == [False, True, False, False, True]
    assert [one.match_no for one in fills] == [1, 1, 2, 3, 3]
    assert fills[1].counter is taker
    assert fills[2].counter is None


@pytest.mark.parametrize(
    ("tick", "rows", "expected"),
    [
        # Nothing is displayed at 100: the first in the queue.
        (100, [trade(SELL, 100, 3)], [(1, 100, 3)]),
        (100, [trade(SELL, 100, 3), trade(SELL, 100, 3)], [(1, 100, 3), (1, 100, 1)]),
        (100, [trade(SELL, 99, 1)], [(1, 100, 4)]),
        (100, [trade(SELL, 101, 9)], []),
        (100, [trade(BUY, 100, 9)], []),
        # Five lots are ahead at 99.
        (99, [trade(SELL, 99, 5)], []),
        (99, [trade(SELL, 99, 7)], [(1, 99, 2)]),
        (99, [trade(SELL, 99, 3), trade(SELL, 99, 3)], [(1, 99, 1)]),
        (99, [level(BID, 99, 2), trade(SELL, 99, 3)], [(1, 99, 1)]),
        (99, [level(BID, 99, 9), trade(SELL, 99, 6)], [(1, 99, 1)]),
        (99, [clear(BID), level(BID, 99, 9), trade(SELL, 99, 6)], [(1, 99, 1)]),
        (99, [level(BID, 99, 0), trade(SELL, 99, 1)], [(1, 99, 1)]),
        # Displayed asks at its price or through it.
        (100, [level(ASK, 100, 3)], [(1, 100, 3)]),
        (100, [level(ASK, 100, 3), level(ASK, 100, 2)], [(1, 100, 3), (1, 100, 1)]),
        (100, [level(ASK, 99, 1)], [(1, 100, 4)]),
        (100, [level(ASK, 101, 9)], []),
    ],
)
def test_rows_fill_a_resting_order(tick: int, rows: list[Row], expected: list[Any]) -> None:
    desk = Desk()
    desk.put(BUY, tick, 4)
    assert desk.receive(*rows) == expected


def test_a_trade_fills_better_prices_first_and_at_its_price_in_the_order_of_entry() -> None:
    desk = Desk()
    for tick, lots in ((99, 2), (100, 2), (99, 2)):
        desk.put(BUY, tick, lots)
    assert desk.receive(trade(SELL, 99, 8)) == [(2, 100, 2), (1, 99, 2), (3, 99, 1)]


def test_lots_of_a_level_that_makers_took_are_not_there_for_a_taker() -> None:
    desk = Desk()
    desk.put(BUY, 100, 2)
    assert desk.receive(level(ASK, 100, 3)) == [(1, 100, 2)]
    assert desk.place(desk.order(BUY, 100, 5, Force.IOC))[0] == (2, 100, 1)


def test_fills_by_rows_have_the_rows_time_but_never_step_back() -> None:
    desk = Desk()
    desk.now_ns = 1000
    desk.put(BUY, 100, 4)
    matcher = desk.matcher
    times = [
        matcher.receive(rows_of(trade(SELL, 100, 1), at_ns=at_ns), 3000)[0].at_ns
        for at_ns in (500, 2000, 1500)
    ]
    assert times == [1001, 2000, 2000]


@pytest.mark.parametrize("group", [-1, 7])
@pytest.mark.parametrize(
    ("taker", "maker", "taker_lots", "expected", "lefts"),
    [
        (
            Prevention.NONE,
            Prevention.EXPIRE_MAKER,
            6,
            [(3, 100, 4), (1, 100, 4), (3, 100, 2), (2, 100, 2)],
            (0, 0),
        ),
        (
            Prevention.EXPIRE_TAKER,
            Prevention.NONE,
            6,
            [("prevented", 3, 1, 4), (3, EndReason.PREVENTED)],
            (0, 4),
        ),
        (
            Prevention.EXPIRE_MAKER,
            Prevention.NONE,
            6,
            [("prevented", 3, 1, 4), (1, EndReason.PREVENTED), (3, 100, 4), (2, 100, 4)],
            (2, 0),
        ),
        (
            Prevention.EXPIRE_BOTH,
            Prevention.NONE,
            6,
            [("prevented", 3, 1, 4), (1, EndReason.PREVENTED), (3, EndReason.PREVENTED)],
            (0, 0),
        ),
        (
            Prevention.DECREMENT,
            Prevention.NONE,
            6,
            [("prevented", 3, 1, 4), (1, EndReason.PREVENTED), (3, 100, 2), (2, 100, 2)],
            (0, 0),
        ),
        (
            Prevention.DECREMENT,
            Prevention.NONE,
            2,
            [("prevented", 3, 1, 2), (3, EndReason.PREVENTED)],
            (0, 2),
        ),
        (
            Prevention.DECREMENT,
            Prevention.NONE,
            4,
            [("prevented", 3, 1, 4), (1, EndReason.PREVENTED), (3, EndReason.PREVENTED)],
            (0, 0),
        ),
        (Prevention.TRANSFER, Prevention.NONE, 2, [("prevented", 3, 1, 2), (3, EndReason.PREVENTED)], (0, 2)),
        (
            Prevention.TRANSFER,
            Prevention.TRANSFER,
            2,
            [("prevented", 3, 1, 2), (3, EndReason.PREVENTED)],
            (0, 2),
        ),
    ],
)
def test_self_trade_prevention(
    group: int,
    taker: Prevention,
    maker: Prevention,
    taker_lots: int,
    expected: list[Any],
    lefts: tuple[int, int],
) -> None:
    """The maker of the group is before one of somebody else; the same account, or another one of the group."""
    desk = Desk()
    own = desk.put(BUY, 100, 4, group=group, prevention=maker)
    desk.put(BUY, 100, 4, account=9)
    order = desk.order(SELL, 100, taker_lots, account=1 if group < 0 else 2, group=group, prevention=taker)
    results = desk.matcher.place(order, 50)
    assert short(results) == expected
    assert (order.left, own.left) == lefts
    is_transfer = group >= 0 and taker == maker == Prevention.TRANSFER
    assert [one.is_transfer for one in results if isinstance(one, Prevented)] == [
        is_transfer for one in expected if one[0] == "prevented"
    ]


def test_other_accounts_without_a_group_trade() -> None:
    desk = Desk()
    desk.put(BUY, 100, 4, account=2)
    order = desk.order(SELL, 100, 4, prevention=Prevention.EXPIRE_BOTH)
    assert desk.place(order) == [(2, 100, 4), (1, 100, 4)]


@pytest.mark.parametrize(
    ("mode", "lots", "expected"),
    [
        (
            Prevention.EXPIRE_MAKER,
            8,
            [("prevented", 2, 1, 4), (1, EndReason.PREVENTED), (2, 99, 5), (2, 98, 3)],
        ),
        (Prevention.EXPIRE_MAKER, 13, [(2, EndReason.FOK)]),
        (Prevention.EXPIRE_TAKER, 8, [(2, EndReason.FOK)]),
        (Prevention.DECREMENT, 8, [(2, EndReason.FOK)]),
        (Prevention.NONE, 16, [(2, 100, 4), (1, 100, 4), (2, 99, 5), (2, 98, 7)]),
    ],
)
def test_a_fok_order_considers_prevention(mode: Prevention, lots: int, expected: list[Any]) -> None:
    desk = Desk()
    own = desk.put(BUY, 100, 4)
    assert desk.place(desk.order(SELL, 98, lots, Force.FOK, prevention=mode)) == expected
    assert (own.left > 0) is (len(expected) == 1)


@pytest.mark.parametrize(
    ("tick", "lots", "keeps_place", "expected", "is_before"),
    [
        (100, 3, True, [], True),
        (100, 3, False, [], False),
        (100, 5, True, [], False),
        (99, 4, True, [], False),
        (100, 1, True, [(1, EndReason.AMENDED_BELOW_FILL)], False),
        (101, 6, False, [(1, 101, 5)], False),
    ],
)
def test_an_amended_order(
    tick: int, lots: int, keeps_place: bool, expected: list[Any], is_before: bool
) -> None:
    """Of two orders at a price, of which the first has one lot filled."""
    desk = Desk()
    first, second = desk.put(BUY, 100, 4), desk.put(BUY, 100, 4)
    assert desk.receive(trade(SELL, 100, 1)) == [(1, 100, 1)]
    desk.now_ns += 1
    results = desk.matcher.amend(first, tick, lots, desk.now_ns, keeps_place=keeps_place)
    assert short(results) == expected
    fills = desk.receive(trade(SELL, 100, 2))
    assert fills[0][0] == (1 if is_before else 2)
    assert second.left == (4 if is_before else 2)


def test_an_amended_post_only_order_does_not_take() -> None:
    desk = Desk()
    order = desk.put(BUY, 100, 4, Force.POST_ONLY)
    assert short(desk.matcher.amend(order, 101, 4, 50, keeps_place=False)) == [(1, EndReason.WOULD_TAKE)]
    with pytest.raises(InvariantError, match="order 1 does not rest"):
        desk.matcher.amend(order, 100, 4, 50, keeps_place=False)


def test_estimates_include_resting_orders_and_end_at_bound_lots_or_value() -> None:
    desk = Desk()
    desk.put(SELL, 101, 1)
    estimate = desk.matcher.estimate
    assert estimate(BUY, None) == (13, 6 * 101 + 7 * 102, 102)
    assert estimate(BUY, 101) == (6, 606, 101)
    assert estimate(BUY, None, lots=8) == (8, 606 + 204, 102)
    assert estimate(BUY, None, value=606 + 203) == (7, 606 + 102, 102)
    assert estimate(BUY, 100) == (0, 0, None)


TICKS = st.integers(95, 105)
ROWS = st.one_of(
    st.builds(level, st.sampled_from([BID, ASK]), TICKS, st.integers(0, 6)),
    st.builds(trade, st.sampled_from([BUY, SELL]), TICKS, st.integers(1, 6)),
)
ORDERS = st.fixed_dictionaries(
    {
        "side": st.sampled_from([BUY, SELL]),
        "tick": st.one_of(TICKS, TICKS, st.none()),
        "lots": st.integers(1, 12),
        "force": st.sampled_from(Force),
        "account": st.integers(1, 3),
        "prevention": st.sampled_from(Prevention),
    }
)
STEPS = st.one_of(ROWS, ROWS, ORDERS, st.tuples(st.integers(0, 30), TICKS, st.integers(1, 12), st.booleans()))


@settings(max_examples=300, deadline=None)
@given(st.lists(STEPS, max_size=60))
def test_what_always_holds(steps: list[Any]) -> None:
    desk = Desk()
    matcher = desk.matcher
    orders: list[Order] = []
    ended: set[int] = set()
    filled: dict[int, int] = defaultdict(int)
    #: Displayed lots that may still be taken, by side and tick.
    offered = {(row[1], int(row[2])): int(row[3]) for row in BOOK}
    for step in steps:
        taker: Order | None = None
        desk.now_ns += 1
        if isinstance(step, dict):
            tick, force = step["tick"], step["force"]
            if tick is None and force == Force.POST_ONLY:
                continue
            group = 5 if step["account"] < 3 else -1
            taker = desk.order(**step, group=group)
            orders.append(taker)
            estimate = matcher.estimate(taker.side, tick, lots=taker.lots)
            results = matcher.place(taker, desk.now_ns)
            if taker.prevention == Prevention.NONE and force not in (Force.POST_ONLY, Force.FOK):
                assert taker.filled == estimate.lots
        elif len(step) == 4 and isinstance(step[-1], bool):
            open_orders = [one for one in orders if one.no not in ended and one.left]
            if not open_orders:
                continue
            taker = open_orders[step[0] % len(open_orders)]
            results = matcher.amend(taker, step[1], step[2], desk.now_ns, keeps_place=step[3])
        else:
            results = matcher.receive(rows_of(step, at_ns=desk.now_ns), desk.now_ns)
            if step[0] == DEPTH_EVENT:
                offered[step[1], int(step[2])] = int(step[3])
        for one in results:
            if isinstance(one, End):
                assert one.order.no not in ended
                ended.add(one.order.no)
            elif isinstance(one, Fill):
                order, limit = one.order, one.order.tick
                assert order.no not in ended
                assert one.lots > 0
                filled[order.no] += one.lots
                assert limit is None or (one.tick <= limit if order.side == BUY else one.tick >= limit)
                assert one.is_maker or order.force != Force.POST_ONLY
                assert not one.is_maker or one.tick == limit
                if one.counter is None and not one.is_maker:
                    offered[1 - order.side, one.tick] -= one.lots
                    assert offered[1 - order.side, one.tick] >= 0
        if taker is not None and taker.force == Force.FOK:
            assert taker.filled in (0, taker.lots)
        best = [matcher.estimate(side, None).tick is None for side in (BUY, SELL)]
        assert best == [touch is None for touch in reversed(matcher.touch())]
    for order in orders:
        assert order.filled == filled[order.no]
        assert 0 <= order.left + order.filled + order.prevented == order.lots
        is_open = matcher.cancel(order, desk.now_ns)
        assert is_open == (order.no not in ended and order.left > 0)
    assert all(matcher.receive(rows_of(trade(side, 90 + 20 * side, 1)), 0) == [] for side in (BUY, SELL))
