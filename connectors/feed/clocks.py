"""Compares the venue's clock with the local one, and the local clock with the monotonic one, for a feed.

One thread; times are passed in, events are reported by a callback. The offset is shared by all feeds of a run
(`connectors.feed.clock_offset`).
"""

from __future__ import annotations

from collections.abc import Callable

from connectors.feed.clock_offset import AGREE_NS, OffsetEstimator, VenueLead
from connectors.feed.lags import ClockSample
from connectors.feed.wrong_stamps import StampWatch
from connectors.model import Stream
from connectors.net.interfaces import EventKind, Timers
from connectors.units import MILLISECOND


class FeedClock:
    """The clocks of one venue's feed."""

    def __init__(
        self,
        venue: str,
        offset: OffsetEstimator,
        timers: Timers,
        step_ns: int,
        report: Callable[[EventKind, str, int], None],
    ) -> None:
        """`step_ns`: see `FeedTimes`. `report`: called with the kind of event, its text and the local time."""
        self.offset = offset
        #: The lead of the venue's timestamps over the local clock, and the wrong timestamps.
        self.lead = VenueLead(offset)
        self.stamps = StampWatch()
        self._venue = venue
        self._timers = timers
        self._step_ns = step_ns
        self._report = report
        self._steps_seen = 0

    def start(self) -> None:
        """Registers the feed with the shared offset."""
        self.offset.begin(self.lead, self._timers)

    def sample(self, sample: ClockSample) -> None:
        """Adds a response of the venue's time endpoint."""
        self.lead.sample(sample, self._timers.monotonic_ns())

    def follow(self, stream: Stream, exch_ts: int, local_ts: int, now_ns: int) -> None:
        """Follows a frame's venue time before its rows are stamped; may change the offset or report an error."""
        ahead = exch_ts - local_ts
        self.lead.observe(ahead, now_ns)
        if ahead <= self.offset.offset_ns + AGREE_NS and self.stamps.is_calm:
            return
        self.look()  # explains the lead if the local clock was set back
        offset_ns, is_settled = self.offset.offset_ns, self.lead.is_settled(now_ns)
        for kind, text in self.stamps.follow(stream, ahead, offset_ns, now_ns, is_settled=is_settled):
            self._report(kind, text, local_ts)
        if stream in self.stamps.counts:
            self.offset.wrong_stamps[f"{self._venue} {stream.value}"] = self.stamps.counts[stream]

    def look(self) -> None:
        """Checks whether the local clock was set; the first feed of a run that detects it updates the offset."""
        self.offset.look(self._timers, self._step_ns)
        if self.offset.steps != self._steps_seen:
            self._steps_seen = self.offset.steps
            text = f"the local clock was set by {self.offset.last_step_ns / MILLISECOND:+.0f} ms"
            self._report(EventKind.CLOCK, text, self._timers.time_ns())
