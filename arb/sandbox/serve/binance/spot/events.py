"""User data events of Binance spot. Pure.

Source: user-data-stream.md of binance-spot-api-docs (read 2026-07-21). Decimals have 8 places.
"""

from __future__ import annotations

from typing import Any

from arb.sandbox.accounts.amounts import ZERO, exact, padded
from arb.sandbox.matching.orders import EndReason
from arb.sandbox.serve.binance.api import Api
from arb.sandbox.serve.binance.spot.answers import cancel_id_of
from arb.sandbox.serve.binance.spot.words import (
    expiry_of,
    force_of,
    prevented_of,
    side_of,
    status_of,
    type_of,
)
from arb.sandbox.serve.per_event import PerEvent
from arb.sandbox.serve.rest import json_text
from arb.sandbox.trading.events import AccountEvent, Cause, Change, Event, OrderEvent, TransferEvent
from arb.sandbox.trading.order_state import VenueOrder
from arb.sandbox.trading.requests import Named, Reason, RefusalError

_EXECUTION_TYPES = {
    Change.NEW: "NEW",
    Change.TRADE: "TRADE",
    Change.CANCELED: "CANCELED",
    Change.AMENDED: "REPLACED",
    Change.EXPIRED: "EXPIRED",
    Change.PREVENTED: "TRADE_PREVENTION",
    Change.REJECTED: "REJECTED",
    Change.CALCULATED: "TRADE",
}
_REJECTIONS = {
    Reason.INSUFFICIENT_BALANCE: "INSUFFICIENT_BALANCES",
    Reason.WOULD_TAKE: "WOULD_MATCH_IMMEDIATELY",
}


class SpotEvents:
    """The events of all accounts. `texts`: each one as JSON; "" if spot has none for it."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._execution_id = 0
        self.texts = PerEvent(self._text)

    def terminated(self, now_ns: int) -> str:
        """The end of a subscription."""
        return f'{{"e":"eventStreamTerminated","E":{self._clock(now_ns)}}}'

    def _clock(self, now_ns: int) -> int:
        return self._api.exchange.venue_ms(now_ns)

    def _text(self, event: Event) -> str:
        content = self._content(event)
        return json_text(content) if content else ""

    def _content(self, event: Event) -> dict[str, Any] | None:
        if isinstance(event, OrderEvent):
            return self._report(event)
        if isinstance(event, AccountEvent):
            return self._position(event)
        if isinstance(event, TransferEvent):
            at_ms = self._clock(event.at_ns)
            return {
                "e": "balanceUpdate",
                "E": at_ms,
                "a": event.asset,
                "d": padded(event.amount),
                "T": at_ms,
            }
        return None

    def _position(self, event: AccountEvent) -> dict[str, Any] | None:
        if not event.assets or event.cause is Cause.FUNDING:
            return None
        at_ms = self._clock(event.at_ns)
        return {
            "e": "outboundAccountPosition",
            "E": at_ms,
            "u": at_ms,
            "B": [{"a": one.asset, "f": padded(one.free), "l": padded(one.locked)} for one in event.assets],
        }

    def _report(self, event: OrderEvent) -> dict[str, Any]:
        order, fill = event.order, event.execution
        at_ms = self._clock(event.at_ns)
        is_canceled = event.change is Change.CANCELED
        is_prevented = event.change is Change.EXPIRED and order.end_reason is EndReason.PREVENTED
        self._execution_id += 1
        report: dict[str, Any] = {
            "e": "executionReport",
            "E": at_ms,
            "s": order.symbol,
            "c": cancel_id_of(order) if is_canceled else order.client_id,
            "S": side_of(order),
            "o": type_of(order),
            "f": force_of(order),
            "q": padded(order.quantity),
            "p": padded(order.price or ZERO),
            "P": padded(ZERO),
            "F": padded(ZERO),
            "g": -1,
            "C": order.client_id if is_canceled else "",
            "x": "TRADE_PREVENTION" if is_prevented else _EXECUTION_TYPES[event.change],
            "X": status_of(order),
            "r": _REJECTIONS.get(event.reason, "NONE") if event.reason else "NONE",
            "i": int(order.order_id),
            "l": padded(fill.quantity if fill else ZERO),
            "z": padded(order.filled),
            "L": padded(fill.price if fill else ZERO),
            "n": padded(fill.fee) if fill else "0",
            "N": fill.fee_asset if fill else None,
            "T": self._clock(fill.at_ns) if fill else at_ms,
            "t": fill.trade_id if fill else -1,
            "I": self._execution_id,
            "w": order.is_open and event.change is not Change.REJECTED,
            "m": fill.is_maker if fill else False,
            "M": False,
            "O": self._clock(order.created_ns),
            "Z": padded(order.value),
            "Y": padded(fill.value if fill else ZERO),
            "Q": padded(order.quote_quantity or ZERO),
        }
        if order.working_ns:
            report["W"] = self._clock(order.working_ns)
        report["V"] = order.prevention.name
        for name, key in (("j", "strategyId"), ("J", "strategyType")):
            if key in order.extra:
                report[name] = int(order.extra[key])
        if report["x"] == "TRADE_PREVENTION":
            report |= self._prevention(order)
        reason = expiry_of(order)
        return report if reason is None else report | {"eR": reason}

    def _prevention(self, order: VenueOrder) -> dict[str, Any]:
        """Fields of an order that lost quantity by self-trade prevention."""
        if order.prevented_match is None:
            return {}
        match_no, other_id, other_account, quantity = order.prevented_match
        own = self._api.trading.account(order.venue, order.account)
        prevented = prevented_of(order)
        # An order that decrements loses the prevented execution, one that expires all that was left of it.
        last = quantity if order.prevented else prevented
        fields: dict[str, Any] = {"v": match_no, "A": padded(prevented), "B": padded(last)}
        fields |= {"u": own.group, "U": int(other_id), "Cs": order.symbol, "pl": padded(quantity)}
        try:
            other = self._api.desk.order(Named(other_account, order.symbol, other_id))
        except RefusalError:  # not kept any more
            return fields
        price = (order if match_no == order.no else other).price or ZERO
        with exact():
            return fields | {"pL": padded(price), "pY": padded(price * quantity)}
