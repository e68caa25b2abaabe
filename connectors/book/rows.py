"""Emits the rows of a book's messages: holds changes, joins snapshots, empties the book on gap or silence. Pure.

Compiled. `connectors.book.sequence` checks each message; `connectors.book.sync` owns the arrays. No socket, no clock.
"""

from __future__ import annotations

import numpy as np

from connectors.book.sequence import (
    NO_BOOK,
    NOTHING_WAITS,
    OTHERS_RUN_MAX,
    Status,
    Verdict,
    bridge,
    drop_held,
    first_lower_behind,
    is_followed,
    is_other_change,
    is_overdue,
    joins,
    lose,
    note_applied,
    order_of,
    receive_delta,
    receive_snapshot,
    touch_verdict,
)
from connectors.jit.compilation import compiled
from connectors.model import Kind, Rows, SequenceRule
from connectors.parsing.scanner import BBO_BID, CLEAR_ASK, CLEAR_BID

#: A row of a book between parser and fused book: `event_dtype` (the same memory), where two fields that hftbacktest
#: leaves unused have the names of what they hold here.
BOOK_ROW = np.dtype(
    [
        ("ev", "u8"),
        ("exch_ts", "i8"),
        ("local_ts", "i8"),
        ("px", "f8"),
        ("qty", "f8"),
        # In `order_id`. In a snapshot without a venue time: the time of the first change after it; otherwise 0.
        ("before_ts", "i8"),
        # In `ival`. One of the marks below, or 0.
        ("mark", "i8"),
        ("fval", "f8"),
    ],
    align=True,
)
#: Marks for `connectors.book.timestamps`: the row is newer, or older, than the last touch.
NEWER_THAN_BBO, OLDER_THAN_BBO = -1, -2
#: Marks the last row of the first message newer than the touch, for `connectors.book.fused`: after it, the depth stream
#: includes everything the touch showed. A message without rows gets an extra row for the mark: a DEPTH_BBO of NaN
#: price.
COVERS_BBO = -3
#: Marks of rows for the strategy, not for the simulated exchange: the two that empty the book in a silence, and the
#: levels restored after it, which `connectors.book.fused` derives from a RESTORES row. LOCAL_ONLY stays in final rows.
LOCAL_ONLY, RESTORES = -4, -5


def book_rows(rows: Rows) -> Rows:
    """Event rows as BOOK_ROW: a view."""
    return rows.view(BOOK_ROW)


@compiled
def put_book_row(rows, row, event, exch_ts, local_ts, px, qty, mark):
    """Writes all fields of one BOOK_ROW."""
    out = rows[row]
    out.ev = event
    out.exch_ts = exch_ts
    out.local_ts = local_ts
    out.px = px
    out.qty = qty
    out.before_ts = 0
    out.mark = mark
    out.fval = 0.0


@compiled
def receive_messages(
    rows,
    messages,
    out,
    rule,
    keep_bbo,
    marks_cover,
    trade_kind,
    states,
    held_rows,
    held_messages,
    waiting_rows,
    waiting,
):
    """Writes the rows of decoded messages (n,) that may be applied to `out`; returns their number (`BookSync.receive`).

    `rows`: BOOK_ROW, to which the messages' `row_start` and `row_end` refer. `out` has room for these rows, for all
    held rows, and for five more per message. The rest is a book's `BookArguments`.
    """
    n = 0
    state = states[0]
    for m in range(len(messages)):
        message = messages[m]
        kind = message.kind
        if is_overdue(state, message.local_ts):
            n = silence_rows(state, out, n)
        if kind == Kind.DELTA or kind == Kind.SNAPSHOT:
            if not is_followed(state, message, kind):
                state.others += 1
                state.others_run += 1
                if state.others_run > OTHERS_RUN_MAX:
                    state.followed = NO_BOOK
                    state.others_run = 0
                    n = _lose(state, message, out, n)
                continue
            state.others_run = 0
        if kind == Kind.DELTA:
            snapshot_id = state.waiting_id
            if (
                state.status == Status.SYNCED
                and snapshot_id != NOTHING_WAITS
                and message.last_id > snapshot_id
            ):
                # The book has reached the id of the waiting snapshot, which replaces it if it belongs to this chain.
                if joins(rule, message, snapshot_id):
                    bridge(state)
                else:
                    state.waiting_id = NOTHING_WAITS
            was_bridging = state.status == Status.BRIDGING
            if is_other_change(rule, state, message, rows):
                lose(state)
                verdict = Verdict.GAP
            else:
                verdict = receive_delta(rule, state, message)
            if verdict == Verdict.GAP:
                if not was_bridging:
                    n = clear_rows(state, out, n, message.local_ts, message.exch_ts)
                    drop_held(state)
                    if snapshot_id != NOTHING_WAITS and message.last_id <= snapshot_id:
                        state.waiting_id = snapshot_id
                        bridge(state)
                verdict = Verdict.DROP if rule == SequenceRule.INCREMENT else Verdict.HOLD
            if verdict == Verdict.APPLY:
                if was_bridging:
                    drop_held(state)
                    ts = message.local_ts
                    n = _apply_snapshot(rule, state, waiting_rows, waiting[0], ts, message.exch_ts, out, n)
                n = _live(state, message.local_ts, out, n)
                n = _apply(rule, state, message, rows, marks_cover, out, n)
                if rule == SequenceRule.SPAN:
                    note_applied(state, message, rows)
            else:
                state.dropped += verdict == Verdict.DROP
                # The waiting snapshot may prove unusable, and the next one may need this change.
                if verdict == Verdict.HOLD or was_bridging:
                    _hold(state, rows, message, held_rows, held_messages)
        elif kind == Kind.SNAPSHOT:
            verdict = Verdict.DROP
            if rule == SequenceRule.INCREMENT or message.row_end - message.row_start <= len(waiting_rows):
                verdict = receive_snapshot(rule, state, message, held_messages)
            if verdict == Verdict.APPLY:
                n = _apply_snapshot(rule, state, rows, message, message.local_ts, 0, out, n)
            elif verdict == Verdict.HOLD:
                waiting[0] = message
                waiting[0].row_end = _copy(rows, message.row_start, message.row_end, waiting_rows, 0)
                waiting[0].row_start = 0
                if state.status == Status.BRIDGING:
                    n = _join_held(rule, state, waiting[0], held_rows, held_messages, waiting_rows, out, n)
            else:
                state.dropped += 1
        elif kind == Kind.BBO and keep_bbo:
            verdict = touch_verdict(rule, state, message)
            if verdict == Verdict.APPLY:
                order = order_of(rule, message)
                if order > state.bbo_order:
                    state.bbo_ts = message.local_ts
                state.bbo_order = order
                n = _copy(rows, message.row_start, message.row_end, out, n)
            else:
                state.dropped += 1
                if verdict == Verdict.GAP:
                    n = _lose(state, message, out, n)
        elif kind == trade_kind or kind == Kind.FUNDING:
            n = _copy(rows, message.row_start, message.row_end, out, n)
    return n


# Inlined, like `_copy`: a call would count the references of its arrays, which costs as much as copying a message.
@compiled(forceinline=True)
def _apply(rule, state, message, source, marks_cover, out, n):
    """Copies the rows of a depth message and marks whether they are newer than the last touch."""
    order = order_of(rule, message)
    is_first_newer = state.book_order < state.bbo_order <= order
    state.book_order = order
    mark = NEWER_THAN_BBO if order >= state.bbo_order else OLDER_THAN_BBO
    end = n
    for row in range(message.row_start, message.row_end):
        out[end] = source[row]
        out[end].mark = mark
        end += 1
    if marks_cover and is_first_newer:
        if end == n:
            put_book_row(out, n, BBO_BID, message.exch_ts, message.local_ts, np.nan, 0.0, COVERS_BBO)
            end += 1
        out[end - 1].mark = COVERS_BBO
    return end


@compiled
def _lose(state, message, out, n):
    """Breaks the chain for a message other than a change of the book; emits the rows that empty a book in sync."""
    if state.status == Status.UNSYNCED:
        return n
    was_synced = state.status == Status.SYNCED
    lose(state)
    drop_held(state)
    return clear_rows(state, out, n, message.local_ts, message.exch_ts) if was_synced else n


@compiled
def _apply_snapshot(rule, state, source, snapshot, local_ts, before_ts, out, n):
    """Emits the rows of a snapshot at a local time. `before_ts`: venue time of the change that joins it."""
    _end_silence(state, local_ts)
    state.waiting_id = NOTHING_WAITS
    state.life_ts = local_ts
    # The snapshot replaces everything, also a newer touch.
    state.bbo_order = 0
    first = n
    n = _apply(rule, state, snapshot, source, False, out, n)
    for row in range(first, n):
        out[row].local_ts = local_ts
        if snapshot.exch_ts == 0 and before_ts:
            out[row].before_ts, out[row].mark = before_ts, 0
        if out[row].ev == np.uint64(CLEAR_BID) or out[row].ev == np.uint64(CLEAR_ASK):
            out[row].px = np.nan  # clears the whole side: levels beyond the snapshot are unknown
    return n


@compiled
def _join_held(rule, state, snapshot, held_rows, held_messages, waiting_rows, out, n):
    """Emits a new snapshot and the held changes if these reach beyond its id; all get its local time."""
    first, count, m = n, state.held_count, 0
    while m < count:
        change = held_messages[m]
        was_bridging = state.status == Status.BRIDGING
        if was_bridging and change.last_id < snapshot.last_id + (rule == SequenceRule.SPAN):
            # The snapshot contains it. Its local time proves nothing: the clock may have been set since.
            state.dropped += 1
            m += 1
            continue
        verdict = receive_delta(rule, state, change)
        if verdict == Verdict.APPLY:
            if was_bridging:
                ts = snapshot.local_ts
                n = _apply_snapshot(rule, state, waiting_rows, snapshot, ts, change.exch_ts, out, n)
            start = n
            n = _apply(rule, state, change, held_rows, False, out, n)
            if rule == SequenceRule.SPAN:
                note_applied(state, change, held_rows)
            for row in range(start, n):
                out[row].local_ts = snapshot.local_ts
        elif verdict == Verdict.GAP:
            n = first
            stepped = first_lower_behind(held_messages, m, count)
            if stepped < 0:
                # The snapshot is older than the first held change. What is held may still join the next one.
                drop_held(state)
                _hold_again(state, held_rows, held_messages, m, count)
                return n
            # The venue's ids stepped back in between: what was held before is of another chain.
            state.gaps -= 1
            state.waiting_id = snapshot.last_id
            bridge(state)
            m = stepped
            continue
        else:
            state.dropped += 1
        m += 1
    if state.status == Status.SYNCED:
        drop_held(state)
    return n


@compiled
def clear_rows(state, out, n, local_ts, exch_ts):
    """Emits two rows that empty both sides, and forgets the last touch."""
    state.book_order = state.bbo_order = 0
    put_book_row(out, n, CLEAR_BID, exch_ts, local_ts, np.nan, 0.0, NEWER_THAN_BBO)
    put_book_row(out, n + 1, CLEAR_ASK, exch_ts, local_ts, np.nan, 0.0, NEWER_THAN_BBO)
    return n + 2


@compiled
def silence_rows(state, out, n):
    """Emits two rows that empty both sides for the strategy only, after a silence."""
    local_ts = state.life_ts + state.silence_ns
    state.is_silent = 1
    state.silences += 1
    put_book_row(out, n, CLEAR_BID, local_ts, local_ts, np.nan, 0.0, LOCAL_ONLY)
    put_book_row(out, n + 1, CLEAR_ASK, local_ts, local_ts, np.nan, 0.0, LOCAL_ONLY)
    return n + 2


@compiled
def _end_silence(state, local_ts):
    """Ends a silence, if there is one; returns whether there was."""
    was_silent = state.is_silent != 0
    if was_silent:
        state.is_silent = 0
        state.silent_ns += max(local_ts - state.life_ts - state.silence_ns, 0)
    return was_silent


@compiled
def _live(state, local_ts, out, n):
    """Records that the book is in sync at a local time; after a silence, emits a row that restores its levels."""
    if _end_silence(state, local_ts):
        put_book_row(out, n, CLEAR_BID, local_ts, local_ts, np.nan, 0.0, RESTORES)
        n += 1
    state.life_ts = local_ts
    return n


@compiled(forceinline=True)
def _copy(rows, start, end, out, n):
    for row in range(start, end):
        out[n] = rows[row]
        n += 1
    return n


@compiled
def _hold(state, rows, message, held_rows, held_messages):
    """Appends a change to the held ones; if there is no room, drops all held changes first."""
    count = message.row_end - message.row_start
    if count > len(held_rows):
        drop_held(state)
        return
    if state.held_row_count + count > len(held_rows) or state.held_count == len(held_messages):
        drop_held(state)
    _append(state, rows, message, held_rows, held_messages)


@compiled
def _hold_again(state, held_rows, held_messages, start, end):
    """Keeps the held changes from `start` on, moved to the front."""
    for m in range(start, end):
        _append(state, held_rows, held_messages[m], held_rows, held_messages)


@compiled
def _append(state, rows, message, held_rows, held_messages):
    """Appends a change to the held ones; it may be one of them, moved towards the front."""
    start = state.held_row_count
    end = _copy(rows, message.row_start, message.row_end, held_rows, start)
    m = state.held_count
    held_messages[m] = message
    held_messages[m].row_start = start
    held_messages[m].row_end = end
    state.held_row_count = end
    state.held_count = m + 1
