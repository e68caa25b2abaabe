"""Remembers, for each level that best bid and offer changed, the depth stream's last quantity: a "note".

The notes of both sides are in one level table (`connectors.book.level_table`). A note's `ts` is the slot of the note
before it, so that all notes are found without a scan of the table. There are few between two depth messages.
"""

from __future__ import annotations

import numpy as np

from connectors.book.level_table import FREE, KNOWN, key_of, slot_of, tick_of
from connectors.jit.compilation import compiled

#: Fields of `noted`: number of notes, slot of the last note, and how many levels were set back to the depth stream's
#: quantity so far.
NOTED, LAST_NOTE, SETTLED = range(3)


@compiled
def _name(side, tick):
    """Key of a note: encodes side and tick."""
    return 2 * tick + side


@compiled
def named(note):
    """Side and tick of a note."""
    name = tick_of(note.key)
    return name & 1, name >> 1


@compiled
def note(notes, noted, side, tick, qty):
    """Stores the depth stream's quantity of a level that BBO is about to change, unless it is stored already."""
    name = _name(side, tick)
    slot = slot_of(notes, name)
    if notes[slot].key != key_of(name):
        notes[slot].key = key_of(name)
        notes[slot].qty = qty
        notes[slot].ts = noted[LAST_NOTE]
        noted[LAST_NOTE] = slot
        noted[NOTED] += 1


@compiled
def note_depth(notes, noted, side, tick, qty):
    """Stores the newest quantity of the depth stream for a level whose BBO is newer still."""
    note(notes, noted, side, tick, qty)
    renew(notes, side, tick, qty)


@compiled
def renew(notes, side, tick, qty):
    """Updates the depth stream's quantity of a level, if it has a note."""
    name = _name(side, tick)
    slot = slot_of(notes, name)
    if notes[slot].key == key_of(name):
        notes[slot].qty = qty


@compiled
def note_clear(notes, noted, side):
    """Sets the depth stream's quantity to zero in all notes of one side."""
    slot = noted[LAST_NOTE]
    for _ in range(noted[NOTED]):
        if named(notes[slot])[0] == side:
            notes[slot].qty = 0.0
        slot = notes[slot].ts


@compiled
def forget_notes(notes, noted):
    slot = noted[LAST_NOTE]
    for _ in range(noted[NOTED]):
        notes[slot].key = FREE
        slot = notes[slot].ts
    noted[NOTED] = 0


@compiled
def move_notes(notes, larger, noted):
    """Copies the notes of one table into a larger, empty one."""
    slot = noted[LAST_NOTE]
    count = noted[NOTED]
    noted[NOTED] = 0
    for _ in range(count):
        side, tick = named(notes[slot])
        note(larger, noted, side, tick, notes[slot].qty)
        slot = notes[slot].ts


@compiled
def any_differs(bids, asks, state, notes, noted, lot_size):
    """Whether any noted level differs from the depth stream. Rare: venues mostly send all changes."""
    found = False
    slot = noted[LAST_NOTE]
    for _ in range(noted[NOTED]):
        side, tick = named(notes[slot])
        qty = notes[slot].qty
        if np.isnan(qty):
            # The depth stream did not correct this level: from here on BBO's quantity counts as its own.
            state[side, KNOWN] = min(state[side, KNOWN], tick)
        elif side == 0:
            found |= differs(bids, tick, qty, lot_size)
        else:
            found |= differs(asks, tick, qty, lot_size)
        slot = notes[slot].ts
    return found


@compiled
def differs(table, tick, qty, lot_size):
    """Whether a level differs from quantity `qty`; NaN (not known) never differs."""
    slot = slot_of(table, tick)
    has_level = table[slot].key == key_of(tick)
    is_set = np.rint(qty / lot_size) > 0.0
    return not np.isnan(qty) and (has_level != is_set or (is_set and table[slot].qty != qty))
