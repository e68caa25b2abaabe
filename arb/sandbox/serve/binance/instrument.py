"""One listing of Binance in the server: its book, its derived streams and the data of REST responses. Pure."""

from __future__ import annotations

import msgspec

from arb.sandbox.events import Listing
from arb.sandbox.funding import USUAL_FUNDING, Funding
from arb.sandbox.serve.binance.derived import BinanceDerived
from arb.sandbox.serve.exchange import Instrument
from arb.sandbox.serve.followed import FollowedBook, Level, levels_text
from arb.sandbox.serve.tape import SNAPSHOT, Line, Tape


class _Update(msgspec.Struct, frozen=True):
    """A depthUpdate, or the response of the REST depth endpoint."""

    u: int = 0
    b: list[Level] = []
    a: list[Level] = []
    lastUpdateId: int = 0  # noqa: N815 (the venue's name)
    bids: list[Level] = []
    asks: list[Level] = []
    E: int = 0
    T: int = 0


class _Frame(msgspec.Struct, frozen=True):
    data: _Update


_FRAME = msgspec.json.Decoder(_Frame)
_SNAPSHOT = msgspec.json.Decoder(_Update)

#: Frames that are kept before the first snapshot, to join it.
_BEFORE_SNAPSHOT_MAX = 128


class _Book(FollowedBook):
    """The book of a depth stream, starting with a REST snapshot."""

    def __init__(self) -> None:
        super().__init__()
        self.event_ms = self.transaction_ms = 0

    def receive_snapshot(self, text: str) -> None:
        """The response of the REST endpoint; queued frames are joined to it."""
        book = _SNAPSHOT.decode(text)
        if book.lastUpdateId <= self.last_id:
            return
        self.sides.clear()
        self.sides.set(book.bids, book.asks)
        self.last_id, self.event_ms, self.transaction_ms = book.lastUpdateId, book.E, book.T

    def settle(self) -> None:
        """See `FollowedBook`. Before a snapshot only the newest frames are kept."""
        if not self.last_id:
            del self._waiting[:-_BEFORE_SNAPSHOT_MAX]
            return
        for text in self._waiting:
            book = _FRAME.decode(text).data
            if book.u > self.last_id:
                self.sides.set(book.b, book.a)
                self.last_id, self.event_ms, self.transaction_ms = book.u, book.E, book.T
        self._waiting.clear()


class BinanceInstrument(Instrument):
    """A listing of Binance spot or USD-M."""

    def __init__(self, no: int, listing: Listing, tape: Tape, funding: Funding = USUAL_FUNDING) -> None:
        super().__init__(no, listing, tape, funding)
        self.derived = BinanceDerived(listing, funding)
        self._book = _Book()
        self._is_spot = listing.is_spot
        #: Whether snapshots are built from the frames, since the tape has none.
        self._is_rebuilt = tape.snapshot(no) is None
        self._depth_key = tape.source_of(no, f"{listing.symbol.lower()}@depth@100ms")

    def follow(self, line: Line) -> None:
        if line.key == SNAPSHOT:
            self._book.receive_snapshot(line.text)
        elif line.key == self._depth_key:
            if self._is_rebuilt:
                self._book.receive(line.text)
        else:
            self.derived.receive(line.key, line.text)

    def depth(self, limit: int) -> str | None:
        whole = self._tape.snapshot(self.no)
        if whole is not None:
            return _cut(whole, limit)
        self._book.settle()
        book = self._book
        if not book.last_id:
            return None
        times = "" if self._is_spot else f'"E":{book.event_ms},"T":{book.transaction_ms},'
        bids, asks = book.sides.best(limit)
        return (
            f'{{"lastUpdateId":{book.last_id},{times}"bids":{levels_text(bids)},"asks":{levels_text(asks)}}}'
        )


def _cut(snapshot: str, limit: int) -> str:
    """A REST snapshot with fewer levels."""
    head, _, rest = snapshot.partition('"bids":[')
    bids, _, asks = rest.partition('],"asks":[')
    return f'{head}"bids":[{_first(bids, limit)}],"asks":[{_first(asks[:-2], limit)}]}}'


def _first(levels: str, limit: int) -> str:
    parts = levels.split("],", limit)
    return levels if len(parts) <= limit else "],".join(parts[:limit]) + "]"
