"""One listing of Bybit in the server: its books, its derived streams and the data of REST responses. Pure."""

from __future__ import annotations

import msgspec

from arb.sandbox.events import Listing
from arb.sandbox.funding import USUAL_FUNDING, Funding
from arb.sandbox.serve.bybit.derived import BybitDerived
from arb.sandbox.serve.exchange import Instrument
from arb.sandbox.serve.followed import FollowedBook, Level, levels_text
from arb.sandbox.serve.tape import Line, Tape

#: Depths of Bybit's book topics; the REST response uses the deepest one with a known book.
_DEPTHS = (1000, 200, 50)


class _Levels(msgspec.Struct, frozen=True):
    b: list[Level] = []
    a: list[Level] = []
    u: int = 0
    seq: int = 0


class _Frame(msgspec.Struct, frozen=True):
    type: str
    ts: int
    data: _Levels
    cts: int = 0


_FRAME = msgspec.json.Decoder(_Frame)


class _Book(FollowedBook):
    """The book of one topic, as its subscribers see it."""

    def __init__(self) -> None:
        super().__init__()
        self._seq = self._ts = self._cts = 0

    def settle(self) -> None:
        for text in self._waiting:
            frame = _FRAME.decode(text)
            if frame.type == "snapshot":
                self.sides.clear()
            self.sides.set(frame.data.b, frame.data.a)
            self.last_id, self._seq, self._ts, self._cts = frame.data.u, frame.data.seq, frame.ts, frame.cts
        self._waiting.clear()

    def rest(self, symbol: str, limit: int) -> str:
        """The `result` of the REST orderbook endpoint."""
        bids, asks = self.sides.best(limit)
        return (
            f'{{"s":"{symbol}","a":{levels_text(asks)},"b":{levels_text(bids)},'
            f'"ts":{self._ts},"u":{self.last_id},"seq":{self._seq},"cts":{self._cts or self._ts}}}'
        )

    def snapshot(self, key: str, symbol: str, *, is_spot: bool) -> str:
        """A snapshot frame of topic `key`."""
        bids, asks = self.sides.best(1000)
        head = f'"ts":{self._ts},"type":"snapshot"' if is_spot else f'"type":"snapshot","ts":{self._ts}'
        return (
            f'{{"topic":"{key}",{head},"data":{{"s":"{symbol}","b":{levels_text(bids)},'
            f'"a":{levels_text(asks)},"u":{self.last_id},"seq":{self._seq}}},"cts":{self._cts or self._ts}}}'
        )


class BybitInstrument(Instrument):
    """A listing of Bybit spot or linear."""

    derived: BybitDerived

    def __init__(self, no: int, listing: Listing, tape: Tape, funding: Funding = USUAL_FUNDING) -> None:
        super().__init__(no, listing, tape, funding)
        keys = [f"orderbook.{depth}.{listing.symbol}" for depth in _DEPTHS]
        self._books = {key: _Book() for key in keys if tape.source_of(no, key) is not None}
        ticker_book = self._books.get(keys[-1]) or next(iter(self._books.values()), _Book())
        self.derived = BybitDerived(listing, ticker_book, funding)
        self._touch = ""

    def follow(self, line: Line) -> None:
        book = self._books.get(line.key)
        if book is not None:
            book.receive(line.text)
        elif line.key.startswith("orderbook.1."):
            self._touch = line.text
        else:
            self.derived.receive(line.key, line.text)

    def opening(self, key: str, now_ms: int) -> str:
        """A snapshot of the state after the last sent frame."""
        book = self._books.get(key)
        if book is None:
            return self._touch if key.startswith("orderbook.1.") else self.derived.opening(key, now_ms)
        book.settle()
        if not book.last_id:
            return ""
        return book.snapshot(key, self.listing.symbol, is_spot=self.listing.venue == "bybit_spot")

    def depth(self, limit: int) -> str | None:
        for book in self._books.values():
            book.settle()
            if book.last_id:
                return book.rest(self.listing.symbol, limit)
        return None
