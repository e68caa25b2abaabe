"""Hash table of one side's levels by tick, and the state of a fused book's side, for compiled code. Pure.

A table has a power of two of slots, linear probing, and is never more than half full. Unlike an array around a price,
it has no price window to leave.
"""

from __future__ import annotations

import numpy as np

from connectors.book.rows import LOCAL_ONLY, put_book_row
from connectors.jit.compilation import compiled
from connectors.parsing.scanner import SNAPSHOT_ASK, SNAPSHOT_BID

#: One level: its tick, quantity and the venue time of its last change. `key` is the tick, shifted so that 0 means a
#: free slot and -1 a freed one.
LEVEL = np.dtype([("key", "i8"), ("qty", "f8"), ("ts", "i8")], align=True)
FREE, FREED = 0, -1
#: Multiplier that spreads neighbouring ticks over a table (2**64 divided by the golden ratio).
_HASH = np.uint64(0x9E3779B97F4A7C15)

# Fields of the state: int64, index 0 bids and 1 asks. An ask's tick is negated, so that the better price is the larger
# number on both sides and the same code serves both. BEST is NO_TICK if a side is empty.
BEST, BEST_TS, WORST, COUNT, USED = range(5)
# At or above this tick, a level that the depth stream never sent does not exist; below it, it is unknown.
KNOWN = 5
#: Fields of each side.
SIDE_FIELDS = 6
# No tick is beyond these, and their distance fits an int64: Numba's range() overflows otherwise.
NO_TICK = -(1 << 61)
NO_WORST = 1 << 61


@compiled
def key_of(tick):
    """The key of a tick in a table; 0 and -1 mean no level."""
    return tick + 1 if tick >= 0 else tick - 1


@compiled
def tick_of(key):
    """The tick of a level's key."""
    return key - 1 if key > 0 else key + 1


@compiled
def price_of(tick, tick_size):
    """The price of a tick count: the same float64 as its decimal text, if 1 / `tick_size` is a whole number.

    600002 * 0.1 is a different float, and a look-up of the level by price would miss it.
    """
    per_unit = np.rint(1.0 / tick_size)
    return tick / per_unit if abs(per_unit * tick_size - 1.0) < 1e-12 else tick * tick_size


@compiled
def slot_of(table, tick):
    """The slot of a tick, or the slot to insert it."""
    mask = np.int64(len(table) - 1)
    key = key_of(tick)
    slot = np.int64((np.uint64(key) * _HASH) >> np.uint64(32)) & mask
    freed = np.int64(-1)
    while True:
        held = table[slot].key
        if held == key:
            return slot
        if held == FREE:
            return freed if freed >= 0 else slot
        if held == FREED and freed < 0:
            freed = slot
        slot = (slot + 1) & mask


@compiled
def move_levels(table, larger):
    """Copies the levels of one table into a larger, empty one."""
    for slot in range(len(table)):
        key = table[slot].key
        if key != FREE and key != FREED:
            larger[slot_of(larger, tick_of(key))] = table[slot]


@compiled
def restore_levels(row, table, levels, side, tick_size, out, n):
    """Appends all levels of a side (0 bids, 1 asks) to out[:n], best first, for the strategy only; returns the new `n`.

    levels: their number. row: an event row with the times to use.
    """
    ticks = ticks_between(table, levels, NO_TICK, NO_WORST)
    event = np.uint64(SNAPSHOT_BID if side == 0 else SNAPSHOT_ASK)
    for k in range(len(ticks) - 1, -1, -1):
        px = price_of(ticks[k] if side == 0 else -ticks[k], tick_size)
        qty = table[slot_of(table, ticks[k])].qty
        put_book_row(out, n, event, row.exch_ts, row.local_ts, px, qty, LOCAL_ONLY)
        n += 1
    return n


@compiled
def first_below(table, tick, none):
    """The highest tick of a side below `tick`; `none` if there is none. Scans the whole table."""
    found = none
    for slot in range(len(table)):
        if table[slot].key != FREE and table[slot].key != FREED:
            held = tick_of(table[slot].key)
            if found < held < tick:
                found = held
    return found


@compiled
def ticks_between(table, levels, first, last):
    """The ticks of a side's `levels` levels from `first` to `last`, lowest first. Scans the whole table."""
    ticks = np.empty(levels, np.int64)
    count = 0
    for slot in range(len(table)):
        if table[slot].key != FREE and table[slot].key != FREED:
            tick = tick_of(table[slot].key)
            if first <= tick <= last:
                ticks[count] = tick
                count += 1
    ticks = ticks[:count]
    ticks.sort()
    return ticks


@compiled
def crosses(tick, state, other_side):
    """Whether a tick of one side is at or beyond the best of the other."""
    return state[other_side, BEST] != NO_TICK and tick >= -state[other_side, BEST]


@compiled
def step_down(table, start, state, side):
    """Sets the best to the first level below `start`, or to none."""
    if state[side, COUNT] > 0:
        # The next level is usually near. After a price jump, search at most as many ticks as the table has slots.
        last = max(state[side, WORST], start - len(table))
        for tick in range(start - 1, last - 1, -1):
            slot = slot_of(table, tick)
            if table[slot].key == key_of(tick):
                state[side, BEST] = tick
                return
        if last > state[side, WORST]:
            tick = first_below(table, last, NO_TICK)
            if tick != NO_TICK:
                state[side, BEST] = tick
                return
    state[side, BEST] = NO_TICK
    state[side, WORST] = NO_WORST


@compiled
def clear_side(table, state, side, ts):
    for slot in range(len(table)):
        table[slot].key = FREE
    state[side, BEST] = NO_TICK
    state[side, BEST_TS] = ts
    state[side, WORST] = NO_WORST
    state[side, COUNT] = 0
    state[side, USED] = 0


@compiled
def put_level(table, slot, tick, qty, ts, state, side):
    if table[slot].key == FREE:
        state[side, USED] += 1
    table[slot].key = key_of(tick)
    table[slot].qty = qty
    table[slot].ts = ts
    state[side, COUNT] += 1


@compiled
def free_level(table, slot, state, side):
    table[slot].key = FREED
    state[side, COUNT] -= 1
