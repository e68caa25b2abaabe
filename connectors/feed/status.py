"""Statistics of an instrument's streams: status, rates, lags, silence. Pure; one thread."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from connectors.feed.lags import BUCKETS, Histogram, Rate
from connectors.feed.pipeline import Pipeline
from connectors.model import Stream

#: Streams from which the touch is derived.
BOOK_STREAMS = frozenset({Stream.DEPTH, Stream.TOUCH})


class FeedStatus(Enum):
    """Whether the touch of an instrument can be used, and if not, why."""

    DOWN = "down"
    """No connection."""
    SYNCING = "syncing"
    """Connected; the book is not in sync yet, or lost sync."""
    SYNCED = "synced"
    STALE = "stale"
    """The book was in sync, but no change arrived for too long."""
    OFF_GRID = "off grid"
    """Prices or quantities are not multiples of the configured tick and lot. Permanent."""


class StreamState(NamedTuple):
    """One stream of an instrument. Lags are local time (corrected to the venues' clock) minus venue time."""

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
    """State of one instrument, a row of the status table."""

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
    """Rate and lags of one stream."""

    def __init__(self, stream: Stream, lag_counts: NDArray[np.int64]) -> None:
        self.stream = stream
        self.rate = Rate()
        self.lags = Histogram(counts=lag_counts)
        self.is_reported = False
        #: Messages already added to the rate.
        self.rated = 0


# Columns of a monitor's counts.
MESSAGES, BYTES, LAST_NS = 0, 1, 2


class Monitor:
    """Counts the messages of one instrument's streams. Times are of the monotonic clock."""

    def __init__(self, symbol: str, streams: Sequence[Stream], now_ns: int) -> None:
        #: Written by the feed only.
        self.status = FeedStatus.DOWN
        self._symbol = symbol
        #: One row per stream, in order: messages, bytes, time of the last message (-1: none yet), and in `lag_counts`
        #: the lags of the current window. Compiled code (`connectors.feed.frame_loop`) also counts here.
        self.counts = np.zeros((len(streams), 3), np.int64)
        self.counts[:, LAST_NS] = -1
        self.lag_counts = np.zeros((len(streams), BUCKETS), np.int64)
        self._meters = [_Meter(stream, self.lag_counts[row]) for row, stream in enumerate(streams)]
        self._subscribed_ns = -1

    def subscribed(self, now_ns: int) -> None:
        """The venue has acknowledged all streams."""
        self._subscribed_ns = now_ns
        for meter in self._meters:
            meter.is_reported = False

    def count(self, row: int, size: int, exch_ts: int, local_ts: int, now_ns: int) -> None:
        """Counts a decoded message of `size` bytes in stream `row`; `local_ts` is corrected to the venues' clock."""
        self.counts[row, MESSAGES] += 1
        self.counts[row, BYTES] += size
        self.counts[row, LAST_NS] = now_ns
        if exch_ts:
            self._meters[row].lags.add(local_ts - exch_ts, now_ns)

    def look(self, now_ns: int) -> None:
        """Updates rates and windows from the counts; called periodically."""
        for meter, messages in zip(self._meters, self.counts[:, MESSAGES].tolist(), strict=True):
            meter.lags.roll(now_ns)
            if messages != meter.rated:
                meter.rate.add(now_ns, messages - meter.rated)
                meter.rated = messages

    def silent_streams(self, now_ns: int, span_ns: int) -> list[Stream]:
        """Streams acknowledged `span_ns` ago without a message since; each is returned once."""
        if self._subscribed_ns < 0 or now_ns - self._subscribed_ns < span_ns:
            return []
        last = self.counts[:, LAST_NS].tolist()
        found = [
            meter
            for meter, last_ns in zip(self._meters, last, strict=True)
            if last_ns < self._subscribed_ns and not meter.is_reported
        ]
        for meter in found:
            meter.is_reported = True
        return [meter.stream for meter in found]

    def state(self, pipeline: Pipeline, now_ns: int) -> InstrumentState:
        """The instrument's row of the status table; also updates the rates."""
        self.look(now_ns)
        streams = tuple(
            _state(meter, counts, now_ns)
            for meter, counts in zip(self._meters, self.counts.tolist(), strict=True)
        )
        book = next(s for s in streams if s.stream == Stream.DEPTH)
        ages = [s.age_ns for s in streams if s.age_ns >= 0]
        return InstrumentState(
            symbol=self._symbol,
            status=self.status,
            messages_per_s=sum(s.messages_per_s for s in streams),
            lag_ns_p50=book.lag_ns_p50,
            lag_ns_p99=book.lag_ns_p99,
            gaps=pipeline.sync.gap_count,
            bytes=sum(s.bytes for s in streams),
            age_ns=min(ages, default=-1),
            slow_frames=pipeline.loop.slow_frames,
            other_books=pipeline.sync.other_count,
            streams=streams,
        )


def _state(meter: _Meter, counts: list[int], now_ns: int) -> StreamState:
    messages, size, last_ns = counts
    return StreamState(
        stream=meter.stream,
        messages=messages,
        messages_per_s=meter.rate.per_s(now_ns),
        bytes=size,
        lag_ns_p50=meter.lags.percentile(0.5),
        lag_ns_p99=meter.lags.percentile(0.99),
        age_ns=now_ns - last_ns if last_ns >= 0 else -1,
    )
