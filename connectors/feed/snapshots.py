"""Fetches book snapshots: one request at a time per instrument, within the venue's weight limit, with retries.

The frame path only calls `want`; requests run asynchronously. No socket and no clock of its own. One thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from connectors.model import RestRequest
from connectors.net.backoff import Pace
from connectors.net.interfaces import EventKind, Rest, RestAnswer, Timer, Timers
from connectors.net.rate_limit import Limiter
from connectors.units import SECOND

#: (first, longest) delays between requests for the same book: after failed requests, and when the book repeatedly loses
#: sync. After CALM_NS without a request the delays start over.
FAILURES_NS = (SECOND // 4, 10 * SECOND)
REPEATS_NS = (SECOND // 10, SECOND)
CALM_NS = 10 * SECOND
#: How long a snapshot may be ahead of all changes before another is requested: the first and the longest time. Doubles
#: each time, since the first snapshot is right if nothing changes.
AHEAD_NS = (3 * SECOND, 48 * SECOND)
#: Pause after "too many requests" without a Retry-After.
BLOCKED_NS = 60 * SECOND


class SnapshotListener(Protocol):
    """Receives snapshots: the feed."""

    def on_snapshot(self, no: int, body: bytes, local_ts: int) -> bool:
        """The response to a request for instrument `no`. False: it is no snapshot, request another one.

        True without a call of `got`, `again` or `cancel`: the snapshot waits until the changes reach its id.
        """

    def on_snapshot_event(self, no: int, kind: EventKind, text: str) -> None: ...


class Snapshots:
    """Snapshot requests of one venue's instruments."""

    def __init__(
        self,
        requests: list[RestRequest],
        *,
        rest: Rest,
        timers: Timers,
        chance: Callable[[], float],
        weights: Limiter,
        listener: SnapshotListener,
    ) -> None:
        """`requests`: one per instrument; `weights`: the venue's request limit, shared with its other users."""
        self._requests = requests
        self._rest = rest
        self._timers = timers
        self._weights = weights
        self._listener = listener
        self._paces = [Pace(FAILURES_NS, REPEATS_NS, CALM_NS, chance) for _ in requests]
        self._timer: list[Timer | None] = [None] * len(requests)
        #: How long the next snapshot of each instrument may be ahead of the changes.
        self._ahead_ns = [AHEAD_NS[0]] * len(requests)
        #: Number of the current request; responses to earlier ones are ignored.
        self._current = [0] * len(requests)
        self._is_wanted = [False] * len(requests)

    def want(self, no: int) -> None:
        """Requests a snapshot as soon as its pace allows, with retries until `got` or `cancel`. Idempotent."""
        if not self._is_wanted[no]:
            self._is_wanted[no] = True
            self._ahead_ns[no] = AHEAD_NS[0]
            self._plan(no, self._paces[no].delay_ns(self._timers.monotonic_ns()))

    def expect(self, no: int) -> None:
        """A subscription began. No effect: its first change makes the feed want a snapshot."""

    def again(self, no: int) -> None:
        """The received snapshot cannot be used: requests another one after a delay."""
        self.cancel(no)
        self._paces[no].fail(self._timers.monotonic_ns())
        self.want(no)

    def got(self, no: int) -> None:
        """The book is in sync: no further request."""
        self.cancel(no)
        self._paces[no].succeed()

    def cancel(self, no: int) -> None:
        """Cancels the planned request and ignores the response to a pending one."""
        self._is_wanted[no] = False
        self._current[no] += 1
        timer = self._timer[no]
        if timer is not None:
            timer.cancel()
            self._timer[no] = None

    def _plan(self, no: int, delay_ns: int) -> None:
        self._timer[no] = self._timers.call_later(delay_ns, lambda: self._ask(no))

    def _ask(self, no: int) -> None:
        request = self._requests[no]
        now = self._timers.monotonic_ns()
        wait = self._weights.delay_ns(now, request.weight)
        if wait > 0:
            self._plan(no, wait)
            return
        self._weights.take(now, request.weight)
        self._paces[no].ask(now)
        self._current[no] += 1
        current = self._current[no]
        self._listener.on_snapshot_event(no, EventKind.RESYNC, "asks for a snapshot")
        self._rest.get(request, lambda answer: self._receive(no, current, answer))

    def _receive(self, no: int, current: int, answer: RestAnswer) -> None:
        if current != self._current[no] or not self._is_wanted[no]:
            return
        if answer.status in (418, 429):
            wait = answer.retry_after_ns or BLOCKED_NS
            self._weights.block(self._timers.monotonic_ns() + wait)
        if answer.status == 200 and self._listener.on_snapshot(no, answer.body, answer.local_ts):
            if self._is_wanted[no] and current == self._current[no]:
                self._await(no)
            return
        if answer.status != 200:
            text = answer.error or f"HTTP {answer.status}"
            self._listener.on_snapshot_event(no, EventKind.ERROR, f"no snapshot: {text}")
        if self._is_wanted[no]:
            now = self._timers.monotonic_ns()
            self._paces[no].fail(now)
            self._plan(no, self._paces[no].delay_ns(now))

    def _await(self, no: int) -> None:
        """Gives the changes some time to reach the snapshot's id, then requests another one."""
        ahead_ns = self._ahead_ns[no]
        self._ahead_ns[no] = min(2 * ahead_ns, AHEAD_NS[1])
        self._timer[no] = self._timers.call_later(ahead_ns, lambda: self._give_up(no, ahead_ns))

    def _give_up(self, no: int, ahead_ns: int) -> None:
        """The changes did not reach the snapshot in time: requests another one."""
        text = f"no change reaches the snapshot within {ahead_ns // SECOND} s"
        self._listener.on_snapshot_event(no, EventKind.RESYNC, text)
        self._ask(no)
