"""One instrument of a feed: its pipeline, its counts, and pending timers of its book. One thread."""

from __future__ import annotations

from connectors.feed.pipeline import Pipeline
from connectors.feed.silence import SilenceWatch
from connectors.feed.status import Monitor
from connectors.net.backoff import Pace
from connectors.net.interfaces import Timer
from connectors.net.session import Session


class FeedBook:
    """State of one book in a feed; written by the feed only."""

    def __init__(
        self, no: int, pipeline: Pipeline, monitor: Monitor, openings: list[bytes], pace: Pace
    ) -> None:
        self.no = no
        self.pipeline = pipeline
        self.monitor = monitor
        self.runs = pipeline.expect_runs(openings, monitor.counts, monitor.lag_counts)
        #: Pace of new subscriptions, where a subscription begins with the book.
        self.pace = pace
        self.session: Session | None = None
        self.timer: Timer | None = None
        #: Set by the feed, once.
        self.silence: SilenceWatch
        #: How often the book was invalidated.
        self.doubts = 0
        #: Topics that the venue refuses, with its reason.
        self.refused: dict[str, str] = {}

    def cancel(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
