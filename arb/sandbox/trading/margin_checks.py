"""Whether an account has the margin for a new or changed order on perpetuals. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from arb.sandbox.accounts.account import Account
from arb.sandbox.accounts.amounts import ZERO
from arb.sandbox.accounts.margin import SETTLE, Margin, OrderValues, margin_of, order_margin, order_values
from arb.sandbox.trading.instrument import Instrument
from arb.sandbox.trading.order_state import VenueOrder
from arb.sandbox.trading.requests import Reason, RefusalError


def margin_at(
    account: Account, venue: str, instruments: Mapping[str, Instrument], orders: OrderValues
) -> Margin:
    """The margin of an account with these open orders, at present mark prices.

    Where other assets count as margin, they do at the mark price of their perpetual in the asset of the margin.
    """
    rules = {symbol: one.rules for symbol, one in instruments.items()}
    marks = {one.rules.base: one.mark for one in instruments.values() if one.rules.settle == SETTLE}
    return margin_of(
        account,
        venue,
        rules,
        lambda symbol: instruments[symbol].mark or ZERO,
        orders,
        price_of=marks.get,
    )


def check_margin(
    account: Account,
    venue: str,
    order: VenueOrder,
    price: Decimal,
    instruments: Mapping[str, Instrument],
    others: Iterable[VenueOrder],
) -> None:
    """Raises RefusalError if the order, executed at `price`, would exceed the margin or the largest position.

    others: the account's other open orders.
    """
    if order.reduce_only:
        return
    instrument = instruments[order.symbol]
    orders = order_values(others)
    mark = instrument.mark
    needed = order_margin(
        account,
        instrument.rules,
        order.side,
        order.position_side,
        order.left,
        price,
        mark=mark,
        orders=orders,
    )
    if not needed:
        return
    if needed > margin_at(account, venue, instruments, orders).available:
        raise RefusalError(Reason.INSUFFICIENT_MARGIN)
    held = account.positions.get(order.symbol, order.position_side).quantity
    limit = instrument.rules.position_limit(account.modes.leverage(order.symbol))
    signed = order.left if order.side == 0 else -order.left
    if limit and abs(held + signed) * (mark or price) > limit:
        raise RefusalError(Reason.POSITION_TOO_LARGE)
