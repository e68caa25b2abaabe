"""One instrument of a feed: its pipeline, its counts, its session. One thread."""

from __future__ import annotations

from connectors.feed.pipeline import Pipeline
from connectors.feed.silence import SilenceWatch
from connectors.feed.status import Monitor
from connectors.net.session import Session


class FeedBook:
    """State of one book in a feed; written by the feed only."""

    def __init__(self, no: int, pipeline: Pipeline, monitor: Monitor) -> None:
        self.no = no
        self.pipeline = pipeline
        self.loop = pipeline.loop
        self.monitor = monitor
        #: The session of its depth stream.
        self.session: Session | None = None
        #: Set by the feed, once.
        self.silence: SilenceWatch
        #: How often the book was invalidated.
        self.doubts = 0
        #: Topics that the venue refuses, with its reason.
        self.refused: dict[str, str] = {}
