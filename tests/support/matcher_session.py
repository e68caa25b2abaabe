"""Random sessions of one matcher and its plain reference: crossed books, late rows, every kind of order."""

from __future__ import annotations

import random
from collections.abc import Iterable
from decimal import Decimal

import numpy as np
from hftbacktest.types import (
    BUY_EVENT,
    DEPTH_CLEAR_EVENT,
    DEPTH_EVENT,
    EXCH_EVENT,
    LOCAL_EVENT,
    SELL_EVENT,
    TRADE_EVENT,
    event_dtype,
)

from arb.sandbox.events import Listing
from arb.sandbox.matching.levels import LevelMatcher
from arb.sandbox.matching.matcher import Matcher, Rows
from arb.sandbox.matching.orders import End, Fill, Force, Order, Prevention, Result
from arb.sandbox.matching.whole import WholeMatcher
from support.reference_matcher import Ended, Filled, Outcome, ReferenceLevels, Resting, Row
from support.reference_whole import ReferenceWhole

TICK, LOT = Decimal("0.1"), Decimal("0.001")
KINDS = {"level": DEPTH_EVENT, "trade": TRADE_EVENT, "clear": DEPTH_CLEAR_EVENT}


class Session:
    """Both matchers with the same orders, of `levels`."""

    #: Whether the sandbox's orders show their place in the queue.
    has_queue = True

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.real: Matcher = LevelMatcher(float(TICK), float(LOT))
        self.reference: ReferenceLevels | ReferenceWhole = ReferenceLevels()
        self.now, self.mid, self.fills = 1000, 1000, 0
        self.orders: dict[int, tuple[Order, Resting]] = {}

    def act(self) -> None:
        self.now += self.chance.randint(1, 50)
        kind = self.chance.choices(
            [self.receive, self.place, self.cancel, self.amend, self.estimate], [45, 35, 8, 12, 20]
        )
        kind[0]()
        touch = tuple(None if price is None else int(price / TICK) for price in self.reference.touch())
        assert self.real.touch() == touch

    def receive(self) -> None:
        rows = self._rows()
        results = self.real.receive(_array(rows), self.now) + self.real.advance(self.now)
        self._compare(results, [one for row in rows for one in self.reference.receive(row)])

    def _rows(self) -> list[Row]:
        return [self._row() for _ in range(self.chance.randint(1, 4))]

    def _row(self) -> Row:
        kind = self.chance.choices(["level", "trade", "clear"], [10, 4, 0.15])[0]
        at_ns, side = self.now - self.chance.randint(0, 30), self.chance.randint(0, 1)
        self.mid += self.chance.choice([-1, 0, 0, 0, 1])
        if kind == "clear":
            return Row(kind, side, None, Decimal(0), at_ns)
        if kind == "trade":
            return Row(kind, side, (self.mid + self.chance.randint(-2, 2)) * TICK, self._quantity(15), at_ns)
        distance = self.chance.randint(0, 5)
        tick = self.mid - distance if side == 0 else self.mid + 1 + distance
        return Row(kind, side, tick * TICK, self.chance.choice([Decimal(0), self._quantity(20)]), at_ns)

    def _quantity(self, lots_max: int) -> Decimal:
        return self.chance.randint(1, lots_max) * LOT

    def _bound(self) -> int | None:
        return self.chance.choice([None, None, None, self.mid + self.chance.randint(-3, 3)])

    def place(self) -> None:
        no, side, account = len(self.orders) + 1, self.chance.randint(0, 1), self.chance.randint(0, 2)
        force = self.chance.choices(list(Force), [5, 2, 1, 2])[0]
        tick = self.mid + self.chance.randint(-5, 5)
        is_market = force is Force.IOC and self.chance.random() < 0.3
        quantity, mode, bound = self._quantity(25), self.chance.choice(list(Prevention)), self._bound()
        group = (-1, 1, 1)[account]
        lots = int(quantity / LOT)
        order = Order(no, account, group, side, force, None if is_market else tick, lots, mode, self.now)
        price = None if is_market else tick * TICK
        resting = Resting(no, str(account), group, side, force.name, price, quantity, mode.name)
        self.orders[no] = (order, resting)
        limit = None if bound is None else bound * TICK
        self._compare(self.real.place(order, self.now, bound), self.reference.place(resting, self.now, limit))

    def _resting(self) -> tuple[Order, Resting] | None:
        return self.orders[self.chance.choice(self.reference.orders).no] if self.reference.orders else None

    def cancel(self) -> None:
        if (one := self._resting()) is not None:
            assert self.real.cancel(one[0], self.now)
            assert self.reference.cancel(one[1], self.now)

    def amend(self) -> None:
        if (one := self._resting()) is None:
            return
        order, resting = one
        assert order.tick is not None
        keeps = self.chance.random() < 0.5
        tick = order.tick if keeps or self.chance.random() < 0.5 else self.mid + self.chance.randint(-4, 4)
        lots, bound = max(1, order.lots + self.chance.randint(-8, 0 if keeps else 8)), self._bound()
        results = self.real.amend(order, tick, lots, self.now, keeps_place=keeps, bound=bound)
        limit = None if bound is None else bound * TICK
        self._compare(results, self.reference.amend(resting, tick * TICK, lots * LOT, self.now, keeps, limit))

    def estimate(self) -> None:
        side, lots = self.chance.randint(0, 1), self.chance.randint(1, 60)
        estimate = self.real.estimate(side, self.mid + 2, lots=lots)
        left, cost = lots * LOT, Decimal(0)
        for price, quantity in self.reference.walk(side, (self.mid + 2) * TICK):
            cost += price * min(left, quantity)
            left -= min(left, quantity)
        assert (estimate.lots * LOT, estimate.value * TICK * LOT) == (lots * LOT - left, cost)

    def _compare(self, results: list[Result], outcomes: list[Outcome]) -> None:
        assert self._ordered(map(_of_result, results)) == self._ordered(map(_of_outcome, outcomes))
        self.fills += sum(isinstance(one, Fill) for one in results)
        for order, resting in self.orders.values():
            if resting in self.reference.orders:
                figures = (order.filled, order.prevented, order.lots)
                assert [lots * LOT for lots in figures] == [
                    resting.filled,
                    resting.prevented,
                    resting.quantity,
                ]
                assert not self.has_queue or order.ahead * LOT == resting.ahead

    def _ordered(self, lines: Iterable[tuple[object, ...]]) -> list[tuple[object, ...]]:
        return list(lines)


class WholeSession(Session):
    """The same of `whole`: rows have the time at which they are received, and several fills of one row any order."""

    has_queue = False

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.real = WholeMatcher(Listing("binance_usdm", "BTCUSDT", str(TICK), str(LOT)))
        self.reference = ReferenceWhole(LOT)

    def _rows(self) -> list[Row]:
        return [row._replace(at_ns=self.now) for row in super()._rows()]

    def _ordered(self, lines: Iterable[tuple[object, ...]]) -> list[tuple[object, ...]]:
        return sorted(lines, key=str)


def _array(rows: list[Row]) -> Rows:
    array = np.zeros(len(rows), event_dtype)
    for out, row in zip(array, rows, strict=True):
        out["ev"] = KINDS[row.kind] | EXCH_EVENT | LOCAL_EVENT | (SELL_EVENT if row.side else BUY_EVENT)
        out["px"] = np.nan if row.price is None else float(row.price)
        out["qty"] = float(row.quantity)
        out["exch_ts"] = out["local_ts"] = row.at_ns
    return array


def _of_result(one: Result) -> tuple[object, ...]:
    if isinstance(one, Fill):
        counter = None if one.counter is None else one.counter.no
        return one.order.no, one.tick * TICK, one.lots * LOT, one.is_maker, one.at_ns, counter
    if isinstance(one, End):
        return one.order.no, one.reason.name, one.at_ns
    return one.taker.no, one.maker.no, one.tick * TICK, one.lots * LOT


def _of_outcome(one: Outcome) -> tuple[object, ...]:
    if isinstance(one, Filled):
        counter = None if one.counter is None else one.counter.no
        return one.order.no, one.price, one.quantity, one.is_maker, one.at_ns, counter
    if isinstance(one, Ended):
        return one.order.no, one.reason, one.at_ns
    return one.taker.no, one.maker.no, one.price, one.quantity
