"""Simulated time: a monotonic clock, a local clock that may be set, and calls at a time."""

from __future__ import annotations

import heapq
from collections.abc import Callable

S = 1_000_000_000
MS = 1_000_000
#: 2024-01-01 00:00 UTC: the true time at which a simulation begins.
EPOCH_NS = 1_704_067_200 * S


class SimTimer:
    """A call that was asked for."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class SimTimers:
    """`connectors.net.interfaces.Timers` without waiting."""

    def __init__(self) -> None:
        self._now = 0
        self._count = 0
        self._heap: list[tuple[int, int, SimTimer]] = []
        #: The local clock minus the true time.
        self.skew_ns = 0

    def monotonic_ns(self) -> int:
        return self._now

    def time_ns(self) -> int:
        return EPOCH_NS + self._now + self.skew_ns

    def true_ns(self) -> int:
        """The venues' clock."""
        return EPOCH_NS + self._now

    def call_later(self, delay_ns: int, callback: Callable[[], None]) -> SimTimer:
        timer = SimTimer(callback)
        self._count += 1
        heapq.heappush(self._heap, (self._now + max(0, delay_ns), self._count, timer))
        return timer

    def every(self, span_ns: int, callback: Callable[[], None]) -> None:
        """Calls back for ever."""

        def strike() -> None:
            self.call_later(span_ns, strike)
            callback()

        self.call_later(span_ns, strike)

    def run(self, span_ns: int) -> None:
        """Lets time pass."""
        end = self._now + span_ns
        while self._heap and self._heap[0][0] <= end:
            at, _, timer = heapq.heappop(self._heap)
            callback = timer.callback
            if callback is not None:
                self._now = at
                timer.callback = None
                callback()
        self._now = end
