"""Strategies of the lock-step sessions. Amendments change the price only: the simulated exchange, as hftbacktest's,
executes the former quantity of an order whose price and quantity were amended together."""

from __future__ import annotations

from hftbacktest.order import BUY, GTC, GTX, LIMIT, MARKET, SELL
from hftbacktest.types import ALL_ASSETS
from numba import njit

from parity.strategies import price_near, resting


def idle(bot):
    """Waits."""
    while bot.elapse(60_000_000_000) == 0:
        pass
    return 0


def random_steps(bot, seed, lot_0, lot_1, crowd):
    """Requests of every kind, on one leg or both, and waits of every kind. Returns how many orders were sent."""
    code = bot.elapse(2_000_000_000)
    dice = seed * 7919 + 17
    ids = 1
    while code != 1 and code < 10:
        asset_no = 0
        target = 1
        dice = (dice * 1103515245 + 12345) & 0x7FFFFFFF
        for _ in range(1 + (dice >> 9) % 2):
            dice = (dice * 1103515245 + 12345) & 0x7FFFFFFF
            asset_no = (dice >> 7) % 2
            depth = bot.depth(asset_no)
            if not (depth.best_bid > 0.0 and depth.best_ask > depth.best_bid):
                continue
            pick = (dice >> 16) % 11
            target = max(1, ids - 1 - (dice >> 20) % 4)
            lot = lot_0 if asset_no == 0 else lot_1
            dice = (dice * 1103515245 + 12345) & 0x7FFFFFFF
            if pick < 6:
                side = BUY if (dice >> 8) % 2 == 0 else SELL
                order_type = MARKET if (dice >> 10) % 12 == 0 else LIMIT
                force = (dice >> 14) % 4
                if order_type == LIMIT and force <= GTX and resting(bot, asset_no, side) >= crowd:
                    force = 3
                price = price_near(depth, side, dice >> 17, 4)
                qty = lot * (1 + (dice >> 5) % 7)
                if side == BUY:
                    bot.submit_buy_order(asset_no, ids, price, qty, force, order_type, False)
                else:
                    bot.submit_sell_order(asset_no, ids, price, qty, force, order_type, False)
                target = ids
                ids += 1
            elif pick < 8:
                bot.cancel(asset_no, target, False)
            elif pick < 10:
                order = bot.orders(asset_no).get(target)
                if order is not None and order.cancellable:
                    price = price_near(depth, order.side, dice >> 17, 4)
                    if abs(price - order.price) > 0.5 * depth.tick_size:
                        bot.modify(asset_no, target, price, order.leaves_qty, False)
            else:
                bot.clear_inactive_orders(ALL_ASSETS if dice % 2 else asset_no)
        dice = (dice * 1103515245 + 12345) & 0x7FFFFFFF
        kind = (dice >> 12) % 4
        time_ns = ((dice >> 3) % 1000) * 400_000
        if kind == 0:
            code = bot.elapse(time_ns)
        elif kind == 1:
            code = bot.wait_next_feed(True, time_ns)
        elif kind == 2:
            code = bot.wait_next_feed(False, time_ns)
        else:
            code = bot.wait_order_response(asset_no, target, time_ns)
    return ids - 1


@njit
def _quote(bot, asset_no, side, qty, order_id, force):
    """Keeps one order of a side at its touch, amends it when that moves; the next id."""
    depth = bot.depth(asset_no)
    is_quoted = depth.best_bid > 0.0 and depth.best_ask > depth.best_bid
    tick = depth.best_bid_tick if side == BUY else depth.best_ask_tick
    has_order = False
    values = bot.orders(asset_no).values()
    while values.has_next():
        order = values.get()
        if order.side == side:
            has_order = True
            if not order.cancellable:
                continue
            if not is_quoted:
                bot.cancel(asset_no, order.order_id, False)
            elif order.price_tick != tick:
                bot.modify(asset_no, order.order_id, tick * depth.tick_size, order.leaves_qty, False)
    if has_order or not is_quoted:
        return order_id
    if side == BUY:
        bot.submit_buy_order(asset_no, order_id, depth.best_bid, qty, force, LIMIT, False)
    else:
        bot.submit_sell_order(asset_no, order_id, depth.best_ask, qty, force, LIMIT, False)
    return order_id + 1


def amended_quotes(bot, qty, interval_ns, is_at_rows):
    """Quotes at the touches of both legs, amended as they move, by the clock or at rows."""
    order_id = 1
    code = 0
    while code != 1 and code < 10:
        code = bot.elapse(interval_ns)
        if is_at_rows and code == 0:
            code = bot.wait_next_feed(True, interval_ns)
        for asset_no in range(2):
            bot.clear_inactive_orders(asset_no)
            position = bot.position(asset_no)
            force = GTX if asset_no == 0 else GTC
            if position < 20.0 * qty:
                order_id = _quote(bot, asset_no, BUY, qty, order_id, force)
            if position > -20.0 * qty:
                order_id = _quote(bot, asset_no, SELL, qty, order_id, force)
    return order_id - 1
