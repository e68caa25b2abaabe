"""Rows of one instrument from the frames that are sent, as a recorder connected to the sandbox derives them. Pure.

One `Pipeline` decodes the streams that a recorder subscribes to (docs/decisions/0027). Its local time is the time of
sending, on the clock of the times in frames, and its clock offset and feed latency are 0: a frame without a venue time
has the time at which it is sent. Other streams are ignored, so is a frame that cannot be decoded; if it was one of
the book, the next one shows the gap, and the book is unknown until a snapshot.

Loading this module loads the compiled decoders (about a second with a warm cache).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

import numpy as np
from hftbacktest.types import event_dtype

from arb.sandbox.events import Listing
from arb.sandbox.matching.matcher import Rows
from connectors.binance import BinanceSpot, BinanceUsdm
from connectors.bybit import BybitLinear, BybitSpot
from connectors.errors import DecodeError, InstrumentError
from connectors.feed.pipeline import Pipeline, warm_up
from connectors.model import Instrument, Kind, Stream, Venue
from connectors.parsing.batch import Batch

_VENUES: dict[str, type[Venue]] = {
    "binance_spot": BinanceSpot,
    "binance_usdm": BinanceUsdm,
    "bybit_spot": BybitSpot,
    "bybit_linear": BybitLinear,
}

_ANY_LEAD = 2**62
_NO_ROWS: Rows = np.zeros(0, event_dtype)


class VenueRows:
    """See the module. One thread; times never decrease."""

    def __init__(
        self,
        listing: Listing,
        source_of: Callable[[str], str | None] = lambda key: key,
        feed_latency_ns: int = 0,
    ) -> None:
        """source_of: the stream that serves a key (`Tape.source_of` of the listing); None: none does."""
        venue = _VENUES[listing.venue]()
        topics = {stream: source_of(topic) for stream, topic in _topics(venue, listing.symbol)}
        trade_kind = Kind.AGG_TRADE if topics[Stream.TRADE] is None else Kind.TRADE
        self._keys = frozenset(key for key in topics.values() if key)
        instrument = Instrument(
            listing.venue, listing.symbol, float(listing.tick_size), float(listing.lot_size)
        )
        self._pipeline = Pipeline(venue, instrument, feed_latency_ns, trade_kind)
        self._frame = Batch()

    @property
    def needs_snapshot(self) -> bool:
        """Whether the book is unknown until `snapshot` is called with a REST depth response."""
        return self._pipeline.needs_fetch

    def receive(self, key: str, text: str, now_ns: int) -> Rows:
        """The rows of a frame of stream `key` that is sent now; a view, valid until the next call."""
        if key not in self._keys:
            return _NO_ROWS
        frame, pipeline, loop = text.encode(), self._pipeline, self._pipeline.loop
        self._frame.clear()
        self._frame.frames.append(frame)
        self._frame.stamps.append(now_ns)
        # The frame's stream is only counted, by nobody; no lead of a venue time changes the offset.
        code = loop.take(self._frame, 0, plain_max=1, stream=0, lead_max=_ANY_LEAD)
        if loop.row_ends:
            return loop.rows[: loop.row_ends[0]]
        try:
            pipeline.finish_decoding(code, frame, now_ns)
        except DecodeError:
            return _NO_ROWS
        pipeline.receive(0)
        return pipeline.rows

    def snapshot(self, text: str, now_ns: int) -> Rows:
        """The rows of a REST depth response, which has effect once a change of the book joins it; a view likewise."""
        pipeline = self._pipeline
        try:
            pipeline.decode_snapshot(text.encode(), now_ns)
        except DecodeError:
            return _NO_ROWS
        pipeline.receive(0)
        return pipeline.rows


def _topics(venue: Venue, symbol: str) -> Iterator[tuple[Stream, str]]:
    """The streams that a venue has, of those that make rows."""
    for stream in (Stream.DEPTH, Stream.TOUCH, Stream.TRADE, Stream.AGG_TRADE, Stream.MARK_PRICE):
        with suppress(InstrumentError):
            yield stream, venue.topic(stream, symbol)


def load_decoders(listings: Iterable[Listing]) -> None:
    """Loads the compiled functions that `VenueRows` of these listings need."""
    for listing in listings:
        instrument = Instrument(
            listing.venue, listing.symbol, float(listing.tick_size), float(listing.lot_size)
        )
        warm_up(_VENUES[listing.venue](), instrument)
