"""Detects by a timer that a book's stream has been silent for too long. One thread.

Silence is measured in local time since the last applied change (docs/decisions/0010): a pong or a dropped message does
not end it. No clock of its own.
"""

from __future__ import annotations

from collections.abc import Callable

from connectors.feed.pipeline import Pipeline
from connectors.net.interfaces import Timer, Timers
from connectors.units import MILLISECOND

#: Shortest delay before a check, so that frames already in the socket are read first.
_LOOK_NS_MIN = MILLISECOND


class SilenceWatch:
    """Calls back once when a synced book has been silent for `span_ns`; 0: never."""

    def __init__(
        self, pipeline: Pipeline, timers: Timers, span_ns: int, on_silence: Callable[[], None]
    ) -> None:
        self._pipeline = pipeline
        self._timers = timers
        self._span_ns = span_ns
        self._on_silence = on_silence
        self._timer: Timer | None = None
        #: `Pipeline.life_ts` at the previous check.
        self._life_ts = 0

    def start(self) -> None:
        """Starts the timer: the book is in sync. Idempotent."""
        self.stop()
        if self._span_ns:
            self._life_ts = self._pipeline.life_ts
            left_ns = self._life_ts + self._span_ns - self._timers.time_ns()
            # The local clock may have been set since.
            delay_ns = min(max(left_ns, _LOOK_NS_MIN), self._span_ns)
            self._timer = self._timers.call_later(delay_ns, self._look)

    def stop(self) -> None:
        """Stops the timer: the book is not in sync any more. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        pipeline = self._pipeline
        if not pipeline.is_synced or pipeline.is_silent:
            return
        if pipeline.life_ts != self._life_ts:
            self.start()
        else:
            self._on_silence()
