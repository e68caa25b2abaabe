"""One side of a fused book: the state beside its table of levels, and how levels come and go. Pure."""

from __future__ import annotations

from connectors.book.level_table import FREE, FREED, first_below, key_of, slot_of
from connectors.jit.compilation import compiled

# Fields of the state: int64, index 0 bids and 1 asks. A bid's tick counts as it is, an ask's negated, so that the
# better price is the larger number on both sides and one code serves both. BEST is NO_TICK where a side is empty.
BEST, BEST_TS, WORST, COUNT, USED = range(5)
# From this tick on, what the depth stream never sent is no level; beyond it, nothing is known.
KNOWN = 5
#: How many fields each side has.
SIDE_FIELDS = 6
# No tick is beyond these, and their distance fits an int64: Numba's range() wraps around where it does not.
NO_TICK = -(1 << 61)
NO_WORST = 1 << 61


@compiled
def crosses(tick, state, other_side):  # type: ignore[no-untyped-def]
    """Whether a tick of one side stands at or beyond the best of the other."""
    return state[other_side, BEST] != NO_TICK and tick >= -state[other_side, BEST]


@compiled
def step_down(table, start, state, side):  # type: ignore[no-untyped-def]
    """The best becomes the first level below `start`, or none."""
    if state[side, COUNT] > 0:
        # The next level is near. Where prices jump it is farther than the table has slots, whatever the distance.
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
def clear_side(table, state, side, ts):  # type: ignore[no-untyped-def]
    for slot in range(len(table)):
        table[slot].key = FREE
    state[side, BEST] = NO_TICK
    state[side, BEST_TS] = ts
    state[side, WORST] = NO_WORST
    state[side, COUNT] = 0
    state[side, USED] = 0


@compiled
def put_level(table, slot, tick, qty, ts, state, side):  # type: ignore[no-untyped-def]
    if table[slot].key == FREE:
        state[side, USED] += 1
    table[slot].key = key_of(tick)
    table[slot].qty = qty
    table[slot].ts = ts
    state[side, COUNT] += 1


@compiled
def free_level(table, slot, state, side):  # type: ignore[no-untyped-def]
    table[slot].key = FREED
    state[side, COUNT] -= 1
