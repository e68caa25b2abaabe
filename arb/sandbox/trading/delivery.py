"""Delays of requests, answers and events: what happens when, in one order for the whole sandbox. Pure.

Delays are uniform between two bounds, drawn from a seeded generator. On one connection, order is kept.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from numpy.random import Generator

#: Called with the time at which it is due.
Action = Callable[[int], None]

_ARRIVAL, _ANSWER, _EVENT = range(3)
#: So many actions may wait whether they are needed or not.
WAITING_MIN = 256


@dataclass(frozen=True)
class Delays:
    """Bounds of the delays at one venue, in ns: of requests on the way in, of answers and of events."""

    arrival_ns: tuple[int, int] = (0, 0)
    answer_ns: tuple[int, int] = (0, 0)
    event_ns: tuple[int, int] = (0, 0)


class Outbox:
    """Actions by due time; of equal times in the order in which they were put."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Action, Callable[[], bool]]] = []
        self._no = 0
        #: The number of actions at which those that are not needed any more are dropped.
        self._most = WAITING_MIN

    def put(self, due_ns: int, action: Action, is_needed: Callable[[], bool] = lambda: True) -> None:
        """is_needed: False once the action would do nothing. Of more than WAITING_MIN, at most half are such ones."""
        if len(self._heap) >= self._most:
            self._heap = [one for one in self._heap if one[3]()]
            heapq.heapify(self._heap)
            self._most = max(WAITING_MIN, 2 * len(self._heap))
        self._no += 1
        heapq.heappush(self._heap, (due_ns, self._no, action, is_needed))

    def next_due_ns(self) -> int | None:
        return self._heap[0][0] if self._heap else None

    def run_next(self) -> None:
        """Runs the first action."""
        due_ns, _, action, _ = heapq.heappop(self._heap)
        action(due_ns)


class Delivery:
    """The delays of one venue. Without a delay an action runs at once, unless an earlier one of its key waits."""

    def __init__(self, outbox: Outbox, delays: Delays, chance: Generator, flush: Action) -> None:
        """flush: sends the events that happened in a request; called after its answer."""
        self._outbox = outbox
        self._flush = flush
        self._bounds = (delays.arrival_ns, delays.answer_ns, delays.event_ns)
        self._chance = chance
        #: Due time of the last waiting action by kind and key, so that none passes it.
        self._last: dict[tuple[int, Hashable], int] = {}

    def arrive(self, now_ns: int, key: Hashable, action: Action) -> None:
        """Runs `action` when a request that is sent now arrives. `key`: its connection."""

        def arrived(at_ns: int) -> None:
            action(at_ns)
            self._flush(at_ns)

        self._run(_ARRIVAL, now_ns, key, arrived)

    def answer(self, now_ns: int, key: Hashable, action: Action) -> None:
        """Runs `action` when an answer that is sent now reaches the client. `key`: its connection."""
        self._run(_ANSWER, now_ns, key, action)
        self._flush(now_ns)

    def event(self, now_ns: int, key: Hashable, action: Action, extra_ns: int = 0) -> None:
        """Runs `action` when an event that happens now reaches its listener, `key`.

        extra_ns: a further delay of this event alone, which later ones may pass.
        """
        if extra_ns:
            self._outbox.put(now_ns + self._delay(_EVENT) + extra_ns, action)
        else:
            self._run(_EVENT, now_ns, key, action)

    def _run(self, kind: int, now_ns: int, key: Hashable, action: Action) -> None:
        place = (kind, key)
        due_ns = max(now_ns + self._delay(kind), self._last.get(place, 0))
        if due_ns <= now_ns and place not in self._last:
            action(now_ns)
            return
        self._last[place] = due_ns

        def run(at_ns: int) -> None:
            if self._last.get(place) == due_ns:
                del self._last[place]
            action(at_ns)

        self._outbox.put(due_ns, run)

    def _delay(self, kind: int) -> int:
        low, high = self._bounds[kind]
        return low if low == high else int(self._chance.integers(low, high, endpoint=True))
