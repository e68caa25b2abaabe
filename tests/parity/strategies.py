"""Strategies whose every look is written down, compiled once for both worlds."""

from __future__ import annotations

import numpy as np
from hftbacktest.order import BUY, GTC, GTX, IOC, LIMIT, MARKET, NONE, SELL
from hftbacktest.types import ALL_ASSETS
from numba import njit

#: Ids before the newest one that a look tells of.
_IDS_BACK = 6


@njit
def put(out, value):
    """Append to the journal `out`, whose first place counts."""
    out[0] += 1
    out[int(out[0])] = value


@njit
def put_order(out, order):
    """Everything of an order."""
    put(out, order.order_id)
    put(out, order.side)
    put(out, order.status)
    put(out, order.req)
    put(out, order.order_type)
    put(out, order.time_in_force)
    put(out, order.price)
    put(out, order.qty)
    put(out, order.leaves_qty)
    put(out, order.exec_qty)
    put(out, order.exec_price)
    put(out, order.exch_timestamp)
    put(out, order.local_timestamp)
    put(out, order.cancellable)
    put(out, order.maker)


@njit
def put_world(out, bot, ids):
    """Clock, books, money, latencies and the newest orders."""
    put(out, bot.current_timestamp)
    for asset_no in range(bot.num_assets):
        depth = bot.depth(asset_no)
        put(out, depth.best_bid)
        put(out, depth.best_ask)
        if depth.best_bid > 0.0 and depth.best_ask > 0.0:
            put(out, depth.best_bid_qty)
            put(out, depth.best_ask_qty)
            put(out, depth.bid_qty_at_tick(depth.best_bid_tick - 3))
            put(out, depth.ask_qty_at_tick(depth.best_ask_tick + 3))
        state = bot.state_values(asset_no)
        put(out, bot.position(asset_no))
        put(out, state.balance)
        put(out, state.fee)
        put(out, state.num_trades)
        put(out, state.trading_volume)
        put(out, state.trading_value)
        trades = bot.last_trades(asset_no)
        put(out, len(trades))
        if len(trades) > 0:
            put(out, trades[len(trades) - 1].px)
            put(out, trades[len(trades) - 1].qty)
        feed = bot.feed_latency(asset_no)
        if feed is not None:
            exch_ts, local_ts = feed
            put(out, exch_ts)
            put(out, local_ts)
        latency = bot.order_latency(asset_no)
        if latency is not None:
            _, processed_ts, received_ts = latency
            put(out, processed_ts)
            put(out, received_ts)
        orders = bot.orders(asset_no)
        put(out, len(orders))
        for order_id in range(max(1, ids - _IDS_BACK), ids):
            order = orders.get(order_id)
            if order is not None:
                put_order(out, order)


@njit
def resting(bot, asset_no, side):
    """Orders of a side that may be resting at the venue, now or soon."""
    count = 0
    values = bot.orders(asset_no).values()
    while values.has_next():
        order = values.get()
        if order.side == side and order.status <= 1 and (order.req != NONE or order.status == 1):
            if order.order_type == LIMIT and order.time_in_force <= GTX:
                count += 1
    return count


@njit
def price_near(depth, side, dice, far):
    """A price about the touch of the order's own side, up to `far` steps of a twentieth of a basis point."""
    touch = depth.best_bid if side == BUY else depth.best_ask
    step = max(depth.tick_size, touch * 5e-6)
    off = (dice % (2 * far + 1) - far) * step
    return np.round((touch + off) / depth.tick_size) * depth.tick_size


def random_orders(bot, out, seed, orders_max, crowd, lot_0, lot_1):
    """Random requests of every kind until `orders_max` orders were sent or the data end; looks are written down.

    crowd: resting orders of a side and asset at a time. With one, no row fills two orders, whose sums hftbacktest
    makes in a random order. Returns how many orders were sent.
    """
    put(out, bot.elapse(5_000_000_000))
    dice = seed * 7919 + 17
    ids = 1
    code = 0
    while code != 1 and code < 10 and ids <= orders_max and out[0] < len(out) - 2_000:
        dice = (dice * 1103515245 + 12345) & 0x7FFFFFFF
        asset_no = (dice >> 7) % 2
        depth = bot.depth(asset_no)
        is_quoted = depth.best_bid > 0.0 and depth.best_ask > depth.best_bid
        pick = (dice >> 16) % 11
        target = max(1, ids - 1 - (dice >> 20) % 4)
        wait = (dice >> 9) % 5 == 0
        lot = lot_0 if asset_no == 0 else lot_1
        dice = (dice * 1103515245 + 12345) & 0x7FFFFFFF
        if pick < 6 and is_quoted:
            side = BUY if (dice >> 8) % 2 == 0 else SELL
            order_type = MARKET if (dice >> 10) % 12 == 0 else LIMIT
            time_in_force = (dice >> 14) % 4
            if order_type == LIMIT and time_in_force <= GTX and resting(bot, asset_no, side) >= crowd:
                time_in_force = IOC
            price = price_near(depth, side, dice >> 17, 4)
            qty = lot * (1 + (dice >> 5) % 7)
            # Now and then an id that may still be there.
            order_id = target if (dice >> 12) % 23 == 0 else ids
            if side == BUY:
                put(
                    out, bot.submit_buy_order(asset_no, order_id, price, qty, time_in_force, order_type, wait)
                )
            else:
                put(
                    out,
                    bot.submit_sell_order(asset_no, order_id, price, qty, time_in_force, order_type, wait),
                )
            ids += 1
        elif pick < 8:
            put(out, bot.cancel(asset_no, target, wait))
        elif pick == 8 and is_quoted:
            order = bot.orders(asset_no).get(target)
            if order is not None:
                price = price_near(depth, order.side, dice >> 17, 4)
                if (dice >> 6) % 3 == 0:
                    price = order.price
                put(out, bot.modify(asset_no, target, price, lot * (1 + (dice >> 9) % 7), wait))
        elif pick == 9:
            bot.clear_inactive_orders(ALL_ASSETS if dice % 2 else asset_no)
        elif pick == 10:
            bot.clear_last_trades(ALL_ASSETS if dice % 2 else asset_no)
        put_world(out, bot, ids)
        dice = (dice * 1103515245 + 12345) & 0x7FFFFFFF
        kind = (dice >> 12) % 5
        time_ns = ((dice >> 3) % 1000) * 400_000
        if kind == 0:
            code = bot.elapse(time_ns)
        elif kind == 1:
            code = bot.elapse_bt(time_ns // 8)
        elif kind == 2:
            code = bot.wait_next_feed(True, time_ns)
        elif kind == 3:
            code = bot.wait_next_feed(False, time_ns)
        else:
            code = bot.wait_order_response(asset_no, target, time_ns)
        put(out, code)
    while code != 1 and code < 10:
        code = bot.elapse(60_000_000_000)
    put_world(out, bot, ids)
    return ids - 1


@njit
def follow_touch(bot, asset_no, side, qty, order_id, time_in_force):
    """Keeps one order of a side at its touch: cancels what has been left behind, else sends one. Its next id."""
    depth = bot.depth(asset_no)
    is_quoted = depth.best_bid > 0.0 and depth.best_ask > depth.best_bid
    tick = depth.best_bid_tick if side == BUY else depth.best_ask_tick
    has_order = False
    values = bot.orders(asset_no).values()
    while values.has_next():
        order = values.get()
        if order.side == side:
            has_order = True
            if order.cancellable and (not is_quoted or order.price_tick != tick):
                bot.cancel(asset_no, order.order_id, False)
    if has_order or not is_quoted:
        return order_id
    if side == BUY:
        bot.submit_buy_order(asset_no, order_id, depth.best_bid, qty, time_in_force, LIMIT, False)
    else:
        bot.submit_sell_order(asset_no, order_id, depth.best_ask, qty, time_in_force, LIMIT, False)
    return order_id + 1


def quote_touches(bot, out, qty, interval_ns):
    """Post-only and resting quotes at the touches of both legs, renewed as they move; looks are written down."""
    order_id = 1
    position_max = 20.0 * qty
    code = 0
    while code == 0 and out[0] < len(out) - 2_000:
        code = bot.elapse(interval_ns)
        for asset_no in range(2):
            bot.clear_inactive_orders(asset_no)
            position = bot.position(asset_no)
            time_in_force = GTX if asset_no == 0 else GTC
            if position < position_max:
                order_id = follow_touch(bot, asset_no, BUY, qty, order_id, time_in_force)
            if position > -position_max:
                order_id = follow_touch(bot, asset_no, SELL, qty, order_id, time_in_force)
        put_world(out, bot, order_id)
    return order_id - 1
