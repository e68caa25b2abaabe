"""Inputs beyond the frames that are needed to derive a session's rows again. Pure.

A mark records each case in which the rows do not follow from the frames alone: a change of the clock offset, a book
that was cleared without a frame (a lost connection, a silence), rows whose times were moved forward because later ones
had been delivered, and rows that reached the simulated exchange too late and took effect on arrival. Marks are rare.
"""

from __future__ import annotations

import zlib
from array import array
from enum import IntEnum
from typing import Any

import numpy as np

from connectors.book.rows import LOCAL_ONLY
from connectors.model import Rows
from connectors.parsing.scanner import CLEAR_ASK, CLEAR_BID

#: frame: number of the leg's frames so far, including this one. value: see `MarkKind`.
MARK = np.dtype([("leg", "i8"), ("kind", "i8"), ("frame", "i8"), ("value", "i8")])

#: Frames of a leg that were not recorded. frames: how many. first_frame: how many were recorded before the first one.
#: after_ts, after_exch_ts: up to when the strategy, and the venues' side, were complete when it arrived.
LOSS = np.dtype([(name, "i8") for name in ("leg", "frames", "first_frame", "after_ts", "after_exch_ts")])

_FIELDS = len(MARK.names or ())
_NO_OFFSET = int(np.iinfo(np.int64).min)


class MarkKind(IntEnum):
    """The kind of a mark."""

    OFFSET = 1
    """From this frame on, rows are stamped with the offset `value`."""
    CLEARED = 2
    """The book was emptied at `value` (as stamped), by this frame or after it."""
    DOWN = 3
    """The connection was lost after this frame: deltas held for a snapshot are dropped."""
    LIFTED = 4
    """Rows of this frame arrived after the strategy had reached `value`: they count as received after it."""
    LATE = 5
    """Rows of this frame arrived after the venues' side was complete up to `value`: they take effect right after it."""
    SILENT = 6
    """The book was emptied as silent at `value` (as stamped), by this frame or after it."""


class LegMarks:
    """The marks of one leg, and the sums of its rows. One thread."""

    def __init__(self, leg_no: int) -> None:
        self._leg_no = leg_no
        self._offset_ns = _NO_OFFSET
        #: Whether no rows arrived since the last frame: the next ones most likely belong to it.
        self._is_fresh = False
        # Four packed numbers per mark: a machine that is too slow leaves a mark for nearly every frame.
        self._cells = array("q")
        #: Recorded frames; rows passed to the strategy; a checksum over those rows.
        self.frames = 0
        self.rows = 0
        self.checksum = 0
        self._lost = self._first_lost = self._after_ts = self._after_exch_ts = 0

    @property
    def count(self) -> int:
        """Marks so far."""
        return len(self._cells) // _FIELDS

    def since(self, first: int) -> np.ndarray[Any, Any]:
        """The marks from number `first` on, of dtype MARK."""
        return np.array(self._cells[first * _FIELDS :], np.int64).view(MARK)

    def on_frame(self) -> None:
        """A frame was recorded."""
        self.frames += 1
        self._is_fresh = True

    def on_loss(self, after_ts: int, after_exch_ts: int) -> None:
        """The last frame could not be recorded. after_ts, after_exch_ts: see `LOSS`."""
        if not self._lost:
            self._first_lost, self._after_ts, self._after_exch_ts = self.frames - 1, after_ts, after_exch_ts
        self._lost += 1

    @property
    def losses(self) -> list[tuple[int, ...]]:
        """A row of LOSS where frames were lost, or none."""
        row = (self._leg_no, self._lost, self._first_lost, self._after_ts, self._after_exch_ts)
        return [row] if self._lost else []

    def on_down(self) -> None:
        """The connection was lost."""
        self._add(MarkKind.DOWN, 0)

    def take(self, rows: Rows, offset_ns: int, reached_ts: int) -> Rows:
        """The rows as the strategy receives them. reached_ts: the latest time that the strategy has reached."""
        # A cleared book is stamped with the offset of its last rows, whatever the offset is now. If it was cleared
        # after a frame without rows, the mark belongs to a frame whose offset does not matter.
        if self._is_fresh and offset_ns != self._offset_ns:
            self._offset_ns = offset_ns
            self._add(MarkKind.OFFSET, offset_ns)
        self._is_fresh = False
        emptied = emptied_by(rows)
        if emptied is not None:
            self._add(emptied, int(rows["local_ts"][0]))
        if rows["local_ts"][0] <= reached_ts:
            rows = lifted(rows, reached_ts)
            self._add(MarkKind.LIFTED, reached_ts)
        return rows

    def has_offset(self, offset_ns: int) -> bool:
        """Whether rows have been stamped with this offset last: no mark is needed."""
        return offset_ns == self._offset_ns

    def on_read(self, frames: int, rows: Rows, *, is_fresh: bool) -> None:
        """Frames were recorded and the strategy received their rows, in this order, none of which needed a mark.

        is_fresh: whether the last frame had no rows.
        """
        self.frames += frames
        self._is_fresh = is_fresh
        self.add_rows(rows)

    def on_late_message(self, frame: int, watermark: int) -> None:
        """As `on_late`, for the rows of this frame, a number among the leg's."""
        self._cells.extend((self._leg_no, int(MarkKind.LATE), frame, watermark))

    def on_late(self, watermark: int) -> None:
        """Some rows that `take` last returned were too late for the venues' side."""
        self._add(MarkKind.LATE, watermark)

    def add_rows(self, rows: Rows) -> None:
        """Adds rows that the strategy received to the sums."""
        self.rows += len(rows)
        self.checksum = checksum(rows, self.checksum)

    def _add(self, kind: MarkKind, value: int) -> None:
        self._cells.extend((self._leg_no, int(kind), self.frames, value))


def checksum(rows: Rows, before: int = 0) -> int:
    """CRC-32 of rows that follow others whose checksum is `before`."""
    return zlib.crc32(np.ascontiguousarray(rows).view(np.uint8).data, before)


def emptied_by(rows: Rows) -> MarkKind | None:
    """CLEARED or SILENT for rows that only empty a book, otherwise None."""
    if len(rows) != 2:
        return None
    flags = np.uint64(CLEAR_BID), np.uint64(CLEAR_ASK)
    if rows["ev"][0] != flags[0] or rows["ev"][1] != flags[1] or not np.isnan(rows["px"]).all():
        return None
    return MarkKind.SILENT if rows["ival"][0] == LOCAL_ONLY else MarkKind.CLEARED


def lifted(rows: Rows, reached_ts: int) -> Rows:
    """A copy of the rows, received no earlier than right after `reached_ts`."""
    moved = rows.copy()
    np.maximum(moved["local_ts"], reached_ts + 1, out=moved["local_ts"])
    return moved


def happened_after(rows: Rows, watermark: int) -> Rows:
    """A copy of the rows, with exchange times no earlier than right after `watermark`."""
    moved = rows.copy()
    np.maximum(moved["exch_ts"], watermark + 1, out=moved["exch_ts"])
    return moved


def losses_of(legs: list[LegMarks]) -> np.ndarray[Any, Any]:
    """The lost frames of all legs, of dtype LOSS."""
    return np.array([row for leg in legs for row in leg.losses], LOSS)
