"""Between which prices the touch of a book moves in some rows.

hftbacktest's vector book is fast because it keeps a fixed range of prices; what lies outside is dropped without a
word. So the range is measured on the very rows before they are run: a touch can then never leave it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from hftbacktest.types import (
    BUY_EVENT,
    DEPTH_CLEAR_EVENT,
    DEPTH_EVENT,
    DEPTH_SNAPSHOT_EVENT,
    LOCAL_EVENT,
)

from connectors.jit import compiled
from connectors.types import Rows

#: The touch is followed within this factor of the first price; a touch beyond it counts as unbounded.
_WINDOW = 2.0
#: A window of more ticks than this is not followed.
_WINDOW_TICKS_MAX = 1 << 28

# Fields of the state.
_BEST_BID, _BEST_ASK, _LOWEST, _HIGHEST, _IS_UNBOUNDED, _FAR_BIDS, _FAR_ASKS = range(7)
_NO_BID, _NO_ASK = -1, np.iinfo(np.int64).max


class PriceRange(NamedTuple):
    """The lowest and highest price that a touch had."""

    low: float
    high: float


def touch_range(pieces: Sequence[Rows], tick_size: float) -> PriceRange | None:
    """The range of the touch over rows read one piece after the other.

    None when there is no touch at all, or one farther than a factor of two from the first price of the book.
    """
    reference = next((px for px in map(_first_px, pieces) if px > 0.0), np.nan)
    if not reference > 0.0:
        return None
    base = round(reference / _WINDOW / tick_size)
    ticks = round(reference * _WINDOW / tick_size) - base + 1
    if ticks > _WINDOW_TICKS_MAX:
        return None
    is_bid, is_ask = np.zeros(ticks, np.uint8), np.zeros(ticks, np.uint8)
    state = np.zeros(7, np.int64)
    state[_BEST_BID], state[_BEST_ASK], state[_LOWEST], state[_HIGHEST] = _NO_BID, _NO_ASK, _NO_ASK, _NO_BID
    for rows in pieces:
        _follow(rows, tick_size, base, is_bid, is_ask, state)
    if state[_IS_UNBOUNDED] or state[_HIGHEST] == _NO_BID:
        return None
    return PriceRange(float(state[_LOWEST] + base) * tick_size, float(state[_HIGHEST] + base) * tick_size)


@compiled
def _first_px(rows):  # type: ignore[no-untyped-def]
    for r in range(len(rows)):
        kind = np.int64(rows[r].ev) & 0xFF
        if (kind == DEPTH_EVENT or kind == DEPTH_SNAPSHOT_EVENT) and rows[r].qty > 0.0:
            return rows[r].px
    return np.nan


@compiled
def _follow(rows, tick_size, base, is_bid, is_ask, state):  # type: ignore[no-untyped-def]
    """Applies rows as hftbacktest's books do: a price that crosses the other side moves that side's best away."""
    ticks = len(is_bid)
    for r in range(len(rows)):
        row = rows[r]
        # Both sides see a book's rows in one order, so following the local ones is enough.
        if not row.ev & np.uint64(LOCAL_EVENT):
            continue
        kind = np.int64(row.ev) & 0xFF
        is_buy = row.ev & np.uint64(BUY_EVENT) != 0
        if kind == DEPTH_CLEAR_EVENT:
            if is_buy:
                is_bid[:] = 0
                state[_BEST_BID] = _NO_BID
                state[_FAR_BIDS] = 0
            else:
                is_ask[:] = 0
                state[_BEST_ASK] = _NO_ASK
                state[_FAR_ASKS] = 0
            continue
        if kind != DEPTH_EVENT and kind != DEPTH_SNAPSHOT_EVENT:
            continue
        tick = np.int64(np.rint(row.px / tick_size)) - base
        if tick < 0 or tick >= ticks:
            if row.qty > 0.0:
                state[_FAR_BIDS if is_buy else _FAR_ASKS] = 1
                # A bid above the window, or an ask below it, would itself be the touch.
                if is_buy == (tick >= ticks):
                    state[_IS_UNBOUNDED] = 1
            continue
        if is_buy:
            is_bid[tick] = row.qty > 0.0
            if row.qty > 0.0:
                if tick > state[_BEST_BID]:
                    state[_BEST_BID] = tick
                    if tick >= state[_BEST_ASK]:
                        state[_BEST_ASK] = _above(is_ask, tick, state[_FAR_ASKS], state)
            elif tick == state[_BEST_BID]:
                state[_BEST_BID] = _below(is_bid, tick, state[_FAR_BIDS], state)
        else:
            is_ask[tick] = row.qty > 0.0
            if row.qty > 0.0:
                if tick < state[_BEST_ASK]:
                    state[_BEST_ASK] = tick
                    if tick <= state[_BEST_BID]:
                        state[_BEST_BID] = _below(is_bid, tick, state[_FAR_BIDS], state)
            elif tick == state[_BEST_ASK]:
                state[_BEST_ASK] = _above(is_ask, tick, state[_FAR_ASKS], state)
        if state[_BEST_BID] != _NO_BID:
            state[_LOWEST] = min(state[_LOWEST], state[_BEST_BID])
            state[_HIGHEST] = max(state[_HIGHEST], state[_BEST_BID])
        if state[_BEST_ASK] != _NO_ASK:
            state[_LOWEST] = min(state[_LOWEST], state[_BEST_ASK])
            state[_HIGHEST] = max(state[_HIGHEST], state[_BEST_ASK])


@compiled
def _below(is_bid, tick, has_far, state):  # type: ignore[no-untyped-def]
    for t in range(tick - 1, -1, -1):
        if is_bid[t]:
            return t
    if has_far:
        state[_IS_UNBOUNDED] = 1
    return _NO_BID


@compiled
def _above(is_ask, tick, has_far, state):  # type: ignore[no-untyped-def]
    for t in range(tick + 1, len(is_ask)):
        if is_ask[t]:
            return t
    if has_far:
        state[_IS_UNBOUNDED] = 1
    return _NO_ASK
