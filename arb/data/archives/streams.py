"""Decodes an archive file into a stream of messages, and merges the files of a day.

That a file is not in the order of its times is found only while reading: `OutOfOrderError` then asks the caller to
read the day again, sorted through a temporary file.
"""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from hftbacktest.types import event_dtype

from arb.data.archives.ahead import AHEAD, ahead
from arb.data.archives.fields import RECORD_DTYPE
from arb.data.archives.formats import LAYOUTS, bybit_archive_lines
from arb.data.archives.merge import merge
from arb.data.archives.rows import (
    OUT_OF_ORDER,
    ROWS_PER_RECORD,
    STATE_FIELDS,
    emit_book,
    emit_touch,
    emit_trades,
    stamp_sent,
)
from arb.data.archives.table import Table
from arb.data.archives.text import read_buffers, read_text
from arb.data.catalog.archived import TARDIS_EXCHANGES, ArchiveFile, ArchiveKind, is_received
from arb.data.catalog.days import ArchiveDay
from arb.data.text import Progress
from arb.errors import ArbError, InputError
from connectors.model import MESSAGE_DTYPE, Kind, Rows, Venue
from connectors.parsing.lines import Decoded, LineDecoder
from connectors.units import DAY

#: A time farther outside the file's day than this is an error.
OUTSIDE_NS_MAX = 3_600_000_000_000
_SORTED_RECORDS = 1 << 15
_NONE = Decoded(np.zeros(0, event_dtype), np.zeros(0, MESSAGE_DTYPE))
_KINDS = {ArchiveKind.TRADES: Kind.TRADE, ArchiveKind.AGG_TRADES: Kind.AGG_TRADE}
#: The order of streams at equal times: a trade precedes the book change that it caused.
_ORDER = (ArchiveKind.TRADES, ArchiveKind.AGG_TRADES, ArchiveKind.BOOK, ArchiveKind.TOUCH)


class OutOfOrderError(ArbError):
    """A file is not in the order of its times; the caller must read the day again with `is_sorted`."""


class ArchiveStream:
    """The messages of a day of archives. `slow` counts lines and frames that the compiled parsers could not decode."""

    def __init__(
        self,
        venue: Venue,
        day: ArchiveDay,
        progress: Progress | None = None,
        *,
        is_sorted: bool = False,
        sort_folder: Path | None = None,
    ) -> None:
        """`is_sorted` sorts files without times of receipt, through a file in `sort_folder`."""
        self._venue = venue
        self._day = day
        self._progress = progress
        self._is_sorted = is_sorted
        self._sort_folder = sort_folder
        self._decoders: list[LineDecoder] = []
        self._tables: list[Table] = []

    @property
    def slow(self) -> int:
        return sum(decoder.slow_frames for decoder in self._decoders) + sum(
            table.slow_lines for table in self._tables
        )

    def decode(self) -> Iterator[Decoded]:
        """Messages by local time. Raises InputError, DecodeError, and OutOfOrderError unless sorted."""
        files = sorted(self._day.files, key=lambda file: _ORDER.index(file.kind))
        return merge([self._decode_file(file) for file in files])

    def book(self) -> Iterator[Decoded]:
        """The messages of the book's file only; none without such a file."""
        for file in self._day.files:
            if file.kind == ArchiveKind.BOOK:
                yield from self._decode_file(file)

    def _decode_file(self, file: ArchiveFile) -> Iterator[Decoded]:
        if (file.source, file.kind) in LAYOUTS:
            return ahead(_held_within_day(file, self._rows(file)), "decode")
        return _held_within_day(file, self._frames(file))

    def _frames(self, file: ArchiveFile) -> Iterator[Decoded]:
        """The frames of a Bybit book."""
        decoder = LineDecoder(
            self._venue, file.symbol, file=str(file.path), lines=bybit_archive_lines, has_stamps=False
        )
        self._decoders.append(decoder)
        for rows, messages in decoder.decode(read_text(file.path, file.symbol, self._progress)):
            # A line that is not market data has no time.
            kept = messages[messages["kind"] >= Kind.DELTA]
            stamp_sent(rows, kept)
            yield Decoded(rows, kept)

    def _rows(self, file: ArchiveFile) -> Iterator[Decoded]:
        """The lines of a CSV file."""
        words = {"symbol": file.symbol, "exchange": TARDIS_EXCHANGES.get(file.venue, "")}
        table = Table(file.path, LAYOUTS[file.source, file.kind], words)
        self._tables.append(table)
        records = table.read(read_buffers(file.path, file.symbol, self._progress))
        has_receipt = is_received(file.source)
        if self._is_sorted and not has_receipt:
            records = _sorted_records(records, self._sort_folder)
        yield from _emitted(file, records, has_receipt)


def _held_within_day(file: ArchiveFile, pieces: Iterator[Decoded]) -> Iterator[Decoded]:
    """Clamps modelled local times to the file's day, so that days do not overlap.

    At midnight a frame may have been sent slightly after the day of its file. Raises InputError for a time that is far
    outside the day.
    """
    start = _ns_of(file)
    end = start + DAY
    for piece in pieces:
        times = piece.messages["local_ts"]
        if len(times) and (times.min() < start or times.max() >= end):
            is_far = (times < start - OUTSIDE_NS_MAX) | (times >= end + OUTSIDE_NS_MAX)
            if is_far.any():
                n = int(np.flatnonzero(is_far)[0])
                raise InputError(
                    f"{file.path}, line {int(piece.messages['line'][n])}: the time {_shown(int(times[n]))} is not of "
                    f"{file.day}"
                )
            if not is_received(file.source):
                for held in (times, piece.rows["local_ts"]):
                    np.clip(held, start, end - 1, out=held)
        yield piece


def _emitted(file: ArchiveFile, pieces_of_records: Iterator[Rows], has_receipt: bool) -> Iterator[Decoded]:
    """Converts records to messages in order; a piece stays valid while AHEAD further ones are requested."""
    state = np.zeros(STATE_FIELDS, np.int64)
    pieces = deque([_NONE] * (AHEAD + 1))
    for records in pieces_of_records:
        pieces.rotate()
        if len(records) > len(pieces[0].messages):
            rows = np.empty(ROWS_PER_RECORD * len(records), event_dtype)
            pieces[0] = Decoded(rows, np.empty(len(records), MESSAGE_DTYPE))
        rows, messages = pieces[0]
        message_count = len(records)
        if file.kind == ArchiveKind.BOOK:
            count, message_count = emit_book(records, state, rows, messages)
        elif file.kind == ArchiveKind.TOUCH:
            count = emit_touch(records, has_receipt, state, rows, messages)
        else:
            count = emit_trades(records, int(_KINDS[file.kind]), has_receipt, state, rows, messages)
        if count == OUT_OF_ORDER:
            raise OutOfOrderError(f"{file.path}: not in the order of its times")
        yield Decoded(rows[:count], messages[:message_count])


def _sorted_records(records: Iterator[Rows], folder: Path | None) -> Iterator[Rows]:
    """All records sorted by the venue's time, then id, then file order; 24 bytes of memory a record."""
    with tempfile.TemporaryFile(dir=folder) as file:
        count = 0
        for piece in records:
            file.write(np.ascontiguousarray(piece).tobytes())
            count += len(piece)
        file.flush()
        if not count:
            return
        spooled = np.memmap(file, RECORD_DTYPE, "r", shape=(count,))
        order = np.lexsort((spooled["id"], np.maximum(spooled["time"], spooled["time_2"])))
        for start in range(0, count, _SORTED_RECORDS):
            yield np.asarray(spooled[order[start : start + _SORTED_RECORDS]])


def _ns_of(file: ArchiveFile) -> int:
    midnight = datetime(file.day.year, file.day.month, file.day.day, tzinfo=UTC)
    return round(midnight.timestamp()) * 1_000_000_000


def _shown(time_ns: int) -> str:
    return f"{datetime(1970, 1, 1) + timedelta(microseconds=time_ns // 1_000):%Y-%m-%d %H:%M:%S} UTC"
