"""Runs one session on live data: event loop, signals, sandbox, feeds, timers, and how the session ends.

`arb record`, a dry-run and `arb doctor` are configurations of it: a command enters the host and what must outlive the
loop (recorder, display), and `run` executes its work inside the loop. The host knows no strategy, recorder or display.
Everything runs on the main thread; only `end` may be called from any thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, Self, TypeVar

from arb.config import VenueConfig
from arb.config.environment import Environment
from arb.interrupts import interrupt_handled, raise_if_interrupted
from arb.runtime.feeds import LiveFeed, open_feed
from arb.runtime.garbage import short_collections
from arb.runtime.listings import compare_grids
from arb.runtime.sandbox_venues import at_sandbox
from arb.runtime.signals import signals_call, signals_wake
from connectors.feed.interfaces import Sink
from connectors.model import Listing
from connectors.net.hosts import LOOPBACK, AllowedHosts
from connectors.net.sockets import new_event_loop

if TYPE_CHECKING:
    from arb.sandbox.serve.sandbox import Sandbox
    from arb.sandbox.serve.urls import VenueUrls

_T = TypeVar("_T")


class Ending(Enum):
    """Why a session without an error has ended."""

    DURATION = "duration"
    """Its time has passed, or its work is done."""
    INTERRUPTED = "interrupted"
    """Ctrl+C."""
    STOPPED = "stopped"
    """SIGTERM, or SIGHUP."""


class Host:
    """One session. Use as a context manager, and call `run` once inside of it.

    Inside the context signals end the session instead of the process; after the loop has ended they have no effect, so
    that files can be finished. The first signal determines the ending, the first error the session's error.
    """

    def __init__(
        self,
        venues: Mapping[str, VenueConfig],
        market: Sandbox | Mapping[str, VenueUrls] | Environment | None = None,
    ) -> None:
        """market: replaces the venues: a sandbox of the session, not yet entered, or the addresses of a running one;
        or the environment in which the session trades.

        Raises InputError for a venue that a running sandbox does not serve.
        """
        self._sandbox: Sandbox | None = None
        #: The addresses of orders and accounts; a sandbox of the session has them inside of `run`.
        self.urls: Mapping[str, VenueUrls] = {}
        self.venues = dict(venues)
        #: The hosts that may be connected to; None: any. With a sandbox, this machine only.
        self.hosts: AllowedHosts | None = None if market is None else LOOPBACK
        if isinstance(market, Environment):
            self.urls, self.hosts = market.urls, market.hosts
            self.venues = {name: market.venues[name] for name in venues}
        elif isinstance(market, Mapping):
            self.urls, self.venues = market, at_sandbox(venues, market)
        else:
            self._sandbox = market
        #: The venues' listings, or why there are none, by venue; after `compare_grids`.
        self.listings: dict[str, dict[str, Listing] | str] = {}
        self.feeds: list[LiveFeed] = []
        #: Whether the feeds were started: before that there is nothing to write.
        self.has_begun = False
        self.ending = Ending.DURATION
        #: How often Ctrl+C was pressed; when the first signal arrived, on the machine's monotonic clock.
        self.ctrl_c_count = 0
        self.signalled_ns: int | None = None
        self.error: BaseException | None = None
        #: When the host was made and when the feeds were started, on the machine's monotonic clock.
        self.created_ns = self.began_ns = time.monotonic_ns()
        self._handlers, self._collections = contextlib.ExitStack(), contextlib.ExitStack()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over = asyncio.Event()
        #: A signal asks for the end; it is not `_over` while there is something to be done before.
        self._asked = asyncio.Event()
        self._has_last = False

    def __enter__(self) -> Self:
        raise_if_interrupted()
        self._handlers.enter_context(signals_call(self._on_signal))
        return self

    def __exit__(self, *_: object) -> None:
        self._handlers.close()

    def run(self, work: Callable[[], Awaitable[_T]]) -> _T | None:
        """Executes `work` in an event loop, with the sandbox started; then closes the feeds and the sandbox.

        Returns what `work` returns. If the feeds were not started, raises the session's error, or KeyboardInterrupt
        for a signal.
        """
        with self._collections, asyncio.Runner(loop_factory=new_event_loop) as runner:
            self._loop = runner.get_loop()
            result = runner.run(self._run(work))
        if not self.has_begun:
            raise self.error or KeyboardInterrupt()
        return result

    @property
    def is_interrupted(self) -> bool:
        """Whether a signal has ended the session."""
        return self.ending != Ending.DURATION

    def end(self, error: BaseException | None = None) -> None:
        """Ends the session, with an error if there is one. Any thread."""
        self.error = self.error or error
        self._in_loop(self._end)

    async def compare_grids(self, symbols: Mapping[str, Sequence[str]]) -> list[str]:
        """`arb.runtime.listings.compare_grids` for symbols by venue, until the session ends; keeps the listings."""
        asked = [(self.venues[name], own) for name, own in symbols.items()]
        return await self.until_over(compare_grids(asked, hosts=self.hosts, known=self.listings)) or []

    def open_feed(self, venue: str, symbols: Sequence[str], sink: Sink, **options: Any) -> LiveFeed:
        """A venue's feed, which ends with the session. options: see `arb.runtime.feeds.open_feed`."""
        self.feeds.append(open_feed(self.venues[venue], symbols, sink, hosts=self.hosts, **options))
        return self.feeds[-1]

    def start_feeds(self) -> None:
        """Starts the opened feeds: the session begins."""
        self._collections.enter_context(short_collections())
        self.began_ns = time.monotonic_ns()
        for live in self.feeds:
            live.feed.start()
        self.has_begun = True

    def repeat(self, call: Callable[[], float]) -> None:
        """Calls `call` at once, then whenever the seconds that it returned have passed, until the session ends.

        An error ends the session.
        """
        if self._over.is_set():
            return
        try:
            delay_s = call()
        except Exception as error:  # a timer's root
            self.end(error)
            return
        asyncio.get_running_loop().call_later(delay_s, self.repeat, call)

    def poll(self) -> None:
        """Keeps the event loop from waiting until the session ends: the processor does not rest between messages."""
        if not self._over.is_set():
            asyncio.get_running_loop().call_soon(self.poll)

    def every(self, interval_s: float, call: Callable[[], object]) -> None:
        """Calls `call` after every `interval_s` until the session ends. An error ends the session."""

        def due() -> float:
            call()
            return interval_s

        asyncio.get_running_loop().call_later(interval_s, self.repeat, due)

    async def wait(
        self,
        duration_s: float | None,
        last: Callable[..., Awaitable[None]] | None = None,
        *arguments: object,
    ) -> None:
        """Returns when the session ends; after `duration_s` it does. last: what is done before, unless the session ends
        by itself or by an error; timers go on meanwhile."""
        self._has_last = last is not None and not self._over.is_set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for((self._asked if self._has_last else self._over).wait(), duration_s)
        if last is not None and not self._over.is_set():
            await last(*arguments)
        self._over.set()

    async def until_over(self, work: Coroutine[Any, Any, _T]) -> _T | None:
        """What `work` returns; None, and `work` is cancelled, if the session ends before."""
        task, over = asyncio.create_task(work), asyncio.create_task(self._over.wait())
        try:
            await asyncio.wait({task, over}, return_when=asyncio.FIRST_COMPLETED)
            return task.result() if task.done() else None
        finally:
            task.cancel()
            over.cancel()
            await asyncio.gather(task, over, return_exceptions=True)

    async def _run(self, work: Callable[[], Awaitable[_T]]) -> _T | None:
        async with contextlib.AsyncExitStack() as stack:
            stack.enter_context(signals_wake(asyncio.get_running_loop()))
            if self._sandbox is not None:
                sandbox = await stack.enter_async_context(self._sandbox)
                self.urls = sandbox.urls
                self.venues = at_sandbox(self.venues, self.urls)
            stack.push_async_callback(self.close_feeds)
            await asyncio.sleep(0)  # lets the loop handle signals that have arrived
            return None if self.is_interrupted else await work()

    async def close_feeds(self) -> None:
        """Ends the feeds and the timers. `run` does so at its end."""
        self._over.set()
        for live in self.feeds:
            await live.close()

    def _on_signal(self, number: signal.Signals) -> None:
        interrupt_handled()
        self.ctrl_c_count += number == signal.SIGINT
        self.signalled_ns = self.signalled_ns or time.monotonic_ns()
        self._in_loop(self._stop, Ending.INTERRUPTED if number == signal.SIGINT else Ending.STOPPED)

    def _stop(self, ending: Ending) -> None:
        if not self.is_interrupted:
            self.ending = ending
        self._asked.set()
        if not self._has_last:
            self._over.set()

    def _end(self) -> None:
        self._over.set()
        self._asked.set()

    def _in_loop(self, call: Callable[..., object], *arguments: object) -> None:
        """Runs a call in the loop, from any thread or signal handler; at once before the loop, not after it."""
        if self._loop is None:
            call(*arguments)
            return
        with contextlib.suppress(RuntimeError):  # the loop is closed: the session is over
            self._loop.call_soon_threadsafe(call, *arguments)
