"""Numbers of new orders in time windows, as Binance limits them by account. Pure.

Windows begin at multiples of their length. Spot counts unfilled orders: the first fill of an order gives it back to
every window in which it was counted. Source: binance-spot-api-docs faqs/order_count_decrement.md (read 2026-07-21);
that maker fills may give back more is documented without a figure, and is not modelled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from connectors.units import SECOND

#: Windows by name, in ns.
WINDOWS_NS = {"10S": 10 * SECOND, "1M": 60 * SECOND, "1D": 86_400 * SECOND}


@dataclass
class _Count:
    window_no: int = -1
    orders: int = 0


class OrderCounts:
    """The counts of one account at one venue."""

    def __init__(self, limits: Mapping[str, int], *, gives_back: bool) -> None:
        """limits: most orders by window name, 0 for no limit. gives_back: whether fills give orders back."""
        self.limits = dict(limits)
        self._gives_back = gives_back
        self._counts = {name: _Count() for name in limits}

    def full(self, now_ns: int) -> str | None:
        """The first window that admits no more orders."""
        for name, most in self.limits.items():
            if most and self._count(name, now_ns).orders >= most:
                return name
        return None

    def add(self, now_ns: int) -> None:
        """Counts a new order."""
        for name in self.limits:
            self._count(name, now_ns).orders += 1

    def give_back(self, placed_ns: int, now_ns: int) -> None:
        """The first fill of an order that was placed at `placed_ns`."""
        if not self._gives_back:
            return
        for name in self.limits:
            count = self._count(name, now_ns)
            if placed_ns // WINDOWS_NS[name] == count.window_no and count.orders > 0:
                count.orders -= 1

    def present(self, now_ns: int) -> dict[str, int]:
        """The counts of the present windows, by name."""
        return {name: self._count(name, now_ns).orders for name in self.limits}

    def _count(self, name: str, now_ns: int) -> _Count:
        count = self._counts[name]
        number = now_ns // WINDOWS_NS[name]
        if number != count.window_no:
            count.window_no, count.orders = number, 0
        return count
