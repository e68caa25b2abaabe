"""A plain second matcher: the rules of both matchings in decimals, dicts and lists, as slow as it likes.

It was written from the documents, without the sandbox's own matcher, so that a difference between the two is a mistake
of one of them. `ReferenceLevels` matches the orders of one instrument; `reference_whole` has the other matching.

Readings (where the text allows more than one):

1. A row of a level, also one with an unchanged quantity, is a change of that level: what was taken of it is back.
   A clear deletes levels and with them what was taken; it does not change `ahead`, as in hftbacktest.
2. An order that begins to rest has all displayed lots of its price before it, also those that takers of the sandbox
   took: the public book still shows them.
3. A trade fills each order that it strictly passed whole, at the order's price, whatever the trade's quantity. At its
   price, the orders share in order of time: an order gets what exceeds the lots before it and what older ones got.
4. A displayed opposite level that is strictly better than an order's price fills it whole and takes nothing from that
   level; at the same price the order gets at most what is free there, which is then taken.
5. A row's makers are filled in order of price, then time. Fills of makers have the row's venue time, but never one
   before an earlier request, or row that reached an order: times of a matcher do not decrease.
6. At one price a taker first gets what is displayed, then meets resting orders in order of time. Of two clients'
   fills the taker's is the first.
7. A market order that found nothing at all ends with NO_LIQUIDITY, with fills with IOC_REST, also if self-trade
   prevention removed what was there (scenario F of stp_faq.md: EXPIRED, not EXPIRED_IN_MATCH).
8. FOK counts only what it would really get: orders that EXPIRE_MAKER would remove are no liquidity; if it would meet
   an order that ends or diminishes the taker, it is not fillable, and nothing is changed.
9. Beyond the bound an order ends with PRICE_LIMIT only if there is something within its own limit to execute there.
   A FOK order that the bound makes unfillable ends with FOK.
10. EXPIRE_* take the whole left of an order into its prevented quantity, as stp_faq.md shows, but the match itself
    reports what both would have executed.
11. TRANSFER of both orders between two accounts acts as DECREMENT here, and what is transferred is reported; the
    accounts move it (stp_faq.md, scenario H). Prevention of `whole`: none, resting orders are not in its book.
12. Post-only looks at what is free and at resting orders of all accounts, prevented or not.
13. An amended order that loses its place is matched like a new one, also as a taker.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

BUY, SELL = 0, 1
GTC, IOC, FOK, POST_ONLY = "GTC", "IOC", "FOK", "POST_ONLY"
ZERO = Decimal(0)


@dataclass(eq=False)
class Resting:
    """An order: price None is a market order."""

    no: int
    account: str
    group: int
    side: int
    force: str
    price: Decimal | None
    quantity: Decimal
    prevention: str
    arrived_ns: int = 0
    filled: Decimal = ZERO
    prevented: Decimal = ZERO
    ahead: Decimal = ZERO

    @property
    def left(self) -> Decimal:
        return self.quantity - self.filled - self.prevented


class Row(NamedTuple):
    """A changed level, a trade (`side`: its aggressor) or a clear (`side` None: both; `price` None: all of it)."""

    kind: str
    side: int | None
    price: Decimal | None
    quantity: Decimal
    at_ns: int


class Filled(NamedTuple):
    order: Resting
    price: Decimal
    quantity: Decimal
    is_maker: bool
    at_ns: int
    counter: Resting | None


class Ended(NamedTuple):
    order: Resting
    reason: str
    at_ns: int


class Stopped(NamedTuple):
    """A self-trade that was prevented; `is_transfer`: its quantity moves between the two accounts."""

    taker: Resting
    maker: Resting
    price: Decimal
    quantity: Decimal
    at_ns: int
    is_transfer: bool


Outcome = Filled | Ended | Stopped


def is_passed(side: int, limit: Decimal | None, price: Decimal) -> bool:
    """Whether an order of `side` with this limit may not be executed at `price`."""
    if limit is None:
        return False
    return price > limit if side == BUY else price < limit


def best_first(side: int, prices: set[Decimal]) -> list[Decimal]:
    """Prices that an order of `side` takes, best first."""
    return sorted(prices, reverse=side == SELL)


def effective_prevention(taker: Resting, maker: Resting) -> str:
    """The mode that applies between two orders; NONE between strangers."""
    is_own = taker.account == maker.account or (taker.group != -1 and taker.group == maker.group)
    if not is_own:
        return "NONE"
    if taker.prevention == "TRANSFER" and maker.prevention != "TRANSFER":
        return "DECREMENT"
    return taker.prevention


class Reference:
    """What both matchings have in common: resting orders in a list."""

    def __init__(self) -> None:
        self.orders: list[Resting] = []
        self.is_ready = False
        self.last_trade: Decimal | None = None
        #: Of the latest request, or row that reached an order.
        self.latest_ns = 0

    def own(self, side: int) -> list[Resting]:
        """Resting orders of a side, best price first, then the oldest."""
        sign = -1 if side == BUY else 1
        return sorted(
            (one for one in self.orders if one.side == side),
            key=lambda one: (sign * one.price, one.arrived_ns, one.no),
        )

    def cancel(self, order: Resting, now_ns: int) -> bool:
        self.latest_ns = max(self.latest_ns, now_ns)
        if order not in self.orders:
            return False
        self.leave(order)
        return True

    def leave(self, order: Resting) -> None:
        """Removes a resting order."""
        self.orders.remove(order)

    def give(
        self,
        order: Resting,
        price: Decimal,
        quantity: Decimal,
        is_maker: bool,
        at_ns: int,
        counter: Resting | None = None,
    ) -> Filled:
        order.filled += quantity
        at_ns = self.latest_ns = max(self.latest_ns, at_ns)
        if order.left == 0 and order in self.orders:
            self.leave(order)
        return Filled(order, price, quantity, is_maker, at_ns, counter)


class ReferenceLevels(Reference):
    """Matching `levels`."""

    def __init__(self) -> None:
        super().__init__()
        self.displayed: dict[tuple[int, Decimal], Decimal] = {}
        self.taken: dict[tuple[int, Decimal], Decimal] = {}

    def free(self, side: int, price: Decimal) -> Decimal:
        """Displayed at a price and not taken."""
        return self.displayed.get((side, price), ZERO) - self.taken.get((side, price), ZERO)

    def prices(self, side: int) -> set[Decimal]:
        """Where an order against `side` of the book finds something, displayed or of another client."""
        shown = {price for at, price in self.displayed if at == side and self.free(side, price) > 0}
        return shown | {one.price for one in self.orders if one.side == side and one.price is not None}

    def touch(self) -> tuple[Decimal | None, Decimal | None]:
        return max(self.prices(BUY), default=None), min(self.prices(SELL), default=None)

    def receive(self, row: Row) -> list[Outcome]:
        """Applies a row: its fills of resting orders."""
        if row.kind == "clear":
            for side, price in list(self.displayed):
                is_up_to = row.price is None or not is_passed(1 - side, row.price, price)
                if row.side in (None, side) and is_up_to:
                    del self.displayed[side, price]
                    self.taken.pop((side, price), None)
            return []
        assert row.side is not None
        assert row.price is not None
        if row.kind == "trade":
            self.last_trade = row.price
            return self._trade(row, row.side, row.price)
        return self._level(row, row.side, row.price)

    def _level(self, row: Row, side: int, price: Decimal) -> list[Outcome]:
        self.is_ready = True
        self.taken.pop((side, price), None)
        if row.quantity == 0:
            self.displayed.pop((side, price), None)
        else:
            self.displayed[side, price] = row.quantity
        for order in self.orders:
            if order.side == side and order.price == price:
                order.ahead = min(order.ahead, row.quantity)
        outcomes: list[Outcome] = []
        for order in self.own(1 - side) if row.quantity else ():
            assert order.price is not None
            if is_passed(order.side, order.price, price):
                continue
            quantity = order.left
            if order.price == price:
                quantity = min(quantity, self.free(side, price))
                self.taken[side, price] = self.taken.get((side, price), ZERO) + quantity
            if quantity:
                outcomes.append(self.give(order, order.price, quantity, True, row.at_ns))
        return outcomes

    def _trade(self, row: Row, aggressor: int, price: Decimal) -> list[Outcome]:
        outcomes: list[Outcome] = []
        given = ZERO
        for order in self.own(1 - aggressor):
            assert order.price is not None
            if is_passed(aggressor, price, order.price):
                continue
            self.latest_ns = max(self.latest_ns, row.at_ns)
            quantity = order.left
            if order.price == price:
                quantity = min(order.left, row.quantity - order.ahead - given)
                order.ahead = max(ZERO, order.ahead - row.quantity)
                given += max(ZERO, quantity)
            if quantity > 0:
                outcomes.append(self.give(order, order.price, quantity, True, row.at_ns))
        return outcomes

    def place(self, order: Resting, now_ns: int, bound: Decimal | None = None) -> list[Outcome]:
        """Matches an order; it rests if it may and something is left."""
        order.arrived_ns = self.latest_ns = now_ns
        against = 1 - order.side
        if order.force == POST_ONLY:
            if any(not is_passed(order.side, order.price, price) for price in self.prices(against)):
                return [Ended(order, "WOULD_TAKE", now_ns)]
        if order.force == FOK and self._fillable(order, bound) < order.left:
            return [Ended(order, "FOK", now_ns)]
        outcomes: list[Outcome] = []
        for price in self._path(order):
            if is_passed(order.side, bound, price):
                return [*outcomes, Ended(order, "PRICE_LIMIT", now_ns)]
            quantity = min(order.left, max(ZERO, self.free(against, price)))
            if quantity:
                self.taken[against, price] = self.taken.get((against, price), ZERO) + quantity
                outcomes.append(self.give(order, price, quantity, False, now_ns))
            for maker in [one for one in self.own(against) if one.price == price]:
                if order.left and self._meet(order, maker, price, now_ns, outcomes):
                    return outcomes
            if not order.left:
                return outcomes
        if order.price is None or order.force in (IOC, FOK):
            is_empty = order.price is None and not order.filled
            return [*outcomes, Ended(order, "NO_LIQUIDITY" if is_empty else "IOC_REST", now_ns)]
        order.ahead = self.displayed.get((order.side, order.price), ZERO)
        self.orders.append(order)
        return outcomes

    def _path(self, order: Resting) -> list[Decimal]:
        """Prices within the order's limit, best first."""
        prices = best_first(order.side, self.prices(1 - order.side))
        return [price for price in prices if not is_passed(order.side, order.price, price)]

    def _meet(
        self, taker: Resting, maker: Resting, price: Decimal, now_ns: int, outcomes: list[Outcome]
    ) -> bool:
        """A taker meets a resting order. Whether the taker ended."""
        mode = effective_prevention(taker, maker)
        quantity = min(taker.left, maker.left)
        if mode == "NONE":
            outcomes.append(self.give(taker, price, quantity, False, now_ns, maker))
            outcomes.append(self.give(maker, price, quantity, True, now_ns, taker))
            return False
        is_transfer = mode == "TRANSFER" and taker.account != maker.account
        outcomes.append(Stopped(taker, maker, price, quantity, now_ns, is_transfer))
        if mode in ("DECREMENT", "TRANSFER"):
            maker.prevented += quantity
            taker.prevented += quantity
        if mode in ("EXPIRE_MAKER", "EXPIRE_BOTH"):
            maker.prevented += maker.left
        if mode in ("EXPIRE_TAKER", "EXPIRE_BOTH"):
            taker.prevented += taker.left
        if not maker.left:
            self.orders.remove(maker)
            outcomes.append(Ended(maker, "PREVENTED", now_ns))
        if not taker.left:
            outcomes.append(Ended(taker, "PREVENTED", now_ns))
            return True
        return False

    def _fillable(self, order: Resting, bound: Decimal | None) -> Decimal:
        """What a FOK order would get, at most what it wants."""
        found = ZERO
        for price in self._path(order):
            if is_passed(order.side, bound, price):
                break
            found += max(ZERO, self.free(1 - order.side, price))
            for maker in [one for one in self.own(1 - order.side) if one.price == price]:
                if found >= order.left:
                    break
                mode = effective_prevention(order, maker)
                if mode == "NONE":
                    found += maker.left
                elif mode != "EXPIRE_MAKER":
                    return ZERO
        return min(found, order.left)

    def amend(
        self,
        order: Resting,
        price: Decimal,
        quantity: Decimal,
        now_ns: int,
        keeps_place: bool,
        bound: Decimal | None = None,
    ) -> list[Outcome]:
        """Changes a resting order; `quantity` is the total."""
        is_kept = keeps_place and price == order.price and quantity <= order.quantity
        self.latest_ns = now_ns
        order.price, order.quantity = price, quantity
        if order.left <= 0:
            self.orders.remove(order)
            return [Ended(order, "AMENDED_BELOW_FILL", now_ns)]
        if is_kept:
            return []
        self.orders.remove(order)
        return self.place(order, now_ns, bound)

    def walk(self, side: int, bound: Decimal | None) -> Iterator[tuple[Decimal, Decimal]]:
        """What an order of `side` would find, (price, quantity), without regard to prevention."""
        for price in best_first(side, self.prices(1 - side)):
            if is_passed(side, bound, price):
                return
            resting = sum(
                (one.left for one in self.orders if one.side == 1 - side and one.price == price), ZERO
            )
            yield price, max(ZERO, self.free(1 - side, price)) + resting
