"""Keeps one line of a venue up: backoff, addresses in turn, and change-over to a new line before the old one ends.

The new line is up before the old one takes no more requests; nothing is carried over from one to the other. Clocks,
randomness and sockets are passed in. One thread.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from connectors.net.backoff import Alarm, Backoff
from connectors.net.interfaces import Timers, Transport
from connectors.net.rate_limit import Limiter
from connectors.trade.interfaces import LineOwner
from connectors.trade.line import LineProtocol, TradeLine
from connectors.trade.times import TradeTimes


class LineKeeper(ABC):
    """Base of `TradeSocket` and `UserStream`, which say what the address is and how long an old line runs."""

    #: First character of the names of the lines.
    letter = ""

    def __init__(
        self,
        urls: Sequence[str],
        protocol: LineProtocol,
        *,
        transport: Transport,
        timers: Timers,
        chance: Callable[[], float],
        connects: Limiter,
        owner: LineOwner,
        times: TradeTimes,
        now_ms: Callable[[], int],
    ) -> None:
        """`urls`: addresses without path, tried in turn; `connects`: the limit on attempts at the venue.

        now_ms: the time of what a line itself sends: the venue's, where our clock is wrong.
        """
        if not urls:
            raise ValueError("a line needs an address")
        self._urls = list(urls)
        self._protocol = protocol
        self._transport = transport
        self._timers = timers
        self._chance = chance
        self._connects = connects
        self._owner = owner
        self._times = times
        self._now_ms = now_ms
        self._backoff = Backoff(times.retry_first_ns, times.retry_max_ns, chance)
        self._url_no = 0
        self._failures = 0
        self._count = 0
        self._is_running = False
        #: The line in use or on its way to it, its successor on its way, and old ones that are still read.
        self._line: TradeLine | None = None
        self._next: TradeLine | None = None
        self._old: list[TradeLine] = []
        #: Whether a successor is wanted.
        self._is_changing = False
        self._connecting, self._life = Alarm(timers), Alarm(timers)

    @property
    def is_up(self) -> bool:
        """Whether a line takes requests."""
        return self._line is not None and self._line.is_up

    def probe(self, *, is_pinging: bool) -> bool:
        """See `TradeLine.probe`, of the line in use; True without one."""
        return self._line is None or self._line.probe(is_pinging=is_pinging)

    def start(self) -> None:
        """Starts to connect. May be called once, and again after `stop`."""
        if not self._is_running:
            self._is_running = True
            self._connecting.set(0, self._connect)

    def stop(self) -> None:
        """Closes all lines; nothing is reported. Idempotent."""
        self._is_running = self._is_changing = False
        self._connecting.cancel()
        self._life.cancel()
        for line in (self._line, self._next, *self._old):
            if line is not None:
                line.close()
        self._line = self._next = None
        self._old.clear()

    def replace(self, where: str) -> None:
        """Connects a successor of the line of this name, if it is the one in use."""
        if self._line is not None and self._line.where == where and self._line.is_up:
            self._change_over()

    # Called by lines.

    def line_up(self, line: TradeLine) -> None:
        old, self._line = self._line, line
        if line is self._next:
            self._next, self._is_changing = None, False
            if old is not None:
                self._retire(old)
        self._plan_life(line)

    def line_lost(self, line: TradeLine, *, is_refused: bool) -> None:
        if line in self._old:
            self._old.remove(line)
            return
        self._count_failure(line)
        delay = self._times.retry_max_ns if is_refused else self._backoff.next_ns()
        if line is self._next:
            self._next = None
            self._connecting.set(delay, self._connect)
            return
        self._life.cancel()
        self._line, self._next = self._next, None
        if self._line is None:
            # A change-over that waits for its turn, or for a key, becomes the connection itself.
            delay = 0 if self._is_changing else delay
            self._connecting.set(delay, self._connect)
        self._is_changing = False

    # For subclasses.

    @abstractmethod
    def _prepare(self) -> None:
        """Gets what a connection needs, then calls `_open` with the path of the websocket."""

    @abstractmethod
    def _old_ns(self) -> int:
        """How long a line is read after its successor is up."""

    def _change_over(self) -> None:
        if not self._is_changing:
            self._is_changing = True
            self._connecting.set(0, self._connect)

    def _fail(self) -> None:
        """A connection could not be prepared."""
        self._connecting.set(self._backoff.next_ns(), self._connect)

    def _open(self, path: str) -> None:
        self._connects.take(self._timers.monotonic_ns())
        self._count += 1
        line = TradeLine(
            f"{self.letter}{self._count}",
            self._urls[self._url_no] + path,
            self._protocol,
            transport=self._transport,
            timers=self._timers,
            keeper=self,
            owner=self._owner,
            times=self._times.link,
            now_ms=self._now_ms,
        )
        if self._line is None:
            self._line = line
        else:
            self._next = line

    # Helpers.

    def _connect(self) -> None:
        wait = self._connects.delay_ns(self._timers.monotonic_ns())
        if wait > 0:
            self._connecting.set(wait, self._connect)
        else:
            self._prepare()

    def _count_failure(self, line: TradeLine) -> None:
        lived = self._timers.monotonic_ns() - line.up_ns if line.up_ns else 0
        if lived >= self._times.stable_ns:
            self._backoff.reset()
            self._failures = 0
        else:
            self._failures += 1
        if self._failures >= self._times.failures_max:
            self._failures = 0
            self._url_no = (self._url_no + 1) % len(self._urls)

    def _plan_life(self, line: TradeLine) -> None:
        life = self._protocol.limits.life_ns
        if life:
            margin = int(self._times.life_margin_ns * (1.0 + self._chance()))
            self._life.set(max(life - margin, life // 2), lambda: self.replace(line.where))

    def _retire(self, line: TradeLine) -> None:
        line.retire()
        self._old.append(line)
        self._timers.call_later(self._old_ns(), lambda: self._end(line))

    def _end(self, line: TradeLine) -> None:
        if line in self._old:
            self._old.remove(line)
            line.close("replaced")
