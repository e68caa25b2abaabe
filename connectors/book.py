"""Which rows of a book may be applied: what follows from the venue's id rule (`connectors.sequence`).

`BookSync` follows the rule for one instrument: it holds changes back until a snapshot comes, and a snapshot until a
change joins it, drops what the snapshot already contains, and answers a broken chain with two DEPTH_CLEAR rows of NaN
price, so that a gap is data and the touch reads NaN until the book is proven right again. A book whose stream is silent
for too long is emptied for the strategy alone (docs/decisions/0010). Recordings and live feeds share this code. No
socket, no clock; the caller's thread.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from hftbacktest.types import event_dtype
from numpy.typing import NDArray

from connectors.frames import BBO_BID, CLEAR_ASK, CLEAR_BID, put_row
from connectors.jit import compiled
from connectors.sequence import (
    BBO_ORDER,
    BBO_TS,
    BOOK_ORDER,
    DROPPED,
    FOLLOWED,
    GAPS,
    HELD_MESSAGES,
    HELD_ROWS,
    IS_ORDERED,
    IS_SILENT,
    LAST_EXCH_TS,
    LAST_ID,
    LIFE_TS,
    NEVER,
    NO_BOOK,
    NOTHING_WAITS,
    OTHERS,
    OTHERS_RUN,
    OTHERS_RUN_MAX,
    SILENCE_NS,
    SILENCES,
    SILENT_NS,
    STATE_FIELDS,
    STATUS,
    WAITING_ID,
    Status,
    Verdict,
    bridge,
    is_followed,
    is_overdue,
    joins,
    lose,
    order_of,
    receive_delta,
    receive_snapshot,
    touch_verdict,
)
from connectors.types import MESSAGE_DTYPE, Kind, Messages, Rows, SequenceRule

#: Marks in `ival` of a book's rows, for `connectors.clock`: the touch passed on last is older, or newer, than they are.
NEWER_THAN_BBO, OLDER_THAN_BBO = -1, -2
#: The same of the last row of the first message that is newer than the touch, for `connectors.fuse`: behind it, nothing
#: that a touch said of a level is left unsaid by the book. A message without rows gets a row of its own for it: a
#: DEPTH_BBO of NaN price.
COVERS_BBO = -3
#: Marks in `ival` of rows that are for the strategy alone, since only its knowledge changes: the two that empty the
#: book in a silence, and the levels that are known again behind it. `connectors.fuse` makes these of a RESTORES row.
LOCAL_ONLY, RESTORES = -4, -5

#: Rows that may be held while a snapshot is awaited; at the limit all are dropped and holding starts anew, so that
#: the snapshot must be newer than what was lost.
HELD_ROWS_MAX = 1 << 18
HELD_MESSAGES_MAX = 1 << 14
#: Rows of a snapshot that may wait; the venues' largest has 10,002. A larger one is dropped.
WAITING_ROWS_MAX = 1 << 16


class Checkpoint(NamedTuple):
    """Where a book's chain stands at the end of a recording, to carry on from the next day."""

    status: int
    last_id: int
    #: The book that was followed; NO_BOOK: whichever comes first.
    book: int = NO_BOOK
    #: When the book was proven last, local time (0: not known), and whether it is emptied since for its silence.
    life_ts: int = 0
    is_silent: bool = False


class BookArguments(NamedTuple):
    """What `receive_messages` takes of one book, whose own and lasting arrays these are."""

    rule: int
    keep_bbo: bool
    marks_cover: bool
    trade_kind: int
    #: (STATE_FIELDS,) int64: STATUS and its neighbours.
    state: NDArray[np.int64]
    #: (HELD_ROWS_MAX,) and (HELD_MESSAGES_MAX,): what is held for a snapshot.
    held_rows: Rows
    held_messages: Messages
    #: (2,) int64: how many rows and messages are held.
    held: NDArray[np.int64]
    #: (WAITING_ROWS_MAX,) and (1,): the snapshot that waits for a change to join it.
    waiting_rows: Rows
    waiting: Messages


class BookSync:
    """Follows the id rule of one instrument's book. One thread."""

    def __init__(
        self,
        rule: SequenceRule,
        *,
        keep_bbo: bool = False,
        trade_kind: Kind = Kind.TRADE,
        is_ordered: bool = True,
        silence_ns: int = 0,
    ) -> None:
        """`keep_bbo` passes BBO rows on; `trade_kind` is the stream whose trades count (a recording may hold both).

        `is_ordered`: the numbers by which book and touch are ordered are the venue's own, and so prove which of them
        a change of the book contains. Without, no row is marked COVERS_BBO. `silence_ns`: for how long the book may
        be silent, in local time; 0: for ever.
        """
        self._rule = int(rule)
        self._keep_bbo = keep_bbo
        self._trade_kind = int(trade_kind)
        self._marks_cover = keep_bbo and is_ordered
        self._state = np.zeros(STATE_FIELDS, np.int64)
        self._state[FOLLOWED] = NO_BOOK
        self._state[WAITING_ID] = NOTHING_WAITS
        self._state[IS_ORDERED] = is_ordered
        self._state[SILENCE_NS] = silence_ns
        self._held_rows = np.zeros(HELD_ROWS_MAX, event_dtype)
        self._held_messages = np.zeros(HELD_MESSAGES_MAX, MESSAGE_DTYPE)
        self._held = np.zeros(2, np.int64)
        self._waiting_rows = np.zeros(WAITING_ROWS_MAX, event_dtype)
        self._waiting = np.zeros(1, MESSAGE_DTYPE)
        self._out = np.zeros(0, event_dtype)

    @property
    def status(self) -> Status:
        return Status(int(self._state[STATUS]))

    @property
    def is_synced(self) -> bool:
        """Whether the book is proven."""
        return bool(self._state[STATUS] == int(Status.SYNCED))

    @property
    def is_bridging(self) -> bool:
        """Whether a snapshot waits for the change that joins it, and nothing is known yet."""
        return bool(self._state[STATUS] == int(Status.BRIDGING))

    @property
    def last_id(self) -> int:
        """The last id that is in the book; without meaning while UNSYNCED."""
        return int(self._state[LAST_ID])

    @property
    def gap_count(self) -> int:
        """How often the chain broke."""
        return int(self._state[GAPS])

    @property
    def dropped_count(self) -> int:
        """How many changes and snapshots were dropped because they were in the book, or before any snapshot."""
        return int(self._state[DROPPED])

    @property
    def order_id(self) -> int:
        """Where the newest of book and touch stands in the venue's own order; 0 while nothing is known."""
        return int(max(self._state[BOOK_ORDER], self._state[BBO_ORDER]))

    @property
    def held_count(self) -> int:
        """Changes that are held for a snapshot."""
        return int(self._held[HELD_MESSAGES])

    @property
    def held_last_id(self) -> int:
        """The last id among the held changes; 0 without any."""
        count = self.held_count
        return int(self._held_messages[count - 1]["last_id"]) if count else 0

    @property
    def other_count(self) -> int:
        """Messages of other books of the instrument (another depth of Bybit's): they are left out."""
        return int(self._state[OTHERS])

    @property
    def checkpoint(self) -> Checkpoint:
        """Where the chain stands."""
        state = self._state
        is_silent = bool(state[IS_SILENT])
        return Checkpoint(
            int(self.status), self.last_id, int(state[FOLLOWED]), int(state[LIFE_TS]), is_silent
        )

    @property
    def life_ts(self) -> int:
        """The local time at which the book was proven last: by a change that was applied, or a snapshot."""
        return int(self._state[LIFE_TS])

    @property
    def is_silent(self) -> bool:
        """Whether the book is emptied for the strategy, since its stream has been silent for too long."""
        return bool(self._state[IS_SILENT])

    @property
    def silences(self) -> tuple[int, int]:
        """How often the book was silent for too long, and for how long in sum, ns, but for one that goes on."""
        return int(self._state[SILENCES]), int(self._state[SILENT_NS])

    @property
    def arguments(self) -> BookArguments:
        """What compiled code calls `receive_messages` with, in the place of `receive`; the same arrays each time."""
        return BookArguments(
            self._rule,
            self._keep_bbo,
            self._marks_cover,
            self._trade_kind,
            self._state,
            self._held_rows,
            self._held_messages,
            self._held,
            self._waiting_rows,
            self._waiting,
        )

    def doubt(self, local_ts: int) -> Rows:
        """Forgets the book, as a broken chain does, for a reason outside of it: the rows that empty both sides.

        Nothing comes out where nothing was known. What is held is dropped. Not counted as a gap.
        """
        was_synced = self.is_synced
        self._held[:] = 0
        self._state[STATUS] = Status.UNSYNCED
        self._state[WAITING_ID] = NOTHING_WAITS
        self._state[IS_SILENT] = 0
        if not was_synced:
            return self._out[:0]
        if len(self._out) < 2:
            self._out = np.zeros(2, event_dtype)
        return self._out[: _clear(self._state, self._out, 0, local_ts, 0)]

    def fall_silent(self) -> Rows:
        """Empties a known book for the strategy, as after `silence_ns` without a change: the rows that do so.

        For a time at which nothing is received; `receive` does the same where a message comes too late. The levels
        are kept: the next change that joins the chain makes them known again.
        """
        if not self.is_synced or self.is_silent:
            return self._out[:0]
        if len(self._out) < 2:
            self._out = np.zeros(2, event_dtype)
        return self._out[: _fall_silent(self._state, self._out, 0)]

    def resume(self, checkpoint: Checkpoint) -> None:
        """Takes up the chain of an earlier recording; the caller puts that book's levels in front of the rows."""
        self._state[STATUS] = checkpoint.status
        self._state[LAST_EXCH_TS] = NEVER
        self._state[LAST_ID] = checkpoint.last_id
        self._state[FOLLOWED] = checkpoint.book
        self._state[LIFE_TS] = checkpoint.life_ts
        self._state[IS_SILENT] = checkpoint.is_silent

    def rows_max(self, rows: Rows, messages: Messages) -> int:
        """How many rows may come of decoded messages."""
        waiting = int(self._waiting[0]["row_end"]) if self._state[WAITING_ID] != NOTHING_WAITS else 0
        return len(rows) + waiting + int(self._held[HELD_ROWS]) + 5 * len(messages) + 2

    def receive(self, rows: Rows, messages: Messages, room: Rows | None = None) -> Rows:
        """The rows that may be applied, in order, for decoded messages; a view, valid until the next call.

        What was held comes out with the local time of the message that freed it, a snapshot or the change that
        joins it: nobody knew it to be good before. A touch that the book or a later touch has overtaken, by the
        venue's own ids, is dropped. Of several books of the instrument the first that snapshots is followed. For
        `connectors.clock`, rows of the book say in `ival` whether they are newer than the last touch; a snapshot
        without a venue time says there, as a positive number, the time of the first change it is known to precede.

        room: where to write them, `rows_max` of them at most; without, they are in memory of its own.
        """
        if room is None:
            if len(self._out) < self.rows_max(rows, messages):
                self._out = np.zeros(self.rows_max(rows, messages), event_dtype)
            room = self._out
        count = receive_messages(
            self._rule,
            self._keep_bbo,
            self._marks_cover,
            self._trade_kind,
            self._state,
            rows,
            messages,
            self._held_rows,
            self._held_messages,
            self._held,
            self._waiting_rows,
            self._waiting,
            room,
        )
        return room[:count]


@compiled
def receive_messages(  # type: ignore[no-untyped-def]
    rule,
    keep_bbo,
    marks_cover,
    trade_kind,
    state,
    rows,
    messages,
    held_rows,
    held_messages,
    held,
    waiting_rows,
    waiting,
    out,
):
    """Writes to `out` the rows that may be applied, for decoded messages (n,); how many (see `BookSync.receive`).

    `rows`: event rows, to which the messages' `row_start` and `row_end` refer. `out` has room for these rows, for those
    that are held, and for five more a message. The rest is a book's `BookArguments`.
    """
    n = 0
    for m in range(len(messages)):
        message = messages[m]
        kind = message.kind
        if is_overdue(state, message.local_ts):
            n = _fall_silent(state, out, n)
        if kind == Kind.DELTA or kind == Kind.SNAPSHOT:
            if not is_followed(state, message, kind):
                state[OTHERS] += 1
                state[OTHERS_RUN] += 1
                if state[OTHERS_RUN] > OTHERS_RUN_MAX:
                    state[FOLLOWED] = NO_BOOK
                    state[OTHERS_RUN] = 0
                    n = _lose(state, message, held, out, n)
                continue
            state[OTHERS_RUN] = 0
        if kind == Kind.DELTA:
            snapshot_id = state[WAITING_ID]
            if (
                state[STATUS] == Status.SYNCED
                and snapshot_id != NOTHING_WAITS
                and message.last_id > snapshot_id
            ):
                # The book has come to where a newer snapshot is: that one replaces it, unless it is none of this chain.
                if joins(rule, message, snapshot_id):
                    bridge(state)
                else:
                    state[WAITING_ID] = NOTHING_WAITS
            was_bridging = state[STATUS] == Status.BRIDGING
            verdict = receive_delta(rule, state, message)
            if verdict == Verdict.GAP:
                if not was_bridging:
                    n = _clear(state, out, n, message.local_ts, message.exch_ts)
                    held[:] = 0
                    if snapshot_id != NOTHING_WAITS and message.last_id <= snapshot_id:
                        state[WAITING_ID] = snapshot_id
                        bridge(state)
                verdict = Verdict.DROP if rule == SequenceRule.INCREMENT else Verdict.HOLD
            if verdict == Verdict.APPLY:
                if was_bridging:
                    held[:] = 0
                    ts = message.local_ts
                    n = _apply_snapshot(rule, state, waiting_rows, waiting[0], ts, message.exch_ts, out, n)
                n = _live(state, message.local_ts, out, n)
                n = _apply(rule, state, message, rows, marks_cover, out, n)
            else:
                state[DROPPED] += verdict == Verdict.DROP
                # A snapshot that nothing proves yet may be of no use: the next one may need what it contains.
                if verdict == Verdict.HOLD or was_bridging:
                    _hold(rows, message, held_rows, held_messages, held)
        elif kind == Kind.SNAPSHOT:
            verdict = Verdict.DROP
            if rule == SequenceRule.INCREMENT or message.row_end - message.row_start <= len(waiting_rows):
                verdict = receive_snapshot(rule, state, message, held_messages, held)
            if verdict == Verdict.APPLY:
                n = _apply_snapshot(rule, state, rows, message, message.local_ts, 0, out, n)
            elif verdict == Verdict.HOLD:
                waiting[0] = message
                waiting[0].row_end = _copy(rows, message.row_start, message.row_end, waiting_rows, 0)
                waiting[0].row_start = 0
                if state[STATUS] == Status.BRIDGING:
                    n = _join_held(
                        rule, state, waiting[0], held_rows, held_messages, held, waiting_rows, out, n
                    )
            else:
                state[DROPPED] += 1
        elif kind == Kind.BBO and keep_bbo:
            verdict = touch_verdict(rule, state, message)
            if verdict == Verdict.APPLY:
                order = order_of(rule, message)
                if order > state[BBO_ORDER]:
                    state[BBO_TS] = message.local_ts
                state[BBO_ORDER] = order
                n = _copy(rows, message.row_start, message.row_end, out, n)
            else:
                state[DROPPED] += 1
                if verdict == Verdict.GAP:
                    n = _lose(state, message, held, out, n)
        elif kind == trade_kind:
            n = _copy(rows, message.row_start, message.row_end, out, n)
    return n


@compiled
def _apply(rule, state, message, source, marks_cover, out, n):  # type: ignore[no-untyped-def]
    """Copies the rows of a book's message and marks whether they are newer than the last touch."""
    order = order_of(rule, message)
    is_first_newer = state[BOOK_ORDER] < state[BBO_ORDER] <= order
    state[BOOK_ORDER] = order
    mark = NEWER_THAN_BBO if order >= state[BBO_ORDER] else OLDER_THAN_BBO
    end = n
    for row in range(message.row_start, message.row_end):
        out[end] = source[row]
        out[end].ival = mark
        end += 1
    if marks_cover and is_first_newer:
        if end == n:
            put_row(out, n, BBO_BID, message.exch_ts, message.local_ts, np.nan, 0.0)
            end += 1
        out[end - 1].ival = COVERS_BBO
    return end


@compiled
def _lose(state, message, held, out, n):  # type: ignore[no-untyped-def]
    """The chain is broken by a message that is no change of it: the rows that empty a book that was known."""
    if state[STATUS] == Status.UNSYNCED:
        return n
    was_synced = state[STATUS] == Status.SYNCED
    lose(state)
    held[:] = 0
    return _clear(state, out, n, message.local_ts, message.exch_ts) if was_synced else n


@compiled
def _apply_snapshot(rule, state, source, snapshot, local_ts, before_ts, out, n):  # type: ignore[no-untyped-def]
    """The rows of a snapshot, known from a local time on. `before_ts`: the venue's time of the change that joins it."""
    _end_silence(state, local_ts)
    state[WAITING_ID] = NOTHING_WAITS
    state[LIFE_TS] = local_ts
    # It stands for everything, and what the touch was before counts no more, were it newer.
    state[BBO_ORDER] = 0
    first = n
    n = _apply(rule, state, snapshot, source, False, out, n)
    for row in range(first, n):
        out[row].local_ts = local_ts
        if snapshot.exch_ts == 0 and before_ts:
            out[row].ival = before_ts
        if out[row].ev == np.uint64(CLEAR_BID) or out[row].ev == np.uint64(CLEAR_ASK):
            out[row].px = np.nan  # the whole side: what lies beyond the snapshot is no longer known
    return n


@compiled
def _join_held(rule, state, snapshot, held_rows, held_messages, held, waiting_rows, out, n):  # type: ignore[no-untyped-def]
    """The snapshot that has come, if held changes reach beyond it, and those; all become known at its local time."""
    first, count = n, held[HELD_MESSAGES]
    for m in range(count):
        change = held_messages[m]
        was_bridging = state[STATUS] == Status.BRIDGING
        verdict = receive_delta(rule, state, change)
        if verdict == Verdict.APPLY:
            if was_bridging:
                ts = snapshot.local_ts
                n = _apply_snapshot(rule, state, waiting_rows, snapshot, ts, change.exch_ts, out, n)
            start = n
            n = _apply(rule, state, change, held_rows, False, out, n)
            for row in range(start, n):
                out[row].local_ts = snapshot.local_ts
        elif verdict == Verdict.GAP:
            # The snapshot is older than the first held change. What is held may still join the next one.
            held[:] = 0
            _hold_again(held_rows, held_messages, held, m, count)
            return first
        else:
            state[DROPPED] += 1
    if state[STATUS] == Status.SYNCED:
        held[:] = 0
    return n


@compiled
def _clear(state, out, n, local_ts, exch_ts):  # type: ignore[no-untyped-def]
    """Empties both sides: two rows. What the touch was before counts no more."""
    state[BOOK_ORDER] = state[BBO_ORDER] = 0
    put_row(out, n, CLEAR_BID, exch_ts, local_ts, np.nan, 0.0)
    put_row(out, n + 1, CLEAR_ASK, exch_ts, local_ts, np.nan, 0.0)
    out[n].ival = out[n + 1].ival = NEWER_THAN_BBO
    return n + 2


@compiled
def _fall_silent(state, out, n):  # type: ignore[no-untyped-def]
    """Empties both sides for the strategy alone, when the book was silent for too long: two rows."""
    local_ts = state[LIFE_TS] + state[SILENCE_NS]
    state[IS_SILENT] = 1
    state[SILENCES] += 1
    put_row(out, n, CLEAR_BID, local_ts, local_ts, np.nan, 0.0)
    put_row(out, n + 1, CLEAR_ASK, local_ts, local_ts, np.nan, 0.0)
    out[n].ival = out[n + 1].ival = LOCAL_ONLY
    return n + 2


@compiled
def _end_silence(state, local_ts):  # type: ignore[no-untyped-def]
    """Takes note that the book is known again; whether it was silent."""
    was_silent = state[IS_SILENT] != 0
    if was_silent:
        state[IS_SILENT] = 0
        state[SILENT_NS] += max(local_ts - state[LIFE_TS] - state[SILENCE_NS], 0)
    return was_silent


@compiled
def _live(state, local_ts, out, n):  # type: ignore[no-untyped-def]
    """The book is proven at a local time: behind a silence, a row that restores its levels."""
    if _end_silence(state, local_ts):
        put_row(out, n, CLEAR_BID, local_ts, local_ts, np.nan, 0.0)
        out[n].ival = RESTORES
        n += 1
    state[LIFE_TS] = local_ts
    return n


@compiled
def _copy(rows, start, end, out, n):  # type: ignore[no-untyped-def]
    for row in range(start, end):
        out[n] = rows[row]
        n += 1
    return n


@compiled
def _hold(rows, message, held_rows, held_messages, held):  # type: ignore[no-untyped-def]
    """Copies a change into the held ones; drops all that was held first when there is no room."""
    count = message.row_end - message.row_start
    if count > len(held_rows):
        held[:] = 0
        return
    if held[HELD_ROWS] + count > len(held_rows) or held[HELD_MESSAGES] == len(held_messages):
        held[:] = 0
    _append(rows, message, held_rows, held_messages, held)


@compiled
def _hold_again(held_rows, held_messages, held, start, end):  # type: ignore[no-untyped-def]
    """Keeps the held changes from `start` on, moved to the front."""
    for m in range(start, end):
        _append(held_rows, held_messages[m], held_rows, held_messages, held)


@compiled
def _append(rows, message, held_rows, held_messages, held):  # type: ignore[no-untyped-def]
    """Copies a change behind the held ones; it may be one of them, of a place that is not in front of that."""
    start = held[HELD_ROWS]
    end = _copy(rows, message.row_start, message.row_end, held_rows, start)
    m = held[HELD_MESSAGES]
    held_messages[m] = message
    held_messages[m].row_start = start
    held_messages[m].row_end = end
    held[HELD_ROWS] = end
    held[HELD_MESSAGES] = m + 1
