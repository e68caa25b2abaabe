"""Fetching whole books: one request at a time for an instrument, within the venue's weight, again until it is good.

The frame path only says what is wanted; requests run beside it. No socket and no clock of its own. One thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from connectors.model import RestRequest
from connectors.net.backoff import Pace
from connectors.net.interfaces import EventKind, Rest, RestAnswer, Timer, Timers
from connectors.net.rate_limit import Limiter

_S = 1_000_000_000

#: Delays between requests for the same book, the first and the longest: while they fail, and while the book that came
#: is in doubt again and again. Without a request for so long the next one is the first.
FAILURES_NS = (_S // 4, 10 * _S)
REPEATS_NS = (_S // 10, _S)
CALM_NS = 10 * _S
#: How long a book may be ahead of all changes before another one is asked for, the first time and at most; in between
#: twice as long each time, for where nothing changes the first book was right.
AHEAD_NS = (3 * _S, 48 * _S)
#: What a venue's "too many requests" costs where it does not say for how long.
BLOCKED_NS = 60 * _S


class SnapshotListener(Protocol):
    """Who wants books: the feed."""

    def on_snapshot(self, no: int, body: bytes, local_ts: int) -> bool:
        """The answer to a request for instrument `no`. False: it is no snapshot, and another one is wanted.

        True, and neither `got` nor `again` called: it waits for the changes to reach it.
        """

    def on_snapshot_event(self, no: int, kind: EventKind, text: str) -> None: ...


class Snapshots:
    """The requests for the books of one venue's instruments."""

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
        """`requests`: that of each instrument; `weights`: the venue's limit, shared with other users of it."""
        self._requests = requests
        self._rest = rest
        self._timers = timers
        self._weights = weights
        self._listener = listener
        self._paces = [Pace(FAILURES_NS, REPEATS_NS, CALM_NS, chance) for _ in requests]
        self._timer: list[Timer | None] = [None] * len(requests)
        #: How long the next book of each may be ahead.
        self._ahead_ns = [AHEAD_NS[0]] * len(requests)
        #: Which request is the current one; an answer to an earlier one is void.
        self._current = [0] * len(requests)
        self._is_wanted = [False] * len(requests)

    def want(self, no: int) -> None:
        """Asks for a book, as soon as its pace allows, until `got`. Once is enough."""
        if not self._is_wanted[no]:
            self._is_wanted[no] = True
            self._ahead_ns[no] = AHEAD_NS[0]
            self._plan(no, self._paces[no].delay_ns(self._timers.monotonic_ns()))

    def again(self, no: int) -> None:
        """The book that came is of no use: asks for another, after a while."""
        self.cancel(no)
        self._paces[no].fail(self._timers.monotonic_ns())
        self.want(no)

    def got(self, no: int) -> None:
        """The book is whole: nothing is wanted."""
        self.cancel(no)
        self._paces[no].succeed()

    def cancel(self, no: int) -> None:
        """What is under way is void."""
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
        """Gives the changes some time to reach the book that came."""
        ahead_ns = self._ahead_ns[no]
        self._ahead_ns[no] = min(2 * ahead_ns, AHEAD_NS[1])
        self._timer[no] = self._timers.call_later(ahead_ns, lambda: self._give_up(no, ahead_ns))

    def _give_up(self, no: int, ahead_ns: int) -> None:
        """They have not."""
        text = f"no change reaches the snapshot within {ahead_ns // _S} s"
        self._listener.on_snapshot_event(no, EventKind.RESYNC, text)
        self._ask(no)
