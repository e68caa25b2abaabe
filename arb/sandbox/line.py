"""Simulates how frames reach a recorder: one connection per instrument with latency, and the recorder's clock.

A connection keeps the order, so a late frame delays those after it. The REST response uses another connection and is
inserted at its arrival time. Pure; one thread.
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_right
from collections.abc import Iterable
from operator import attrgetter

from numpy.random import Generator

from arb.sandbox.streams import Frame
from connectors.units import MILLISECOND

#: Least time between the timestamps of two frames of one read.
_READ_NS = 400
_SPIKE_CHANCE = 0.001
_SPIKE_MS = 25.0


class Line:
    """One instrument's connection."""

    def __init__(self, chance: Generator, latency_ms: float, clock_offset_ns: int) -> None:
        """`latency_ms` is the median; `clock_offset_ns` is the recorder's clock minus the venues'."""
        self._chance = chance
        self._latency_ns = latency_ms * MILLISECOND
        self._offset_ns = clock_offset_ns
        self._last_arrival = 0
        #: Frames with a send time after the market's current time.
        self._sent: list[Frame] = []
        #: Delivered frames with the recorder's time, which an earlier one may still precede.
        self._arrived: list[tuple[int, str]] = []

    def carry(self, frames: Iterable[Frame], now_ns: int) -> list[tuple[int, str]]:
        """Adds frames and returns those that have arrived by `now_ns`, in order, as (recorder's time, text).

        Every frame sent before `now_ns` must have been added by then.
        """
        self._sent += frames
        self._sent.sort()
        count = bisect_right(self._sent, now_ns, key=attrgetter("send_ns"))
        for frame in self._sent[:count]:
            arrival = frame.send_ns + self._latency()
            read_gap = _READ_NS + int(800 * self._chance.random())
            self._last_arrival = max(self._last_arrival + read_gap, arrival)
            heapq.heappush(self._arrived, (self._last_arrival + self._offset_ns, frame.text))
        del self._sent[:count]
        arrived = []
        while self._arrived and self._arrived[0][0] - self._offset_ns <= now_ns:
            arrived.append(heapq.heappop(self._arrived))
        return arrived

    def answer(self, frame: Frame, round_trip_ns: int) -> None:
        """Adds a REST response, which arrives `round_trip_ns` after its send time, independent of the connection."""
        heapq.heappush(self._arrived, (frame.send_ns + round_trip_ns + self._offset_ns, frame.text))

    def _latency(self) -> int:
        latency = self._latency_ns * (0.6 + 0.4 * math.exp(0.6 * self._chance.standard_normal()))
        if self._chance.random() < _SPIKE_CHANCE:
            latency += self._chance.exponential(_SPIKE_MS) * MILLISECOND
        return round(latency)
