"""One book from two streams: best-bid-and-offer updates fused with the depth stream, which is slower or conflated.

Rows go in as they were chained and stamped (DEPTH, DEPTH_SNAPSHOT, whole-side DEPTH_CLEAR, DEPTH_BBO, trades); depth
rows come out. A BBO row becomes the change of its level, the deletion of the levels that it proves gone (better ones of
its side, crossed ones of the other), or nothing where the book shows it already. A row about the touch that is older,
by `exch_ts`, than what the touch is known from is left out. So far these are the rules of hftbacktest's
`FuseMarketDepth`.

What BBO says of a level holds until the depth stream has caught up: behind a change that is newer than the last BBO
(`connectors.book` marks its last row), every level is what the depth stream says. So what BBO changed is noted with the
depth stream's own quantity, and goes back to it there, by a depth row, unless the depth stream has followed
(docs/decisions/0008). Replay and live share this code. One thread.
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

from connectors.book import COVERS_BBO
from connectors.frames import DELTA_ASK, DELTA_BID, put_row
from connectors.jit import compiled
from connectors.level_table import FREE, FREED, LEVEL, key_of, move_levels, slot_of, tick_of
from connectors.types import Rows

#: Slots of a side's table at first; it doubles when more than half are used. A power of two.
_SLOTS_MIN = 1 << 12
#: The same of a side's notes, of which there are few between two depth messages.
_NOTE_SLOTS_MIN = 1 << 8

# Fields of the state: int64, index 0 bids and 1 asks. A bid's tick counts as it is, an ask's negated, so that the
# better price is the larger number on both sides and one code serves both.
_BEST, _BEST_TS, _WORST, _COUNT, _USED = range(5)
# How many levels are noted, and the slot of the last note, in which that of the one before it stands, and so on.
_NOTED, _LAST_NOTE = 5, 6
# From this tick on, what the depth stream never told is no level; beyond it, nobody said.
_KNOWN = 7
# How many levels went back to the depth stream's quantity.
_SETTLED = 8
_FIELDS = 9
# No tick is beyond these, and their distance fits an int64: Numba's range() wraps around where it does not.
_NONE = -(1 << 61)
_NO_WORST = 1 << 61


class FusedBook:
    """The fused book of one instrument."""

    def __init__(self, tick_size: float, lot_size: float, *, is_window: bool = False) -> None:
        """Prices and quantities are compared as whole ticks and lots.

        `is_window`: the depth stream tells all levels around the touch wherever that goes. Otherwise it tells those of
        its snapshot and what changes, and what lies beyond the snapshot is not known until it changes.
        """
        self._tick_size = tick_size
        self._lot_size = lot_size
        self._is_window = is_window
        self._tables: list[NDArray[np.void]] = [np.zeros(_SLOTS_MIN, LEVEL) for _ in range(2)]
        #: Levels that BBO changed, with the quantity by the depth stream; NaN where that never told any.
        self._notes: list[NDArray[np.void]] = [np.zeros(_NOTE_SLOTS_MIN, LEVEL) for _ in range(2)]
        self._state = np.zeros((2, _FIELDS), np.int64)
        self._state[:, _BEST] = _NONE
        self._state[:, _WORST] = _NO_WORST
        self._state[:, _KNOWN] = _NONE if is_window else _NO_WORST
        self._out = np.zeros(0, event_dtype)
        self._scratch = np.zeros(1, event_dtype)

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

    @property
    def settled_count(self) -> int:
        """How many levels that BBO had changed went back to what the depth stream says, without a row of its own."""
        return int(self._state[:, _SETTLED].sum())

    @property
    def noted_count(self) -> int:
        """Levels that may differ from what the depth stream says."""
        return int(self._state[:, _NOTED].sum())

    def best_qty(self, side: int) -> float:
        """Quantity at the best bid (side 0) or ask (side 1); NaN when there is none."""
        return float(_best_qty(self._tables[side], self._state, side))

    def fuse(self, rows: Rows) -> Rows:
        """The rows that change the fused book, with all other kinds passed on; a view, valid until the next call."""
        self.make_room(len(rows))
        if len(self._out) < 2 * len(rows) + 2:
            self._out = np.empty(2 * len(rows) + 2, event_dtype)
        done = count = 0
        while True:
            done, count = _fuse(
                rows, done, count, self._tick_size, self._lot_size, self._is_window, *self._tables, *self._notes,
                self._state, self._scratch, self._out,
            )  # fmt: skip
            if done == len(rows):
                return self._out[:count]
            self._grow(count)

    def make_room(self, more: int) -> None:
        """Lets `more` levels be added to either side without filling more than half of its table."""
        for side in range(2):
            if 2 * (int(self._state[side, _USED]) + more) > len(self._tables[side]):
                wanted = 2 * (int(self._state[side, _COUNT]) + more)
                slots = max(_SLOTS_MIN, 1 << wanted.bit_length())
                self._tables[side] = _rehashed(self._tables[side], np.zeros(slots, LEVEL), self._state[side])

    def _grow(self, count: int) -> None:
        """Lets the next row change every level, whose notes are all settled behind it; `count` rows out are kept."""
        levels, notes = self._state[:, _COUNT], self._state[:, _NOTED]
        room = _rows_of_one(self._state)
        if len(self._out) < count + room:
            out = np.empty(2 * (count + room), event_dtype)
            out[:count] = self._out[:count]
            self._out = out
        for side in range(2):
            most = int(levels[side] + notes[side]) + 2
            if 2 * most > len(self._notes[side]):
                larger = np.zeros(1 << (2 * most).bit_length(), LEVEL)
                _move_notes(self._notes[side], larger, self._state, side)
                self._notes[side] = larger
        self.make_room(int(notes.max()) + 2)


def _rehashed(
    table: NDArray[np.void], larger: NDArray[np.void], state: NDArray[np.int64]
) -> NDArray[np.void]:
    move_levels(table, larger)
    state[_USED] = state[_COUNT]
    return larger


@compiled
def _fuse(  # type: ignore[no-untyped-def]
    rows, done, n, tick_size, lot_size, is_window, bids, asks, bid_notes, ask_notes, state, scratch, out
):
    """Takes rows from number `done` on, with `n` rows out; both as they are then. Stops where room may be missing."""
    for r in range(done, len(rows)):
        if not _has_room(n, bids, asks, bid_notes, ask_notes, state, out):
            return r, n
        row = rows[r]
        first = n
        kind = np.int64(row.ev) & 0xFF
        side = 0 if row.ev & np.uint64(BUY_EVENT) else 1
        own, other = (bids, asks) if side == 0 else (asks, bids)
        notes, other_notes = (bid_notes, ask_notes) if side == 0 else (ask_notes, bid_notes)
        sign = 1 if side == 0 else -1
        if kind in (DEPTH_EVENT, DEPTH_SNAPSHOT_EVENT):
            tick = sign * np.int64(np.rint(row.px / tick_size))
            is_set = np.rint(row.qty / lot_size) > 0.0
            n = _change(row, tick, is_set, side, own, notes, other, state, tick_size, out, n)
            if kind == DEPTH_SNAPSHOT_EVENT:
                state[side, _KNOWN] = min(state[side, _KNOWN], tick)
        elif kind == DEPTH_BBO_EVENT:
            # A best without quantity is no best: nothing follows from it.
            if np.rint(row.qty / lot_size) > 0.0:
                tick = sign * np.int64(np.rint(row.px / tick_size))
                n = _best(row, tick, side, own, notes, other, other_notes, state, tick_size, out, n)
        elif kind == DEPTH_CLEAR_EVENT:
            _clear(own, notes, state, side, row.exch_ts, is_window)
            out[n] = row
            n += 1
        else:
            out[n] = row
            n += 1
        if row.ival == COVERS_BBO:
            for k in range(first, n):
                out[k].ival = 0
            n = _settle(
                row, bids, asks, bid_notes, ask_notes, state, tick_size, lot_size, scratch, out, n
            )
    return len(rows), n


@compiled
def _rows_of_one(state):  # type: ignore[no-untyped-def]
    """At most so many rows come of one: itself, the deletion of every level, and what is noted going back."""
    return 2 * (state[0, _COUNT] + state[1, _COUNT] + 2) + state[0, _NOTED] + state[1, _NOTED]


@compiled
def _has_room(n, bids, asks, bid_notes, ask_notes, state, out):  # type: ignore[no-untyped-def]
    """Whether whatever comes of the next row fits; see `FusedBook._grow`."""
    if n + _rows_of_one(state) > len(out):
        return False
    for side in range(2):
        table, notes = (bids, bid_notes) if side == 0 else (asks, ask_notes)
        more = state[side, _NOTED] + 2
        if 2 * (state[side, _USED] + more) > len(table) or 2 * (state[side, _COUNT] + more) > len(notes):
            return False
    return True


@compiled
def _change(row, tick, is_set, side, own, notes, other, state, tick_size, out, n):  # type: ignore[no-untyped-def]
    """A change of one level. `is_set`: it has a quantity."""
    ts = row.exch_ts
    is_crossing = _crosses(tick, state, 1 - side)
    if (tick >= state[side, _BEST] and ts < state[side, _BEST_TS]) or (
        is_crossing and ts < state[1 - side, _BEST_TS]
    ):
        _note_told(notes, tick, row.qty if is_set else 0.0, state, side)
        return n
    if state[side, _NOTED] > 0:
        _renew(notes, tick, row.qty if is_set else 0.0)
    slot = slot_of(own, tick)
    if own[slot].key != key_of(tick):
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
    else:
        _note_told(notes, tick, row.qty if is_set else 0.0, state, side)
    if not is_set:
        if tick == state[side, _BEST]:
            _step_down(own, tick, state, side)
            state[side, _BEST_TS] = ts
        return n
    if tick >= state[side, _BEST]:
        state[side, _BEST] = tick
        state[side, _BEST_TS] = ts
        if is_crossing:
            # Nothing is noted: of one message the bids come first, and the asks that they cross are told behind them.
            n = _uncross(row, tick, 1 - side, other, notes, False, state, tick_size, out, n)
    state[side, _WORST] = min(state[side, _WORST], tick)
    return n


@compiled
def _best(row, tick, side, own, notes, other, other_notes, state, tick_size, out, n):  # type: ignore[no-untyped-def]
    """The best of one side: what is better on it is gone, and so is what it crosses on the other."""
    ts = row.exch_ts
    is_crossing = _crosses(tick, state, 1 - side)
    if ts < state[side, _BEST_TS] or (is_crossing and ts < state[1 - side, _BEST_TS]):
        return n
    slot = slot_of(own, tick)
    if own[slot].key != key_of(tick):
        _note(notes, tick, 0.0 if tick >= state[side, _KNOWN] else np.nan, state, side)
        _put(own, slot, tick, row.qty, ts, state, side)
    elif tick == state[side, _BEST] and row.qty == own[slot].qty:
        state[side, _BEST_TS] = ts
        return n
    else:
        _note(notes, tick, own[slot].qty, state, side)
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
        n = _uncross(row, tick, 1 - side, other, other_notes, True, state, tick_size, out, n)
    for gone in range(tick + 1, before + 1):
        n = _delete(row, gone, side, own, notes, True, state, tick_size, out, n)
    return n


@compiled
def _settle(row, bids, asks, bid_notes, ask_notes, state, tick_size, lot_size, scratch, out, n):  # type: ignore[no-untyped-def]
    """Lets every noted level be what the depth stream says; `row` is the last of its message, `scratch` holds a row.

    First what goes, then what comes, so that nothing crosses on the way.
    """
    for is_set in (False, True):
        for side in range(2):
            own, other = (bids, asks) if side == 0 else (asks, bids)
            notes = bid_notes if side == 0 else ask_notes
            slot = state[side, _LAST_NOTE]
            for _ in range(state[side, _NOTED]):
                tick, qty = tick_of(notes[slot].key), notes[slot].qty
                if _is_off(own, tick, qty, is_set, side, state, lot_size):
                    event = np.uint64(DELTA_BID if side == 0 else DELTA_ASK)
                    px = (tick if side == 0 else -tick) * tick_size
                    put_row(scratch, 0, event, row.exch_ts, row.local_ts, px, qty)
                    n = _change(scratch[0], tick, is_set, side, own, notes, other, state, tick_size, out, n)
                    state[side, _SETTLED] += 1
                if np.isnan(qty):
                    # Not told otherwise although it could have been: from here on BBO's word is the depth stream's.
                    state[side, _KNOWN] = min(state[side, _KNOWN], tick)
                slot = np.int64(notes[slot].ts)
    _forget_notes(bid_notes, state, 0)
    _forget_notes(ask_notes, state, 1)
    return n


@compiled
def _best_qty(table, state, side):  # type: ignore[no-untyped-def]
    if state[side, _BEST] == _NONE:
        return np.nan
    return table[slot_of(table, state[side, _BEST])].qty


@compiled
def _crosses(tick, state, other_side):  # type: ignore[no-untyped-def]
    """Whether a tick of one side stands at or beyond the best of the other."""
    return state[other_side, _BEST] != _NONE and tick >= -state[other_side, _BEST]


@compiled
def _uncross(row, tick, side, table, notes, is_noted, state, tick_size, out, n):  # type: ignore[no-untyped-def]
    """Takes the levels of `side` that the other side's best at `tick` proves gone; its best steps behind them."""
    before = state[side, _BEST]
    _step_down(table, -tick, state, side)
    state[side, _BEST_TS] = row.exch_ts
    last = -tick - 1 if state[side, _BEST] == _NONE else state[side, _BEST]
    for gone in range(last + 1, before + 1):
        n = _delete(row, gone, side, table, notes, is_noted, state, tick_size, out, n)
    return n


@compiled
def _step_down(table, start, state, side):  # type: ignore[no-untyped-def]
    """The best becomes the first level below `start`, or none."""
    if state[side, _COUNT] > 0:
        for tick in range(start - 1, state[side, _WORST] - 1, -1):
            slot = slot_of(table, tick)
            if table[slot].key == key_of(tick):
                state[side, _BEST] = tick
                return
    state[side, _BEST] = _NONE
    state[side, _WORST] = _NO_WORST


@compiled
def _delete(row, tick, side, table, notes, is_noted, state, tick_size, out, n):  # type: ignore[no-untyped-def]
    """Takes a level, if it is there, and says so in a row of its own."""
    slot = slot_of(table, tick)
    if table[slot].key == key_of(tick):
        if is_noted:
            _note(notes, tick, table[slot].qty, state, side)
        _free(table, slot, state, side)
        event = DELTA_BID if side == 0 else DELTA_ASK
        px = (tick if side == 0 else -tick) * tick_size
        put_row(out, n, event, row.exch_ts, row.local_ts, px, 0.0)
        n += 1
    return n


@compiled
def _clear(table, notes, state, side, ts, is_window):  # type: ignore[no-untyped-def]
    _forget_notes(notes, state, side)
    state[side, _KNOWN] = _NONE if is_window else _NO_WORST
    for slot in range(len(table)):
        table[slot].key = FREE
    state[side, _BEST] = _NONE
    state[side, _BEST_TS] = ts
    state[side, _WORST] = _NO_WORST
    state[side, _COUNT] = 0
    state[side, _USED] = 0


@compiled
def _put(table, slot, tick, qty, ts, state, side):  # type: ignore[no-untyped-def]
    if table[slot].key == FREE:
        state[side, _USED] += 1
    table[slot].key = key_of(tick)
    table[slot].qty = qty
    table[slot].ts = ts
    state[side, _COUNT] += 1


@compiled
def _free(table, slot, state, side):  # type: ignore[no-untyped-def]
    table[slot].key = FREED
    state[side, _COUNT] -= 1


@compiled
def _is_off(table, tick, qty, is_set, side, state, lot_size):  # type: ignore[no-untyped-def]
    """Whether a noted level is to be set (or, without `is_set`, deleted) to become what the depth stream says."""
    if np.isnan(qty) or (np.rint(qty / lot_size) > 0.0) != is_set:
        return False
    slot = slot_of(table, tick)
    has_level = table[slot].key == key_of(tick)
    if not is_set:
        return has_level
    # What stands in the way is the depth stream's by now, and newer.
    return not (has_level and table[slot].qty == qty) and not _crosses(tick, state, 1 - side)


@compiled
def _note(notes, tick, qty, state, side):  # type: ignore[no-untyped-def]
    """Keeps the depth stream's quantity of a level that BBO is about to change, unless it is kept already."""
    slot = slot_of(notes, tick)
    if notes[slot].key != key_of(tick):
        notes[slot].key = key_of(tick)
        notes[slot].qty = qty
        notes[slot].ts = state[side, _LAST_NOTE]
        state[side, _LAST_NOTE] = slot
        state[side, _NOTED] += 1


@compiled
def _note_told(notes, tick, qty, state, side):  # type: ignore[no-untyped-def]
    """Keeps what the depth stream says of a level of which BBO knows better."""
    _note(notes, tick, qty, state, side)
    _renew(notes, tick, qty)


@compiled
def _renew(notes, tick, qty):  # type: ignore[no-untyped-def]
    """What the depth stream says of a level, if that is noted."""
    slot = slot_of(notes, tick)
    if notes[slot].key == key_of(tick):
        notes[slot].qty = qty


@compiled
def _forget_notes(notes, state, side):  # type: ignore[no-untyped-def]
    slot = state[side, _LAST_NOTE]
    for _ in range(state[side, _NOTED]):
        notes[slot].key = FREE
        slot = notes[slot].ts
    state[side, _NOTED] = 0


@compiled
def _move_notes(notes, larger, state, side):  # type: ignore[no-untyped-def]
    """Puts the notes of one table into an empty one."""
    slot = state[side, _LAST_NOTE]
    count = state[side, _NOTED]
    state[side, _NOTED] = 0
    for _ in range(count):
        _note(larger, tick_of(notes[slot].key), notes[slot].qty, state, side)
        slot = notes[slot].ts
