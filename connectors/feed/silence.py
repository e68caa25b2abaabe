"""Looks at a book when its stream has been silent for too long, though nothing comes. One thread.

A book's silence is counted in local time from the last change that was applied (docs/decisions/0010): no pong and
no dropped message ends it. No clock of its own.
"""

from __future__ import annotations

from collections.abc import Callable

from connectors.feed.pipeline import Pipeline
from connectors.net.interfaces import Timer, Timers

#: A book that seems to be silent already is looked at after so long: what came in the meantime is read first.
_LOOK_NS_MIN = 1_000_000


class SilenceWatch:
    """Calls back once when a known book has been silent for `span_ns`; 0: never."""

    def __init__(
        self, pipeline: Pipeline, timers: Timers, span_ns: int, on_silence: Callable[[], None]
    ) -> None:
        self._pipeline = pipeline
        self._timers = timers
        self._span_ns = span_ns
        self._on_silence = on_silence
        self._timer: Timer | None = None
        #: When the book had been proven last at the look before.
        self._life_ts = 0

    def start(self) -> None:
        """The book is known from here on. Any number of times."""
        self.stop()
        if self._span_ns:
            self._life_ts = self._pipeline.life_ts
            left_ns = self._life_ts + self._span_ns - self._timers.time_ns()
            # The local clock may have been set since.
            delay_ns = min(max(left_ns, _LOOK_NS_MIN), self._span_ns)
            self._timer = self._timers.call_later(delay_ns, self._look)

    def stop(self) -> None:
        """The book is not known any more. Any number of times."""
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
