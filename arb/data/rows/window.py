"""Cuts the rows of a run's days to a part of them, from one time to another.

Each side, the venue's and the strategy's, has its own events of that time: by the venue's time, and by the time of
receipt. Before them are both sides' books as they are at the start, as snapshot rows of that time. So a run over the
part is a run over rows like any other, in every engine. What a conversion says of its days (rows, outages of the book,
first and last frame) is cut in the same way; the clock offset is that of the whole days.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from hftbacktest.types import EXCH_EVENT, LOCAL_EVENT
from numpy.typing import NDArray

from arb.data.outages import BookOutages, OutageFinder
from arb.data.rows.levels import Levels
from arb.data.rows.npy import load_rows
from arb.data.rows.row_files import Conversion, RowFile, is_for_both
from connectors.model import Rows
from connectors.units import SECOND

#: Rows cut at a time.
_BLOCK_ROWS = 1 << 16
#: Neighbouring arrays of fewer rows than this are joined: see `_joined`.
_ARRAY_ROWS = 1 << 20
_BOTH = np.uint64(EXCH_EVENT | LOCAL_EVENT)
#: Each side's flag, and its times.
_SIDES = ((np.uint64(EXCH_EVENT), "exch_ts"), (np.uint64(LOCAL_EVENT), "local_ts"))
_OWN = 1


class Window(NamedTuple):
    """From `start_ts` to `end_ts`, the latter excluded, on the run's clock; None: as the days begin, or end."""

    start_ts: int | None
    end_ts: int | None

    @classmethod
    def of_texts(cls, texts: tuple[str | None, str | None]) -> Window:
        """From what `texts` returns."""
        start, end = (None if text is None else _parsed(text) for text in texts)
        return cls(start, end)

    @property
    def texts(self) -> tuple[str | None, str | None]:
        """Start and end as `2024-08-08T23:55:00Z`."""
        start, end = (None if ts is None else f"{moment_text(ts)}Z" for ts in self)
        return start, end

    @property
    def text(self) -> str:
        """`from 2024-08-08T23:55:00Z to 2024-08-09T00:10:00Z`, as far as both are known."""
        start, end = self.texts
        return " ".join([*([f"from {start}"] if start else []), *([f"to {end}"] if end else [])])

    @property
    def span(self) -> tuple[int, int]:
        """Start and end as times below and above all others where they are None."""
        low, high = np.iinfo(np.int64).min, np.iinfo(np.int64).max
        return low if self.start_ts is None else self.start_ts, high if self.end_ts is None else self.end_ts

    def has(self, file: RowFile) -> bool:
        """Whether all frames of a day are in it."""
        start, end = self.span
        return start <= file.first_ts and file.last_ts < end


def moment_text(ts: int) -> str:
    """A time in ns as `2024-08-08T23:55:00`, to the second."""
    return f"{datetime.fromtimestamp(ts // SECOND, UTC):%Y-%m-%dT%H:%M:%S}"


def _parsed(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp()) * SECOND


def cut_rows(arrays: Sequence[Rows], window: Window, tick_size: float) -> list[Rows]:
    """The rows of an instrument within the window, as consecutive arrays that begin with the books at its start.

    arrays: as from `Conversion.rows`. Rows far from both ends are views of them.
    """
    (inside,) = cut_days([arrays], window, tick_size)
    return _joined(inside)


def cut_days(days: Iterable[Sequence[Rows]], window: Window, tick_size: float) -> list[list[Rows]]:
    """As `cut_rows`, one list of arrays for each of consecutive days, to be written to files.

    The first day with rows within, or the last, begins with the books at the start. A later day may have arrays for
    one side only.
    """
    books = [Levels(tick_size) for _ in _SIDES]
    inside = [
        [piece for rows in arrays for piece in _pieces(rows, window, books) if len(piece)] for arrays in days
    ]
    first = next((pieces for pieces in inside if pieces), inside[-1])
    first.insert(0, _begin(books, window))
    return inside


def cut_conversion(conversion: Conversion, window: Window) -> Conversion:
    """What a conversion says of its days, cut to the window; not to be used for their rows."""
    return conversion._replace(
        files=[[_cut_file(file, window) for file in files] for files in conversion.files]
    )


def _pieces(rows: Rows, window: Window, books: Sequence[Levels]) -> Iterator[Rows]:
    """The parts of an array that are within, in order; `books` follow what is before."""
    start, _ = window.span
    whole_from = 0
    for begin, block in _blocks(rows):
        flags = _flags_within(block, window)
        if np.array_equal(flags, block["ev"] & _BOTH):
            continue
        yield rows[whole_from:begin]
        whole_from = begin + len(block)
        for book, (flag, time) in zip(books, _SIDES, strict=True):
            before = block[(block["ev"] & flag != 0) & (block[time] < start)]
            before["ival"][before["ival"] < 0] = 0  # also what the strategy alone sees, as in a silence
            book.follow(before)
        kept = block[flags != 0]
        kept["ev"] = kept["ev"] & ~_BOTH | flags[flags != 0]
        yield kept
    yield rows[whole_from:]


def _blocks(rows: Rows) -> Iterator[tuple[int, Rows]]:
    for begin in range(0, len(rows), _BLOCK_ROWS):
        yield begin, rows[begin : begin + _BLOCK_ROWS]


def _flags_within(rows: Rows, window: Window) -> NDArray[np.uint64]:
    """Of each row, the flags of the sides that have it within the window."""
    start, end = window.span
    flags = np.zeros(len(rows), np.uint64)
    for flag, time in _SIDES:
        flags |= np.where((rows[time] >= start) & (rows[time] < end), rows["ev"] & flag, np.uint64(0))
    return flags


def _begin(books: Sequence[Levels], window: Window) -> Rows:
    """Snapshot rows of both sides' books at the start, and the last funding data before it."""
    parts = []
    for book, (flag, _) in zip(books, _SIDES, strict=True):
        rows = book.rows()
        rows["ev"] = rows["ev"] & ~_BOTH | flag
        rows["exch_ts"] = rows["local_ts"] = window.start_ts or 0
        # A funding time that has passed is not the next one.
        rows["ival"][rows["ival"] <= rows["exch_ts"]] = 0
        parts.append(rows)
    return np.concatenate(parts)


def _joined(pieces: Sequence[Rows]) -> list[Rows]:
    """The pieces as arrays that hftbacktest reads to their end.

    It drops an array that one side has finished before the other began it: every array but the last has rows of both
    sides (`Conversion.rows`), and so many of them that no side is that far ahead.
    """
    arrays: list[Rows] = []
    for piece in pieces:
        is_short = bool(arrays) and max(len(arrays[-1]), len(piece)) < _ARRAY_ROWS
        if is_short or (arrays and not is_for_both(arrays[-1])):
            arrays[-1] = np.concatenate((arrays[-1], piece))
        else:
            arrays.append(piece)
    return arrays


def _cut_file(file: RowFile, window: Window) -> RowFile:
    """What is known of a day, cut to the window.

    `clamped` and `stepped_back` remain those of the day, as do the scan's frames, grid and stamps.
    """
    if window.has(file):
        return file
    start, end = window.span
    first_ts, last_ts = max(file.first_ts, start), min(file.last_ts, end)
    scan = file.scan
    if not file.first_ts or last_ts < first_ts:
        out = msgspec.structs.replace(
            scan,
            local_ts_first=0,
            local_ts_last=0,
            gaps=0,
            book=BookOutages(),
            touch_ts=0,
            silent_ts=0,
            silent_ns=0,
        )
        return msgspec.structs.replace(file, rows=0, scan=out)
    book, count = _outages_within(file, window, first_ts, last_ts)
    is_proven_before = 0 < scan.proven_ts < start - file.offset_ns
    within = msgspec.structs.replace(
        scan,
        local_ts_first=first_ts - file.offset_ns,
        local_ts_last=last_ts - file.offset_ns,
        gaps=book.outages,
        book=book.moved(-file.offset_ns),
        touch_ts=0 if is_proven_before else scan.touch_ts,
        silent_ts=scan.silent_ts if file.silent_ts < end else 0,
        # Not known for a part of the day.
        silent_ns=0,
    )
    return msgspec.structs.replace(file, rows=count, scan=within)


def _outages_within(file: RowFile, window: Window, first_ts: int, last_ts: int) -> tuple[BookOutages, int]:
    """The outages of a day's book from `first_ts` to `last_ts`, on the run's clock; and how many rows are within."""
    rows = load_rows(Path(file.path))
    before, within = OutageFinder(), OutageFinder()
    before.begin(file.first_ts, is_carried=file.scan.book.is_carried)
    for own in _own_rows(rows, Window(None, first_ts)):
        before.follow(own)
    before.close(first_ts)
    within.begin(first_ts, is_carried=not before.outages.lost_ts)
    for own in _own_rows(rows, window):
        within.follow(own)
    within.close(last_ts)
    count = sum(int(np.count_nonzero(_flags_within(block, window))) for _, block in _blocks(rows))
    return within.outages, count


def _own_rows(rows: Rows, window: Window) -> Iterator[Rows]:
    """The strategy's rows within a window, block by block."""
    flag = _SIDES[_OWN][0]
    for _, block in _blocks(rows):
        own = block[_flags_within(block, window) & flag != 0]
        if len(own):
            yield own
