"""Strategies in the manner of hftbacktest's tutorials: `hbt`, `recorder` and numbers in, orders by price tick.

`assets` is how many of the legs a strategy trades. They use nothing that hftbacktest's own bot does not have, so
each runs unchanged on its jitclass bot, in a backtest and in a dry-run (`tests.parity.tutorials`).
"""

from __future__ import annotations

import numpy as np
from hftbacktest.order import BUY, GTC, GTX, IOC, LIMIT, MARKET, SELL
from numba import njit, uint64
from numba.typed import Dict
from numba.types import float64
from tutorial_signals import arrival_intensity, trade_flow, traded_depths

MS = 1_000_000
SECOND = 1_000 * MS


@njit
def is_quoted(depth):
    """Whether both sides of the book are known."""
    return depth.best_bid > 0.0 and depth.best_ask > depth.best_bid


@njit
def replace_quotes(hbt, asset_no, bids, asks):
    """Cancels resting orders that are not wanted any more and sends the wanted ones that do not rest yet."""
    orders = hbt.orders(asset_no)
    values = orders.values()
    while values.has_next():
        order = values.get()
        if order.cancellable:
            wanted = bids if order.side == BUY else asks
            if order.order_id not in wanted:
                hbt.cancel(asset_no, order.order_id, False)
    for order_id, price in bids.items():
        if order_id not in orders:
            hbt.submit_buy_order(asset_no, order_id, price, bids_qty(hbt, asset_no), GTX, LIMIT, False)
    for order_id, price in asks.items():
        if order_id not in orders:
            hbt.submit_sell_order(asset_no, order_id, price, bids_qty(hbt, asset_no), GTX, LIMIT, False)


@njit
def bids_qty(hbt, asset_no):
    """Quantity of a quote: a hundred quote units, in whole lots."""
    depth = hbt.depth(asset_no)
    lots = max(1.0, np.round(100.0 / depth.best_bid / depth.lot_size))
    return lots * depth.lot_size


@njit
def quote_grid(hbt, asset_no, reservation, half_spread, interval, levels, position_max):
    """A grid of `levels` quotes a side around `reservation`, `interval` apart, within the position limit."""
    depth = hbt.depth(asset_no)
    tick_size = depth.tick_size
    position = hbt.position(asset_no)
    bid_price = min(np.floor((reservation - half_spread) / interval) * interval, depth.best_bid)
    ask_price = max(np.ceil((reservation + half_spread) / interval) * interval, depth.best_ask)
    bids = Dict.empty(uint64, float64)
    asks = Dict.empty(uint64, float64)
    if position < position_max:
        for level in range(levels):
            tick = round((bid_price - level * interval) / tick_size)
            bids[uint64(tick)] = tick * tick_size
    if position > -position_max:
        for level in range(levels):
            tick = round((ask_price + level * interval) / tick_size)
            asks[uint64(tick)] = tick * tick_size
    replace_quotes(hbt, asset_no, bids, asks)


def quote(hbt, recorder, assets, half_spread_bps):
    """A bid and an ask around the mid price of each leg."""
    while hbt.elapse(200 * MS) == 0:
        for asset_no in range(assets):
            hbt.clear_inactive_orders(asset_no)
            depth = hbt.depth(asset_no)
            if is_quoted(depth):
                mid = (depth.best_bid + depth.best_ask) / 2.0
                width = mid * half_spread_bps * 1e-4
                quote_grid(hbt, asset_no, mid, width, depth.tick_size, 1, 20.0 * bids_qty(hbt, asset_no))
        recorder.record(hbt)
    return True


def grid(hbt, recorder, assets, half_spread_bps, levels, skew):
    """A grid around the mid price, leant against the position."""
    while hbt.elapse(100 * MS) == 0:
        for asset_no in range(assets):
            hbt.clear_inactive_orders(asset_no)
            depth = hbt.depth(asset_no)
            if not is_quoted(depth):
                continue
            mid = (depth.best_bid + depth.best_ask) / 2.0
            qty = bids_qty(hbt, asset_no)
            reservation = mid - skew * half_spread_bps * 1e-4 * mid * hbt.position(asset_no) / qty
            interval = max(depth.tick_size, np.round(mid * 2e-5 / depth.tick_size) * depth.tick_size)
            quote_grid(hbt, asset_no, reservation, half_spread_bps * 1e-4 * mid, interval, levels, 20.0 * qty)
        recorder.record(hbt)
    return True


def glft(hbt, recorder, assets, gamma, levels):
    """Quotes by arrival intensity and volatility, as in Gueant, Lehalle and Fernandez-Tapia, fitted as it goes."""
    steps = 20_000
    depths = np.full(200_000, np.nan)
    changes = np.full((assets, steps), np.nan)
    last_mid = np.full(assets, np.nan)
    half_spread = np.zeros(assets)
    skew = np.zeros(assets)
    step = 0
    while hbt.elapse(200 * MS) == 0 and step < steps:
        for asset_no in range(assets):
            hbt.clear_inactive_orders(asset_no)
            depth = hbt.depth(asset_no)
            if not is_quoted(depth):
                continue
            mid_tick = (depth.best_bid_tick + depth.best_ask_tick) / 2.0
            changes[asset_no, step] = mid_tick - last_mid[asset_no]
            count = traded_depths(hbt, asset_no, mid_tick, depths, 0)
            last_mid[asset_no] = mid_tick
            if step % 25 == 24:
                rate, decay = arrival_intensity(depths, count, 70)
                window = changes[asset_no, max(0, step - 600) : step + 1]
                sigma = np.nanstd(window) * np.sqrt(5.0)
                if rate > 0.0 and decay > 0.0:
                    inner = 1.0 + gamma / decay
                    c1 = np.log(inner) / gamma
                    c2 = np.sqrt(gamma / (2.0 * rate * decay) * inner ** (decay / gamma + 1.0))
                    half_spread[asset_no] = c1 + sigma * c2 / 2.0
                    skew[asset_no] = sigma * c2
                hbt.clear_last_trades(asset_no)
            qty = bids_qty(hbt, asset_no)
            reservation = (mid_tick - skew[asset_no] * hbt.position(asset_no) / qty) * depth.tick_size
            if half_spread[asset_no] > 0.0:
                width = half_spread[asset_no] * depth.tick_size
                quote_grid(hbt, asset_no, reservation, width, 2.0 * depth.tick_size, levels, 20.0 * qty)
        recorder.record(hbt)
        step += 1
    return True


def depth_imbalance(hbt, recorder, assets, within_bps, factor):
    """Quotes around a price moved by the imbalance of the quantities within reach, read from the depth arrays."""
    while hbt.elapse(250 * MS) == 0:
        for asset_no in range(assets):
            hbt.clear_inactive_orders(asset_no)
            depth = hbt.depth(asset_no)
            if not is_quoted(depth):
                continue
            mid = (depth.best_bid + depth.best_ask) / 2.0
            reach = int(mid * within_bps * 1e-4 / depth.tick_size)
            sums = np.zeros(2)
            best = depth.best_ask_tick - depth.roi_lb_tick
            for place in range(best, min(best + reach, len(depth.ask_depth))):
                sums[1] += depth.ask_depth[place]
            best = depth.best_bid_tick - depth.roi_lb_tick
            for place in range(best, max(best - reach, -1), -1):
                sums[0] += depth.bid_depth[place]
            lean = (sums[0] - sums[1]) / (sums[0] + sums[1])
            qty = bids_qty(hbt, asset_no)
            quote_grid(
                hbt, asset_no, mid * (1.0 + factor * lean * 1e-4), mid * 1e-5, depth.tick_size, 1, 10.0 * qty
            )
        recorder.record(hbt)
    return True


def tick_imbalance(hbt, recorder, assets, ticks, factor):
    """The same signal from the quantities at single ticks, which a hash-map book answers too."""
    while hbt.elapse(250 * MS) == 0:
        for asset_no in range(assets):
            hbt.clear_inactive_orders(asset_no)
            depth = hbt.depth(asset_no)
            if not is_quoted(depth):
                continue
            bid_qty = ask_qty = 0.0
            for away in range(ticks):
                bid_qty += depth.bid_qty_at_tick(depth.best_bid_tick - away)
                ask_qty += depth.ask_qty_at_tick(depth.best_ask_tick + away)
            mid = (depth.best_bid + depth.best_ask) / 2.0
            lean = (bid_qty - ask_qty) / (bid_qty + ask_qty)
            qty = bids_qty(hbt, asset_no)
            quote_grid(
                hbt, asset_no, mid * (1.0 + factor * lean * 1e-4), mid * 1e-5, depth.tick_size, 1, 10.0 * qty
            )
        recorder.record(hbt)
    return True


@njit
def join_queue(hbt, asset_no, side, order_id, tick, qty):
    """Keeps one order at `tick`: sends it, or modifies it when the price has moved or too little is ahead of it."""
    depth = hbt.depth(asset_no)
    price = tick * depth.tick_size
    order = hbt.orders(asset_no).get(order_id)
    if order is not None:
        if order.cancellable and order.price_tick != tick:
            hbt.modify(asset_no, order_id, price, qty, False)
        return
    if side == BUY:
        hbt.submit_buy_order(asset_no, order_id, price, qty, GTX, LIMIT, False)
    else:
        hbt.submit_sell_order(asset_no, order_id, price, qty, GTX, LIMIT, False)


def queue_based(hbt, recorder, assets, queue_bps):
    """One order a side at the touch, a tick further out while the queue at the touch is thin; moved by modify."""
    while hbt.elapse(100 * MS) == 0:
        for asset_no in range(assets):
            hbt.clear_inactive_orders(asset_no)
            depth = hbt.depth(asset_no)
            if not is_quoted(depth):
                continue
            qty = bids_qty(hbt, asset_no)
            place = depth.best_bid_tick - depth.roi_lb_tick
            bid_tick, ask_tick = depth.best_bid_tick, depth.best_ask_tick
            if depth.bid_depth[place] < queue_bps * qty:
                bid_tick -= 1
            place = depth.best_ask_tick - depth.roi_lb_tick
            if depth.ask_depth[place] < queue_bps * qty:
                ask_tick += 1
            position = hbt.position(asset_no)
            if position < 10.0 * qty:
                join_queue(hbt, asset_no, BUY, 1, bid_tick, qty)
            if position > -10.0 * qty:
                join_queue(hbt, asset_no, SELL, 2, ask_tick, qty)
        recorder.record(hbt)
    return True


def tick_sizes(hbt, recorder, assets, ticks_0, ticks_1):
    """Grids whose steps are several ticks, another number for each leg."""
    steps = np.array([ticks_0, ticks_1])
    while hbt.elapse(150 * MS) == 0:
        for asset_no in range(assets):
            hbt.clear_inactive_orders(asset_no)
            depth = hbt.depth(asset_no)
            if is_quoted(depth):
                mid = (depth.best_bid + depth.best_ask) / 2.0
                interval = depth.tick_size * steps[asset_no]
                quote_grid(hbt, asset_no, mid, interval, interval, 4, 15.0 * bids_qty(hbt, asset_no))
        recorder.record(hbt)
    return True


def trade_momentum(hbt, recorder, assets, flow_min, hold_ms):
    """Takes the touch with the flow of public trades, waits for the answer, and closes after a while."""
    order_id = 1
    code = 0
    until = np.zeros(assets, np.int64)
    while code == 0:
        code = hbt.elapse(100 * MS)
        for asset_no in range(assets):
            depth = hbt.depth(asset_no)
            flow, count = trade_flow(hbt, asset_no)
            hbt.clear_last_trades(asset_no)
            if not is_quoted(depth) or code != 0:
                continue
            qty = bids_qty(hbt, asset_no)
            position = hbt.position(asset_no)
            now = hbt.current_timestamp
            if abs(position) >= depth.lot_size / 2.0 and now >= until[asset_no]:
                if position > 0.0:
                    hbt.submit_sell_order(asset_no, order_id, depth.best_bid, position, IOC, LIMIT, True)
                else:
                    hbt.submit_buy_order(asset_no, order_id, depth.best_ask, -position, IOC, LIMIT, True)
                order_id += 1
            elif count > 0 and abs(flow) > flow_min * qty and abs(position) < qty / 2.0:
                if flow > 0.0:
                    hbt.submit_buy_order(asset_no, order_id, depth.best_ask, qty, IOC, LIMIT, True)
                else:
                    hbt.submit_sell_order(asset_no, order_id, depth.best_bid, qty, IOC, LIMIT, True)
                order_id += 1
                until[asset_no] = now + hold_ms * MS
            hbt.clear_inactive_orders(asset_no)
        recorder.record(hbt)
    return True


def state_stop(hbt, recorder, assets, half_spread_bps, trades_max):
    """Quotes until its equity or its number of trades, from the state values, says stop; then takes its way out."""
    start = np.full(assets, np.nan)
    is_stopped = np.zeros(assets, np.bool_)
    order_id = 1_000_000_000_000
    while hbt.elapse(100 * MS) == 0:
        for asset_no in range(assets):
            hbt.clear_inactive_orders(asset_no)
            depth = hbt.depth(asset_no)
            if not is_quoted(depth):
                continue
            state = hbt.state_values(asset_no)
            mid = (depth.best_bid + depth.best_ask) / 2.0
            equity = state.balance + state.position * mid - state.fee
            if np.isnan(start[asset_no]):
                start[asset_no] = equity
            qty = bids_qty(hbt, asset_no)
            if equity < start[asset_no] - 2e-3 * qty * mid or state.num_trades >= trades_max:
                is_stopped[asset_no] = True
            if not is_stopped[asset_no]:
                quote_grid(hbt, asset_no, mid, mid * half_spread_bps * 1e-4, depth.tick_size, 2, 10.0 * qty)
            else:
                replace_quotes(hbt, asset_no, Dict.empty(uint64, float64), Dict.empty(uint64, float64))
                if len(hbt.orders(asset_no)) == 0 and abs(state.position) >= depth.lot_size / 2.0:
                    if state.position > 0.0:
                        hbt.submit_sell_order(
                            asset_no, order_id, depth.best_bid, state.position, GTC, MARKET, False
                        )
                    else:
                        hbt.submit_buy_order(
                            asset_no, order_id, depth.best_ask, -state.position, GTC, MARKET, False
                        )
                    order_id += 1
        recorder.record(hbt)
    return True


def latency_aware(hbt, recorder, assets, widen):
    """Quotes that move away from the mid with the measured latencies of the feed and of its own orders."""
    while hbt.elapse(100 * MS) == 0:
        for asset_no in range(assets):
            hbt.clear_inactive_orders(asset_no)
            depth = hbt.depth(asset_no)
            if not is_quoted(depth):
                continue
            late_ms = 5.0
            feed = hbt.feed_latency(asset_no)
            if feed is not None:
                exch_ts, local_ts = feed
                late_ms += (local_ts - exch_ts) / MS
            order = hbt.order_latency(asset_no)
            if order is not None:
                req_ts, _, resp_ts = order
                late_ms += (resp_ts - req_ts) / MS
            mid = (depth.best_bid + depth.best_ask) / 2.0
            width = mid * 1e-5 + widen * late_ms * depth.tick_size
            quote_grid(hbt, asset_no, mid, width, depth.tick_size, 1, 10.0 * bids_qty(hbt, asset_no))
        recorder.record(hbt)
    return True


def stop_by_elapse(hbt, recorder, assets, half_spread_bps, run_s):
    """Quotes for `run_s` of data, cancels everything, waits for each answer, and returns before the data end."""
    if hbt.elapse(SECOND) != 0:
        return False
    end = hbt.current_timestamp + int(run_s) * SECOND
    while hbt.elapse(100 * MS) == 0 and hbt.current_timestamp < end:
        for asset_no in range(assets):
            hbt.clear_inactive_orders(asset_no)
            depth = hbt.depth(asset_no)
            if is_quoted(depth):
                mid = (depth.best_bid + depth.best_ask) / 2.0
                qty = bids_qty(hbt, asset_no)
                quote_grid(hbt, asset_no, mid, mid * half_spread_bps * 1e-4, depth.tick_size, 2, 10.0 * qty)
        recorder.record(hbt)
    for asset_no in range(assets):
        values = hbt.orders(asset_no).values()
        while values.has_next():
            order = values.get()
            if order.cancellable:
                hbt.cancel(asset_no, order.order_id, False)
    hbt.elapse(2 * SECOND)
    recorder.record(hbt)
    return True


def feed_driven(hbt, recorder, assets, cross_bps):
    """Wakes at every row of the feed and takes the touch when it has moved far from its average."""
    average = np.full(assets, np.nan)
    order_id = 1
    wakes = 0
    while True:
        code = hbt.wait_next_feed(False, SECOND)
        if code != 0 and code != 2:
            break
        wakes += 1
        for asset_no in range(assets):
            depth = hbt.depth(asset_no)
            if not is_quoted(depth):
                continue
            mid = (depth.best_bid + depth.best_ask) / 2.0
            if np.isnan(average[asset_no]):
                average[asset_no] = mid
            average[asset_no] += (mid - average[asset_no]) * 2e-3
            away = (mid / average[asset_no] - 1.0) * 1e4
            qty = bids_qty(hbt, asset_no)
            position = hbt.position(asset_no)
            if len(hbt.orders(asset_no)) == 0:
                if away < -cross_bps and position < 3.0 * qty:
                    hbt.submit_buy_order(asset_no, order_id, depth.best_ask, qty, IOC, LIMIT, False)
                    order_id += 1
                elif away > cross_bps and position > -3.0 * qty:
                    hbt.submit_sell_order(asset_no, order_id, depth.best_bid, qty, IOC, LIMIT, False)
                    order_id += 1
            hbt.clear_inactive_orders(asset_no)
        if wakes % 50 == 0:
            recorder.record(hbt)
    return True
