"""Decodes recorded text, lines of `<19-digit local ns> <frame>`, to rows: a compiled loop over one chunk at a time.

Venues' archives contain the same frames without a timestamp; these lines get a local time of zero.

The loop stops at a frame that is not of the strict form, at a line without a timestamp, or when an output buffer is
full, and returns why; `LineDecoder` handles that and continues. Runs on the caller's thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from hftbacktest.types import event_dtype

from connectors.errors import DecodeError
from connectors.jit.compilation import compiled
from connectors.model import MESSAGE_DTYPE, Kind, Message, Messages, Rows, Venue
from connectors.parsing.contracts import inverse_reason
from connectors.parsing.scanner import (
    LEVEL_BYTES_MIN,
    PADDING,
    RETURN,
    find_newline,
    read_digits,
    symbol_table,
)

#: Digits of the local timestamp at the start of each line; a space and the frame follow.
STAMP_DIGITS = 19
FRAME_OFFSET = STAMP_DIGITS + 1

# Why the loop stopped.
DONE, BAD_FRAME, BAD_LINE, FULL = 0, 1, 2, 3
# Fields of the cursor, an int64 array that the loop advances.
POSITION, LINE, ROW, MESSAGE = 0, 1, 2, 3

#: Text is decoded in pieces of this size, so that memory does not grow with the file.
CHUNK_BYTES = 1 << 20
#: Longer lines are not market data; the largest real one, a 5,000-level snapshot, has 0.4 MB.
LINE_BYTES_MAX = 32 << 20


#: Message of a blank line in an archive.
_BLANK = Message(Kind.CONTROL, np.zeros(0, event_dtype))


class Decoded(NamedTuple):
    """The rows and messages of some lines, in order. Views, valid until the next piece is requested."""

    rows: Rows
    messages: Messages


@compiled
def _read_stamp(buffer, i):
    """The 19-digit timestamp at `i`; -1 unless there are exactly 19 digits and a space."""
    high, n_high = read_digits(buffer, i)
    middle, n_middle = read_digits(buffer, i + 8)
    low, n_low = read_digits(buffer, i + 16)
    if n_high != 8 or n_middle != 8 or n_low != 3 or buffer[i + STAMP_DIGITS] != 32:
        return np.int64(-1)
    return np.int64(high) * 100_000_000_000 + np.int64(middle) * 1_000 + np.int64(low)


def line_loop(parse_frame: Callable[..., int], *, has_stamps: bool = True) -> Any:
    """Compiles the loop over lines for a venue's frame parser. Without `has_stamps`, a line is only its frame."""
    frame_offset = FRAME_OFFSET if has_stamps else 0

    @compiled
    def decode_lines(buffer, end, symbols, rows, messages, cursor):
        while cursor[POSITION] < end:
            start = cursor[POSITION]
            line_end = find_newline(buffer, start, end)
            row = cursor[ROW]
            m = cursor[MESSAGE]
            if row + (line_end - start) // LEVEL_BYTES_MIN + 4 > len(rows) or m >= len(messages):
                return FULL
            local_ts = _read_stamp(buffer, start) if has_stamps else np.int64(0)
            if local_ts < 0:
                return BAD_LINE
            frame_end = line_end - 1 if line_end > start and buffer[line_end - 1] == RETURN else line_end
            out = messages[m]
            out.sent_ts = 0
            next_row = parse_frame(buffer, start + frame_offset, frame_end, symbols, local_ts, rows, row, out)
            if next_row < 0:
                return BAD_FRAME
            out.local_ts = local_ts
            out.row_start = row
            out.row_end = next_row
            out.line = cursor[LINE]
            cursor[ROW] = next_row
            cursor[MESSAGE] = m + 1
            cursor[LINE] += 1
            cursor[POSITION] = line_end + 1
        return DONE

    return decode_lines


class LineDecoder:
    """Decodes the recorded text of one instrument. `slow_frames` counts those that needed the JSON decoder."""

    def __init__(
        self, venue: Venue, symbol: str, *, file: str = "", lines: Any = None, has_stamps: bool = True
    ) -> None:
        """`file` names the source in errors; `lines` replaces the venue's own compiled line loop.

        Without `has_stamps`, `lines` must be a loop over lines without timestamps; local times are zero.
        """
        self._frame_offset = FRAME_OFFSET if has_stamps else 0
        self._venue = venue
        self._symbol = symbol
        self._symbols = symbol_table([symbol])
        self._file = file
        self._lines = venue.decode_lines if lines is None else lines
        self._buffer = np.empty(CHUNK_BYTES + PADDING, np.uint8)
        self._rows = np.empty(CHUNK_BYTES // LEVEL_BYTES_MIN, event_dtype)
        self._messages = np.empty(CHUNK_BYTES // 64, MESSAGE_DTYPE)
        self._cursor = np.zeros(4, np.int64)
        self._cursor[LINE] = 1
        self.slow_frames = 0

    def decode(self, chunks: Iterable[bytes]) -> Iterator[Decoded]:
        """Decodes a text given in chunks of any size, piece by piece; the last line may lack its newline.

        Raises DecodeError with file, line and the first bytes of the frame. Messages without rows are kept, so that
        there is one message per line.
        """
        rest = b""
        for chunk in chunks:
            for start in range(0, len(chunk), CHUNK_BYTES):
                piece = rest + chunk[start : start + CHUNK_BYTES]
                cut = piece.rfind(b"\n") + 1
                rest = piece[cut:]
                if cut:
                    yield from self._decode_text(piece[:cut])
                elif len(rest) > LINE_BYTES_MAX:
                    raise self._error("a line of more than 32 MB", rest)
        if rest:
            yield from self._decode_text(rest)

    def _decode_text(self, text: bytes) -> Iterator[Decoded]:
        """Decodes a text of complete lines."""
        if reason := inverse_reason(self._venue.name, self._symbol):
            raise self._error(reason, text.partition(b"\n")[0][self._frame_offset :])
        self._make_room(text)
        self._buffer[: len(text)] = np.frombuffer(text, np.uint8)
        self._buffer[len(text) : len(text) + PADDING] = 0
        cursor = self._cursor
        cursor[POSITION] = cursor[ROW] = cursor[MESSAGE] = 0
        first_line = int(cursor[LINE])
        while True:
            why = self._lines(self._buffer, len(text), self._symbols, self._rows, self._messages, cursor)
            if why == BAD_FRAME:
                self._decode_slowly(text)
            elif why == BAD_LINE:
                raise self._error(
                    "the line does not begin with a 19-digit local time stamp", self._line(text)
                )
            else:
                yield self._decoded(text, first_line)
                if why == DONE:
                    return
                cursor[ROW] = cursor[MESSAGE] = 0

    def _make_room(self, text: bytes) -> None:
        """Grows the byte buffer for `text`, and the row buffer for its longest possible line."""
        if len(text) + PADDING > len(self._buffer):
            self._buffer = np.empty(len(text) + PADDING, np.uint8)
        rows_max = len(text) // LEVEL_BYTES_MIN + 4
        if rows_max > len(self._rows):
            self._rows = np.empty(rows_max, event_dtype)

    def _line(self, text: bytes) -> bytes:
        start = int(self._cursor[POSITION])
        end = text.find(b"\n", start)
        return text[start : len(text) if end < 0 else end]

    def _decode_slowly(self, text: bytes) -> None:
        """Decodes the line at the cursor with the venue's JSON decoder and advances the cursor."""
        cursor = self._cursor
        line = self._line(text)
        try:
            is_blank = not self._frame_offset and not line.strip()
            message = _BLANK if is_blank else self._venue.decode(line[self._frame_offset :])
        except DecodeError as error:
            raise error.at(self._file, int(cursor[LINE])) from None
        local_ts = int(line[:STAMP_DIGITS]) if self._frame_offset else 0
        record = self._messages[cursor[MESSAGE] :]
        cursor[ROW] = put_message(
            message, self._symbol, local_ts, int(cursor[LINE]), self._rows, int(cursor[ROW]), record
        )
        cursor[MESSAGE] += 1
        cursor[LINE] += 1
        cursor[POSITION] += len(line) + 1
        self.slow_frames += 1

    def _decoded(self, text: bytes, first_line: int) -> Decoded:
        messages = self._messages[: self._cursor[MESSAGE]]
        strangers = np.flatnonzero((messages["symbol"] < 0) & (messages["kind"] >= Kind.DELTA))
        if len(strangers):
            line = int(messages["line"][strangers[0]])
            lines_before = line - first_line
            frame = text.split(b"\n", lines_before + 1)[lines_before][self._frame_offset :]
            reason = inverse_reason(self._venue.name, self._venue.decode(frame).symbol)
            raise DecodeError(
                self._venue.name,
                reason or f"a frame of another symbol than {self._symbol}",
                frame,
                file=self._file,
                line=line,
            )
        return Decoded(self._rows[: self._cursor[ROW]], messages)

    def _error(self, reason: str, line: bytes) -> DecodeError:
        return DecodeError(self._venue.name, reason, line, file=self._file, line=int(self._cursor[LINE]))


def put_message(
    message: Message, symbol: str, local_ts: int, line: int, rows: Rows, row: int, record: Messages
) -> int:
    """Writes a message of the JSON decoder, as the parsers do, to `rows` from `row` on and to `record`, (1,).

    symbol: that of the instrument. Returns the next free row; the caller provides room.
    """
    end = row + len(message.rows)
    rows[row:end] = message.rows
    rows["local_ts"][row:end] = local_ts
    number = 0 if message.symbol in ("", symbol) else -1
    ids = message.first_id, message.last_id, message.prev_id
    sent_ts, book = message.sent_ts, message.book
    record[0] = (int(message.kind), local_ts, message.exch_ts, *ids, number, row, end, line, sent_ts, book)
    return end
