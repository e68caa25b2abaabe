"""One book from two streams: best-bid-and-offer updates fused with the depth stream, which is slower or conflated.

Rows go in as they were chained and stamped (DEPTH, DEPTH_SNAPSHOT, whole-side DEPTH_CLEAR, DEPTH_BBO, trades); depth
rows come out. A BBO row becomes the change of its level, the deletion of the levels that it proves gone (better ones of
its side, crossed ones of the other), or nothing where the book shows it already. A row about the touch that is older,
by `exch_ts`, than what the touch is known from is left out. So far these are the rules of hftbacktest's
`FuseMarketDepth`.

What BBO says of a level holds until the depth stream has caught up: behind a change that is newer than the last BBO
(`connectors.book.rows` marks its last row), every level is what the depth stream says. So what BBO changed is noted
with the depth stream's own quantity, and goes back to it there, by a depth row, unless the depth stream has followed
(docs/decisions/0008). In a silence of the depth stream the rows are emptied for the strategy alone, and the levels that
are kept here restore them (docs/decisions/0010). Replay and live share this code. One thread.
"""

from __future__ import annotations

from typing import NamedTuple

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

from connectors.book.bbo_overrides import (
    LAST_NOTE,
    NOTED,
    SETTLED,
    forget_notes,
    move_notes,
    named,
    note,
    note_clear,
    note_told,
    renew,
)
from connectors.book.level_side import (
    BEST,
    BEST_TS,
    COUNT,
    KNOWN,
    NO_TICK,
    NO_WORST,
    SIDE_FIELDS,
    USED,
    WORST,
    clear_side,
    crosses,
    free_level,
    put_level,
    step_down,
)
from connectors.book.level_table import (
    LEVEL,
    key_of,
    move_levels,
    price_of,
    restore_levels,
    slot_of,
    ticks_between,
)
from connectors.book.rows import COVERS_BBO, LOCAL_ONLY, RESTORES
from connectors.jit.compilation import compiled
from connectors.model import Rows
from connectors.parsing.scanner import DELTA_ASK, DELTA_BID, put_row

#: Slots of a side's table at first; it doubles when more than half are used. A power of two.
_SLOTS_MIN = 1 << 12
#: The same of a side's notes, of which there are few between two depth messages.
_NOTE_SLOTS_MIN = 1 << 8
#: So many rows are taken with one look at the room: tables stay small enough for the processor's cache.
_ROWS_AT_ONCE = 1 << 12


class FuseArguments(NamedTuple):
    """What `fuse_rows` takes of one book, in its order; `fits` and `rows_out_max` take of the same."""

    tick_size: float
    lot_size: float
    is_window: bool
    #: Levels of each side: (slots,) `connectors.book.level_table.LEVEL`.
    bids: NDArray[np.void]
    asks: NDArray[np.void]
    #: (2, SIDE_FIELDS) int64: bids and asks.
    state: NDArray[np.int64]
    #: Levels that BBO changed, with the quantity by the depth stream; NaN where that never told any. Both sides in
    #: one table (`connectors.book.bbo_overrides`); handing on arrays costs more than looking into them.
    notes: NDArray[np.void]
    #: (3,) int64: `connectors.book.bbo_overrides.NOTED` and its neighbours.
    noted: NDArray[np.int64]
    #: (1,): an event row of no meaning between two calls.
    scratch: Rows


class FusedBook:
    """The fused book of one instrument."""

    def __init__(self, tick_size: float, lot_size: float, *, is_window: bool = False) -> None:
        """Prices and quantities are compared as whole ticks and lots.

        `is_window`: the depth stream tells all levels around the touch wherever that goes. Otherwise it tells those of
        its snapshot and what changes, and what lies beyond the snapshot is not known until it changes.
        """
        self._tables: list[NDArray[np.void]] = [np.zeros(_SLOTS_MIN, LEVEL) for _ in range(2)]
        self._notes = np.zeros(_NOTE_SLOTS_MIN, LEVEL)
        self._noted = np.zeros(3, np.int64)
        self._state = np.zeros((2, SIDE_FIELDS), np.int64)
        self._state[:, BEST] = NO_TICK
        self._state[:, WORST] = NO_WORST
        self._state[:, KNOWN] = NO_TICK if is_window else NO_WORST
        self._out = np.zeros(0, event_dtype)
        #: What compiled code calls `fuse_rows` with, in the place of `fuse`. It is the same object for as long as its
        #: arrays are; a larger table (`make_room`) makes it another one.
        self.arguments = FuseArguments(
            tick_size,
            lot_size,
            is_window,
            self._tables[0],
            self._tables[1],
            self._state,
            self._notes,
            self._noted,
            np.zeros(1, event_dtype),
        )

    @property
    def best_bid_tick(self) -> int | None:
        """Tick of the best bid; None when there is none."""
        best = int(self._state[0, BEST])
        return None if best == NO_TICK else best

    @property
    def best_ask_tick(self) -> int | None:
        """Tick of the best ask; None when there is none."""
        best = int(self._state[1, BEST])
        return None if best == NO_TICK else -best

    @property
    def settled_count(self) -> int:
        """How many levels that BBO had changed went back to what the depth stream says, without a row of its own."""
        return int(self._noted[SETTLED])

    @property
    def noted_count(self) -> int:
        """Levels that may differ from what the depth stream says."""
        return int(self._noted[NOTED])

    def best_qty(self, side: int) -> float:
        """Quantity at the best bid (side 0) or ask (side 1); NaN when there is none."""
        return float(best_qty_of(self._tables[side], self._state, side))

    def fuse(self, rows: Rows) -> Rows:
        """The rows that change the fused book, with all other kinds passed on; a view, valid until the next call."""
        done = count = 0
        while done < len(rows):
            piece = rows[: done + _ROWS_AT_ONCE]
            more = len(piece) - done
            self.make_room(more)
            if len(self._out) < count + rows_out_max(more, self._state, self._noted):
                self._make_out(count, len(rows) - done)
            done, count = fuse_rows(piece, done, count, *self.arguments, self._out)
        return self._out[:count]

    def make_room(self, more: int) -> None:
        """Lets `more` levels be added to either side without filling more than half of its table."""
        noted = int(self._noted[NOTED])
        for side in range(2):
            # Levels that are noted may be added again.
            if 2 * (int(self._state[side, USED]) + noted + more) > len(self._tables[side]):
                levels = int(self._state[side, COUNT])
                larger = np.zeros(_slots_for(levels + noted + more, _SLOTS_MIN), LEVEL)
                move_levels(self._tables[side], larger)
                self._tables[side] = larger
                self._state[side, USED] = levels
                self._hand_out()
        # Whatever is a level, or becomes one, may be noted.
        most = int(self._state[:, COUNT].sum()) + noted + more
        if 2 * most > len(self._notes):
            notes = np.zeros(_slots_for(most, _NOTE_SLOTS_MIN), LEVEL)
            move_notes(self._notes, notes, self._noted)
            self._notes = notes
            self._hand_out()

    def _hand_out(self) -> None:
        """Another tuple of arguments, with the tables as they are now."""
        bids, asks = self._tables
        self.arguments = self.arguments._replace(bids=bids, asks=asks, notes=self._notes)

    def _make_out(self, count: int, more: int) -> None:
        """Lets `more` rows be taken behind the `count` that are out; twice that, so that it seldom happens."""
        out = np.empty(2 * (count + rows_out_max(more, self._state, self._noted)), event_dtype)
        out[:count] = self._out[:count]
        self._out = out


def _slots_for(levels: int, least: int) -> int:
    """Slots of a table that is less than half full with so many levels."""
    return max(least, 1 << (2 * levels).bit_length())


@compiled
def fuse_rows(  # type: ignore[no-untyped-def]
    rows, done, n, tick_size, lot_size, is_window, bids, asks, state, notes, noted, scratch, out
):
    """Takes event rows (all,) from number `done` on, with `n` rows in `out`; both as they are then.

    `out`: event rows (room,). The arguments before it are a book's `FuseArguments`. There is room for what comes of the
    rows (`fits`; `make_room` and `rows_out_max`); where what is noted by then may need more, this stops in front of
    that row, for the caller to make room and call again.
    """
    for r in range(done, len(rows)):
        row = rows[r]
        if row.ival == COVERS_BBO and not _has_room(n, len(rows) - r, bids, asks, state, noted, out):
            return r, n
        if row.ival == RESTORES:
            if n + rows_out_max(len(rows) - r, state, noted) > len(out):
                return r, n
            n = restore_levels(row, bids, state[0, COUNT], 0, tick_size, out, n)
            n = restore_levels(row, asks, state[1, COUNT], 1, tick_size, out, n)
            continue
        first = n
        kind = np.int64(row.ev) & 0xFF
        side = 0 if row.ev & np.uint64(BUY_EVENT) else 1
        own, other = (bids, asks) if side == 0 else (asks, bids)
        sign = 1 if side == 0 else -1
        if kind in (DEPTH_EVENT, DEPTH_SNAPSHOT_EVENT):
            tick = sign * np.int64(np.rint(row.px / tick_size))
            is_set = np.rint(row.qty / lot_size) > 0.0
            n = _change(row, tick, is_set, side, own, other, state, notes, noted, tick_size, out, n)
            if kind == DEPTH_SNAPSHOT_EVENT:
                state[side, KNOWN] = min(state[side, KNOWN], tick)
        elif kind == DEPTH_BBO_EVENT:
            # A best without quantity is no best: nothing follows from it.
            if np.rint(row.qty / lot_size) > 0.0:
                tick = sign * np.int64(np.rint(row.px / tick_size))
                n = _best(row, tick, side, own, other, state, notes, noted, tick_size, out, n)
        elif kind == DEPTH_CLEAR_EVENT and row.ival == LOCAL_ONLY:
            out[n] = row
            n += 1
        elif kind == DEPTH_CLEAR_EVENT:
            note_clear(notes, noted, side)
            clear_side(own, state, side, row.exch_ts)
            state[side, KNOWN] = NO_TICK if is_window else NO_WORST
            out[n] = row
            n += 1
        else:
            out[n] = row
            n += 1
        if row.ival == COVERS_BBO:
            for k in range(first, n):
                out[k].ival = 0
            n = _settle(row, bids, asks, state, notes, noted, tick_size, lot_size, scratch, out, n)
    return len(rows), n


@compiled
def rows_out_max(more, state, noted):  # type: ignore[no-untyped-def]
    """So many rows at most come of `more` and of what is noted now: each sets a level, which is deleted once at most.

    Levels that are there now may be restored once and deleted once. `state`, `noted`: see `FuseArguments`.
    """
    return 2 * (more + noted[NOTED] + state[0, COUNT] + state[1, COUNT])


@compiled
def _has_room(n, more, bids, asks, state, noted, out):  # type: ignore[no-untyped-def]
    """Whether what is noted may go back, with `more` rows to come. Asked there alone: rows bring their own room."""
    return (
        n + rows_out_max(more, state, noted) <= len(out)
        and 2 * (state[0, USED] + noted[NOTED] + more) <= len(bids)
        and 2 * (state[1, USED] + noted[NOTED] + more) <= len(asks)
    )


@compiled
def fits(n, more, bids, asks, state, notes, noted, out):  # type: ignore[no-untyped-def]
    """Whether there is room for `more` rows in every table and in `out`, with `n` rows out. See `FuseArguments`."""
    levels = state[0, COUNT] + state[1, COUNT]
    return _has_room(n, more, bids, asks, state, noted, out) and 2 * (levels + noted[NOTED] + more) <= len(
        notes
    )


#: Both are called from more places than one, which keeps LLVM from inlining them; a call hands on 50 words of arrays.
_hot = compiled(forceinline=True)


@_hot
def _change(row, tick, is_set, side, own, other, state, notes, noted, tick_size, out, n):  # type: ignore[no-untyped-def]
    """A change of one level. `is_set`: it has a quantity."""
    ts = row.exch_ts
    is_crossing = crosses(tick, state, 1 - side)
    if (tick >= state[side, BEST] and ts < state[side, BEST_TS]) or (
        is_crossing and ts < state[1 - side, BEST_TS]
    ):
        note_told(notes, noted, side, tick, row.qty if is_set else 0.0)
        return n
    if noted[NOTED] > 0:
        renew(notes, side, tick, row.qty if is_set else 0.0)
    slot = slot_of(own, tick)
    if own[slot].key != key_of(tick):
        if is_set:
            put_level(own, slot, tick, row.qty, ts, state, side)
            out[n] = row
            n += 1
    elif ts >= own[slot].ts:
        if is_set:
            own[slot].qty = row.qty
            own[slot].ts = ts
        else:
            free_level(own, slot, state, side)
        out[n] = row
        if not is_set:
            # Less than half a lot is no level; hftbacktest's vector book would keep it as a best of later on.
            out[n].qty = 0.0
        n += 1
    else:
        note_told(notes, noted, side, tick, row.qty if is_set else 0.0)
    if not is_set:
        if tick == state[side, BEST]:
            step_down(own, tick, state, side)
            state[side, BEST_TS] = ts
        return n
    if tick >= state[side, BEST]:
        state[side, BEST] = tick
        state[side, BEST_TS] = ts
        if is_crossing:
            # Nothing is noted: of one message the bids come first, and the asks that they cross are told behind them.
            n = _uncross(row, tick, 1 - side, other, state, notes, noted, False, tick_size, out, n)
    state[side, WORST] = min(state[side, WORST], tick)
    return n


@_hot
def _best(row, tick, side, own, other, state, notes, noted, tick_size, out, n):  # type: ignore[no-untyped-def]
    """The best of one side: what is better on it is gone, and so is what it crosses on the other."""
    ts = row.exch_ts
    is_crossing = crosses(tick, state, 1 - side)
    if ts < state[side, BEST_TS] or (is_crossing and ts < state[1 - side, BEST_TS]):
        return n
    slot = slot_of(own, tick)
    if own[slot].key != key_of(tick):
        note(notes, noted, side, tick, 0.0 if tick >= state[side, KNOWN] else np.nan)
        put_level(own, slot, tick, row.qty, ts, state, side)
    elif tick == state[side, BEST] and row.qty == own[slot].qty:
        state[side, BEST_TS] = ts
        return n
    else:
        note(notes, noted, side, tick, own[slot].qty)
        own[slot].qty = row.qty
        own[slot].ts = ts
    out[n] = row
    out[n].ev = np.uint64(DELTA_BID if side == 0 else DELTA_ASK)
    n += 1
    before = state[side, BEST]
    state[side, BEST] = tick
    state[side, BEST_TS] = ts
    state[side, WORST] = min(state[side, WORST], tick)
    if is_crossing:
        n = _uncross(row, tick, 1 - side, other, state, notes, noted, True, tick_size, out, n)
    if before - tick > len(own):
        return _delete_far(row, tick + 1, before, side, own, state, notes, noted, True, tick_size, out, n)
    for gone in range(tick + 1, before + 1):
        n = _delete(row, gone, side, own, state, notes, noted, True, tick_size, out, n)
    return n


@compiled
def _settle(row, bids, asks, state, notes, noted, tick_size, lot_size, scratch, out, n):  # type: ignore[no-untyped-def]
    """Lets every noted level be what the depth stream says; `row` is the last of its message, `scratch` holds a row."""
    if _is_any_off(bids, asks, state, notes, noted, lot_size):
        # First what goes, then what comes, so that nothing crosses on the way.
        for is_set in (False, True):
            slot = noted[LAST_NOTE]
            for _ in range(noted[NOTED]):
                side, tick = named(notes[slot])
                qty = notes[slot].qty
                own, other = (bids, asks) if side == 0 else (asks, bids)
                is_wanted = _is_off(own, tick, qty, lot_size) and (np.rint(qty / lot_size) > 0.0) == is_set
                # What stands in the way of a level is the depth stream's by now, and newer.
                if is_wanted and not (is_set and crosses(tick, state, 1 - side)):
                    event = np.uint64(DELTA_BID if side == 0 else DELTA_ASK)
                    px = price_of(tick if side == 0 else -tick, tick_size)
                    put_row(scratch, 0, event, row.exch_ts, row.local_ts, px, qty)
                    n = _change(
                        scratch[0], tick, is_set, side, own, other, state, notes, noted, tick_size, out, n
                    )
                    noted[SETTLED] += 1
                slot = notes[slot].ts
    forget_notes(notes, noted)
    return n


@compiled
def _is_any_off(bids, asks, state, notes, noted, lot_size):  # type: ignore[no-untyped-def]
    """Whether any noted level is not what the depth stream says. Seldom: venues mostly tell it all."""
    found = False
    slot = noted[LAST_NOTE]
    for _ in range(noted[NOTED]):
        side, tick = named(notes[slot])
        qty = notes[slot].qty
        if np.isnan(qty):
            # Not told otherwise although it could have been: from here on BBO's word is the depth stream's.
            state[side, KNOWN] = min(state[side, KNOWN], tick)
        elif side == 0:
            found |= _is_off(bids, tick, qty, lot_size)
        else:
            found |= _is_off(asks, tick, qty, lot_size)
        slot = notes[slot].ts
    return found


@compiled
def best_qty_of(table, state, side):  # type: ignore[no-untyped-def]
    """Quantity at the best of a side (0 bids, 1 asks), whose table of levels this is; NaN when there is none."""
    if state[side, BEST] == NO_TICK:
        return np.nan
    return table[slot_of(table, state[side, BEST])].qty


@compiled
def _uncross(row, tick, side, table, state, notes, noted, is_noted, tick_size, out, n):  # type: ignore[no-untyped-def]
    """Takes the levels of `side` that the other side's best at `tick` proves gone; its best steps behind them."""
    before = state[side, BEST]
    step_down(table, -tick, state, side)
    state[side, BEST_TS] = row.exch_ts
    last = -tick - 1 if state[side, BEST] == NO_TICK else state[side, BEST]
    if before - last > len(table):
        return _delete_far(
            row, last + 1, before, side, table, state, notes, noted, is_noted, tick_size, out, n
        )
    for gone in range(last + 1, before + 1):
        n = _delete(row, gone, side, table, state, notes, noted, is_noted, tick_size, out, n)
    return n


@compiled
def _delete(row, tick, side, table, state, notes, noted, is_noted, tick_size, out, n):  # type: ignore[no-untyped-def]
    """Takes a level, if it is there, and says so in a row of its own."""
    slot = slot_of(table, tick)
    if table[slot].key == key_of(tick):
        if is_noted:
            note(notes, noted, side, tick, table[slot].qty)
        free_level(table, slot, state, side)
        event = DELTA_BID if side == 0 else DELTA_ASK
        px = price_of(tick if side == 0 else -tick, tick_size)
        put_row(out, n, event, row.exch_ts, row.local_ts, px, 0.0)
        n += 1
    return n


@compiled
def _delete_far(row, first, last, side, table, state, notes, noted, is_noted, tick_size, out, n):  # type: ignore[no-untyped-def]
    """Takes the levels from tick `first` to `last`, lowest first, where they may be far apart."""
    ticks = ticks_between(table, state[side, COUNT], first, last)
    for k in range(len(ticks)):
        n = _delete(row, ticks[k], side, table, state, notes, noted, is_noted, tick_size, out, n)
    return n


@compiled
def _is_off(table, tick, qty, lot_size):  # type: ignore[no-untyped-def]
    """Whether a level is not the one of quantity `qty` (NaN: nobody says) that it should be."""
    slot = slot_of(table, tick)
    has_level = table[slot].key == key_of(tick)
    is_set = np.rint(qty / lot_size) > 0.0
    return not np.isnan(qty) and (has_level != is_set or (is_set and table[slot].qty != qty))
