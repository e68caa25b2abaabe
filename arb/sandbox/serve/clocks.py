"""The clock of a sandbox: the machine's, or one that a test advances. One event loop uses it."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from connectors.units import SECOND


class SandboxClock(Protocol):
    """Current time and sleep."""

    def now_ns(self) -> int: ...

    async def sleep(self, seconds: float) -> None: ...


class RealClock:
    """The machine's clock without steps: read once, then advanced by the monotonic clock."""

    def __init__(self) -> None:
        self._offset_ns = time.time_ns() - time.monotonic_ns()

    def now_ns(self) -> int:
        return time.monotonic_ns() + self._offset_ns

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class DrivenClock:
    """A clock that only `Sandbox.advance` moves."""

    def __init__(self, start_ns: int) -> None:
        self._now_ns = start_ns
        #: When to wake whom.
        self._sleepers: list[tuple[int, asyncio.Event]] = []

    def now_ns(self) -> int:
        return self._now_ns

    async def sleep(self, seconds: float) -> None:
        """Returns when the clock was advanced by `seconds`."""
        woken = asyncio.Event()
        self._sleepers.append((self._now_ns + round(seconds * SECOND), woken))
        await woken.wait()

    def move_to(self, now_ns: int) -> None:
        """Sets the clock and wakes the sleepers that are due."""
        self._now_ns = max(self._now_ns, now_ns)
        for until_ns, woken in self._sleepers:
            if until_ns <= self._now_ns:
                woken.set()
        self._sleepers = [one for one in self._sleepers if not one[1].is_set()]
