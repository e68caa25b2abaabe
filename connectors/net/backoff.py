"""Delays before a retry, and the timer that waits for it. Pure: random source and timers are passed in."""

from __future__ import annotations

from collections.abc import Callable

from connectors.net.interfaces import Timer, Timers


class Backoff:
    """Delays that double with each try up to a limit, with jitter: a random value between half and all of it.

    Jitter keeps clients that failed together from retrying together.
    """

    def __init__(self, first_ns: int, max_ns: int, chance: Callable[[], float]) -> None:
        """`chance` draws from [0, 1)."""
        self._first_ns = first_ns
        self._max_ns = max_ns
        self._chance = chance
        #: Tries since the last success.
        self.count = 0

    def next_ns(self) -> int:
        """The delay before the next try."""
        # 40 doublings exceed any limit; without the bound the integer would grow indefinitely.
        whole = min(self._max_ns, self._first_ns << min(self.count, 40))
        self.count += 1
        return whole - int(whole * 0.5 * self._chance())

    def reset(self) -> None:
        """Starts over after a success."""
        self.count = 0


class Pace:
    """Decides when a book may be requested again.

    Each consecutive failure doubles the delay. If a book loses sync again soon after a request, a short delay applies,
    since nothing failed and the book is needed; after a calm period there is none.
    """

    def __init__(
        self,
        failures_ns: tuple[int, int],
        repeats_ns: tuple[int, int],
        calm_ns: int,
        chance: Callable[[], float],
    ) -> None:
        """Each pair is (first delay, longest delay); a request `calm_ns` after the last one is not a repetition."""
        self._failures = Backoff(*failures_ns, chance)
        self._repeats = Backoff(*repeats_ns, chance)
        self._calm_ns = calm_ns
        self._asked_ns: int | None = None
        self._due_ns: int | None = None

    def delay_ns(self, now_ns: int) -> int:
        """Time to wait before the next request; 0: none."""
        return 0 if self._due_ns is None else max(0, self._due_ns - now_ns)

    def ask(self, now_ns: int) -> None:
        """Records a request at this time."""
        if self._asked_ns is None or now_ns - self._asked_ns >= self._calm_ns:
            self._repeats.reset()
        self._asked_ns = now_ns
        self._put_off(now_ns + self._repeats.next_ns())

    def fail(self, now_ns: int) -> None:
        """Records a failed request: no response, or an unusable one."""
        self._put_off(now_ns + self._failures.next_ns())

    def succeed(self) -> None:
        """Records that the book is in sync."""
        self._failures.reset()

    def _put_off(self, until_ns: int) -> None:
        self._due_ns = until_ns if self._due_ns is None else max(self._due_ns, until_ns)


class Alarm:
    """At most one scheduled call: setting it again replaces the call."""

    def __init__(self, timers: Timers) -> None:
        self._timers = timers
        self._timer: Timer | None = None

    def set(self, delay_ns: int, callback: Callable[[], None]) -> None:
        """Calls back once, `delay_ns` from now, unless set again or cancelled before."""
        self.cancel()
        self._timer = self._timers.call_later(delay_ns, callback)

    def cancel(self) -> None:
        """Cancels the call. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
