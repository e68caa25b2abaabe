"""The compiled parser of a venue on one frame, and its agreement with the venue's JSON decoder."""

from __future__ import annotations

import numpy as np
from hftbacktest.types import event_dtype

from connectors.errors import DecodeError
from connectors.model import MESSAGE_DTYPE, Kind, Message, Venue
from connectors.parsing.scanner import LEVEL_BYTES_MIN, PADDING, symbol_table

LOCAL_TS = 1_723_161_256_000_000_000
#: What lies in front of every frame in the buffer, and in the rows and messages before they are written.
_BEFORE = b'0 {"e":"trade",'
_POISON = 0xA5

FIELDS = ("kind", "exch_ts", "first_id", "last_id", "prev_id", "book", "symbol")


class FrameParser:
    """Runs a venue's compiled parser on frames, as the line loop does: in the middle of a used buffer."""

    def __init__(self, venue: Venue, symbols: list[str], frame_bytes_max: int = 1 << 16) -> None:
        self.venue = venue
        self.symbols = symbols
        self._table = symbol_table(symbols)
        self._buffer = np.zeros(frame_bytes_max + 2 * PADDING, np.uint8)
        self._rows = np.empty(frame_bytes_max // LEVEL_BYTES_MIN + 4, event_dtype)
        self._message = np.empty(1, MESSAGE_DTYPE)

    def parse(self, frame: bytes, tail: bytes = b"\n") -> tuple[tuple[int, ...], bytes] | None:
        """The message's fields (see FIELDS) and the bytes of its rows; None when the frame is refused.

        `tail` follows the frame in the buffer.
        """
        text = _BEFORE + frame + tail
        start, end = len(_BEFORE), len(_BEFORE) + len(frame)
        self._buffer[: len(text)] = np.frombuffer(text, np.uint8)
        self._buffer[len(text) : len(text) + PADDING] = 0
        used = len(frame) // LEVEL_BYTES_MIN + 4
        self._rows[:used].view(np.uint8)[:] = _POISON
        self._message.view(np.uint8)[:] = _POISON
        row = 1
        out = self._message[0]
        end_row = self.venue.parse_frame(
            self._buffer, start, end, self._table, LOCAL_TS, self._rows[: used + 1], row, out
        )
        if end_row < 0:
            return None
        return tuple(int(out[name]) for name in FIELDS), self._rows[row:end_row].tobytes()

    def expected(self, message: Message) -> tuple[tuple[int, ...], bytes]:
        """What `parse` must give for a message of the JSON decoder."""
        symbol = 0 if message.symbol == "" else -1
        if message.symbol in self.symbols:
            symbol = self.symbols.index(message.symbol)
        rows = message.rows.copy()
        rows["local_ts"] = LOCAL_TS
        fields = (
            int(message.kind),
            message.exch_ts,
            message.first_id,
            message.last_id,
            message.prev_id,
            message.book,
            symbol,
        )
        return fields, rows.tobytes()

    def check(self, frame: bytes, *, asks_json: bool = True, tail: bytes = b"\n") -> str:
        """ "parsed", "decoded" or "refused": who made something of `frame`. Fails where the two disagree.

        `asks_json`: also decode frames that the parser refuses, to see that only DecodeError is raised.
        """
        parsed = self.parse(frame, tail)
        if parsed is None and not asks_json:
            return "refused"
        try:
            message = self.venue.decode(frame)
        except DecodeError:
            assert parsed is None, f"the parser took what the JSON decoder refuses: {frame!r}"
            return "refused"
        if message.kind in (Kind.CONTROL, Kind.OTHER):
            assert len(message.rows) == 0
        if parsed is None:
            return "decoded"
        assert parsed == self.expected(message), frame
        return "parsed"
