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
