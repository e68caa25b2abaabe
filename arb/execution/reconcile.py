"""Compares what a journal knows of one symbol with what its venue says, at the start of a session. Pure.

The journal has the orders and executions of earlier sessions; the venue has the open orders, the executions since then
and, of a perpetual, the position. What carries the journal's tag and may be its own is adopted: executions that the
journal lacks are added to it, orders that are still open are cancelled before. What carries no tag of ours is never
touched. A difference that is left is said in one line, which ends the start.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from arb.execution.ids import OrderId, parse_client_id
from connectors.orders.model import Execution, ExecutionKind, OrderStatus, OrderUpdate
from connectors.units import MILLISECOND

#: So much a venue's clock may be behind ours when an order is made.
_CLOCK_MS = 10_000

#: An order in the journal: run, leg, number of the request that placed it.
OrderKey = tuple[int, int, int]


class KnownOrder(NamedTuple):
    """An order of the journal that has not ended there. filled_lots: executions that the journal has."""

    key: OrderKey
    client_ids: tuple[str, ...]
    made_ns: int
    lots: int
    filled_lots: int


class OwnExecution(NamedTuple):
    """An execution of an order of ours that the journal lacks."""

    key: OrderKey
    execution: Execution
    attempt: int


class Ending(NamedTuple):
    """How an order of the journal ended. executed: lots."""

    key: OrderKey
    status: str
    executed: int
    text: str


@dataclass
class SymbolState:
    """What is known of one symbol at its venue. `tag`, `runs`: of the journal; runs: the last number that it gave."""

    venue: str
    symbol: str
    tag: str
    runs: int
    #: Executions of the journal: the orders by id, two of a trade with oneself; the orders that have not ended there.
    known_ids: Mapping[str, frozenset[OrderKey]] = field(default_factory=dict)
    orders: dict[OrderKey, KnownOrder] = field(default_factory=dict)
    #: What was found since: executions that the journal lacks; ends; orders that are not ours.
    found: dict[tuple[OrderKey, str], OwnExecution] = field(default_factory=dict)
    endings: dict[OrderKey, Ending] = field(default_factory=dict)
    foreign_open: list[str] = field(default_factory=list)
    #: Executions of orders that are not ours: of liquidations, and of others who trade with the account.
    others: dict[tuple[str, str], Execution] = field(default_factory=dict)

    #: Executions of orders that the venue does not find, so that it does not say whose they are.
    unclaimed: list[Execution] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._by_client = {client: key for key, one in self.orders.items() for client in one.client_ids}

    def key_of(self, client_id: str) -> OrderKey | None:
        """The order with a client id of ours; None for one that is not ours."""
        found = parse_client_id(client_id)
        if found is None or found.tag != self.tag:
            return None
        return self._by_client.get(client_id, (found.run, found.leg, found.request_no))

    def refusal(self, client_id: str) -> str:
        """Why an order with our tag cannot be of this journal; "" if it can, or has another tag."""
        found = parse_client_id(client_id)
        if found is None or found.tag != self.tag or _is_given(found, self.runs):
            return ""
        return (
            f"{self.venue} {self.symbol}: the order {client_id} has this journal's tag, but its run {found.run} is not "
            f"in it ({self.runs} is the last one): an older copy of the journal is in use; restore the newest one"
        )

    def open_orders(self, updates: Iterable[OrderUpdate]) -> list[str]:
        """The client ids of open orders of ours, which are to be cancelled; notes the others."""
        ours = []
        for one in updates:
            if one.symbol != self.symbol:
                continue
            if self.key_of(one.client_id) is None:
                self.foreign_open.append(one.client_id or one.venue_order_id)
            else:
                ours.append(one.client_id)
        return ours

    def add(self, x: Execution, client_id: str) -> None:
        """An execution of the venue's list. client_id: of its order, "" if the order has none."""
        if x.symbol != self.symbol:
            return
        if x.kind is not ExecutionKind.TRADE or (key := self.key_of(client_id)) is None:
            self.others[x.venue_order_id, x.execution_id] = x
            return
        if key not in self.known_ids.get(x.execution_id, ()):
            named = parse_client_id(client_id)
            attempt = named.attempt if named is not None else 0
            self.found[key, x.execution_id] = OwnExecution(key, x, attempt)

    def executed_of(self, key: OrderKey) -> int:
        """The lots of an order that executions add up to."""
        known = self.orders[key].filled_lots if key in self.orders else 0
        return known + sum(one.execution.lots for one in self.found.values() if one.key == key)

    def ended(self, key: OrderKey, updates: Sequence[OrderUpdate]) -> str:
        """An order's end at the venue: the states of its parts there. Returns the difference, if there is one."""
        last = updates[-1]
        said = sum(max(one.executed_lots, 0) for one in updates)
        executed = self.executed_of(key)
        if executed != said:
            return (
                f"{self.venue} {self.symbol}: of the order {last.client_id} the venue executed {said} lots, and lists "
                f"executions of {executed}"
            )
        self.endings[key] = Ending(key, last.status.name.lower(), executed, "found at the start")
        return ""

    def lost(self, key: OrderKey) -> str:
        """An order that the venue does not know, and cannot receive any more. Returns why that is not certain."""
        executed = self.executed_of(key)
        known = self.orders.get(key)
        since_ms = known.made_ns // MILLISECOND - _CLOCK_MS if known is not None else 0
        if maybe := [x for x in self.unclaimed if x.venue_ms >= since_ms]:
            x = maybe[0]
            return (
                f"{self.venue} {self.symbol}: the venue does not find an order of an earlier session, nor that of the "
                f"execution {x.execution_id} of {x.side * x.lots:+} lots: look there; --adopt if it is not ours"
            )
        status = OrderStatus.EXPIRED.name.lower() if not executed else OrderStatus.CANCELED.name.lower()
        self.endings[key] = Ending(key, status, executed, "not known to the venue at the start")
        return ""

    def foreign_lots(self, since_ms: int = 0) -> int:
        """What others have traded since then. Signed."""
        trades = (x for x in self.others.values() if x.kind is ExecutionKind.TRADE and x.venue_ms >= since_ms)
        return sum(x.side * x.lots for x in trades)


def _is_given(found: OrderId, runs: int) -> bool:
    return 0 < found.run <= runs


class Holding(NamedTuple):
    """A position and its average price. qty: signed, in base; price: 0 without a position."""

    qty: Decimal
    price: Decimal


def held(changes: Iterable[tuple[Decimal, Decimal]], base_fees: Decimal = Decimal(0)) -> Holding:
    """The position that (signed quantity, price) add up to, in order, and its average price.

    A change towards zero leaves the price; one beyond zero begins a new position. base_fees: paid in base; they reduce
    the position.

    >>> held([(Decimal(2), Decimal(100)), (Decimal(2), Decimal(110)), (Decimal(-1), Decimal(120))])
    Holding(qty=Decimal('3'), price=Decimal('105'))
    """
    qty, cost = Decimal(0), Decimal(0)
    for change, price in changes:
        if qty * change >= 0:
            cost += change * price
        elif abs(change) <= abs(qty):
            cost += cost / qty * change
        else:
            cost = (qty + change) * price
        qty += change
    price = cost / qty if qty else Decimal(0)
    qty -= base_fees
    return Holding(qty, price if qty else Decimal(0))


class PositionCheck(NamedTuple):
    """A perpetual's position at its venue beside that of the journal; of spot, as much of it as is there. All in lots,
    signed."""

    venue: str
    symbol: str
    journal: int
    at_venue: int
    #: What others have traded since the last session.
    foreign: int
    is_spot: bool = False

    @property
    def unexplained(self) -> int:
        """What the journal does not explain."""
        return self.at_venue - self.journal

    def refusal(self, lot: Decimal) -> str:
        """The line that ends the start; "": they agree."""
        if not self.unexplained:
            return ""
        if self.is_spot:
            missing = (self.journal - self.at_venue) * lot
            return (
                f"{self.venue} {self.symbol}: by the journal the account has bought {self.journal * lot}, of which "
                f"{missing} is gone: transfer it back, strike it off with --adopt, or close all positions with "
                "--close-first"
            )
        text = (
            f"{self.venue} {self.symbol}: the position is {self.at_venue * lot}, and the journal explains "
            f"{self.journal * lot}"
        )
        if self.foreign:
            text += f" (others traded {self.foreign * lot:+} meanwhile)"
        return f"{text}: take it over with --adopt, close it with --close-first, or use another account"
