"""USD-M's user data events, as objects that are encoded as JSON. Pure.

Sources: the models of Binance's connector for USD-M 18.0.1 (fields and their order), "Event: Order Update" and "Event:
Balance and Position Update" of the venue's documents (formats; read 2026-11).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from arb.sandbox.accounts.amounts import ZERO, exact, plain
from arb.sandbox.accounts.positions import PositionView
from arb.sandbox.accounts.rules import InstrumentRules
from arb.sandbox.events import BUY
from arb.sandbox.serve.binance.api import Api
from arb.sandbox.serve.binance.usdm.words import (
    MODIFY_ID,
    PREVENTIONS,
    SIDES,
    Clock,
    Formats,
    expiry_of,
    force_of,
    good_till_of,
    money,
    short_money,
    status_of,
    type_of,
)
from arb.sandbox.serve.per_event import PerEvent
from arb.sandbox.serve.rest import json_text
from arb.sandbox.trading.events import (
    AccountEvent,
    Cause,
    Change,
    ConfigEvent,
    Event,
    MarginCallEvent,
    OrderEvent,
)
from arb.sandbox.trading.order_state import VenueOrder
from arb.sandbox.trading.requests import OrderKind

Row = dict[str, Any]

#: The asset to which the margins of isolated positions belong.
SETTLE = "USDT"

_EXECUTION_TYPES = {
    Change.NEW: "NEW",
    Change.TRADE: "TRADE",
    Change.CANCELED: "CANCELED",
    Change.AMENDED: "AMENDMENT",
    Change.EXPIRED: "EXPIRED",
    Change.CALCULATED: "CALCULATED",
}
_CAUSES = {Cause.FUNDING: "FUNDING_FEE", Cause.MODE: "MARGIN_TYPE_CHANGE"}


def event_texts(api: Api) -> PerEvent[list[tuple[str, str]]]:
    """What is sent of each event of an account: names and texts."""

    def rows(event: Event) -> list[Row]:
        clock = api.exchange.venue_ms
        if isinstance(event, OrderEvent):
            return order_events(event, api.desk.instruments[event.order.symbol].rules, clock)
        if isinstance(event, AccountEvent):
            return [account_update(event, clock)]
        if isinstance(event, ConfigEvent):
            return [config_update(event, clock)]
        return [margin_call(event, clock)] if isinstance(event, MarginCallEvent) else []

    def texts(event: Event) -> list[tuple[str, str]]:
        with exact():
            return [(row["e"], json_text(row)) for row in rows(event)]

    return PerEvent(texts)


def order_events(event: OrderEvent, rules: InstrumentRules, clock: Clock) -> list[Row]:
    """The events of a change of an order, in the order in which they are sent: a fill has two.

    Refused orders, and prevention that ends no order, have none at this venue.
    """
    if event.change not in _EXECUTION_TYPES:
        return []
    update = _order_trade_update(event, rules, clock)
    return [update] if event.change is not Change.TRADE else [_trade_lite(event, rules, clock), update]


def account_update(event: AccountEvent, clock: Clock) -> Row:
    """`ACCOUNT_UPDATE`."""
    cause = _CAUSES.get(event.cause, "ORDER")
    if event.cause is Cause.LIQUIDATION and not event.positions:  # its fee
        cause = "INSURANCE_CLEAR"
    if event.cause is Cause.TRANSFER:
        cause = "DEPOSIT" if all(one.changed > 0 for one in event.assets) else "WITHDRAW"
    update: Row = {
        "m": cause,
        "B": [
            {
                "a": one.asset,
                "wb": money(one.total),
                "cw": money(one.total - event.isolated if one.asset == SETTLE else one.total),
                "bc": short_money(one.changed),
            }
            for one in event.assets
        ],
        # A funding payment reports a position only if its margin is isolated.
        "P": [
            _position(one) for one in event.positions if event.cause is not Cause.FUNDING or one.is_isolated
        ],
    }
    if event.cause is Cause.FUNDING:
        update["S"] = event.symbol
    return {"e": "ACCOUNT_UPDATE", "E": clock(event.at_ns), "T": clock(event.at_ns), "a": update}


def config_update(event: ConfigEvent, clock: Clock) -> Row:
    """`ACCOUNT_CONFIG_UPDATE`, of a leverage or of the multi-assets mode."""
    update: Row = {"e": "ACCOUNT_CONFIG_UPDATE", "E": clock(event.at_ns), "T": clock(event.at_ns)}
    if event.is_multi_assets is not None:
        return update | {"ai": {"j": event.is_multi_assets}}
    return update | {"ac": {"s": event.symbol, "l": event.leverage}}


def margin_call(event: MarginCallEvent, clock: Clock) -> Row:
    """`MARGIN_CALL`. `cw` only with cross positions."""
    row: Row = {"e": "MARGIN_CALL", "E": clock(event.at_ns)}
    if any(not view.is_isolated for view, _, _ in event.positions):
        row["cw"] = plain(event.wallet)
    row["p"] = [
        {
            "s": view.symbol,
            "ps": view.side.name,
            "pa": plain(view.quantity),
            "mt": "ISOLATED" if view.is_isolated else "CROSSED",
            "iw": short_money(view.isolated_margin),
            "mp": money(view.mark),
            "up": money(unrealized),
            "mm": money(maintenance),
        }
        for view, maintenance, unrealized in event.positions
    ]
    return row


def listen_key_expired(listen_key: str, at_ms: int) -> Row:
    return {"e": "listenKeyExpired", "E": at_ms, "listenKey": listen_key}


def _order_trade_update(event: OrderEvent, rules: InstrumentRules, clock: Clock) -> Row:
    order, execution, formats = event.order, event.execution, Formats(rules)
    kind = type_of(order)
    row: Row = {
        "s": order.symbol,
        "c": order.client_id,
        "S": SIDES[order.side],
        "o": kind,
        "f": force_of(order),
        "q": formats.quantity(order.quantity),
        "p": _price(formats, order.price),
        "ap": formats.quote(order.average) if order.filled else "0",
        "sp": "0",
        "x": _EXECUTION_TYPES[event.change],
        "X": status_of(order),
        "i": int(order.order_id),
    }
    if event.change is Change.AMENDED and MODIFY_ID in order.extra:
        row["M"] = order.extra[MODIFY_ID]
    row |= {
        "l": formats.quantity(execution.quantity) if execution else "0",
        "z": formats.quantity(order.filled) if order.filled else "0",
        "L": formats.price(execution.price) if execution else "0",
    }
    if execution and execution.fee:
        row |= {"n": money(execution.fee), "N": execution.fee_asset}
    bids, asks = _open_values(order)
    row |= {
        "T": clock(execution.at_ns if execution else event.at_ns),
        "t": execution.trade_id if execution else 0,
        "b": plain(bids),
        "a": plain(asks),
        "m": execution.is_maker if execution else False,
        "R": order.reduce_only,
        "wt": "CONTRACT_PRICE",
        "ot": kind,
        "ps": order.position_side.name,
        "cp": False,
        "pP": False,
        "si": 0,
        "ss": 0,
        "rp": short_money(execution.realized) if execution else "0",
        "V": PREVENTIONS[order.prevention],
        "pm": "NONE",
        "gtd": good_till_of(order),
        "er": expiry_of(order),
    }
    return {"e": "ORDER_TRADE_UPDATE", "E": clock(event.at_ns), "T": clock(event.at_ns), "o": row}


def _trade_lite(event: OrderEvent, rules: InstrumentRules, clock: Clock) -> Row:
    order, execution, formats = event.order, event.execution, Formats(rules)
    if execution is None:
        return {}
    return {
        "e": "TRADE_LITE",
        "E": clock(event.at_ns),
        "T": clock(event.at_ns),
        "s": order.symbol,
        "q": formats.quantity(order.quantity),
        "p": _price(formats, order.price),
        "m": execution.is_maker,
        "c": order.client_id,
        "S": SIDES[order.side],
        "L": formats.price(execution.price),
        "l": formats.quantity(execution.quantity),
        "t": execution.trade_id,
        "i": int(order.order_id),
    }


def _position(view: PositionView) -> Row:
    return {
        "s": view.symbol,
        "pa": plain(view.quantity),
        "ep": plain(view.entry),
        "bep": plain(view.entry),
        "cr": plain(view.cumulative),
        "up": short_money(view.unrealized),
        "mt": "isolated" if view.is_isolated else "cross",
        "iw": short_money(view.isolated_margin),
        "ps": view.side.name,
    }


def _price(formats: Formats, price: Decimal | None) -> str:
    return formats.price(price) if price else "0"


def _open_values(order: VenueOrder) -> tuple[Decimal, Decimal]:
    """What is still open of the order at its price: of bids, of asks."""
    if not order.is_open or order.kind is OrderKind.MARKET or order.price is None:
        return ZERO, ZERO
    value = order.left * order.price
    return (value, ZERO) if order.side == BUY else (ZERO, value)
