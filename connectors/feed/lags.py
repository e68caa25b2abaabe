"""Statistics of live streams: lag histograms, message rates, clock samples. Bounded memory; time is passed in. Pure."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from connectors.jit.compilation import compiled
from connectors.units import MICROSECOND, SECOND

#: Buckets of a histogram: 8 per doubling, from 1 microsecond; the relative error is 1/8 at most.
_SUB_BITS = 3
_UNIT_NS = MICROSECOND
BUCKETS = 36 << _SUB_BITS


class ClockSample(NamedTuple):
    """The venue's clock minus ours, and the maximum error."""

    skew_ns: int
    error_ns: int


def clock_sample(sent_ts: int, venue_ts: int, received_ts: int) -> ClockSample:
    """Clock sample of a time response, which was written at some moment between sending and receipt."""
    error = max(0, received_ts - sent_ts) // 2
    return ClockSample(venue_ts - sent_ts - error, error)


class Histogram:
    """Histogram of durations with buckets an eighth of their value wide. Covers the last one to two `window_ns`."""

    def __init__(self, window_ns: int = 60 * SECOND, counts: NDArray[np.int64] | None = None) -> None:
        """`counts`: (BUCKETS,) zeros to count in. Compiled code may add to it too (`bucket_of`), after `roll`."""
        self._window_ns = window_ns
        self._now = np.zeros(BUCKETS, np.int64) if counts is None else counts
        self._before = np.zeros(BUCKETS, np.int64)
        self._since = 0

    def add(self, span_ns: int, now_ns: int) -> None:
        """Counts a duration, a negative one as zero. `now_ns` must not decrease."""
        self.roll(now_ns)
        self._now[bucket_of(span_ns)] += 1

    def roll(self, now_ns: int) -> None:
        """Starts the next window if it is due."""
        if now_ns - self._since >= self._window_ns:
            is_next = now_ns - self._since < 2 * self._window_ns
            self._before[:] = self._now if is_next else 0
            self._now[:] = 0
            self._since = now_ns

    @property
    def count(self) -> int:
        return int(self._now.sum() + self._before.sum())

    def percentile(self, share: float) -> float:
        """The duration in ns that a `share` (0 to 1) does not exceed, rounded up to a bucket; NaN if none."""
        total = self.count
        if total == 0:
            return float("nan")
        reached = np.cumsum(self._now + self._before) >= share * total
        return float(_upper(int(np.argmax(reached))))


@compiled
def bucket_of(span_ns):
    """Index of a duration's bucket."""
    units = max(0, span_ns) // _UNIT_NS
    shift = 0
    while units >> shift >= 2 << _SUB_BITS:
        shift += 1
    if units < 1 << _SUB_BITS:
        return units
    return min(BUCKETS - 1, ((shift + 1) << _SUB_BITS) + (units >> shift) - (1 << _SUB_BITS))


def _upper(bucket: int) -> int:
    if bucket < 1 << _SUB_BITS:
        return (bucket + 1) * _UNIT_NS
    shift = (bucket >> _SUB_BITS) - 1
    return ((bucket & ((1 << _SUB_BITS) - 1)) + (1 << _SUB_BITS) + 1 << shift) * _UNIT_NS


class Rate:
    """Counts per second over the last complete window; during the first, over its elapsed part. One thread."""

    def __init__(self, window_ns: int = 10 * SECOND) -> None:
        self._window_ns = window_ns
        self._since = -1
        self._count = 0
        self._per_s = -1.0

    def add(self, now_ns: int, count: int = 1) -> None:
        """Adds `count`; `now_ns` must not decrease."""
        self._roll(now_ns)
        self._count += count

    def per_s(self, now_ns: int) -> float:
        """Counts per second."""
        self._roll(now_ns)
        if self._per_s >= 0.0:
            return self._per_s
        return self._count * SECOND / max(now_ns - self._since, SECOND)

    def _roll(self, now_ns: int) -> None:
        if self._since < 0:
            self._since = now_ns
        span = now_ns - self._since
        if span >= self._window_ns:
            self._per_s = self._count * SECOND / span if span < 2 * self._window_ns else 0.0
            self._count = 0
            self._since = now_ns
