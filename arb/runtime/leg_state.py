"""What a session on live data knows of one leg. Pure; the session's thread."""

from __future__ import annotations

from typing import NamedTuple

from arb.data.funding import FundingSpans
from arb.data.outages import BookOutages, OutageFinder
from arb.leg import Leg
from arb.runtime.health_events import AgeWatch
from arb.runtime.latencies import FeedLags
from arb.runtime.replay_marks import LegMarks
from arb.runtime.snapshot import LegSnapshot

_S = 1_000_000_000
#: A latency is one of the last second until this time after it: there is at most one sample a second.
_LAG_NS = 2 * _S


class FeedCounts(NamedTuple):
    """Of a leg since the start. lag_ns: of a row of the last second, from the venue's time to receipt; None: none."""

    frames: int
    gaps: int
    lag_ns: int | None


class LegState:
    """Running state of a leg."""

    def __init__(self, leg_no: int, leg: Leg) -> None:
        self.leg = leg
        self.marks = LegMarks(leg_no)
        self.outages = OutageFinder()
        self.funding = FundingSpans()
        self.first_ts = self.last_ts = 0
        #: Of rows with data: the feed itself makes those that only empty a book.
        self.data_ts = 0
        self.gaps = 0
        #: Why its values are not on the configured tick and lot, "" where they are.
        self.off_grid = ""
        self.lags = FeedLags()
        self.age = AgeWatch()

    def counts(self, now: int) -> FeedCounts:
        """Its feed so far."""
        last = self.lags.samples[-1:]
        lag_ns = last[0][1] if last and now - last[0][0] < _LAG_NS else None
        return FeedCounts(self.marks.frames, self.gaps, lag_ns)

    @property
    def book(self) -> BookOutages:
        """When the book has been known so far."""
        return self.outages.until(self.last_ts)

    def snapshot(self, first_lag: int) -> LegSnapshot:
        """The leg so far; latency samples only from this number on."""
        marks = self.marks
        return LegSnapshot(
            frames=marks.frames,
            rows=marks.rows,
            checksum=marks.checksum,
            gaps=self.gaps,
            book=self.book,
            lags=self.lags.samples[first_lag:],
            off_grid=self.off_grid,
            funding=self.funding.spans,
        )
