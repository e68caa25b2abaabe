"""State of one venue's instruments in the server: first frames for new subscribers, and the data of REST responses.

It processes every sent frame, with or without subscribers, so that the first frame of a client is consistent with the
following ones. Pure; one thread.
"""

from __future__ import annotations

from collections.abc import Iterable

from arb.sandbox.events import Listing
from arb.sandbox.serve.derived import BinanceDerived, BybitDerived, Derived, Sent
from arb.sandbox.serve.followed import BinanceBook, BybitBook, levels_text
from arb.sandbox.serve.tape import SNAPSHOT, Line, Tape

#: Depths of Bybit's book topics; the REST response uses the deepest one with a known book.
_BYBIT_DEPTHS = (1000, 200, 50)


class Instrument:
    """One listing at a venue."""

    #: The streams that are derived from others.
    derived: Derived

    def __init__(self, no: int, listing: Listing, tape: Tape) -> None:
        self.no = no
        self.listing = listing
        self._tape = tape

    def source_of(self, key: str) -> str | None:
        """The stream that serves subscriptions to `key`; None if there is none."""
        if self.is_derived(key):
            return key
        return self._tape.source_of(self.no, key)

    def is_derived(self, key: str) -> bool:
        """Whether `key` is derived from other streams; a recorded stream has priority."""
        return key in self.derived.keys and self._tape.source_of(self.no, key) is None

    def due(self, now_ms: int) -> list[Sent]:
        """The derived frames that are due."""
        return [sent for sent in self.derived.due(now_ms) if self.is_derived(sent[0])]


class BinanceInstrument(Instrument):
    """A listing of Binance spot or USD-M."""

    def __init__(self, no: int, listing: Listing, tape: Tape) -> None:
        super().__init__(no, listing, tape)
        self.derived = BinanceDerived(listing)
        self._book = BinanceBook()
        self._is_spot = listing.venue == "binance_spot"
        #: Whether snapshots are built from the frames, since the tape has none.
        self._is_rebuilt = tape.snapshot(no) is None
        self._depth_key = tape.source_of(no, f"{listing.symbol.lower()}@depth@100ms")

    def follow(self, line: Line) -> None:
        """Processes a sent frame, or a recorded snapshot."""
        if line.key == SNAPSHOT:
            self._book.receive_snapshot(line.text)
        elif line.key == self._depth_key:
            if self._is_rebuilt:
                self._book.receive(line.text)
        else:
            self.derived.receive(line.key, line.text)

    def depth(self, limit: int) -> str | None:
        """The response of the REST depth endpoint; None while the book is not known."""
        whole = self._tape.snapshot(self.no)
        if whole is not None:
            return _cut(whole, limit)
        self._book.settle()
        book = self._book
        if not book.is_known:
            return None
        times = "" if self._is_spot else f'"E":{book.event_ms},"T":{book.transaction_ms},'
        bids, asks = book.sides.best(limit)
        return (
            f'{{"lastUpdateId":{book.last_id},{times}"bids":{levels_text(bids)},"asks":{levels_text(asks)}}}'
        )

    def opening(self, key: str, now_ms: int) -> list[str]:
        """The first frames for a new subscriber of `key`: none on Binance."""
        return []


class BybitInstrument(Instrument):
    """A listing of Bybit spot or linear."""

    def __init__(self, no: int, listing: Listing, tape: Tape) -> None:
        super().__init__(no, listing, tape)
        symbol = listing.symbol
        self._books = {
            f"orderbook.{depth}.{symbol}": BybitBook()
            for depth in _BYBIT_DEPTHS
            if tape.source_of(no, f"orderbook.{depth}.{symbol}") is not None
        }
        ticker_book = self._books.get(f"orderbook.50.{symbol}") or next(
            iter(self._books.values()), BybitBook()
        )
        self.derived = BybitDerived(listing, ticker_book)
        self._touch = ""

    def follow(self, line: Line) -> None:
        """Processes a sent frame."""
        book = self._books.get(line.key)
        if book is not None:
            book.receive(line.text)
        elif line.key.startswith("orderbook.1."):
            self._touch = line.text
        else:
            self.derived.receive(line.key, line.text)

    def opening(self, key: str, now_ms: int) -> list[str]:
        """A snapshot of the state after the last sent frame."""
        book = self._books.get(key)
        if book is not None:
            text = self._snapshot(key, book)
        elif key.startswith("orderbook.1."):
            text = self._touch
        else:
            text = self.derived.opening(key, now_ms) or ""
        return [text] if text else []

    def depth(self, limit: int) -> str | None:
        """The `result` of the REST orderbook endpoint; None while the book is not known."""
        for book in self._books.values():
            book.settle()
            if book.is_known:
                bids, asks = book.sides.best(limit)
                return (
                    f'{{"s":"{self.listing.symbol}","a":{levels_text(asks)},"b":{levels_text(bids)},'
                    f'"ts":{book.ts},"u":{book.u},"seq":{book.seq},"cts":{book.cts or book.ts}}}'
                )
        return None

    def _snapshot(self, key: str, book: BybitBook) -> str:
        book.settle()
        if not book.is_known:
            return ""
        bids, asks = book.sides.best(1000)
        is_spot = self.listing.venue == "bybit_spot"
        head = f'"ts":{book.ts},"type":"snapshot"' if is_spot else f'"type":"snapshot","ts":{book.ts}'
        return (
            f'{{"topic":"{key}",{head},"data":{{"s":"{self.listing.symbol}","b":{levels_text(bids)},'
            f'"a":{levels_text(asks)},"u":{book.u},"seq":{book.seq}}},"cts":{book.cts or book.ts}}}'
        )


class Exchange:
    """All instruments of one venue, for sessions and REST."""

    def __init__(self, venue: str, tape: Tape) -> None:
        self.venue = venue
        self.instruments: dict[str, BinanceInstrument | BybitInstrument] = {}
        #: Symbols by the tape's numbers.
        self.symbols: dict[int, str] = {}
        kind = BybitInstrument if venue.startswith("bybit") else BinanceInstrument
        for no, listing in enumerate(tape.listings):
            if listing.venue == venue:
                self.symbols[no] = listing.symbol
                self.instruments[listing.symbol] = kind(no, listing, tape)

    @property
    def listings(self) -> Iterable[Listing]:
        return (instrument.listing for instrument in self.instruments.values())

    def instrument_of_key(self, key: str) -> BinanceInstrument | BybitInstrument | None:
        """The instrument of a stream name."""
        symbol = key.rpartition(".")[2] if self.venue.startswith("bybit") else key.partition("@")[0].upper()
        return self.instruments.get(symbol)

    def source_of(self, key: str) -> str | None:
        """The stream that serves `key`, if any."""
        instrument = self.instrument_of_key(key)
        return instrument.source_of(key) if instrument else None


def _cut(snapshot: str, limit: int) -> str:
    """A REST snapshot with fewer levels."""
    head, bids, asks = _parts(snapshot)
    return f'{head}"bids":[{_first(bids, limit)}],"asks":[{_first(asks, limit)}]}}'


def _parts(snapshot: str) -> tuple[str, str, str]:
    head, _, rest = snapshot.partition('"bids":[')
    bids, _, rest = rest.partition('],"asks":[')
    return head, bids, rest[:-2]


def _first(levels: str, limit: int) -> str:
    parts = levels.split("],", limit)
    if len(parts) <= limit:
        return levels
    return "],".join(parts[:limit]) + "]"
