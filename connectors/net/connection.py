"""One websocket from handshake to close: subscriptions, pings, time-outs. Reconnecting is up to the session.

No socket and no clock of its own: a transport and timers are passed in. One thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import NamedTuple, Protocol

from connectors.model import Control, ControlKind, Request, Venue
from connectors.net.backoff import Alarm
from connectors.net.interfaces import Connection, EventKind, Timers, Transport
from connectors.net.rate_limit import Limiter
from connectors.parsing.batch import Batch
from connectors.units import SECOND


class LinkState(IntEnum):
    """State of a link."""

    CONNECTING = 0
    SUBSCRIBING = 1
    LIVE = 2
    """Every subscription is acknowledged or refused."""
    CLOSED = 3


_CLOSED = LinkState.CLOSED


class LinkTimes(NamedTuple):
    """Spans in ns."""

    tick_ns: int = SECOND // 2
    """Interval of the time-out checks; the precision of the other times."""
    handshake_ns: int = 5 * SECOND
    answer_ns: int = 10 * SECOND
    """A subscription request without a response for this long ends the link."""
    idle_ns: int = 5 * SECOND
    """Without any frame for this long, a ping is sent ..."""
    silent_ns: int = 10 * SECOND
    """... and without any for this long, the link is closed."""
    refused_ns: int = 60 * SECOND
    """Interval at which refused topics are requested again."""


class LinkOwner(Protocol):
    """Receives the callbacks of a link: the session."""

    def link_live(self, link: Link) -> None: ...

    def link_frame(self, link: Link, frame: bytes, local_ts: int) -> None: ...

    def link_batch(self, link: Link, batch: Batch, first: int) -> int:
        """Processes market frames from number `first` on; returns how many, 0 if the first must be passed by itself."""

    def link_closed(self, link: Link, reason: str) -> None:
        """The link failed, was closed by the venue, or timed out. At most once, and the last call."""

    def link_refused(self, link: Link, topic: str, reason: str) -> None:
        """The venue refuses one topic, the others continue; an empty `reason`: the topic was accepted after all."""

    def link_notice(self, link: Link, text: str) -> None:
        """The server announced that it will close the connection."""

    def event(self, kind: EventKind, text: str, local_ts: int) -> None: ...


class Link:
    """One websocket. `state` is written here only."""

    def __init__(
        self,
        venue: Venue,
        url: str,
        topics: Sequence[str],
        *,
        transport: Transport,
        timers: Timers,
        owner: LinkOwner,
        times: LinkTimes,
        refused: Iterable[str] = (),
    ) -> None:
        """Connects to `url`, then subscribes to `topics`; to those in `refused` only after `LinkTimes.refused_ns`."""
        self.url = url
        self.state = LinkState.CONNECTING
        #: Monotonic time at which it became live; 0 before.
        self.live_ns = 0
        self._venue = venue
        self._topics = list(topics)
        self._timers = timers
        self._owner = owner
        self._times = times
        limits = venue.limits
        self._limiter = Limiter(limits.messages, limits.messages_ns)
        self._next_id = 1
        #: Requests not sent yet, and by id those without a response, with the time they were sent.
        self._outbox: deque[Request] = deque()
        self._asked: dict[str, tuple[Request, int]] = {}
        #: Topics to subscribe to once their unsubscription is acknowledged, by the id of that request.
        self._again: dict[str, tuple[str, ...]] = {}
        #: Topics that the venue refuses; `_refused_ns`: when they were requested last.
        self._refused = set(refused)
        now = timers.monotonic_ns()
        self._begun_ns = self._heard_ns = self._pinged_ns = self._refused_ns = now
        self._has_heard = False
        self._pump_alarm, self._tick_alarm = Alarm(timers), Alarm(timers)
        self._tick_alarm.set(times.tick_ns, self._tick)
        self._connection: Connection = transport.connect(url, self)

    @property
    def is_open(self) -> bool:
        return self.state in (LinkState.SUBSCRIBING, LinkState.LIVE)

    @property
    def _is_closed(self) -> bool:
        return self.state is _CLOSED

    def close(self) -> None:
        """Closes the link without a callback. Idempotent."""
        if self.state != LinkState.CLOSED:
            self.state = LinkState.CLOSED
            self._tick_alarm.cancel()
            self._pump_alarm.cancel()
            self._connection.close()

    def subscribe_again(self, topics: Sequence[str]) -> None:
        """Unsubscribes and subscribes, to restart streams. No effect before the link is live.

        Topics with a pending request are skipped, so repeated calls do not fill the queue.
        """
        requests = [*self._outbox, *(request for request, _ in self._asked.values())]
        busy = self._refused.union(*(request.topics for request in requests))
        wanted = [topic for topic in topics if topic not in busy]
        if self.state == LinkState.LIVE and wanted:
            for request in self._requests("unsubscribe", wanted):
                self._again[request.id] = request.topics
                self._outbox.append(request)
            self._pump()

    # Called by the transport.

    def on_open(self) -> None:
        if self.state != LinkState.CONNECTING:
            return
        self.state = LinkState.SUBSCRIBING
        self._heard_ns = self._pinged_ns = self._timers.monotonic_ns()
        self._subscribe([topic for topic in self._topics if topic not in self._refused])

    def on_frame(self, frame: bytes, local_ts: int) -> None:
        if self.state == LinkState.CLOSED:
            return
        self._has_heard = True
        control = self._venue.control(frame)
        if control is None:
            self._owner.link_frame(self, frame, local_ts)
        else:
            self._receive(control, local_ts)

    def on_batch(self, batch: Batch) -> None:
        if self.state is _CLOSED:
            return
        self._has_heard = True
        count, done = len(batch.frames), 0
        while True:
            processed = self._owner.link_batch(self, batch, done)
            if processed == 0:
                self.on_frame(batch.frames[done], batch.stamps[done])
                processed = 1
            done += processed
            if done >= count or self._is_closed:
                return

    def on_close(self, reason: str) -> None:
        self._give_up(reason or "closed by the venue")

    # Helpers.

    def _requests(self, verb: str, topics: Sequence[str]) -> list[Request]:
        requests = self._venue.requests(verb, topics, self._next_id)
        self._next_id += len(requests)
        return requests

    def _receive(self, control: Control, local_ts: int) -> None:
        if control.kind == ControlKind.NOTICE:
            self._owner.event(EventKind.NOTICE, control.text, local_ts)
            self._owner.link_notice(self, control.text)
        elif control.kind == ControlKind.PONG:
            self._asked.pop(control.id, None)
            self._owner.event(EventKind.PONG, "", local_ts)
        elif control.kind in (ControlKind.ACK, ControlKind.ERROR):
            self._receive_answer(control, local_ts)

    def _receive_answer(self, control: Control, local_ts: int) -> None:
        # Bybit may omit the id in a response; responses arrive in the order of the requests.
        oldest = next((key for key, (request, _) in self._asked.items() if request.topics), "")
        request_id = control.id if control.id in self._asked else oldest
        request, _ = self._asked.pop(request_id, (Request("", ""), 0))
        if control.kind == ControlKind.ERROR:
            self._receive_refusal(request, control.text, local_ts)
        else:
            self._owner.event(EventKind.ACK, " ".join(request.topics), local_ts)
            again = self._again.pop(request.id, None)
            if again is not None:
                self._subscribe(again)
            for topic in self._refused.intersection(request.topics):
                self._refused.remove(topic)
                self._owner.link_refused(self, topic, "")
        if self.state == LinkState.SUBSCRIBING and not self._outbox and not self._asked:
            self.state = LinkState.LIVE
            self.live_ns = self._timers.monotonic_ns()
            self._owner.link_live(self)

    def _receive_refusal(self, request: Request, text: str, local_ts: int) -> None:
        """Splits a refused request in halves, since one bad topic among many has the whole request refused."""
        topics = request.topics
        if len(topics) > 1 and request.id not in self._again:
            self._subscribe(topics[: len(topics) // 2])
            self._subscribe(topics[len(topics) // 2 :])
            return
        is_known = self._refused.issuperset(topics)
        if not (topics and is_known):
            self._owner.event(EventKind.ERROR, f"{text} ({' '.join(topics)})", local_ts)
        if request.id in self._again or (topics and len(self._refused.union(topics)) == len(self._topics)):
            self._give_up(f"refused: {text}")
        elif topics and not is_known:
            self._refused.update(topics)
            self._refused_ns = self._timers.monotonic_ns()
            self._owner.link_refused(self, topics[0], text)

    def _subscribe(self, topics: Sequence[str]) -> None:
        self._outbox.extend(self._requests("subscribe", topics))
        self._pump()

    def _pump(self) -> None:
        """Sends queued requests as fast as the venue's message limit allows."""
        self._pump_alarm.cancel()
        now = self._timers.monotonic_ns()
        while self._outbox and self.is_open:
            delay = self._limiter.delay_ns(now)
            if delay > 0:
                self._pump_alarm.set(delay, self._pump)
                return
            request = self._outbox.popleft()
            self._limiter.take(now)
            self._asked[request.id] = (request, now)
            self._connection.send(request.frame)

    def _tick(self) -> None:
        now = self._timers.monotonic_ns()
        times = self._times
        if self._has_heard:
            self._has_heard = False
            self._heard_ns = now
        if self.state == LinkState.CONNECTING:
            if now - self._begun_ns >= times.handshake_ns:
                self._give_up("no handshake in time")
                return
        elif now - self._heard_ns >= times.silent_ns:
            self._give_up("silent")
            return
        elif any(request.topics for request in self._unanswered(now)):
            self._give_up("a request was not answered")
            return
        elif self.is_open:
            is_idle = now - self._heard_ns >= times.idle_ns and now - self._pinged_ns >= times.idle_ns
            if is_idle or now - self._pinged_ns >= self._venue.limits.ping_ns - times.tick_ns:
                self._pinged_ns = now
                self._outbox.append(self._venue.ping(self._next_id))
                self._next_id += 1
                self._pump()
            if self._refused and now - self._refused_ns >= times.refused_ns:
                self._refused_ns = now
                self._subscribe(sorted(self._refused))
        self._tick_alarm.set(times.tick_ns, self._tick)

    def _unanswered(self, now: int) -> list[Request]:
        """Removes and returns overdue requests. A late ping is harmless: any frame shows a live connection."""
        late = {
            key: request for key, (request, at) in self._asked.items() if now - at >= self._times.answer_ns
        }
        for key in late:
            del self._asked[key]
        return list(late.values())

    def _give_up(self, reason: str) -> None:
        if self.state != LinkState.CLOSED:
            self.close()
            self._owner.link_closed(self, reason)
