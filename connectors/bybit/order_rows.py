"""Bybit's orders, executions and payments, as its topics and queries have them, in the one form. Pure.

Source: bybit-exchange/docs v5 `websocket/private/{order,execution}.mdx`, `order/{open-order,order-list,execution}.mdx`
(read 2026-07-24).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from connectors.bybit.order_words import (
    EXECUTION_KINDS,
    FUNDING,
    end_of,
    lots_of,
    ms_of,
    side_of,
)
from connectors.errors import OffGridError
from connectors.orders.model import Execution, Funding, Instrument, OrderUpdate
from connectors.orders.numbers import amount_of

_TEXT_MAX = 200
_EXTRA_FEES = msgspec.json.Decoder(list[Any])


class OrderRow(msgspec.Struct, frozen=True, rename="camel"):
    """An order. Queries have the category outside of their rows."""

    symbol: str
    order_id: str
    order_status: str
    order_type: str
    price: str
    qty: str
    cum_exec_qty: str
    updated_time: str | int
    category: str = ""
    order_link_id: str = ""
    time_in_force: str = ""
    cancel_type: str = ""
    reject_reason: str = ""
    market_unit: str = ""


class ExtraFee(msgspec.Struct, frozen=True, rename="camel"):
    """A tax on an execution, charged beside `execFee`."""

    fee_coin: str
    fee: str
    fee_type: str = ""


class ExecutionRow(msgspec.Struct, frozen=True, rename="camel"):
    """An execution, or a payment."""

    symbol: str
    order_id: str
    side: str
    exec_id: str
    exec_type: str
    exec_price: str
    exec_qty: str
    exec_fee: str
    exec_time: str | int
    is_maker: bool
    category: str = ""
    order_link_id: str = ""
    fee_rate: str = ""
    fee_currency: str = ""
    #: Taxes of users of some countries; "" or [] for all others. The topic has a list, the query a text.
    extra_fees: Any = ""


def update_of(row: OrderRow, instrument: Instrument) -> OrderUpdate:
    """The state of an order. Raises OffGridError, UnreadableError."""
    executed = lots_of(instrument, row.cum_exec_qty)
    status, cause = end_of(
        row.order_status, row.reject_reason, row.cancel_type, row.time_in_force, is_executed=executed > 0
    )
    is_in_quote = row.market_unit == "quoteCoin" and row.order_type == "Market"
    return OrderUpdate(
        row.symbol,
        row.order_link_id,
        row.order_id,
        status,
        executed,
        -1 if is_in_quote else lots_of(instrument, row.qty),
        # The venue turns market orders into limit orders at a price of its own.
        -1 if row.order_type == "Market" else instrument.tick.count_of(row.price),
        cause,
        ms_of(row.updated_time),
    )


def execution_of(row: ExecutionRow, instrument: Instrument) -> Execution | Funding | None:
    """An execution or a funding payment; None for other types. Raises OffGridError, UnreadableError."""
    if row.exec_type == FUNDING:
        return _funding(row, instrument)
    kind = EXECUTION_KINDS.get(row.exec_type)
    if kind is None:
        return None
    side, fee = side_of(row.side), amount_of(row.exec_fee)
    asset = row.fee_currency or _fee_asset(row, instrument, side)
    taxes, other_fees = _extra_fees(row.extra_fees, asset)
    fee += taxes
    return Execution(
        row.symbol,
        row.order_link_id,
        row.order_id,
        row.exec_id,
        side,
        instrument.tick.count_of(row.exec_price),
        lots_of(instrument, row.exec_qty),
        row.is_maker,
        fee,
        asset if fee else "",
        ms_of(row.exec_time),
        kind,
        other_fees,
    )


def _extra_fees(fees: Any, asset: str) -> tuple[Decimal, str]:
    """The extra fees in an asset, and the others as text. What cannot be read is text: the execution is not lost."""
    total, others = Decimal(0), []
    try:
        listed = _EXTRA_FEES.decode(fees) if isinstance(fees, str) and fees else fees
        for one in msgspec.convert(listed or [], list[ExtraFee]):
            if one.fee_coin == asset:
                total += amount_of(one.fee)
            elif amount_of(one.fee):
                others.append(f"{one.fee} {one.fee_coin} {one.fee_type}".rstrip())
    except (msgspec.DecodeError, OffGridError, UnicodeError):
        return Decimal(0), f"unreadable: {str(fees)[:_TEXT_MAX]}"
    return total, ", ".join(others)[:_TEXT_MAX]


def _fee_asset(row: ExecutionRow, instrument: Instrument, side: int) -> str:
    """The asset of a fee if the venue does not say it. Source: `enum.mdx`, "Spot Fee Currency Instruction"."""
    if not instrument.is_spot:
        return instrument.quote
    is_rebate = row.is_maker and row.fee_rate.startswith("-")
    return instrument.base if (side > 0) != is_rebate else instrument.quote


def _funding(row: ExecutionRow, instrument: Instrument) -> Funding:
    """`execFee` is what is paid, `feeRate` the funding rate: with a positive one, long positions pay."""
    paid, rate = amount_of(row.exec_fee), amount_of(row.fee_rate)
    size = amount_of(row.exec_qty)
    position: Decimal | None = None
    if paid and rate:
        position = size if (paid > 0) == (rate > 0) else -size
    return Funding(
        row.symbol,
        row.fee_currency or instrument.quote,
        -paid,
        float(rate) if row.fee_rate else float("nan"),
        float(amount_of(row.exec_price)) if row.exec_price else float("nan"),
        position,
        ms_of(row.exec_time),
    )
