"""What a live session has received so far, per leg and in total: for its entries, and for its folder at the end."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from arb.data.funding import FundingSpan
from arb.data.outages import BookOutages

#: Of `Snapshot.halted`: the session was stopped, and balanced its pairs before it ended as it should.
STOP = 2


class LegSnapshot(msgspec.Struct, frozen=True):
    """One leg: its frames, its rows and their checksum. lags: (time of receipt, latency) of its feed in ns, one sample
    per second."""

    frames: int
    rows: int
    checksum: int
    gaps: int
    book: BookOutages
    lags: list[tuple[int, int]]
    #: Why its values are not on the configured tick and lot, "" where they are; the book is unknown from then on.
    off_grid: str = ""
    #: The funding times that its data name, in venue time.
    funding: tuple[FundingSpan, ...] = ()


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A session. In one that follows others, marks and lags are those since the one before."""

    #: The latest time that the strategy's clock can have reached.
    end_ts: int
    legs: list[LegSnapshot]
    #: Of dtype `arb.runtime.replay_marks.MARK`.
    marks: bytes
    #: Frames that could not be recorded, of dtype `arb.runtime.replay_marks.LOSS`.
    losses: bytes = b""
    #: Rows that were too late for the venues' side, and when the first arrived; 0 if none was.
    late: int
    late_since: int
    #: Number of events by kind.
    events: dict[str, int]
    #: By venue and stream: messages with rejected venue times, and their largest lead in ns.
    wrong_stamps: dict[str, tuple[int, int]] = {}
    #: When the session was halted, and how: 0, its pairs were balanced; 1, its positions were closed; STOP; (0, 0):
    #: never.
    halted: tuple[int, int] = (0, 0)
    #: What venues held then beyond the bot's positions, by leg; empty: nothing.
    unbooked: list[float] = []

    @property
    def sums(self) -> Any:
        """By leg: frames, rows, and the rows' checksum."""
        rows = [(leg.frames, leg.rows, leg.checksum) for leg in self.legs]
        return np.array(rows, np.int64).reshape(-1, 3)
