"""The stream class of each venue."""

from __future__ import annotations

from collections.abc import Callable

from numpy.random import Generator

from arb.sandbox.binance import BinanceStreams
from arb.sandbox.book import Book
from arb.sandbox.bybit import BybitStreams
from arb.sandbox.events import Listing
from arb.sandbox.streams import Streams

#: By venue; arguments: a listing, its book at a time, a random generator and that time.
STREAMS: dict[str, Callable[[Listing, Book, Generator, int], Streams]] = {
    "binance_spot": BinanceStreams,
    "binance_usdm": BinanceStreams,
    "bybit_spot": BybitStreams,
    "bybit_linear": BybitStreams,
}
