"""Keeps one book in sync: decides by the venue's id rule which rows may be applied.

`BookSync` applies the rule (`connectors.book.sequence`) to one instrument: it holds changes until a snapshot arrives,
and a snapshot until a change joins it, drops changes that the snapshot contains, and on a broken chain emits two
DEPTH_CLEAR rows of NaN price, so that a gap is visible in the data and the touch is NaN until the book is in sync
again. If a stream is silent for too long, only the strategy's book is emptied (docs/decisions/0010). Recordings and
live feeds share this code. No socket, no clock; the caller's thread.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from hftbacktest.types import event_dtype
from numpy.typing import NDArray

from connectors.book.rows import BOOK_ROW, book_rows, clear_rows, receive_messages, silence_rows
from connectors.book.sequence import NEVER, NO_BOOK, NOTHING_WAITS, STATE, Status, drop_held, is_overdue
from connectors.model import MESSAGE_DTYPE, Kind, Messages, Rows, SequenceRule

#: Most rows held while waiting for a snapshot; at the limit all are dropped and holding starts again, so that the
#: snapshot must be newer than the dropped rows.
HELD_ROWS_MAX = 1 << 18
HELD_MESSAGES_MAX = 1 << 14
#: Most rows of a waiting snapshot; the venues' largest has 10,002. A larger one is dropped.
WAITING_ROWS_MAX = 1 << 16


class Checkpoint(NamedTuple):
    """State of a book's chain at the end of a recording, to resume with the next one."""

    status: int
    last_id: int
    #: The followed book; NO_BOOK: the first one received.
    book: int = NO_BOOK
    #: Local time of the last applied message (0: not known), and whether the book is emptied since, after a silence.
    life_ts: int = 0
    is_silent: bool = False


class BookArguments(NamedTuple):
    """The arguments of `receive_messages` that belong to one book, in its order; the arrays are never replaced."""

    rule: int
    keep_bbo: bool
    marks_cover: bool
    trade_kind: int
    #: (1,) `connectors.book.sequence.STATE`.
    states: NDArray[np.void]
    #: (HELD_ROWS_MAX,) BOOK_ROW and (HELD_MESSAGES_MAX,): changes held for a snapshot.
    held_rows: Rows
    held_messages: Messages
    #: (WAITING_ROWS_MAX,) BOOK_ROW and (1,): the snapshot that waits for a change to join it.
    waiting_rows: Rows
    waiting: Messages


class BookSync:
    """Applies the id rule to one instrument's book. One thread."""

    def __init__(
        self,
        rule: SequenceRule,
        *,
        keep_bbo: bool = False,
        trade_kind: Kind = Kind.TRADE,
        is_ordered: bool = True,
        silence_ns: int = 0,
    ) -> None:
        """`keep_bbo`: emit BBO rows; `trade_kind`: the stream whose trades are emitted (a recording may hold both).

        `is_ordered`: the order ids of book and touch are the venue's, and so show which touches a change of the book
        includes; otherwise no row is marked COVERS_BBO. `silence_ns`: how long the book may be silent, in local time;
        0: no limit.
        """
        states = np.zeros(1, STATE)
        self._state = states[0]
        self._state["followed"] = NO_BOOK
        self._state["waiting_id"] = NOTHING_WAITS
        self._state["is_ordered"] = is_ordered
        self._state["silence_ns"] = silence_ns
        #: With these, compiled code calls `receive_messages` instead of `receive`; always the same arrays.
        self.arguments = BookArguments(
            rule=int(rule),
            keep_bbo=keep_bbo,
            marks_cover=keep_bbo and is_ordered,
            trade_kind=int(trade_kind),
            states=states,
            held_rows=np.zeros(HELD_ROWS_MAX, BOOK_ROW),
            held_messages=np.zeros(HELD_MESSAGES_MAX, MESSAGE_DTYPE),
            waiting_rows=np.zeros(WAITING_ROWS_MAX, BOOK_ROW),
            waiting=np.zeros(1, MESSAGE_DTYPE),
        )
        self._out = np.zeros(2, event_dtype)

    @property
    def status(self) -> Status:
        return Status(int(self._state["status"]))

    @property
    def is_synced(self) -> bool:
        """Whether the book is in sync."""
        return bool(self._state["status"] == int(Status.SYNCED))

    @property
    def is_bridging(self) -> bool:
        """Whether the book is unknown and a snapshot waits for the change that joins it."""
        return bool(self._state["status"] == int(Status.BRIDGING))

    @property
    def last_id(self) -> int:
        """The last id in the book; meaningless while UNSYNCED."""
        return int(self._state["last_id"])

    @property
    def gap_count(self) -> int:
        """How often the chain broke."""
        return int(self._state["gaps"])

    @property
    def dropped_count(self) -> int:
        """Messages dropped because the book already contained them or they could not be joined."""
        return int(self._state["dropped"])

    @property
    def order_id(self) -> int:
        """The newest order id of book and touch; 0 while nothing is known."""
        return int(max(self._state["book_order"], self._state["bbo_order"]))

    @property
    def held_count(self) -> int:
        """Changes that are held for a snapshot."""
        return int(self._state["held_count"])

    @property
    def other_count(self) -> int:
        """Messages of other books of the instrument (Bybit: another depth), which are ignored."""
        return int(self._state["others"])

    @property
    def checkpoint(self) -> Checkpoint:
        """The state of the chain, to resume it later."""
        state = self._state
        is_silent = bool(state["is_silent"])
        return Checkpoint(
            int(self.status), self.last_id, int(state["followed"]), int(state["life_ts"]), is_silent
        )

    @property
    def life_ts(self) -> int:
        """The local time of the last applied change or snapshot."""
        return int(self._state["life_ts"])

    @property
    def is_silent(self) -> bool:
        """Whether the book is emptied for the strategy because its stream is silent."""
        return bool(self._state["is_silent"])

    @property
    def silent_ts(self) -> int:
        """The local time at which a book in sync is emptied if no change is applied; 0: never, or done already."""
        state = self._state
        is_emptied = self.is_silent or is_overdue(state, NEVER)
        return int(state["life_ts"] + state["silence_ns"]) if is_emptied else 0

    @property
    def silences(self) -> tuple[int, int]:
        """Number of silences and their total duration in ns, without one that still lasts."""
        return int(self._state["silences"]), int(self._state["silent_ns"])

    def doubt(self, local_ts: int) -> Rows:
        """Clears the book like a broken chain, for an external reason; returns the rows that empty both sides.

        Returns no rows if the book was unknown. Drops held changes. Not counted as a gap.
        """
        was_synced = self.is_synced
        drop_held(self._state)
        self._state["status"] = Status.UNSYNCED
        self._state["waiting_id"] = NOTHING_WAITS
        self._state["is_silent"] = 0
        if not was_synced:
            return self._out[:0]
        return self._out[: clear_rows(self._state, book_rows(self._out), 0, local_ts, 0)]

    def fall_silent(self) -> Rows:
        """Empties a book in sync for the strategy, as after `silence_ns` without a change; returns the rows.

        For use when nothing is received; `receive` does the same if a message arrives too late. The levels are kept,
        and the next change that continues the chain restores them.
        """
        if not self.is_synced or self.is_silent:
            return self._out[:0]
        return self._out[: silence_rows(self._state, book_rows(self._out), 0)]

    def resume(self, checkpoint: Checkpoint) -> None:
        """Resumes the chain of an earlier recording; the caller emits that book's levels before the first rows."""
        self._state["status"] = checkpoint.status
        self._state["last_exch_ts"] = NEVER
        self._state["last_id"] = checkpoint.last_id
        self._state["followed"] = checkpoint.book
        self._state["life_ts"] = checkpoint.life_ts
        self._state["is_silent"] = checkpoint.is_silent

    def rows_max(self, rows: Rows, messages: Messages) -> int:
        """Most rows that decoded messages may emit."""
        is_waiting = self._state["waiting_id"] != NOTHING_WAITS
        waiting = int(self.arguments.waiting[0]["row_end"]) if is_waiting else 0
        return len(rows) + waiting + int(self._state["held_row_count"]) + 5 * len(messages) + 2

    def receive(self, rows: Rows, messages: Messages, room: Rows | None = None) -> Rows:
        """Returns the rows of decoded messages that may be applied, in order; a view, valid until the next call.

        Held rows are emitted with the local time of the message that released them (a snapshot or the change that joins
        it), since they were not known to be valid before. A touch older than the book or than a later touch, by the
        venue's ids, is dropped. Of several books of the instrument, the first one with a snapshot is followed. As
        BOOK_ROW, the rows say for `connectors.book.timestamps` whether they are newer than the last touch (`mark`), and
        in a snapshot without a venue time the time of the first change after it (`before_ts`).

        room: array to write to, with `rows_max` rows; without it, own memory is used.
        """
        if room is None:
            if len(self._out) < self.rows_max(rows, messages):
                self._out = np.zeros(self.rows_max(rows, messages), event_dtype)
            room = self._out
        return room[: receive_messages(book_rows(rows), messages, book_rows(room), *self.arguments)]
