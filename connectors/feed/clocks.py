"""What a feed does about clocks: its venue's against the local one, and the local one against a clock that never steps.

One thread; times and events are handed in and out. The offset is shared by all feeds of a run
(`connectors.feed.clock_offset`).
"""

from __future__ import annotations

from collections.abc import Callable

from connectors.feed.clock_offset import AGREE_NS, OffsetEstimator, VenueLead
from connectors.feed.lags import ClockSample
from connectors.feed.wrong_stamps import StampWatch
from connectors.model import Stream
from connectors.net.interfaces import EventKind, Timers


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
        """`step_ns`: see `FeedTimes`. `report`: called with what happened, its text and the local time."""
        self.offset = offset
        #: What the venue's stamps say of the local clock, and which of them are wrong.
        self.lead = VenueLead(offset)
        self.stamps = StampWatch()
        self._venue = venue
        self._timers = timers
        self._step_ns = step_ns
        self._report = report
        self._steps_seen = 0

    def start(self) -> None:
        """The feed begins."""
        self.offset.begin(self.lead, self._timers)

    def sample(self, sample: ClockSample) -> None:
        """The venue's own answer about its time."""
        self.lead.sample(sample, self._timers.monotonic_ns())

    def follow(self, stream: Stream, exch_ts: int, local_ts: int, now_ns: int) -> None:
        """The venue time of a frame, before its rows are stamped: may move the offset, or be wrong."""
        ahead = exch_ts - local_ts
        self.lead.observe(ahead, now_ns)
        if ahead <= self.offset.offset_ns + AGREE_NS and self.stamps.is_calm:
            return
        self.look()  # which explains it, where the local clock was set back
        offset_ns, is_settled = self.offset.offset_ns, self.lead.is_settled(now_ns)
        for kind, text in self.stamps.follow(stream, ahead, offset_ns, now_ns, is_settled=is_settled):
            self._report(kind, text, local_ts)
        if stream in self.stamps.counts:
            self.offset.wrong_stamps[f"{self._venue} {stream.value}"] = self.stamps.counts[stream]

    def look(self) -> None:
        """Whether the local clock was set; the first feed of a run that notices moves the offset."""
        self.offset.look(self._timers, self._step_ns)
        if self.offset.steps != self._steps_seen:
            self._steps_seen = self.offset.steps
            text = f"the local clock was set by {self.offset.last_step_ns / 1e6:+.0f} ms"
            self._report(EventKind.CLOCK, text, self._timers.time_ns())
