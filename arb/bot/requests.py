"""Checks and logging before a request reaches a world: limits, the guard on finished orders, the fill log.

Compiled once, cached on disk and shared by all strategies, so that none of it is compiled with a strategy. Runs on the
strategy's thread, without the GIL.
"""

from __future__ import annotations

import numpy as np
from hftbacktest.order import BUY, LIMIT, MARKET, NONE
from hftbacktest.types import ALL_ASSETS
from numba import carray

from arb.bot.cache import bot_compiled
from arb.bot.codes import INVALID_ORDER_REQUEST, LIMIT_EXCEEDED, OK, ORDER_NOT_FOUND
from arb.bot.fills import log_fills
from arb.bot.function_table import ASSETS, CLOSED_TABLE, FILLS, HOSTED, LIMITS, SLOTS, STOPPED, STOPPING
from arb.bot.memory import as_pointer, load_int64
from arb.bot.numba_types import NO_SUCH_ASSET, cell, set_cell
from arb.bot.working_orders import (
    funds_of,
    is_finished,
    is_paid,
    leaves_at_worst,
    note_change,
    working_orders,
)
from arb.risk.funds import MARKET_ROOM, has_funds, lots_of
from arb.risk.limits import (
    COLUMNS,
    HEADER_ASSETS,
    HEADER_LIMITS,
    HEADER_RATE_MAX,
    HEADER_REFUSALS,
    HEADER_RESTING,
    HEADER_RING,
    HEADER_SIZE,
    RULES_COUNT,
    check_order,
    has_position_limit,
)

#: hftbacktest's code for an unsupported order type or time in force; the only value above the named ones that it
#: accepts.
_UNSUPPORTED = 255
_FOK, _IOC = 2, 3

_FUNCTIONS = len(SLOTS)

#: From here on, not every integer number of ticks can be represented as a float.
_TICKS_MAX = 2.0**53


@bot_compiled
def header_of(bot):
    """The header of the bot's limits, which must exist."""
    return carray(as_pointer(cell(bot, LIMITS)), HEADER_SIZE, np.int64)


@bot_compiled
def check_asset(bot, asset_no):
    """Raises IndexError for an unknown asset number: the engine would end the process."""
    if np.uint64(asset_no) >= np.uint64(cell(bot, ASSETS)):
        raise IndexError(NO_SUCH_ASSET)


@bot_compiled
def is_allowed(bot, asset_no, order_id, side, price, qty, order_type, own_leaves, own_tick):
    """Whether the bot's limits allow the order; a refusal is counted.

    own_leaves, own_tick: the quantity that a modified order may already trade, and its tick; 0 for a new order.
    """
    header = header_of(bot)
    assets = header[HEADER_ASSETS]
    limits = carray(as_pointer(header[HEADER_LIMITS]), (assets, COLUMNS), np.float64)
    refusals = carray(as_pointer(header[HEADER_REFUSALS]), (assets, RULES_COUNT), np.int64)
    places = max(header[HEADER_RATE_MAX], 1)
    ring = carray(as_pointer(header[HEADER_RING]), places, np.int64)
    asset = np.int64(asset_no)
    if asset >= assets:  # the limits cover fewer assets than the bot
        return False
    depth = bot.depth(asset)
    touch = depth.best_ask if side == BUY else depth.best_bid
    # The larger of the quantities before and after a modify.
    worst = max(qty, own_leaves)
    position = bot.position(asset)
    funds = funds_of(header)[asset]
    working, is_covered = 0.0, True
    if has_position_limit(limits[asset]) or has_funds(funds):
        others = working_orders(bot, header, funds, asset, side, order_id, False, depth.best_ask)
        working = others[0] + (worst - qty)
        if has_funds(funds):
            tick = np.rint(price / funds.tick_size)
            if order_type == MARKET:
                tick = (MARKET_ROOM if side == BUY else 1.0) * touch / funds.tick_size
            before = own_tick * lots_of(own_leaves, funds.lot_size)
            lots = lots_of(worst, funds.lot_size)
            is_covered = is_paid(bot, header, asset, side, tick, lots, before, position, others)
    now = bot.current_timestamp
    return check_order(
        header,
        limits,
        refusals,
        ring,
        asset,
        side,
        price,
        qty,
        order_type,
        touch,
        position,
        working,
        is_covered,
        now,
    )


@bot_compiled
def is_known(time_in_force, order_type):
    """Whether hftbacktest names both values; "unsupported" is one of them, and its exchange model refuses it."""
    is_known_time = time_in_force <= _IOC or time_in_force == _UNSUPPORTED
    return is_known_time and (order_type <= MARKET or order_type == _UNSUPPORTED)


@bot_compiled
def is_sound(bot, asset_no, price, qty):
    """Whether a limit order can have this price and quantity: finite, not negative, and not too many ticks.

    hftbacktest treats a NaN price as 0, at which a sell order fills, accepts a negative one, and saturates one beyond
    its integer range; a NaN quantity makes the position NaN permanently. If there are limits, they have already refused
    and counted all of these (`check_order`).
    """
    return 0.0 <= price / bot.depth(asset_no).tick_size < _TICKS_MAX and 0.0 <= qty < np.inf


@bot_compiled
def submit(bot, side, asset_no, order_id, price, qty, time_in_force, order_type, wait):
    """Sends a new order if it is well formed and the limits allow it."""
    check_asset(bot, asset_no)
    # The engine casts the two bytes to its enumerations unchecked: any other value is undefined behaviour there.
    if not is_known(time_in_force, order_type):
        return INVALID_ORDER_REQUEST
    if cell(bot, LIMITS) != 0 and cell(bot, STOPPED) == 0:
        if not is_allowed(bot, asset_no, order_id, side, price, qty, order_type, 0.0, 0.0):
            return LIMIT_EXCEEDED
        if time_in_force < _FOK:
            header_of(bot)[HEADER_RESTING] += 1
    if order_type == LIMIT and not is_sound(bot, asset_no, price, qty):
        return INVALID_ORDER_REQUEST
    if side == BUY:
        return bot.c_submit_buy_order(asset_no, order_id, price, qty, time_in_force, order_type, wait)
    return bot.c_submit_sell_order(asset_no, order_id, price, qty, time_in_force, order_type, wait)


@bot_compiled
def modify(bot, asset_no, order_id, price, qty, wait):
    """Changes a working order if the limits allow the result."""
    check_asset(bot, asset_no)
    order = bot.orders(asset_no).get(order_id)
    if order is None or (order.req == NONE and is_finished(order.status)):
        return ORDER_NOT_FOUND
    if cell(bot, LIMITS) != 0 and cell(bot, STOPPED) == 0 and order.req == NONE:
        side = np.int64(order.side)
        leaves = leaves_at_worst(order.leaves_qty, order.qty, order.status, order.req)
        tick = np.float64(order.price_tick)
        if not is_allowed(bot, asset_no, order_id, side, price, qty, np.uint8(LIMIT), leaves, tick):
            return LIMIT_EXCEEDED
        header = header_of(bot)
        funds = funds_of(header)[np.int64(asset_no)]
        is_bought = side == BUY and funds.is_spot != 0
        if has_funds(funds) and (is_bought or funds.other_fee > 0.0):
            if not note_change(
                bot, header, np.int64(asset_no), order_id, tick * lots_of(leaves, funds.lot_size)
            ):
                return LIMIT_EXCEEDED
    if not is_sound(bot, asset_no, price, qty):
        return INVALID_ORDER_REQUEST
    return bot.c_modify(asset_no, order_id, price, qty, wait)


@bot_compiled
def cancel(bot, asset_no, order_id, wait):
    """Cancels an order unless it is finished: on a filled order the engine would apply the fill again."""
    check_asset(bot, asset_no)
    order = bot.orders(asset_no).get(order_id)
    if order is None or (order.req == NONE and is_finished(order.status)):
        return ORDER_NOT_FOUND
    return bot.c_cancel(asset_no, order_id, wait and cell(bot, STOPPED) == 0)


@bot_compiled
def clear_inactive_orders(bot, asset_no):
    """Logs the fills that are about to leave the order dictionary, then clears it."""
    control = cell(bot, FILLS)
    assets = np.int64(bot.num_assets)
    asset = np.int64(asset_no)
    if asset != ALL_ASSETS:
        check_asset(bot, asset)
    for index in range(assets):
        if asset in (ALL_ASSETS, index):
            log_fills(bot, control, index)
    bot.c_clear_inactive_orders(asset_no)


@bot_compiled
def close(bot):
    """Logs the last fills, closes the world, and replaces its functions by empty ones. A second call returns 0.

    If the bot has a host, the world stays open for it: only waits and requests are replaced.
    """
    replacement = cell(bot, CLOSED_TABLE)
    if replacement == 0:
        return OK
    clear_inactive_orders(bot, ALL_ASSETS)
    if cell(bot, HOSTED) != 0:
        set_cell(bot, STOPPED, 1)
        for index in STOPPING:
            set_cell(bot, index, load_int64(replacement + 8 * index))
        return OK
    set_cell(bot, CLOSED_TABLE, 0)
    code = bot.c_close()
    for index in range(_FUNCTIONS):
        set_cell(bot, index, load_int64(replacement + 8 * index))
    return code
