"""A day that begins in the middle of a chain: until a snapshot arrives, its book is the best bid and offer alone.

A best bid and offer is valid without the depth stream. So a recording that begins in the middle of a chain, without a
previous day to continue, has a book of one level a side until the first snapshot. Live feeds do not need this: they
fetch a snapshot, and publish no book before it. Each best bid and offer proves this book again: without one for too
long it is emptied for the strategy, and restored by the next one (docs/decisions/0010). One thread.
"""

from __future__ import annotations

import numpy as np
from hftbacktest.types import DEPTH_BBO_EVENT, TRADE_EVENT, event_dtype

from connectors.book.rows import BOOK_ROW, LOCAL_ONLY, RESTORES
from connectors.book.sequence import Status
from connectors.book.sync import BookSync, Checkpoint
from connectors.book.touch_only import TouchBook
from connectors.model import FUNDING_EVENT, Kind, Messages, Rows, SequenceRule
from connectors.parsing.scanner import CLEAR_ASK, CLEAR_BID

#: Kinds of rows that need no snapshot.
_NOT_OF_BOOK = np.array([TRADE_EVENT, DEPTH_BBO_EVENT, FUNDING_EVENT], np.uint64)


class TouchStart:
    """Converts the touch of a recording, its trades and its funding data, to rows of a book of one level a side."""

    def __init__(self, rule: SequenceRule, silence_ns: int) -> None:
        """silence_ns: maximum time without a best bid and offer, in local time; 0: no limit."""
        self._kinds = np.array([Kind.BBO, Kind.TRADE, Kind.FUNDING])
        self._sync = BookSync(rule, keep_bbo=True, trade_kind=Kind.TRADE)
        # There is no snapshot to wait for; ids that step back break the touch as they break a book.
        self._sync.resume(Checkpoint(Status.SYNCED, 0))
        self._book = TouchBook()
        self._silence_ns = silence_ns
        #: Local time of the last best bid and offer (0: none).
        self._life_ts = 0
        self.is_silent = False
        #: Local time of the first touch; 0: none.
        self.first_ts = 0

    @property
    def gap_count(self) -> int:
        """How often ids stepped back: from then on the touch is unknown until a snapshot arrives."""
        return self._sync.gap_count

    def receive(self, rows: Rows, messages: Messages) -> Rows:
        """The rows to publish of decoded messages; a view, valid until the next call."""
        passed = self._sync.receive(rows, messages[np.isin(messages["kind"], self._kinds)])
        if not self.first_ts:
            touches = passed["local_ts"][passed["ev"] & np.uint64(0xFF) == DEPTH_BBO_EVENT]
            self.first_ts = int(touches[0]) if len(touches) else 0
        return self._book.fuse(self._with_silences(passed) if self._silence_ns else passed)

    @property
    def silent_ts(self) -> int:
        """As `BookSync.silent_ts`."""
        is_emptied = self._silence_ns and self._life_ts and self._sync.is_synced
        return self._life_ts + self._silence_ns if is_emptied else 0

    def _with_silences(self, rows: Rows) -> Rows:
        """Rows of the touch and of trades, with the rows that empty the book in a silence and restore it."""
        if not len(rows) or not self._sync.is_synced:
            return rows
        is_touch = rows["ev"] & np.uint64(0xFF) == DEPTH_BBO_EVENT
        times = rows["local_ts"]
        lives = np.maximum.accumulate(np.concatenate(([self._life_ts], np.where(is_touch, times, 0))))
        life, self._life_ts = lives[:-1], int(lives[-1])
        is_overdue = (life > 0) & (times - life > self._silence_ns)
        # A silence may begin before the first row, and after each touch.
        goes_on = np.concatenate(([self.is_silent], is_overdue[:-1])) & (np.diff(life, prepend=life[0]) == 0)
        is_begin = is_overdue & ~goes_on
        is_end = is_overdue & is_touch
        self.is_silent = bool(is_overdue[-1] and not is_touch[-1])
        if not is_overdue.any():
            return rows
        places, added = [], []
        for place in np.flatnonzero(is_begin | is_end):
            if is_begin[place]:
                empty_ts = int(life[place]) + self._silence_ns
                added += [(event, empty_ts, LOCAL_ONLY) for event in (CLEAR_BID, CLEAR_ASK)]
                places += [place, place]
            if is_end[place]:
                added.append((CLEAR_BID, int(times[place]), RESTORES))
                places.append(place)
        extra = np.zeros(len(added), BOOK_ROW)
        extra["px"] = np.nan
        for row, (event, local_ts, mark) in zip(extra, added, strict=True):
            row["ev"], row["local_ts"], row["exch_ts"], row["mark"] = event, local_ts, local_ts, mark
        return np.insert(rows, places, extra.view(event_dtype))


def has_book(rows: Rows) -> bool:
    """Whether chained rows have a book: a snapshot was applied."""
    kinds = rows["ev"] & np.uint64(0xFF)
    return not bool(np.isin(kinds, _NOT_OF_BOOK).all())
