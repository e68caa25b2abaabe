"""The levels of one simulated instrument. Ticks and lots are integers, so there are no rounding errors."""

from __future__ import annotations

from bisect import bisect_left, insort

from arb.errors import InvariantError
from arb.sandbox.events import ASK, BID


class Book:
    """Sorted lots by tick on both sides. One thread."""

    def __init__(self) -> None:
        #: Sorted ticks of the asks, and negated ones of the bids, so that the best of each side is first.
        self._keys: tuple[list[int], list[int]] = ([], [])
        self._lots: tuple[dict[int, int], dict[int, int]] = ({}, {})

    def copy(self) -> Book:
        """An independent book with the same levels."""
        book = Book()
        book._keys = (self._keys[BID].copy(), self._keys[ASK].copy())
        book._lots = (self._lots[BID].copy(), self._lots[ASK].copy())
        return book

    def best(self, side: int) -> int:
        """The tick of the best level. Raises InvariantError on an empty side, which the market never leaves."""
        keys = self._keys[side]
        if not keys:
            raise InvariantError("a side of the simulated book is empty")
        return keys[0] if side == ASK else -keys[0]

    def lots(self, side: int, tick: int) -> int:
        """The quantity at a tick; 0 if there is no level."""
        return self._lots[side].get(tick, 0)

    def count(self, side: int) -> int:
        """Number of levels on a side."""
        return len(self._keys[side])

    def tick_at(self, side: int, rank: int) -> int:
        """The tick of the level at index `rank`, best first."""
        key = self._keys[side][rank]
        return key if side == ASK else -key

    def levels(self, side: int, count: int) -> list[tuple[int, int]]:
        """The best `count` levels, best first, as (tick, lots)."""
        lots = self._lots[side]
        if side == ASK:
            return [(key, lots[key]) for key in self._keys[ASK][:count]]
        return [(-key, lots[-key]) for key in self._keys[BID][:count]]

    def ticks(self, side: int, count: int) -> list[int]:
        """The ticks of the best `count` levels, best first."""
        keys = self._keys[side][:count]
        return keys if side == ASK else [-key for key in keys]

    def set(self, side: int, tick: int, lots: int) -> None:
        """Sets a level's quantity; 0 deletes it. Raises InvariantError if the book would be locked or crossed."""
        keys, held = self._keys[side], self._lots[side]
        key = tick if side == ASK else -tick
        if lots == 0:
            if held.pop(tick, None) is not None:
                del keys[bisect_left(keys, key)]
            return
        if tick not in held:
            other = self._keys[1 - side]
            if other and key + other[0] <= 0:
                raise InvariantError(f"a level of side {side} at tick {tick} crosses the simulated book")
            insort(keys, key)
        held[tick] = lots
