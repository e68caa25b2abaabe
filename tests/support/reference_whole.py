"""The plain matcher of `whole`: hftbacktest's exchange without partial fills, in decimals. See `reference_matcher`.

Readings:

1. A request meets the book after all rows up to its own time.
2. The only queue model is risk_adverse, that of the venue files of arb.
3. A taker fills at the touch as hftbacktest keeps it, which a crossed batch of rows can move beyond a displayed level.
4. The bound of a venue's price rule is tested against the touch; a market order without a touch ends with NO_LIQUIDITY.
5. There is no self-trade prevention: resting orders are not in the book that takers meet.
6. Several orders that one row fills are filled in the order of the simulated exchange's table: that of entry, in which
   the last order takes the place of one that left.
7. An amendment that keeps its place leaves the order as it is, also without a change; else it is a new order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

from support.reference_matcher import (
    BUY,
    FOK,
    IOC,
    POST_ONLY,
    SELL,
    ZERO,
    Ended,
    Outcome,
    Reference,
    Resting,
    Row,
    is_passed,
)


class ReferenceWhole(Reference):
    """Matching `whole`: hftbacktest's exchange without partial fills.

    Source: nopartialfillexchange.rs, hashmapmarketdepth.rs, queue.rs (RiskAdverseQueueModel) of hftbacktest 2.4.4.
    """

    def __init__(self, lot: Decimal) -> None:
        super().__init__()
        self.lot = lot
        self.levels: dict[int, dict[Decimal, Decimal]] = {BUY: {}, SELL: {}}
        #: Best prices as hftbacktest keeps them: a best that the other side passed is not restored by itself.
        self.best: dict[int, Decimal | None] = {BUY: None, SELL: None}
        #: Worst price since the side was last empty: no next best is looked for beyond it.
        self.worst: dict[int, Decimal | None] = {BUY: None, SELL: None}

    def leave(self, order: Resting) -> None:
        last = self.orders.pop()
        if last is not order:
            self.orders[self.orders.index(order)] = last

    def touch(self) -> tuple[Decimal | None, Decimal | None]:
        return self.best[BUY], self.best[SELL]

    def receive(self, row: Row) -> list[Outcome]:
        if row.kind == "clear":
            for side in (BUY, SELL) if row.side is None else (row.side,):
                self._clear(side, row.price)
            return []
        assert row.side is not None
        assert row.price is not None
        if row.kind == "trade":
            self.last_trade = row.price
            return self._trade(row, row.side, row.price)
        return self._level(row, row.side, row.price)

    def _clear(self, side: int, up_to: Decimal | None) -> None:
        levels = self.levels[side]
        for price in list(levels):
            if up_to is None or not is_passed(1 - side, up_to, price):
                del levels[price]
        self.best[side] = self._next(side, None)
        if self.best[side] is None:
            self.worst[side] = None

    def _next(self, side: int, beyond: Decimal | None) -> Decimal | None:
        """The best level of a side that is strictly worse than `beyond`, up to its worst price."""
        worst = self.worst[side]
        if worst is None:
            return None
        prices = [price for price in self.levels[side] if not is_passed(1 - side, worst, price)]
        if beyond is not None:
            prices = [price for price in prices if is_passed(1 - side, beyond, price)]
        return (max if side == BUY else min)(prices, default=None)

    def _level(self, row: Row, side: int, price: Decimal) -> list[Outcome]:
        self.is_ready = True
        before = self.best[side]
        if row.quantity == 0:
            self.levels[side].pop(price, None)
            if price == before:
                self.best[side] = self._next(side, price)
                if self.best[side] is None:
                    self.worst[side] = None
        else:
            self.levels[side][price] = row.quantity
            if before is None or is_passed(side, before, price):
                self.best[side] = price
                other = self.best[1 - side]
                if other is not None and not is_passed(1 - side, other, price):
                    self.best[1 - side] = self._next(1 - side, price)
            worst = self.worst[side]
            if worst is None or is_passed(1 - side, worst, price):
                self.worst[side] = price
        for order in self.orders:
            if order.side == side and order.price == price:
                order.ahead = min(order.ahead, row.quantity)
        best = self.best[side]
        if best is None or (before is not None and not is_passed(side, before, best)):
            return []
        return self._fill_each(
            row.at_ns, lambda order, limit: order.side == 1 - side and not is_passed(order.side, limit, best)
        )

    def _fill_each(self, at_ns: int, is_filled: Callable[[Resting, Decimal], bool]) -> list[Outcome]:
        """Fills orders in the order of the table."""
        outcomes: list[Outcome] = []
        index = 0
        while index < len(self.orders):
            order = self.orders[index]
            assert order.price is not None
            if is_filled(order, order.price):
                outcomes.append(self.give(order, order.price, order.left, True, at_ns))
            else:
                index += 1
        return outcomes

    def _trade(self, row: Row, aggressor: int, price: Decimal) -> list[Outcome]:
        def is_filled(order: Resting, limit: Decimal) -> bool:
            if order.side == aggressor or is_passed(aggressor, price, limit):
                return False
            if limit != price:
                return True
            order.ahead -= row.quantity
            # Reached if at least half a lot was traded behind the last lot before it.
            return -order.ahead / self.lot >= Decimal("0.5")

        return self._fill_each(row.at_ns, is_filled)

    def place(self, order: Resting, now_ns: int, bound: Decimal | None = None) -> list[Outcome]:
        order.arrived_ns = self.latest_ns = now_ns
        touch = self.best[1 - order.side]
        if touch is None and order.price is None:
            return [Ended(order, "NO_LIQUIDITY", now_ns)]
        if touch is None or is_passed(order.side, order.price, touch):
            if order.force in (IOC, FOK):
                return [Ended(order, "IOC_REST" if order.force == IOC else "FOK", now_ns)]
            assert order.price is not None
            order.ahead = self.levels[order.side].get(order.price, ZERO)
            self.orders.append(order)
            return []
        if order.force == POST_ONLY:
            return [Ended(order, "WOULD_TAKE", now_ns)]
        if is_passed(order.side, bound, touch):
            return [Ended(order, "PRICE_LIMIT", now_ns)]
        return [self.give(order, touch, order.left, False, now_ns)]

    def amend(
        self,
        order: Resting,
        price: Decimal,
        quantity: Decimal,
        now_ns: int,
        keeps_place: bool,
        bound: Decimal | None = None,
    ) -> list[Outcome]:
        is_kept = keeps_place and price == order.price and quantity <= order.quantity
        self.latest_ns = now_ns
        order.price, order.quantity = price, quantity
        if is_kept:
            return []
        self.leave(order)
        return self.place(order, now_ns, bound)

    def walk(self, side: int, bound: Decimal | None) -> Iterator[tuple[Decimal, Decimal]]:
        touch = self.best[1 - side]
        if touch is not None and not is_passed(side, bound, touch):
            yield touch, Decimal(10) ** 12
