"""Rows in the order of receipt to hftbacktest's order of events, a piece at a time.

hftbacktest reads one sequence that must be sorted by venue time for the exchange and by local time for the
strategy. A row that fits both is written once with both flags; one that a later row overtook is written twice, once
for each side. The result equals hftbacktest's `correct_event_order` over the whole sequence, however it is cut.
"""

from __future__ import annotations

import numpy as np
from hftbacktest.types import EXCH_EVENT, LOCAL_EVENT, event_dtype
from numpy.typing import NDArray

from connectors.jit import compiled
from connectors.types import Rows

#: A frontier behind which no row can come any more: the sequence has ended.
END_OF_ROWS = np.iinfo(np.int64).max

_NO_ROWS = np.zeros(0, event_dtype)


class EventOrder:
    """Merges rows that come in the order of receipt. One thread."""

    def __init__(self) -> None:
        #: Rows that were not yet written for both sides, in the order of receipt.
        self._pending: Rows = _NO_ROWS
        #: Which of the pending rows the exchange side has seen.
        self._is_exch_done: NDArray[np.bool_] = np.zeros(0, np.bool_)
        #: How many of the pending rows the local side has seen.
        self._local_next = 0

    def feed(self, rows: Rows, frontier: int = END_OF_ROWS) -> Rows:
        """The ordered rows that are certain after `rows`.

        `frontier`: no row of a later call has an `exch_ts` below it. With END_OF_ROWS everything comes out.
        """
        pending = np.concatenate((self._pending, rows)) if len(self._pending) else rows
        is_exch_done = np.concatenate((self._is_exch_done, np.zeros(len(rows), np.bool_)))
        waiting = np.flatnonzero(~is_exch_done) if is_exch_done.any() else np.arange(len(pending))
        exch_ts = pending["exch_ts"][waiting]
        is_sorted = bool((exch_ts[1:] >= exch_ts[:-1]).all())
        by_exch = waiting if is_sorted else waiting[np.argsort(exch_ts, kind="stable")]
        out = np.empty(2 * len(pending), event_dtype)
        count, self._local_next = _merge(pending, by_exch, is_exch_done, self._local_next, frontier, out)
        self._forget(pending, is_exch_done)
        return out[:count]

    def _forget(self, pending: Rows, is_exch_done: NDArray[np.bool_]) -> None:
        """Lets go of the rows that both sides have seen; those in the middle wait for the ones before them."""
        not_done = np.flatnonzero(~is_exch_done)
        first = min(int(not_done[0]) if len(not_done) else len(pending), self._local_next)
        self._pending = pending[first:].copy()
        self._is_exch_done = is_exch_done[first:].copy()
        self._local_next -= first


@compiled
def _merge(pending, by_exch, is_exch_done, local_next, frontier, out):  # type: ignore[no-untyped-def]
    """hftbacktest's rule: the earlier venue time goes first, then the earlier receipt; equal in both is one row."""
    n = len(pending)
    count = 0
    e = 0
    local = local_next
    is_last = frontier == END_OF_ROWS
    while e < len(by_exch) or (is_last and local < n):
        if e == len(by_exch):
            count = _put(out, count, pending[local], LOCAL_EVENT)
            local += 1
            continue
        exch_row = pending[by_exch[e]]
        if exch_row.exch_ts > frontier:
            break
        if local == n:
            if not is_last:
                break
            order = -1
        else:
            local_row = pending[local]
            order = _compare(exch_row, local_row)
        if order == 0:
            count = _put(out, count, exch_row, EXCH_EVENT | LOCAL_EVENT)
        elif order < 0:
            count = _put(out, count, exch_row, EXCH_EVENT)
        else:
            count = _put(out, count, pending[local], LOCAL_EVENT)
        if order <= 0:
            is_exch_done[by_exch[e]] = True
            e += 1
        if order >= 0:
            local += 1
    return count, local


@compiled
def _compare(exch_row, local_row):  # type: ignore[no-untyped-def]
    """-1, 0, 1: the exchange's next row comes before, with, or after the strategy's next row."""
    if exch_row.exch_ts != local_row.exch_ts:
        return -1 if exch_row.exch_ts < local_row.exch_ts else 1
    if exch_row.local_ts != local_row.local_ts:
        return -1 if exch_row.local_ts < local_row.local_ts else 1
    return 0


@compiled
def _put(out, count, row, flags):  # type: ignore[no-untyped-def]
    out[count] = row
    out[count].ev |= np.uint64(flags)
    return count + 1
