"""Who answers the orders of a session on live data beyond the port of its bot: connections, their files, the end.

In a dry-run nobody does (`NoOrders`): the simulated exchange is behind the port, and has no connections.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from arb.errors import ArbError
from arb.runtime.host import Host
from arb.runtime.live_files import OrderRecords
from arb.runtime.order_news import NO_NEWS, OrderNews
from arb.runtime.order_tables import OrderTables
from arb.runtime.session import Session
from arb.runtime.session_alerts import Ending


class OrdersState(NamedTuple):
    """What is known beside the strategy. halted: what a person or a rule has halted, "" if nothing. doubts: requests
    whose outcome is not known. rules: the supervisor's that hold, each with what it is about. margin_pct: the
    maintenance margin of the worst account, NaN if not known. reported: states whose messages the guard sends.
    decisions, sends: see `Status`, as `SpanCounts.lines`. environment, accounts: where it trades."""

    halted: str = ""
    doubts: int = 0
    rules: Mapping[str, str] = MappingProxyType({})
    margin_pct: float = math.nan
    reported: Sequence[str] = ()
    decisions: Sequence[tuple[str, float, list[int]]] = ()
    sends: Sequence[tuple[str, float, list[int]]] = ()
    environment: str = ""
    accounts: Sequence[str] = ()


class SessionOrders(Protocol):
    """The order connections of one session. The event loop's thread."""

    #: Why the session failed although strategy and feeds did not; None if nothing is wrong.
    fault: ArbError | None

    @property
    def broken(self) -> ArbError | None:
        """Why files cannot be written: the session is halted, and ends with it; None: they are."""

    def break_off(self, error: ArbError) -> bool:
        """Files of the session cannot be written: halts it. False if there is nothing to bring to an end first. Any
        thread."""

    @property
    def tables(self) -> OrderTables | None:
        """Of orders that are in no account's journal: the rows that they have there."""

    async def open(self, host: Host, session: Session) -> None:
        """Opens the connections, before the feeds start. Raises InputError if one cannot be opened."""

    async def close(self, ending: Ending | None = None) -> None:
        """Leaves no order open, and closes the connections. The strategy has been stopped; may be called repeatedly.
        ending: of a session that did not end as it should."""

    @property
    def head(self) -> dict[str, Any]:
        """Fields of the manifest."""

    def take(self) -> tuple[bytes, bytes]:
        """Requests and responses since the last call, as rows of `live_files.REQUEST` and `RESPONSE`."""

    def news(self) -> OrderNews:
        """Of the strategy's orders since the last call."""

    def records(self) -> OrderRecords | None:
        """What is written beside a dry-run's files; None: nothing."""

    def halted(self) -> tuple[str, bool] | None:
        """Why the session is halted, and whether its positions are to be closed; None: it is not."""

    def state(self) -> OrdersState:
        """For other processes; reads the flags of `arb halt`. Once the connections are open."""

    def unbooked(self) -> list[float]:
        """By leg, what venues hold beyond the positions of the session's executions; empty: nothing."""

    def supervise(self) -> None:
        """Looks at everything that is watched beside the strategy; called every `supervision.LOOK_S`."""

    def left_text(self, working: int) -> str:
        """What happened to orders that were still working at the end."""

    def hung_text(self) -> str:
        """What happens to the orders of a strategy that never returned. Any thread."""


class Preflight(Protocol):
    """What must be well with the accounts before an order may be sent."""

    async def run(self, host: Host, write: Callable[[str, str], None]) -> None:
        """Checks and prepares the accounts; after `Host.compare_grids`. write: a line of a kind to the session's log.

        Raises InputError, one line with the next step, if an account is not accepted.
        """


class NoOrders:
    """A session whose orders are answered behind the port of its bot."""

    fault: ArbError | None = None
    broken: ArbError | None = None

    def __init__(self, tables: OrderTables | None = None) -> None:
        self.tables = tables

    def break_off(self, error: ArbError) -> bool:
        return False

    async def open(self, host: Host, session: Session) -> None:
        """Nothing is connected."""

    async def close(self, ending: Ending | None = None) -> None:
        """Nothing is open."""

    @property
    def head(self) -> dict[str, Any]:
        return {}

    def take(self) -> tuple[bytes, bytes]:
        return b"", b""

    def news(self) -> OrderNews:
        return NO_NEWS if self.tables is None else self.tables.news()

    def records(self) -> OrderRecords | None:
        return None

    def halted(self) -> tuple[str, bool] | None:
        return None

    def state(self) -> OrdersState:
        return OrdersState()

    def unbooked(self) -> list[float]:
        return []

    def supervise(self) -> None:
        """Nothing is watched."""

    def left_text(self, working: int) -> str:
        return f"{working} working orders were pulled"

    def hung_text(self) -> str:
        return "its orders are void"
