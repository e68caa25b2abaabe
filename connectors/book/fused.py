"""Fuses best-bid-and-offer updates with the depth stream, which is slower or conflated, into one book.

Input: rows from `BookSync` and `RowClock` (DEPTH, DEPTH_SNAPSHOT, whole-side DEPTH_CLEAR, DEPTH_BBO, trades); output:
depth rows, and trades unchanged. A BBO row becomes the change of its level and the deletion of the levels that it
proves gone (better ones on its side, crossed ones on the other), or nothing if the book already shows it. A row that
would change the touch but is older, by `exch_ts`, than the current touch is dropped. These are the rules of
hftbacktest's `FuseMarketDepth`.

A BBO quantity is valid until the depth stream has caught up: after a depth message newer than the last BBO
(`connectors.book.rows` marks its last row), every level has the depth stream's quantity. So each level changed by BBO
is noted with the depth stream's quantity and set back to it then, by a depth row, unless they agree by then
(docs/decisions/0008). When the depth stream is silent, only the strategy's book is emptied, and later restored from the
levels kept here (docs/decisions/0010). Replay and live share this code. One thread.
"""

from __future__ import annotations

from typing import Any, NamedTuple

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
    any_differs,
    differs,
    forget_notes,
    move_notes,
    named,
    note,
    note_clear,
    note_depth,
    renew,
)
from connectors.book.level_table import (
    BEST,
    BEST_TS,
    COUNT,
    KNOWN,
    LEVEL,
    NO_TICK,
    NO_WORST,
    SIDE_FIELDS,
    USED,
    WORST,
    clear_side,
    crosses,
    free_level,
    key_of,
    move_levels,
    price_of,
    put_level,
    restore_levels,
    slot_of,
    step_down,
    ticks_between,
)
from connectors.book.rows import BOOK_ROW, COVERS_BBO, LOCAL_ONLY, RESTORES, book_rows, put_book_row
from connectors.jit.compilation import compiled
from connectors.model import Rows
from connectors.parsing.scanner import DELTA_ASK, DELTA_BID

#: Initial slots of a side's table; it doubles when more than half are used. A power of two.
_SLOTS_MIN = 1 << 12
#: Initial slots of the notes, of which there are few between two depth messages.
_NOTE_SLOTS_MIN = 1 << 8
#: Rows per check of the free space, so that the tables stay small enough for the CPU cache.
_ROWS_AT_ONCE = 1 << 12


class FuseArguments(NamedTuple):
    """Arrays of one book in the order of `fuse_rows`' arguments; `fits` and `rows_out_max` take some of them."""

    tick_size: float
    lot_size: float
    is_window: bool
    #: Levels of each side: (slots,) `connectors.book.level_table.LEVEL`.
    bids: NDArray[np.void]
    asks: NDArray[np.void]
    #: (2, SIDE_FIELDS) int64: bids and asks.
    state: NDArray[np.int64]
    #: Levels that BBO changed, with the depth stream's quantity; NaN if it never sent one. Both sides share one table
    #: (`connectors.book.bbo_overrides`), since passing another array costs more than the look-ups.
    notes: NDArray[np.void]
    #: (3,) int64: fields NOTED, LAST_NOTE and SETTLED of `connectors.book.bbo_overrides`.
    noted: NDArray[np.int64]
    #: (1,) BOOK_ROW, unused between calls.
    scratch: Rows


class FusedBook:
    """The fused book of one instrument."""

    def __init__(self, tick_size: float, lot_size: float, *, is_window: bool = False) -> None:
        """Prices and quantities are compared as whole ticks and lots.

        `is_window`: the depth stream always covers all levels around the touch. Otherwise it covers the levels of its
        snapshot and all changes; a level beyond the snapshot is unknown until it changes.
        """
        self._noted = np.zeros(3, np.int64)
        self._state = np.zeros((2, SIDE_FIELDS), np.int64)
        self._state[:, BEST] = NO_TICK
        self._state[:, WORST] = NO_WORST
        self._state[:, KNOWN] = NO_TICK if is_window else NO_WORST
        self._out = np.zeros(0, event_dtype)
        #: With these, compiled code calls `fuse_rows` instead of `fuse`. Replaced by a new object when an array is
        #: replaced (`make_room`).
        self.arguments = FuseArguments(
            tick_size,
            lot_size,
            is_window,
            bids=np.zeros(_SLOTS_MIN, LEVEL),
            asks=np.zeros(_SLOTS_MIN, LEVEL),
            state=self._state,
            notes=np.zeros(_NOTE_SLOTS_MIN, LEVEL),
            noted=self._noted,
            scratch=np.zeros(1, BOOK_ROW),
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
        """How many levels changed by BBO were set back to the depth stream's quantity without a depth update."""
        return int(self._noted[SETTLED])

    @property
    def noted_count(self) -> int:
        """Number of levels that may differ from the depth stream."""
        return int(self._noted[NOTED])

    def best_qty(self, side: int) -> float:
        """Quantity at the best bid (side 0) or ask (side 1); NaN when there is none."""
        table = self.arguments.asks if side else self.arguments.bids
        return float(best_qty_of(table, self._state, side))

    def fuse(self, rows: Rows) -> Rows:
        """Returns the rows that change the fused book, and those of other kinds; a view, valid until the next call."""
        done = count = 0
        marked = book_rows(rows)
        while done < len(rows):
            piece = marked[: done + _ROWS_AT_ONCE]
            more = len(piece) - done
            self.make_room(more)
            if len(self._out) < count + rows_out_max(more, self._state, self._noted):
                self._make_out(count, len(rows) - done)
            done, count = fuse_rows(piece, done, count, *self.arguments, book_rows(self._out))
        return self._out[:count]

    def make_room(self, more: int) -> None:
        """Grows the tables so that `more` levels fit on either side with at most half of the slots used."""
        noted = int(self._noted[NOTED])
        for side, name in enumerate(("bids", "asks")):
            table = getattr(self.arguments, name)
            # Noted levels may be added again.
            if 2 * (int(self._state[side, USED]) + noted + more) > len(table):
                levels = int(self._state[side, COUNT])
                larger: Any = np.zeros(_slots_for(levels + noted + more, _SLOTS_MIN), LEVEL)
                move_levels(table, larger)
                self._state[side, USED] = levels
                self.arguments = self.arguments._replace(**{name: larger})
        # Every level, present or new, may be noted.
        most = int(self._state[:, COUNT].sum()) + noted + more
        if 2 * most > len(self.arguments.notes):
            notes = np.zeros(_slots_for(most, _NOTE_SLOTS_MIN), LEVEL)
            move_notes(self.arguments.notes, notes, self._noted)
            self.arguments = self.arguments._replace(notes=notes)

    def _make_out(self, count: int, more: int) -> None:
        """Grows `out`, keeping its first `count` rows, for the output of `more` rows; doubled, to grow seldom."""
        out = np.empty(2 * (count + rows_out_max(more, self._state, self._noted)), event_dtype)
        out[:count] = self._out[:count]
        self._out = out


def _slots_for(levels: int, least: int) -> int:
    """Slots of a table that is less than half full with `levels` levels."""
    return max(least, 1 << (2 * levels).bit_length())


@compiled
def fuse_rows(rows, done, n, tick_size, lot_size, is_window, bids, asks, state, notes, noted, scratch, out):
    """Fuses BOOK_ROW rows (all,) from number `done` on, behind the `n` rows in `out`; returns new `done` and `n`.

    `out`: BOOK_ROW rows (room,). The arguments from `tick_size` to `scratch` are a book's `FuseArguments`. The caller
    provides room for the rows (`fits`; `make_room` and `rows_out_max`). If notes or restored levels may need more, this
    stops before that row; the caller makes room and calls again.
    """
    for r in range(done, len(rows)):
        row = rows[r]
        if row.mark == COVERS_BBO and not _has_room(n, len(rows) - r, bids, asks, state, noted, out):
            return r, n
        if row.mark == RESTORES:
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
            # A BBO row without quantity is ignored: nothing follows from it.
            if np.rint(row.qty / lot_size) > 0.0:
                tick = sign * np.int64(np.rint(row.px / tick_size))
                n = _best(row, tick, side, own, other, state, notes, noted, tick_size, out, n)
        elif kind == DEPTH_CLEAR_EVENT and row.mark == LOCAL_ONLY:
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
        if row.mark == COVERS_BBO:
            for k in range(first, n):
                out[k].mark = 0
            n = _settle(row, bids, asks, state, notes, noted, tick_size, lot_size, scratch, out, n)
    return len(rows), n


@compiled
def rows_out_max(more, state, noted):
    """Most output rows for `more` rows and the current notes: each sets a level, which is deleted at most once.

    Present levels may each be restored once and deleted once. `state`, `noted`: see `FuseArguments`.
    """
    return 2 * (more + noted[NOTED] + state[0, COUNT] + state[1, COUNT])


@compiled
def _has_room(n, more, bids, asks, state, noted, out):
    """Whether `out` and both tables have room for all noted levels to be set back, with `more` rows to come."""
    return (
        n + rows_out_max(more, state, noted) <= len(out)
        and 2 * (state[0, USED] + noted[NOTED] + more) <= len(bids)
        and 2 * (state[1, USED] + noted[NOTED] + more) <= len(asks)
    )


@compiled
def fits(n, more, bids, asks, state, notes, noted, out):
    """Whether every table and `out`, with `n` rows in it, have room for `more` rows. See `FuseArguments`."""
    levels = state[0, COUNT] + state[1, COUNT]
    return _has_room(n, more, bids, asks, state, noted, out) and 2 * (levels + noted[NOTED] + more) <= len(
        notes
    )


#: Forces inlining: LLVM does not inline functions with several callers, and a call passes 50 words of arrays.
_hot = compiled(forceinline=True)


@_hot
def _change(row, tick, is_set, side, own, other, state, notes, noted, tick_size, out, n):
    """Applies a depth row to its level. `is_set`: it has a quantity."""
    ts = row.exch_ts
    is_crossing = crosses(tick, state, 1 - side)
    if (tick >= state[side, BEST] and ts < state[side, BEST_TS]) or (
        is_crossing and ts < state[1 - side, BEST_TS]
    ):
        note_depth(notes, noted, side, tick, row.qty if is_set else 0.0)
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
            # Less than half a lot is no level; hftbacktest's vector book could keep it and use it as best later.
            out[n].qty = 0.0
        n += 1
    else:
        note_depth(notes, noted, side, tick, row.qty if is_set else 0.0)
    if not is_set:
        if tick == state[side, BEST]:
            step_down(own, tick, state, side)
            state[side, BEST_TS] = ts
        return n
    if tick >= state[side, BEST]:
        state[side, BEST] = tick
        state[side, BEST_TS] = ts
        if is_crossing:
            # No notes: in a message bids precede asks, so the crossed asks are deleted by rows that follow.
            n = _uncross(row, tick, 1 - side, other, state, notes, noted, False, tick_size, out, n)
    state[side, WORST] = min(state[side, WORST], tick)
    return n


@_hot
def _best(row, tick, side, own, other, state, notes, noted, tick_size, out, n):
    """Applies a BBO row: deletes better levels of its side and crossed ones of the other."""
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
    if before > tick:
        n = _delete_levels(row, tick + 1, before, side, own, state, notes, noted, True, tick_size, out, n)
    return n


@compiled
def _settle(row, bids, asks, state, notes, noted, tick_size, lot_size, scratch, out, n):
    """Sets every noted level to the depth stream's quantity; `row` ends its message, `scratch` has one row."""
    if any_differs(bids, asks, state, notes, noted, lot_size):
        # Deletions first, then additions, so that the book is never crossed in between.
        for is_set in (False, True):
            slot = noted[LAST_NOTE]
            for _ in range(noted[NOTED]):
                side, tick = named(notes[slot])
                qty = notes[slot].qty
                own, other = (bids, asks) if side == 0 else (asks, bids)
                is_wanted = differs(own, tick, qty, lot_size) and (np.rint(qty / lot_size) > 0.0) == is_set
                # Not set if it would cross the other side's best, which is the depth stream's by now, and newer.
                if is_wanted and not (is_set and crosses(tick, state, 1 - side)):
                    event = np.uint64(DELTA_BID if side == 0 else DELTA_ASK)
                    px = price_of(tick if side == 0 else -tick, tick_size)
                    put_book_row(scratch, 0, event, row.exch_ts, row.local_ts, px, qty, 0)
                    n = _change(
                        scratch[0], tick, is_set, side, own, other, state, notes, noted, tick_size, out, n
                    )
                    noted[SETTLED] += 1
                slot = notes[slot].ts
    forget_notes(notes, noted)
    return n


@compiled
def best_qty_of(table, state, side):
    """Quantity at the best of a side (0 bids, 1 asks) with its level table; NaN if there is none."""
    if state[side, BEST] == NO_TICK:
        return np.nan
    return table[slot_of(table, state[side, BEST])].qty


@compiled
def _uncross(row, tick, side, table, state, notes, noted, is_noted, tick_size, out, n):
    """Deletes the levels of `side` that the other side's best at `tick` crosses, and moves its best behind them."""
    before = state[side, BEST]
    step_down(table, -tick, state, side)
    state[side, BEST_TS] = row.exch_ts
    last = -tick - 1 if state[side, BEST] == NO_TICK else state[side, BEST]
    return _delete_levels(
        row, last + 1, before, side, table, state, notes, noted, is_noted, tick_size, out, n
    )


@compiled
def _delete(row, tick, side, table, state, notes, noted, is_noted, tick_size, out, n):
    """Deletes a level if it exists, and emits a row for it."""
    slot = slot_of(table, tick)
    if table[slot].key == key_of(tick):
        if is_noted:
            note(notes, noted, side, tick, table[slot].qty)
        free_level(table, slot, state, side)
        event = DELTA_BID if side == 0 else DELTA_ASK
        px = price_of(tick if side == 0 else -tick, tick_size)
        put_book_row(out, n, event, row.exch_ts, row.local_ts, px, 0.0, 0)
        n += 1
    return n


@compiled
def _delete_levels(row, first, last, side, table, state, notes, noted, is_noted, tick_size, out, n):
    """Deletes the levels from tick `first` to `last`, lowest first."""
    if last - first < len(table):
        for tick in range(first, last + 1):
            n = _delete(row, tick, side, table, state, notes, noted, is_noted, tick_size, out, n)
        return n
    ticks = ticks_between(table, state[side, COUNT], first, last)
    for k in range(len(ticks)):
        n = _delete(row, ticks[k], side, table, state, notes, noted, is_noted, tick_size, out, n)
    return n
