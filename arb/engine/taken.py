"""Quantity that our own takers have taken from a book's levels, and that is not shown again until the venue changes it.

A recording shows what the venue had without us. A book with such a list subtracts from a level what was taken of it
while the venue's own quantity there is the one that was taken from, also when the venue repeats it; another quantity
of a later time ends that. A book without one (`Book.taken` is 0) is as recorded.
"""

from __future__ import annotations

import numpy as np
from numba import carray

from arb.bot.memory import as_pointer, record_view
from arb.engine.blocks import OWNED, Blocks, grow
from connectors.jit.compilation import compiled

#: The list of one book, and one of its levels. shown: the venue's own quantity; taken: of it, so far; ts: the venue
#: time of the last taking; is_new: the strategy's side does not know of it yet.
TAKEN = np.dtype([*OWNED, ("count", "i8")])
LEVEL = np.dtype(
    [("is_bid", "i8"), ("tick", "i8"), ("shown", "f8"), ("taken", "f8"), ("ts", "i8"), ("is_new", "i8")]
)
#: Most levels of a list: those that were taken from and that the venue has not changed since, usually a few.
LEVELS_MAX = 1 << 16

_NONE = -1
_LEVEL_BYTES = LEVEL.itemsize

#: The list at `address`.
taken_at = record_view(TAKEN)


def make_taken(blocks: Blocks) -> int:
    """Returns the address of a new, empty list."""
    return blocks.address(TAKEN)


@compiled
def levels_of(taken):
    """The levels of a list, in no order."""
    return carray(as_pointer(taken.data), taken.count, LEVEL)


@compiled
def _place_of(taken, is_bid, tick):
    if taken.count > 0:
        levels = levels_of(taken)
        for place in range(taken.count):
            if levels[place].tick == tick and (levels[place].is_bid != 0) == is_bid:
                return place
    return _NONE


@compiled
def rest_of(shown, taken, lot_size):
    """What is left of a level; less than half a lot, as an error of rounding, is nothing."""
    rest = shown - taken
    return rest if rest >= 0.5 * lot_size else 0.0


@compiled
def left_after(address, is_bid, tick, qty, exch_ts, lot_size):
    """The quantity of a level that the venue sets to `qty`, less what was taken of it; another quantity than the one
    that was taken from, if it is a later one, is a change and ends the taking."""
    taken = taken_at(address)
    place = _place_of(taken, is_bid, tick)
    if place == _NONE:
        return qty
    level = levels_of(taken)[place]
    if qty == level.shown:
        return rest_of(level.shown, level.taken, lot_size)
    # The strategy may receive what the venue showed before the taking after the answer.
    if exch_ts > level.ts:
        _remove(taken, place)
    return qty


@compiled
def _remove(taken, place):
    """The last level takes the place."""
    levels = levels_of(taken)
    levels[place] = levels[taken.count - 1]
    taken.count -= 1


@compiled
def take(address, is_bid, tick, before, qty, ts, lot_size):
    """Takes `qty` of the `before` that a level shows; returns what is left, NaN if the list is full."""
    taken = taken_at(address)
    place = _place_of(taken, is_bid, tick)
    if place == _NONE:
        place = _add(address, taken, is_bid, tick, before)
        if place == _NONE:
            return np.nan
    level = levels_of(taken)[place]
    level.taken += qty
    level.ts = ts
    level.is_new = 1
    return rest_of(level.shown, level.taken, lot_size)


@compiled
def learn(address, is_bid, tick, shown, total, ts, qty, is_behind, lot_size):
    """Takes over a level of the venue's list: of `shown`, `total` has been taken until `ts`. Returns what a book that
    shows `qty` there is to show, NaN if the list is full.

    is_behind: rows of later than `ts` have not arrived yet: the book may still get to `shown`.
    """
    taken = taken_at(address)
    place = _place_of(taken, is_bid, tick)
    earlier = 0.0
    if place != _NONE and levels_of(taken)[place].shown == shown:
        earlier = levels_of(taken)[place].taken
    is_shown = qty == shown or qty == rest_of(shown, earlier, lot_size)
    if not is_shown and not is_behind:
        return qty  # changed by the venue since
    if place == _NONE:
        place = _add(address, taken, is_bid, tick, shown)
        if place == _NONE:
            return np.nan
    level = levels_of(taken)[place]
    level.shown, level.taken, level.ts = shown, total, ts
    return rest_of(shown, total, lot_size) if is_shown else qty


@compiled
def _add(address, taken, is_bid, tick, shown):
    """Adds a level of which nothing is taken; returns its place, _NONE if the list is full."""
    if taken.count >= taken.capacity and not grow(address, _LEVEL_BYTES, LEVELS_MAX):
        return _NONE
    taken.count += 1
    level = levels_of(taken)[taken.count - 1]
    level.is_bid, level.tick, level.shown = is_bid, tick, shown
    level.taken, level.ts, level.is_new = 0.0, 0, 0
    return taken.count - 1
