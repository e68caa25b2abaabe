"""Simulated time of a client and its server, delays, and the order of calls inside one nanosecond. One thread."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from enum import IntEnum
from typing import Any, NamedTuple

from connectors.units import SECOND
from support.dry_market import START_NS


class Turn(IntEnum):
    """Order of calls inside one nanosecond."""

    ANSWER = 0
    FRAME = 1
    WAKE = 2
    TIMER = 3


class NetTimer:
    """A scheduled call."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class NetTimers:
    """`connectors.net.interfaces.Timers` on simulated time, which is that of the sandbox and of the client."""

    def __init__(self) -> None:
        self.now = START_NS
        self._count = 0
        self._heap: list[tuple[int, Turn, int, NetTimer]] = []

    def monotonic_ns(self) -> int:
        return self.now - START_NS + SECOND

    def time_ns(self) -> int:
        return self.now

    def call_later(self, delay_ns: int, callback: Callable[[], None]) -> NetTimer:
        return self.at(self.now + max(0, delay_ns), Turn.TIMER, callback)

    def at(self, ns: int, turn: Turn, callback: Callable[[], None]) -> NetTimer:
        """Calls back at a time, not before now."""
        timer = NetTimer(callback)
        self._count += 1
        heapq.heappush(self._heap, (max(ns, self.now), turn, self._count, timer))
        return timer

    def run(self, until_ns: int, due: Callable[[], int] = lambda: 1 << 62, wake: Any = None) -> None:
        """Lets time pass. due: a time at which `wake` is called, after everything else of its nanosecond."""
        while True:
            at = self._heap[0][0] if self._heap else until_ns + 1
            own = due()
            if own < at and own <= until_ns:
                self.now = max(self.now, own)
                wake()
                continue
            if at > until_ns:
                break
            at, _, _, timer = heapq.heappop(self._heap)
            if timer.callback is not None:
                self.now = at
                callback, timer.callback = timer.callback, None
                callback()
        self.now = until_ns


class Delays(NamedTuple):
    """Of one venue, in ns: requests to it, its answers and events, frames of its market."""

    entry_ns: int
    response_ns: int
    frame_ns: int
