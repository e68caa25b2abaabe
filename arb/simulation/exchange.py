"""The simulated exchange of one asset: hftbacktest's `NoPartialFillExchange`, decision by decision.

It processes rows in the order of the venue's time and requests when they arrive, and delivers responses through the
port. Orders fill whole. A taker fills at the touch whatever its quantity; FOK and IOC behave the same. The exchange of
a perpetual also makes funding payments, which hftbacktest does not know.

With a book that subtracts what is taken (`arb.engine.taken`) a taker gets what is left of the levels within its limit,
level by level, and a FOK order all or nothing.

Source: hftbacktest/src/backtest/proc/nopartialfillexchange.rs of hftbacktest 2.4.4 (read 2026-11-21).
"""

from __future__ import annotations

import numpy as np
from hftbacktest.order import (
    BUY,
    CANCELED,
    EXPIRED,
    FILLED,
    FOK,
    GTC,
    GTX,
    IOC,
    LIMIT,
    MARKET,
    NEW,
    NONE,
    PARTIALLY_FILLED,
    REJECTED,
    SELL,
)
from hftbacktest.types import (
    BUY_EVENT,
    DEPTH_CLEAR_EVENT,
    DEPTH_EVENT,
    DEPTH_SNAPSHOT_EVENT,
    SELL_EVENT,
    TRADE_EVENT,
)

from arb.bot.codes import INVALID_ORDER_REQUEST, INVALID_ORDER_STATUS, OK, ORDER_ID_EXISTS
from arb.engine.account import FUNDING, NO_ORDER, REPLACED
from arb.engine.book import book_at, rounded, update_ask, update_bid
from arb.engine.book_rows import clear_side, shown_qty
from arb.engine.order_table import (
    ORDER,
    first_time,
    insert,
    orders_at,
    pop,
    queue_at,
    remove_row,
    row_of,
    rows_of,
)
from arb.engine.world import NEVER, world_at
from arb.simulation.exchange_record import fee_price, respond
from arb.simulation.queue import enter, is_reached, on_level, on_trade
from arb.simulation.taking import best_of, is_better, is_none, show_taken, take_within
from connectors.jit.compilation import compiled
from connectors.model import FUNDING_EVENT

_BUY_FLAG = np.uint64(BUY_EVENT)
_SELL_FLAG = np.uint64(SELL_EVENT)


@compiled
def process_row(exchange, row):
    """Applies a market row at the venue. Returns a code of the bot."""
    kind = np.int64(row.ev) & 0xFF
    is_buy = row.ev & _BUY_FLAG != 0
    is_sell = row.ev & _SELL_FLAG != 0
    if kind == DEPTH_CLEAR_EVENT:
        clear_side(book_at(exchange.book), is_buy, is_sell, row.px)
    elif kind == FUNDING_EVENT:
        _on_funding(exchange, row)
    elif is_buy or is_sell:
        side = np.int64(BUY if is_buy else SELL)
        if kind in (DEPTH_EVENT, DEPTH_SNAPSHOT_EVENT):
            return _on_depth(exchange, row, side)
        if kind == TRADE_EVENT:
            return _on_trade(exchange, row, side)
    return OK


@compiled
def _on_funding(exchange, row):
    """Stores what the row contains of mark price, funding rate and next funding time."""
    if row.px > 0.0:
        exchange.mark = row.px
    if not np.isnan(row.fval):
        exchange.rate = row.fval
    if row.ival > exchange.funded_ts:
        exchange.funding_ts = row.ival


@compiled
def pay_funding(exchange):
    """Settles the funding time that is due: positive rates are paid by long positions to short ones."""
    timestamp = exchange.funding_ts
    exchange.funded_ts = timestamp
    exchange.funding_ts = NEVER
    if exchange.position == 0.0:
        return
    amount = -exchange.position * exchange.contract_size * exchange.mark * exchange.rate
    if np.isnan(amount):
        exchange.unpaid += 1
        return
    scratch = np.zeros(1, ORDER)
    payment = scratch[0]
    payment.req = FUNDING
    payment.order_id = NO_ORDER
    payment.exch_timestamp = timestamp
    payment.qty = exchange.position
    payment.tick_size = exchange.mark
    payment.leaves_qty = exchange.rate
    payment.exec_qty = amount
    respond(exchange, scratch)


@compiled
def _on_depth(exchange, row, side):
    """Sets a level of `side`; fills orders of the other side that an improved best price has passed."""
    book = book_at(exchange.book)
    qty = shown_qty(book, row, side == BUY)
    if side == BUY:
        tick, best_before, before = update_bid(book, row.px, qty)
    else:
        tick, best_before, before = update_ask(book, row.px, qty)
    orders = orders_at(exchange.orders)
    if orders.count == 0:
        return OK
    _on_qty_change(exchange, orders, side, tick, before, qty)
    best = best_of(book, side)
    if not is_better(best, best_before, side):
        return OK
    is_far = is_none(best_before) or orders.count < side * (best - best_before)
    index = 0
    while index < orders.count:
        order = rows_of(orders)[index]
        is_passed = not is_better(order.price_tick, best, side) and (
            is_far or is_better(order.price_tick, best_before, side)
        )
        if order.side == -side and is_passed:
            code = _fill_resting(exchange, orders, index, row.exch_ts)
            if code != OK:
                return code
        else:
            index += 1
    return OK


@compiled
def _on_qty_change(exchange, orders, side, tick, before, after):
    rows = rows_of(orders)
    for index in range(orders.count):
        if rows[index].price_tick == tick and rows[index].side == side:
            on_level(rows[index], before, after, exchange.queue_model, exchange.queue_power)


@compiled
def _on_trade(exchange, row, side):
    """Applies a trade with aggressor `side`: fills the other side's orders that it passed, or reached in their
    queue."""
    orders = orders_at(exchange.orders)
    if orders.count == 0:
        return OK
    book = book_at(exchange.book)
    tick = rounded(row.px / book.tick_size)
    best = best_of(book, side)
    is_far = is_none(best) or orders.count < side * (tick - best)
    index = 0
    while index < orders.count:
        order = rows_of(orders)[index]
        is_near = is_far or is_better(order.price_tick, best, side)
        is_behind = is_better(tick, order.price_tick, side)
        if order.side == -side and is_near and (is_behind or order.price_tick == tick):
            if order.price_tick == tick:
                on_trade(order, row.qty, exchange.queue_model)
            if is_behind or is_reached(order, book.lot_size):
                code = _fill_resting(exchange, orders, index, row.exch_ts)
                if code != OK:
                    return code
                continue
        index += 1
    return OK


@compiled
def _fill_resting(exchange, orders, row, timestamp):
    """Fills a resting order as maker, responds and removes it; the last order then takes its row."""
    order = rows_of(orders)[row]
    code = _fill(exchange, order, timestamp, True, order.price_tick)
    if code != OK:
        return code
    # A fill without a request.
    order.request_no = 0
    respond(exchange, rows_of(orders)[row : row + 1])
    remove_row(orders, row)
    return OK


@compiled
def _fill(exchange, order, timestamp, is_maker, tick):
    if order.status in (EXPIRED, CANCELED, FILLED):
        return INVALID_ORDER_STATUS
    order.maker = is_maker
    order.exec_price_tick = tick
    order.exec_qty = order.leaves_qty
    order.fill_qty = order.exec_qty
    order.leaves_qty = 0.0
    order.status = FILLED
    order.exch_timestamp = timestamp
    order.fee_price = fee_price(exchange)
    exchange.position += order.exec_qty * np.float64(order.side)
    return OK


@compiled
def process_requests(exchange, timestamp):
    """Processes every request that arrives at this time. Returns a code of the bot."""
    arriving = queue_at(exchange.arriving)
    scratch = np.zeros(1, ORDER)
    while first_time(arriving) == timestamp:
        pop(arriving, scratch)
        request = scratch[0].req
        scratch[0].req = NONE
        if request == NEW:
            code = _accept(exchange, scratch, timestamp)
        elif request == CANCELED:
            code = _cancel(exchange, scratch, timestamp)
        elif request == REPLACED:
            code = _modify(exchange, scratch, timestamp)
        else:
            code = INVALID_ORDER_REQUEST
        if code != OK:
            return code
        respond(exchange, scratch)
    if book_at(exchange.book).taken != 0:
        show_taken(exchange, scratch)
    return OK


@compiled
def _accept(exchange, scratch, timestamp):
    orders = orders_at(exchange.orders)
    order = scratch[0]
    if row_of(orders, order.order_id) >= 0:
        return ORDER_ID_EXISTS
    book = book_at(exchange.book)
    if order.side == BUY:
        touch = book.best_ask
        takes = order.price_tick >= touch
    else:
        touch = book.best_bid
        takes = order.price_tick <= touch
    if order.order_type == MARKET:
        if book.taken != 0:
            order.exch_timestamp = timestamp
            return take_within(exchange, scratch, book, timestamp)
        return _fill(exchange, order, timestamp, False, touch)
    if order.order_type != LIMIT or order.time_in_force not in (GTC, GTX, FOK, IOC):
        return INVALID_ORDER_REQUEST
    is_taking = takes and order.time_in_force != GTX
    if is_taking and book.taken == 0:
        return _fill(exchange, order, timestamp, False, touch)
    order.exch_timestamp = timestamp
    if is_taking:
        code = take_within(exchange, scratch, book, timestamp)
        if code != OK or order.status == FILLED or order.time_in_force != GTC:
            return code
    elif takes or order.time_in_force in (FOK, IOC):
        order.status = EXPIRED
        return OK
    enter(order, book)
    # An order that was modified rests with the leaves of before.
    order.status = PARTIALLY_FILLED if is_taking and order.leaves_qty < order.qty else NEW
    if insert(orders, scratch[0]) < 0:
        world_at(exchange.world).lost += 1
    return OK


@compiled
def _cancel(exchange, scratch, timestamp):
    orders = orders_at(exchange.orders)
    request_no, request_ts = scratch[0].request_no, scratch[0].request_ts
    row = row_of(orders, scratch[0].order_id)
    if row < 0:
        scratch[0].req = REJECTED
        scratch[0].exch_timestamp = timestamp
        return OK
    scratch[0] = rows_of(orders)[row]
    remove_row(orders, row)
    scratch[0].request_no = request_no
    scratch[0].request_ts = request_ts
    scratch[0].status = CANCELED
    scratch[0].exch_timestamp = timestamp
    return OK


@compiled
def _modify(exchange, scratch, timestamp):
    """Another price or a larger quantity requeues the order at the end; a smaller quantity keeps its place."""
    orders = orders_at(exchange.orders)
    order = scratch[0]
    row = row_of(orders, order.order_id)
    if row < 0:
        order.req = REJECTED
        order.exch_timestamp = timestamp
        return OK
    resting = rows_of(orders)[row]
    if resting.price_tick != order.price_tick or order.qty > resting.leaves_qty:
        remove_row(orders, row)
        return _accept(exchange, scratch, timestamp)
    resting.qty = order.qty
    resting.leaves_qty = order.qty
    resting.exch_timestamp = timestamp
    resting.status = NEW
    order.leaves_qty = order.qty
    order.exch_timestamp = timestamp
    order.status = NEW
    return OK
