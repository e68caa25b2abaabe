"""REST requests of one venue's orders and account: by priority, with a deadline each, and silent while banned.

A request is sent at most once. One that is still queued at its deadline is never sent: nothing old reaches the venue.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping

from connectors.net.backoff import Alarm
from connectors.net.interfaces import RestAnswer, Timers, TradeRest
from connectors.orders.model import Act, WireRequest
from connectors.trade.interfaces import LineOwner, Sent
from connectors.trade.times import TradeTimes
from connectors.units import MINUTE, SECOND

#: Most requests on their way at once, and most that wait; a further one is not sent.
IN_FLIGHT_MAX = 8
QUEUED_MAX = 1000

#: Statuses with which a venue refuses everything for a while, and how long if it does not say.
_BANS_NS = {429: 10 * SECOND, 418: 2 * MINUTE, 403: 10 * MINUTE}

_CANCEL, _LOOK_UP, _PLACE, _OTHER = range(4)
_PRIORITIES = {
    Act.CANCEL: _CANCEL,
    Act.CANCEL_ALL: _CANCEL,
    # Rare, and too late is as bad as none.
    Act.SWITCH: _CANCEL,
    Act.LOOK_UP: _LOOK_UP,
    Act.OPEN_ORDERS: _LOOK_UP,
    Act.EXECUTIONS: _LOOK_UP,
    Act.TIME: _LOOK_UP,
    Act.PLACE: _PLACE,
    Act.AMEND: _PLACE,
}

Done = Callable[[RestAnswer], None]


class _Asked:
    """A request and what has become of it."""

    __slots__ = ("done", "is_over", "is_sent", "request", "timeout", "where")

    def __init__(self, request: WireRequest, where: str, done: Done, timeout: Alarm) -> None:
        self.request = request
        self.where = where
        self.done = done
        self.timeout = timeout
        self.is_sent = False
        #: Whether `done` was called.
        self.is_over = False


class RestLine:
    """The queue of REST requests of one venue."""

    def __init__(
        self,
        rest: TradeRest,
        timers: Timers,
        owner: LineOwner,
        times: TradeTimes,
        on_limits: Callable[[Act, Mapping[str, str]], None] | None = None,
    ) -> None:
        """on_limits: receives the act of each request that was answered, and headers about limits on requests."""
        self._rest = rest
        self._timers = timers
        self._owner = owner
        self._times = times
        self._on_limits = on_limits
        self._heap: list[tuple[int, int, _Asked]] = []
        self._in_flight = 0
        self._count = 0
        self._is_running = True
        #: Monotonic time until which nothing is sent.
        self._banned_until = 0
        self._ban_end = Alarm(timers)

    def send(self, request: WireRequest) -> Sent:
        """Queues a request of a desk: cancels first, then queries, places, others. The owner gets its end."""

        def done(answer: RestAnswer) -> None:
            self._owner.rest_answer(
                where,
                request.wire_id,
                answer.status,
                answer.body or answer.error.encode(),
                answer.retry_after_ns,
                answer.was_sent,
                answer.local_ts,
            )

        if not self._is_running or len(self._heap) >= QUEUED_MAX:
            return Sent(False, "")
        where = self._add(request, done)
        return Sent(True, where)

    def ask(self, request: WireRequest, done: Done) -> None:
        """Queues a request of a line, such as for a listen key: `done` gets its end, the owner only what was said."""

        def answered(answer: RestAnswer) -> None:
            text = (answer.body or answer.error.encode()).decode("utf-8", "backslashreplace")
            self._owner.own_traffic(where, False, f"{answer.status} {text}", answer.local_ts)
            done(answer)

        where = self._add(request, answered)
        text = f"{request.method} {request.path}?{request.query}".rstrip("?")
        self._owner.own_traffic(where, True, text, self._timers.time_ns())

    def pause(self, span_ns: int) -> None:
        """Sends nothing for a while: the venue said so elsewhere. Never shortens a pause."""
        self._banned_until = max(self._banned_until, self._timers.monotonic_ns() + span_ns)

    def stop(self) -> None:
        """Forgets what is queued and sends nothing more; ends of requests are still reported. Idempotent."""
        self._is_running = False
        self._ban_end.cancel()
        for _, _, asked in self._heap:
            asked.timeout.cancel()
        self._heap.clear()

    def _add(self, request: WireRequest, done: Done) -> str:
        self._count += 1
        asked = _Asked(request, f"r{self._count}", done, Alarm(self._timers))
        asked.timeout.set(self._times.answer_ns, lambda: self._time_out(asked))
        heapq.heappush(self._heap, (_PRIORITIES.get(request.act, _OTHER), self._count, asked))
        self._pump()
        return asked.where

    def _pump(self) -> None:
        """Sends what may be sent now."""
        now = self._timers.monotonic_ns()
        if now < self._banned_until:
            self._ban_end.set(self._banned_until - now, self._pump)
            return
        while self._heap and self._in_flight < IN_FLIGHT_MAX and self._is_running:
            _, _, asked = heapq.heappop(self._heap)
            if asked.is_over:
                continue
            self._in_flight += 1
            self._dispatch(asked)

    def _dispatch(self, asked: _Asked) -> None:
        asked.is_sent = True
        self._rest.send(asked.request, lambda answer: self._receive(asked, answer))

    def _receive(self, asked: _Asked, answer: RestAnswer) -> None:
        self._in_flight -= 1
        if self._on_limits is not None and answer.status:
            self._on_limits(asked.request.act, dict(answer.limits))
        if answer.status in _BANS_NS:
            ban_ns = answer.retry_after_ns or _BANS_NS[answer.status]
            self._banned_until = max(self._banned_until, self._timers.monotonic_ns() + ban_ns)
            answer = answer._replace(retry_after_ns=ban_ns)
        self._finish(asked, answer)
        self._pump()

    def _time_out(self, asked: _Asked) -> None:
        now = self._timers.time_ns()
        error = "no answer in time" if asked.is_sent else "not sent in time"
        self._finish(asked, RestAnswer(0, b"", now, now, error=error, was_sent=asked.is_sent))

    def _finish(self, asked: _Asked, answer: RestAnswer) -> None:
        """Reports the end of a request; an answer after its deadline is of no use."""
        asked.timeout.cancel()
        if not asked.is_over:
            asked.is_over = True
            asked.done(answer)
