"""The rows of converted days as a run reads them: day behind day, with what none of the days says by itself.

A day's rows are a function of its frames and of the chain that it carries on. What depends on the run is added when
they are read, so that the cache holds nothing of it: the book that the first day begins with, the empty book of a
later day that carries nothing on, and the two rows that empty a book for the strategy where nothing comes behind a
recording's last frame although the run goes on (docs/decisions/0010).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from hftbacktest.types import EXCH_EVENT, LOCAL_EVENT, event_dtype

from arb.data.rows.npy import load_rows
from arb.data.rows.spool import Scan
from connectors.book.rows import LOCAL_ONLY
from connectors.model import Rows
from connectors.parsing.scanner import CLEAR_ASK, CLEAR_BID


class RowFile(msgspec.Struct, frozen=True):
    """The rows of one day in the cache, and what came of making them."""

    path: str
    #: Of each file that it was read from, with a plus sign between them.
    raw_sha256: str
    #: What was added to the local times: the run's offset, or the feed latency of a day without times of receipt.
    offset_ns: int
    rows: int
    clamped: int
    stepped_back: int
    scan: Scan
    #: Snapshot rows of the book at the end of the recording.
    book_path: str
    #: Those that the recording carries on from; empty where it begins with its own snapshot.
    carry_path: str = ""
    #: Whether the book that it carries on was emptied for its silence by then.
    is_carried_silent: bool = False

    @property
    def first_ts(self) -> int:
        """Local time of the first frame on the run's clock; 0: there is none."""
        return self.scan.local_ts_first and self.scan.local_ts_first + self.offset_ns

    @property
    def last_ts(self) -> int:
        """Local time of the last frame on the run's clock; 0: there is none."""
        return self.scan.local_ts_last and self.scan.local_ts_last + self.offset_ns

    @property
    def silent_ts(self) -> int:
        """When the book is emptied for its silence if no frame follows, on the run's clock; 0: never."""
        return self.scan.silent_ts and self.scan.silent_ts + self.offset_ns

    def load(self, *, is_first: bool = False) -> list[Rows]:
        """The rows as arrays to be read one after the other.

        The first day of a run begins with the book before it. A later day that carries nothing on begins with an
        empty book: what the day before left is not known to be true any more.
        """
        rows = load_rows(Path(self.path))
        if is_first != bool(self.carry_path) or not len(rows):
            return [rows]
        if not is_first:
            return [self._at_begin(_empty_book(EXCH_EVENT | LOCAL_EVENT), rows), rows]
        begin = load_rows(Path(self.carry_path), mapped=False)
        is_silent = self.is_carried_silent
        if len(rows) > 2 and rows["ival"][0] == LOCAL_ONLY and rows["local_ts"][0] < self.first_ts:
            rows, is_silent = rows[2:], True  # it was emptied before the run begins
        if is_silent:
            begin = np.concatenate((begin, _silence(0)))
        return [self._at_begin(begin, rows), rows]

    def _at_begin(self, begin: Rows, rows: Rows) -> Rows:
        """Rows for the day's first frame, in front of its own; held changes are no rows yet."""
        first_ts = min(self.first_ts, int(rows["local_ts"].min()))
        begin["exch_ts"] = min(first_ts, int(rows["exch_ts"].min()))
        begin["local_ts"] = first_ts
        return begin


class Conversion(NamedTuple):
    """What a run reads: its clock offset and its row files, a list a feed."""

    offset_ns: int
    files: list[list[RowFile]]

    @property
    def end_ts(self) -> int:
        """Local time of the last frame of all feeds, on the run's clock; 0 without any."""
        return max((file.last_ts for files in self.files for file in files), default=0)

    def rows(self, feed_no: int) -> list[Rows]:
        """The rows of a feed as arrays to be read one after the other.

        Two rows empty the book for the strategy where the run goes on for longer than the book may be silent, on the
        next day of the feed or by another feed. Every array but the last has rows for both sides: hftbacktest drops an
        array when one side has read it before the other began it, and its run ends there.
        """
        arrays: list[Rows] = []
        for piece in reversed(list(self._pieces(feed_no))):
            if arrays and not _is_for_both(piece):
                arrays[0] = np.concatenate((piece, arrays[0]))
            else:
                arrays.insert(0, piece)
        return arrays

    def _pieces(self, feed_no: int) -> Iterator[Rows]:
        last_ts = 0
        for n, file in enumerate(self.files[feed_no]):
            *begin, rows = file.load(is_first=n == 0)
            for piece in begin:
                # The venue's side begins a day when the strategy's has ended the day before: see `rows`.
                piece["exch_ts"] = np.minimum(np.maximum(piece["exch_ts"], last_ts), piece["local_ts"])
                yield piece
            yield rows
            if len(rows):
                last_ts = int(rows["local_ts"][-1])
            following = self._following(feed_no, n)
            # A day that carries the chain on has the silence in its own rows.
            is_carried_on = following is not None and bool(following.carry_path)
            if 0 < file.silent_ts < self.goes_on_until(feed_no, n) and not is_carried_on:
                # Local times never fall, also where the recorder's clock was set back.
                yield _silence(max(file.silent_ts, last_ts))

    def goes_on_until(self, feed_no: int, file_no: int) -> int:
        """When the next day of the feed begins behind a day, or when the run ends; local time on the run's clock."""
        following = self._following(feed_no, file_no)
        return self.end_ts if following is None else following.first_ts

    def _following(self, feed_no: int, file_no: int) -> RowFile | None:
        """The next day of a feed that has rows or carries the chain on."""
        behind = self.files[feed_no][file_no + 1 :]
        return next((file for file in behind if file.rows or file.carry_path), None)


def _empty_book(flags: int) -> Rows:
    """Two rows that empty both sides, for those whose flags these are."""
    rows = np.zeros(2, event_dtype)
    rows["ev"] = np.array([CLEAR_BID, CLEAR_ASK], np.uint64) | np.uint64(flags)
    rows["px"] = np.nan
    return rows


def _is_for_both(rows: Rows) -> bool:
    """Whether there are rows for the venue's side and rows for the strategy's."""
    both = np.uint64(EXCH_EVENT | LOCAL_EVENT)
    # Of a day the first few show it.
    return any(np.bitwise_or.reduce(part["ev"]) & both == both for part in (rows[:64], rows))


def _silence(local_ts: int) -> Rows:
    """The two rows that empty a book for the strategy alone, as they are within a day (`connectors.book.sync`)."""
    rows = _empty_book(LOCAL_EVENT)
    rows["exch_ts"] = rows["local_ts"] = local_ts
    rows["ival"] = LOCAL_ONLY
    return rows
