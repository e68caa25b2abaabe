"""One book from two streams: best-bid-and-offer updates fused with the depth stream, which is slower or conflated.

Rows go in as they were chained and stamped (DEPTH, DEPTH_SNAPSHOT, whole-side DEPTH_CLEAR, DEPTH_BBO, trades); depth
rows come out. A BBO row becomes the change of its level, the deletion of the levels that it proves gone (better ones of
its side, crossed ones of the other), or nothing where the book shows it already. A row about the touch that is older,
by `exch_ts`, than what the touch is known from is left out. The rules, and so the touch after every row, are those of
hftbacktest's `FuseMarketDepth`; replay and live share this code. One thread.

Levels are kept in two hash tables of ticks, whatever their distance, so there is no window to anchor or to leave.
"""

from __future__ import annotations

import numpy as np
from hftbacktest.types import (
    BUY_EVENT,
    DEPTH_BBO_EVENT,
    DEPTH_CLEAR_EVENT,
    DEPTH_EVENT,
    DEPTH_SNAPSHOT_EVENT,
    event_dtype,
)
from numpy.typing import NDArray

from connectors.frames import DELTA_ASK, DELTA_BID, put_row
from connectors.jit import compiled
from connectors.types import Rows

#: One level: its tick, quantity and the venue time of its last change. `key` is the tick moved off 0 and -1, which are
#: a slot that is free and one that was freed.
_LEVEL = np.dtype([("key", "i8"), ("qty", "f8"), ("ts", "i8")], align=True)
_FREE, _FREED = 0, -1
#: Slots of a side's table at first; it doubles when more than half are used. A power of two.
_SLOTS_MIN = 1 << 12

# Fields of the state: int64, index 0 bids and 1 asks. A bid's tick counts as it is, an ask's negated, so that the
# better price is the larger number on both sides and one code serves both.
_BEST, _BEST_TS, _WORST, _COUNT, _USED = range(5)
_FIELDS = 5
# No tick is beyond these, and their distance fits an int64: Numba's range() wraps around where it does not.
_NONE = -(1 << 61)
_NO_WORST = 1 << 61
#: Multiplier that spreads neighbouring ticks over a table (2**64 divided by the golden ratio).
_HASH = np.uint64(0x9E3779B97F4A7C15)


class FusedBook:
    """The fused book of one instrument."""

    def __init__(self, tick_size: float, lot_size: float) -> None:
        """Prices and quantities are compared as whole ticks and lots."""
        self._tick_size = tick_size
        self._lot_size = lot_size
        self._tables: list[NDArray[np.void]] = [np.zeros(_SLOTS_MIN, _LEVEL) for _ in range(2)]
        self._state = np.zeros((2, _FIELDS), np.int64)
        self._state[:, _BEST] = _NONE
        self._state[:, _WORST] = _NO_WORST
        self._out = np.zeros(0, event_dtype)

    @property
    def best_bid_tick(self) -> int | None:
        """Tick of the best bid; None when there is none."""
        best = int(self._state[0, _BEST])
        return None if best == _NONE else best

    @property
    def best_ask_tick(self) -> int | None:
        """Tick of the best ask; None when there is none."""
        best = int(self._state[1, _BEST])
        return None if best == _NONE else -best

    def best_qty(self, side: int) -> float:
        """Quantity at the best bid (side 0) or ask (side 1); NaN when there is none."""
        return float(_best_qty(self._tables[side], self._state, side))

    def fuse(self, rows: Rows) -> Rows:
        """The rows that change the fused book, with all other kinds passed on; a view, valid until the next call."""
        self.make_room(len(rows))
        # A row gives at most itself and the deletions of levels, and a level is deleted once.
        room = 2 * len(rows) + int(self._state[:, _COUNT].sum()) + 2
        if len(self._out) < room:
            self._out = np.empty(room, event_dtype)
        count = _fuse(
            rows, self._tick_size, self._lot_size, self._tables[0], self._tables[1], self._state, self._out
        )
        return self._out[:count]

    def make_room(self, more: int) -> None:
        """Lets `more` levels be added to either side without filling more than half of its table."""
        for side in range(2):
            if 2 * (int(self._state[side, _USED]) + more) > len(self._tables[side]):
                wanted = 2 * (int(self._state[side, _COUNT]) + more)
                slots = max(_SLOTS_MIN, 1 << wanted.bit_length())
                self._tables[side] = _rehashed(self._tables[side], np.zeros(slots, _LEVEL), self._state[side])


def _rehashed(
    table: NDArray[np.void], larger: NDArray[np.void], state: NDArray[np.int64]
) -> NDArray[np.void]:
    _move_levels(table, larger)
    state[_USED] = state[_COUNT]
    return larger


@compiled
def _fuse(rows, tick_size, lot_size, bids, asks, state, out):  # type: ignore[no-untyped-def]
    n = 0
    for r in range(len(rows)):
        row = rows[r]
        kind = np.int64(row.ev) & 0xFF
        side = 0 if row.ev & np.uint64(BUY_EVENT) else 1
        own, other = (bids, asks) if side == 0 else (asks, bids)
        sign = 1 if side == 0 else -1
        if kind in (DEPTH_EVENT, DEPTH_SNAPSHOT_EVENT):
            tick = sign * np.int64(np.rint(row.px / tick_size))
            n = _change(
                row, tick, np.rint(row.qty / lot_size) > 0.0, side, own, other, state, tick_size, out, n
            )
        elif kind == DEPTH_BBO_EVENT:
            tick = sign * np.int64(np.rint(row.px / tick_size))
            # A best without quantity is no best: nothing follows from it.
            if np.rint(row.qty / lot_size) > 0.0:
                n = _best(row, tick, side, own, other, state, tick_size, out, n)
        elif kind == DEPTH_CLEAR_EVENT:
            _clear(own, state, side, row.exch_ts)
            out[n] = row
            n += 1
        else:
            out[n] = row
            n += 1
    return n


@compiled
def _change(row, tick, is_set, side, own, other, state, tick_size, out, n):  # type: ignore[no-untyped-def]
    """A change of one level. `is_set`: it has a quantity."""
    ts = row.exch_ts
    is_crossing = _crosses(tick, state, 1 - side)
    if (tick >= state[side, _BEST] and ts < state[side, _BEST_TS]) or (
        is_crossing and ts < state[1 - side, _BEST_TS]
    ):
        return n
    slot = _slot_of(own, tick)
    if own[slot].key != _key_of(tick):
        if is_set:
            _put(own, slot, tick, row.qty, ts, state, side)
            out[n] = row
            n += 1
    elif ts >= own[slot].ts:
        if is_set:
            own[slot].qty = row.qty
            own[slot].ts = ts
        else:
            _free(own, slot, state, side)
        out[n] = row
        if not is_set:
            # Less than half a lot is no level; hftbacktest's vector book would keep it as a best of later on.
            out[n].qty = 0.0
        n += 1
    if not is_set:
        if tick == state[side, _BEST]:
            _step_down(own, tick, state, side)
            state[side, _BEST_TS] = ts
        return n
    if tick >= state[side, _BEST]:
        state[side, _BEST] = tick
        state[side, _BEST_TS] = ts
        if is_crossing:
            n = _uncross(row, tick, 1 - side, other, state, tick_size, out, n)
    state[side, _WORST] = min(state[side, _WORST], tick)
    return n


@compiled
def _best(row, tick, side, own, other, state, tick_size, out, n):  # type: ignore[no-untyped-def]
    """The best of one side: what is better on it is gone, and so is what it crosses on the other."""
    ts = row.exch_ts
    is_crossing = _crosses(tick, state, 1 - side)
    if ts < state[side, _BEST_TS] or (is_crossing and ts < state[1 - side, _BEST_TS]):
        return n
    slot = _slot_of(own, tick)
    if own[slot].key != _key_of(tick):
        _put(own, slot, tick, row.qty, ts, state, side)
    elif tick == state[side, _BEST] and row.qty == own[slot].qty:
        state[side, _BEST_TS] = ts
        return n
    else:
        own[slot].qty = row.qty
        own[slot].ts = ts
    out[n] = row
    out[n].ev = np.uint64(DELTA_BID if side == 0 else DELTA_ASK)
    n += 1
    before = state[side, _BEST]
    state[side, _BEST] = tick
    state[side, _BEST_TS] = ts
    state[side, _WORST] = min(state[side, _WORST], tick)
    if is_crossing:
        n = _uncross(row, tick, 1 - side, other, state, tick_size, out, n)
    for gone in range(tick + 1, before + 1):
        n = _delete(row, gone, side, own, state, tick_size, out, n)
    return n


@compiled
def _best_qty(table, state, side):  # type: ignore[no-untyped-def]
    if state[side, _BEST] == _NONE:
        return np.nan
    return table[_slot_of(table, state[side, _BEST])].qty


@compiled
def _crosses(tick, state, other_side):  # type: ignore[no-untyped-def]
    """Whether a tick of one side stands at or beyond the best of the other."""
    return state[other_side, _BEST] != _NONE and tick >= -state[other_side, _BEST]


@compiled
def _uncross(row, tick, side, table, state, tick_size, out, n):  # type: ignore[no-untyped-def]
    """Takes the levels of `side` that the other side's best at `tick` proves gone; its best steps behind them."""
    before = state[side, _BEST]
    _step_down(table, -tick, state, side)
    state[side, _BEST_TS] = row.exch_ts
    last = -tick - 1 if state[side, _BEST] == _NONE else state[side, _BEST]
    for gone in range(last + 1, before + 1):
        n = _delete(row, gone, side, table, state, tick_size, out, n)
    return n


@compiled
def _step_down(table, start, state, side):  # type: ignore[no-untyped-def]
    """The best becomes the first level below `start`, or none."""
    if state[side, _COUNT] > 0:
        for tick in range(start - 1, state[side, _WORST] - 1, -1):
            slot = _slot_of(table, tick)
            if table[slot].key == _key_of(tick):
                state[side, _BEST] = tick
                return
    state[side, _BEST] = _NONE
    state[side, _WORST] = _NO_WORST


@compiled
def _delete(row, tick, side, table, state, tick_size, out, n):  # type: ignore[no-untyped-def]
    """Takes a level, if it is there, and says so in a row of its own."""
    slot = _slot_of(table, tick)
    if table[slot].key == _key_of(tick):
        _free(table, slot, state, side)
        event = DELTA_BID if side == 0 else DELTA_ASK
        px = (tick if side == 0 else -tick) * tick_size
        put_row(out, n, event, row.exch_ts, row.local_ts, px, 0.0)
        n += 1
    return n


@compiled
def _clear(table, state, side, ts):  # type: ignore[no-untyped-def]
    for slot in range(len(table)):
        table[slot].key = _FREE
    state[side, _BEST] = _NONE
    state[side, _BEST_TS] = ts
    state[side, _WORST] = _NO_WORST
    state[side, _COUNT] = 0
    state[side, _USED] = 0


@compiled
def _key_of(tick):  # type: ignore[no-untyped-def]
    """A tick as it stands in a table, where 0 and -1 mean no level."""
    return tick + 1 if tick >= 0 else tick - 1


@compiled
def _slot_of(table, tick):  # type: ignore[no-untyped-def]
    """The slot of a tick, or the one to put it into; linear probing. A table is never more than half full."""
    mask = np.int64(len(table) - 1)
    key = _key_of(tick)
    slot = np.int64((np.uint64(key) * _HASH) >> np.uint64(32)) & mask
    freed = np.int64(-1)
    while True:
        held = table[slot].key
        if held == key:
            return slot
        if held == _FREE:
            return freed if freed >= 0 else slot
        if held == _FREED and freed < 0:
            freed = slot
        slot = (slot + 1) & mask


@compiled
def _put(table, slot, tick, qty, ts, state, side):  # type: ignore[no-untyped-def]
    if table[slot].key == _FREE:
        state[side, _USED] += 1
    table[slot].key = _key_of(tick)
    table[slot].qty = qty
    table[slot].ts = ts
    state[side, _COUNT] += 1


@compiled
def _free(table, slot, state, side):  # type: ignore[no-untyped-def]
    table[slot].key = _FREED
    state[side, _COUNT] -= 1


@compiled
def _move_levels(table, larger):  # type: ignore[no-untyped-def]
    """Puts the levels of one table into an empty one."""
    for slot in range(len(table)):
        key = table[slot].key
        if key != _FREE and key != _FREED:
            tick = key - 1 if key > 0 else key + 1
            larger[_slot_of(larger, tick)] = table[slot]
