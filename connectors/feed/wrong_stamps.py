"""Venue times that are ahead of what is confirmed: counted by stream, named once, and a clock that is off as a whole.

Pure; one thread. A single wrong stamp is clamped and counted. Several in a row in a stream that the book is made of
show that the venue's clock is off: its books then count as not fresh until that stream is right again.
"""

from __future__ import annotations

from typing import NamedTuple

from connectors.feed.clock_offset import AGREE_NS
from connectors.feed.status import BOOK_STREAMS
from connectors.model import Stream
from connectors.net.interfaces import EventKind

_S = 1_000_000_000
#: So many wrong stamps one after the other in a stream of the book, and the venue's clock is off.
OFF_RUN = 3
#: For so long none may be wrong until it is right again.
CALM_NS = _S
#: Wrong stamps that nothing followed in their stream are forgotten after so long: the stream may be silent.
FORGET_NS = 10 * _S


class WrongStamps(NamedTuple):
    """The wrong stamps of one stream: how many messages, and the largest lead over their receipt."""

    messages: int
    lead_ns_max: int


class _Run:
    """Wrong stamps of a stream that were not followed by right ones yet."""

    def __init__(self) -> None:
        self.length = 0
        self.last_ns = 0


class StampWatch:
    """The wrong stamps of one venue."""

    def __init__(self) -> None:
        self.counts: dict[Stream, WrongStamps] = {}
        #: Whether the venue's clock is off: its books are not fresh.
        self.is_off = False
        self._runs: dict[Stream, _Run] = {}
        #: The largest lead of each stream from before stamps could be judged.
        self._unjudged: dict[Stream, int] = {}

    @property
    def is_calm(self) -> bool:
        """Whether the last stamp of every stream was right: a right one is no news then."""
        return not self._runs and not self._unjudged

    def follow(
        self, stream: Stream, lead_ns: int, offset_ns: int, now_ns: int, *, is_settled: bool
    ) -> list[tuple[EventKind, str]]:
        """Takes the lead of a message's venue time over its local time; what is news of it.

        `is_settled`: whether the offset is known well enough to call a stamp wrong.
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
            ahead = f"its clock is {(lead_ns - offset_ns) / _S:,.1f} s ahead by its {stream.value} stream"
            news.append((EventKind.CLOCK, f"{ahead}: its books are unknown until it is right"))
        elif was_off and not self.is_off:
            news.append((EventKind.CLOCK, "its clock is right again"))
        return news

    def _judge(self, offset_ns: int) -> list[tuple[EventKind, str]]:
        """What is known to be wrong by now of the stamps from before."""
        wrong = {stream: lead - offset_ns for stream, lead in self._unjudged.items()}
        self._unjudged.clear()
        return [n for s, ahead in wrong.items() if ahead > AGREE_NS for n in self._count(s, ahead)]

    def _count(self, stream: Stream, ahead_ns: int) -> list[tuple[EventKind, str]]:
        known = self.counts.get(stream)
        if known is not None:
            self.counts[stream] = WrongStamps(known.messages + 1, max(known.lead_ns_max, ahead_ns))
            return []
        self.counts[stream] = WrongStamps(1, ahead_ns)
        ahead = (
            f"a message of its {stream.value} stream is stamped {ahead_ns / _S:,.1f} s ahead of its receipt"
        )
        return [(EventKind.STAMP, f"{ahead}: not believed, and counted from here on")]
