"""Sets the times of rows: one clock offset for all venues, estimated exchange times, and clamping.

Every rule is causal, so replay and live apply the same code row by row. The run's offset is added to `local_ts` to
match the venues' clock. A row without a venue time gets `max(previous of its stream, local_ts - feed latency)`. A row
from the future (`exch_ts > local_ts`) is clamped to `local_ts` and counted. Changes of a book keep their order: their
`exch_ts` never decreases, since the simulated exchange applies rows in that order. The order of book and touch (BBO
rows) follows the venue's ids, since its times are missing, coarse or contradict the ids: an emitted touch is newer than
the book so far, and `connectors.book.rows` marks each change as newer or older than the touch. Rows for the strategy
only (LOCAL_ONLY, RESTORES) keep their mark; their venue time is their local time. A row with funding data keeps its
venue time if it is not in the future, whatever the other streams' are.
"""

from __future__ import annotations

import numpy as np
from hftbacktest.types import DEPTH_BBO_EVENT, TRADE_EVENT
from numpy.typing import NDArray

from connectors.book.rows import (
    COVERS_BBO,
    LOCAL_ONLY,
    NEWER_THAN_BBO,
    OLDER_THAN_BBO,
    RESTORES,
    book_rows,
)
from connectors.jit.compilation import compiled
from connectors.model import FUNDING_EVENT, Rows

# Fields of the state, an int64 array.
#: Added to local times, ns; the only field that callers may set, between calls of `set_times`.
OFFSET = 0
_LATENCY, _LAST_BOOK, _LAST_BBO, _LAST_TRADE, _LAST_LOCAL, _CLAMPED, _STEPPED_BACK, _RECEIVED = range(1, 9)


class RowClock:
    """Stamps the rows of one instrument. One thread, rows in the order of receipt."""

    def __init__(self, offset_ns: int, feed_latency_ns: int) -> None:
        """`offset_ns` is added to local times; `feed_latency_ns` is assumed if a venue sends no time."""
        #: With it, compiled code calls `set_times` instead of `stamp`; always the same array.
        self.state: NDArray[np.int64] = np.zeros(9, np.int64)
        self.state[OFFSET] = offset_ns
        self.state[_LATENCY] = feed_latency_ns

    @property
    def offset_ns(self) -> int:
        """Added to local times, ns. In live feeds it is estimated, and may be set between rows."""
        return int(self.state[OFFSET])

    @offset_ns.setter
    def offset_ns(self, offset_ns: int) -> None:
        self.state[OFFSET] = offset_ns

    @property
    def clamped_count(self) -> int:
        """Rows clamped because their venue time was in the future."""
        return int(self.state[_CLAMPED])

    @property
    def stepped_back_count(self) -> int:
        """Rows with an earlier receive time than the row before them: the recorder's clock was set back."""
        return int(self.state[_STEPPED_BACK])

    def stamp(self, rows: Rows, *, keeps_cover: bool = True) -> None:
        """Sets the final times of `rows` in place. `keeps_cover`: the mark COVERS_BBO stays, for `fused`."""
        set_times(book_rows(rows), self.state, keeps_cover)


@compiled
def set_times(rows, state, keeps_cover=True):
    """Sets the final times, ns, of BOOK_ROW rows (n,) in place; `state`: (9,) int64, a `RowClock.state`."""
    # In local variables, because updating `state` would write to memory for every row.
    offset, latency = state[OFFSET], state[_LATENCY]
    received, last_local = state[_RECEIVED], state[_LAST_LOCAL]
    last_book, last_bbo, last_trade = state[_LAST_BOOK], state[_LAST_BBO], state[_LAST_TRADE]
    for r in range(len(rows)):
        row = rows[r]
        local_ts, mark = row.local_ts + offset, row.mark
        if local_ts < received:
            state[_STEPPED_BACK] += 1
        received = max(local_ts, received)
        local_ts = last_local = max(local_ts, last_local)
        if mark in (LOCAL_ONLY, RESTORES):
            # These rows do not come from the venue.
            row.exch_ts = row.local_ts = local_ts
            continue
        kind = np.int64(row.ev) & 0xFF
        exch_ts = row.exch_ts
        if kind == FUNDING_EVENT:
            # Its fields are data, not marks; a late or wrong stamp of it does no harm and is not counted.
            row.exch_ts = min(exch_ts if exch_ts > 0 else local_ts - latency, local_ts)
            row.local_ts = local_ts
            continue
        if exch_ts == 0:
            exch_ts = local_ts - latency
            if row.before_ts > 0:
                exch_ts = min(exch_ts, row.before_ts)
                row.before_ts = 0
            last = last_trade if kind == TRADE_EVENT else (last_bbo if kind == DEPTH_BBO_EVENT else last_book)
            exch_ts = max(exch_ts, last)
        if exch_ts > local_ts:
            exch_ts = local_ts
            state[_CLAMPED] += 1
        if kind == TRADE_EVENT:
            last_trade = exch_ts
        elif kind == DEPTH_BBO_EVENT:
            last_bbo = exch_ts = max(exch_ts, last_bbo, last_book + 1)
            if exch_ts > local_ts:
                # By one if local time did not advance: a touch as old as the book would not count as newer.
                local_ts = last_local = exch_ts
        else:
            if mark in (NEWER_THAN_BBO, COVERS_BBO):
                exch_ts = max(exch_ts, last_bbo)
            elif mark == OLDER_THAN_BBO and last_bbo > 0:
                exch_ts = min(exch_ts, last_bbo - 1)
            last_book = exch_ts = max(exch_ts, last_book)
        row.exch_ts = exch_ts
        row.local_ts = local_ts
        if mark != COVERS_BBO or not keeps_cover:
            row.mark = 0
    state[_RECEIVED], state[_LAST_LOCAL] = received, last_local
    state[_LAST_BOOK], state[_LAST_BBO], state[_LAST_TRADE] = last_book, last_bbo, last_trade


@compiled
def largest_lead(rows, lead):
    """The largest `exch_ts - local_ts` of all rows with a venue time, at least `lead`.

    Positive when the recorder's clock runs behind the venue's by more than the fastest frame took; the offset of a
    run is the largest over all of its recordings.
    """
    for r in range(len(rows)):
        if rows[r].exch_ts > 0:
            lead = max(lead, rows[r].exch_ts - rows[r].local_ts)
    return lead
