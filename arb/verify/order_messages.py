"""Compares every message about an order with what is known of the order in the end. Pure.

An order's state follows from some of the messages about it: a repeated one, or one that arrives after the order has
ended, changes nothing. Here each has to agree with the requests and executions of the order, whatever its effect.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from hftbacktest.order import FILLED

from arb.execution.answers import RequestRow
from arb.execution.ids import SessionIds
from arb.execution.order_records import Effect
from arb.execution.order_state import OrderState
from arb.execution.order_states import OrderStates
from connectors.orders.model import Execution, Instrument, OrderRequest, OrderStatus, OrderUpdate

#: An amendment that ends its order: the venue says cancelled, the bot receives expired.
_WITHDRAWN = frozenset({OrderStatus.CANCELED, OrderStatus.EXPIRED})


class Contrary(NamedTuple):
    """A message that does not agree with its order. at: when it was received."""

    client_id: str
    at: int
    said: str
    known: str


class _Asked(NamedTuple):
    """Prices and quantities that an order was given, and what was said about it."""

    ticks: set[int]
    totals: set[int]
    updates: list[tuple[OrderUpdate, int]]
    executions: list[tuple[Execution, int]]


class CheckedStates(OrderStates):
    """Orders that keep the messages about them until they are forgotten."""

    def __init__(self, venue: str, legs: Mapping[int, Instrument], ids: SessionIds) -> None:
        super().__init__(venue, legs, ids)
        self._asked: dict[int, _Asked] = {}
        self._unknown: list[tuple[OrderUpdate | Execution, int]] = []
        self._found: list[Contrary] = []

    def place(self, request: OrderRequest, row: RequestRow, now: int) -> OrderState:
        """See `OrderStates`."""
        state = super().place(request, row, now)
        self._asked[id(state)] = _Asked({row.tick}, {row.lots}, [], [])
        return state

    def amend(self, state: OrderState, request: OrderRequest, now: int) -> None:
        """See `OrderStates`."""
        super().amend(state, request, now)
        asked = self._asked[id(state)]
        asked.ticks.add(request.tick)
        asked.totals.add(request.total_lots)

    def update(self, u: OrderUpdate, at: int, asked: int = -1) -> list[Effect]:
        """See `OrderStates`."""
        effects = super().update(u, at, asked)
        self._keep(u, at)
        return effects

    def execution(self, x: Execution, at: int) -> list[Effect]:
        """See `OrderStates`."""
        effects = super().execution(x, at)
        self._keep(x, at)
        return effects

    def contrary(self) -> list[Contrary]:
        """The messages that do not agree with their orders, after the last message."""
        for message, at in self._unknown:
            state = self.by_ids(message.client_id, message.venue_order_id)
            if state is not None:
                self._append(state, message, at)
        for state in self:
            self._found += self._compared(state)
        return self._found

    def _keep(self, message: OrderUpdate | Execution, at: int) -> None:
        state = self.by_ids(message.client_id, message.venue_order_id)
        if state is None:
            self._unknown.append((message, at))
        else:
            self._append(state, message, at)

    def _append(self, state: OrderState, message: OrderUpdate | Execution, at: int) -> None:
        asked = self._asked[id(state)]
        # The venue may cut an order, which a look-up then confirms.
        asked.ticks.update(link.tick for link in state.links)
        asked.totals.update(link.total for link in state.links)
        if isinstance(message, OrderUpdate):
            asked.updates.append((message, at))
        else:
            asked.executions.append((message, at))

    def _close(self, state: OrderState) -> None:
        self._found += self._compared(state)
        super()._close(state)

    def _compared(self, state: OrderState) -> Iterator[Contrary]:
        asked = self._asked.pop(id(state))
        sums: dict[str, set[int]] = {}
        for x in state.executions.values():
            known = sums.setdefault(x.venue_order_id, {0})
            known |= {one + x.lots for one in known}
        refused: dict[str, str] = {}
        for u, at in asked.updates:
            if u.status is OrderStatus.REJECTED and all(u.client_id != one.client_id for one in state.links):
                refused.setdefault(u.client_id, u.venue_order_id)  # an order that was to replace this one
            if why := self._ids(state, u, refused) or _contradiction(
                state, asked, sums.get(u.venue_order_id, {0}), u
            ):
                yield Contrary(state.client_ids[0], at, str(u), why)
        for x, at in asked.executions:
            known_one = state.executions.get(x.execution_id)
            why = self._ids(state, x, {})
            if known_one is None or known_one.venue_ms != x.venue_ms:
                why = "none" if known_one is None else f"at {known_one.venue_ms}"
            if why:
                yield Contrary(state.client_ids[0], at, str(x), why)

    def _ids(self, state: OrderState, message: OrderUpdate | Execution, refused: Mapping[str, str]) -> str:
        """Both ids of a message are of its order. refused: the venue's ids of refused orders, by client id."""
        if message.client_id and message.client_id not in state.client_ids:
            return f"an order of {', '.join(state.client_ids)}"
        known = [*(link.venue_id for link in state.links), refused.get(message.client_id, "")]
        is_known = not message.venue_order_id or message.venue_order_id in known
        return "" if is_known else f"an order with the venue's id {', '.join(known)}"


def _contradiction(state: OrderState, asked: _Asked, sums: set[int], u: OrderUpdate) -> str:
    """What is known instead of an update; "": it agrees."""
    if u.symbol != state.symbol:
        return state.symbol
    if u.tick >= 0 and not state.is_market and u.tick not in asked.ticks:
        return f"tick {sorted(asked.ticks)}"
    if u.total_lots >= 0 and not state.is_market and u.total_lots not in asked.totals:
        return f"quantity {sorted(asked.totals)}"
    if u.executed_lots >= 0 and u.executed_lots not in sums:
        return f"executed {sorted(sums)}"
    if u.status is OrderStatus.NEW and u.executed_lots > 0:
        return "status PARTIAL"
    if u.status is OrderStatus.PARTIAL and u.executed_lots == 0:
        return "status NEW"
    if u.status is OrderStatus.FILLED and 0 <= u.executed_lots < u.total_lots:
        return "a status that is not FILLED"
    ends = {link.end for link in state.links if link.end is not None and link.venue_id == u.venue_order_id}
    if state.end == FILLED and u.venue_order_id == state.present.venue_id:
        ends.add(OrderStatus.FILLED)  # by its executions
    is_same = u.status in ends or bool(u.status in _WITHDRAWN and ends & _WITHDRAWN)
    return f"status {[end.name for end in ends]}" if ends and not u.status.is_open and not is_same else ""
