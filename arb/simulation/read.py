"""Messages of one leg that the host passes to a dry-run's world together: the strategy is entered once for all of them.

Each remains a message of its own. The strategy runs with the rows of the first one until it waits for more; then the
venues' side receives these rows (`arb.simulation.watermark`), and the strategy runs with the outcome; then the
same with the next message, and so on: what `arb.runtime.live_rows.LiveDriver.on_rows` does with each by itself. The
steps are prepared by a C function that a wait calls (`arb.engine.world.WORLD.more`), and the host is not entered.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from hftbacktest.types import event_dtype
from numba import carray, int64, intp
from numpy.typing import NDArray

from arb.bot.memory import as_pointer, record_view
from arb.engine.live import LiveWorld
from arb.engine.port import Late
from arb.engine.world import set_fields, world_at
from arb.simulation.watermark import VENUE_ORDER, VenueSide, insert, move, side_at
from connectors.jit.compilation import compiled, compiled_callback
from connectors.model import Rows

#: Most messages of a read.
MESSAGES_MAX = 1024

#: rows, ends: addresses of rows and of the end of each message's rows. count: of messages; done: those that are
#: processed. start: the first row of message `done`. is_received: the venues' side has received it. late: address of
#: (rows, watermark) by message, of those that arrived behind their watermark; lates: how many messages have such rows.
_NAMES = (
    *("side", "leg", "rows", "row_count", "ends", "count"),
    *("done", "start", "is_received", "late", "lates"),
)
READ = np.dtype([(name, "i8") for name in _NAMES])
_DONE, _LATES = (_NAMES.index(name) for name in ("done", "lates"))

read_at = record_view(READ)


class ReadSteps:
    """The steps of a read (`arb.engine.port.MessageSteps`), attached to a world with its venues' side.

    The host's thread; not while the strategy runs.
    """

    messages_max = MESSAGES_MAX

    def __init__(self, world: LiveWorld, side: VenueSide) -> None:
        self._side = side
        side.steps = self
        self._late = np.zeros((MESSAGES_MAX, 2), np.int64)
        self._record = world.blocks.record(READ, side=side.record.ctypes.data, late=self._late.ctypes.data)
        self._cells = self._record.view(np.int64)
        set_fields(world.record, more=more_callback().address, read=self._record.ctypes.data)

    def begin(self, leg_no: int, rows: Rows, ends: NDArray[np.int64]) -> int:
        """See `MessageSteps`; at most MESSAGES_MAX messages."""
        self._side.make_room(leg_no, len(rows))
        return int(_begin(self._record, leg_no, rows, ends))

    def finish(self) -> int:
        """See `MessageSteps`."""
        return int(_finish(self._record))

    @property
    def late(self) -> list[Late]:
        """See `MessageSteps`."""
        if not self._cells[_LATES]:
            return []
        done = self._late[: int(self._cells[_DONE])].tolist()
        return [Late(no, rows, watermark) for no, (rows, watermark) in enumerate(done) if rows]


@compiled
def _begin(record, leg_no, rows, ends):
    read = record[0]
    read.leg, read.rows, read.row_count = leg_no, rows.ctypes.data, len(rows)
    read.ends, read.count = ends.ctypes.data, len(ends)
    read.done = read.start = read.is_received = read.lates = 0
    _skip_empty(read, ends)
    return rows[ends[read.done] - 1].local_ts


@compiled
def _skip_empty(read, ends):
    """Goes to the next message with rows."""
    late = carray(as_pointer(read.late), (MESSAGES_MAX, 2), np.int64)
    while read.done < read.count and ends[read.done] == read.start:
        late[read.done, 0] = 0
        read.done += 1


@compiled
def _receive(read, rows, ends):
    """The venues' side receives the message, after the strategy."""
    side = side_at(read.side)
    orders = carray(as_pointer(side.orders), side.legs, VENUE_ORDER)
    late = carray(as_pointer(read.late), (MESSAGES_MAX, 2), np.int64)
    end = ends[read.done]
    late[read.done, 0] = insert(orders[read.leg], rows, read.start, end)
    late[read.done, 1] = orders[read.leg].watermark
    read.lates += late[read.done, 0] > 0
    move(side, rows[end - 1].local_ts)


@compiled
def _more(address):
    """Prepares the next step of a read; 0: there is none."""
    world = world_at(address)
    read = read_at(world.read)
    if read.done >= read.count:
        return 0
    rows = carray(as_pointer(read.rows), read.row_count, event_dtype)
    ends = carray(as_pointer(read.ends), read.count, np.int64)
    if read.is_received == 0:
        _receive(read, rows, ends)
        read.is_received = 1
        return 1
    read.is_received = 0
    read.start = ends[read.done]
    read.done += 1
    _skip_empty(read, ends)
    if read.done >= read.count:
        return 0
    world.horizon = rows[ends[read.done] - 1].local_ts
    return 1


@compiled
def _finish(record):
    read = record[0]
    if read.done < read.count:
        rows = carray(as_pointer(read.rows), read.row_count, event_dtype)
        ends = carray(as_pointer(read.ends), read.count, np.int64)
        if read.is_received == 0:
            _receive(read, rows, ends)
        read.done += 1
    done, read.count = read.done, 0
    return done


@cache
def more_callback() -> Any:
    """`World.more` as a C function, kept for the life of the process."""
    return compiled_callback(int64(intp), _more)
