"""Words of the simulated market: what is listed, sides, and what happens in a book. Integers of ticks and lots."""

from __future__ import annotations

from typing import NamedTuple

#: Sides of a book, and of an order: a BUY takes from the asks.
BID, ASK = 0, 1
BUY, SELL = 0, 1


class Listing(NamedTuple):
    """What is traded at a venue. Tick and lot are the venue's own texts: they shape the numbers of its frames."""

    venue: str
    symbol: str
    tick_size: str
    lot_size: str


class LevelChange(NamedTuple):
    """A level of a book has another quantity: `lots`, absolute; 0 takes it away. `no` is the listing's number."""

    at_ns: int
    no: int
    side: int
    tick: int
    lots: int


class Execution(NamedTuple):
    """One taking order met resting ones: (tick, lots) of each level, best first. The level changes follow it."""

    at_ns: int
    no: int
    side: int
    fills: tuple[tuple[int, int], ...]


Event = LevelChange | Execution
