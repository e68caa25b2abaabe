"""Id rules of books: decides by the venue's ids what to do with a change, a snapshot or a touch. Compiled, pure.

The rules read and write the state of one book, a record owned by `connectors.book.sync`.
Ids that step back break a chain like missing ids; only a repeated message is dropped (docs/decisions/0009).

Source: Binance "How to manage a local order book" (spot: read 2026-07-21, USD-M: read 2026-10-23); Bybit v5
`websocket/public/orderbook.mdx` (read 2026-07-24).
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from connectors.jit.compilation import compiled
from connectors.model import Kind, SequenceRule


class Status(IntEnum):
    """Sync state of a book."""

    UNSYNCED = 0
    """The book is unknown: no snapshot yet, or the chain broke."""
    BRIDGING = 1
    """The book is unknown: a snapshot waits for the change that joins it to the chain."""
    SYNCED = 2


class Verdict(IntEnum):
    """What to do with a message."""

    APPLY = 0
    HOLD = 1
    """Keep it: a change until it joins a snapshot, a snapshot until a change joins it."""
    DROP = 2
    """Its content is already in the book, or nothing can join it."""
    GAP = 3
    """A message is missing before it: empty the book, hold this one, get a snapshot."""


_APPLIED_KEPT = 64
_FIELDS = (
    ("status", "last_id", "gaps", "dropped"),
    # Order ids (`order_of`) of the book and of the last touch that was emitted, and whether they are the venue's: in
    # some archives they are times.
    ("book_order", "bbo_order", "is_ordered"),
    # The venue's book that is followed (NO_BOOK: none yet), messages of other books, and how many of them in a row.
    ("followed", "others", "others_run"),
    # Old changes in a row; those with a later venue time than the last applied change; the venue time of that change.
    ("old_run", "stepped_run", "last_exch_ts"),
    # Local times at which the last touch was emitted and the last waiting snapshot was received.
    ("bbo_ts", "snapshot_ts"),
    # How long the book may be silent (0: no limit), local time of the last applied message, whether the book is emptied
    # for the strategy because of a silence; number and total duration of silences.
    ("silence_ns", "life_ts", "is_silent", "silences", "silent_ns"),
    # The last id of the snapshot that waits for a change to join it; NOTHING_WAITS: none.
    ("waiting_id",),
    # Number of held rows and of held messages.
    ("held_row_count", "held_count"),
    # Where the next of `applied` goes.
    ("applied_at",),
)
#: The state of a book's chain. `applied`: the first id, the last id and a number of the content of each of the changes
#: that were applied last; the oldest is overwritten.
STATE = np.dtype(
    [*((name, "i8") for group in _FIELDS for name in group), ("applied", "i8", (_APPLIED_KEPT, 3))],
    align=True,
)

NO_BOOK = NOTHING_WAITS = -1
#: After more messages of other books in a row, the followed book counts as no longer sent, and is unknown.
OTHERS_RUN_MAX = 256
#: Old changes in a row that may be repeats, e.g. of a recording that contains some seconds twice.
OLD_RUN_MAX = 64
#: Old changes that may have a later venue time than the newest change, if the server stamps changes when sending.
STEPPED_RUN_MAX = 2
#: How long changes may be older than the snapshot: the recorder's connection may have been slow when it was fetched.
AHEAD_NS_MAX = 10_000_000_000
#: How long the book may be older than the last touch, since both streams share one connection.
BEHIND_NS_MAX = 2_000_000_000
NEVER = 2**63 - 1


@compiled(forceinline=True)
def delta_verdict(rule, state, message):
    """The verdict on a change of a book (a record of MESSAGE_DTYPE). Does not change the state."""
    status, known = state.status, state.last_id
    if status == Status.UNSYNCED:
        # With Bybit, a book is repaired by a new subscription, whose snapshot starts a new chain.
        return Verdict.DROP if rule == SequenceRule.INCREMENT else Verdict.HOLD
    is_bridging = status == Status.BRIDGING
    if message.last_id < known or (
        message.last_id == known and not (is_bridging and rule == SequenceRule.PREVIOUS)
    ):
        return Verdict.GAP if _is_step_back(rule, state, message, is_bridging) else Verdict.DROP
    if rule == SequenceRule.SPAN:
        # Changes overlap if two streams of a book were recorded; after ids that stepped back an overlap proves nothing.
        is_next = message.first_id == known + 1 or (message.first_id <= known and state.stepped_run == 0)
    elif rule == SequenceRule.PREVIOUS:
        # A snapshot may also end exactly at the end of an earlier change.
        is_next = message.prev_id == known or (is_bridging and message.first_id <= known)
    else:
        # A restarted server may continue from any id, so the order id must not step back either.
        is_in_order = not state.is_ordered or message.first_id >= state.book_order
        is_next = message.last_id == known + 1 and is_in_order
    if not is_next or _is_touch_lost(state, order_of(rule, message), message.local_ts):
        return Verdict.GAP
    return Verdict.APPLY


@compiled
def _is_step_back(rule, state, message, is_bridging):
    """Whether an old change shows that the venue's ids stepped back, i.e. it is not a repetition."""
    if is_bridging:
        return message.local_ts - state.snapshot_ts > AHEAD_NS_MAX
    if rule == SequenceRule.INCREMENT and state.is_ordered and 0 < state.book_order < message.first_id:
        return True
    # USD-M changes carry the matching engine's time, which is the same from every server.
    stepped_max = 0 if rule == SequenceRule.PREVIOUS else STEPPED_RUN_MAX
    is_stepped = message.exch_ts > state.last_exch_ts and state.stepped_run >= stepped_max
    return is_stepped or state.old_run >= OLD_RUN_MAX


@compiled
def is_other_change(rule, state, message, rows):
    """Whether a spot change with old ids is new: neither its ids nor its content are those of an applied change.

    After ids that stepped back by a few, such a change would be dropped as a repetition, and the next one applied.
    `rows`: those that the message refers to.
    """
    # The array is handed on only if needed: counting its references takes longer than the check.
    return _may_be_other(rule, state, message) and _differs_from_applied(state, message, rows)


@compiled
def _may_be_other(rule, state, message):
    is_old = rule == SequenceRule.SPAN and state.status == Status.SYNCED and message.last_id <= state.last_id
    return is_old and message.exch_ts > state.last_exch_ts and state.is_ordered != 0


@compiled
def _differs_from_applied(state, message, rows):
    applied = state.applied
    for at in range(_APPLIED_KEPT):
        if applied[at, 0] == message.first_id and applied[at, 1] == message.last_id:
            return applied[at, 2] != _content_of(rows, message)
    return True


@compiled
def note_applied(state, message, rows):
    """Keeps what `is_other_change` compares of a spot change that was applied."""
    applied, at = state.applied, state.applied_at
    applied[at, 0], applied[at, 1] = message.first_id, message.last_id
    applied[at, 2] = _content_of(rows, message)
    state.applied_at = (at + 1) % _APPLIED_KEPT


@compiled
def _content_of(rows, message):
    """A number that differs for other prices, quantities or another order of rows, but for chance."""
    content = 0.0
    for row in range(message.row_start, message.row_end):
        content = 1.0625 * content + rows[row].px + 1023.0 * rows[row].qty
    return np.float64(content).view(np.int64)


@compiled
def _is_touch_lost(state, order, local_ts):
    """Whether neither the book nor newer touches reach the last touch's id in time: it would stay indefinitely."""
    is_behind = state.book_order < state.bbo_order and order < state.bbo_order
    return is_behind and state.is_ordered and local_ts - state.bbo_ts > BEHIND_NS_MAX


@compiled
def touch_verdict(rule, state, message):
    """The verdict on a best bid and offer (a record of MESSAGE_DTYPE). Does not change the state."""
    order = order_of(rule, message)
    if state.status != Status.SYNCED or order <= state.book_order or state.is_silent:
        return Verdict.DROP
    if order < state.bbo_order:
        return Verdict.GAP if _is_touch_lost(state, order, message.local_ts) else Verdict.DROP
    return Verdict.APPLY


@compiled
def is_overdue(state, local_ts):
    """Whether the book has been silent for too long at a local time and is not emptied yet."""
    return (
        state.silence_ns > 0
        and state.status == Status.SYNCED
        and not state.is_silent
        and local_ts - state.life_ts > state.silence_ns
    )


@compiled
def keeps_sync(rule, state, message, rows):
    """Whether a book that is in sync stays so with a message of any kind, and its strategy's book is not empty.

    Its silence and a waiting snapshot count as not in sync. `rows`: those that the message refers to.
    """
    is_steady = state.status == Status.SYNCED and not state.is_silent and state.waiting_id == NOTHING_WAITS
    if not is_steady or is_overdue(state, message.local_ts):
        return False
    kind = message.kind
    if kind == Kind.CONTROL or kind == Kind.SNAPSHOT or (kind >= Kind.DELTA and message.symbol < 0):
        return False
    if kind == Kind.DELTA:
        if message.book != state.followed or is_other_change(rule, state, message, rows):
            return False
        return delta_verdict(rule, state, message) != Verdict.GAP
    return kind != Kind.BBO or touch_verdict(rule, state, message) != Verdict.GAP


@compiled
def receive_delta(rule, state, message):
    """The verdict on a change; updates the state."""
    verdict = delta_verdict(rule, state, message)
    if verdict == Verdict.APPLY:
        state.status = Status.SYNCED
        state.last_id = message.last_id
        state.last_exch_ts = message.exch_ts
        state.old_run = state.stepped_run = 0
    elif verdict == Verdict.GAP:
        lose(state)
    elif verdict == Verdict.DROP:
        state.old_run += 1
        state.stepped_run += message.exch_ts > state.last_exch_ts
    return verdict


@compiled
def lose(state):
    """Marks the chain as broken."""
    state.status = Status.UNSYNCED
    state.is_silent = 0
    state.waiting_id = NOTHING_WAITS
    state.gaps += 1


@compiled
def receive_snapshot(rule, state, message, held_messages):
    """The verdict on a snapshot: APPLY if its place in the chain is certain, or HOLD until a change joins it.

    DROP if the book is newer, the held changes refute it, or a better one waits.
    """
    last_id = message.last_id
    if rule == SequenceRule.INCREMENT:
        state.status = Status.SYNCED
        state.last_id, state.last_exch_ts = last_id, message.exch_ts
        state.old_run = state.stepped_run = 0
        return Verdict.APPLY
    if state.status == Status.SYNCED:
        if last_id <= state.last_id:
            return Verdict.DROP if last_id < state.last_id else Verdict.APPLY
    elif state.status == Status.BRIDGING and not _is_better(rule, state, message, held_messages):
        return Verdict.DROP
    state.waiting_id, state.snapshot_ts = last_id, message.local_ts
    if state.status != Status.SYNCED:
        bridge(state)
    return Verdict.HOLD


@compiled
def drop_held(state):
    """Forgets the held changes."""
    state.held_row_count = state.held_count = 0


@compiled
def bridge(state):
    """Starts to check changes against the waiting snapshot."""
    state.status = Status.BRIDGING
    state.last_id, state.last_exch_ts = state.waiting_id, NEVER
    state.book_order = state.bbo_order = 0
    state.old_run = state.stepped_run = 0


@compiled
def _is_better(rule, state, message, held_messages):
    """Whether a snapshot replaces the waiting one, which no change has joined so far."""
    count = state.held_count
    if message.last_id > state.last_id:
        # While changes arrive that the first one contains, they will reach the first one sooner.
        return count == 0 or held_messages[count - 1].local_ts < state.snapshot_ts
    m = 0
    while m < count:
        change = held_messages[m]
        if change.last_id > message.last_id:
            if joins(rule, change, message.last_id):
                return True
            # What was held before ids stepped back is of another chain.
            m = first_lower_behind(held_messages, m, count)
            if m < 0:
                return False
        else:
            m += 1
    return True


@compiled
def first_lower_behind(held_messages, m, count):
    """The first held change behind number `m` that ends at a lower id than the one before it; -1: there is none."""
    for later in range(m + 1, count):
        if held_messages[later].last_id < held_messages[later - 1].last_id:
            return later
    return -1


@compiled
def joins(rule, change, last_id):
    """Whether a change that ends after a snapshot's last id follows it without a gap."""
    return change.first_id <= last_id + (rule == SequenceRule.SPAN) or change.prev_id == last_id


@compiled
def is_followed(state, message, kind):
    """Whether a message belongs to the followed book. If none is followed, a snapshot or a resumed chain selects it."""
    if state.followed == NO_BOOK and (kind == Kind.SNAPSHOT or state.status != Status.UNSYNCED):
        state.followed = message.book
    return state.followed == NO_BOOK or state.followed == message.book


@compiled
def order_of(rule, message):
    """The order id of a message, common to book and touch: Binance's update id, Bybit's `seq`."""
    return message.first_id if rule == SequenceRule.INCREMENT else message.last_id
