"""The stream class of each venue."""

from __future__ import annotations

from collections.abc import Callable

from numpy.random import Generator

from arb.sandbox.binance import BinanceSpotStreams, BinanceUsdmStreams
from arb.sandbox.book import Book
from arb.sandbox.bybit import BybitLinearStreams, BybitSpotStreams
from arb.sandbox.events import Listing
from arb.sandbox.streams import Streams

#: By venue; arguments: a listing, its book at a time, a random generator and that time.
STREAMS: dict[str, Callable[[Listing, Book, Generator, int], Streams]] = {
    "binance_spot": BinanceSpotStreams,
    "binance_usdm": BinanceUsdmStreams,
    "bybit_spot": BybitSpotStreams,
    "bybit_linear": BybitLinearStreams,
}
