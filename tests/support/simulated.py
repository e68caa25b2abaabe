"""Small simulated markets, and the books that their streams must result in."""

from __future__ import annotations

from collections.abc import Iterator

from numpy.random import default_rng

from arb.sandbox.events import ASK, BID, Event, Listing
from arb.sandbox.market import Market
from arb.sandbox.streams import Frame, Streams
from arb.sandbox.venues import STREAMS
from connectors.units import SECOND as S

#: 2024-01-01 00:00 UTC.
START_NS = 1_704_067_200 * S
LISTINGS = {
    "binance_spot": Listing("binance_spot", "BTCUSDT", "0.01", "0.00001"),
    "binance_usdm": Listing("binance_usdm", "BTCUSDT", "0.10", "0.001"),
    "bybit_spot": Listing("bybit_spot", "BTCUSDT", "0.1", "0.000001"),
    "bybit_linear": Listing("bybit_linear", "BTCUSDT", "0.10", "0.001"),
}
PRICES = {"BTCUSDT": 42_280.0, "ETHUSDT": 2_282.0}


def market_of(*venues: str, seed: int = 7) -> Market:
    """A market of BTC at these venues."""
    return Market([LISTINGS[venue] for venue in venues], PRICES, default_rng(seed), START_NS)


def streams_of(market: Market) -> Streams:
    """The streams of the first listing of a market that has not moved yet."""
    listing = market.listings[0]
    return STREAMS[listing.venue](listing, market.book(0), default_rng(1), market.now_ns)


def drive(
    venue: str, seconds: int, seed: int = 7, steps_per_s: int = 1
) -> Iterator[tuple[Market, Streams, list[Event], list[Frame]]]:
    """A market of one venue and its streams, moved on step by step."""
    market = market_of(venue, seed=seed)
    streams = streams_of(market)
    for step in range(1, seconds * steps_per_s + 1):
        to_ns = START_NS + step * S // steps_per_s
        events = market.advance(to_ns)
        yield market, streams, events, streams.advance(events, to_ns)


def whole_book(streams: Streams, depth: int) -> list[list[tuple[int, int]]]:
    """Both sides of the book that the streams speak of, to a depth, as (tick, lots)."""
    return [streams.book.levels(side, depth) for side in (BID, ASK)]
