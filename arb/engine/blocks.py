"""Records of a world that compiled code reads and writes, and the memory blocks that they own.

A record is a row of a NumPy array, referred to by its address. A record that grows begins with `data` and `capacity`:
the address of a block of C memory, and the number of items it can hold. `Blocks` creates the records and lists those
that own a block; `release_all` frees these when the world is closed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from arb.bot.memory import allocate_zeroed, as_pointer, load_int64, reallocate, release, store_int64
from connectors.jit.compilation import compiled

#: The first two fields of a record that owns a block.
OWNED = [("data", "i8"), ("capacity", "i8")]

_FIRST_CAPACITY = 16


class Blocks:
    """The records of one world. Keep it alive as long as compiled code has their addresses."""

    def __init__(self) -> None:
        self._records: list[np.ndarray[Any, Any]] = []
        self._owners: list[int] = []

    def record(self, dtype: np.dtype[Any], **fields: Any) -> np.ndarray[Any, Any]:
        """A zeroed array of one record with these fields set; its address is `.ctypes.data`."""
        made = np.zeros(1, dtype)
        for name, value in fields.items():
            made[name] = value
        self._records.append(made)
        if (dtype.names or ())[:2] == ("data", "capacity"):
            self._owners.append(int(made.ctypes.data))
        return made

    def address(self, dtype: np.dtype[Any], **fields: Any) -> int:
        """The address of a new record."""
        return int(self.record(dtype, **fields).ctypes.data)

    def owners(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Addresses of all records that own a block; the array is kept alive here."""
        made = np.array(self._owners, np.int64)
        self._records.append(made)
        return made


@compiled
def grow(owner, item_bytes, items_max):
    """Doubles the block of the record at `owner`; False and unchanged at `items_max` or without memory."""
    old = load_int64(owner + 8)
    capacity = min(max(2 * old, _FIRST_CAPACITY), items_max)
    if capacity <= old:
        return False
    block = reallocate(load_int64(owner), capacity * item_bytes)
    if block == 0:
        return False
    store_int64(owner, block)
    store_int64(owner + 8, capacity)
    return True


@compiled
def grow_in_place(owner, item_bytes, items_max):
    """Like `grow`, for a block into which a strategy keeps addresses: its whole memory is reserved at once and never
    moves.

    The system assigns memory only to pages that are used. If the reservation fails, the block grows like others.
    """
    if load_int64(owner) == 0:
        block = allocate_zeroed(items_max * item_bytes)
        if block != 0:
            store_int64(owner, block)
            store_int64(owner + 8, items_max)
            return True
    return grow(owner, item_bytes, items_max)


@compiled
def release_all(owners, count):
    """Frees the blocks of the records whose addresses are at `owners`."""
    addresses = carray(as_pointer(owners), count, np.int64)
    for index in range(count):
        release(load_int64(addresses[index]))
        store_int64(addresses[index], 0)
        store_int64(addresses[index] + 8, 0)
