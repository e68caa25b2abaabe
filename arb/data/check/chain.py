"""Follows the book of a recording: how long it was unknown, and when its touch was crossed or locked.

`BookSync` decides which rows are applied; the prices with a quantity are kept in a sorted array per side, and the
touch is checked when all rows of one local time are applied. One thread.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from hftbacktest.types import BUY_EVENT, DEPTH_CLEAR_EVENT, DEPTH_EVENT, DEPTH_SNAPSHOT_EVENT
from numpy.typing import NDArray

from arb.data.outages import LONGEST_KEPT, OutageFinder, keep_longest
from connectors.book.sync import BookSync, Checkpoint
from connectors.jit.compilation import compiled
from connectors.model import Kind, Messages, Rows, SequenceRule

#: With more prices than this on one side the touch is no longer checked.
LEVELS_MAX = 1 << 20

# Fields of the state.
GROUP_TS, BIDS, ASKS, CROSSED, LOCKED, CROSSED_SINCE, IS_TOO_DEEP = range(7)
FIELDS = 7


class ChainEnd(NamedTuple):
    """The book at the end of a recording, from which the next day continues."""

    checkpoint: Checkpoint
    bids: NDArray[np.float64]
    asks: NDArray[np.float64]


class Chain:
    """The book of one recording."""

    def __init__(self, rule: SequenceRule, before: ChainEnd | None) -> None:
        """`before`: the book that the recording continues."""
        self._sync = BookSync(rule)
        self.is_carried = before is not None
        self.state = np.zeros(FIELDS, np.int64)
        #: Prices in ascending order, the best last; asks are negated.
        self._sides: list[NDArray[np.float64]] = [np.empty(0), np.empty(0)]
        #: Outages of the book.
        self.unknown = OutageFinder()
        #: The longest spans with a crossed touch.
        self.crossed = np.zeros((LONGEST_KEPT, 3), np.int64)
        if before is not None:
            self._sync.resume(before.checkpoint)
            self._sides = [before.bids, before.asks]
            self.state[BIDS], self.state[ASKS] = len(before.bids), len(before.asks)

    @property
    def gap_count(self) -> int:
        return self._sync.gap_count

    @property
    def other_count(self) -> int:
        """The number of messages of another depth than the one followed."""
        return self._sync.other_count

    def receive(self, rows: Rows, messages: Messages) -> None:
        """Processes the changes and snapshots among decoded messages."""
        if not len(messages):
            return
        if not self.unknown.has_begun:
            self.unknown.begin(int(messages["local_ts"][0]), is_carried=self.is_carried)
        kinds = messages["kind"]
        chained = self._sync.receive(rows, messages[(kinds == Kind.DELTA) | (kinds == Kind.SNAPSHOT)])
        self._make_room(len(chained))
        self.unknown.follow(chained)
        _follow(chained, self.state, self._sides[0], self._sides[1], self.crossed)

    def close(self, last_ts: int) -> None:
        """Closes open spans at the end of the recording. Call once."""
        state = self.state
        _end_group(state, self._sides[0], self._sides[1], self.crossed)
        self.unknown.close(last_ts)
        if state[CROSSED_SINCE]:
            keep_longest(self.crossed, state[CROSSED_SINCE], last_ts, 0)

    def end(self) -> ChainEnd | None:
        """The state from which the next day may continue; None if the book is unknown."""
        if not self._sync.is_synced:
            return None
        bids, asks = (
            side[: int(self.state[field])].copy()
            for side, field in zip(self._sides, (BIDS, ASKS), strict=True)
        )
        return ChainEnd(self._sync.checkpoint, bids, asks)

    def _make_room(self, more: int) -> None:
        for n, field in enumerate((BIDS, ASKS)):
            count = int(self.state[field])
            if count + more > LEVELS_MAX + (1 << 18):
                self.state[IS_TOO_DEEP] = 1
            elif count + more > len(self._sides[n]):
                larger = np.empty(2 * (count + more))
                larger[:count] = self._sides[n][:count]
                self._sides[n] = larger


@compiled
def _follow(rows, state, bids, asks, crossed):
    for r in range(len(rows)):
        row = rows[r]
        if row.local_ts != state[GROUP_TS]:
            _end_group(state, bids, asks, crossed)
            state[GROUP_TS] = row.local_ts
        kind = np.int64(row.ev) & 0xFF
        is_bid = row.ev & np.uint64(BUY_EVENT) != 0
        side = BIDS if is_bid else ASKS
        if kind == DEPTH_CLEAR_EVENT:
            state[side] = 0
        elif kind in (DEPTH_EVENT, DEPTH_SNAPSHOT_EVENT) and not state[IS_TOO_DEEP]:
            if is_bid:
                state[BIDS] = _set_level(bids, state[BIDS], row.px, row.qty > 0.0)
            else:
                state[ASKS] = _set_level(asks, state[ASKS], -row.px, row.qty > 0.0)


@compiled
def _set_level(prices, count, price, is_level):
    """Adds or removes a price; returns the new count. Equal prices are equal floats, decoded from the same text."""
    # Binary search without branches on prices, which are too random to predict.
    low, left = 0, count
    while left > 0:
        half = (left + 1) // 2
        low += half * (prices[low + half - 1] < price)
        left -= half
    has_price = low < count and prices[low] == price
    if is_level and not has_price:
        for k in range(count, low, -1):
            prices[k] = prices[k - 1]
        prices[low] = price
        return count + 1
    if has_price and not is_level:
        for k in range(low, count - 1):
            prices[k] = prices[k + 1]
        return count - 1
    return count


@compiled
def _end_group(state, bids, asks, crossed):
    """Checks the book when all rows of a local time are applied."""
    now = state[GROUP_TS]
    if now == 0:
        return
    is_crossed = False
    if state[BIDS] > 0 and state[ASKS] > 0 and not state[IS_TOO_DEEP]:
        spread = -asks[state[ASKS] - 1] - bids[state[BIDS] - 1]
        if spread < 0.0:
            state[CROSSED] += 1
        elif spread == 0.0:
            state[LOCKED] += 1
        is_crossed = spread <= 0.0
    if is_crossed and state[CROSSED_SINCE] == 0:
        state[CROSSED_SINCE] = now
    elif not is_crossed and state[CROSSED_SINCE] != 0:
        keep_longest(crossed, state[CROSSED_SINCE], now, 0)
        state[CROSSED_SINCE] = 0
