"""A hash map of 64-bit integers in a memory block of its own: order ids to rows, far ticks to quantities.

Open addressing with linear probing, at most half full; a removal moves later entries back, so that no deleted slots
accumulate over a long run.
"""

from __future__ import annotations

import numpy as np
from numba import carray

from arb.bot.memory import allocate_zeroed, as_pointer, record_view, release
from arb.engine.blocks import OWNED
from connectors.jit.compilation import compiled

ENTRY = np.dtype([("key", "i8"), ("value", "i8"), ("qty", "f8"), ("is_used", "i8")])
INT_MAP = np.dtype([*OWNED, ("count", "i8")])

_ENTRY_BYTES = ENTRY.itemsize
_FIRST_CAPACITY = 64
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(32)


#: The map at `address`.
map_at = record_view(INT_MAP)


@compiled
def entries_of(int_map):
    """All slots of a map, used or not."""
    return carray(as_pointer(int_map.data), int_map.capacity, ENTRY)


@compiled
def _home(key, capacity):
    return np.int64((np.uint64(key) * _FACTOR) >> _SHIFT) & (capacity - 1)


@compiled
def _place(entries, key):
    """Slot of `key`, or the unused slot where it belongs."""
    place = _home(key, len(entries))
    while entries[place].is_used and entries[place].key != key:
        place = (place + 1) & (len(entries) - 1)
    return place


@compiled
def find(int_map, key):
    """Slot of `key`, or -1."""
    if int_map.count == 0:
        return -1
    entries = entries_of(int_map)
    place = _place(entries, key)
    return place if entries[place].is_used else -1


@compiled
def put(int_map, key):
    """Slot of `key`, which is added if it is missing; -1 if no memory is available."""
    if 2 * (int_map.count + 1) > int_map.capacity and not _enlarge(int_map):
        return -1
    entries = entries_of(int_map)
    place = _place(entries, key)
    if not entries[place].is_used:
        entries[place].key = key
        entries[place].value = 0
        entries[place].qty = 0.0
        entries[place].is_used = 1
        int_map.count += 1
    return place


@compiled
def _enlarge(int_map):
    capacity = max(2 * int_map.capacity, _FIRST_CAPACITY)
    block = allocate_zeroed(capacity * _ENTRY_BYTES)
    if block == 0:
        return False
    entries = carray(as_pointer(block), capacity, ENTRY)
    old = entries_of(int_map)
    for index in range(int_map.capacity):
        if old[index].is_used:
            entries[_place(entries, old[index].key)] = old[index]
    release(int_map.data)
    int_map.data = block
    int_map.capacity = capacity
    return True


@compiled
def remove_at(int_map, place):
    """Removes the entry at a slot that `find` returned. Slots found before are no longer valid."""
    entries = entries_of(int_map)
    mask = int_map.capacity - 1
    hole = place
    probe = (place + 1) & mask
    while entries[probe].is_used:
        home = _home(entries[probe].key, int_map.capacity)
        # It can move to the hole unless its home slot lies after the hole.
        if ((probe - home) & mask) >= ((probe - hole) & mask):
            entries[hole] = entries[probe]
            hole = probe
        probe = (probe + 1) & mask
    entries[hole].is_used = 0
    int_map.count -= 1


@compiled
def clear(int_map):
    """Removes all entries; the block stays allocated."""
    if int_map.count > 0:
        entries = entries_of(int_map)
        for index in range(int_map.capacity):
            entries[index].is_used = 0
        int_map.count = 0
