"""Detects venue times ahead of the confirmed offset: counts them by stream, reports each stream once.

Pure; one thread. A single wrong timestamp is clamped and counted. Several in a row in a stream of the book show that
the venue's clock is wrong: its books are then unknown until that stream is right again.
"""

from __future__ import annotations

from typing import NamedTuple

from connectors.feed.clock_offset import AGREE_NS
from connectors.feed.status import BOOK_STREAMS
from connectors.model import Stream
from connectors.net.interfaces import EventKind
from connectors.units import SECOND

#: Consecutive wrong timestamps in a stream of the book after which the venue's clock counts as wrong.
OFF_RUN = 3
#: Time without a wrong timestamp after which it counts as right again.
CALM_NS = SECOND
#: Wrong timestamps without a later message of their stream expire after this: the stream may be silent.
FORGET_NS = 10 * SECOND


class WrongStamps(NamedTuple):
    """The wrong timestamps of one stream: number of messages, and the largest lead over the corrected receive time."""

    messages: int
    lead_ns_max: int


class _Run:
    """Wrong timestamps of a stream since its last right one."""

    def __init__(self) -> None:
        self.length = 0
        self.last_ns = 0


class StampWatch:
    """Watches the timestamps of one venue."""

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
            run = self._runs.setdefault(stream, _Run())
            run.length, run.last_ns = run.length + 1, now_ns
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
