"""Compares a venue's clock with the local one, and the local clock with the monotonic one, for a feed.

One thread; times are passed in, events are reported by a callback. No socket of its own. The offset is shared by all
feeds of a run (`connectors.feed.clock_offset`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from connectors.errors import DecodeError
from connectors.feed.clock_offset import AGREE_NS, OffsetEstimator, VenueLead
from connectors.feed.lags import ClockSample, clock_sample
from connectors.feed.status import BOOK_STREAMS
from connectors.model import Stream, Venue
from connectors.net.interfaces import EventKind, Rest, RestAnswer, Timers
from connectors.net.rate_limit import Limiter
from connectors.units import MILLISECOND, SECOND

#: Consecutive wrong timestamps in a stream of the book after which the venue's clock counts as wrong.
OFF_RUN = 3
#: Time without a wrong timestamp after which it counts as right again.
CALM_NS = SECOND
#: Wrong timestamps without a later message of their stream expire after this: the stream may be silent.
FORGET_NS = 10 * SECOND

#: Number of requests at the start, and their interval: a single response may be wrong.
FIRST_ASKS = 3
FIRST_NS = SECOND
#: Delay until the next request if the first ones were not answered.
RETRY_NS = 30 * SECOND


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


class WrongStamps(NamedTuple):
    """The wrong timestamps of one stream: number of messages, and the largest lead over the corrected receive time."""

    messages: int
    lead_ns_max: int


class _Run(NamedTuple):
    """Wrong timestamps of a stream since its last right one."""

    length: int = 0
    last_ns: int = 0


class StampWatch:
    """Detects venue times ahead of the confirmed offset: counts them by stream, reports each stream once.

    A single wrong timestamp is clamped and counted. Several in a row in a stream of the book show that the venue's
    clock is wrong: its books are then unknown until that stream is right again.
    """

    def __init__(self) -> None:
        self.counts: dict[Stream, WrongStamps] = {}
        #: Whether the venue's clock is wrong: its books are unknown.
        self.is_off = False
        self._runs: dict[Stream, _Run] = {}
        #: The largest lead of each stream while the offset was not settled.
        self._unjudged: dict[Stream, int] = {}

    @property
    def is_calm(self) -> bool:
        """Whether no wrong timestamp is pending; a right one then changes nothing."""
        return not self._runs and not self._unjudged

    def follow(
        self, stream: Stream, lead_ns: int, offset_ns: int, now_ns: int, *, is_settled: bool
    ) -> list[tuple[EventKind, str]]:
        """Adds the lead of a message's venue time over its local time; returns events to report.

        `is_settled`: whether the offset is known well enough to call a timestamp wrong.
        """
        if not is_settled:
            if lead_ns > offset_ns + AGREE_NS:
                self._unjudged[stream] = max(lead_ns, self._unjudged.get(stream, lead_ns))
            return []
        news = self._judge(offset_ns)
        if lead_ns > offset_ns + AGREE_NS:
            news += self._count(stream, lead_ns - offset_ns)
            self._runs[stream] = _Run(self._runs.get(stream, _Run()).length + 1, now_ns)
        else:
            calm_ns = CALM_NS if self.is_off else 0
            self._runs = {
                of: run
                for of, run in self._runs.items()
                if now_ns - run.last_ns < (calm_ns if of == stream else FORGET_NS)
            }
        was_off = self.is_off
        self.is_off = any(run.length >= OFF_RUN for of, run in self._runs.items() if of in BOOK_STREAMS)
        if self.is_off and not was_off:
            ahead = f"its clock is {(lead_ns - offset_ns) / SECOND:,.1f} s ahead by its {stream.value} stream"
            news.append((EventKind.CLOCK, f"{ahead}: its books are unknown until it is right"))
        elif was_off and not self.is_off:
            news.append((EventKind.CLOCK, "its clock is right again"))
        return news

    def _judge(self, offset_ns: int) -> list[tuple[EventKind, str]]:
        """Counts the leads from before the offset was settled that are now known to be wrong."""
        wrong = {stream: lead - offset_ns for stream, lead in self._unjudged.items()}
        self._unjudged.clear()
        return [n for s, ahead in wrong.items() if ahead > AGREE_NS for n in self._count(s, ahead)]

    def _count(self, stream: Stream, ahead_ns: int) -> list[tuple[EventKind, str]]:
        known = self.counts.get(stream)
        if known is not None:
            self.counts[stream] = WrongStamps(known.messages + 1, max(known.lead_ns_max, ahead_ns))
            return []
        self.counts[stream] = WrongStamps(1, ahead_ns)
        ahead = f"a message of its {stream.value} stream is stamped {ahead_ns / SECOND:,.1f} s ahead of its receipt"
        return [(EventKind.STAMP, f"{ahead}: not believed, and counted from here on")]


class VenueTime:
    """Requests one venue's time periodically and reports clock samples."""

    def __init__(
        self,
        venue: Venue,
        rest: Rest,
        weights: Limiter,
        every_ns: int,
        on_sample: Callable[[ClockSample], None],
    ) -> None:
        """`weights`: the venue's request limit, shared with its other users; `every_ns` 0: no requests."""
        self._venue = venue
        self._rest = rest
        self._weights = weights
        self._every_ns = every_ns
        self._on_sample = on_sample
        self._due_ns = 0
        self._asks = self._answers = 0

    def look(self, now_ns: int) -> None:
        """Sends a request if one is due and the venue's limit allows it."""
        if not self._every_ns or now_ns < self._due_ns:
            return
        request = self._venue.time_request()
        self._due_ns = now_ns + self._every_ns
        if self._weights.delay_ns(now_ns, request.weight) == 0:
            self._asks += 1
            if self._answers + 1 < FIRST_ASKS:
                soon = FIRST_NS if self._asks < FIRST_ASKS else RETRY_NS
                self._due_ns = now_ns + min(soon, self._every_ns)
            self._weights.take(now_ns, request.weight)
            self._rest.get(request, self._receive)

    def _receive(self, answer: RestAnswer) -> None:
        if answer.status != 200:
            return
        try:
            venue_ts = self._venue.time_of(answer.body)
        except DecodeError:
            return
        self._answers += 1
        self._on_sample(clock_sample(answer.sent_ts, venue_ts, answer.local_ts))
