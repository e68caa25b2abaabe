"""One side of a fused book: its state beside the level table, and adding and removing levels. Pure."""

from __future__ import annotations

from connectors.book.level_table import FREE, FREED, first_below, key_of, slot_of
from connectors.jit.compilation import compiled

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
