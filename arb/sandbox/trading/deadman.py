"""Dead man's switches: Binance USD-M's countdown of a symbol, Bybit's protection after disconnects. Pure."""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

from connectors.units import MILLISECOND

#: Countdowns are checked at these times only. Source: the USD-M page of countdownCancelAll ("about every 10 ms").
_CHECK_NS = 10 * MILLISECOND


class Switch(NamedTuple):
    """Whose orders a countdown cancels; symbol None: all of the venue."""

    venue: str
    account: str
    symbol: str | None


class Countdowns:
    """Deadlines; each one fires once, unless it is renewed or stopped before."""

    def __init__(self) -> None:
        self._due_ns: dict[Switch, int] = {}

    def start(self, key: Switch, now_ns: int, duration_ns: int) -> None:
        """Starts or renews a countdown; a duration of 0 stops it."""
        if duration_ns == 0:
            self._due_ns.pop(key, None)
        else:
            self._due_ns[key] = -(-(now_ns + duration_ns) // _CHECK_NS) * _CHECK_NS

    def next_due_ns(self) -> int | None:
        return min(self._due_ns.values(), default=None)

    def take(self, to_ns: int) -> list[Switch]:
        """Ends the countdowns that are due, in order of their times, and returns their keys."""
        due = sorted(
            (at_ns, no, key) for no, (key, at_ns) in enumerate(self._due_ns.items()) if at_ns <= to_ns
        )
        for _, _, key in due:
            del self._due_ns[key]
        return [key for _, _, key in due]


class DisconnectProtection:
    """Bybit's DCP of one account and product: fires when no connection with its topic is left for a time.

    Source: bybit docs order/dcp.mdx (read 2026-07-24).
    """

    def __init__(self, countdowns: Countdowns, key: Switch) -> None:
        self._countdowns = countdowns
        self._key = key
        self._connections: set[Hashable] = set()
        #: Time without a connection; 0: off.
        self.window_ns = 0

    def connect(self, connection: Hashable) -> None:
        """A connection subscribed to the topic."""
        self._connections.add(connection)
        self._countdowns.start(self._key, 0, 0)

    def disconnect(self, connection: Hashable, now_ns: int) -> None:
        """A connection ended, or its subscription."""
        if connection in self._connections:
            self._connections.remove(connection)
            if not self._connections and self.window_ns:
                self._countdowns.start(self._key, now_ns, self.window_ns)
