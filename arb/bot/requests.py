"""What happens to a request before it reaches a world: limits, the guard on finished orders, the fill log.

Compiled once, cached on disk and shared by all strategies, so none of it is compiled with a strategy. Runs on
the strategy's thread, without the GIL.
"""

from __future__ import annotations

import numpy as np
from hftbacktest.order import BUY, CANCELED, EXPIRED, FILLED, LIMIT, MARKET, NONE, PARTIALLY_FILLED, REJECTED
from hftbacktest.types import ALL_ASSETS
from numba import carray

from arb.bot.cache import bot_compiled
from arb.bot.codes import INVALID_ORDER_REQUEST, LIMIT_EXCEEDED, OK, ORDER_NOT_FOUND
from arb.bot.fills import log_fills
from arb.bot.handle import cell, set_cell
from arb.bot.memory import as_pointer, load_int64
from arb.bot.orders import order_at
from arb.bot.slots import CLOSED_TABLE, FILLS, LIMITS, SLOTS, STOPPED
from arb.risk.limits import (
    COLUMNS,
    HEADER_ASSETS,
    HEADER_LIMITS,
    HEADER_RATE_MAX,
    HEADER_REFUSALS,
    HEADER_RING,
    HEADER_SIZE,
    RULES_COUNT,
    check_order,
    has_position_limit,
)

#: Request under way on an order that is being modified; hftbacktest's Python package has no name for it.
_REPLACED = 7
#: hftbacktest's code for "not one of mine", the only order type and time in force above the named ones it
#: accepts.
_UNSUPPORTED = 255
_IOC = 3

_FUNCTIONS = len(SLOTS)


@bot_compiled
def working_leaves(bot, asset_no, side, except_id):  # type: ignore[no-untyped-def]
    """What the orders of one side may still trade at the worst, in base units, without order `except_id`.

    Orders on their way count, and so do those being cancelled. One being modified counts with the larger of
    its quantities, old and new.
    """
    total = 0.0
    orders = bot.orders(asset_no)
    if len(orders) == 0:
        return total
    # The engine's own iterator: nothing changes the orders meanwhile, and its end frees it.
    iterator = orders.c_orders_values()
    address = orders.c_orders_values_next(iterator)
    while address != 0:
        order = order_at(address)
        if order.side == side and order.order_id != except_id and not is_finished(order.status):
            total += leaves_at_worst(order.leaves_qty, order.qty, order.status, order.req)
        address = orders.c_orders_values_next(iterator)
    return total


@bot_compiled
def leaves_at_worst(leaves_qty, qty, status, req):  # type: ignore[no-untyped-def]
    """Quantity that an unfinished order may still trade.

    An order that has not traded may trade all of its quantity, whatever its leaves say: hftbacktest leaves
    them as they were when an order is modified to a larger quantity.
    """
    if (status != PARTIALLY_FILLED or req == _REPLACED) and qty > leaves_qty:
        return qty
    return leaves_qty


@bot_compiled
def is_finished(status):  # type: ignore[no-untyped-def]
    """Whether an order of this status can no longer trade."""
    return status in (FILLED, CANCELED, EXPIRED, REJECTED)


@bot_compiled
def is_allowed(bot, asset_no, order_id, side, price, qty, order_type, own_leaves):  # type: ignore[no-untyped-def]
    """Whether the bot's limits let the order pass; the refusal is counted.

    own_leaves: what the order itself may trade already (a modify), 0 for a new one.
    """
    header = carray(as_pointer(cell(bot, LIMITS)), HEADER_SIZE, np.int64)
    assets = header[HEADER_ASSETS]
    limits = carray(as_pointer(header[HEADER_LIMITS]), (assets, COLUMNS), np.float64)
    refusals = carray(as_pointer(header[HEADER_REFUSALS]), (assets, RULES_COUNT), np.int64)
    places = max(header[HEADER_RATE_MAX], 1)
    ring = carray(as_pointer(header[HEADER_RING]), places, np.int64)
    asset = np.int64(asset_no)
    # Asked of the limits first: the engine ends the process when it is asked for an asset that it does not
    # have.
    if not 0 <= asset < assets or asset >= np.int64(bot.num_assets):
        return False
    depth = bot.depth(asset)
    touch = depth.best_ask if side == BUY else depth.best_bid
    # The larger of what the order may do before and after a modify.
    worst = max(qty, own_leaves)
    position = bot.position(asset)
    working = 0.0
    if has_position_limit(limits[asset]):
        working = working_leaves(bot, asset, side, order_id) + (worst - qty)
    now = bot.current_timestamp
    return check_order(
        header, limits, refusals, ring, asset, side, price, qty, order_type, touch, position, working, now
    )


@bot_compiled
def is_known(time_in_force, order_type):  # type: ignore[no-untyped-def]
    """Whether hftbacktest has a name for both; "unsupported" is one, which its exchange model refuses."""
    is_known_time = time_in_force <= _IOC or time_in_force == _UNSUPPORTED
    return is_known_time and (order_type <= MARKET or order_type == _UNSUPPORTED)


@bot_compiled
def submit(bot, side, asset_no, order_id, price, qty, time_in_force, order_type, wait):  # type: ignore[no-untyped-def]
    """Send a new order if it is well formed and the limits allow it."""
    # The engine ends the process on an asset that it does not have, and takes the two bytes for its
    # enumerations unseen: any other value is undefined behaviour there.
    if asset_no >= bot.num_assets or not is_known(time_in_force, order_type):
        return INVALID_ORDER_REQUEST
    if cell(bot, LIMITS) != 0 and cell(bot, STOPPED) == 0:
        if not is_allowed(bot, asset_no, order_id, side, price, qty, order_type, 0.0):
            return LIMIT_EXCEEDED
    if side == BUY:
        return bot.c_submit_buy_order(asset_no, order_id, price, qty, time_in_force, order_type, wait)
    return bot.c_submit_sell_order(asset_no, order_id, price, qty, time_in_force, order_type, wait)


@bot_compiled
def modify(bot, asset_no, order_id, price, qty, wait):  # type: ignore[no-untyped-def]
    """Change a working order if the limits allow what it becomes."""
    if asset_no >= bot.num_assets:
        return ORDER_NOT_FOUND
    order = bot.orders(asset_no).get(order_id)
    if order is None or (order.req == NONE and is_finished(order.status)):
        return ORDER_NOT_FOUND
    if cell(bot, LIMITS) != 0 and cell(bot, STOPPED) == 0 and order.req == NONE:
        side = np.int64(order.side)
        leaves = leaves_at_worst(order.leaves_qty, order.qty, order.status, order.req)
        if not is_allowed(bot, asset_no, order_id, side, price, qty, np.uint8(LIMIT), leaves):
            return LIMIT_EXCEEDED
    return bot.c_modify(asset_no, order_id, price, qty, wait)


@bot_compiled
def cancel(bot, asset_no, order_id, wait):  # type: ignore[no-untyped-def]
    """Cancel an order unless it is finished: on a filled one the engine would apply the fill again."""
    if asset_no >= bot.num_assets:
        return ORDER_NOT_FOUND
    order = bot.orders(asset_no).get(order_id)
    if order is None or (order.req == NONE and is_finished(order.status)):
        return ORDER_NOT_FOUND
    return bot.c_cancel(asset_no, order_id, wait and cell(bot, STOPPED) == 0)


@bot_compiled
def clear_inactive_orders(bot, asset_no):  # type: ignore[no-untyped-def]
    """Log the fills that are about to leave the order dictionary, then clear it.

    An asset that the bot does not have is ignored.
    """
    control = cell(bot, FILLS)
    assets = np.int64(bot.num_assets)
    asset = np.int64(asset_no)
    if asset != ALL_ASSETS and not 0 <= asset < assets:
        return
    if control != 0:
        for index in range(assets):
            if asset in (ALL_ASSETS, index):
                log_fills(bot, control, index)
    bot.c_clear_inactive_orders(asset_no)


@bot_compiled
def close(bot):  # type: ignore[no-untyped-def]
    """Log the last fills, end the world, and put harmless functions in its place. Again: nothing, 0."""
    replacement = cell(bot, CLOSED_TABLE)
    if replacement == 0:
        return OK
    clear_inactive_orders(bot, ALL_ASSETS)
    set_cell(bot, CLOSED_TABLE, 0)
    code = bot.c_close()
    for index in range(_FUNCTIONS):
        set_cell(bot, index, load_int64(replacement + 8 * index))
    return code
