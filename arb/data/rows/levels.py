"""The book at the end of a sequence of rows, which the next day continues."""

from __future__ import annotations

import numpy as np
from hftbacktest.types import (
    BUY_EVENT,
    DEPTH_CLEAR_EVENT,
    DEPTH_EVENT,
    DEPTH_SNAPSHOT_EVENT,
    EXCH_EVENT,
    LOCAL_EVENT,
    SELL_EVENT,
    event_dtype,
)
from numpy.typing import NDArray

from connectors.book.rows import LOCAL_ONLY
from connectors.jit.compilation import compiled
from connectors.model import Rows

#: A level: key, price and quantity; a slot with key NaN is free. Open addressing, linear probing.
_LEVEL = np.dtype([("key", "f8"), ("px", "f8"), ("qty", "f8")], align=True)
#: A power of two.
_SLOTS_MIN = 1 << 12
#: Hash multiplier that spreads neighbouring prices (2**64 divided by the golden ratio).
_HASH = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(32)
_SIDES = (BUY_EVENT, SELL_EVENT)


class Levels:
    """The levels after chained rows, or rows of a fused book (whose clears empty a whole side). One thread."""

    def __init__(self, tick_size: float = 0.0) -> None:
        """The key of a level is its integer tick; its decoded price if `tick_size` is 0.

        Rows of a fused book need ticks: it deletes a level by a price of its own, which may differ from the venue's in
        the last bit.
        """
        self._tick_size = tick_size
        self._tables: list[NDArray[np.void]] = [_empty(_SLOTS_MIN) for _ in _SIDES]
        self._used = np.zeros(len(_SIDES), np.int64)

    def follow(self, rows: Rows) -> None:
        """Processes rows in order."""
        for side in range(len(_SIDES)):
            if 2 * (int(self._used[side]) + len(rows)) > len(self._tables[side]):
                self._make_room(side, len(rows))
        _follow(rows, self._tick_size, self._tables[0], self._tables[1], self._used)

    def _make_room(self, side: int, more: int) -> None:
        """A table that stays half empty with `more` further levels; prices without a quantity are dropped."""
        table = self._tables[side]
        kept = table[table["qty"] > 0]
        self._tables[side] = _empty(max(_SLOTS_MIN, 1 << (2 * (len(kept) + more)).bit_length()))
        _put_all(kept, self._tables[side])
        self._used[side] = len(kept)

    def rows(self) -> Rows:
        """Snapshot rows, bids and then asks, best first. Times are zero; the flags say that they are for both sides."""
        return np.concatenate([self._side_rows(side) for side in range(len(_SIDES))])

    def _side_rows(self, side: int) -> Rows:
        table = self._tables[side]
        kept = np.sort(table[table["qty"] > 0], order="px")
        out = np.zeros(len(kept), event_dtype)
        out["ev"] = EXCH_EVENT | LOCAL_EVENT | DEPTH_SNAPSHOT_EVENT | _SIDES[side]
        out["px"], out["qty"] = kept["px"], kept["qty"]
        return out[::-1] if side == 0 else out


def _empty(slots: int) -> NDArray[np.void]:
    table = np.zeros(slots, _LEVEL)
    table["key"] = np.nan
    return table


@compiled
def _follow(rows, tick_size, bids, asks, used):
    for r in range(len(rows)):
        row = rows[r]
        if row.ival == LOCAL_ONLY:
            continue  # a silence does not change the levels
        kind = np.int64(row.ev) & 0xFF
        for side in range(2):
            if not row.ev & np.uint64(BUY_EVENT if side == 0 else SELL_EVENT):
                continue
            table = bids if side == 0 else asks
            if kind in (DEPTH_EVENT, DEPTH_SNAPSHOT_EVENT):
                key = row.px if tick_size == 0.0 else np.rint(row.px / tick_size)
                used[side] += _put(table, key, row.px, row.qty)
            elif kind == DEPTH_CLEAR_EVENT:
                for slot in range(len(table)):
                    table[slot].key = np.nan
                    table[slot].qty = 0.0
                used[side] = 0


@compiled
def _put_all(levels, table):
    for n in range(len(levels)):
        _put(table, levels[n].key, levels[n].px, levels[n].qty)


@compiled
def _put(table, key, px, qty):
    """Sets a level; 1 if it was not there."""
    mask = np.int64(len(table) - 1)
    bits = np.float64(key).view(np.uint64)
    slot = np.int64(((bits ^ (bits >> _SHIFT)) * _HASH) >> _SHIFT) & mask
    is_new = False
    while table[slot].key != key:
        is_new = np.isnan(table[slot].key)
        if is_new:
            table[slot].key = key
            break
        slot = (slot + 1) & mask
    table[slot].px = px
    table[slot].qty = qty
    return np.int64(is_new)
