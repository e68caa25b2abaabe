"""One listing of Binance in the server: its book, its derived streams and the data of REST responses. Pure."""

from __future__ import annotations

from arb.sandbox.events import Listing
from arb.sandbox.serve.binance.book import BinanceBook
from arb.sandbox.serve.binance.derived import BinanceDerived
from arb.sandbox.serve.exchange import Instrument
from arb.sandbox.serve.followed import levels_text
from arb.sandbox.serve.tape import SNAPSHOT, Line, Tape


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
