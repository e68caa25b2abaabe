"""Books derived from the sent frames, for snapshots to new subscribers and REST responses.

Frames are queued as text and applied only when the book is needed or the queue is full. Levels keep the texts of the
frames, so that they are returned as the venue wrote them. Pure; one thread.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

#: Most queued frames; at the limit they are applied, which orders must wait for.
WAITING_MAX = 32

Level = tuple[str, str]


class Sides:
    """Levels by price, both as texts."""

    def __init__(self) -> None:
        self._bids: dict[str, str] = {}
        self._asks: dict[str, str] = {}

    def clear(self) -> None:
        self._bids.clear()
        self._asks.clear()

    def set(self, bids: list[Level], asks: list[Level]) -> None:
        """Sets absolute quantities; zero in any spelling deletes a level."""
        for levels, held in ((bids, self._bids), (asks, self._asks)):
            for px, qty in levels:
                if qty.strip("0.") == "":
                    held.pop(px, None)
                else:
                    held[px] = qty

    def best(self, count: int) -> tuple[list[Level], list[Level]]:
        """The best levels of both sides, best first."""
        bids = sorted(self._bids.items(), key=_price, reverse=True)[:count]
        asks = sorted(self._asks.items(), key=_price)[:count]
        return bids, asks


class FollowedBook(ABC):
    """The book of one stream."""

    def __init__(self) -> None:
        self.sides = Sides()
        #: The venue's id of the book; 0 until the book has been complete once.
        self.last_id = 0
        self._waiting: list[str] = []

    def receive(self, text: str) -> None:
        """A frame of the stream."""
        self._waiting.append(text)
        if len(self._waiting) >= WAITING_MAX:
            self.settle()

    @abstractmethod
    def settle(self) -> None:
        """Applies the queued frames."""


def levels_text(levels: list[Level]) -> str:
    """Levels as JSON text."""
    return "[" + ",".join([f'["{px}","{qty}"]' for px, qty in levels]) + "]"


def _price(level: Level) -> float:
    return float(level[0])
