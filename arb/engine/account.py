"""The bot's side of one asset: orders, position and money, as in hftbacktest's local processor.

Beyond it: funding payments, which arrive like responses; fees in base or in another asset, or as a venue charged them;
executions that end no request; a log of all fills.

Pure: takes responses and requests, and changes records. The bot's function table calls the requests; the code that
advances the world applies responses.
"""

from __future__ import annotations

import numpy as np
from hftbacktest.order import BUY, CANCELED, EXPIRED, FILLED, NEW, NONE, REJECTED

from arb.bot.account import account_at, charge_at
from arb.bot.codes import (
    LIMIT_EXCEEDED,
    MARKET_FEED,
    OK,
    ORDER_ID_EXISTS,
    ORDER_NOT_FOUND,
    REQUEST_IN_PROCESS,
)
from arb.bot.fills import fill_at, put_fill
from arb.bot.log import COUNT, publish_row, reserve_row
from arb.bot.memory import load_int64
from arb.engine.book import book_at, qty_at, rounded, set_level
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
from arb.engine.taken import learn
from arb.engine.world import FEE_AS_RECEIVED, FEE_IN_OTHER, FEE_IN_QUOTE, answer_at, state_at
from connectors.jit.compilation import compiled

#: Request code of a modify; hftbacktest's Python package does not name it.
REPLACED = 7
#: Id of no order.
NO_ORDER = np.uint64(0xFFFFFFFFFFFFFFFF)
#: Request code of a funding payment in the queue of responses. Its id is NO_ORDER; of the row's fields `exch_timestamp`
#: is the funding time, `qty` the position, `tick_size` the mark price, `leaves_qty` the rate and `exec_qty` the amount.
FUNDING = 100
#: Request code of a response that reports an execution and ends no request: what is in flight for the order remains so.
EXECUTED = 101

#: Request code of what a book no longer shows because our takers have it (`arb.engine.taken`). Of the row's fields
#: `side` is the book's, `price_tick` the level, `qty` the venue's own quantity, `exec_qty` what is taken of it, and
#: `exch_timestamp` the time of the last taking.
TAKEN = 102

#: Results of `receive`: only funding payments arrived; a response; the response that is waited for.
NO_RESPONSE, RESPONSE, WANTED_RESPONSE = range(3)


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
    """Applies all responses and funding payments that arrive at this time; returns what they were."""
    responses = queue_at(asset.responses)
    orders = orders_at(asset.orders)
    scratch = np.zeros(1, ORDER)
    received = NO_RESPONSE
    while first_time(responses) == timestamp:
        pop(responses, scratch)
        order = scratch[0]
        if order.req == TAKEN:
            _show_taken(world, asset, order)
            continue
        if world.answers != 0:
            _log_answer(world.answers, asset.number, order, timestamp)
        if order.req == FUNDING:
            _apply_funding(world, asset, order, timestamp)
            continue
        received = max(received, RESPONSE)
        if order.exch_timestamp > 0:
            asset.has_order_latency = 1
            asset.order_request_ts = order.local_timestamp
            asset.order_exch_ts = order.exch_timestamp
            asset.order_response_ts = timestamp
        if is_wanted and order.order_id == wanted_id and not _is_between(orders, order):
            received = WANTED_RESPONSE
        if order.fill_qty > 0.0:
            _apply_fill(world, asset, orders, order, timestamp)
        order.fill_qty, order.fee, order.charged = 0.0, 0.0, 0
        _answer(orders, scratch)
    return received


@compiled
def _is_between(orders, order):
    """Whether a response is an execution while a request of the order is in flight: its own answer follows."""
    if order.req != EXECUTED:
        return False
    row = row_of(orders, order.order_id)
    return row >= 0 and rows_of(orders)[row].req != NONE


@compiled
def _answer(orders, answer):
    """Applies a response to the local order. An order that was cleared is added again, except by a rejection or a
    further execution."""
    order = answer[0]
    row = row_of(orders, order.order_id)
    if row < 0:
        if order.req not in (REJECTED, EXECUTED):
            insert(orders, answer[0])
        return
    local = rows_of(orders)[row]
    if order.req == EXECUTED:
        local.leaves_qty = order.leaves_qty
        local.exec_qty = order.exec_qty
        local.exec_price_tick = order.exec_price_tick
        local.maker = order.maker
        local.exch_timestamp = order.exch_timestamp
        if local.status not in (EXPIRED, FILLED, CANCELED):
            local.status = order.status
    elif order.req != REJECTED:
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
def _apply_fill(world, asset, orders, order, timestamp):
    """Updates position, money and fee for a fill, in the engine's order of operations, so that all bits are equal."""
    state = state_at(asset.state)
    price = order.exec_price_tick * order.tick_size
    amount = asset.contract_size * price * order.fill_qty
    side = np.float64(order.side)
    state.position += order.fill_qty * side
    state.balance -= amount * side
    fill_no = _log_fill(world.fills, asset.number, orders, order, price)
    rate = asset.maker_fee if order.maker else asset.taker_fee
    if order.charged != 0:
        _take_fee(world, asset, order, rate, amount, timestamp, fill_no)
    elif asset.fee_asset == FEE_IN_QUOTE:
        state.fee += rate * amount
    else:
        _charge_fee(world, asset, order, rate, amount, timestamp, fill_no)
    state.num_trades += 1
    state.trading_volume += order.fill_qty
    state.trading_value += amount


@compiled
def _charge_fee(world, asset, order, rate, amount, timestamp, fill_no):
    """Takes a fee from the base that a spot purchase brings, from another asset, or from the quote.

    Another asset without a known price pays nothing: the fee is then charged in what is received.
    """
    state, account = state_at(asset.state), account_at(asset.account)
    quote, base, other = 0.0, 0.0, 0.0
    if asset.fee_asset == FEE_IN_OTHER and order.fee_price > 0.0:
        other = rate * amount / order.fee_price
        account.other_fee += other
        account.other_value += rate * amount
        state.fee += rate * amount
    elif asset.is_spot != 0 and order.side > 0:
        base = rate * order.fill_qty
        account.base_fee += base
        state.position -= base
    else:
        quote = rate * amount
        state.fee += quote
    _log_fee(world, asset, order, timestamp, fill_no, rate, rate * amount, quote, base, other)


@compiled
def _take_fee(world, asset, order, rate, amount, timestamp, fill_no):
    """Takes a fee as the venue charged it; another asset without a known price is valued at the leg's rate."""
    state, account = state_at(asset.state), account_at(asset.account)
    quote, base, other = 0.0, 0.0, 0.0
    if order.charged == 1 + FEE_IN_QUOTE:
        quote = order.fee
        value = quote
        state.fee += value
    elif order.charged == 1 + FEE_AS_RECEIVED:
        base = order.fee
        value = base * asset.contract_size * (order.exec_price_tick * order.tick_size)
        account.base_fee += base
        state.position -= base
    else:
        other = order.fee
        value = other * order.fee_price if order.fee_price > 0.0 else rate * amount
        account.other_fee += other
        account.other_value += value
        state.fee += value
    _log_fee(world, asset, order, timestamp, fill_no, value / amount, value, quote, base, other)


@compiled
def _apply_funding(world, asset, payment, timestamp):
    """Adds a funding payment to the cash."""
    state_at(asset.state).balance += payment.exec_qty
    account_at(asset.account).funding += payment.exec_qty
    address = reserve_row(world.charges)
    if address == 0:
        return
    row = charge_at(address)
    _begin_charge(row, asset, payment, timestamp)
    row.is_funding = 1
    row.fill_no = -1
    row.qty = payment.qty
    row.price = payment.tick_size
    row.rate = payment.leaves_qty
    row.value = payment.exec_qty
    row.quote = payment.exec_qty
    row.base = 0.0
    row.other = 0.0
    publish_row(world.charges)


@compiled
def _show_taken(world, asset, news):
    """Takes from the bot's book what a taker got, and wakes a strategy that waits for the feed."""
    book = book_at(asset.book)
    is_bid = news.side == BUY
    before = qty_at(book, is_bid, news.price_tick)
    is_behind = asset.feed_exch_ts <= news.exch_timestamp
    left = learn(
        book.taken,
        is_bid,
        news.price_tick,
        news.qty,
        news.exec_qty,
        news.exch_timestamp,
        before,
        is_behind,
        book.lot_size,
    )
    if np.isnan(left):
        if not np.isnan(before):
            world.lost += 1
    elif left != before:
        set_level(book, is_bid, news.price_tick, left)
        if world.wants_feed:
            world.deadline = world.latest
            world.result = MARKET_FEED


@compiled
def _log_fee(world, asset, order, timestamp, fill_no, rate, value, quote, base, other):
    address = reserve_row(world.charges)
    if address == 0:
        return
    row = charge_at(address)
    _begin_charge(row, asset, order, timestamp)
    row.is_funding = 0
    row.fill_no = fill_no
    row.qty = order.fill_qty
    row.price = order.exec_price_tick * order.tick_size
    row.rate = rate
    row.value = value
    row.quote = quote
    row.base = base
    row.other = other
    publish_row(world.charges)


@compiled
def _begin_charge(row, asset, order, timestamp):
    row.asset_no = asset.number
    row.order_id = order.order_id
    row.exch_ts = order.exch_timestamp
    row.received_ts = timestamp


@compiled
def _log_fill(control, asset_no, orders, order, price):
    """Logs the execution of a response; returns its place in the log, -1 if it does not fit."""
    address = reserve_row(control)
    if address == 0:
        return -1
    row = row_of(orders, order.order_id)
    request_ts = order.local_timestamp if row < 0 else rows_of(orders)[row].local_timestamp
    put_fill(fill_at(address), asset_no, order, price, order.fill_qty, request_ts)
    publish_row(control)
    return load_int64(control + 8 * COUNT) - 1


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
