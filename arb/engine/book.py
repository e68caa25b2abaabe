"""An order book of one asset: a dense window of ticks around the touch, and a hash map for levels outside it.

It returns what hftbacktest's hash-map book does, level by level, also while a book is crossed: a level passed by the
other side's touch keeps its quantity but is no longer the best. The window is first placed when both sides have a
touch, because a first row may be any level, and moves with the touch.

A book with a fixed range keeps the levels between two ticks and ignores all others, as hftbacktest's
`ROIVectorMarketDepth` does; its windows are what a strategy sees as `bid_depth` and `ask_depth`.

A missing level has quantity 0.0. Ticks are price / tick_size, rounded half away from zero as in the engine.
"""

from __future__ import annotations

import numpy as np
from numba import carray

from arb.bot.memory import as_pointer, record_view
from arb.engine.blocks import Blocks
from arb.engine.int_map import INT_MAP, clear, entries_of, find, map_at, put, remove_at
from arb.engine.taken import make_taken
from connectors.jit.compilation import compiled

#: Best bid and best ask of a side without levels.
NO_BID = np.iinfo(np.int64).min
NO_ASK = np.iinfo(np.int64).max

_INTEGERS_END = 2.0**63

#: Default number of ticks in the dense window: 256 KB per side.
WIDTH = 1 << 15

#: `bids` and `asks` are addresses of the windows, `far_bids` and `far_asks` of maps. low_bid and high_ask limit the
#: engine's search for the next best level. world: address of the world whose heartbeat counts calls on this book.
#: taken: address of what our takers have taken from it (`arb.engine.taken`), 0 for a book that is as recorded.
BOOK = np.dtype(
    [
        ("tick_size", "f8"),
        ("lot_size", "f8"),
        ("best_bid", "i8"),
        ("best_ask", "i8"),
        ("low_bid", "i8"),
        ("high_ask", "i8"),
        ("base", "i8"),
        ("is_anchored", "i8"),
        #: 1 if the window is the whole book and does not move.
        ("is_fixed", "i8"),
        ("width", "i8"),
        ("bids", "i8"),
        ("asks", "i8"),
        ("far_bids", "i8"),
        ("far_asks", "i8"),
        ("recentred", "i8"),
        ("world", "i8"),
        ("taken", "i8"),
    ]
)


def make_book(blocks: Blocks, tick_size: float, lot_size: float, width: int = WIDTH, world: int = 0) -> int:
    """Returns the address of a new, empty book."""
    return blocks.address(
        BOOK,
        tick_size=tick_size,
        lot_size=lot_size,
        best_bid=NO_BID,
        best_ask=NO_ASK,
        low_bid=NO_ASK,
        high_ask=NO_BID,
        width=width,
        bids=blocks.address(np.dtype([("qty", "f8", (width,))])),
        asks=blocks.address(np.dtype([("qty", "f8", (width,))])),
        far_bids=blocks.address(INT_MAP),
        far_asks=blocks.address(INT_MAP),
        world=world,
    )


#: The book at `address`.
book_at = record_view(BOOK)


def fix_range(blocks: Blocks, address: int, low: int, high: int) -> None:
    """Restricts an empty book to the ticks `low` to `high`, both inclusive."""
    width = high - low + 1
    side = np.dtype([("qty", "f8", (width,))])
    _fix_range(address, low, width, blocks.address(side), blocks.address(side))


@compiled
def _fix_range(address, low, width, bids, asks):
    book = book_at(address)
    book.base = low
    book.width = width
    book.bids = bids
    book.asks = asks
    book.is_anchored = 1
    book.is_fixed = 1


def follow_taken(blocks: Blocks, address: int) -> None:
    """Makes a book subtract what is taken from it."""
    _set_taken(address, make_taken(blocks))


@compiled
def _set_taken(address, taken):
    book_at(address).taken = taken


@compiled
def rounded(steps):
    """The nearest integer, halves away from zero; saturates at the limits of int64, 0 for NaN, as Rust casts."""
    if not np.abs(steps) < _INTEGERS_END:
        return np.int64(0) if np.isnan(steps) else NO_ASK if steps > 0.0 else NO_BID
    whole = np.int64(np.floor(np.abs(steps)))
    if np.abs(steps) - whole >= 0.5:
        whole += 1
    return whole if steps >= 0.0 else -whole


@compiled
def _window(book, is_bid):
    return carray(as_pointer(book.bids if is_bid else book.asks), book.width, np.float64)


@compiled
def _far(book, is_bid):
    return map_at(book.far_bids if is_bid else book.far_asks)


@compiled
def qty_at(book, is_bid, tick):
    """Quantity of a level, 0.0 if there is none; NaN outside a fixed range."""
    place = tick - book.base
    if book.is_anchored and 0 <= place < book.width:
        return _window(book, is_bid)[place]
    if book.is_fixed:
        return np.nan
    far = _far(book, is_bid)
    place = find(far, tick)
    return entries_of(far)[place].qty if place >= 0 else 0.0


@compiled
def _set(book, is_bid, tick, qty):
    """Sets a level, or removes it with 0.0; returns the quantity before."""
    place = tick - book.base
    if book.is_anchored and 0 <= place < book.width:
        window = _window(book, is_bid)
        before = window[place]
        window[place] = qty
        return before
    far = _far(book, is_bid)
    place = find(far, tick)
    before = entries_of(far)[place].qty if place >= 0 else 0.0
    if qty > 0.0:
        place = put(far, tick)
        if place >= 0:
            entries_of(far)[place].qty = qty
    elif place >= 0:
        remove_at(far, place)
    return before


@compiled
def highest(book, is_bid, start, end):
    """The highest level of a side with end <= tick < start, or NO_BID."""
    if end >= start:
        return NO_BID
    found = NO_BID
    if book.is_anchored:
        window = _window(book, is_bid)
        low = max(end, book.base)
        tick = min(start, book.base + book.width) - 1
        while tick >= low:
            if window[tick - book.base] > 0.0:
                found = tick
                break
            tick -= 1
    far = _far(book, is_bid)
    if far.count > 0 and (found == NO_BID or start > book.base + book.width):
        entries = entries_of(far)
        for index in range(far.capacity):
            if entries[index].is_used and end <= entries[index].key < start:
                found = max(found, entries[index].key)
    return found


@compiled
def lowest(book, is_bid, start, end):
    """The lowest level of a side with start < tick <= end, or NO_ASK."""
    if end <= start:
        return NO_ASK
    found = NO_ASK
    if book.is_anchored:
        window = _window(book, is_bid)
        high = min(end, book.base + book.width - 1)
        tick = max(start + 1, book.base)
        while tick <= high:
            if window[tick - book.base] > 0.0:
                found = tick
                break
            tick += 1
    far = _far(book, is_bid)
    if far.count > 0 and (found == NO_ASK or start < book.base):
        entries = entries_of(far)
        for index in range(far.capacity):
            if entries[index].is_used and start < entries[index].key <= end:
                found = min(found, entries[index].key)
    return found


@compiled
def ticks_of(book, is_bid):
    """Ticks of all levels of a side, also those that the other side's touch has passed, in ascending order."""
    far = _far(book, is_bid)
    window = _window(book, is_bid)
    ticks = np.empty(far.count + book.width, np.int64)
    count = 0
    entries = entries_of(far)
    for index in range(far.capacity):
        if entries[index].is_used:
            ticks[count] = entries[index].key
            count += 1
    for index in range(book.width):
        if window[index] > 0.0:
            ticks[count] = book.base + index
            count += 1
    return np.sort(ticks[:count])


@compiled
def _is_ignored(book, tick):
    """Whether a level is outside a fixed range."""
    return book.is_fixed and not 0 <= tick - book.base < book.width


@compiled
def update_bid(book, price, qty):
    """Sets a bid level; returns (tick, best bid before, quantity before)."""
    tick = rounded(price / book.tick_size)
    lots = rounded(qty / book.lot_size)
    best_before = book.best_bid
    if _is_ignored(book, tick):
        return tick, best_before, 0.0
    # Less than half a lot counts as no level, but the engine's vector book keeps the quantity.
    before = _set(book, True, tick, qty if lots > 0 or book.is_fixed else 0.0)
    if lots == 0:
        if tick == book.best_bid:
            book.best_bid = highest(book, True, book.best_bid, book.low_bid)
            if book.best_bid == NO_BID:
                book.low_bid = NO_ASK
    else:
        if tick > book.best_bid:
            book.best_bid = tick
            if book.best_bid >= book.best_ask:
                book.best_ask = lowest(book, False, book.best_bid, book.high_ask)
        book.low_bid = min(book.low_bid, tick)
    if book.best_bid != best_before:
        _follow(book)
    return tick, best_before, before


@compiled
def update_ask(book, price, qty):
    """Sets an ask level; returns (tick, best ask before, quantity before)."""
    tick = rounded(price / book.tick_size)
    lots = rounded(qty / book.lot_size)
    best_before = book.best_ask
    if _is_ignored(book, tick):
        return tick, best_before, 0.0
    before = _set(book, False, tick, qty if lots > 0 or book.is_fixed else 0.0)
    if lots == 0:
        if tick == book.best_ask:
            book.best_ask = lowest(book, False, book.best_ask, book.high_ask)
            if book.best_ask == NO_ASK:
                book.high_ask = NO_BID
    else:
        if tick < book.best_ask:
            book.best_ask = tick
            if book.best_bid >= book.best_ask:
                book.best_bid = highest(book, True, book.best_ask, book.low_bid)
        book.high_ask = max(book.high_ask, tick)
    if book.best_ask != best_before:
        _follow(book)
    return tick, best_before, before


@compiled
def set_level(book, is_bid, tick, qty):
    """Sets a level to what is left of it."""
    if is_bid:
        update_bid(book, tick * book.tick_size, qty)
    else:
        update_ask(book, tick * book.tick_size, qty)


@compiled
def _empty(book, is_bid):
    _window(book, is_bid)[:] = 0.0
    clear(_far(book, is_bid))


@compiled
def _clear_between(book, is_bid, low, high):
    """Remove a side's levels with low <= tick <= high."""
    if book.is_anchored:
        window = _window(book, is_bid)
        for tick in range(max(low, book.base), min(high, book.base + book.width - 1) + 1):
            window[tick - book.base] = 0.0
    far = _far(book, is_bid)
    tick = lowest(book, is_bid, low - 1, high)
    while tick != NO_ASK:
        place = find(far, tick)
        if place >= 0:
            remove_at(far, place)
        tick = lowest(book, is_bid, tick, high)


@compiled
def clear_bids(book, price):
    """Clears the bids from the best down to `price`, all of them if it is not finite.

    The search for the next best bid skips the level just below the price, as in the engine.
    """
    if np.isfinite(price):
        upto = rounded(price / book.tick_size)
        if book.best_bid != NO_BID:
            _clear_between(book, True, upto, book.best_bid)
        book.best_bid = highest(book, True, upto - 1, book.low_bid)
    else:
        _empty(book, True)
        book.best_bid = NO_BID
    if book.best_bid == NO_BID:
        book.low_bid = NO_ASK


@compiled
def clear_asks(book, price):
    """Clears the asks from the best up to `price`, like `clear_bids`."""
    if np.isfinite(price):
        upto = rounded(price / book.tick_size)
        if book.best_ask != NO_ASK:
            _clear_between(book, False, book.best_ask, upto)
        book.best_ask = lowest(book, False, upto + 1, book.high_ask)
    else:
        _empty(book, False)
        book.best_ask = NO_ASK
    if book.best_ask == NO_ASK:
        book.high_ask = NO_BID


@compiled
def _follow(book):
    """Places the window, or moves it once the touch has left its middle half."""
    if book.is_fixed or book.best_bid == NO_BID or book.best_ask == NO_ASK:
        return
    middle = (book.best_bid + book.best_ask) // 2
    if book.is_anchored and abs(middle - book.base - book.width // 2) <= book.width // 4:
        return
    base = middle - book.width // 2
    _move(book, True, base)
    _move(book, False, base)
    book.base = base
    book.is_anchored = 1
    book.recentred += 1


@compiled
def _move(book, is_bid, base):
    """Moves levels that leave the window to the map, and levels that enter it from there."""
    window = _window(book, is_bid)
    far = _far(book, is_bid)
    width = book.width
    if book.is_anchored:
        moved = np.zeros(width)
        for index in range(width):
            if window[index] > 0.0:
                place = book.base + index - base
                if 0 <= place < width:
                    moved[place] = window[index]
                else:
                    slot = put(far, book.base + index)
                    if slot >= 0:
                        entries_of(far)[slot].qty = window[index]
        window[:] = moved
    # A removal moves other entries back into its slot, which is therefore checked again.
    index = 0
    while index < far.capacity:
        entry = entries_of(far)[index]
        place = entry.key - base
        if entry.is_used and 0 <= place < width:
            window[place] = entry.qty
            remove_at(far, index)
        else:
            index += 1
