"""Positions of perpetuals at one venue, compared again and again with the executions of the session. Pure.

An answer may be older or newer than the executions that have arrived, so a difference counts when it is the same in
`TIMES` answers in a row.
"""

from __future__ import annotations

from collections.abc import Mapping

TIMES = 3


class PositionWatch:
    """The positions of a desk's legs, in lots, signed."""

    def __init__(self, opening: Mapping[int, int]) -> None:
        """opening: the position of each leg at the session's start."""
        self._lots = dict(opening)
        #: By leg: the last difference, and how often in a row it was found.
        self._found: dict[int, tuple[int, int]] = {}
        #: Legs whose position differs.
        self.differs: set[int] = set()

    def executed(self, leg: int, lots: int) -> None:
        """An execution: bought, or sold if negative."""
        self._lots[leg] = self._lots.get(leg, 0) + lots

    def lots(self, leg: int) -> int:
        """The position of a leg by its executions."""
        return self._lots.get(leg, 0)

    def difference(self, leg: int) -> int:
        """What the venue's position has beyond that by executions, in lots; 0 unless it differs."""
        return self._found[leg][0] if leg in self.differs else 0

    def at_venue(self, leg: int) -> int:
        """The position of a leg that the venue has said; that by executions unless it differs."""
        return self.lots(leg) + self.difference(leg)

    @property
    def is_in_doubt(self) -> bool:
        """Whether a difference was found that does not count yet."""
        return any(leg not in self.differs for leg in self._found)

    def compare(self, leg: int, at_venue: int) -> bool:
        """Takes a position that the venue said; returns whether what is known of it has changed."""
        difference = at_venue - self.lots(leg)
        if not difference:
            self._found.pop(leg, None)
            if leg in self.differs:
                self.differs.discard(leg)
                return True
            return False
        last, times = self._found.get(leg, (0, 0))
        times = times + 1 if difference == last else 1
        self._found[leg] = difference, times
        if times >= TIMES and leg not in self.differs:
            self.differs.add(leg)
            return True
        return False
