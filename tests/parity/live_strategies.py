"""Strategies of the lock-step sessions, which log each request as decisions.

Amendments change the price only: the simulated exchange, as hftbacktest's, executes the former quantity of an order
whose price and quantity were amended together.
"""

from __future__ import annotations

from hftbacktest.order import BUY, GTC, GTX, IOC, LIMIT, MARKET, SELL
from hftbacktest.types import ALL_ASSETS
from numba import njit

from parity.strategies import price_near, resting

#: Codes of decisions, beyond those of reports: a new order by its side, type and time in force, with its price; a
#: change, with its price; a cancellation; the quantity of the request before.
_ORDER, _CHANGE, _CANCEL, _QTY = 1_000, 2_000, 3_000, 4_000


@njit
def _place(bot, recorder, leg, order_id, side, price, qty, force, order_type):
    """Sends an order and logs it."""
    code = _ORDER + (0 if side == BUY else 100) + 10 * order_type + force
    recorder.decide(bot.current_timestamp, code, 0, leg, order_id, price)
    recorder.decide(bot.current_timestamp, _QTY, 0, leg, order_id, qty)
    if side == BUY:
        bot.submit_buy_order(leg, order_id, price, qty, force, order_type, False)
    else:
        bot.submit_sell_order(leg, order_id, price, qty, force, order_type, False)


@njit
def _change(bot, recorder, leg, order_id, price, qty):
    """Changes an order and logs that."""
    recorder.decide(bot.current_timestamp, _CHANGE, 0, leg, order_id, price)
    recorder.decide(bot.current_timestamp, _QTY, 0, leg, order_id, qty)
    bot.modify(leg, order_id, price, qty, False)


@njit
def _cancel(bot, recorder, leg, order_id):
    """Cancels an order and logs that."""
    recorder.decide(bot.current_timestamp, _CANCEL, 0, leg, order_id, 0.0)
    bot.cancel(leg, order_id, False)


def idle(bot):
    """Waits."""
    while bot.elapse(60_000_000_000) == 0:
        pass
    return 0


def random_steps(bot, recorder, seed, lot_0, lot_1, crowd):
    """Requests of every kind, on one leg or both, and waits of every kind."""
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
                _place(bot, recorder, asset_no, ids, side, price, qty, force, order_type)
                target = ids
                ids += 1
            elif pick < 8:
                _cancel(bot, recorder, asset_no, target)
            elif pick < 10:
                order = bot.orders(asset_no).get(target)
                if order is not None and order.cancellable:
                    price = price_near(depth, order.side, dice >> 17, 4)
                    if abs(price - order.price) > 0.5 * depth.tick_size:
                        _change(bot, recorder, asset_no, target, price, order.leaves_qty)
            else:
                bot.clear_inactive_orders(ALL_ASSETS if dice % 2 else asset_no)
        dice = (dice * 1103515245 + 12345) & 0x7FFFFFFF
        kind = (dice >> 12) % 4
        time_ns = ((dice >> 3) % 1000) * 160_000
        if kind == 0:
            code = bot.elapse(time_ns)
        elif kind == 1:
            code = bot.wait_next_feed(True, time_ns)
        elif kind == 2:
            code = bot.wait_next_feed(False, time_ns)
        else:
            code = bot.wait_order_response(asset_no, target, time_ns)
    return 0


@njit
def _quote(bot, recorder, asset_no, side, qty, order_id, force):
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
                _cancel(bot, recorder, asset_no, order.order_id)
            elif order.price_tick != tick:
                _change(bot, recorder, asset_no, order.order_id, tick * depth.tick_size, order.leaves_qty)
    if has_order or not is_quoted:
        return order_id
    price = depth.best_bid if side == BUY else depth.best_ask
    _place(bot, recorder, asset_no, order_id, side, price, qty, force, LIMIT)
    return order_id + 1


@njit
def _take(bot, recorder, number, qty, order_id):
    """Takes with an IOC order, legs and sides in turn, and cancels an order of the other leg; the next id."""
    asset_no, side = number % 2, BUY if number // 2 % 2 else SELL
    values = bot.orders(1 - asset_no).values()
    while values.has_next():
        order = values.get()
        if order.cancellable:
            _cancel(bot, recorder, 1 - asset_no, order.order_id)
            break
    depth = bot.depth(asset_no)
    if not (depth.best_bid > 0.0 and depth.best_ask > depth.best_bid):
        return order_id
    price = depth.best_ask if side == BUY else depth.best_bid
    _place(bot, recorder, asset_no, order_id, side, price, qty, IOC, LIMIT)
    return order_id + 1


def amended_quotes(bot, recorder, qty, interval_ns, is_at_rows, take_every=0):
    """Quotes at the touches of both legs, amended as they move, by the clock or at rows.

    take_every: every so many steps an IOC order takes at one leg, and a quote of the other is cancelled; 0: never.
    """
    order_id = 1
    step = 0
    code = 0
    while code != 1 and code < 10:
        step += 1
        code = bot.elapse(interval_ns)
        if is_at_rows and code == 0:
            code = bot.wait_next_feed(True, interval_ns)
        for asset_no in range(2):
            bot.clear_inactive_orders(asset_no)
            position = bot.position(asset_no)
            force = GTX if asset_no == 0 else GTC
            if position < 20.0 * qty:
                order_id = _quote(bot, recorder, asset_no, BUY, qty, order_id, force)
            if position > -20.0 * qty:
                order_id = _quote(bot, recorder, asset_no, SELL, qty, order_id, force)
        if take_every > 0 and step % take_every == 0:
            order_id = _take(bot, recorder, step // take_every, qty, order_id)
    return 0
