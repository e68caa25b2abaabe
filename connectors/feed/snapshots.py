"""Requests books, by REST or by a new subscription, at the pace that their failures and losses allow. One thread.

The frame path only calls `want`; requests run asynchronously. No socket and no clock of its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol

from connectors.model import RestRequest
from connectors.net.backoff import Alarm, Pace
from connectors.net.interfaces import EventKind, Rest, RestAnswer, Timers
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


class BookSource(ABC):
    """Requests for the books of one venue's instruments, each by its number."""

    def __init__(self, count: int, timers: Timers, chance: Callable[[], float]) -> None:
        self._timers = timers
        self._paces = [Pace(FAILURES_NS, REPEATS_NS, CALM_NS, chance) for _ in range(count)]
        self._alarms = [Alarm(timers) for _ in range(count)]

    def want(self, no: int) -> None:
        """Requests the book as soon as its pace allows, again and again until `got` or `cancel`."""
        self._plan(no, self._paces[no].delay_ns(self._timers.monotonic_ns()), self._ask)

    @abstractmethod
    def expect(self, no: int) -> None:
        """A subscription to the book began."""

    def again(self, no: int) -> None:
        """The book did not arrive in time, or cannot be used: requests it again after a delay."""
        self.cancel(no)
        self._paces[no].fail(self._timers.monotonic_ns())
        self.want(no)

    def got(self, no: int) -> None:
        """The book is in sync: no further request."""
        self.cancel(no)
        self._paces[no].succeed()

    def cancel(self, no: int) -> None:
        """Cancels the planned request."""
        self._alarms[no].cancel()

    def _plan(self, no: int, delay_ns: int, call: Callable[[int], None]) -> None:
        self._alarms[no].set(delay_ns, lambda: call(no))

    @abstractmethod
    def _ask(self, no: int) -> None:
        """Sends a request now."""


class Resubscription(BookSource):
    """New subscriptions, at venues that send a book's snapshot when its stream begins."""

    def __init__(
        self,
        count: int,
        *,
        timers: Timers,
        chance: Callable[[], float],
        book_ns: int,
        subscribe: Callable[[int], bool],
    ) -> None:
        """`count`: instruments. `book_ns`: how long a snapshot may take; then the book is requested again.

        `subscribe`: called with an instrument's number to subscribe; returns False if it cannot or need not.
        """
        super().__init__(count, timers, chance)
        self._book_ns = book_ns
        self._subscribe = subscribe

    def expect(self, no: int) -> None:
        self._plan(no, self._book_ns, self.again)

    def _ask(self, no: int) -> None:
        if self._subscribe(no):
            self._paces[no].ask(self._timers.monotonic_ns())
            self.expect(no)


class SnapshotListener(Protocol):
    """Receives snapshots: the feed."""

    def on_snapshot(self, no: int, body: bytes, local_ts: int) -> bool:
        """The response to a request for instrument `no`. False: it is no snapshot, request another one.

        True without a call of `got`, `again` or `cancel`: the snapshot waits until the changes reach its id.
        """

    def on_snapshot_event(self, no: int, kind: EventKind, text: str) -> None: ...


class Snapshots(BookSource):
    """REST requests, one at a time per instrument, within the venue's weight limit, with retries."""

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
        super().__init__(len(requests), timers, chance)
        self._requests = requests
        self._rest = rest
        self._weights = weights
        self._listener = listener
        #: How long the next snapshot of each instrument may be ahead of the changes.
        self._ahead_ns = [AHEAD_NS[0]] * len(requests)
        #: Number of the current request; responses to earlier ones are ignored.
        self._current = [0] * len(requests)
        self._is_wanted = [False] * len(requests)

    def want(self, no: int) -> None:
        """Like `BookSource.want`; no effect if the book is already wanted."""
        if not self._is_wanted[no]:
            self._is_wanted[no] = True
            self._ahead_ns[no] = AHEAD_NS[0]
            super().want(no)

    def expect(self, no: int) -> None:
        """No effect: the first change of the subscription makes the feed want a snapshot."""

    def cancel(self, no: int) -> None:
        """Cancels the planned request and ignores the response to a pending one."""
        super().cancel(no)
        self._is_wanted[no] = False
        self._current[no] += 1

    def _ask(self, no: int) -> None:
        request = self._requests[no]
        now = self._timers.monotonic_ns()
        wait = self._weights.delay_ns(now, request.weight)
        if wait > 0:
            self._plan(no, wait, self._ask)
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
            self._paces[no].fail(self._timers.monotonic_ns())
            super().want(no)

    def _await(self, no: int) -> None:
        """Gives the changes some time to reach the snapshot's id, then requests another one."""
        ahead_ns = self._ahead_ns[no]
        self._ahead_ns[no] = min(2 * ahead_ns, AHEAD_NS[1])
        self._alarms[no].set(ahead_ns, lambda: self._give_up(no, ahead_ns))

    def _give_up(self, no: int, ahead_ns: int) -> None:
        """The changes did not reach the snapshot in time: requests another one."""
        text = f"no change reaches the snapshot within {ahead_ns // SECOND} s"
        self._listener.on_snapshot_event(no, EventKind.RESYNC, text)
        self._ask(no)
