"""Reads a tape ahead, for matching by the venue's time: a frame is known some time before it is sent. Pure.

Streams delay and conflate, so a row's venue time can be long before its frame is sent, and an order must meet the rows
that precede it. Orders of clients never change a tape, so this is exact. Clients get the frames at their own time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from arb.sandbox.events import Listing
from arb.sandbox.serve.tape import SNAPSHOT, Line, Tape
from connectors.units import SECOND

#: Of the market's time. In recordings of the venues trades arrive up to 210 ms after their time, and rows are out of
#: order by up to 166 ms; the seeded market conflates books for up to a second on one stream, those of recorders less.
AHEAD_NS = SECOND


class AheadTape:
    """A tape whose frames `look_ahead` receives earlier than the clients.

    The books of REST responses are built from sent frames, since the tape's own are of its future; so a snapshot that
    it has at the beginning is the first frame.
    """

    def __init__(self, tape: Tape, look_ahead: Callable[[Line], None], ahead_ns: int = AHEAD_NS) -> None:
        """tape: at its beginning. look_ahead: receives every frame once, in order."""
        self._tape = tape
        self._look_ahead = look_ahead
        self._ahead_ns = ahead_ns
        #: When the last frame that clients get is sent; None: the tape has not ended.
        self._end_ns: int | None = None
        self._now_ns = tape.start_ns
        self._lines: deque[Line] = deque()
        for no in range(len(tape.listings)):
            if (text := tape.snapshot(no)) is not None:
                self._add(Line(tape.start_ns, no, SNAPSHOT, text))

    @property
    def listings(self) -> Sequence[Listing]:
        """See `Tape`."""
        return self._tape.listings

    @property
    def start_ns(self) -> int:
        """See `Tape`."""
        return self._tape.start_ns

    @property
    def has_ended(self) -> bool:
        """See `Tape`."""
        return self._end_ns is not None and self._now_ns >= self._end_ns

    def advance(self, to_ns: int) -> list[Line]:
        """See `Tape`."""
        self._now_ns = to_ns
        for line in self._tape.advance(to_ns + self._ahead_ns):
            self._add(line)
        if self._tape.has_ended and self._end_ns is None:
            self._end_ns = to_ns + self._ahead_ns
        lines = []
        while self._lines and self._lines[0].send_ns <= to_ns:
            lines.append(self._lines.popleft())
        return lines

    def snapshot(self, no: int) -> str | None:
        """See `Tape`: None."""
        return None

    def source_of(self, no: int, key: str) -> str | None:
        """See `Tape`."""
        return self._tape.source_of(no, key)

    def _add(self, line: Line) -> None:
        self._look_ahead(line)
        self._lines.append(line)
