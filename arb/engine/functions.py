"""The bot's function table over a live world: a C function for every slot, compiled once and cached on disk.

The strategy's machine code calls them without the GIL; each call increments the world's heartbeat. An unknown asset
number reads an empty record; hftbacktest would end the process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

import numpy as np
from hftbacktest.order import BUY, SELL
from hftbacktest.types import event_dtype, order_dtype

from arb.bot.cache import bot_callback
from arb.bot.codes import END_OF_DATA, OK
from arb.bot.depth import ASK_LEVEL, BID_LEVEL
from arb.bot.function_table import SLOTS
from arb.bot.memory import allocate_zeroed, release
from arb.bot.numba_types import callback_signature
from arb.engine import account
from arb.engine.blocks import release_all
from arb.engine.book import NO_ASK, NO_BID, book_at, qty_at, ticks_of
from arb.engine.order_table import ORDER, orders_at, row_of
from arb.engine.row_stream import event_at
from arb.engine.timeline import wait_feed, wait_response, wait_time
from arb.engine.world import ASSET, NEVER, asset_at, assets_of, state_at, trades_at, world_at
from connectors.jit.compilation import compiled

_ASSET_BYTES = ASSET.itemsize
_ORDER_BYTES = ORDER.itemsize
_EVENT_BYTES = event_dtype.itemsize
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)

if order_dtype.itemsize > ORDER.itemsize:
    raise ImportError(
        "hftbacktest's order is larger than the live bot's row: install a version that arb knows"
    )


@compiled
def _world(address):
    world = world_at(address)
    world.heartbeat += 1
    return world


@compiled
def _asset(world, asset_no):
    """The asset's record; an unknown number gets the extra record after the last asset."""
    number = np.int64(min(asset_no, np.uint64(world.num_assets)))
    return asset_at(world.assets + number * _ASSET_BYTES)


@compiled
def _book(address):
    book = book_at(address)
    world_at(book.world).heartbeat += 1
    return book


@compiled
def _orders(address):
    orders = orders_at(address)
    world_at(orders.world).heartbeat += 1
    return orders


def current_timestamp(ptr):
    return _world(ptr).now


def num_assets(ptr):
    return np.uint64(_world(ptr).num_assets)


def depth(ptr, asset_no):
    return _asset(_world(ptr), asset_no).book


def position(ptr, asset_no):
    return state_at(_asset(_world(ptr), asset_no).state).position


def state_values(ptr, asset_no):
    return _asset(_world(ptr), asset_no).state


def account_values(ptr, asset_no):
    return _asset(_world(ptr), asset_no).account


def last_trades(ptr, asset_no, length):
    trades = trades_at(_asset(_world(ptr), asset_no).trades)
    length[0] = trades.count
    return trades.data


def clear_last_trades(ptr, asset_no):
    world = _world(ptr)
    if asset_no == _ALL:
        for number in range(world.num_assets):
            trades_at(assets_of(world)[number].trades).count = 0
    else:
        trades_at(_asset(world, asset_no).trades).count = 0


def orders(ptr, asset_no):
    return _asset(_world(ptr), asset_no).orders


def submit_buy_order(ptr, asset_no, order_id, price, qty, time_in_force, order_type, wait):
    return _submit(ptr, BUY, asset_no, order_id, price, qty, time_in_force, order_type, wait)


def submit_sell_order(ptr, asset_no, order_id, price, qty, time_in_force, order_type, wait):
    return _submit(ptr, SELL, asset_no, order_id, price, qty, time_in_force, order_type, wait)


@compiled
def _submit(ptr, side, asset_no, order_id, price, qty, time_in_force, order_type, wait):
    world = _world(ptr)
    if world.is_stopping:
        return END_OF_DATA
    asset = _asset(world, asset_no)
    code = account.submit(asset, order_id, side, price, qty, time_in_force, order_type, world.now)
    if code != OK or wait == 0:
        return code
    return wait_response(ptr, asset_no, order_id, NEVER)


def modify(ptr, asset_no, order_id, price, qty, wait):
    world = _world(ptr)
    if world.is_stopping:
        return END_OF_DATA
    code = account.modify(_asset(world, asset_no), order_id, price, qty, world.now)
    if code != OK or wait == 0:
        return code
    return wait_response(ptr, asset_no, order_id, NEVER)


def cancel(ptr, asset_no, order_id, wait):
    world = _world(ptr)
    code = account.cancel(_asset(world, asset_no), order_id, world.now)
    if code != OK or wait == 0 or world.is_stopping:
        return code
    return wait_response(ptr, asset_no, order_id, NEVER)


def clear_inactive_orders(ptr, asset_no):
    world = _world(ptr)
    if asset_no == _ALL:
        for number in range(world.num_assets):
            account.clear_inactive(assets_of(world)[number])
    else:
        account.clear_inactive(_asset(world, asset_no))


def wait_order_response(ptr, asset_no, order_id, timeout):
    _world(ptr)
    return wait_response(ptr, asset_no, order_id, timeout)


def wait_next_feed(ptr, include_order_resp, timeout):
    _world(ptr)
    return wait_feed(ptr, include_order_resp != 0, timeout)


def elapse(ptr, duration):
    _world(ptr)
    return wait_time(ptr, duration)


def goto_end(ptr):
    _world(ptr)
    return wait_time(ptr, NEVER)


def close(ptr):
    world = _world(ptr)
    release_all(world.owners, world.owners_count)
    world.owners_count = 0
    return np.int64(OK)


def feed_latency(ptr, asset_no, exch_ts, local_ts):
    asset = _asset(_world(ptr), asset_no)
    exch_ts[0] = asset.feed_exch_ts
    local_ts[0] = asset.feed_local_ts
    return np.uint8(asset.has_feed_latency)


def order_latency(ptr, asset_no, req_ts, exch_ts, resp_ts):
    asset = _asset(_world(ptr), asset_no)
    req_ts[0] = asset.order_request_ts
    exch_ts[0] = asset.order_exch_ts
    resp_ts[0] = asset.order_response_ts
    return np.uint8(asset.has_order_latency)


def best_bid_tick(ptr):
    return _book(ptr).best_bid


def best_ask_tick(ptr):
    return _book(ptr).best_ask


def best_bid(ptr):
    book = _book(ptr)
    return np.nan if book.best_bid == NO_BID else book.best_bid * book.tick_size


def best_ask(ptr):
    book = _book(ptr)
    return np.nan if book.best_ask == NO_ASK else book.best_ask * book.tick_size


def best_bid_qty(ptr):
    book = _book(ptr)
    return 0.0 if book.best_bid == NO_BID else qty_at(book, True, book.best_bid)


def best_ask_qty(ptr):
    book = _book(ptr)
    return 0.0 if book.best_ask == NO_ASK else qty_at(book, False, book.best_ask)


def tick_size(ptr):
    return _book(ptr).tick_size


def lot_size(ptr):
    return _book(ptr).lot_size


def bid_qty_at_tick(ptr, price_tick):
    return qty_at(_book(ptr), True, price_tick)


def ask_qty_at_tick(ptr, price_tick):
    return qty_at(_book(ptr), False, price_tick)


def bid_depth(ptr, length):
    book = _book(ptr)
    length[0] = book.width if book.is_fixed else 0
    return book.bids if book.is_fixed else np.int64(0)


def ask_depth(ptr, length):
    book = _book(ptr)
    length[0] = book.width if book.is_fixed else 0
    return book.asks if book.is_fixed else np.int64(0)


def roi_lb_tick(ptr):
    book = _book(ptr)
    return book.base if book.is_fixed else np.int64(0)


def roi_ub_tick(ptr):
    book = _book(ptr)
    return book.base + book.width - 1 if book.is_fixed else np.int64(-1)


@compiled
def _put_levels(address, book, is_bid, ticks, ev):
    for number in range(len(ticks)):
        row = event_at(address + number * _EVENT_BYTES)
        row.ev = ev
        row.px = ticks[number] * book.tick_size
        row.qty = qty_at(book, is_bid, ticks[number])


def snapshot(ptr, length):
    book = _book(ptr)
    bids = ticks_of(book, True)
    asks = ticks_of(book, False)
    bids = bids[bids <= book.best_bid][::-1]
    asks = asks[asks >= book.best_ask]
    length[0] = 0
    levels = len(bids) + len(asks)
    # An empty array has no address to return.
    address = allocate_zeroed(levels * _EVENT_BYTES) if levels > 0 else 0
    if address != 0:
        _put_levels(address, book, True, bids, BID_LEVEL)
        _put_levels(address + len(bids) * _EVENT_BYTES, book, False, asks, ASK_LEVEL)
        length[0] = levels
    return np.intp(address)


def snapshot_free(address, length):
    release(address)


def orders_get(ptr, order_id):
    table = _orders(ptr)
    row = row_of(table, order_id)
    return np.intp(0) if row < 0 else np.intp(table.data + row * _ORDER_BYTES)


def orders_contains(ptr, order_id):
    return np.uint8(row_of(_orders(ptr), order_id) >= 0)


def orders_len(ptr):
    return np.uint64(_orders(ptr).count)


def orders_values(ptr):
    _orders(ptr).cursor = 0
    return ptr


def orders_values_next(values):
    table = orders_at(values)
    row = table.cursor
    if row >= table.count:
        return np.intp(0)
    table.cursor = row + 1
    return np.intp(table.data + row * _ORDER_BYTES)


#: Slots implemented by a function of another name.
_SAME: Mapping[str, Callable[..., Any]] = {"elapse_bt": elapse}


@cache
def live_addresses() -> Mapping[str, int]:
    """Addresses of the C functions by slot. Compiled at the first call, or read from the cache."""
    made = {}
    for slot in SLOTS:
        function = _SAME.get(slot.name) or globals()[slot.name]
        callback = bot_callback(callback_signature(slot.name), function)
        _kept.append(callback)
        made[slot.name] = int(callback.address)
    return MappingProxyType(made)


#: Keeps the compiled functions alive: they are freed with their objects.
_kept: list[Any] = []
