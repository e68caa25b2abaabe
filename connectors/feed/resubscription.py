"""Requests books by new subscriptions, from venues that send a book's snapshot when its stream begins.

The counterpart of `connectors.feed.snapshots`, with the same methods. One thread; no clock of its own.
"""

from __future__ import annotations

from collections.abc import Callable

from connectors.feed.snapshots import CALM_NS, FAILURES_NS, REPEATS_NS
from connectors.net.backoff import Pace
from connectors.net.interfaces import Timer, Timers


class Resubscription:
    """New subscriptions to the books of one venue's instruments."""

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
        self._timers = timers
        self._book_ns = book_ns
        self._subscribe = subscribe
        self._paces = [Pace(FAILURES_NS, REPEATS_NS, CALM_NS, chance) for _ in range(count)]
        self._timer: list[Timer | None] = [None] * count

    def want(self, no: int) -> None:
        """Subscribes as soon as the pace allows, again and again until `got` or `cancel`."""
        self._plan(no, self._paces[no].delay_ns(self._timers.monotonic_ns()), self._ask)

    def expect(self, no: int) -> None:
        """A subscription began: its snapshot must arrive in time."""
        self._plan(no, self._book_ns, self.again)

    def again(self, no: int) -> None:
        """The snapshot did not arrive in time, or cannot be used: subscribes again after a delay."""
        self._paces[no].fail(self._timers.monotonic_ns())
        self.want(no)

    def got(self, no: int) -> None:
        """The book is in sync: no further request."""
        self.cancel(no)
        self._paces[no].succeed()

    def cancel(self, no: int) -> None:
        """Cancels the planned request."""
        timer = self._timer[no]
        if timer is not None:
            timer.cancel()
            self._timer[no] = None

    def _plan(self, no: int, delay_ns: int, call: Callable[[int], None]) -> None:
        self.cancel(no)
        self._timer[no] = self._timers.call_later(delay_ns, lambda: call(no))

    def _ask(self, no: int) -> None:
        self._timer[no] = None
        if self._subscribe(no):
            self._paces[no].ask(self._timers.monotonic_ns())
            self.expect(no)
