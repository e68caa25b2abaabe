"""The worst-case exposure of an asset's working orders, and whether an account can pay for another order.

Compiled once and shared by all strategies, on the strategy's thread; `requests` calls it before an order is sent. The
arithmetic is in `arb.risk.funds`. One pass over the local orders of an asset, in the bot's current state: the worlds
show the same orders, so the result is the same in all of them.
"""

from __future__ import annotations

import numpy as np
from hftbacktest.order import BUY, CANCELED, EXPIRED, FILLED, MARKET, PARTIALLY_FILLED, REJECTED
from numba import carray

from arb.bot.account import account_of
from arb.bot.cache import bot_compiled
from arb.bot.memory import as_pointer
from arb.bot.orders import order_at
from arb.risk.funds import (
    CHANGE,
    CHANGES_MAX,
    FUNDS_ROW,
    MARKET_ROOM,
    can_pay,
    can_sell,
    cost_of,
    exposure_lots,
    has_funds,
    has_margin,
    lots_of,
    other_fees,
)
from arb.risk.limits import HEADER_ASSETS, HEADER_CHANGES, HEADER_CHANGES_COUNT, HEADER_FUNDS

#: Request code of an order that is being modified; hftbacktest's Python package does not name it.
REPLACED = 7


@bot_compiled
def is_finished(status):
    """Whether an order of this status can no longer trade."""
    return status in (FILLED, CANCELED, EXPIRED, REJECTED)


@bot_compiled
def leaves_at_worst(leaves_qty, qty, status, req):
    """Quantity that an unfinished order may still trade.

    An order without fills may trade its whole quantity, whatever its leaves: hftbacktest does not update them when an
    order is modified to a larger quantity.
    """
    if (status != PARTIALLY_FILLED or req == REPLACED) and qty > leaves_qty:
        return qty
    return leaves_qty


@bot_compiled
def funds_of(header):
    """The records of all assets, of dtype `FUNDS_ROW`."""
    return carray(as_pointer(header[HEADER_FUNDS]), header[HEADER_ASSETS], FUNDS_ROW)


@bot_compiled
def _changes_of(header):
    return carray(as_pointer(header[HEADER_CHANGES]), CHANGES_MAX, CHANGE)


@bot_compiled
def note_change(bot, header, asset_no, order_id, value):
    """Stores the old value of an order until its modify is answered. False if too many modifies are in flight.

    value: before the modify, in lots times ticks.
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
def _value_before(header, asset_no, order_id):
    changes = _changes_of(header)
    for number in range(header[HEADER_CHANGES_COUNT]):
        if changes[number].asset_no == asset_no and changes[number].order_id == order_id:
            return changes[number].value
    return 0.0


@bot_compiled
def working_orders(bot, header, funds, asset_no, side, except_id, is_all, touch):
    """The worst case of an asset's unfinished orders, without order `except_id` unless `is_all`.

    Returns (quantity of `side` in base units, lots that purchases buy, lots that sales sell, value of the purchases in
    lots times ticks, value of the sales if their fees are in a further asset). Orders in transit count, and so do those
    being cancelled. One being modified counts with the larger of its old and new quantities and values. touch: the ask,
    which values market purchases.
    """
    qty, buy_lots, sell_lots, value, sold_value = 0.0, 0.0, 0.0, 0.0, 0.0
    is_counted = has_funds(funds)
    orders = bot.orders(asset_no)
    if len(orders) == 0:
        return qty, buy_lots, sell_lots, value, sold_value
    # The engine's own iterator: nothing changes the orders meanwhile, and reaching its end frees it.
    iterator = orders.c_orders_values()
    address = orders.c_orders_values_next(iterator)
    while address != 0:
        order = order_at(address)
        if not is_finished(order.status) and (is_all or order.order_id != except_id):
            leaves = leaves_at_worst(order.leaves_qty, order.qty, order.status, order.req)
            if order.side == side:
                qty += leaves
            if is_counted:
                lots = lots_of(leaves, funds.lot_size)
                is_market = order.order_type == MARKET
                worth = lots * (
                    MARKET_ROOM * touch / funds.tick_size if is_market else np.float64(order.price_tick)
                )
                if order.req == REPLACED:
                    worth = max(worth, _value_before(header, asset_no, order.order_id))
                if order.side == BUY:
                    buy_lots += lots
                    value += worth
                else:
                    sell_lots += lots
                    if funds.other_fee > 0.0:
                        sold_value += sold_at(worth, lots, mark_of(bot, funds, asset_no), funds)
        address = orders.c_orders_values_next(iterator)
    return qty, buy_lots, sell_lots, value, sold_value


@bot_compiled
def mark_of(bot, funds, asset_no):
    """The last known mid of an asset, which is stored in its record; NaN before the first."""
    depth = bot.depth(asset_no)
    mid = 0.5 * (depth.best_bid + depth.best_ask)
    if mid > 0.0:
        funds.mark = mid
    return funds.mark


@bot_compiled
def sold_at(worth, lots, mark, funds):
    """The value of a sale, `worth` by its limit: it may fill at any higher price. NaN if the mark is unknown."""
    marked = lots * mark / funds.tick_size
    return worth if worth > marked else marked


@bot_compiled
def is_paid(bot, header, asset_no, side, tick, lots, value_before, position, working):
    """Whether the account can pay for an order beside the working ones; True if the rule is off.

    tick: its price in ticks. lots: the quantity that it may trade. value_before: of a purchase that is modified, its
    cost before, in lots times ticks. working: result of `working_orders` for its asset, without this order.
    """
    funds = funds_of(header)
    own = funds[asset_no]
    if not has_funds(own):
        return True
    if own.other_fee > 0.0:
        value = max(tick * lots, value_before)
        if side != BUY:
            value = sold_at(value, lots, mark_of(bot, own, asset_no), own)
        if not _is_fee_covered(bot, header, funds, asset_no, value + working[3] + working[4]):
            return False
    if own.is_spot == 0:
        return _is_margined(bot, header, funds, asset_no, side, tick, lots, position, working)
    if side != BUY:
        return can_sell(own, position, working[2] + lots)
    cash = own.quote
    cost = cost_of(own, max(tick * lots, value_before) + working[3])
    for number in range(len(funds)):
        if funds[number].account == own.account:
            cash += _cash_made(bot, number)
            if number != asset_no:
                touch = bot.depth(number).best_ask
                others = working_orders(bot, header, funds[number], number, BUY, np.uint64(0), True, touch)
                cost += cost_of(funds[number], others[3])
    return can_pay(cost, cash)


@bot_compiled
def _cash_made(bot, asset_no):
    """The change of the quote cash by an asset's fills and payments, since the start of the run."""
    values = bot.state_values(asset_no)
    return values.balance - values.fee + account_of(bot, asset_no).other_value


@bot_compiled
def _is_fee_covered(bot, header, funds, asset_no, value):
    """Whether what is left of the further asset pays the fees of `value` and of the working orders of other assets.

    value: the order and the working ones of its asset, in lots times ticks. False if a price is unknown.
    """
    own = funds[asset_no]
    units, fees = own.other, other_fees(own, value)
    for number in range(len(funds)):
        one = funds[number]
        if one.other_fee > 0.0 and one.other_account == own.other_account:
            units -= account_of(bot, number).other_fee
            if number != asset_no:
                touch = bot.depth(number).best_ask
                others = working_orders(bot, header, one, number, BUY, np.uint64(0), True, touch)
                fees += other_fees(one, others[3] + others[4])
    price = own.other_price
    if own.other_price_no >= 0:
        price = mark_of(bot, funds[own.other_price_no], own.other_price_no)
    return can_pay(fees, units * price)


@bot_compiled
def _is_margined(bot, header, funds, asset_no, side, tick, lots, position, working):
    """Whether the equity of a perpetual account covers the worst-case positions with this order.

    An order that does not increase the largest possible position of its asset is always allowed, so that a position can
    be closed.
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
        mark = mark_of(bot, one, number)
        # The order's own price, if its book has never been known.
        is_own = number == asset_no
        price = tick * one.tick_size if is_own and not mark > 0.0 else mark
        unit = price * one.contract_size
        equity += _cash_made(bot, number)
        held = bot.state_values(number).position
        if held != 0.0:
            equity += held * unit
        if is_own:
            notional += exposure * one.lot_size * unit * (1.0 + one.fee)
            continue
        others = working_orders(bot, header, one, number, BUY, np.uint64(0), True, np.nan)
        worst = exposure_lots(lots_of(held, one.lot_size), others[1], others[2])
        if worst > 0.0:
            notional += worst * one.lot_size * unit
    return has_margin(notional, equity, own.leverage)
