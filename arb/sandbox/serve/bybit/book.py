"""The book of one Bybit topic, derived from the sent frames. Pure."""

from __future__ import annotations

import msgspec

from arb.sandbox.serve.followed import FollowedBook, Level


class _Book(msgspec.Struct, frozen=True):
    b: list[Level] = []
    a: list[Level] = []
    u: int = 0
    seq: int = 0


class _Frame(msgspec.Struct, frozen=True):
    type: str
    ts: int
    data: _Book
    cts: int = 0


_FRAME = msgspec.json.Decoder(_Frame)


class BybitBook(FollowedBook):
    """The book of one Bybit topic, as its subscribers see it."""

    def __init__(self) -> None:
        super().__init__()
        self.u = self.seq = self.ts = self.cts = 0

    def settle(self) -> None:
        """Applies the queued frames."""
        for text in self._waiting:
            frame = _FRAME.decode(text)
            if frame.type == "snapshot":
                self.sides.clear()
            self.sides.set(frame.data.b, frame.data.a)
            self.u, self.seq, self.ts, self.cts = frame.data.u, frame.data.seq, frame.ts, frame.cts
        self._waiting.clear()

    @property
    def is_known(self) -> bool:
        return self.u > 0
