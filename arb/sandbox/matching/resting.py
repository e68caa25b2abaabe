"""The resting orders of all clients at one instrument: by price, and at one price in the order of their entry. Pure."""

from __future__ import annotations

from bisect import bisect_left, insort

from arb.errors import InvariantError
from arb.sandbox.events import SELL
from arb.sandbox.matching.orders import Order


class RestingOrders:
    """Orders with a price, by side (BUY, SELL) and tick. One thread."""

    def __init__(self) -> None:
        #: Sorted keys of each side's prices: the better, the smaller.
        self._keys: tuple[list[int], list[int]] = ([], [])
        self._orders: tuple[dict[int, list[Order]], dict[int, list[Order]]] = ({}, {})

    @property
    def is_empty(self) -> bool:
        """Whether no order rests."""
        return not self._keys[0] and not self._keys[1]

    def __contains__(self, order: Order) -> bool:
        return order.tick is not None and order in self._orders[order.side].get(order.tick, ())

    def add(self, order: Order) -> None:
        """Adds an order behind all others at its price. Raises InvariantError for a market order."""
        orders = self._orders[order.side]
        tick = _tick_of(order)
        if tick not in orders:
            insort(self._keys[order.side], _key(order.side, tick))
            orders[tick] = []
        orders[tick].append(order)

    def remove(self, order: Order) -> None:
        """Removes an order, which must be there."""
        side, tick = order.side, _tick_of(order)
        at_tick = self._orders[side][tick]
        at_tick.remove(order)
        if not at_tick:
            del self._orders[side][tick]
            keys = self._keys[side]
            del keys[bisect_left(keys, _key(side, tick))]

    def at(self, side: int, tick: int) -> list[Order]:
        """The orders at a price, first in the queue first; a copy."""
        return list(self._orders[side].get(tick, ()))

    def ticks(self, side: int) -> list[int]:
        """The prices of a side, best first."""
        keys = self._keys[side]
        return keys[:] if side == SELL else [-key for key in keys]

    def is_reached(self, side: int, tick: int) -> bool:
        """Whether an order of the side is at `tick` or at a better price."""
        keys = self._keys[side]
        return bool(keys) and keys[0] <= _key(side, tick)

    def passed(self, side: int, tick: int) -> list[Order]:
        """The orders of a side at better prices than `tick`, in the order of their execution."""
        keys, orders = self._keys[side], self._orders[side]
        better = keys[: bisect_left(keys, _key(side, tick))]
        return [order for key in better for order in orders[_key(side, key)]]


def _key(side: int, tick: int) -> int:
    """The sort key of a tick, and the tick of a key."""
    return tick if side == SELL else -tick


def _tick_of(order: Order) -> int:
    if order.tick is None:
        raise InvariantError(f"order {order.no} has no price and cannot rest")
    return order.tick
