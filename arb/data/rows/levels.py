"""The book and the funding data at the end of a sequence of rows, which the next day continues."""

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

from connectors.book.level_table import FREE, LEVEL, key_of, slot_of, tick_of
from connectors.book.rows import LOCAL_ONLY
from connectors.jit.compilation import compiled
from connectors.model import FUNDING_EVENT, Rows

#: A power of two.
_SLOTS_MIN = 1 << 12
_SIDES = (BUY_EVENT, SELL_EVENT)


class Levels:
    """The levels after chained rows, or rows of a fused book (whose clears empty a whole side). One thread."""

    def __init__(self, tick_size: float = 0.0) -> None:
        """The key of a level is its integer tick; its decoded price if `tick_size` is 0.

        Rows of a fused book need ticks: it deletes a level by a price of its own, which may differ from the venue's in
        the last bit.
        """
        self._tick_size = tick_size
        #: Of each side: its levels, and their prices by slot.
        self._tables = [np.zeros(_SLOTS_MIN, LEVEL) for _ in _SIDES]
        self._prices = [np.zeros(_SLOTS_MIN) for _ in _SIDES]
        self._used = np.zeros(len(_SIDES), np.int64)
        #: The last mark price, funding rate and next funding time as one row; `ev` is 0 without any.
        self._funding: Rows = np.zeros(1, event_dtype)

    def follow(self, rows: Rows) -> None:
        """Processes rows in order."""
        for side in range(len(_SIDES)):
            if 2 * (int(self._used[side]) + len(rows)) > len(self._tables[side]):
                self._make_room(side, len(rows))
        _follow(rows, self._tick_size, *self._tables, *self._prices, self._used, self._funding)

    def _make_room(self, side: int, more: int) -> None:
        """A table that stays half empty with `more` further levels; prices without a quantity are dropped."""
        table, prices = self._tables[side], self._prices[side]
        kept = int(np.count_nonzero(table["qty"] > 0))
        slots = max(_SLOTS_MIN, 1 << (2 * (kept + more)).bit_length())
        self._tables[side], self._prices[side] = np.zeros(slots, LEVEL), np.zeros(slots)
        _move(table, prices, self._tables[side], self._prices[side])
        self._used[side] = kept

    def rows(self) -> Rows:
        """Snapshot rows, bids and then asks, best first; then the funding data, if any. Times are zero.

        The flags of a level say that it is for both sides, those of the funding data for the venue's side.
        """
        funding = self._funding[self._funding["ev"] != 0]
        return np.concatenate([*(self._side_rows(side) for side in range(len(_SIDES))), funding])

    def _side_rows(self, side: int) -> Rows:
        is_kept = self._tables[side]["qty"] > 0
        kept, prices = self._tables[side][is_kept], self._prices[side][is_kept]
        order = np.argsort(prices)
        out = np.zeros(len(kept), event_dtype)
        out["ev"] = EXCH_EVENT | LOCAL_EVENT | DEPTH_SNAPSHOT_EVENT | _SIDES[side]
        out["px"], out["qty"] = prices[order], kept["qty"][order]
        return out[::-1] if side == 0 else out


@compiled
def _follow(rows, tick_size, bids, asks, bid_prices, ask_prices, used, funding):
    for r in range(len(rows)):
        row = rows[r]
        if row.ival == LOCAL_ONLY:
            continue  # a silence does not change the levels
        kind = np.int64(row.ev) & 0xFF
        if kind == FUNDING_EVENT:
            _merge(row, funding[0])
            continue
        for side in range(2):
            if not row.ev & np.uint64(BUY_EVENT if side == 0 else SELL_EVENT):
                continue
            table = bids if side == 0 else asks
            if kind in (DEPTH_EVENT, DEPTH_SNAPSHOT_EVENT):
                key = key_of(_number(row.px, tick_size))
                slot = slot_of(table, tick_of(key))
                used[side] += table[slot].key != key
                table[slot].key = key
                table[slot].qty = row.qty
                (bid_prices if side == 0 else ask_prices)[slot] = row.px
            elif kind == DEPTH_CLEAR_EVENT:
                for slot in range(len(table)):
                    table[slot].key = FREE
                    table[slot].qty = 0.0
                used[side] = 0


@compiled
def _merge(row, last):
    """Updates the last funding data with what a row has."""
    if last.ev == np.uint64(0):
        last.ev = np.uint64(EXCH_EVENT | FUNDING_EVENT)
        last.px = last.fval = np.nan
    if not np.isnan(row.px):
        last.px = row.px
    if not np.isnan(row.fval):
        last.fval = row.fval
    if row.ival > 0:
        last.ival = row.ival


@compiled
def _number(px, tick_size):
    """The tick of a price; without a tick size the bits of the price, mixed so that neighbours spread over a table."""
    if tick_size == 0.0:
        bits = np.float64(px).view(np.int64)
        return bits ^ (bits >> 32)
    return np.int64(np.rint(px / tick_size))


@compiled
def _move(table, prices, larger, larger_prices):
    """Copies the levels with a quantity into an empty table."""
    for slot in range(len(table)):
        if table[slot].qty > 0.0:
            to = slot_of(larger, tick_of(table[slot].key))
            larger[to] = table[slot]
            larger_prices[to] = prices[slot]
