"""An account's past at a venue: closed orders, executions, changes of balances. Bounded: the oldest leave."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Generic, Protocol, TypeVar

from arb.sandbox.accounts.ledger import Entry, EntryCause

ORDERS_MAX = 20_000
EXECUTIONS_MAX = 50_000


class KeptOrder(Protocol):
    """An order as `ClosedOrders` knows it."""

    @property
    def symbol(self) -> str: ...
    @property
    def no(self) -> int: ...
    @property
    def order_id(self) -> str: ...
    @property
    def client_id(self) -> str: ...
    @property
    def created_ns(self) -> int: ...


class KeptExecution(Protocol):
    """An execution as `Executions` knows it."""

    @property
    def symbol(self) -> str: ...
    @property
    def trade_id(self) -> int: ...
    @property
    def order_id(self) -> str: ...
    @property
    def at_ns(self) -> int: ...


Kept = TypeVar("Kept", bound=KeptOrder)
Done = TypeVar("Done", bound=KeptExecution)


class ClosedOrders(Generic[Kept]):
    """The closed orders of one account at one venue."""

    def __init__(self, orders_max: int = ORDERS_MAX) -> None:
        self._max = orders_max
        #: In order of their closing.
        self._by_id: dict[str, Kept] = {}
        #: The last closed order with a client id: clients may use one again.
        self._by_client_id: dict[str, Kept] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def add(self, order: Kept) -> None:
        """Adds an order that was just closed."""
        self._by_id[order.order_id] = order
        self._by_client_id[order.client_id] = order
        if len(self._by_id) > self._max:
            self._remove(next(iter(self._by_id.values())))

    def by_id(self, order_id: str) -> Kept | None:
        return self._by_id.get(order_id)

    def by_client_id(self, client_id: str) -> Kept | None:
        return self._by_client_id.get(client_id)

    def newest_first(self) -> Iterator[Kept]:
        """By time of closing."""
        return reversed(self._by_id.values())

    def listing(
        self,
        symbol: str | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
        limit: int | None = None,
    ) -> list[Kept]:
        """By number, of orders created in [start_ns, end_ns]; a limit keeps the newest ones."""
        found = [
            order
            for order in self._by_id.values()
            if symbol in (None, order.symbol) and _is_within(order.created_ns, start_ns, end_ns)
        ]
        found.sort(key=lambda order: order.no)
        return found if limit is None else found[-limit:] if limit else []

    def remove(self, is_gone: Callable[[Kept], bool]) -> int:
        """Removes orders, as a venue's retention does; returns how many."""
        gone = [order for order in self._by_id.values() if is_gone(order)]
        for order in gone:
            self._remove(order)
        return len(gone)

    def _remove(self, order: Kept) -> None:
        del self._by_id[order.order_id]
        if self._by_client_id.get(order.client_id) is order:
            del self._by_client_id[order.client_id]


class Executions(Generic[Done]):
    """The executions of one account at one venue, oldest first."""

    def __init__(self, executions_max: int = EXECUTIONS_MAX) -> None:
        self._max = executions_max
        self._all: deque[Done] = deque()
        self._by_order: dict[str, deque[Done]] = {}

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Done]:
        return iter(self._all)

    def add(self, execution: Done) -> None:
        self._all.append(execution)
        self._by_order.setdefault(execution.order_id, deque()).append(execution)
        if len(self._all) > self._max:
            oldest = self._all.popleft()
            of_order = self._by_order[oldest.order_id]
            of_order.popleft()
            if not of_order:
                del self._by_order[oldest.order_id]

    def of_order(self, order_id: str) -> list[Done]:
        return list(self._by_order.get(order_id, ()))

    def listing(
        self,
        symbol: str | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
        limit: int | None = None,
        from_id: int | None = None,
    ) -> list[Done]:
        """Oldest first. With `from_id`, a limit keeps those that follow it; else the newest ones."""
        found = [
            one
            for one in self._all
            if symbol in (None, one.symbol)
            and _is_within(one.at_ns, start_ns, end_ns)
            and (from_id is None or one.trade_id >= from_id)
        ]
        if limit is None or not limit:
            return found if limit is None else []
        return found[:limit] if from_id is not None else found[-limit:]


def incomes(
    entries: Iterable[Entry],
    venue: str,
    causes: Collection[EntryCause],
    symbol: str | None = None,
    start_ns: int | None = None,
    end_ns: int | None = None,
) -> list[Entry]:
    """The changes of balances at a venue with one of these causes, oldest first."""
    return [
        entry
        for entry in entries
        if entry.venue == venue
        and entry.cause in causes
        and symbol in (None, entry.symbol)
        and _is_within(entry.at_ns, start_ns, end_ns)
    ]


def _is_within(at_ns: int, start_ns: int | None, end_ns: int | None) -> bool:
    return (start_ns is None or at_ns >= start_ns) and (end_ns is None or at_ns <= end_ns)
