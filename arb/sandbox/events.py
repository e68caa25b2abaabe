"""Types of the simulated market: listings, sides, and events of a book, in integer ticks and lots."""

from __future__ import annotations

from typing import NamedTuple

#: Sides of a book, and of an order: a BUY executes against the asks.
BID, ASK = 0, 1
BUY, SELL = 0, 1


class Listing(NamedTuple):
    """An instrument of a venue. Tick and lot are the venue's texts, which define the number format of frames."""

    venue: str
    symbol: str
    tick_size: str
    lot_size: str

    @property
    def is_spot(self) -> bool:
        return self.venue.endswith("_spot")


class LevelChange(NamedTuple):
    """A level changed its quantity: `lots` is absolute, 0 deletes it. `no` is the listing's number."""

    at_ns: int
    no: int
    side: int
    tick: int
    lots: int


class Execution(NamedTuple):
    """A taking order was executed: (tick, lots) of each level, best first. The level changes follow this event."""

    at_ns: int
    no: int
    side: int
    fills: tuple[tuple[int, int], ...]


Event = LevelChange | Execution
