"""Finds the price range of a book's touch over given rows.

hftbacktest's vector book is fast because it covers a fixed range of prices; levels outside are dropped silently. So the
range is measured on the rows before the run: the touch then never leaves it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hftbacktest.types import (
    BUY_EVENT,
    DEPTH_CLEAR_EVENT,
    DEPTH_EVENT,
    DEPTH_SNAPSHOT_EVENT,
    LOCAL_EVENT,
    SELL_EVENT,
)

from arb.engine.price_range import PriceRange
from connectors.jit.compilation import compiled
from connectors.model import Rows

#: The touch is tracked within this factor of the first price; a touch outside counts as unbounded.
_WINDOW = 2.0
#: A window of more ticks than this is not tracked.
_WINDOW_TICKS_MAX = 1 << 28

# Indices of the state. Lowest bid and highest ask are the engine's limits of its search for the next best level.
_BEST_BID, _BEST_ASK, _LOW_BID, _HIGH_ASK, _LOWEST, _HIGHEST, _IS_UNBOUNDED, _FAR_BIDS, _FAR_ASKS = range(9)
_STATE_SIZE = 9
_MIN, _MAX = -1, np.iinfo(np.int64).max


def touch_range(pieces: Sequence[Rows], tick_size: float, lot_size: float) -> PriceRange | None:
    """The range of the touch over consecutive arrays of rows.

    None if there is no touch, if it is farther than a factor of two from the first price of the book, or if a row
    clears part of a side, which our rows never do.
    """
    reference = next((px for px in map(_first_px, pieces) if px > 0.0), np.nan)
    if not reference > 0.0:
        return None
    base = round(reference / _WINDOW / tick_size)
    ticks = round(reference * _WINDOW / tick_size) - base + 1
    if ticks > _WINDOW_TICKS_MAX:
        return None
    is_bid, is_ask = np.zeros(ticks, np.uint8), np.zeros(ticks, np.uint8)
    state = np.zeros(_STATE_SIZE, np.int64)
    state[_BEST_BID] = state[_HIGH_ASK] = state[_HIGHEST] = _MIN
    state[_BEST_ASK] = state[_LOW_BID] = state[_LOWEST] = _MAX
    for rows in pieces:
        _follow(rows, tick_size, lot_size, base, is_bid, is_ask, state)
    if state[_IS_UNBOUNDED] or state[_HIGHEST] == _MIN:
        return None
    return PriceRange(float(state[_LOWEST] + base) * tick_size, float(state[_HIGHEST] + base) * tick_size)


@compiled
def _first_px(rows):
    for r in range(len(rows)):
        kind = np.int64(rows[r].ev) & 0xFF
        if kind in (DEPTH_EVENT, DEPTH_SNAPSHOT_EVENT) and rows[r].qty > 0.0:
            return rows[r].px
    return np.nan


@compiled
def _follow(rows, tick_size, lot_size, base, is_bid, is_ask, state):
    """Applies rows as hftbacktest's books do: a price that crosses the other side moves that side's best away."""
    for r in range(len(rows)):
        row = rows[r]
        # Both sides receive a book's rows in the same order, so tracking the local ones is enough.
        if not row.ev & np.uint64(LOCAL_EVENT):
            continue
        kind = np.int64(row.ev) & 0xFF
        is_buy = row.ev & np.uint64(BUY_EVENT) != 0
        is_sell = not is_buy and row.ev & np.uint64(SELL_EVENT) != 0
        if kind == DEPTH_CLEAR_EVENT:
            if (is_buy or is_sell) and np.isfinite(row.px):
                state[_IS_UNBOUNDED] = 1  # the engine would clear part of a side
            _clear(is_bid, is_ask, state, not is_sell, not is_buy)
        elif kind in (DEPTH_EVENT, DEPTH_SNAPSHOT_EVENT) and (is_buy or is_sell):
            tick = _rounded(row.px / tick_size) - base
            # The engine treats a quantity below half a lot as no level.
            is_level = _rounded(row.qty / lot_size) > 0
            if tick < 0 or tick >= len(is_bid):
                _note_far(state, is_buy, tick > 0, is_level)
                continue
            if is_buy:
                _set_bid(is_bid, is_ask, tick, is_level, state)
            else:
                _set_ask(is_bid, is_ask, tick, is_level, state)
            _widen(state)


@compiled
def _rounded(steps):
    """The nearest integer; halves away from zero, as in the engine. Prices and quantities are not negative."""
    whole = np.int64(np.floor(steps))
    return whole + 1 if steps - whole >= 0.5 else whole


@compiled
def _clear(is_bid, is_ask, state, has_bids, has_asks):
    if has_bids:
        is_bid[:] = 0
        state[_BEST_BID], state[_LOW_BID], state[_FAR_BIDS] = _MIN, _MAX, 0
    if has_asks:
        is_ask[:] = 0
        state[_BEST_ASK], state[_HIGH_ASK], state[_FAR_ASKS] = _MAX, _MIN, 0


@compiled
def _note_far(state, is_buy, is_above, is_level):
    """Handles a row outside the window: unbounded if it is the touch now, or may become it later."""
    if is_level:
        state[_FAR_BIDS if is_buy else _FAR_ASKS] = 1
        is_alone = state[_BEST_BID] == _MIN if is_buy else state[_BEST_ASK] == _MAX
        if is_buy == is_above or is_alone:
            state[_IS_UNBOUNDED] = 1


@compiled
def _set_bid(is_bid, is_ask, tick, is_level, state):
    is_bid[tick] = is_level
    if is_level:
        if tick > state[_BEST_BID]:
            state[_BEST_BID] = tick
            if tick >= state[_BEST_ASK]:
                state[_BEST_ASK] = _ask_above(is_ask, tick, state)
        state[_LOW_BID] = min(state[_LOW_BID], tick)
    elif tick == state[_BEST_BID]:
        state[_BEST_BID] = _bid_below(is_bid, tick, state)
        if state[_BEST_BID] == _MIN:
            state[_LOW_BID] = _MAX


@compiled
def _set_ask(is_bid, is_ask, tick, is_level, state):
    is_ask[tick] = is_level
    if is_level:
        if tick < state[_BEST_ASK]:
            state[_BEST_ASK] = tick
            if tick <= state[_BEST_BID]:
                state[_BEST_BID] = _bid_below(is_bid, tick, state)
        state[_HIGH_ASK] = max(state[_HIGH_ASK], tick)
    elif tick == state[_BEST_ASK]:
        state[_BEST_ASK] = _ask_above(is_ask, tick, state)
        if state[_BEST_ASK] == _MAX:
            state[_HIGH_ASK] = _MIN


@compiled
def _bid_below(is_bid, tick, state):
    for t in range(tick - 1, max(state[_LOW_BID], 0) - 1, -1):
        if is_bid[t]:
            return t
    if state[_FAR_BIDS]:
        state[_IS_UNBOUNDED] = 1
    return _MIN


@compiled
def _ask_above(is_ask, tick, state):
    for t in range(tick + 1, min(state[_HIGH_ASK], len(is_ask) - 1) + 1):
        if is_ask[t]:
            return t
    if state[_FAR_ASKS]:
        state[_IS_UNBOUNDED] = 1
    return _MAX


@compiled
def _widen(state):
    """Extends the range to the current touch."""
    if state[_BEST_BID] != _MIN:
        state[_LOWEST] = min(state[_LOWEST], state[_BEST_BID])
        state[_HIGHEST] = max(state[_HIGHEST], state[_BEST_BID])
    if state[_BEST_ASK] != _MAX:
        state[_LOWEST] = min(state[_LOWEST], state[_BEST_ASK])
        state[_HIGHEST] = max(state[_HIGHEST], state[_BEST_ASK])
