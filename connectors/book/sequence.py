"""Id rules of books: decides by the venue's ids what to do with a change, a snapshot or a touch. Compiled, pure.

The rules read and write the state of one book, an int64 array owned by `connectors.book.sync`.
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


# Fields of the state of a book, an int64 array. Written here and in `connectors.book.sync`.
STATUS, LAST_ID, GAPS, DROPPED = 0, 1, 2, 3
#: Order ids (`order_of`) of the book and of the last touch that was emitted.
BOOK_ORDER, BBO_ORDER = 4, 5
#: The venue's book that is followed (NO_BOOK: none yet), messages of other books, and how many of them in a row.
FOLLOWED, OTHERS, OTHERS_RUN = 6, 7, 8
#: Old changes in a row; those with a later venue time than the last applied change; the venue time of that change.
OLD_RUN, STEPPED_RUN, LAST_EXCH_TS = 9, 10, 11
#: Local times at which the last touch was emitted and the last waiting snapshot was received.
BBO_TS, SNAPSHOT_TS = 12, 13
#: How long the book may be silent (0: no limit), local time of the last applied message, whether the book is emptied
#: for the strategy because of a silence; number and total duration of silences.
SILENCE_NS, LIFE_TS, IS_SILENT, SILENCES, SILENT_NS = 14, 15, 16, 17, 18
#: Whether the order ids of book and touch are the venue's: in some archives they are times.
IS_ORDERED = 19
#: The last id of the snapshot that waits for a change to join it; NOTHING_WAITS: none.
WAITING_ID = 20
#: The changes that were applied last, the oldest overwritten: where the next goes, and of each its first and
#: last id and a number of its content.
APPLIED_AT, APPLIED = 21, 22
_APPLIED_KEPT = 64
STATE_FIELDS = APPLIED + 3 * _APPLIED_KEPT

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

# Fields of `held`: number of held rows and of held messages.
HELD_ROWS, HELD_MESSAGES = 0, 1


@compiled
def delta_verdict(rule, state, message):
    """The verdict on a change of a book (a record of MESSAGE_DTYPE). Does not change the state."""
    status, known = state[STATUS], state[LAST_ID]
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
        is_next = message.first_id == known + 1 or (message.first_id <= known and state[STEPPED_RUN] == 0)
    elif rule == SequenceRule.PREVIOUS:
        # A snapshot may also end exactly at the end of an earlier change.
        is_next = message.prev_id == known or (is_bridging and message.first_id <= known)
    else:
        # A restarted server may continue from any id, so the order id must not step back either.
        is_in_order = not state[IS_ORDERED] or message.first_id >= state[BOOK_ORDER]
        is_next = message.last_id == known + 1 and is_in_order
    if not is_next or _is_touch_lost(state, order_of(rule, message), message.local_ts):
        return Verdict.GAP
    return Verdict.APPLY


@compiled
def _is_step_back(rule, state, message, is_bridging):
    """Whether an old change shows that the venue's ids stepped back, i.e. it is not a repetition."""
    if is_bridging:
        return message.local_ts - state[SNAPSHOT_TS] > AHEAD_NS_MAX
    if rule == SequenceRule.INCREMENT and state[IS_ORDERED] and 0 < state[BOOK_ORDER] < message.first_id:
        return True
    # USD-M changes carry the matching engine's time, which is the same from every server.
    stepped_max = 0 if rule == SequenceRule.PREVIOUS else STEPPED_RUN_MAX
    is_stepped = message.exch_ts > state[LAST_EXCH_TS] and state[STEPPED_RUN] >= stepped_max
    return is_stepped or state[OLD_RUN] >= OLD_RUN_MAX


@compiled
def is_other_change(rule, state, message, rows):
    """Whether an old spot change is no repetition: behind ids that stepped back by a few it would be dropped, and the
    change behind it applied.

    A repetition has the ids and the content of a change that was applied.
    `rows`: those that the message refers to.
    """
    is_old = (
        rule == SequenceRule.SPAN and state[STATUS] == Status.SYNCED and message.last_id <= state[LAST_ID]
    )
    if not is_old or message.exch_ts <= state[LAST_EXCH_TS] or not state[IS_ORDERED]:
        return False
    for at in range(APPLIED, APPLIED + 3 * _APPLIED_KEPT, 3):
        if state[at] == message.first_id and state[at + 1] == message.last_id:
            return state[at + 2] != _content_of(rows, message)
    return True


@compiled
def note_applied(state, message, rows):
    """Keeps what `is_other_change` compares of a spot change that was applied."""
    at = APPLIED + 3 * state[APPLIED_AT]
    state[at], state[at + 1] = message.first_id, message.last_id
    state[at + 2] = _content_of(rows, message)
    state[APPLIED_AT] = (state[APPLIED_AT] + 1) % _APPLIED_KEPT


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
    is_behind = state[BOOK_ORDER] < state[BBO_ORDER] and order < state[BBO_ORDER]
    return is_behind and state[IS_ORDERED] and local_ts - state[BBO_TS] > BEHIND_NS_MAX


@compiled
def touch_verdict(rule, state, message):
    """The verdict on a best bid and offer (a record of MESSAGE_DTYPE). Does not change the state."""
    order = order_of(rule, message)
    if state[STATUS] != Status.SYNCED or order <= state[BOOK_ORDER] or state[IS_SILENT]:
        return Verdict.DROP
    if order < state[BBO_ORDER]:
        return Verdict.GAP if _is_touch_lost(state, order, message.local_ts) else Verdict.DROP
    return Verdict.APPLY


@compiled
def is_overdue(state, local_ts):
    """Whether the book has been silent for too long at a local time and is not emptied yet."""
    return (
        state[SILENCE_NS] > 0
        and state[STATUS] == Status.SYNCED
        and not state[IS_SILENT]
        and local_ts - state[LIFE_TS] > state[SILENCE_NS]
    )


@compiled
def keeps_sync(rule, state, message, rows):
    """Whether a book that is in sync stays so with a message of any kind, and its strategy's book is not empty.

    Its silence and a waiting snapshot count as not in sync. `rows`: those that the message refers to.
    """
    is_steady = state[STATUS] == Status.SYNCED and not state[IS_SILENT] and state[WAITING_ID] == NOTHING_WAITS
    if not is_steady or is_overdue(state, message.local_ts):
        return False
    kind = message.kind
    if kind == Kind.CONTROL or kind == Kind.SNAPSHOT or (kind >= Kind.DELTA and message.symbol < 0):
        return False
    if kind == Kind.DELTA:
        if message.book != state[FOLLOWED] or is_other_change(rule, state, message, rows):
            return False
        return delta_verdict(rule, state, message) != Verdict.GAP
    return kind != Kind.BBO or touch_verdict(rule, state, message) != Verdict.GAP


@compiled
def receive_delta(rule, state, message):
    """The verdict on a change; updates the state."""
    verdict = delta_verdict(rule, state, message)
    if verdict == Verdict.APPLY:
        state[STATUS] = Status.SYNCED
        state[LAST_ID] = message.last_id
        state[LAST_EXCH_TS] = message.exch_ts
        state[OLD_RUN] = state[STEPPED_RUN] = 0
    elif verdict == Verdict.GAP:
        lose(state)
    elif verdict == Verdict.DROP:
        state[OLD_RUN] += 1
        state[STEPPED_RUN] += message.exch_ts > state[LAST_EXCH_TS]
    return verdict


@compiled
def lose(state):
    """Marks the chain as broken."""
    state[STATUS] = Status.UNSYNCED
    state[IS_SILENT] = 0
    state[WAITING_ID] = NOTHING_WAITS
    state[GAPS] += 1


@compiled
def receive_snapshot(rule, state, message, held_messages, held):
    """The verdict on a snapshot: APPLY if its place in the chain is certain, or HOLD until a change joins it.

    DROP if the book is newer, the held changes refute it, or a better one waits.
    """
    last_id = message.last_id
    if rule == SequenceRule.INCREMENT:
        state[STATUS] = Status.SYNCED
        state[LAST_ID], state[LAST_EXCH_TS] = last_id, message.exch_ts
        state[OLD_RUN] = state[STEPPED_RUN] = 0
        return Verdict.APPLY
    if state[STATUS] == Status.SYNCED:
        if last_id <= state[LAST_ID]:
            return Verdict.DROP if last_id < state[LAST_ID] else Verdict.APPLY
    elif state[STATUS] == Status.BRIDGING and not _is_better(rule, state, message, held_messages, held):
        return Verdict.DROP
    state[WAITING_ID], state[SNAPSHOT_TS] = last_id, message.local_ts
    if state[STATUS] != Status.SYNCED:
        bridge(state)
    return Verdict.HOLD


@compiled
def bridge(state):
    """Starts to check changes against the waiting snapshot."""
    state[STATUS] = Status.BRIDGING
    state[LAST_ID], state[LAST_EXCH_TS] = state[WAITING_ID], NEVER
    state[BOOK_ORDER] = state[BBO_ORDER] = 0
    state[OLD_RUN] = state[STEPPED_RUN] = 0


@compiled
def _is_better(rule, state, message, held_messages, held):
    """Whether a snapshot replaces the waiting one, which no change has joined so far."""
    count = held[HELD_MESSAGES]
    if message.last_id > state[LAST_ID]:
        # While changes arrive that the first one contains, they will reach the first one sooner.
        return count == 0 or held_messages[count - 1].local_ts < state[SNAPSHOT_TS]
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
    if state[FOLLOWED] == NO_BOOK and (kind == Kind.SNAPSHOT or state[STATUS] != Status.UNSYNCED):
        state[FOLLOWED] = message.book
    return state[FOLLOWED] == NO_BOOK or state[FOLLOWED] == message.book


@compiled
def order_of(rule, message):
    """The order id of a message, common to book and touch: Binance's update id, Bybit's `seq`."""
    return message.first_id if rule == SequenceRule.INCREMENT else message.last_id
