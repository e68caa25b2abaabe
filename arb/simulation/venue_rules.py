"""Rules of a venue beyond hftbacktest's model: filters on size and price, and a check of funds.

Off by default: a backtest has no such rules, and with them a dry-run no longer equals it. A refused order is answered
like one that is rejected on its way: the strategy sees it expired.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from hftbacktest.order import BUY, LIMIT, SELL

from arb.bot.memory import record_view
from arb.engine.blocks import Blocks
from arb.engine.order_table import rows_of
from connectors.jit.compilation import compiled

#: Why an order was refused; indices of the counters.
NO_RULE = -1
SIZE, NOTIONAL, FUNDS = range(3)
REFUSALS = ("size", "notional", "funds")

#: A quantity further than this from a whole number of lots, in lots, is refused.
_LOT_ROOM = 1e-6
#: Relative tolerance for comparing sums of floats.
_ROOM = 1.0 + 1e-9

RULES = np.dtype(
    [
        ("lot_size", "f8"),
        ("min_qty", "f8"),
        ("min_notional", "f8"),
        ("contract_size", "f8"),
        ("maker_fee", "f8"),
        ("taker_fee", "f8"),
        ("checks_funds", "i8"),
        ("base", "f8"),
        ("quote", "f8"),
        ("refused", "i8", (len(REFUSALS),)),
    ]
)


class Rules(NamedTuple):
    """A venue's filters, and with `checks_funds` its balances: a sale needs base, a purchase quote.

    checks_funds is for spot: it does not model margin.
    """

    lot_size: float
    min_qty: float
    min_notional: float
    contract_size: float = 1.0
    maker_fee: float = 0.0
    taker_fee: float = 0.0
    checks_funds: bool = False
    base: float = 0.0
    quote: float = 0.0


def make_rules(blocks: Blocks, rules: Rules) -> np.ndarray[tuple[int, ...], np.dtype[np.void]]:
    """The record of the rules, an array of one; its `refused` has a count per rule, in the order of `REFUSALS`."""
    return blocks.record(RULES, **rules._asdict())


#: The rules at `address`.
rules_at = record_view(RULES)


@compiled
def broken_rule(rules, order, orders, book, touch, takes):
    """Returns and counts the first rule that a new order breaks, or NO_RULE. touch: the tick a taker would trade at."""
    rule = _broken(rules, order, orders, book, touch, takes)
    if rule != NO_RULE:
        rules.refused[rule] += 1
    return rule


@compiled
def _broken(rules, order, orders, book, touch, takes):
    lots = order.qty / rules.lot_size
    if not order.qty * _ROOM >= rules.min_qty or abs(lots - np.rint(lots)) > _LOT_ROOM * max(lots, 1.0):
        return SIZE
    tick = touch if takes else order.price_tick
    if order.order_type == LIMIT and order.side == BUY:
        tick = order.price_tick
    value = tick * book.tick_size * order.qty * rules.contract_size
    if not value * _ROOM >= rules.min_notional:
        return NOTIONAL
    if rules.checks_funds:
        if order.side == SELL:
            if not order.qty + _bound(rules, orders, book, SELL) <= rules.base * _ROOM:
                return FUNDS
        elif (
            not value * (1.0 + max(rules.taker_fee, 0.0)) + _bound(rules, orders, book, BUY)
            <= rules.quote * _ROOM
        ):
            return FUNDS
    return NO_RULE


@compiled
def _bound(rules, orders, book, side):
    """Funds reserved by the resting orders of a side: base for sales, quote for purchases."""
    total = 0.0
    rows = rows_of(orders)
    for index in range(orders.count):
        if rows[index].side == side:
            worth = rows[index].price_tick * book.tick_size * rules.contract_size if side == BUY else 1.0
            total += rows[index].leaves_qty * worth
    return total


@compiled
def apply_cash(rules, order):
    """Applies a fill to the venue's balances."""
    value = order.exec_price_tick * order.tick_size * order.exec_qty * rules.contract_size
    fee = (rules.maker_fee if order.maker else rules.taker_fee) * value
    rules.base += order.exec_qty * order.side
    rules.quote -= value * order.side + fee
