"""The beginning of a day whose book nothing proves yet: best bid and offer alone.

A best bid and offer is true by itself, whatever the depth stream says. So a recording that begins in the middle of a
chain, with no day before it to carry on from, has a book of one level a side until the first snapshot. Live feeds do
without: they fetch a snapshot, and show nothing before it. One thread.
"""

from __future__ import annotations

import numpy as np
from hftbacktest.types import DEPTH_BBO_EVENT, TRADE_EVENT

from connectors.book import BookSync, Checkpoint
from connectors.sequence import Status
from connectors.touch import TouchBook
from connectors.types import Kind, Messages, Rows, SequenceRule


class TouchStart:
    """The touch of a recording, and its trades, as rows of a book of one level a side."""

    def __init__(self, rule: SequenceRule, trade_kind: Kind) -> None:
        self._kinds = np.array([Kind.BBO, trade_kind])
        self._sync = BookSync(rule, keep_bbo=True, trade_kind=trade_kind)
        # There is no book to wait for; ids that step back break the touch as they break a book.
        self._sync.resume(Checkpoint(Status.SYNCED, 0))
        self._book = TouchBook()
        #: Local time of the first touch; 0: there was none.
        self.first_ts = 0

    @property
    def gap_count(self) -> int:
        """How often ids stepped back: from there on the touch is unknown until a snapshot comes."""
        return self._sync.gap_count

    def receive(self, rows: Rows, messages: Messages) -> Rows:
        """The rows of decoded messages that may be shown; a view, valid until the next call."""
        passed = self._sync.receive(rows, messages[np.isin(messages["kind"], self._kinds)])
        if not self.first_ts:
            touches = passed["local_ts"][passed["ev"] & np.uint64(0xFF) == DEPTH_BBO_EVENT]
            self.first_ts = int(touches[0]) if len(touches) else 0
        return self._book.fuse(passed)


def has_book(rows: Rows) -> bool:
    """Whether chained rows say anything of a book: a snapshot was applied."""
    kinds = rows["ev"] & np.uint64(0xFF)
    return bool(np.any((kinds != TRADE_EVENT) & (kinds != DEPTH_BBO_EVENT)))
