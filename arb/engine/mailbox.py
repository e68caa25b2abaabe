"""The queues of a world's port, for an answering side that is not compiled: a gateway takes requests and puts answers.

Views of the queues' memory: nothing is compiled, so a live session runs the machine code of a dry-run. The host's
thread, or the strategy's inside `serve`: never while compiled code changes the queues.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from arb.engine.live import LiveWorld
from arb.engine.order_table import ORDER, ORDERS_MAX, QUEUE, TIMES
from arb.engine.world import WORLD
from arb.errors import InvariantError

#: Orders for which a queue has room at first: 640 kB. Its memory doubles when it is full.
FIRST_ROOM = 4096
#: Orders of a queue at most, as in compiled code.
ROOM_MAX = 2 * ORDERS_MAX

_DATA, _CAPACITY, _HEAD, _COUNT, _TIMES = (
    (QUEUE.names or ()).index(name) for name in ("data", "capacity", "head", "count", "times")
)
_LATEST, _IS_LIVE = ((WORLD.names or ()).index(name) for name in ("latest", "is_live"))
_BYTES = ORDER.itemsize

# The allocator of compiled code, which frees the memory when the world is closed.
_libc = ctypes.CDLL(None)
_libc.realloc.restype = ctypes.c_void_p
_libc.realloc.argtypes = [ctypes.c_void_p, ctypes.c_size_t]


class Mailbox:
    """Takes the requests of a world's assets and puts the answers to them."""

    def __init__(self, world: LiveWorld) -> None:
        self._world = world  # owns the records
        assets = world.assets[: len(world.legs)]
        self._cells = _cells_at(world.address, len(WORLD.names or ()))
        self._is_live = bool(self._cells[_IS_LIVE])
        self._requests = [_Queue(int(address)) for address in assets["requests"]]
        self._responses = [_Queue(int(address)) for address in assets["responses"]]

    def earliest_ts(self) -> int:
        """The earliest time of receipt of an answer: on live data later than all that the bot has reached."""
        return self._cells[_LATEST] + 1 if self._is_live else 0

    def take(self) -> list[tuple[int, Any]]:
        """Removes all requests; returns (leg, copy of the row of ORDER), by leg, then in the order of the requests."""
        return [(leg, order_of(copied)) for leg, copied in self.take_bytes()]

    def take_bytes(self) -> list[tuple[int, bytes]]:
        """`take`, with the bytes of each row: NumPy's view of them takes longer than the copy."""
        found: list[tuple[int, bytes]] = []
        for leg, queue in enumerate(self._requests):
            if queue.cells[_COUNT]:
                for _, copied in queue.take():
                    found.append((leg, copied))
        return found

    def put(self, leg: int, row: Any, received_ts: int) -> int:
        """Delivers an answer, a row of ORDER; returns its time of receipt.

        It is not before `earliest_ts`, nor before the leg's answer before.
        """
        return self._responses[leg].append(row, max(received_ts, self.earliest_ts()))

    def put_request(self, leg: int, row: Any, made_ts: int) -> int:
        """Queues a request as the bot does, for an exchange that is driven without one; returns its time."""
        return self._requests[leg].append(row, made_ts)

    def take_answers(self) -> list[tuple[int, int, Any]]:
        """Removes all answers that nobody received; returns (leg, time of receipt, copy of the row)."""
        found: list[tuple[int, int, Any]] = []
        for leg, queue in enumerate(self._responses):
            if queue.cells[_COUNT]:
                found += [(leg, ts, order_of(copied)) for ts, copied in queue.take()]
        return found


def order_of(copied: bytes) -> Any:
    """The row of ORDER that these bytes are."""
    return np.frombuffer(copied, ORDER)[0]


class _Queue:
    """One queue: views of its records and of the memory that they refer to, which compiled code may replace."""

    def __init__(self, address: int) -> None:
        self.cells = _cells_at(address, len(QUEUE.names or ()))
        self._times_cells = _cells_at(self.cells[_TIMES], len(TIMES.names or ()))
        self._data = self._capacity = 0
        self._rows: Any = None
        self._times: Any = None

    def take(self) -> list[tuple[int, bytes]]:
        """Removes all orders; returns their times, and copies of them."""
        cells = self.cells
        head, count, data = cells[_HEAD], cells[_COUNT], cells[_DATA]
        cells[_HEAD] = cells[_COUNT] = 0
        if not data:  # freed with its world
            return []
        if data != self._data or cells[_CAPACITY] != self._capacity:
            self._look()
        # Copied as bytes: NumPy copies such records field by field.
        rows, times, begin = self._rows, self._times, head * _BYTES
        if count == 1:
            return [(times[head], rows[begin : begin + _BYTES].tobytes())]
        return [(times[no], bytes(rows[no * _BYTES : (no + 1) * _BYTES])) for no in range(head, head + count)]

    def append(self, row: Any, timestamp: int) -> int:
        """Appends a copy, not earlier than the order before; returns its time."""
        cells = self.cells
        if cells[_HEAD] + cells[_COUNT] >= cells[_CAPACITY]:
            self._make_room()
        if cells[_DATA] != self._data or cells[_CAPACITY] != self._capacity:
            self._look()
        count = cells[_COUNT]
        end = cells[_HEAD] + count
        if count:
            timestamp = max(timestamp, self._times[end - 1])
        self._times[end] = timestamp
        begin = end * _BYTES
        self._rows[begin : begin + _BYTES] = row.tobytes()
        cells[_COUNT] = count + 1
        return timestamp

    def _look(self) -> None:
        cells = self.cells
        self._data, self._capacity = cells[_DATA], cells[_CAPACITY]
        memory = (ctypes.c_char * (self._capacity * _BYTES)).from_address(self._data)
        self._rows = memoryview(memory).cast("B")
        self._times = _cells_at(self._times_cells[_DATA], self._capacity)

    def _make_room(self) -> None:
        """Moves the orders to the front of the memory, or doubles it."""
        cells = self.cells
        if not cells[_DATA]:
            cells[_HEAD] = cells[_COUNT] = 0
        head, count = cells[_HEAD], cells[_COUNT]
        if head > count:
            self._look()
            self._rows[: count * _BYTES] = bytes(self._rows[head * _BYTES : (head + count) * _BYTES])
            self._times[:count] = self._times[head : head + count]
            cells[_HEAD] = 0
            return
        capacity = min(max(2 * cells[_CAPACITY], FIRST_ROOM), ROOM_MAX)
        if capacity <= cells[_CAPACITY]:
            raise InvariantError(f"more than {ROOM_MAX:,} answers wait for the strategy")
        for owner, item_bytes in ((self._times_cells, 8), (cells, _BYTES)):
            block = _libc.realloc(owner[_DATA] or None, capacity * item_bytes)
            if not block:
                raise MemoryError(f"no memory for {capacity:,} answers")
            owner[_DATA], owner[_CAPACITY] = block, capacity


def _cells_at(address: int, count: int) -> Any:
    """64-bit cells in memory; reading one takes a fifth of the time that NumPy takes."""
    return (ctypes.c_int64 * count).from_address(address)
