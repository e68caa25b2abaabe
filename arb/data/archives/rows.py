"""Converts archive records to the rows and messages that `connectors.parsing.lines` makes of recorded frames. Compiled.

Without a time of receipt `local_ts` is the time at which the venue sent the message, if it is known; the latency
model is applied later (`arb.data.rows.convert`). The only state is the array that the caller passes from call to
call.
"""

from __future__ import annotations

import numpy as np

from arb.data.archives.fields import BUY, SELL
from connectors.jit.compilation import compiled
from connectors.model import Kind
from connectors.parsing.scanner import (
    BBO_ASK,
    BBO_BID,
    CLEAR_ASK,
    CLEAR_BID,
    DELTA_ASK,
    DELTA_BID,
    SNAPSHOT_ASK,
    SNAPSHOT_BID,
    TRADE_BUY,
    TRADE_SELL,
    put_row,
)

# Fields of the state, int64.
_LAST_TIME, _LAST_ID, _IS_SNAPSHOT, _MESSAGES = 0, 1, 2, 3
STATE_FIELDS = 4
# Position of a record: it follows the last one, belongs before it, or repeats it.
_NEXT, _BEHIND, _AGAIN = 0, 1, 2

#: Maximum number of rows of one record: two clears and a level.
ROWS_PER_RECORD = 3
#: Result of an emitter if a record's time is before that of the previous one. Otherwise it is the number of rows.
OUT_OF_ORDER = -1


@compiled
def _local_ts(record, has_receipt):
    return record.time_2 if has_receipt else max(record.time, record.time_2)


@compiled
def _place_of(record, local_ts, has_receipt, state):
    """The position of a record after the last one; updates the state. _BEHIND only occurs without times of receipt."""
    last_time, last_id = state[_LAST_TIME], state[_LAST_ID]
    if not has_receipt and (local_ts < last_time or (local_ts == last_time and record.id < last_id)):
        return _BEHIND
    state[_LAST_TIME] = local_ts
    state[_LAST_ID] = record.id
    return _AGAIN if record.id > 0 and record.id == last_id else _NEXT


@compiled
def _put_message(message, kind, local_ts, exch_ts, order, last_id, start, end, line):
    message.kind = kind
    message.local_ts = local_ts
    message.exch_ts = exch_ts
    message.first_id = order
    message.last_id = last_id
    message.prev_id = 0
    message.symbol = 0
    message.row_start = start
    message.row_end = end
    message.line = line
    message.sent_ts = message.book = 0


@compiled
def emit_trades(records, kind, has_receipt, state, rows, messages):
    """A trade per record; only a message if it has no price, quantity or side, or is repeated."""
    n = 0
    for r in range(len(records)):
        record = records[r]
        local_ts = _local_ts(record, has_receipt)
        place = _place_of(record, local_ts, has_receipt, state)
        if place == _BEHIND:
            return OUT_OF_ORDER
        is_again = place == _AGAIN
        start = n
        if record.px > 0.0 and record.qty > 0.0 and record.side != 0 and not is_again:
            event = TRADE_BUY if record.side == BUY else TRADE_SELL
            put_row(rows, n, event, record.time, local_ts, record.px, record.qty)
            n += 1
        is_trade = kind if n > start else np.int64(Kind.OTHER)
        _put_message(messages[r], is_trade, local_ts, record.time, 0, record.id, start, n, record.line)
    return n


@compiled
def emit_touch(records, has_receipt, state, rows, messages):
    """A bid and an ask per record. A touch counts as newer than a book of the same time."""
    n = 0
    for r in range(len(records)):
        record = records[r]
        local_ts = _local_ts(record, has_receipt)
        place = _place_of(record, local_ts, has_receipt, state)
        if place == _BEHIND:
            return OUT_OF_ORDER
        is_again = place == _AGAIN
        start = n
        if not is_again:
            put_row(rows, n, BBO_BID, record.time, local_ts, record.px, record.qty)
            put_row(rows, n + 1, BBO_ASK, record.time, local_ts, record.px_2, record.qty_2)
            n += 2
        kind = np.int64(Kind.OTHER) if is_again else np.int64(Kind.BBO)
        order = 2 * (record.time // 1_000) + 1
        _put_message(messages[r], kind, local_ts, record.time, order, record.id, start, n, record.line)
    return n


@compiled
def emit_book(records, state, rows, messages):
    """Changes of a book with times of receipt and snapshot marks, but no ids: messages are numbered here.

    Records of one time are one message. A snapshot begins where the mark changes to set: both sides are emptied.
    Returns the numbers of rows and of messages.
    """
    n = m = 0
    for r in range(len(records)):
        record = records[r]
        is_begin = record.flag == 1 and state[_IS_SNAPSHOT] == 0
        is_end = record.flag == 0 and state[_IS_SNAPSHOT] == 1
        state[_IS_SNAPSHOT] = record.flag
        is_more = m > 0 and not is_begin and not is_end
        if is_more:
            last = messages[m - 1]
            is_more = last.local_ts == record.time_2 and last.exch_ts == record.time
        if not is_more:
            state[_MESSAGES] += 1
            kind = np.int64(Kind.SNAPSHOT) if is_begin else np.int64(Kind.DELTA)
            order = 2 * (record.time // 1_000)
            _put_message(
                messages[m], kind, record.time_2, record.time, order, state[_MESSAGES], n, n, record.line
            )
            m += 1
            if is_begin:
                put_row(rows, n, CLEAR_BID, record.time, record.time_2, np.nan, 0.0)
                put_row(rows, n + 1, CLEAR_ASK, record.time, record.time_2, np.nan, 0.0)
                n += 2
        event = DELTA_BID
        if record.side == SELL:
            event = SNAPSHOT_ASK if record.flag == 1 else DELTA_ASK
        elif record.flag == 1:
            event = SNAPSHOT_BID
        put_row(rows, n, event, record.time, record.time_2, record.px, record.qty)
        n += 1
        messages[m - 1].row_end = n
    return n, m


@compiled
def stamp_sent(rows, messages):
    """Sets the local time of decoded frames to when they were sent or, if that is later, to the venue's time."""
    for m in range(len(messages)):
        message = messages[m]
        local_ts = max(message.sent_ts, message.exch_ts)
        message.local_ts = local_ts
        for row in range(message.row_start, message.row_end):
            rows[row].local_ts = local_ts
