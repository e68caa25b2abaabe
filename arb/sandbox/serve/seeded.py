"""The seeded market as an endless tape of all streams that the sandbox serves.

Streams that a recorder does not subscribe to have their own random generators, so that ids and lags do not depend on
the subscribers. The same seed gives the same content, from any start time. Pure; one thread.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter

from numpy.random import Generator

from arb.sandbox.events import Event, Listing
from arb.sandbox.market import Market
from arb.sandbox.profiles import MODEST, Dislocations
from arb.sandbox.serve.tape import Line
from arb.sandbox.serve.venues import FAMILIES
from arb.sandbox.streams import Streams
from arb.sandbox.venues import STREAMS


class SeededTape:
    """Frames of a market of all listings."""

    has_ended = False

    def __init__(
        self,
        listings: Sequence[Listing],
        prices: Mapping[str, float],
        chance: Generator,
        start_ns: int,
        stamp: Callable[[int], int] | None = None,
        dislocations: Dislocations = MODEST,
    ) -> None:
        """`prices`: starting price of each symbol; `stamp`: converts a market time to the ms in frames, if given."""
        self.listings = tuple(listings)
        self.start_ns = start_ns
        self._market = Market(listings, prices, chance, start_ns, dislocations)
        self._streams: list[Streams] = []
        for no, listing in enumerate(listings):
            own, more = chance.spawn(2)
            streams = STREAMS[listing.venue](listing, self._market.book(no), own, start_ns)
            streams.add_depths(more)
            if stamp is not None:
                streams.stamp = stamp
            self._streams.append(streams)
        #: Frames with a send time after the market's current time.
        self._ahead: list[Line] = []

    def advance(self, to_ns: int) -> list[Line]:
        """See `Tape`."""
        by_listing: list[list[Event]] = [[] for _ in self._streams]
        for event in self._market.advance(to_ns):
            by_listing[event.no].append(event)
        lines = self._ahead
        for no, (streams, events) in enumerate(zip(self._streams, by_listing, strict=True)):
            key_of = FAMILIES[self.listings[no].venue].key_of
            for send_ns, text in streams.advance(events, to_ns):
                lines.append(Line(send_ns, no, key_of(text), text))
        lines.sort()
        count = bisect_right(lines, to_ns, key=attrgetter("send_ns"))
        self._ahead = lines[count:]
        return lines[:count]

    def snapshot(self, no: int) -> str | None:
        """See `Tape`; of the matching engine's book, which is ahead of the streams as at a venue."""
        return self._streams[no].snapshot()

    def source_of(self, no: int, key: str) -> str | None:
        """See `Tape`."""
        return key if key in self._streams[no].keys else None
