"""Rows that compiled code appends and Python reads: records, decisions and fills.

A log is a control block of 64-bit cells, whose address compiled code holds, and a buffer. The strategy's thread is the
only writer: it fills a row, then publishes the count, so another thread may read at any time. A full buffer is doubled
by a callback that takes the GIL; readers keep the old buffer alive while they use it.

Bound: `rows_max`. At the bound, or without memory, further rows are dropped and counted; the strategy continues.
"""

from __future__ import annotations

import ctypes
import weakref
from typing import Any

import numpy as np
from numba.extending import register_jitable

from arb.bot.memory import call_int64, load_int64, publish_int64

# Cells of the control block.
DATA = 0
CAPACITY = 1
COUNT = 2
GROW = 3
DROPPED = 4
#: Bytes of one row.
ROW_BYTES = 5
#: Entries of one row: assets of a record, otherwise 1.
WIDTH = 6
CONTROL_SIZE = 7

#: Default bound: 16 million rows.
ROWS_MAX = 1 << 24

_GROW_TYPE = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)


class GrowingLog:
    """Owner of one log: its buffer, its control block and the callback that doubles the buffer.

    width: entries per row; the rows are then two-dimensional. Keep it alive as long as compiled code has its address.
    """

    def __init__(
        self, dtype: np.dtype[Any], *, width: int = 0, rows: int = 1024, rows_max: int = ROWS_MAX
    ) -> None:
        if not 0 < rows <= rows_max:
            raise ValueError(f"0 < rows <= rows_max is needed, not {rows} and {rows_max}")
        self._shape = (width,) if width else ()
        self._rows_max = rows_max
        self._buffer = np.zeros((rows, *self._shape), dtype)
        self._control = np.zeros(CONTROL_SIZE, np.int64)
        # A weak reference: a bound method would create a cycle, and keep the buffer until a garbage collection.
        log = weakref.ref(self)
        self._grow_callback = _GROW_TYPE(lambda _address: _grow(log()))
        self._control[GROW] = ctypes.cast(self._grow_callback, ctypes.c_void_p).value or 0
        self._control[ROW_BYTES] = dtype.itemsize * max(width, 1)
        self._control[WIDTH] = max(width, 1)
        self._point()

    @property
    def address(self) -> int:
        """Address of the control block."""
        return int(self._control.ctypes.data)

    @property
    def rows(self) -> np.ndarray[Any, Any]:
        """The rows so far, a view. Any thread; rows added later are not in it."""
        count = int(self._control[COUNT])
        return self._buffer[:count]

    @property
    def dropped(self) -> int:
        """Rows that were lost at the bound or for lack of memory."""
        return int(self._control[DROPPED])

    def take(self) -> np.ndarray[Any, Any]:
        """Removes the rows so far and returns a copy of them. Only while the writer waits."""
        rows = self.rows
        if len(rows):
            rows = rows.copy()
            self._control[COUNT] = 0
        return rows

    def _point(self) -> None:
        self._control[DATA] = self._buffer.ctypes.data
        self._control[CAPACITY] = len(self._buffer)

    def grow(self) -> bool:
        """Doubles the buffer, up to the bound; False if that is not possible. Called by the callback."""
        rows = min(2 * len(self._buffer), self._rows_max)
        if rows == len(self._buffer):
            return False
        try:
            buffer = np.zeros((rows, *self._shape), self._buffer.dtype)
        except MemoryError:
            return False
        buffer[: len(self._buffer)] = self._buffer
        self._buffer = buffer
        self._point()
        return True


def _grow(log: GrowingLog | None) -> int:
    return 0 if log is not None and log.grow() else 1


@register_jitable
def reserve_row(control: Any) -> Any:
    """Address of the next row to fill, or 0 if there is no room for it.

    The row is not part of the log until `publish_row`.
    """
    count = load_int64(control + 8 * COUNT)
    if count >= load_int64(control + 8 * CAPACITY):
        if call_int64(load_int64(control + 8 * GROW), control) != 0:
            publish_int64(control + 8 * DROPPED, load_int64(control + 8 * DROPPED) + 1)
            return 0
    return load_int64(control + 8 * DATA) + count * load_int64(control + 8 * ROW_BYTES)


@register_jitable
def publish_row(control: Any) -> None:
    """Publishes the row that `reserve_row` returned."""
    publish_int64(control + 8 * COUNT, load_int64(control + 8 * COUNT) + 1)
