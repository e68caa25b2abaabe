"""Orders of one asset by id, and queues of orders in transit, in blocks that grow.

The rows of a table are contiguous; a removal moves the last row into the gap, so an address is valid until the next
removal. An insertion moves rows only if `grow_in_place` could not reserve the memory. The first 96 bytes of a row are
hftbacktest's order, which is all that a strategy sees.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hftbacktest.types import order_dtype
from numba import carray

from arb.bot.memory import as_pointer, record_address, record_view
from arb.engine.blocks import OWNED, Blocks, grow, grow_in_place
from arb.engine.int_map import INT_MAP, entries_of, find, map_at, put, remove_at
from connectors.jit.compilation import compiled

#: Maximum number of orders in a table; a queue holds twice as many.
ORDERS_MAX = 1 << 20


def _order() -> np.dtype[Any]:
    fields = order_dtype.fields or {}
    extra = [
        # NumPy copies no bytes between fields: without a name, rows that are equal would differ in them.
        ("unused", "u2"),
        ("front_qty", "f8"),
        ("cum_trade_qty", "f8"),
        ("request_no", "i8"),
        ("request_ts", "i8"),
        ("fee_price", "f8"),
        ("fill_qty", "f8"),
        ("fee", "f8"),
        ("charged", "i8"),
    ]
    names = [*fields, *(name for name, _ in extra)]
    formats = [*(kind.str for kind, *_ in fields.values()), *(kind for _, kind in extra)]
    offsets = [*(offset for _, offset, *_ in fields.values()), 94, *range(96, 160, 8)]
    made: Any = {"names": names, "formats": formats, "offsets": offsets, "itemsize": 160}
    return np.dtype(made)


#: hftbacktest's order, followed by the simulated exchange's fields (its place in the queue), the number of the asset's
#: request that it answers (0 for none) and the time of that request: `local_timestamp` of a cancelled order in
#: hftbacktest is still the time of its submission. fee_price: price of the fee asset at the fill, if it is neither base
#: nor quote. Of a response: fill_qty, the quantity that it executes, 0 for none; charged, 0 if the leg's rates give the
#: fee of that, otherwise 1 + FEE_IN_QUOTE, FEE_AS_RECEIVED or FEE_IN_OTHER for the fee as charged: `fee` of that asset.
ORDER = _order()

#: index: address of the map from ids to rows. cursor: the next row of `orders_values_next`.
ORDERS = np.dtype([*OWNED, ("count", "i8"), ("index", "i8"), ("cursor", "i8"), ("world", "i8")])

#: A queue: `times` is the address of a second block with one time per order.
QUEUE = np.dtype([*OWNED, ("head", "i8"), ("count", "i8"), ("times", "i8")])
TIMES = np.dtype([*OWNED])

_ORDER_BYTES = ORDER.itemsize


def make_orders(blocks: Blocks, world: int = 0) -> int:
    """Returns the address of a new, empty table."""
    return blocks.address(ORDERS, index=blocks.address(INT_MAP), world=world)


def make_queue(blocks: Blocks) -> int:
    """Returns the address of a new, empty queue."""
    return blocks.address(QUEUE, times=blocks.address(TIMES))


#: The table at `address`.
orders_at = record_view(ORDERS)


@compiled
def rows_of(orders):
    """The rows of a table."""
    return carray(as_pointer(orders.data), orders.count, ORDER)


@compiled
def row_of(orders, order_id):
    """Row of an id, or -1."""
    index = map_at(orders.index)
    place = find(index, np.int64(order_id))
    return entries_of(index)[place].value if place >= 0 else -1


@compiled
def insert(orders, order):
    """Appends a copy of an order whose id is not in the table; returns its row, or -1 if it is full."""
    if orders.count >= orders.capacity and not grow_in_place(
        record_address(orders), _ORDER_BYTES, ORDERS_MAX
    ):
        return -1
    index = map_at(orders.index)
    place = put(index, np.int64(order.order_id))
    if place < 0:
        return -1
    row = orders.count
    entries_of(index)[place].value = row
    orders.count += 1
    rows_of(orders)[row] = order
    return row


@compiled
def remove_row(orders, row):
    """Removes a row; the last row moves into its place."""
    index = map_at(orders.index)
    rows = rows_of(orders)
    remove_at(index, find(index, np.int64(rows[row].order_id)))
    last = orders.count - 1
    if row != last:
        rows[row] = rows[last]
        entries_of(index)[find(index, np.int64(rows[row].order_id))].value = row
    orders.count = last


#: The queue at `address`.
queue_at = record_view(QUEUE)
_times_at = record_view(TIMES)


@compiled
def _times_of(queue):
    times = _times_at(queue.times)
    return carray(as_pointer(times.data), times.capacity, np.int64)


@compiled
def append(queue, order, timestamp):
    """Appends a copy of an order, not earlier than the one before it; False if the queue is full.

    As in hftbacktest's order bus, an order that is sent later never arrives earlier.
    """
    if queue.head + queue.count >= queue.capacity and not _make_room(queue):
        return False
    times = _times_of(queue)
    end = queue.head + queue.count
    if queue.count > 0:
        timestamp = max(timestamp, times[end - 1])
    else:
        timestamp = max(timestamp, 0)
    times[end] = timestamp
    carray(as_pointer(queue.data), queue.capacity, ORDER)[end] = order
    queue.count += 1
    return True


@compiled
def _make_room(queue):
    if queue.head > queue.count:
        rows = carray(as_pointer(queue.data), queue.capacity, ORDER)
        times = _times_of(queue)
        for index in range(queue.count):
            rows[index] = rows[queue.head + index]
            times[index] = times[queue.head + index]
        queue.head = 0
        return True
    has_times = grow(queue.times, 8, 2 * ORDERS_MAX)
    return has_times and grow(record_address(queue), _ORDER_BYTES, 2 * ORDERS_MAX)


@compiled
def first_time(queue):
    """Time of the first order, or the largest int64 if the queue is empty."""
    if queue.count == 0:
        return np.int64(np.iinfo(np.int64).max)
    return _times_of(queue)[queue.head]


@compiled
def pop(queue, order):
    """Removes the first order of a non-empty queue and copies it to `order`, an array of length one."""
    order[0] = carray(as_pointer(queue.data), queue.capacity, ORDER)[queue.head]
    queue.head += 1
    queue.count -= 1
    if queue.count == 0:
        queue.head = 0
