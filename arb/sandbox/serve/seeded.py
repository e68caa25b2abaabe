"""The seeded market as an endless tape of all streams that the sandbox serves.

Streams that a recorder does not subscribe to have their own random generators, so that ids and lags do not depend on
the subscribers. The same seed gives the same content, from any start time. Pure; one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from numpy.random import Generator

from arb.sandbox.binance import BinanceStreams
from arb.sandbox.bybit import BybitStreams
from arb.sandbox.events import Event, Listing
from arb.sandbox.market import Market
from arb.sandbox.price import MS
from arb.sandbox.serve.tape import Line, key_of
from arb.sandbox.streams import Streams
from arb.sandbox.venues import STREAMS

#: Depth streams besides those that a recorder subscribes to, and their intervals. For `@depth@0ms` of USD-M it is the
#: shortest interval, as in recordings.
_BINANCE_DEPTHS = {
    "binance_spot": {"depth": 1000 * MS},
    "binance_usdm": {"depth": 250 * MS, "depth@500ms": 500 * MS, "depth@0ms": 20 * MS},
}
_BYBIT_DEPTHS = {200: 100 * MS, 1000: 200 * MS}


class SeededTape:
    """Frames of a market of all listings. One thread."""

    has_ended = False

    def __init__(
        self,
        listings: Sequence[Listing],
        prices: Mapping[str, float],
        chance: Generator,
        start_ns: int,
        stamp: Callable[[int], int] | None = None,
    ) -> None:
        """`prices`: starting price of each symbol; `stamp`: converts a market time to the ms in frames, if given."""
        self.listings = tuple(listings)
        self.start_ns = start_ns
        self._market = Market(listings, prices, chance, start_ns)
        self._streams: list[Streams] = []
        for no, listing in enumerate(listings):
            own, more = chance.spawn(2)
            streams = STREAMS[listing.venue](listing, self._market.book(no), own, start_ns)
            if isinstance(streams, BinanceStreams):
                for stream, interval_ns in _BINANCE_DEPTHS[listing.venue].items():
                    streams.add_depth(stream, interval_ns, more)
            elif isinstance(streams, BybitStreams):
                for depth, interval_ns in _BYBIT_DEPTHS.items():
                    streams.add_depth(depth, interval_ns, more)
            if stamp is not None:
                streams.stamp = stamp
            self._streams.append(streams)
        self._keys: list[set[str]] = [set(_keys(listing)) for listing in listings]
        #: Frames with a send time after the market's current time.
        self._ahead: list[Line] = []

    def advance(self, to_ns: int) -> list[Line]:
        """See `Tape`."""
        by_listing: list[list[Event]] = [[] for _ in self._streams]
        for event in self._market.advance(to_ns):
            by_listing[event.no].append(event)
        lines = self._ahead
        for no, (streams, events) in enumerate(zip(self._streams, by_listing, strict=True)):
            venue = self.listings[no].venue
            for send_ns, text in streams.advance(events, to_ns):
                lines.append(Line(send_ns, no, key_of(venue, text), text))
        lines.sort()
        count = _count_until(lines, to_ns)
        self._ahead = lines[count:]
        return lines[:count]

    def snapshot(self, no: int) -> str | None:
        """See `Tape`; of the matching engine's book, which is ahead of the streams as at a venue."""
        streams = self._streams[no]
        return streams.snapshot() if isinstance(streams, BinanceStreams) else None

    def source_of(self, no: int, key: str) -> str | None:
        """See `Tape`."""
        return key if key in self._keys[no] else None


def _keys(listing: Listing) -> list[str]:
    """The served streams of a listing."""
    if listing.venue in _BINANCE_DEPTHS:
        names = ("depth@100ms", *_BINANCE_DEPTHS[listing.venue], "bookTicker", "trade")
        return [f"{listing.symbol.lower()}@{name}" for name in names]
    names = ("orderbook.50", "orderbook.1", *(f"orderbook.{depth}" for depth in _BYBIT_DEPTHS), "publicTrade")
    return [f"{name}.{listing.symbol}" for name in names]


def _count_until(lines: Sequence[Line], to_ns: int) -> int:
    low, high = 0, len(lines)
    while low < high:
        middle = (low + high) // 2
        if lines[middle].send_ns <= to_ns:
            low = middle + 1
        else:
            high = middle
    return low
