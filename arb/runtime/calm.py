"""Which messages of a read change nothing but books and prices, so that a session counts them together. Compiled."""

from __future__ import annotations

import numpy as np

from connectors.book.rows import LOCAL_ONLY
from connectors.jit.compilation import compiled
from connectors.model import FUNDING_EVENT
from connectors.parsing.scanner import CLEAR_BID

_S = 1_000_000_000
_CLEAR_BID = np.uint64(CLEAR_BID)


@compiled
def calm_messages(rows, ends, first, limit, reached_ts, second, due_ts):
    """From message `first` on, at most up to `limit`: (their number, the end of their rows, the last local time, the
    age of the oldest row on arrival).

    ends: the end of each message's rows. The messages are those before the first one that is received no later than
    what the strategy has reached (`reached_ts`, then the message before), in another second than `second`, not before
    `due_ts`, or that has funding data, empties a book, or was made without a frame.
    """
    done, oldest_ns = first, np.int64(0)
    start = ends[first - 1] if first > 0 else 0
    while done < limit:
        end = ends[done]
        if end > start:
            last = rows[end - 1]
            local_ts = last.local_ts
            if rows[start].local_ts <= reached_ts or local_ts // _S != second or local_ts >= due_ts:
                break
            if np.int64(last.ev) & 0xFF == FUNDING_EVENT or last.ival == LOCAL_ONLY:
                break
            if end - start == 2 and rows[start].ev == _CLEAR_BID:
                break
            for index in range(start, end):
                oldest_ns = max(oldest_ns, rows[index].local_ts - rows[index].exch_ts)
            reached_ts = local_ts
            start = end
        done += 1
    return done - first, start, reached_ts, oldest_ns
