"""What the working orders of an asset may still do, and whether an account can pay for one more.

Compiled once and shared by all strategies, on the strategy's thread; `requests` asks before an order is sent. The
arithmetic is `arb.risk.funds`'s. One pass over the local orders of an asset, as the bot has them at this moment: the
worlds show the same orders, so the answer is the same in all of them.
"""

from __future__ import annotations

import numpy as np
from hftbacktest.order import BUY, CANCELED, EXPIRED, FILLED, MARKET, PARTIALLY_FILLED, REJECTED
from numba import carray

from arb.bot.cache import bot_compiled
from arb.bot.memory import as_pointer
from arb.bot.orders import order_at
from arb.risk.funds import (
    CHANGE,
    CHANGES_MAX,
    FUNDS_ROW,
    can_pay,
    can_sell,
    cost_of,
    exposure_lots,
    has_funds,
    has_margin,
    lots_of,
)
from arb.risk.limits import HEADER_ASSETS, HEADER_CHANGES, HEADER_CHANGES_COUNT, HEADER_FUNDS

#: Request under way on an order that is being modified; hftbacktest's Python package has no name for it.
REPLACED = 7


@bot_compiled
def is_finished(status):  # type: ignore[no-untyped-def]
    """Whether an order of this status can no longer trade."""
    return status in (FILLED, CANCELED, EXPIRED, REJECTED)


@bot_compiled
def leaves_at_worst(leaves_qty, qty, status, req):  # type: ignore[no-untyped-def]
    """Quantity that an unfinished order may still trade.

    An order that has not traded may trade all of its quantity, whatever its leaves say: hftbacktest leaves
    them as they were when an order is modified to a larger quantity.
    """
    if (status != PARTIALLY_FILLED or req == REPLACED) and qty > leaves_qty:
        return qty
    return leaves_qty


@bot_compiled
def funds_of(header):  # type: ignore[no-untyped-def]
    """The records of all assets, of dtype `FUNDS_ROW`."""
    return carray(as_pointer(header[HEADER_FUNDS]), header[HEADER_ASSETS], FUNDS_ROW)


@bot_compiled
def _changes_of(header):  # type: ignore[no-untyped-def]
    return carray(as_pointer(header[HEADER_CHANGES]), CHANGES_MAX, CHANGE)


@bot_compiled
def note_change(bot, header, asset_no, order_id, value):  # type: ignore[no-untyped-def]
    """Keep what a purchase may cost until its change is answered. False where too many are under way.

    value: before the change, in lots times ticks.
    """
    changes = _changes_of(header)
    count = 0
    for number in range(header[HEADER_CHANGES_COUNT]):
        change = changes[number]
        order = bot.orders(change.asset_no).get(change.order_id)
        is_same = change.asset_no == asset_no and change.order_id == order_id
        if order is not None and order.req == REPLACED and not is_same:
            changes[count] = change
            count += 1
    header[HEADER_CHANGES_COUNT] = count
    if count == CHANGES_MAX:
        return False
    changes[count].asset_no = asset_no
    changes[count].order_id = order_id
    changes[count].value = value
    header[HEADER_CHANGES_COUNT] = count + 1
    return True


@bot_compiled
def _value_before(header, asset_no, order_id):  # type: ignore[no-untyped-def]
    changes = _changes_of(header)
    for number in range(header[HEADER_CHANGES_COUNT]):
        if changes[number].asset_no == asset_no and changes[number].order_id == order_id:
            return changes[number].value
    return 0.0


@bot_compiled
def working_orders(bot, header, funds, asset_no, side, except_id, is_all, touch):  # type: ignore[no-untyped-def]
    """What the orders of an asset may still trade at the worst, without order `except_id` unless `is_all`.

    Returns (quantity of `side` in base units, lots that purchases buy, lots that sales sell, value of the purchases in
    lots times ticks). Orders on their way count, and so do those being cancelled. One being modified counts with the
    larger of its quantities, and of its values, old and new. touch: the ask, at which a purchase at the market counts.
    """
    qty, buy_lots, sell_lots, value = 0.0, 0.0, 0.0, 0.0
    is_counted = has_funds(funds)
    orders = bot.orders(asset_no)
    if len(orders) == 0:
        return qty, buy_lots, sell_lots, value
    # The engine's own iterator: nothing changes the orders meanwhile, and its end frees it.
    iterator = orders.c_orders_values()
    address = orders.c_orders_values_next(iterator)
    while address != 0:
        order = order_at(address)
        if not is_finished(order.status) and (is_all or order.order_id != except_id):
            leaves = leaves_at_worst(order.leaves_qty, order.qty, order.status, order.req)
            if order.side == side:
                qty += leaves
            if is_counted and order.side != BUY:
                sell_lots += lots_of(leaves, funds.lot_size)
            elif is_counted:
                lots = lots_of(leaves, funds.lot_size)
                buy_lots += lots
                is_market = order.order_type == MARKET
                worth = lots * (touch / funds.tick_size if is_market else np.float64(order.price_tick))
                if order.req == REPLACED:
                    worth = max(worth, _value_before(header, asset_no, order.order_id))
                value += worth
        address = orders.c_orders_values_next(iterator)
    return qty, buy_lots, sell_lots, value


@bot_compiled
def is_paid(bot, header, asset_no, side, tick, lots, value_before, position, working):  # type: ignore[no-untyped-def]
    """Whether the account can pay for an order beside the working ones; True where the rule is off.

    tick: its price in ticks. lots: what it may trade. value_before: of a purchase that is modified, what it may cost
    already, in lots times ticks. working: what `working_orders` says of its asset without it.
    """
    funds = funds_of(header)
    own = funds[asset_no]
    if not has_funds(own):
        return True
    if own.is_spot == 0:
        return _is_margined(bot, header, funds, asset_no, side, tick, lots, position, working)
    if side != BUY:
        return can_sell(own, position, working[2] + lots)
    cash = own.quote
    cost = cost_of(own, max(tick * lots, value_before) + working[3])
    for number in range(len(funds)):
        if funds[number].account == own.account:
            values = bot.state_values(number)
            cash += values.balance - values.fee
            if number != asset_no:
                touch = bot.depth(number).best_ask
                others = working_orders(bot, header, funds[number], number, BUY, np.uint64(0), True, touch)
                cost += cost_of(funds[number], others[3])
    return can_pay(cost, cash)


@bot_compiled
def _is_margined(bot, header, funds, asset_no, side, tick, lots, position, working):  # type: ignore[no-untyped-def]
    """Whether the equity of a perpetual account covers what an order may make of its positions.

    An order that makes the largest possible position of its asset no larger is always covered: the way out stays open.
    """
    own = funds[asset_no]
    held_lots = lots_of(position, own.lot_size)
    buy_lots, sell_lots = working[1], working[2]
    before = exposure_lots(held_lots, buy_lots, sell_lots)
    if side == BUY:
        buy_lots += lots
    else:
        sell_lots += lots
    exposure = exposure_lots(held_lots, buy_lots, sell_lots)
    if exposure <= before:
        return True
    equity, notional = own.quote, 0.0
    for number in range(len(funds)):
        one = funds[number]
        if one.account != own.account:
            continue
        depth = bot.depth(number)
        mid = 0.5 * (depth.best_bid + depth.best_ask)
        if mid > 0.0:
            one.mark = mid
        # Before its book was ever known, the order's own price.
        is_own = number == asset_no
        price = tick * one.tick_size if is_own and not one.mark > 0.0 else one.mark
        unit = price * one.contract_size
        values = bot.state_values(number)
        equity += values.balance - values.fee
        if values.position != 0.0:
            equity += values.position * unit
        if is_own:
            notional += exposure * one.lot_size * unit * (1.0 + one.fee)
            continue
        others = working_orders(bot, header, one, number, BUY, np.uint64(0), True, np.nan)
        worst = exposure_lots(lots_of(values.position, one.lot_size), others[1], others[2])
        if worst > 0.0:
            notional += worst * one.lot_size * unit
    return has_margin(notional, equity, own.leverage)
