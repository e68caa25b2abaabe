"""One listing of Bybit in the server: its books, its derived streams and the data of REST responses. Pure."""

from __future__ import annotations

from arb.sandbox.events import Listing
from arb.sandbox.serve.bybit.book import BybitBook
from arb.sandbox.serve.bybit.derived import BybitDerived
from arb.sandbox.serve.exchange import Instrument
from arb.sandbox.serve.followed import levels_text
from arb.sandbox.serve.tape import Line, Tape

#: Depths of Bybit's book topics; the REST response uses the deepest one with a known book.
_DEPTHS = (1000, 200, 50)


class BybitInstrument(Instrument):
    """A listing of Bybit spot or linear."""

    def __init__(self, no: int, listing: Listing, tape: Tape) -> None:
        super().__init__(no, listing, tape)
        symbol = listing.symbol
        self._books = {
            f"orderbook.{depth}.{symbol}": BybitBook()
            for depth in _DEPTHS
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
