"""The rows of converted days as a run reads them: consecutive days, with the rows that depend on the run.

A day's cached rows are a function of its frames and of the chain that it continues. Rows that depend on the run are
added on reading: the book that the first day begins with, the empty book of a later day that does not continue the
day before, and the two rows that empty a book for the strategy after a recording's last frame if the run goes on
(docs/decisions/0010).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from hftbacktest.types import EXCH_EVENT, LOCAL_EVENT, event_dtype

from arb.data.funding import FundingSpan
from arb.data.rows.npy import load_rows
from arb.data.rows.spool import Scan
from connectors.book.rows import LOCAL_ONLY
from connectors.model import Rows
from connectors.parsing.scanner import CLEAR_ASK, CLEAR_BID


class RowFile(msgspec.Struct, frozen=True):
    """The cached rows of one day, and the results of its conversion."""

    path: str
    #: Hashes of the files that it was read from, joined with a plus sign.
    raw_sha256: str
    #: Added to the local times: the run's offset, or the feed latency of a day without times of receipt.
    offset_ns: int
    rows: int
    clamped: int
    stepped_back: int
    scan: Scan
    #: Snapshot rows of the book at the end of the recording.
    book_path: str
    #: Snapshot rows of the book that it continues; empty if it begins with its own snapshot.
    carry_path: str = ""
    #: Whether the book that it continues was emptied for silence by then.
    is_carried_silent: bool = False
    #: Rows with funding data (`connectors.model.FUNDING_EVENT`), of the whole day.
    funding_rows: int = 0
    #: The funding times that they name, in venue time.
    funding: tuple[FundingSpan, ...] = ()
    #: How many of downloaded ones are at the front, before all rows of the venue's side, and at the end, after them.
    funding_before: int = 0
    funding_after: int = 0

    @property
    def first_ts(self) -> int:
        """Local time of the first frame on the run's clock; 0 without frames."""
        return self.scan.local_ts_first and self.scan.local_ts_first + self.offset_ns

    @property
    def last_ts(self) -> int:
        """Local time of the last frame on the run's clock; 0 without frames."""
        return self.scan.local_ts_last and self.scan.local_ts_last + self.offset_ns

    @property
    def silent_ts(self) -> int:
        """When the book is emptied for silence if no frame follows, on the run's clock; 0: never."""
        return self.scan.silent_ts and self.scan.silent_ts + self.offset_ns

    def load(self, *, is_first: bool = False) -> list[Rows]:
        """The rows as consecutive arrays.

        The first day of a run begins with the book before it. A later day that does not continue the day before
        begins with an empty book, because that day's book may be out of date.
        """
        rows = load_rows(Path(self.path))
        if is_first:  # there is no position yet
            rows = rows[self.funding_before :]
        if is_first != bool(self.carry_path) or not len(rows):
            return [rows]
        if not is_first:
            passed, rows = rows[: self.funding_before].copy(), rows[self.funding_before :]
            emptied = self._at_begin(_empty_book(EXCH_EVENT | LOCAL_EVENT), rows)
            return [passed, emptied, rows] if len(passed) else [emptied, rows]
        begin = load_rows(Path(self.carry_path), mapped=False)
        is_silent = self.is_carried_silent
        if len(rows) > 2 and rows["ival"][0] == LOCAL_ONLY and rows["local_ts"][0] < self.first_ts:
            rows, is_silent = rows[2:], True  # it was emptied before the run begins
        if is_silent:
            begin = np.concatenate((begin, _silence(0)))
        return [self._at_begin(begin, rows), rows]

    def _at_begin(self, begin: Rows, rows: Rows) -> Rows:
        """Rows at the time of the day's first frame, before its own rows; buffered changes are not rows yet."""
        first_ts = min(self.first_ts, int(rows["local_ts"].min()))
        begin["exch_ts"] = min(first_ts, int(rows["exch_ts"].min()))
        begin["local_ts"] = first_ts
        # A funding time that has passed is not the next one. (A silence has a mark below zero here.)
        begin["ival"][(begin["ival"] > 0) & (begin["ival"] <= begin["exch_ts"])] = 0
        return begin


class Conversion(NamedTuple):
    """The input of a run: its clock offset and its row files, one list per feed."""

    offset_ns: int
    files: list[list[RowFile]]

    @property
    def end_ts(self) -> int:
        """Local time of the last frame of all feeds, on the run's clock; 0 without any."""
        return max((file.last_ts for files in self.files for file in files), default=0)

    def rows(self, feed_no: int) -> list[Rows]:
        """The rows of a feed as consecutive arrays.

        Two rows empty the book for the strategy if the run goes on for longer than the allowed silence, by the next
        day of the feed or by another feed. Every array except the last has rows for both sides: hftbacktest drops an
        array that one side has finished before the other began it, and its run ends there.
        """
        arrays: list[Rows] = []
        for piece in reversed(list(self._pieces(feed_no))):
            if arrays and not is_for_both(piece):
                arrays[0] = np.concatenate((piece, arrays[0]))
            else:
                arrays.insert(0, piece)
        return arrays

    def _pieces(self, feed_no: int) -> Iterator[Rows]:
        last_ts = 0
        for n, file in enumerate(self.files[feed_no]):
            *begin, rows = file.load(is_first=n == 0)
            for piece in begin:
                # The venue's side may begin a day only after the strategy's has ended the day before: see `rows`.
                piece["exch_ts"] = np.minimum(np.maximum(piece["exch_ts"], last_ts), piece["local_ts"])
                yield piece
            following = self._following(feed_no, n)
            own_to = len(rows) - file.funding_after
            if own_to > 0:
                last_ts = int(rows["local_ts"][own_to - 1])
            if following is None:  # funding times after the end of the run
                rows = rows[: own_to + int(np.searchsorted(rows["exch_ts"][own_to:], self.end_ts, "right"))]
            yield rows
            # A day that continues the chain has the silence in its own rows.
            is_carried_on = following is not None and bool(following.carry_path)
            if 0 < file.silent_ts < self.goes_on_until(feed_no, n) and not is_carried_on:
                # Local times never fall, even if the recorder's clock was set back.
                yield _silence(max(file.silent_ts, last_ts))

    def goes_on_until(self, feed_no: int, file_no: int) -> int:
        """When the feed's next day begins, or the run ends; local time on the run's clock."""
        following = self._following(feed_no, file_no)
        return self.end_ts if following is None else following.first_ts

    def _following(self, feed_no: int, file_no: int) -> RowFile | None:
        """The next day of a feed that has rows or continues the chain."""
        behind = self.files[feed_no][file_no + 1 :]
        return next((file for file in behind if file.rows or file.carry_path), None)


def _empty_book(flags: int) -> Rows:
    """Two rows that empty both sides of the book, with the given flags."""
    rows = np.zeros(2, event_dtype)
    rows["ev"] = np.array([CLEAR_BID, CLEAR_ASK], np.uint64) | np.uint64(flags)
    rows["px"] = np.nan
    return rows


def is_for_both(rows: Rows) -> bool:
    """Whether there are rows for the venue's side and rows for the strategy's."""
    both = np.uint64(EXCH_EVENT | LOCAL_EVENT)
    # The first few rows of a day suffice.
    return any(np.bitwise_or.reduce(part["ev"]) & both == both for part in (rows[:64], rows))


def _silence(local_ts: int) -> Rows:
    """The two rows that empty a book for the strategy only, as within a day (`connectors.book.sync`)."""
    rows = _empty_book(LOCAL_EVENT)
    rows["exch_ts"] = rows["local_ts"] = local_ts
    rows["ival"] = LOCAL_ONLY
    return rows
