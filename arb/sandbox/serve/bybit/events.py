"""What happened to an account, as the topics of Bybit's private socket. Pure.

Of one change of an order: `order`, then `execution.fast` before `execution`; balances and positions follow as events of
their own. Source: bybit-exchange/docs v5 `websocket/private/*.mdx` (read 2026-07-24).
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from itertools import product

from arb.sandbox.serve.bybit import answers
from arb.sandbox.serve.bybit.answers import Row
from arb.sandbox.serve.bybit.side import Side
from arb.sandbox.serve.bybit.wallet import VENUE, wallet
from arb.sandbox.trading.events import AccountEvent, Event, OrderEvent, TransferEvent
from arb.sandbox.trading.order_state import VenueOrder

#: Topics that exist with and without a category.
BY_CATEGORY = {
    "order": ("spot", "linear", "inverse", "option"),
    "execution": ("spot", "linear", "inverse", "option"),
    "execution.fast": ("spot", "linear", "inverse", "option"),
    "position": ("linear", "inverse", "option"),
}
#: Topics without one.
PLAIN = ("wallet", "dcp.future", "dcp.spot", "dcp.option")


def messages(event: Event, side: Side, topics: Container[str]) -> Iterator[tuple[str, Row]]:
    """(topic, its data) of an event, for subscribers of some topics. Called within `exact`."""
    category = event.venue.removeprefix("bybit_")

    def wanted(topic: str) -> list[str]:
        return [name for name in (topic, f"{topic}.{category}") if name in topics]

    if isinstance(event, OrderEvent):
        for topic in wanted("order"):
            yield topic, answers.streamed_order(event.order, category)
        one = event.execution
        if one is not None:
            if answers.EXECUTION_TYPES[one.kind] == "Trade":
                for topic in wanted("execution.fast"):
                    yield topic, answers.fast_execution(one, event.order, category)
            for topic in wanted("execution"):
                yield topic, answers.streamed_execution(one, event.order, category)
    elif isinstance(event, AccountEvent):
        if event.funding is not None:
            for topic in wanted("execution"):
                yield topic, answers.streamed_execution(event.funding, None, category)
        account = side.account(event.account)
        for topic, view in product(wanted("position"), event.positions):
            instrument = side.desk("linear").instruments[view.symbol]
            position = account.positions.get(view.symbol, view.side)
            taker = account.fee_rules[VENUE].taker
            times = position.opened_ns, event.at_ns
            row = answers.position(view, instrument.rules, taker, times)
            yield topic, answers.streamed_position(row)
        if event.assets and "wallet" in topics:
            known = {view.asset: view for view in event.assets}
            yield "wallet", wallet(side, event.account, known, known)
    elif isinstance(event, TransferEvent) and "wallet" in topics:
        yield "wallet", wallet(side, event.account, [event.asset])


def lost_cancel(order: VenueOrder, topics: Container[str]) -> Iterator[tuple[str, Row]]:
    """The second message `Filled` of an order whose cancellation was accepted and came too late."""
    category = order.venue.removeprefix("bybit_")
    words = {"cancelType": "CancelByUser", "rejectReason": "EC_OrigClOrdIDDoesNotExist"}
    for topic in ("order", f"order.{category}"):
        if topic in topics:
            yield topic, answers.streamed_order(order, category) | words
