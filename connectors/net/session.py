"""Keeps one route of a venue's streams connected: backoff, failover, and replacement of links.

A session has one link, or two during a handover: before the venue's 24 hour limit, or when the server announces a
shutdown. Its listener receives one gapless sequence of frames, or `on_lost`. Clocks, randomness and sockets are passed
in. One thread; frames are passed on within the transport's call, so there is no queue.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from connectors.model import Venue
from connectors.net.backoff import Alarm, Backoff
from connectors.net.connection import Link, LinkState, LinkTimes
from connectors.net.handover import Frames, Handover
from connectors.net.interfaces import EventKind, Timers, Transport
from connectors.net.rate_limit import Limiter
from connectors.parsing.batch import Batch
from connectors.units import MINUTE, SECOND


class SessionTimes(NamedTuple):
    """Spans in ns, and counts."""

    link: LinkTimes = LinkTimes()
    retry_first_ns: int = SECOND // 2
    retry_max_ns: int = 5 * SECOND
    #: Failures in a row at one address before the next one is tried.
    failures_max: int = 3
    #: A link that was live for this long counts as a success.
    stable_ns: int = 10 * SECOND
    #: A link is replaced this long before the venue ends it; randomised up to twice as long.
    life_margin_ns: int = 10 * MINUTE
    #: Least and most time for which both links run after the new one is live.
    overlap_min_ns: int = 2 * SECOND
    overlap_max_ns: int = 15 * SECOND


class SessionListener(Protocol):
    """Receives the callbacks of its sessions: the feed."""

    def on_frame(self, session: Session, frame: bytes, local_ts: int) -> None:
        """A market frame, in order, without repetition."""

    def on_batch(self, session: Session, batch: Batch, first: int) -> int:
        """Market frames from number `first` on; returns how many were processed, 0 if the first is not market data."""

    def on_live(self, session: Session) -> None:
        """All streams are subscribed (again)."""

    def on_lost(self, session: Session, reason: str) -> None:
        """Frames are missing from here on; `on_live` follows after the reconnect."""

    def on_refused(self, session: Session, topic: str, reason: str) -> None:
        """The venue refuses one topic, the others continue; an empty `reason`: the topic was accepted after all."""

    def on_event(self, session: Session, kind: EventKind, text: str, local_ts: int) -> None: ...


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
        """`urls`: addresses, tried in turn; `connects`: the limit on attempts, shared by a venue's sessions."""
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
        #: Topics that were refused on the last live link: the next one subscribes to the others first.
        self._refused: set[str] = set()
        self._link: Link | None = None
        self._next: Link | None = None
        self._handover: Handover | None = None
        #: The last handover, while its new link may still repeat frames of the old one.
        self._tail: Handover | None = None
        self._is_live = False
        self._is_running = False
        #: The next attempt to connect, the end of the link's life, the next look at a handover, the end of its tail.
        self._connecting, self._life, self._overlap, self._tail_end = (Alarm(timers) for _ in range(4))

    @property
    def is_live(self) -> bool:
        """Whether all topics are subscribed, except for refused ones."""
        return self._is_live

    @property
    def url(self) -> str:
        """The address in use, or the next one to try."""
        return self._urls[self._url_no]

    def start(self) -> None:
        """Starts to connect. May be called once, and again after `stop`."""
        if not self._is_running:
            self._is_running = True
            self._connecting.set(0, self._connect)

    def stop(self) -> None:
        """Closes all links without a callback. Idempotent."""
        self._is_running = self._is_live = False
        for alarm in (self._connecting, self._life, self._overlap, self._tail_end):
            alarm.cancel()
        for link in (self._link, self._next):
            if link is not None:
                link.close()
        self._link = self._next = self._handover = self._tail = None

    def subscribe_again(self, topics: Sequence[str]) -> None:
        """Subscribes to streams again, so that the venue sends their snapshot again. No effect while not live."""
        for topic in topics:
            is_over = self._handover is not None and self._handover.is_over(topic)
            link = self._next if is_over else self._link
            if link is not None:
                link.subscribe_again([topic])

    def replace_link(self, reason: str) -> None:
        """Opens a second link and hands the streams over to it."""
        if self._is_running and self._link is not None and self._next is None:
            self.event(EventKind.HANDOVER, f"begins: {reason}", self._timers.time_ns())
            self._handover = Handover(self._venue, self.topics)
            self._connecting.set(0, self._connect)

    # Called by links.

    def link_live(self, link: Link) -> None:
        if link is self._next:
            self._overlap.set(self._times.overlap_min_ns, lambda: self._look_at_overlap(link))
        elif link is self._link:
            self._is_live = True
            self._plan_life(link)
            self._listener.on_live(self)

    def link_frame(self, link: Link, frame: bytes, local_ts: int) -> None:
        handover = self._handover
        if handover is None:
            if link is self._link and self._tail is None:
                self._listener.on_frame(self, frame, local_ts)
            elif link is self._link:
                self._receive_tail(self._tail, frame, local_ts)
        elif link is self._link:
            self._hand_on(handover.old(frame, local_ts))
        elif link is self._next:
            self._hand_on(handover.new(frame, local_ts))

    def link_batch(self, link: Link, batch: Batch, first: int) -> int:
        if link is self._link and self._handover is None and self._tail is None:
            return self._listener.on_batch(self, batch, first)
        return 0

    def link_refused(self, link: Link, topic: str, reason: str) -> None:
        if reason:
            self._refused.add(topic)
        else:
            self._refused.discard(topic)
        self._listener.on_refused(self, topic, reason)

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
        self._listener.on_event(self, kind, text, local_ts)

    # Helpers.

    def _hand_on(self, frames: Frames) -> None:
        for frame, local_ts in frames:
            self._listener.on_frame(self, frame, local_ts)

    def _receive_tail(self, tail: Handover | None, frame: bytes, local_ts: int) -> None:
        if tail is not None:
            self._hand_on(tail.new(frame, local_ts))
            if tail.is_settled:
                self._tail = None

    def _connect(self) -> None:
        now = self._timers.monotonic_ns()
        wait = self._connects.delay_ns(now)
        if wait > 0:
            self._connecting.set(wait, self._connect)
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
            self._life.set(delay, lambda: self._end_life(link))

    def _end_life(self, link: Link) -> None:
        if link is self._link:
            self.replace_link("the connection is near the end of its life")

    def _look_at_overlap(self, link: Link) -> None:
        """Ends the overlap when every stream was switched, or after `overlap_max_ns`."""
        handover = self._handover
        if link is not self._next or handover is None:
            return
        age = self._timers.monotonic_ns() - link.live_ns
        if handover.is_done or age >= self._times.overlap_max_ns:
            if self._link is not None:
                self._link.close()
            self._change_over(link, handover)
        else:
            self._overlap.set(self._times.overlap_min_ns, lambda: self._look_at_overlap(link))

    def _change_over(self, link: Link, handover: Handover) -> None:
        self._link, self._next, self._handover = link, None, None
        self._hand_on(handover.finish(self._timers.time_ns()))
        if not handover.is_settled:
            self._tail = handover
            self._tail_end.set(self._times.overlap_max_ns, self._end_tail)
        self.event(EventKind.HANDOVER, "done", self._timers.time_ns())
        self._plan_life(link)

    def _end_tail(self) -> None:
        self._tail = None

    def _retry_next(self) -> None:
        """Drops the buffered frames of a failed new link and tries another one; the present link continues."""
        handover, self._next = self._handover, None
        self._handover = Handover(self._venue, self.topics)
        if handover is not None and any(handover.is_over(topic) for topic in self.topics):
            # Some streams were already switched, so frames of the old link were dropped.
            self._listener.on_lost(self, "the new connection failed during the change")
            self._is_live = False
            if self._link is not None and self._link.state == LinkState.LIVE:
                self._is_live = True
                self._listener.on_live(self)
        self._connecting.set(self._backoff.next_ns(), self._connect)

    def _lose_link(self, reason: str) -> None:
        self._link = None
        self._life.cancel()
        successor, handover = self._next, self._handover
        if successor is not None and handover is not None and successor.state == LinkState.LIVE:
            self._change_over(successor, handover)
            return
        was_live, self._is_live = self._is_live, False
        self._handover = self._tail = None
        if was_live:
            self._listener.on_lost(self, reason)
        if successor is not None and handover is not None:
            self._link, self._next = successor, None
            self._hand_on(handover.finish(self._timers.time_ns()))
        else:
            self._connecting.set(self._backoff.next_ns(), self._connect)
