"""Limits units per time span: connects, messages, request weight. Pure: time is passed in."""

from __future__ import annotations

from collections import deque


class Limiter:
    """At most `limit` units in any span of `span_ns`. One thread; memory is bounded by the limit."""

    def __init__(self, limit: int, span_ns: int) -> None:
        self._limit = limit
        self._span_ns = span_ns
        self._taken: deque[tuple[int, int]] = deque()
        self._sum = 0
        self._blocked_until = 0

    def delay_ns(self, now_ns: int, units: int = 1) -> int:
        """Time to wait until `units` may be taken; 0: now. More units than the limit count as the limit."""
        self._forget(now_ns)
        wait = max(0, self._blocked_until - now_ns)
        room = self._limit - min(units, self._limit)
        left = self._sum
        for at, taken in self._taken:
            if left <= room:
                break
            left -= taken
            wait = max(wait, at + self._span_ns - now_ns)
        return wait

    def take(self, now_ns: int, units: int = 1) -> None:
        """Takes units; `now_ns` must not decrease. The caller must have checked `delay_ns`."""
        self._forget(now_ns)
        self._taken.append((now_ns, units))
        self._sum += units

    def block(self, until_ns: int) -> None:
        """Blocks all units until `until_ns`, as requested by the venue."""
        self._blocked_until = max(self._blocked_until, until_ns)

    def _forget(self, now_ns: int) -> None:
        while self._taken and self._taken[0][0] + self._span_ns <= now_ns:
            self._sum -= self._taken.popleft()[1]
