"""Which rows of a book may be applied: what follows from the venue's id rule (`connectors.book.sequence`).

`BookSync` follows the rule for one instrument: it holds changes back until a snapshot comes, and a snapshot until a
change joins it, drops what the snapshot already contains, and answers a broken chain with two DEPTH_CLEAR rows of NaN
price, so that a gap is data and the touch reads NaN until the book is proven right again. A book whose stream is silent
for too long is emptied for the strategy alone (docs/decisions/0010). Recordings and live feeds share this code. No
socket, no clock; the caller's thread.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from hftbacktest.types import event_dtype
from numpy.typing import NDArray

from connectors.book.rows import clear_rows, receive_messages, silence_rows
from connectors.book.sequence import (
    BBO_ORDER,
    BOOK_ORDER,
    DROPPED,
    FOLLOWED,
    GAPS,
    HELD_MESSAGES,
    HELD_ROWS,
    IS_ORDERED,
    IS_SILENT,
    LAST_EXCH_TS,
    LAST_ID,
    LIFE_TS,
    NEVER,
    NO_BOOK,
    NOTHING_WAITS,
    OTHERS,
    SILENCE_NS,
    SILENCES,
    SILENT_NS,
    STATE_FIELDS,
    STATUS,
    WAITING_ID,
    Status,
    is_overdue,
)
from connectors.model import MESSAGE_DTYPE, Kind, Messages, Rows, SequenceRule

#: Rows that may be held while a snapshot is awaited; at the limit all are dropped and holding starts anew, so that
#: the snapshot must be newer than what was lost.
HELD_ROWS_MAX = 1 << 18
HELD_MESSAGES_MAX = 1 << 14
#: Rows of a snapshot that may wait; the venues' largest has 10,002. A larger one is dropped.
WAITING_ROWS_MAX = 1 << 16


class Checkpoint(NamedTuple):
    """Where a book's chain stands at the end of a recording, to carry on from the next day."""

    status: int
    last_id: int
    #: The book that was followed; NO_BOOK: whichever comes first.
    book: int = NO_BOOK
    #: When the book was proven last, local time (0: not known), and whether it is emptied since for its silence.
    life_ts: int = 0
    is_silent: bool = False


class BookArguments(NamedTuple):
    """What `receive_messages` takes of one book, whose own and lasting arrays these are."""

    rule: int
    keep_bbo: bool
    marks_cover: bool
    trade_kind: int
    #: (STATE_FIELDS,) int64: STATUS and its neighbours.
    state: NDArray[np.int64]
    #: (HELD_ROWS_MAX,) and (HELD_MESSAGES_MAX,): what is held for a snapshot.
    held_rows: Rows
    held_messages: Messages
    #: (2,) int64: how many rows and messages are held.
    held: NDArray[np.int64]
    #: (WAITING_ROWS_MAX,) and (1,): the snapshot that waits for a change to join it.
    waiting_rows: Rows
    waiting: Messages


class BookSync:
    """Follows the id rule of one instrument's book. One thread."""

    def __init__(
        self,
        rule: SequenceRule,
        *,
        keep_bbo: bool = False,
        trade_kind: Kind = Kind.TRADE,
        is_ordered: bool = True,
        silence_ns: int = 0,
    ) -> None:
        """`keep_bbo` passes BBO rows on; `trade_kind` is the stream whose trades count (a recording may hold both).

        `is_ordered`: the numbers by which book and touch are ordered are the venue's own, and so prove which of them
        a change of the book contains. Without, no row is marked COVERS_BBO. `silence_ns`: for how long the book may
        be silent, in local time; 0: for ever.
        """
        self._rule = int(rule)
        self._keep_bbo = keep_bbo
        self._trade_kind = int(trade_kind)
        self._marks_cover = keep_bbo and is_ordered
        self._state = np.zeros(STATE_FIELDS, np.int64)
        self._state[FOLLOWED] = NO_BOOK
        self._state[WAITING_ID] = NOTHING_WAITS
        self._state[IS_ORDERED] = is_ordered
        self._state[SILENCE_NS] = silence_ns
        self._held_rows = np.zeros(HELD_ROWS_MAX, event_dtype)
        self._held_messages = np.zeros(HELD_MESSAGES_MAX, MESSAGE_DTYPE)
        self._held = np.zeros(2, np.int64)
        self._waiting_rows = np.zeros(WAITING_ROWS_MAX, event_dtype)
        self._waiting = np.zeros(1, MESSAGE_DTYPE)
        self._out = np.zeros(0, event_dtype)

    @property
    def status(self) -> Status:
        return Status(int(self._state[STATUS]))

    @property
    def is_synced(self) -> bool:
        """Whether the book is proven."""
        return bool(self._state[STATUS] == int(Status.SYNCED))

    @property
    def is_bridging(self) -> bool:
        """Whether a snapshot waits for the change that joins it, and nothing is known yet."""
        return bool(self._state[STATUS] == int(Status.BRIDGING))

    @property
    def last_id(self) -> int:
        """The last id that is in the book; without meaning while UNSYNCED."""
        return int(self._state[LAST_ID])

    @property
    def gap_count(self) -> int:
        """How often the chain broke."""
        return int(self._state[GAPS])

    @property
    def dropped_count(self) -> int:
        """How many changes and snapshots were dropped because they were in the book, or before any snapshot."""
        return int(self._state[DROPPED])

    @property
    def order_id(self) -> int:
        """Where the newest of book and touch stands in the venue's own order; 0 while nothing is known."""
        return int(max(self._state[BOOK_ORDER], self._state[BBO_ORDER]))

    @property
    def held_count(self) -> int:
        """Changes that are held for a snapshot."""
        return int(self._held[HELD_MESSAGES])

    @property
    def held_last_id(self) -> int:
        """The last id among the held changes; 0 without any."""
        count = self.held_count
        return int(self._held_messages[count - 1]["last_id"]) if count else 0

    @property
    def other_count(self) -> int:
        """Messages of other books of the instrument (another depth of Bybit's): they are left out."""
        return int(self._state[OTHERS])

    @property
    def checkpoint(self) -> Checkpoint:
        """Where the chain stands."""
        state = self._state
        is_silent = bool(state[IS_SILENT])
        return Checkpoint(
            int(self.status), self.last_id, int(state[FOLLOWED]), int(state[LIFE_TS]), is_silent
        )

    @property
    def life_ts(self) -> int:
        """The local time at which the book was proven last: by a change that was applied, or a snapshot."""
        return int(self._state[LIFE_TS])

    @property
    def is_silent(self) -> bool:
        """Whether the book is emptied for the strategy, since its stream has been silent for too long."""
        return bool(self._state[IS_SILENT])

    @property
    def silent_ts(self) -> int:
        """The local time at which a known book is emptied unless it is proven before, or was emptied; 0: never."""
        state = self._state
        is_emptied = self.is_silent or is_overdue(state, NEVER)
        return int(state[LIFE_TS] + state[SILENCE_NS]) if is_emptied else 0

    @property
    def silences(self) -> tuple[int, int]:
        """How often the book was silent for too long, and for how long in sum, ns, but for one that goes on."""
        return int(self._state[SILENCES]), int(self._state[SILENT_NS])

    @property
    def arguments(self) -> BookArguments:
        """What compiled code calls `receive_messages` with, in the place of `receive`; the same arrays each time."""
        return BookArguments(
            self._rule,
            self._keep_bbo,
            self._marks_cover,
            self._trade_kind,
            self._state,
            self._held_rows,
            self._held_messages,
            self._held,
            self._waiting_rows,
            self._waiting,
        )

    def doubt(self, local_ts: int) -> Rows:
        """Forgets the book, as a broken chain does, for a reason outside of it: the rows that empty both sides.

        Nothing comes out where nothing was known. What is held is dropped. Not counted as a gap.
        """
        was_synced = self.is_synced
        self._held[:] = 0
        self._state[STATUS] = Status.UNSYNCED
        self._state[WAITING_ID] = NOTHING_WAITS
        self._state[IS_SILENT] = 0
        if not was_synced:
            return self._out[:0]
        if len(self._out) < 2:
            self._out = np.zeros(2, event_dtype)
        return self._out[: clear_rows(self._state, self._out, 0, local_ts, 0)]

    def fall_silent(self) -> Rows:
        """Empties a known book for the strategy, as after `silence_ns` without a change: the rows that do so.

        For a time at which nothing is received; `receive` does the same where a message comes too late. The levels
        are kept: the next change that joins the chain makes them known again.
        """
        if not self.is_synced or self.is_silent:
            return self._out[:0]
        if len(self._out) < 2:
            self._out = np.zeros(2, event_dtype)
        return self._out[: silence_rows(self._state, self._out, 0)]

    def resume(self, checkpoint: Checkpoint) -> None:
        """Takes up the chain of an earlier recording; the caller puts that book's levels in front of the rows."""
        self._state[STATUS] = checkpoint.status
        self._state[LAST_EXCH_TS] = NEVER
        self._state[LAST_ID] = checkpoint.last_id
        self._state[FOLLOWED] = checkpoint.book
        self._state[LIFE_TS] = checkpoint.life_ts
        self._state[IS_SILENT] = checkpoint.is_silent

    def rows_max(self, rows: Rows, messages: Messages) -> int:
        """How many rows may come of decoded messages."""
        waiting = int(self._waiting[0]["row_end"]) if self._state[WAITING_ID] != NOTHING_WAITS else 0
        return len(rows) + waiting + int(self._held[HELD_ROWS]) + 5 * len(messages) + 2

    def receive(self, rows: Rows, messages: Messages, room: Rows | None = None) -> Rows:
        """The rows that may be applied, in order, for decoded messages; a view, valid until the next call.

        What was held comes out with the local time of the message that freed it, a snapshot or the change that joins
        it: nobody knew it to be good before. A touch that the book or a later touch has overtaken, by the venue's own
        ids, is dropped. Of several books of the instrument the first that snapshots is followed. For
        `connectors.book.timestamps`, rows of the book say in `ival` whether they are newer than the last touch; a
        snapshot without a venue time says there, as a positive number, the time of the first change it is known to
        precede.

        room: where to write them, `rows_max` of them at most; without, they are in memory of its own.
        """
        if room is None:
            if len(self._out) < self.rows_max(rows, messages):
                self._out = np.zeros(self.rows_max(rows, messages), event_dtype)
            room = self._out
        count = receive_messages(
            self._rule,
            self._keep_bbo,
            self._marks_cover,
            self._trade_kind,
            self._state,
            rows,
            messages,
            self._held_rows,
            self._held_messages,
            self._held,
            self._waiting_rows,
            self._waiting,
            room,
        )
        return room[:count]
