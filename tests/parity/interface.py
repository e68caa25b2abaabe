"""Every method and attribute of the bot at every event, as numbers that two worlds must agree on to the last bit.

`ask_all` calls everything that `docs/bot-interface.md` names but the arrays, `ask_arrays` everything with them: a book
is of one kind or the other. What is answered goes into a running hash, which is written down at every event, so that
the first event where two worlds differ is known; `values` then takes the answers of that event themselves.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from hftbacktest.order import GTC, GTX, IOC, LIMIT, MARKET, NONE
from hftbacktest.types import ALL_ASSETS
from numba import njit

#: Places of `Probe.state`.
HASH, EVENTS, VALUES, WATCHED = range(4)

_MS = 1_000_000
_PRIME = np.uint64(0x100000001B3)
_NAN = np.uint64(0x7FF8000000000000)
_MIN, _MAX = np.iinfo(np.int64).min, np.iinfo(np.int64).max
#: Distances from a best price, in ticks, at which quantities are asked for.
_AWAY = np.array([0, 1, -1, 3, -3, 40, -40, 3_000, -3_000, 400_000, -400_000, 90_000_000], np.int64)
#: Ticks that no best price leads to.
_ODD_TICKS = np.array([0, 1, -1, _MIN, _MAX], np.int64)
#: An order is sent at every so many events.
_ORDER_EVERY = 50


class Probe(NamedTuple):
    """Where a run writes. state: HASH, EVENTS, VALUES, and the event whose answers go into `values`, -1 for none."""

    state: Any
    #: The hash after every event.
    hashes: Any
    values: Any
    #: What the last line needs: a place to look at a number's bits.
    scratch: Any


def make_probe(events: int = 2_000_000, watched: int = -1) -> Probe:
    """An empty one."""
    state = np.zeros(4, np.int64)
    state[WATCHED] = watched
    return Probe(state, np.zeros(events, np.uint64), np.zeros(1_000_000), np.zeros(1))


@njit
def put(probe, number):
    """One answer. All that is not a number counts as one and the same."""
    value = np.float64(number)
    probe.scratch[0] = value
    bits = _NAN if value != value else probe.scratch.view(np.uint64)[0]
    mixed = (np.uint64(probe.state[HASH]) ^ bits) * _PRIME
    probe.state[HASH] = np.int64(mixed ^ (mixed >> np.uint64(29)))
    if probe.state[EVENTS] == probe.state[WATCHED] and probe.state[VALUES] < len(probe.values):
        probe.values[probe.state[VALUES]] = value
        probe.state[VALUES] += 1


@njit
def put_int(probe, number):
    """One whole number, of more digits than a float has."""
    put(probe, number >> 32)
    put(probe, number & 0xFFFFFFFF)


@njit
def end_event(probe):
    probe.hashes[min(probe.state[EVENTS], len(probe.hashes) - 1)] = np.uint64(probe.state[HASH])
    probe.state[EVENTS] += 1


@njit
def put_order(probe, order):
    put(probe, order.order_id)
    put(probe, order.price)
    put(probe, order.price_tick)
    put(probe, order.qty)
    put(probe, order.leaves_qty)
    put(probe, order.exec_price)
    put(probe, order.exec_price_tick)
    put(probe, order.exec_qty)
    put(probe, order.tick_size)
    put(probe, order.cancellable)
    put(probe, order.maker)
    put(probe, order.side)
    put(probe, order.status)
    put(probe, order.req)
    put(probe, order.order_type)
    put(probe, order.time_in_force)
    put_int(probe, order.exch_timestamp)
    put_int(probe, order.local_timestamp)


@njit
def put_orders(probe, orders):
    """All of them, in the order of their ids: a dictionary has none of its own."""
    put(probe, len(orders))
    count, seen, next_too = 0, 0, 0
    values = orders.values()
    while values.has_next():
        order = values.get()
        count += 1
        seen += np.int64(order.order_id)
        put(probe, order.order_id in orders)
    values = orders.values()
    order = values.next()
    while order is not None:
        next_too += 1
        order = values.next()
    put(probe, count)
    put(probe, seen)
    put(probe, next_too)


@njit
def put_state(probe, bot, asset_no):
    values = bot.state_values(asset_no)
    put(probe, values.position)
    put(probe, values.balance)
    put(probe, values.fee)
    put(probe, values.num_trades)
    put(probe, values.trading_volume)
    put(probe, values.trading_value)
    put(probe, bot.position(asset_no))
    feed = bot.feed_latency(asset_no)
    put(probe, feed is not None)
    if feed is not None:
        exch_ts, local_ts = feed
        put_int(probe, exch_ts)
        put_int(probe, local_ts)
    latency = bot.order_latency(asset_no)
    put(probe, latency is not None)
    if latency is not None:
        req_ts, order_exch_ts, resp_ts = latency
        put_int(probe, req_ts)
        put_int(probe, order_exch_ts)
        put_int(probe, resp_ts)


@njit
def put_trades(probe, bot, asset_no):
    trades = bot.last_trades(asset_no)
    put(probe, len(trades))
    for index in range(len(trades)):
        put_int(probe, np.int64(trades[index].ev))
        put_int(probe, trades[index].exch_ts)
        put_int(probe, trades[index].local_ts)
        put(probe, trades[index].px)
        put(probe, trades[index].qty)


@njit
def put_depth(probe, depth):
    put(probe, depth.best_bid)
    put(probe, depth.best_ask)
    put_int(probe, depth.best_bid_tick)
    put_int(probe, depth.best_ask_tick)
    put(probe, depth.best_bid_qty)
    put(probe, depth.best_ask_qty)
    put(probe, depth.tick_size)
    put(probe, depth.lot_size)
    for index in range(len(_AWAY)):
        put(probe, depth.bid_qty_at_tick(depth.best_bid_tick - _AWAY[index]))
        put(probe, depth.ask_qty_at_tick(depth.best_ask_tick + _AWAY[index]))
        put(probe, depth.bid_qty_at_tick(depth.best_ask_tick + _AWAY[index]))
    for index in range(len(_ODD_TICKS)):
        put(probe, depth.bid_qty_at_tick(_ODD_TICKS[index]))
        put(probe, depth.ask_qty_at_tick(_ODD_TICKS[index]))


@njit
def put_snapshot(probe, depth):
    rows = depth.snapshot()
    put(probe, len(rows))
    for index in range(len(rows)):
        put_int(probe, np.int64(rows[index].ev))
        put(probe, rows[index].exch_ts)
        put(probe, rows[index].local_ts)
        put(probe, rows[index].px)
        put(probe, rows[index].qty)
        put(probe, rows[index].order_id)
        put(probe, rows[index].ival)
        put(probe, rows[index].fval)
    depth.snapshot_free(rows)


@njit
def put_arrays(probe, depth):
    low, high = depth.roi_lb_tick, depth.roi_ub_tick
    put(probe, low)
    put(probe, high)
    put(probe, len(depth.bid_depth))
    put(probe, len(depth.ask_depth))
    put(probe, depth.bid_depth[0])
    put(probe, depth.ask_depth[high - low])
    at = min(max(depth.best_bid_tick, low), high) - low
    for place in range(max(at - 30, 0), min(at + 30, high - low)):
        put(probe, depth.bid_depth[place])
        put(probe, depth.ask_depth[place])


@njit
def put_bot(probe, bot, snapshot_every):
    """All that can be asked without changing anything."""
    put_int(probe, bot.current_timestamp)
    put(probe, bot.num_assets)
    for asset_no in range(bot.num_assets):
        depth = bot.depth(asset_no)
        put_depth(probe, depth)
        is_one_sided = not (depth.best_bid > 0.0 and depth.best_ask > 0.0)
        if is_one_sided or probe.state[EVENTS] < 100 or probe.state[EVENTS] % snapshot_every == 0:
            put_snapshot(probe, depth)
        put_state(probe, bot, asset_no)
        put_trades(probe, bot, asset_no)
        orders = bot.orders(asset_no)
        put_orders(probe, orders)
        for order_id in range(
            max(probe.state[EVENTS] // _ORDER_EVERY - 4, 0), probe.state[EVENTS] // _ORDER_EVERY + 1
        ):
            order = orders.get(order_id)
            put(probe, order is None)
            put(probe, order_id in orders)
            if order is not None:
                put_order(probe, order)


@njit
def is_busy(orders, turn):
    """Whether an order of the last turns may still trade."""
    for order_id in range(max(turn - 40, 0), turn):
        order = orders.get(order_id)
        if order is not None and (order.cancellable or order.req != NONE):
            return True
    return False


@njit
def act(probe, bot, qty):
    """Requests, one at a time on either leg: what fills in one nanosecond is summed in a random order by the engine."""
    turn = probe.state[EVENTS] // _ORDER_EVERY
    asset_no = turn % bot.num_assets
    depth = bot.depth(asset_no)
    step = probe.state[EVENTS] % _ORDER_EVERY
    is_known = depth.best_bid > 0.0 and depth.best_ask > 0.0
    if step == 1 and is_known and not is_busy(bot.orders(asset_no), turn):
        kind = turn % 8
        wait = turn % 3 == 0
        if kind < 3:
            price = depth.best_bid - (kind - 1) * depth.tick_size
            put(probe, bot.submit_buy_order(asset_no, turn, price, qty, GTX if kind else GTC, LIMIT, wait))
        elif kind < 6:
            price = depth.best_ask + (kind - 4) * depth.tick_size
            put(probe, bot.submit_sell_order(asset_no, turn, price, qty, GTX, LIMIT, wait))
        elif kind == 6:
            put(probe, bot.submit_buy_order(asset_no, turn, depth.best_ask, qty, IOC, LIMIT, wait))
        else:
            put(probe, bot.submit_sell_order(asset_no, turn, depth.best_bid, qty, GTC, MARKET, wait))
        # Again: the id exists.
        put(probe, bot.submit_buy_order(asset_no, turn, depth.best_bid, qty, GTX, LIMIT, False))
    elif step == 2 and turn % 2 == 0:
        put(probe, bot.wait_order_response(asset_no, turn, 30 * _MS))
    elif step == 12:
        order = bot.orders(asset_no).get(turn)
        if order is not None and order.cancellable and order.req == NONE and is_known:
            price = order.price + (1 - order.side * 2) * depth.tick_size
            put(probe, bot.modify(asset_no, turn, price, qty * (1 + turn % 2), turn % 3 == 1))
    elif step == 20:
        put(probe, bot.elapse(3 * _MS))
    elif step == 21:
        put(probe, bot.elapse_bt(_MS))
    elif step == 35:
        for order_id in range(max(turn - 40, 0), turn + 1):
            order = bot.orders(asset_no).get(order_id)
            if order is not None and order.cancellable and order.req == NONE:
                put(probe, bot.cancel(asset_no, order_id, turn % 2 == 0))
        put(probe, bot.cancel(asset_no, 1_000_000_000 + turn, False))
        put(probe, bot.modify(asset_no, 1_000_000_000 + turn, 1.0, qty, False))
    elif step == 45:
        bot.clear_inactive_orders(asset_no if turn % 2 else ALL_ASSETS)
    elif step == 47:
        bot.clear_last_trades(ALL_ASSETS if turn % 2 else asset_no)


def ask_all(bot, probe, qty, snapshot_every):
    """Before the first wait, at every event, at the end of the data and behind it."""
    put_bot(probe, bot, snapshot_every)
    end_event(probe)
    code = 0
    while code != 1:
        code = bot.wait_next_feed(probe.state[EVENTS] % 5 != 0, 400 * _MS)
        put(probe, code)
        put_bot(probe, bot, snapshot_every)
        act(probe, bot, qty)
        end_event(probe)
    put(probe, bot.elapse(1))
    put(probe, bot._goto_end())
    put_bot(probe, bot, 1)
    end_event(probe)
    put(probe, bot.close())
    return probe.state[EVENTS]


def ask_arrays(bot, probe, qty, snapshot_every):
    """The same, and the arrays; `_goto_end` is the hash-map bot's in hftbacktest."""
    for asset_no in range(bot.num_assets):
        put_arrays(probe, bot.depth(asset_no))
    put_bot(probe, bot, snapshot_every)
    end_event(probe)
    code = 0
    while code != 1:
        code = bot.wait_next_feed(probe.state[EVENTS] % 5 != 0, 400 * _MS)
        put(probe, code)
        for asset_no in range(bot.num_assets):
            put_arrays(probe, bot.depth(asset_no))
        put_bot(probe, bot, snapshot_every)
        act(probe, bot, qty)
        end_event(probe)
    put(probe, bot.close())
    return probe.state[EVENTS]
