"""A book of one level per side, from best-bid-and-offer updates only.

Input: DEPTH_BBO rows in pairs, bid first; output: depth rows and all other kinds unchanged. After a pair, the book
holds exactly its two levels. A new level is set before the old one is deleted, and the side that moves away before the
one that follows, so that no row leaves an empty side or a crossed book in between. `connectors.book.fused` would keep
the levels that the touch has left, although nothing shows that they still exist. One thread.
"""

from __future__ import annotations

import numpy as np
from hftbacktest.types import DEPTH_BBO_EVENT, SELL_EVENT, event_dtype

from connectors.jit.compilation import compiled
from connectors.model import Rows
from connectors.parsing.scanner import DELTA_ASK, DELTA_BID, put_row

# Fields of the state: price and quantity (zero: no such level), index 0 bids and 1 asks.
_PX, _QTY = 0, 1
#: Most output rows of a pair: two levels set, two deleted.
_ROWS_PER_PAIR = 4


class TouchBook:
    """The touch of one instrument as a book."""

    def __init__(self, tick_size: float = 0.0, lot_size: float = 0.0) -> None:
        """Prices and quantities are compared as whole ticks and lots; as floats where a size is 0."""
        self._tick_size = tick_size
        self._lot_size = lot_size
        self._state = np.zeros((2, 2))
        #: The bid whose ask has not arrived yet, since a pair may be split; `ev` 0: none.
        self._bid = np.zeros(1, event_dtype)
        self._out = np.zeros(0, event_dtype)

    def fuse(self, rows: Rows) -> Rows:
        """Returns the rows that change the book, and all rows of other kinds; a view, valid until the next call."""
        room = _ROWS_PER_PAIR * len(rows)
        if len(self._out) < room:
            self._out = np.empty(room, event_dtype)
        count = _fuse(rows, self._tick_size, self._lot_size, self._state, self._bid, self._out)
        return self._out[:count]


@compiled
def _fuse(rows, tick_size, lot_size, state, held_bid, out):
    n = 0
    for r in range(len(rows)):
        row = rows[r]
        if np.int64(row.ev) & 0xFF != DEPTH_BBO_EVENT:
            out[n] = row
            n += 1
        elif not row.ev & np.uint64(SELL_EVENT):
            held_bid[0] = row
        elif held_bid[0].ev != 0:
            bid = held_bid[0]
            # The bid moves to the ask or beyond: the ask must move first.
            is_ask_first = bid.qty > 0.0 and state[1, _QTY] > 0.0 and bid.px >= state[1, _PX]
            if is_ask_first:
                n = _move(row, 1, tick_size, lot_size, state, out, n)
                n = _move(bid, 0, tick_size, lot_size, state, out, n)
            else:
                n = _move(bid, 0, tick_size, lot_size, state, out, n)
                n = _move(row, 1, tick_size, lot_size, state, out, n)
            held_bid[0].ev = 0
    return n


@compiled
def _move(row, side, tick_size, lot_size, state, out, n):
    """Sets one side to the level of a BBO row."""
    event = DELTA_BID if side == 0 else DELTA_ASK
    px, qty = state[side, _PX], state[side, _QTY]
    has_level = row.qty > 0.0 if lot_size == 0.0 else np.rint(row.qty / lot_size) > 0.0
    is_same = qty > 0.0 and _is_same(row.px, px, tick_size)
    if has_level and not (is_same and row.qty == qty):
        put_row(out, n, event, row.exch_ts, row.local_ts, row.px, row.qty)
        n += 1
    if qty > 0.0 and not (has_level and is_same):
        put_row(out, n, event, row.exch_ts, row.local_ts, px, 0.0)
        n += 1
    state[side, _PX] = row.px if has_level else 0.0
    state[side, _QTY] = row.qty if has_level else 0.0
    return n


@compiled
def _is_same(px, other, tick_size):
    """Whether two prices are the same level. Equal decimal texts are equal floats."""
    return px == other if tick_size == 0.0 else np.rint(px / tick_size) == np.rint(other / tick_size)
