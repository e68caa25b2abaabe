"""How long the book of a recording was unknown: before its first snapshot, and from a broken chain to the next one.

Follows the rows that `BookSync` accepts, so an outage is the time with NaN for a strategy: from the local time of the
two clearing rows to that of the next snapshot. Conversion and `arb data check` both use this code. Silences
(docs/decisions/0010) are not outages: nothing is missing, and `BookSync` counts them. Pure.
"""

from __future__ import annotations

import copy

import msgspec
import numpy as np
from hftbacktest.types import BUY_EVENT, DEPTH_CLEAR_EVENT, DEPTH_EVENT, DEPTH_SNAPSHOT_EVENT
from numpy.typing import NDArray

from connectors.book.rows import LOCAL_ONLY, RESTORES
from connectors.jit.compilation import compiled
from connectors.model import Rows

#: Numbers of outages that are kept with their times: the first, and the longest.
FIRST_KEPT = 64
LONGEST_KEPT = 16

# Fields of a span: from, to, and, if counted, the number of frames of other streams in between.
START, END, OTHERS = range(3)

# Fields of the state.
(
    GROUP_TS, IS_KNOWN, UNKNOWN_SINCE, KNOWN_TS, HAS_RESET, LEVELS, OUTAGES, OUTAGES_NS,
) = range(8)  # fmt: skip
FIELDS = 8


class BookOutages(msgspec.Struct, frozen=True):
    """The outages of a recording's book. Local times and spans in ns; a time of 0: none."""

    #: First and last frame of the recording.
    first_ts: int = 0
    last_ts: int = 0
    #: Whether the recording continues the book of the day before.
    is_carried: bool = False
    #: When the book was first known; 0: never.
    known_ts: int = 0
    #: Number and total time of the outages after that; an open one is counted up to `last_ts`.
    outages: int = 0
    outages_ns: int = 0
    longest: tuple[int, int] = (0, 0)
    #: The first FIRST_KEPT outages, (from, to).
    first: tuple[tuple[int, int], ...] = ()
    #: Begin of the outage at the end of the recording; 0: the book is known there.
    lost_ts: int = 0

    def moved(self, by_ns: int) -> BookOutages:
        """The same with all times moved by `by_ns`."""

        def at(ts: int) -> int:
            return ts + by_ns if ts else 0

        return msgspec.structs.replace(
            self,
            first_ts=at(self.first_ts),
            last_ts=at(self.last_ts),
            known_ts=at(self.known_ts),
            longest=(at(self.longest[0]), at(self.longest[1])),
            first=tuple((at(start), at(end)) for start, end in self.first),
            lost_ts=at(self.lost_ts),
        )


class OutageFinder:
    """Finds the outages of one recording. One thread. Call `begin`, `follow` any number of times, `close`."""

    def __init__(self) -> None:
        self.state = np.zeros(FIELDS, np.int64)
        self.first = np.zeros((FIRST_KEPT, 2), np.int64)
        self.longest = np.zeros((LONGEST_KEPT, 3), np.int64)
        self._first_ts = self._last_ts = 0
        self._is_carried = False

    @property
    def has_begun(self) -> bool:
        """Whether `begin` was called: there was a frame."""
        return self._first_ts != 0

    def begin(self, first_ts: int, *, is_carried: bool) -> None:
        """Begins the recording at `first_ts`, with the book of the day before or with none."""
        self._first_ts = first_ts
        self._is_carried = is_carried
        self.state[IS_KNOWN] = is_carried
        self.state[KNOWN_TS] = first_ts if is_carried else 0
        self.state[UNKNOWN_SINCE] = first_ts

    def follow(self, rows: Rows) -> None:
        """Processes accepted rows in order; the state is evaluated when all rows of a local time were processed."""
        _follow(rows, self.state, self.first, self.longest)

    def close(self, last_ts: int) -> None:
        """Ends the recording at `last_ts`. Call once."""
        _end_group(self.state, self.first, self.longest)
        self._last_ts = last_ts
        if not self.state[IS_KNOWN] and self.state[KNOWN_TS]:
            _keep(self.state, self.first, self.longest, last_ts)

    @property
    def unknown_ns(self) -> int:
        """Total time without a book, including that before the first snapshot. Valid after `close`."""
        known_ts = int(self.state[KNOWN_TS]) or self._last_ts
        return max(known_ts - self._first_ts, 0) + int(self.state[OUTAGES_NS])

    def until(self, last_ts: int) -> BookOutages:
        """The outages of a recording that ends at `last_ts`; this one goes on."""
        ended = copy.copy(self)
        ended.state, ended.first, ended.longest = self.state.copy(), self.first.copy(), self.longest.copy()
        if ended.has_begun:
            ended.close(last_ts)
        return ended.outages

    @property
    def outages(self) -> BookOutages:
        """The outages found. Valid after `close`."""
        state = [int(value) for value in self.state]
        longest = self.longest[np.argmax(self.longest[:, END] - self.longest[:, START])]
        kept = self.first[: min(state[OUTAGES], FIRST_KEPT)]
        is_lost = self.has_begun and not state[IS_KNOWN]
        return BookOutages(
            first_ts=self._first_ts,
            last_ts=self._last_ts,
            is_carried=self._is_carried,
            known_ts=state[KNOWN_TS],
            outages=state[OUTAGES],
            outages_ns=state[OUTAGES_NS],
            longest=(int(longest[START]), int(longest[END])),
            first=tuple((int(start), int(end)) for start, end in kept),
            lost_ts=state[UNKNOWN_SINCE] if is_lost else 0,
        )


@compiled
def keep_longest(spans, start, end, others):
    """Stores a span if it is among the longest ones."""
    shortest = 0
    for k in range(1, len(spans)):
        if spans[k, END] - spans[k, START] < spans[shortest, END] - spans[shortest, START]:
            shortest = k
    if end - start > spans[shortest, END] - spans[shortest, START]:
        spans[shortest, START] = start
        spans[shortest, END] = end
        spans[shortest, OTHERS] = others


@compiled
def _follow(rows, state, first, longest):
    # Counted in local variables, because updating `state` would write to memory for every row.
    group_ts, levels = state[GROUP_TS], state[LEVELS]
    is_calm = state[IS_KNOWN] and not state[HAS_RESET]
    for r in range(len(rows)):
        row = rows[r]
        kind = np.int64(row.ev) & 0xFF
        if is_calm and kind != DEPTH_CLEAR_EVENT:
            continue  # while the book is known, only the rows that empty it matter
        if row.ival == LOCAL_ONLY or row.ival == RESTORES:
            continue
        if row.local_ts != group_ts:
            if not is_calm:
                state[GROUP_TS], state[LEVELS] = group_ts, levels
                _end_group(state, first, longest)
                is_calm = state[IS_KNOWN] != 0
            group_ts, levels = row.local_ts, 0
        if kind in (DEPTH_EVENT, DEPTH_SNAPSHOT_EVENT):
            levels += 1
        elif kind == DEPTH_CLEAR_EVENT and row.ev & np.uint64(BUY_EVENT) != 0:
            # The first row of a gap and of a snapshot.
            state[HAS_RESET] = 1
            is_calm = False
            levels = 0
    state[GROUP_TS], state[LEVELS] = group_ts, levels


@compiled
def _end_group(state, first, longest):
    """Evaluates the state when all rows of a local time were processed."""
    now = state[GROUP_TS]
    if now == 0:
        return
    if state[LEVELS] > 0:
        if state[KNOWN_TS] == 0:
            state[KNOWN_TS] = now
        elif not state[IS_KNOWN]:
            _keep(state, first, longest, now)
        state[IS_KNOWN] = 1
    elif state[HAS_RESET] and state[IS_KNOWN]:
        state[IS_KNOWN] = 0
        state[UNKNOWN_SINCE] = now
    state[HAS_RESET] = 0
    state[LEVELS] = 0


@compiled
def _keep(state, first, longest, end):
    """Counts an outage that ends; its length is at least 0, even if the clock was set back."""
    start = state[UNKNOWN_SINCE]
    end = max(start, end)
    if state[OUTAGES] < len(first):
        first[state[OUTAGES], START] = start
        first[state[OUTAGES], END] = end
    keep_longest(longest, start, end, 0)
    state[OUTAGES] += 1
    state[OUTAGES_NS] += end - start


def kept_spans(table: NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """The spans of a table that are in use, the longest first."""
    spans = [(int(row[START]), int(row[END]), int(row[OTHERS])) for row in table if row[END]]
    return sorted(spans, key=lambda span: (span[START] - span[END], span[START]))
