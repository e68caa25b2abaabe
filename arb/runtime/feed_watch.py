"""Waits until the books of a feed are known, and reports those that are not, with the reason. Ignores their rows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import NamedTuple

from arb.runtime.record_tap import NoSink
from connectors.feed.feed import Feed
from connectors.feed.status import FeedStatus
from connectors.net.interfaces import Event, EventKind

_POLL_S = 0.05
_FAILURES = frozenset({EventKind.DISCONNECT, EventKind.ERROR, EventKind.GARBAGE, EventKind.REFUSED})


class Arrival(NamedTuple):
    """Which books of a feed did not arrive within `timeout_s`, and why.

    reason: why the connection last failed, or "". off_grid: by symbol, what contradicts the configured tick and lot,
    and the lines to write; these are "" until enough values were measured.
    """

    missing: tuple[str, ...]
    elapsed_s: float
    timeout_s: float
    reason: str
    off_grid: Mapping[str, tuple[str, str]]


class FeedWatch(NoSink):
    """Sink and tap of one feed, which the caller sets as `feed`."""

    feed: Feed

    def __init__(self) -> None:
        self._reason = ""
        self._off_grid: dict[str, tuple[str, str]] = {}

    def on_frame(self, no: int, local_ts: int, frame: bytes) -> None:
        """See `connectors.feed.feed.Tap`."""

    def on_event(self, event: Event) -> None:
        """See `connectors.feed.feed.Tap`."""
        if event.kind == EventKind.GRID:
            fault, _, lines = event.text.partition("; write ")
            self._off_grid[event.symbol] = fault, lines
        elif event.kind in _FAILURES:
            self._reason = event.text

    async def wait(self, timeout_s: float) -> Arrival:
        """Waits until all books arrived, no further one can, or `timeout_s` have passed."""
        began_ns = time.monotonic_ns()
        while True:
            missing = tuple(s.symbol for s in self.feed.states() if s.status != FeedStatus.SYNCED)
            elapsed_s = (time.monotonic_ns() - began_ns) / 1e9
            # A book off its grid never arrives; its correction does, once enough values were measured.
            if all(self._off_grid.get(symbol, ("", ""))[1] for symbol in missing) or elapsed_s >= timeout_s:
                return Arrival(missing, elapsed_s, timeout_s, self._reason, dict(self._off_grid))
            await asyncio.sleep(_POLL_S)
