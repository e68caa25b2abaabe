"""A stream of rows: consecutive arrays, and a cursor on the next row for its reader.

A recording's array holds the rows of both sides, each with its flag; every reader has its own stream over the array and
skips rows without its flag. The host appends arrays and keeps them alive until the cursor has passed them.
"""

from __future__ import annotations

import numpy as np
from hftbacktest.types import LOCAL_EVENT, event_dtype
from numba import carray
from numpy.typing import NDArray

from arb.bot.memory import as_pointer, record_view
from arb.engine.blocks import Blocks
from connectors.jit.compilation import compiled
from connectors.model import FUNDING_EVENT, Rows

_NEVER = np.iinfo(np.int64).max

#: pieces: address of (address, rows) pairs. next_ts: time of the row at the cursor, NEVER without one.
STREAM = np.dtype(
    [
        ("pieces", "i8"),
        ("count", "i8"),
        ("piece", "i8"),
        ("row", "i8"),
        ("next_ts", "i8"),
        ("flag", "i8"),
    ]
)

_PIECES, _COUNT, _PIECE, _ROW = 0, 1, 2, 3


class Stream:
    """The host's side of one stream. Not to be used while the strategy runs."""

    def __init__(self, blocks: Blocks, flag: int) -> None:
        self.record = blocks.record(STREAM, flag=flag, row=-1, next_ts=_NEVER)
        # All fields have 64 bits; setting them by index is much faster than by name.
        self._cells = self.record.view(np.int64)
        self.address = int(self.record.ctypes.data)
        self._kept: list[Rows] = []
        self._pieces: NDArray[np.int64] = np.zeros((16, 2), np.int64)
        self._cells[_PIECES] = self._pieces.ctypes.data

    def append(self, rows: Rows) -> None:
        """Appends rows for the reader; they are kept alive until it has read them."""
        if not len(rows):
            return
        if not rows.flags.c_contiguous:
            raise ValueError("a stream reads arrays as they lie in memory: pass contiguous ones")
        self._forget()
        count = len(self._kept)
        if count == len(self._pieces):
            self._pieces = np.concatenate((self._pieces, np.zeros_like(self._pieces)))
            self._cells[_PIECES] = self._pieces.ctypes.data
        self._kept.append(rows)
        self._pieces[count, 0] = rows.ctypes.data
        self._pieces[count, 1] = len(rows)
        self._cells[_COUNT] = count + 1

    def follow(self, piece: int) -> None:
        """Reads one array from now on, whose (address, rows) pair lies at this address: rows are appended there, and
        the cursor is set back to them (`restart`). Nothing is appended here any more."""
        self._cells[_PIECES], self._cells[_COUNT], self._cells[_PIECE], self._cells[_ROW] = piece, 1, 1, -1

    def _forget(self) -> None:
        """Drops the arrays before the cursor."""
        read = int(self._cells[_PIECE])
        if read:
            self._pieces[: len(self._kept) - read] = self._pieces[read : len(self._kept)]
            del self._kept[:read]
            self._cells[_PIECE] = 0
            self._cells[_COUNT] = len(self._kept)


#: The stream at `address`.
stream_at = record_view(STREAM)
#: The row at `address`.
event_at = record_view(event_dtype)


@compiled
def current_row(stream):
    """The row at the cursor."""
    pieces = carray(as_pointer(stream.pieces), (stream.count, 2), np.int64)
    address = pieces[stream.piece, 0] + stream.row * _ROW_BYTES
    return event_at(address)


@compiled
def step(stream):
    """Moves the cursor to the next row with the reader's flag, or past the last one."""
    pieces = carray(as_pointer(stream.pieces), (stream.count, 2), np.int64)
    flag = np.uint64(stream.flag)
    while stream.piece < stream.count:
        rows = carray(as_pointer(pieces[stream.piece, 0]), pieces[stream.piece, 1], event_dtype)
        row = stream.row + 1
        while row < len(rows):
            if rows[row].ev & flag == flag:
                stream.row = row
                stream.next_ts = rows[row].local_ts if stream.flag == _LOCAL else rows[row].exch_ts
                return
            row += 1
        stream.piece += 1
        stream.row = -1
    stream.next_ts = _NEVER


@compiled
def restart(stream, row):
    """Rows were appended from number `row` on to the only array of a stream (`Stream.follow`)."""
    if stream.piece > 0:
        stream.piece = 0
        stream.row = row - 1


@compiled
def look(stream):
    """Time of the row at the cursor, or NEVER. Finds rows that were appended after the cursor reached the end."""
    if stream.next_ts == _NEVER and stream.piece < stream.count:
        step(stream)
    return stream.next_ts


@compiled
def flagged(rows, flag):
    """A copy of the rows with the flag of a reader, of type uint64; without funding data for LOCAL_EVENT."""
    copied = rows.copy()
    count = 0
    for index in range(len(rows)):
        if flag == _LOCAL_FLAG and np.int64(rows[index].ev) & 0xFF == FUNDING_EVENT:
            continue
        if count < index:
            copied[count] = rows[index]
        copied[count].ev |= flag
        count += 1
    return copied[:count]


_ROW_BYTES = event_dtype.itemsize
_LOCAL = int(LOCAL_EVENT)
_LOCAL_FLAG = np.uint64(LOCAL_EVENT)
