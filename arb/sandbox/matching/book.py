"""The displayed book of a venue's instrument, and what orders of clients have taken from it. In ticks and lots. Pure.

A level's displayed lots are those of the venue's last change of it. What a client took is missing until the next one;
the public data never show it. Sides may cross between the rows of one frame.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator

from arb.sandbox.events import ASK, BID


class DisplayedBook:
    """Levels by side (BID, ASK) and tick. One thread."""

    def __init__(self) -> None:
        #: Sorted ticks of the bids and negated ones of the asks, so that the best of each side is last.
        self._keys: tuple[list[int], list[int]] = ([], [])
        self._lots: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self._taken: tuple[dict[int, int], dict[int, int]] = ({}, {})

    @property
    def is_empty(self) -> bool:
        """Whether no level is displayed on either side."""
        return not self._lots[BID] and not self._lots[ASK]

    def set(self, side: int, tick: int, lots: int) -> None:
        """Sets a level's displayed lots; 0 deletes it. What was taken from it is back."""
        held, taken = self._lots[side], self._taken[side]
        if taken:
            taken.pop(tick, None)
        if lots > 0:
            if tick not in held:
                insort(self._keys[side], _key(side, tick))
            held[tick] = lots
        elif held.pop(tick, None) is not None:
            keys = self._keys[side]
            del keys[bisect_left(keys, _key(side, tick))]

    def clear(self, side: int) -> None:
        """Deletes all levels of a side."""
        self._keys[side].clear()
        self._lots[side].clear()
        self._taken[side].clear()

    def lots(self, side: int, tick: int) -> int:
        """Displayed lots of a level; 0 if there is none."""
        return self._lots[side].get(tick, 0)

    def free(self, side: int, tick: int) -> int:
        """Displayed lots of a level that no client has taken."""
        return self._lots[side].get(tick, 0) - self._taken[side].get(tick, 0)

    def take(self, side: int, tick: int, lots: int) -> None:
        """A client takes lots, at most the free ones."""
        taken = self._taken[side]
        taken[tick] = taken.get(tick, 0) + lots

    def walk(self, side: int) -> Iterator[int]:
        """Ticks with free lots, best first. Lots may be taken meanwhile; levels may not be set."""
        lots, taken = self._lots[side], self._taken[side]
        for key in reversed(self._keys[side]):
            tick = _key(side, key)
            if lots[tick] > taken.get(tick, 0):
                yield tick


def _key(side: int, tick: int) -> int:
    """The sort key of a tick, and the tick of a key: the larger, the better."""
    return -tick if side == ASK else tick
