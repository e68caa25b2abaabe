"""Matching against the displayed levels: orders of any size, partial fills, a place in the queue. Pure.

*Taking.* An order takes the opposite prices, best first: at each price first the displayed lots that no client has
taken, in one fill, then the resting orders of clients in the order of their entry, each in a fill of its own at its
own price, with self-trade prevention. It ends at its limit, at `bound`, or when nothing is left. What it took of a
displayed level is gone until the venue's next change of that level. A FOK order is examined first, self-trade
prevention included: unless it can be filled completely, nothing happens. A post-only order that finds something
displayed or resting at its price ends.

*Resting.* An order rests behind the lots displayed at its price (`Order.ahead`, taken ones included) and behind earlier
orders of clients. It is filled by rows as they are sent:

- A public trade against it. At a worse price than its own, the order is filled completely. At its price, the orders
  there get `quantity - ahead` lots, less what earlier ones got; then each has `quantity` lots less before it.
- A change of an opposite level. At a worse price for that level's owner than the order's, the order is filled
  completely and the level keeps its lots. At the same price, orders take its lots in turn.

Orders with better prices are filled first. A change of its own level leaves at most the displayed lots before an order;
clearing a side, before a new snapshot, changes no order's place. Fills by rows are dated with the row's venue time, but
not before anything that happened earlier at this matcher.
"""

from __future__ import annotations

from collections.abc import Iterator

from hftbacktest.types import BUY_EVENT, DEPTH_CLEAR_EVENT, DEPTH_EVENT, DEPTH_SNAPSHOT_EVENT, TRADE_EVENT

from arb.errors import InvariantError
from arb.sandbox.events import ASK, BID, BUY, SELL
from arb.sandbox.matching.book import DisplayedBook
from arb.sandbox.matching.matcher import Rows
from arb.sandbox.matching.orders import (
    End,
    EndReason,
    Estimate,
    Fill,
    Force,
    Order,
    Prevention,
    Result,
    is_beyond,
)
from arb.sandbox.matching.prevention import effective, meet
from arb.sandbox.matching.resting import RestingOrders

_LEVEL_EVENTS = (DEPTH_EVENT, DEPTH_SNAPSHOT_EVENT)


class LevelMatcher:
    """See the module and `arb.sandbox.matching.matcher.Matcher`. One thread."""

    def __init__(self, tick_size: float, lot_size: float) -> None:
        """The steps of prices and quantities in rows."""
        self._tick_size = tick_size
        self._lot_size = lot_size
        self._book = DisplayedBook()
        self._resting = RestingOrders()
        self._match_no = 0
        #: The time of the last call or result.
        self._latest_ns = 0

    @property
    def is_ready(self) -> bool:
        """See `Matcher`."""
        return not self._book.is_empty

    def place(self, order: Order, at_ns: int, bound: int | None = None) -> list[Result]:
        """See `Matcher`."""
        self._latest_ns = max(self._latest_ns, at_ns)
        if order.force == Force.POST_ONLY and self._would_take(order):
            return [End(order, EndReason.WOULD_TAKE, at_ns)]
        if order.force == Force.FOK and not self._is_fillable(order, bound):
            return [End(order, EndReason.FOK, at_ns)]
        results: list[Result] = []
        is_bounded = self._take(order, bound, at_ns, results)
        if not order.left:
            return results
        if is_bounded:
            results.append(End(order, EndReason.PRICE_LIMIT, at_ns))
        elif order.tick is None and not order.filled:
            results.append(End(order, EndReason.NO_LIQUIDITY, at_ns))
        elif order.tick is None or order.force in (Force.IOC, Force.FOK):
            results.append(End(order, EndReason.IOC_REST, at_ns))
        else:
            order.ahead = self._book.lots(order.side, order.tick)
            self._resting.add(order)
        return results

    def cancel(self, order: Order, at_ns: int) -> bool:
        """See `Matcher`."""
        self._latest_ns = max(self._latest_ns, at_ns)
        if order not in self._resting:
            return False
        self._resting.remove(order)
        return True

    def amend(
        self, order: Order, tick: int, lots: int, at_ns: int, *, keeps_place: bool, bound: int | None = None
    ) -> list[Result]:
        """See `Matcher`. A quantity that is already filled ends the order, which keeps its price and quantity; so does
        a post-only order that would take.

        Raises InvariantError for an order that does not rest.
        """
        if order not in self._resting:
            raise InvariantError(f"order {order.no} does not rest and cannot be amended")
        self._latest_ns = max(self._latest_ns, at_ns)
        is_smaller = tick == order.tick and lots <= order.lots
        is_used_up = lots <= order.filled + order.prevented
        if keeps_place and is_smaller and not is_used_up:
            order.lots = lots
            return []
        self._resting.remove(order)
        if is_used_up:
            return [End(order, EndReason.AMENDED_BELOW_FILL, at_ns)]
        order.tick, order.lots, order.arrived_ns = tick, lots, at_ns
        return self.place(order, at_ns, bound)

    def receive(self, rows: Rows, now_ns: int) -> list[Result]:
        """See `Matcher`."""
        results: list[Result] = []
        tick_size, lot_size, book, resting = self._tick_size, self._lot_size, self._book, self._resting
        has_orders = not resting.is_empty
        for event, exch_ts, _, px, qty, *_ in rows.tolist():
            kind = event & 0xFF
            side = BUY if event & BUY_EVENT else SELL
            if kind in _LEVEL_EVENTS:
                tick, lots = round(px / tick_size), round(qty / lot_size)
                book.set(side, tick, lots)
                if has_orders:
                    for order in resting.at(side, tick):
                        order.ahead = min(order.ahead, lots)
                    if lots > 0 and resting.is_reached(1 - side, tick):
                        self._on_level(side, tick, exch_ts, results)
            elif kind == TRADE_EVENT:
                tick = round(px / tick_size)
                if resting.is_reached(1 - side, tick):
                    self._on_trade(side, tick, round(qty / lot_size), exch_ts, results)
            elif kind == DEPTH_CLEAR_EVENT:
                book.clear(side)
        return results

    def advance(self, to_ns: int) -> list[Result]:
        """See `Matcher`: nothing."""
        return []

    def next_due_ns(self) -> int | None:
        """See `Matcher`: None."""
        return None

    def next_match_no(self) -> int:
        """See `Matcher`."""
        self._match_no += 1
        return self._match_no

    def touch(self) -> tuple[int | None, int | None]:
        """See `Matcher`."""
        return next(self._prices(BID), None), next(self._prices(ASK), None)

    def estimate(
        self, side: int, bound: int | None, *, lots: int | None = None, value: int | None = None
    ) -> Estimate:
        """See `Matcher`; without regard to self-trade prevention."""
        sum_lots = sum_value = 0
        worst: int | None = None
        for tick in self._prices(1 - side):
            if bound is not None and is_beyond(side, tick, bound):
                break
            offered = self._book.free(1 - side, tick) + sum(
                order.left for order in self._resting.at(1 - side, tick)
            )
            wanted = offered if lots is None else min(offered, lots - sum_lots)
            if value is not None and tick > 0:
                wanted = min(wanted, (value - sum_value) // tick)
            if wanted > 0:
                sum_lots += wanted
                sum_value += wanted * tick
                worst = tick
            if wanted < offered:
                break
        return Estimate(sum_lots, sum_value, worst)

    def _prices(self, side: int) -> Iterator[int]:
        """Ticks of a side with free displayed lots or resting orders, best first."""
        ticks = self._resting.ticks(side)
        for tick in self._book.walk(side):
            while ticks and is_beyond(1 - side, tick, ticks[0]):
                yield ticks.pop(0)
            if ticks and ticks[0] == tick:
                del ticks[0]
            yield tick
        yield from ticks

    def _would_take(self, order: Order) -> bool:
        best = next(self._prices(1 - order.side), None)
        return best is not None and (order.tick is None or not is_beyond(order.side, best, order.tick))

    def _is_fillable(self, order: Order, bound: int | None) -> bool:
        """Whether an order could be filled completely at once."""
        left, other = order.left, 1 - order.side
        for tick in self._prices(other):
            if is_beyond(order.side, tick, order.tick) or is_beyond(order.side, tick, bound):
                return False
            left -= self._book.free(other, tick)
            for maker in self._resting.at(other, tick):
                if left <= 0:
                    break
                mode = effective(order, maker)
                if mode == Prevention.NONE:
                    left -= maker.left
                elif mode != Prevention.EXPIRE_MAKER:
                    return False
            if left <= 0:
                return True
        return False

    def _take(self, order: Order, bound: int | None, at_ns: int, results: list[Result]) -> bool:
        """Executes an order at once as far as possible; returns whether only `bound` ended that."""
        side, other = order.side, 1 - order.side
        for tick in self._prices(other):
            if not order.left or is_beyond(side, tick, order.tick):
                return False
            if is_beyond(side, tick, bound):
                return True
            lots = min(order.left, self._book.free(other, tick))
            if lots > 0:
                self._book.take(other, tick, lots)
                self._fill(order, tick, lots, at_ns, results, is_maker=False)
            for maker in self._resting.at(other, tick):
                if not order.left:
                    return False
                results += meet(order, maker, tick, at_ns, self.next_match_no)
                if not maker.left:
                    self._resting.remove(maker)
        return False

    def _on_level(self, side: int, tick: int, exch_ts: int, results: list[Result]) -> None:
        """A level of `side` is displayed at a price that orders of the other side reach."""
        at_ns = self._dated(exch_ts)
        for order in self._resting.passed(1 - side, tick):
            self._fill_resting(order, order.left, at_ns, results)
        for order in self._resting.at(1 - side, tick):
            lots = min(order.left, self._book.free(side, tick))
            if lots <= 0:
                return
            self._book.take(side, tick, lots)
            self._fill_resting(order, lots, at_ns, results)

    def _on_trade(self, side: int, tick: int, lots: int, exch_ts: int, results: list[Result]) -> None:
        """A public trade with aggressor `side` at a price that orders of the other side reach."""
        at_ns = self._dated(exch_ts)
        for order in self._resting.passed(1 - side, tick):
            self._fill_resting(order, order.left, at_ns, results)
        used = 0
        for order in self._resting.at(1 - side, tick):
            reached = min(order.left, lots - order.ahead - used)
            order.ahead = max(0, order.ahead - lots)
            if reached > 0:
                used += reached
                self._fill_resting(order, reached, at_ns, results)

    def _dated(self, exch_ts: int) -> int:
        self._latest_ns = max(self._latest_ns, exch_ts)
        return self._latest_ns

    def _fill_resting(self, order: Order, lots: int, at_ns: int, results: list[Result]) -> None:
        """Fills a resting order by the displayed market, at its own price."""
        if order.tick is not None:
            self._fill(order, order.tick, lots, at_ns, results, is_maker=True)
        if not order.left:
            self._resting.remove(order)

    def _fill(
        self, order: Order, tick: int, lots: int, at_ns: int, results: list[Result], *, is_maker: bool
    ) -> None:
        """Fills an order by the displayed market."""
        order.filled += lots
        results.append(Fill(order, tick, lots, is_maker, at_ns, self.next_match_no()))
