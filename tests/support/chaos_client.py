"""The client's end of a simulated network: a process that may crash at any callback, commit or send.

After a crash nothing of the process has an effect: its timers do not call, its connections are gone, its journal takes
nothing. The venues go on. A new process has a new `Client` on the same network.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from connectors.model import RestRequest
from connectors.net.interfaces import ConnectionListener, RestAnswer
from connectors.orders.model import WireRequest
from support.live_net import LiveNet, NetVenue
from support.net_timers import NetTimer, Turn


class Crash(BaseException):
    """The process is gone. No handler of errors catches it."""


class CrashPlan(NamedTuple):
    """The process crashes when it does something for the n-th time. what: see `Client.reach`; "": never."""

    what: str = ""
    number: int = 0


NEVER = CrashPlan()


class Client:
    """One process: its timers, which are those of the session, and its venues. See the module."""

    def __init__(self, net: LiveNet, plan: CrashPlan = NEVER) -> None:
        self._net = net
        self._plan = plan
        #: Of its clock.
        self.skew_ns = 0
        self.is_dead = False
        #: How often it did each thing.
        self.counts: Counter[str] = Counter()
        self._connections: list[_Socket] = []
        self.timers = self
        self.venues = {name: _Venue(self, venue) for name, venue in net.venues.items()}

    def reach(self, what: str) -> None:
        """Crashes if it is time. what: "callback", "commit", "committed", "send", "write" or "written"."""
        if self.is_dead:
            raise Crash
        self.counts[what] += 1
        if self._plan == (what, self.counts[what]):
            self.die()
            raise Crash

    def die(self) -> None:
        """Nothing has an effect from now on; the system closes its connections."""
        self.is_dead = True
        for one in self._connections:
            one.close()

    def run(self, span_ns: int, due_in: Callable[[], int], wake: Callable[[], None]) -> None:
        """Lets time pass. due_in: in how many ns `wake` is called. Raises Crash."""
        timers = self._net.timers
        never = 1 << 61
        timers.run(
            timers.now + span_ns,
            lambda: timers.now + (never if self.is_dead else due_in()),
            self._guarded(wake),
        )
        if self.is_dead:
            raise Crash

    # -- Timers

    @property
    def now(self) -> int:
        """The network's time, which is nobody's clock."""
        return self._net.timers.now

    def monotonic_ns(self) -> int:
        return self._net.timers.monotonic_ns()

    def time_ns(self) -> int:
        return self._net.timers.now + self.skew_ns

    def call_later(self, delay_ns: int, callback: Callable[[], None]) -> NetTimer:
        return self.at(self.now + max(0, delay_ns), Turn.TIMER, callback)

    def at(self, ns: int, turn: Turn, callback: Callable[[], None]) -> NetTimer:
        """Calls back at a time of the network, not before now."""
        return self._net.timers.at(ns, turn, self._guarded(callback))

    def _guarded(self, callback: Callable[..., None]) -> Callable[..., None]:
        def guarded(*given: Any) -> None:
            # The network goes on behind it: what has called here is not part of the process.
            with contextlib.suppress(Crash):
                if not self.is_dead:
                    self.reach("callback")
                    callback(*given)

        return guarded


class _Venue:
    """One venue: a `Transport`, and REST of both kinds."""

    def __init__(self, client: Client, venue: NetVenue) -> None:
        self.client = client
        self.venue = venue
        self.name = venue.exchange.venue

    def connect(self, url: str, listener: ConnectionListener) -> _Socket:
        return _Socket(self, url, listener)

    def get(self, request: RestRequest, done: Callable[[RestAnswer], None]) -> None:
        if not self.client.is_dead:
            self.venue.get(request, self._answering(done))

    def send(self, request: WireRequest, done: Callable[[RestAnswer], None]) -> None:
        if not self.client.is_dead:
            self.client.reach("send")
            self.venue.send(request, self._answering(done))

    def _answering(self, done: Callable[[RestAnswer], None]) -> Callable[[RestAnswer], None]:
        client, sent = self.client, self.client.time_ns()

        def answered(answer: RestAnswer) -> None:
            done(answer._replace(sent_ts=sent, local_ts=client.time_ns()))

        return client._guarded(answered)


class _Socket:
    """A connection, and its listener."""

    def __init__(self, venue: _Venue, url: str, listener: ConnectionListener) -> None:
        client = venue.client
        self._venue, self._listener = venue, listener
        self.on_open = client._guarded(listener.on_open)
        self.on_close = client._guarded(listener.on_close)
        client._connections.append(self)
        self._inner = venue.venue.connect(url, self)  # type: ignore[arg-type]

    def on_frame(self, frame: bytes, _: int) -> None:
        client = self._venue.client
        client._guarded(partial(self._listener.on_frame, frame, client.time_ns()))()

    def send(self, frame: str) -> bool:
        client = self._venue.client
        if client.is_dead:
            return False
        client.reach("send")
        return self._inner.send(frame)

    def close(self) -> None:
        self._inner.close()
