"""The connection to one kind of streams of a venue, kept up for ever: back-off, fail-over, and the change of links.

A session has one link, or two while it changes from one to the next: before the venue's 24 hours are over, or when
the server announces its end. Its listener hears one gapless sequence of frames, or that it was lost. Clocks, chance
and sockets are passed in. One thread; frames are handed on from within the transport's call, so nothing queues here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from connectors.model import Venue
from connectors.net.backoff import Backoff
from connectors.net.connection import Link, LinkState, LinkTimes
from connectors.net.handover import Frames, Handover
from connectors.net.interfaces import EventKind, Timer, Timers, Transport
from connectors.net.rate_limit import Limiter
from connectors.parsing.batch import Batch

_S = 1_000_000_000
_MINUTE = 60 * _S


class SessionTimes(NamedTuple):
    """Spans in ns, and counts."""

    link: LinkTimes = LinkTimes()
    retry_first_ns: int = _S // 2
    retry_max_ns: int = 5 * _S
    #: Failures in a row at one address before the next one is tried.
    failures_max: int = 3
    #: A link that was live for so long counts as a success.
    stable_ns: int = 10 * _S
    #: A link is replaced so long before the venue ends it; by chance up to twice as long.
    life_margin_ns: int = 10 * _MINUTE
    #: Two links run side by side at least and at most for so long after the new one is live.
    overlap_min_ns: int = 2 * _S
    overlap_max_ns: int = 15 * _S


class SessionListener(Protocol):
    """Who hears of a session: the feed."""

    def on_frame(self, frame: bytes, local_ts: int) -> None:
        """A market frame, in order and once."""

    def on_run(self, batch: Batch, first: int) -> int:
        """Takes market frames from number `first` on, as far as nothing but rows comes of them; how many."""

    def on_live(self) -> None:
        """Streams flow (again)."""

    def on_lost(self, reason: str) -> None:
        """From here on something is missing; `on_live` follows some day."""

    def on_refused(self, topic: str, reason: str) -> None:
        """The venue refuses a topic, the others flow; `reason` "": it was accepted after all."""

    def on_event(self, kind: EventKind, text: str, local_ts: int) -> None: ...


class Session:
    """Keeps `topics` of one route subscribed."""

    def __init__(
        self,
        venue: Venue,
        urls: Sequence[str],
        topics: Sequence[str],
        *,
        transport: Transport,
        timers: Timers,
        chance: Callable[[], float],
        connects: Limiter,
        listener: SessionListener,
        times: SessionTimes | None = None,
    ) -> None:
        """`urls`: where to connect, tried in turn; `connects`: the limit on attempts, shared by a venue's sessions."""
        if not urls or not topics:
            raise ValueError("a session needs an address and a topic")
        self.topics = tuple(topics)
        self._venue = venue
        self._urls = list(urls)
        self._transport = transport
        self._timers = timers
        self._chance = chance
        self._connects = connects
        self._listener = listener
        self._times = times or SessionTimes()
        self._backoff = Backoff(self._times.retry_first_ns, self._times.retry_max_ns, chance)
        self._url_no = 0
        self._failures = 0
        #: Topics that the last live link was refused: the next one asks for the others first.
        self._refused: set[str] = set()
        self._link: Link | None = None
        self._next: Link | None = None
        self._handover: Handover | None = None
        #: The last change, while its new link may still repeat what the old one delivered.
        self._tail: Handover | None = None
        self._is_live = False
        self._is_running = False
        self._connect_timer: Timer | None = None
        self._life_timer: Timer | None = None
        self._overlap_timer: Timer | None = None
        self._tail_timer: Timer | None = None

    @property
    def is_live(self) -> bool:
        """Whether all topics flow."""
        return self._is_live

    @property
    def url(self) -> str:
        """The address in use, or tried next."""
        return self._urls[self._url_no]

    def start(self) -> None:
        """Begins to connect. Once, or after `stop`."""
        if not self._is_running:
            self._is_running = True
            self._plan_connect(0)

    def stop(self) -> None:
        """Closes everything; the listener hears nothing of it. Any number of times."""
        self._is_running = self._is_live = False
        for timer in (self._connect_timer, self._life_timer, self._overlap_timer, self._tail_timer):
            if timer is not None:
                timer.cancel()
        for link in (self._link, self._next):
            if link is not None:
                link.close()
        self._link = self._next = self._handover = self._tail = None

    def subscribe_again(self, topics: Sequence[str]) -> None:
        """Lets streams begin anew, so that their snapshot comes again. Without effect while not live."""
        for topic in topics:
            is_over = self._handover is not None and self._handover.is_over(topic)
            link = self._next if is_over else self._link
            if link is not None:
                link.subscribe_again([topic])

    def replace_link(self, reason: str) -> None:
        """Brings up a new link beside the present one, and changes over to it."""
        if self._is_running and self._link is not None and self._next is None:
            self.event(EventKind.HANDOVER, f"begins: {reason}", self._timers.time_ns())
            self._handover = Handover(self._venue, self.topics)
            self._plan_connect(0)

    # What links call.

    def link_live(self, link: Link) -> None:
        if link is self._next:
            self._overlap_timer = self._timers.call_later(
                self._times.overlap_min_ns, lambda: self._look_at_overlap(link)
            )
        elif link is self._link:
            self._is_live = True
            self._plan_life(link)
            self._listener.on_live()

    def link_frame(self, link: Link, frame: bytes, local_ts: int) -> None:
        handover = self._handover
        if handover is None:
            if link is self._link and self._tail is None:
                self._listener.on_frame(frame, local_ts)
            elif link is self._link:
                self._receive_tail(self._tail, frame, local_ts)
        elif link is self._link:
            self._hand_on(handover.old(frame, local_ts))
        elif link is self._next:
            self._hand_on(handover.new(frame, local_ts))

    def link_run(self, link: Link, batch: Batch, first: int) -> int:
        if link is self._link and self._handover is None and self._tail is None:
            return self._listener.on_run(batch, first)
        return 0

    def link_refused(self, link: Link, topic: str, reason: str) -> None:
        if reason:
            self._refused.add(topic)
        else:
            self._refused.discard(topic)
        self._listener.on_refused(topic, reason)

    def link_notice(self, link: Link, text: str) -> None:
        if link is self._link:
            self.replace_link(text)

    def link_closed(self, link: Link, reason: str) -> None:
        self.event(EventKind.DISCONNECT, f"{link.url}: {reason}", self._timers.time_ns())
        lived = self._timers.monotonic_ns() - link.live_ns if link.live_ns else 0
        if not link.live_ns:
            self._refused.clear()
        if lived >= self._times.stable_ns:
            self._backoff.reset()
            self._failures = 0
        else:
            self._failures += 1
        if self._failures >= self._times.failures_max:
            self._failures = 0
            self._url_no = (self._url_no + 1) % len(self._urls)
        if link is self._next:
            self._retry_next()
        elif link is self._link:
            self._lose_link(reason)

    def event(self, kind: EventKind, text: str, local_ts: int) -> None:
        self._listener.on_event(kind, text, local_ts)

    # Helpers.

    def _hand_on(self, frames: Frames) -> None:
        for frame, local_ts in frames:
            self._listener.on_frame(frame, local_ts)

    def _receive_tail(self, tail: Handover | None, frame: bytes, local_ts: int) -> None:
        if tail is not None:
            self._hand_on(tail.new(frame, local_ts))
            if tail.is_settled:
                self._tail = None

    def _plan_connect(self, delay_ns: int) -> None:
        if self._connect_timer is not None:
            self._connect_timer.cancel()
        self._connect_timer = self._timers.call_later(delay_ns, self._connect)

    def _connect(self) -> None:
        now = self._timers.monotonic_ns()
        wait = self._connects.delay_ns(now)
        if wait > 0:
            self._plan_connect(wait)
            return
        self._connects.take(now)
        link = Link(
            self._venue,
            self.url,
            self.topics,
            transport=self._transport,
            timers=self._timers,
            owner=self,
            times=self._times.link,
            refused=self._refused,
        )
        if self._link is None:
            self._link = link
        else:
            self._next = link
        self.event(EventKind.CONNECT, link.url, self._timers.time_ns())

    def _plan_life(self, link: Link) -> None:
        life = self._venue.limits.life_ns
        if life:
            margin = int(self._times.life_margin_ns * (1.0 + self._chance()))
            delay = max(life - margin, life // 2)
            self._life_timer = self._timers.call_later(delay, lambda: self._end_life(link))

    def _end_life(self, link: Link) -> None:
        if link is self._link:
            self.replace_link("the connection is near the end of its life")

    def _look_at_overlap(self, link: Link) -> None:
        """Ends the overlap when every stream has changed over, or when it has lasted too long."""
        handover = self._handover
        if link is not self._next or handover is None:
            return
        age = self._timers.monotonic_ns() - link.live_ns
        if handover.is_done or age >= self._times.overlap_max_ns:
            if self._link is not None:
                self._link.close()
            self._change_over(link, handover)
        else:
            self._overlap_timer = self._timers.call_later(
                self._times.overlap_min_ns, lambda: self._look_at_overlap(link)
            )

    def _change_over(self, link: Link, handover: Handover) -> None:
        self._link, self._next, self._handover = link, None, None
        self._hand_on(handover.finish(self._timers.time_ns()))
        if not handover.is_settled:
            self._tail = handover
            self._tail_timer = self._timers.call_later(self._times.overlap_max_ns, self._end_tail)
        self.event(EventKind.HANDOVER, "done", self._timers.time_ns())
        self._plan_life(link)

    def _end_tail(self) -> None:
        self._tail = None

    def _retry_next(self) -> None:
        """The successor failed: what it held is void; the present link goes on, and another one is tried."""
        handover, self._next = self._handover, None
        self._handover = Handover(self._venue, self.topics)
        if handover is not None and any(handover.is_over(topic) for topic in self.topics):
            # Some streams had left the old link already, and frames were dropped there.
            self._listener.on_lost("the new connection failed during the change")
            self._is_live = False
            if self._link is not None and self._link.state == LinkState.LIVE:
                self._is_live = True
                self._listener.on_live()
        self._plan_connect(self._backoff.next_ns())

    def _lose_link(self, reason: str) -> None:
        self._link = None
        if self._life_timer is not None:
            self._life_timer.cancel()
        successor, handover = self._next, self._handover
        if successor is not None and handover is not None and successor.state == LinkState.LIVE:
            self._change_over(successor, handover)
            return
        was_live, self._is_live = self._is_live, False
        self._handover = self._tail = None
        if was_live:
            self._listener.on_lost(reason)
        if successor is not None and handover is not None:
            self._link, self._next = successor, None
            self._hand_on(handover.finish(self._timers.time_ns()))
        else:
            self._plan_connect(self._backoff.next_ns())
