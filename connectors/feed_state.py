"""What is known of an instrument's streams beside their content: status, rates, lags, silence. Pure; one thread."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from connectors.lag import BUCKETS, Histogram, Rate
from connectors.pipeline import Pipeline
from connectors.types import Stream

#: Streams whose content the touch is made of.
BOOK_STREAMS = frozenset({Stream.DEPTH, Stream.TOUCH})


class FeedStatus(Enum):
    """What the touch of an instrument is worth."""

    DOWN = "down"
    """No connection."""
    SYNCING = "syncing"
    """Connected; the book is not proven (yet, or again)."""
    SYNCED = "synced"
    STALE = "stale"
    """The book was proven, and nothing was heard of it for too long."""


class StreamState(NamedTuple):
    """One stream of an instrument. Lags are local time (on the venues' clock) minus venue time."""

    stream: Stream
    messages: int
    messages_per_s: float
    bytes: int
    lag_ns_p50: float
    """NaN for a stream without venue times."""
    lag_ns_p99: float
    age_ns: int
    """Since the last message; -1 before the first."""


class InstrumentState(NamedTuple):
    """One line of a table."""

    symbol: str
    status: FeedStatus
    messages_per_s: float
    lag_ns_p50: float
    """Of the book's stream."""
    lag_ns_p99: float
    gaps: int
    bytes: int
    age_ns: int
    slow_frames: int
    other_books: int
    streams: tuple[StreamState, ...]


class _Meter:
    """What is counted of one stream."""

    def __init__(self, lag_counts: NDArray[np.int64]) -> None:
        self.messages = 0
        self.bytes = 0
        self.last_ns = -1
        self.rate = Rate()
        self.lags = Histogram(counts=lag_counts)
        self.is_reported = False


class Monitor:
    """Counts what one instrument's streams bring. Times are of the monotonic clock."""

    def __init__(self, symbol: str, streams: Sequence[Stream], now_ns: int) -> None:
        #: Written by the feed only.
        self.status = FeedStatus.DOWN
        self._symbol = symbol
        #: Lags of the present window, a row a stream in the order of `streams`; for compiled code, after `begin_run`.
        self.lag_counts = np.zeros((len(streams), BUCKETS), np.int64)
        self._meters = {stream: _Meter(self.lag_counts[row]) for row, stream in enumerate(streams)}
        self._subscribed_ns = -1
        self._book_ns = now_ns
        #: When the first of the histograms begins its next window.
        self._roll_ns = now_ns

    def subscribed(self, now_ns: int) -> None:
        """The venue has acknowledged all streams."""
        self._subscribed_ns = now_ns
        for meter in self._meters.values():
            meter.is_reported = False

    def count(self, stream: Stream, size: int, exch_ts: int, local_ts: int, now_ns: int) -> None:
        """A message of `size` bytes that was understood; `local_ts` is on the venues' clock."""
        meter = self._meters[stream]
        meter.messages += 1
        meter.bytes += size
        meter.last_ns = now_ns
        meter.rate.add(now_ns)
        if exch_ts:
            meter.lags.add(local_ts - exch_ts, now_ns)
        if stream == Stream.DEPTH:
            self._book_ns = now_ns

    def begin_run(self, now_ns: int) -> None:
        """Before several messages are counted in `lag_counts`."""
        if now_ns >= self._roll_ns:
            for meter in self._meters.values():
                meter.lags.roll(now_ns)
            self._roll_ns = min(meter.lags.next_ns for meter in self._meters.values())

    def end_run(self, tallies: list[list[int]], now_ns: int) -> None:
        """Counts several messages whose lags are counted; `tallies`: messages and bytes of each stream."""
        for (stream, meter), (messages, size) in zip(self._meters.items(), tallies, strict=True):
            if messages:
                meter.messages += messages
                meter.bytes += size
                meter.last_ns = now_ns
                meter.rate.add(now_ns, messages)
                if stream == Stream.DEPTH:
                    self._book_ns = now_ns

    def silence_ns(self, now_ns: int) -> int:
        """How long the book's stream has said nothing."""
        return now_ns - self._book_ns

    def silent_streams(self, now_ns: int, span_ns: int) -> list[Stream]:
        """Streams that were acknowledged `span_ns` ago and have said nothing; each once."""
        if self._subscribed_ns < 0 or now_ns - self._subscribed_ns < span_ns:
            return []
        found = [s for s, m in self._meters.items() if m.last_ns < self._subscribed_ns and not m.is_reported]
        for stream in found:
            self._meters[stream].is_reported = True
        return found

    def state(self, pipeline: Pipeline, now_ns: int) -> InstrumentState:
        """The line of a table."""
        streams = tuple(self._stream(stream, meter, now_ns) for stream, meter in self._meters.items())
        book = next(s for s in streams if s.stream == Stream.DEPTH)
        ages = [s.age_ns for s in streams if s.age_ns >= 0]
        return InstrumentState(
            symbol=self._symbol,
            status=self.status,
            messages_per_s=sum(s.messages_per_s for s in streams),
            lag_ns_p50=book.lag_ns_p50,
            lag_ns_p99=book.lag_ns_p99,
            gaps=pipeline.gap_count,
            bytes=sum(s.bytes for s in streams),
            age_ns=min(ages, default=-1),
            slow_frames=pipeline.slow_frames,
            other_books=pipeline.other_count,
            streams=streams,
        )

    def _stream(self, stream: Stream, meter: _Meter, now_ns: int) -> StreamState:
        return StreamState(
            stream=stream,
            messages=meter.messages,
            messages_per_s=meter.rate.per_s(now_ns),
            bytes=meter.bytes,
            lag_ns_p50=meter.lags.percentile(0.5),
            lag_ns_p99=meter.lags.percentile(0.99),
            age_ns=now_ns - meter.last_ns if meter.last_ns >= 0 else -1,
        )
