"""Trading without orders, for tests of the request path: it records the times at which it is called."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from arb.sandbox.accounts.keys import ApiKey, KeyRing
from arb.sandbox.accounts.rules import Facts
from arb.sandbox.serve.tape import Line, Tape
from arb.sandbox.trading.undocumented import DEFAULTS


class FakeDesk:
    """The desk of a venue without instruments."""

    def __init__(self) -> None:
        self.instruments: dict[str, Any] = {}


class FakeDelivery:
    """Answers after `delay_ns`; 0: within the call."""

    def __init__(self, delay_ns: int = 0) -> None:
        self.delay_ns = delay_ns
        self._no = 0
        self._due: list[tuple[int, int, Callable[[int], None]]] = []

    def arrive(self, now_ns: int, key: object, action: Callable[[int], None]) -> None:
        action(now_ns)

    def answer(self, now_ns: int, order_key: object, send: Callable[[int], None]) -> None:
        if not self.delay_ns:
            send(now_ns)
            return
        self._no += 1
        heapq.heappush(self._due, (now_ns + self.delay_ns, self._no, send))

    def advance(self, to_ns: int) -> None:
        while self._due and self._due[0][0] <= to_ns:
            at_ns, _, send = heapq.heappop(self._due)
            send(at_ns)

    def next_due_ns(self) -> int | None:
        return self._due[0][0] if self._due else None


class FakeTrading:
    """Makes itself: `Sandbox(..., trading=FakeTrading(keys).open)`."""

    looks_ahead = False
    rows_late = 0

    def __init__(self, keys: Sequence[ApiKey] = (), delay_ns: int = 0) -> None:
        self.keys = KeyRing(keys)
        venues = ("binance_spot", "binance_usdm", "bybit_spot", "bybit_linear")
        self.desks = {venue: FakeDesk() for venue in venues}
        self.delivery = {venue: FakeDelivery(delay_ns) for venue in venues}
        self.undocumented = dict(DEFAULTS)
        self.listeners: dict[tuple[str, str], list[Callable[[Any], None]]] = {}
        #: (time, number of the frame's listing; -1: `advance`), in order.
        self.times: list[tuple[int, int]] = []

    def open(
        self, tape: Tape, facts: Mapping[tuple[str, str], Facts], start_ns: int, limits: Any
    ) -> FakeTrading:
        self.listings = tape.listings
        return self

    def listen(self, venue: str, account: str, listener: Callable[[Any], None]) -> Callable[[], None]:
        listeners = self.listeners.setdefault((venue, account), [])
        listeners.append(listener)
        return lambda: listeners.remove(listener)

    def receive(self, line: Line, now_ns: int) -> None:
        self.times.append((now_ns, line.no))

    def advance(self, to_ns: int) -> None:
        self.times.append((to_ns, -1))
        for delivery in self.delivery.values():
            delivery.advance(to_ns)

    def next_due_ns(self) -> int | None:
        due = [at_ns for one in self.delivery.values() if (at_ns := one.next_due_ns()) is not None]
        return min(due, default=None)
