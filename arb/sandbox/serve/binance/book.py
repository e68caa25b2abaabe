"""The book of a Binance depth stream, derived from the sent frames. Pure."""

from __future__ import annotations

import msgspec

from arb.sandbox.serve.followed import WAITING_MAX, FollowedBook, Level


class _Book(msgspec.Struct, frozen=True):
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
    data: _Book


_FRAME = msgspec.json.Decoder(_Frame)
_SNAPSHOT = msgspec.json.Decoder(_Book)


class BinanceBook(FollowedBook):
    """The book of a Binance depth stream, starting with a REST snapshot."""

    def __init__(self) -> None:
        super().__init__()
        self.last_id = 0
        self.event_ms = 0
        self.transaction_ms = 0

    def receive_snapshot(self, text: str) -> None:
        """The response of the REST endpoint; queued frames are joined to it."""
        book = _SNAPSHOT.decode(text)
        if book.lastUpdateId <= self.last_id:
            return
        self.sides.clear()
        self.sides.set(book.bids, book.asks)
        self.last_id, self.event_ms, self.transaction_ms = book.lastUpdateId, book.E, book.T

    def settle(self) -> None:
        """Applies the queued frames. Before a snapshot only the newest ones are kept."""
        if not self.last_id:
            del self._waiting[: -WAITING_MAX // 2]
            return
        for text in self._waiting:
            book = _FRAME.decode(text).data
            if book.u > self.last_id:
                self.sides.set(book.b, book.a)
                self.last_id, self.event_ms, self.transaction_ms = book.u, book.E, book.T
        self._waiting.clear()

    @property
    def is_known(self) -> bool:
        return self.last_id > 0
