"""What happened to an account, as the topics of Bybit's private socket. Pure.

Of one change of an order: `order`, then `execution.fast` before `execution`; balances and positions follow as events of
their own. Source: bybit-exchange/docs v5 `websocket/private/*.mdx` (read 2026-07-24).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from arb.sandbox.accounts.amounts import exact
from arb.sandbox.serve.bybit import answers
from arb.sandbox.serve.bybit.answers import Row
from arb.sandbox.serve.bybit.wallet import VENUE, wallet
from arb.sandbox.serve.rest import json_text
from arb.sandbox.trading.events import AccountEvent, Event, OrderEvent, TransferEvent
from arb.sandbox.trading.order_state import VenueOrder

if TYPE_CHECKING:
    from arb.sandbox.serve.bybit.side import Side

#: Topics that exist with and without a category.
BY_CATEGORY = {
    "order": ("spot", "linear", "inverse", "option"),
    "execution": ("spot", "linear", "inverse", "option"),
    "execution.fast": ("spot", "linear", "inverse", "option"),
    "position": ("linear", "inverse", "option"),
}
#: Topics without one.
PLAIN = ("wallet", "dcp.future", "dcp.spot", "dcp.option")


class Part:
    """What one topic, with and without category, has of an event."""

    def __init__(self, topic: str, category: str, make: Callable[[], list[Row]]) -> None:
        """make: its rows, each a message of its own."""
        self.topics = (topic, f"{topic}.{category}")
        self._make = make

    @cached_property
    def texts(self) -> list[str]:
        """The rows as JSON; made when the first receiver wants them."""
        with exact():
            return [json_text(row) for row in self._make()]


def parts(event: Event, side: Side) -> list[Part]:
    """All of an event, in the order in which it is sent."""
    category, clock = words = _words(event.venue, side)
    found = []
    if isinstance(event, OrderEvent):
        order, one = event.order, event.execution
        found.append(Part("order", category, lambda: [answers.streamed_order(order, *words)]))
        if one is not None and answers.EXECUTION_TYPES[one.kind] == "Trade":
            found.append(
                Part("execution.fast", category, lambda: [answers.fast_execution(one, order, *words)])
            )
        if one is not None:
            found.append(
                Part("execution", category, lambda: [answers.streamed_execution(one, order, *words)])
            )
    elif isinstance(event, AccountEvent):
        funding, known = event.funding, {view.asset: view for view in event.assets}
        if funding is not None:
            found.append(
                Part("execution", category, lambda: [answers.streamed_execution(funding, None, *words)])
            )
        if event.positions:
            found.append(Part("position", category, lambda: _positions(event, side, clock)))
        if known:
            found.append(Part("wallet", category, lambda: [wallet(side, event.account, known, known)]))
    elif isinstance(event, TransferEvent):
        found.append(Part("wallet", category, lambda: [wallet(side, event.account, [event.asset])]))
    return found


def lost_cancel(order: VenueOrder, side: Side) -> Part:
    """The second message `Filled` of an order that was filled before its cancellation, which was accepted, arrived."""
    words = _words(order.venue, side)
    also = {"cancelType": "CancelByUser", "rejectReason": "EC_OrigClOrdIDDoesNotExist"}
    return Part("order", words[0], lambda: [answers.streamed_order(order, *words) | also])


def _words(venue: str, side: Side) -> tuple[str, answers.Clock]:
    """Category and clock of a venue."""
    category = venue.removeprefix("bybit_")
    return category, side.clock(category)


def _positions(event: AccountEvent, side: Side, clock: answers.Clock) -> list[Row]:
    account, rows = side.account(event.account), []
    for view in event.positions:
        position = account.positions.get(view.symbol, view.side)
        rules = side.desk("linear").instruments[view.symbol].rules
        taker = account.fee_rules[VENUE].taker
        rows.append(answers.position(view, rules, taker, (position.opened_ns, event.at_ns), clock))
    return [answers.streamed_position(row) for row in rows]
