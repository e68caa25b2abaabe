"""Notes of the levels that best bid and offer changed, each with the quantity that the depth stream last gave it.

A table of levels of `connectors.book.level_table`, both sides in one: a note's `ts` is the slot of the note before it,
so that all are found without a look at the whole table. There are few between two messages of the depth stream.
"""

from __future__ import annotations

from connectors.book.level_table import FREE, key_of, slot_of, tick_of
from connectors.jit.compilation import compiled

#: Fields of what is noted: how many levels, the slot of the last note, and how many levels went back to the depth
#: stream's quantity so far.
NOTED, LAST_NOTE, SETTLED = range(3)


@compiled
def _name(side, tick):  # type: ignore[no-untyped-def]
    """What a level of either side is noted under."""
    return 2 * tick + side


@compiled
def named(note):  # type: ignore[no-untyped-def]
    """Side and tick of a note."""
    name = tick_of(note.key)
    return name & 1, name >> 1


@compiled
def note(notes, noted, side, tick, qty):  # type: ignore[no-untyped-def]
    """Keeps the depth stream's quantity of a level that BBO is about to change, unless it is kept already."""
    name = _name(side, tick)
    slot = slot_of(notes, name)
    if notes[slot].key != key_of(name):
        notes[slot].key = key_of(name)
        notes[slot].qty = qty
        notes[slot].ts = noted[LAST_NOTE]
        noted[LAST_NOTE] = slot
        noted[NOTED] += 1


@compiled
def note_told(notes, noted, side, tick, qty):  # type: ignore[no-untyped-def]
    """Keeps what the depth stream says of a level of which BBO knows better."""
    note(notes, noted, side, tick, qty)
    renew(notes, side, tick, qty)


@compiled
def renew(notes, side, tick, qty):  # type: ignore[no-untyped-def]
    """What the depth stream says of a level, if that is noted."""
    name = _name(side, tick)
    slot = slot_of(notes, name)
    if notes[slot].key == key_of(name):
        notes[slot].qty = qty


@compiled
def note_clear(notes, noted, side):  # type: ignore[no-untyped-def]
    """The depth stream says that there is nothing on one side."""
    slot = noted[LAST_NOTE]
    for _ in range(noted[NOTED]):
        if named(notes[slot])[0] == side:
            notes[slot].qty = 0.0
        slot = notes[slot].ts


@compiled
def forget_notes(notes, noted):  # type: ignore[no-untyped-def]
    slot = noted[LAST_NOTE]
    for _ in range(noted[NOTED]):
        notes[slot].key = FREE
        slot = notes[slot].ts
    noted[NOTED] = 0


@compiled
def move_notes(notes, larger, noted):  # type: ignore[no-untyped-def]
    """Puts the notes of one table into an empty one."""
    slot = noted[LAST_NOTE]
    count = noted[NOTED]
    noted[NOTED] = 0
    for _ in range(count):
        side, tick = named(notes[slot])
        note(larger, noted, side, tick, notes[slot].qty)
        slot = notes[slot].ts
