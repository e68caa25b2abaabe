"""How long to wait before trying again. Pure: chance is passed in."""

from __future__ import annotations

from collections.abc import Callable


class Backoff:
    """Delays that double from try to try up to a limit, each between half and the whole of it by chance.

    The chance keeps many clients that failed at once from coming back at once.
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
        # 2**40 doublings exceed any limit; without the bound the integer would grow for ever.
        whole = min(self._max_ns, self._first_ns << min(self.count, 40))
        self.count += 1
        return whole - int(whole * 0.5 * self._chance())

    def reset(self) -> None:
        """After a success: the next delay is the first again."""
        self.count = 0


class Pace:
    """When a book may be asked for again.

    A failure puts it off, for longer with every one in a row. What was asked for and comes into doubt again within
    seconds is put off a little, for nothing failed and the book is needed; after a calm while not at all.
    """

    def __init__(
        self,
        failures_ns: tuple[int, int],
        repeats_ns: tuple[int, int],
        calm_ns: int,
        chance: Callable[[], float],
    ) -> None:
        """Of either the first delay and the longest; what is asked for `calm_ns` later is no repetition."""
        self._failures = Backoff(*failures_ns, chance)
        self._repeats = Backoff(*repeats_ns, chance)
        self._calm_ns = calm_ns
        self._asked_ns: int | None = None
        self._due_ns: int | None = None

    def delay_ns(self, now_ns: int) -> int:
        """How long to wait before asking; 0: now."""
        return 0 if self._due_ns is None else max(0, self._due_ns - now_ns)

    def ask(self, now_ns: int) -> None:
        """It is asked for now."""
        if self._asked_ns is None or now_ns - self._asked_ns >= self._calm_ns:
            self._repeats.reset()
        self._asked_ns = now_ns
        self._put_off(now_ns + self._repeats.next_ns())

    def fail(self, now_ns: int) -> None:
        """What came, or did not come, is of no use."""
        self._put_off(now_ns + self._failures.next_ns())

    def succeed(self) -> None:
        """The book is whole."""
        self._failures.reset()

    def _put_off(self, until_ns: int) -> None:
        self._due_ns = until_ns if self._due_ns is None else max(self._due_ns, until_ns)
