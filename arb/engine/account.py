"""The bot's side of one asset: orders, position and money, as in hftbacktest's local processor.

Pure: takes responses and requests, and changes records. The bot's function table calls the requests; the code that
advances the world applies responses.
"""

from __future__ import annotations

import numpy as np
from hftbacktest.order import CANCELED, EXPIRED, FILLED, NEW, NONE, REJECTED

from arb.bot.codes import LIMIT_EXCEEDED, OK, ORDER_ID_EXISTS, ORDER_NOT_FOUND, REQUEST_IN_PROCESS
from arb.bot.log import publish_row, reserve_row
from arb.engine.book import rounded
from arb.engine.order_table import (
    ORDER,
    append,
    first_time,
    insert,
    orders_at,
    pop,
    queue_at,
    remove_row,
    row_of,
    rows_of,
)
from arb.engine.world import answer_at, state_at
from connectors.jit.compilation import compiled

#: Request code of a modify; hftbacktest's Python package does not name it.
REPLACED = 7


@compiled
def submit(asset, order_id, side, price, qty, time_in_force, order_type, now):
    """Creates an order and queues its request. Returns a code of the bot."""
    orders = orders_at(asset.orders)
    if row_of(orders, order_id) >= 0:
        return ORDER_ID_EXISTS
    scratch = np.zeros(1, ORDER)
    order = scratch[0]
    order.qty = qty
    order.leaves_qty = qty
    order.price_tick = rounded(price / asset.tick_size)
    order.tick_size = asset.tick_size
    order.local_timestamp = now
    order.order_id = order_id
    order.order_type = order_type
    order.req = NEW
    order.side = side
    order.time_in_force = time_in_force
    if insert(orders, scratch[0]) < 0:
        return LIMIT_EXCEEDED
    return _send(asset, scratch)


@compiled
def modify(asset, order_id, price, qty, now):
    """Requests another price and quantity of an order. Returns a code of the bot."""
    orders = orders_at(asset.orders)
    row = row_of(orders, order_id)
    if row < 0:
        return ORDER_NOT_FOUND
    order = rows_of(orders)[row]
    if order.req != NONE:
        return REQUEST_IN_PROCESS
    order.price_tick = rounded(price / asset.tick_size)
    order.qty = qty
    order.req = REPLACED
    order.local_timestamp = now
    return _send(asset, rows_of(orders)[row : row + 1])


@compiled
def cancel(asset, order_id, now):
    """Requests the cancellation of an order. Returns a code of the bot."""
    orders = orders_at(asset.orders)
    row = row_of(orders, order_id)
    if row < 0:
        return ORDER_NOT_FOUND
    order = rows_of(orders)[row]
    if order.req != NONE:
        return REQUEST_IN_PROCESS
    order.req = CANCELED
    order.local_timestamp = now
    return _send(asset, rows_of(orders)[row : row + 1])


@compiled
def _send(asset, order):
    asset.requests_made += 1
    order[0].request_no = asset.requests_made
    order[0].request_ts = order[0].local_timestamp
    if not append(queue_at(asset.requests), order[0], order[0].local_timestamp):
        return LIMIT_EXCEEDED
    return OK


@compiled
def deliver(world, responses, order, received_ts):
    """Appends an order's response to the queue at `responses`, at its time of receipt.

    On live data the bot may already be past that time: the response is then the next event. Without memory it is lost,
    which makes the results invalid.
    """
    earliest = world.latest + 1 if world.is_live else 0
    if not append(queue_at(responses), order, max(received_ts, earliest)):
        world.lost += 1


@compiled
def clear_inactive(asset):
    """Removes expired, filled and cancelled orders from the table."""
    orders = orders_at(asset.orders)
    row = 0
    while row < orders.count:
        if rows_of(orders)[row].status in (EXPIRED, FILLED, CANCELED):
            remove_row(orders, row)
        else:
            row += 1


@compiled
def receive(world, asset, timestamp, wanted_id, is_wanted):
    """Applies all responses that arrive at this time; returns whether the wanted order's was among them."""
    responses = queue_at(asset.responses)
    orders = orders_at(asset.orders)
    scratch = np.zeros(1, ORDER)
    is_received = False
    while first_time(responses) == timestamp:
        pop(responses, scratch)
        order = scratch[0]
        if order.exch_timestamp > 0:
            asset.has_order_latency = 1
            asset.order_request_ts = order.local_timestamp
            asset.order_exch_ts = order.exch_timestamp
            asset.order_response_ts = timestamp
        if is_wanted and order.order_id == wanted_id:
            is_received = True
        if order.status == FILLED:
            apply_fill(asset, order)
        _answer(orders, scratch)
        if world.answers != 0:
            _log_answer(world.answers, asset.number, order, timestamp)
    return is_received


@compiled
def _answer(orders, answer):
    """Applies a response to the local order. An order that was cleared is added again, except by a rejection."""
    order = answer[0]
    row = row_of(orders, order.order_id)
    if row < 0:
        if order.req != REJECTED:
            insert(orders, answer[0])
        return
    local = rows_of(orders)[row]
    if order.req != REJECTED:
        sent_ts = local.local_timestamp
        exch_ts = order.exch_timestamp if order.exch_timestamp > 0 else local.exch_timestamp
        rows_of(orders)[row] = answer[0]
        local.local_timestamp = sent_ts
        local.exch_timestamp = exch_ts
    elif order.local_timestamp == local.local_timestamp:
        if local.req == NEW:
            local.status = EXPIRED
        local.req = NONE


@compiled
def apply_fill(asset, order):
    """Updates position, money and fee for a fill, in the engine's order of operations, so that all bits are equal."""
    state = state_at(asset.state)
    amount = asset.contract_size * (order.exec_price_tick * order.tick_size) * order.exec_qty
    side = np.float64(order.side)
    state.position += order.exec_qty * side
    state.balance -= amount * side
    state.fee += (asset.maker_fee if order.maker else asset.taker_fee) * amount
    state.num_trades += 1
    state.trading_volume += order.exec_qty
    state.trading_value += amount


@compiled
def _log_answer(control, asset_no, order, timestamp):
    address = reserve_row(control)
    if address == 0:
        return
    row = answer_at(address)
    row.asset_no = asset_no
    row.order_id = order.order_id
    row.request_no = order.request_no
    row.request_ts = order.request_ts
    row.exch_ts = order.exch_timestamp
    row.response_ts = timestamp
    publish_row(control)
