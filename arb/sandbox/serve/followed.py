"""Books derived from the sent frames, for snapshots to new subscribers and REST responses.

Frames are queued as text and applied only when the book is needed or the queue is full. Levels keep the texts of the
frames, so that they are returned as the venue wrote them. Pure; one thread.
"""

from __future__ import annotations

import msgspec

#: Most queued frames; at the limit they are applied.
_WAITING_MAX = 256

Level = tuple[str, str]


class _BinanceBook(msgspec.Struct, frozen=True):
    """A depthUpdate, or the response of the REST depth endpoint."""

    u: int = 0
    b: list[Level] = []
    a: list[Level] = []
    lastUpdateId: int = 0  # noqa: N815 (the venue's name)
    bids: list[Level] = []
    asks: list[Level] = []
    E: int = 0
    T: int = 0


class _BinanceFrame(msgspec.Struct, frozen=True):
    data: _BinanceBook


class _BybitBook(msgspec.Struct, frozen=True):
    b: list[Level] = []
    a: list[Level] = []
    u: int = 0
    seq: int = 0


class _BybitFrame(msgspec.Struct, frozen=True):
    type: str
    ts: int
    data: _BybitBook
    cts: int = 0


_BINANCE = msgspec.json.Decoder(_BinanceFrame)
_BINANCE_SNAPSHOT = msgspec.json.Decoder(_BinanceBook)
_BYBIT = msgspec.json.Decoder(_BybitFrame)


class Sides:
    """Levels by price, both as texts."""

    def __init__(self) -> None:
        self._bids: dict[str, str] = {}
        self._asks: dict[str, str] = {}

    def clear(self) -> None:
        self._bids.clear()
        self._asks.clear()

    def set(self, bids: list[Level], asks: list[Level]) -> None:
        """Sets absolute quantities; zero in any spelling deletes a level."""
        for levels, held in ((bids, self._bids), (asks, self._asks)):
            for px, qty in levels:
                if qty.strip("0.") == "":
                    held.pop(px, None)
                else:
                    held[px] = qty

    def best(self, count: int) -> tuple[list[Level], list[Level]]:
        """The best levels of both sides, best first."""
        bids = sorted(self._bids.items(), key=_price, reverse=True)[:count]
        asks = sorted(self._asks.items(), key=_price)[:count]
        return bids, asks

    def is_empty(self) -> bool:
        """Whether a side has no level."""
        return not self._bids or not self._asks


class BinanceBook:
    """The book of a Binance depth stream, starting with a REST snapshot."""

    def __init__(self) -> None:
        self.sides = Sides()
        self.last_id = 0
        self.event_ms = 0
        self.transaction_ms = 0
        self._waiting: list[str] = []

    def receive(self, text: str) -> None:
        """A depthUpdate in the combined form."""
        self._waiting.append(text)
        if len(self._waiting) >= _WAITING_MAX:
            self.settle()

    def receive_snapshot(self, text: str) -> None:
        """The response of the REST endpoint; queued frames are joined to it."""
        book = _BINANCE_SNAPSHOT.decode(text)
        if book.lastUpdateId <= self.last_id:
            return
        self.sides.clear()
        self.sides.set(book.bids, book.asks)
        self.last_id, self.event_ms, self.transaction_ms = book.lastUpdateId, book.E, book.T

    def settle(self) -> None:
        """Applies the queued frames. Before a snapshot only the newest ones are kept."""
        if not self.last_id:
            del self._waiting[: -_WAITING_MAX // 2]
            return
        for text in self._waiting:
            book = _BINANCE.decode(text).data
            if book.u > self.last_id:
                self.sides.set(book.b, book.a)
                self.last_id, self.event_ms, self.transaction_ms = book.u, book.E, book.T
        self._waiting.clear()

    @property
    def is_known(self) -> bool:
        return self.last_id > 0


class BybitBook:
    """The book of one Bybit topic, as its subscribers see it."""

    def __init__(self) -> None:
        self.sides = Sides()
        self.u = self.seq = self.ts = self.cts = 0
        self._waiting: list[str] = []

    def receive(self, text: str) -> None:
        """A snapshot or delta of the topic."""
        self._waiting.append(text)
        if len(self._waiting) >= _WAITING_MAX:
            self.settle()

    def settle(self) -> None:
        """Applies the queued frames."""
        for text in self._waiting:
            frame = _BYBIT.decode(text)
            if frame.type == "snapshot":
                self.sides.clear()
            self.sides.set(frame.data.b, frame.data.a)
            self.u, self.seq, self.ts, self.cts = frame.data.u, frame.data.seq, frame.ts, frame.cts
        self._waiting.clear()

    @property
    def is_known(self) -> bool:
        return self.u > 0


def levels_text(levels: list[Level]) -> str:
    """Levels as JSON text."""
    return "[" + ",".join([f'["{px}","{qty}"]' for px, qty in levels]) + "]"


def _price(level: Level) -> float:
    return float(level[0])
