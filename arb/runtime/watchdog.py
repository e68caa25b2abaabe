"""Detects a strategy that never waits. Runs on its own thread, because such a strategy blocks the host's."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

_S = 1_000_000_000


class Watchdog:
    """Calls `on_hang` once, on its own thread, when the strategy has not waited for `limit_s`.

    entered_ns: when the host last resumed the strategy (monotonic ns), 0 while it waits. heartbeat: bot calls so far.
    """

    def __init__(
        self,
        entered_ns: Callable[[], int],
        heartbeat: Callable[[], int],
        limit_s: float,
        on_hang: Callable[[str], None],
        *,
        may_be_busy: bool = False,
    ) -> None:
        """may_be_busy: calls of the bot count as progress, as in a replay, where the strategy never waits for data."""
        self._entered_ns = entered_ns
        self._heartbeat = heartbeat
        self._limit_s = limit_s
        self._on_hang = on_hang
        self._may_be_busy = may_be_busy
        self._is_paused = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        """Starts the thread. Call once."""
        self._thread.start()

    def close(self) -> None:
        """Ends the thread. May be called repeatedly."""
        self._closing.set()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Suspends the check while the host itself blocks."""
        self._is_paused = True
        try:
            yield
        finally:
            self._is_paused = False

    def _run(self) -> None:
        before = self._heartbeat()
        seen_ns = since_ns = 0
        while not self._closing.wait(min(0.2, self._limit_s / 4)):
            entered_ns = self._entered_ns()
            beat = self._heartbeat()
            if self._is_paused or entered_ns != seen_ns or (self._may_be_busy and beat != before):
                seen_ns, since_ns, before = entered_ns, time.monotonic_ns(), beat
            elif entered_ns and time.monotonic_ns() - since_ns > self._limit_s * _S:
                is_silent = beat == before
                does = "computes without calling the bot" if is_silent else "calls the bot, but never waits"
                self._on_hang(f"the strategy {does} since {self._limit_s:g} s")
                return
