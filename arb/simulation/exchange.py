"""The simulated exchange of one asset: hftbacktest's `NoPartialFillExchange`, decision by decision.

It processes rows in the order of the venue's time and requests when they arrive, and delivers responses through the
port. Orders fill whole. A taker fills at the touch whatever its quantity; FOK and IOC behave the same. The exchange of
a perpetual also makes funding payments, which hftbacktest does not know.

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
from numba import carray

from arb.bot.codes import INVALID_ORDER_REQUEST, INVALID_ORDER_STATUS, OK, ORDER_ID_EXISTS
from arb.bot.log import publish_row, reserve_row
from arb.bot.memory import as_pointer, record_view
from arb.engine.account import FUNDING, NO_ORDER, REPLACED, deliver
from arb.engine.book import NO_ASK, NO_BID, book_at, clear_side, rounded, update_ask, update_bid
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
from arb.simulation.latency import latency_at, response_ns
from arb.simulation.queue import enter, is_reached, on_level, on_trade
from connectors.jit.compilation import compiled
from connectors.model import FUNDING_EVENT

#: Addresses of the world, the venue's book and orders, the requests in transit, the bot's queue of responses, the
#: latencies, the stream of rows by venue time, and of logs of ORDER (`arb.bot.log`), 0 for none: requests as they leave
#: the bot, and everything that is delivered to it.
EXCHANGE = np.dtype(
    [
        ("world", "i8"),
        ("book", "i8"),
        ("orders", "i8"),
        ("arriving", "i8"),
        ("responses", "i8"),
        ("latency", "i8"),
        ("rows", "i8"),
        ("requested", "i8"),
        ("delivered", "i8"),
        ("queue_model", "i8"),
        ("queue_power", "f8"),
        #: Price of the fee asset in quote: that of the exchange at the address `fee_exchange`, or fixed if it is 0.
        ("fee_price", "f8"),
        ("fee_exchange", "i8"),
        ("contract_size", "f8"),
        ("position", "f8"),
        #: The latest mark price and funding rate, NaN before the first, and the next funding time, NEVER if unknown.
        ("mark", "f8"),
        ("rate", "f8"),
        ("funding_ts", "i8"),
        #: The last funding time that has passed; how many passed without a known mark price or rate.
        ("funded_ts", "i8"),
        ("unpaid", "i8"),
    ]
)

#: The exchange at `address`.
exchange_at = record_view(EXCHANGE)

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
    _respond(exchange, scratch)


@compiled
def _on_depth(exchange, row, side):
    """Sets a level of `side`; fills orders of the other side that an improved best price has passed."""
    book = book_at(exchange.book)
    if side == BUY:
        tick, best_before, before = update_bid(book, row.px, row.qty)
    else:
        tick, best_before, before = update_ask(book, row.px, row.qty)
    orders = orders_at(exchange.orders)
    if orders.count == 0:
        return OK
    _on_qty_change(exchange, orders, side, tick, before, row.qty)
    best = _best(book, side)
    if not _is_better(best, best_before, side):
        return OK
    is_far = _is_none(best_before) or orders.count < side * (best - best_before)
    index = 0
    while index < orders.count:
        order = rows_of(orders)[index]
        is_passed = not _is_better(order.price_tick, best, side) and (
            is_far or _is_better(order.price_tick, best_before, side)
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
    best = _best(book, side)
    is_far = _is_none(best) or orders.count < side * (tick - best)
    index = 0
    while index < orders.count:
        order = rows_of(orders)[index]
        is_near = is_far or _is_better(order.price_tick, best, side)
        is_behind = _is_better(tick, order.price_tick, side)
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
def _best(book, side):
    return book.best_bid if side == BUY else book.best_ask


@compiled
def _is_none(best):
    return best in (NO_BID, NO_ASK)


@compiled
def _is_better(tick, other, side):
    """Whether a tick is a better price for `side` to show than another: higher for bids, lower for asks."""
    return tick > other if side == BUY else tick < other


@compiled
def _fill_resting(exchange, orders, row, timestamp):
    """Fills a resting order as maker, responds and removes it; the last order then takes its row."""
    order = rows_of(orders)[row]
    code = _fill(exchange, order, timestamp, True, order.price_tick)
    if code != OK:
        return code
    # A fill without a request.
    order.request_no = 0
    _respond(exchange, rows_of(orders)[row : row + 1])
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
    order.fee_price = _fee_price(exchange)
    exchange.position += order.exec_qty * np.float64(order.side)
    return OK


@compiled
def _fee_price(exchange):
    """Price of the fee asset now, NaN if it is unknown."""
    if exchange.fee_exchange == 0:
        return exchange.fee_price
    book = book_at(exchange_at(exchange.fee_exchange).book)
    if book.best_bid == NO_BID or book.best_ask == NO_ASK:
        return np.nan
    return 0.5 * (book.best_bid + book.best_ask) * book.tick_size


@compiled
def _respond(exchange, order):
    exch_ts = order[0].exch_timestamp
    received_ts = exch_ts + response_ns(latency_at(exchange.latency), exch_ts)
    log_order(exchange.delivered, order)
    deliver(world_at(exchange.world), exchange.responses, order[0], received_ts)


@compiled
def log_order(control, order):
    """Appends a copy of an order, an array of length one, to the log whose control block is at `control`; 0: none."""
    if control == 0:
        return
    address = reserve_row(control)
    if address == 0:
        return
    carray(as_pointer(address), 1, ORDER)[0] = order[0]
    publish_row(control)


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
        _respond(exchange, scratch)
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
        return _fill(exchange, order, timestamp, False, touch)
    if order.order_type != LIMIT or order.time_in_force not in (GTC, GTX, FOK, IOC):
        return INVALID_ORDER_REQUEST
    if takes and order.time_in_force != GTX:
        return _fill(exchange, order, timestamp, False, touch)
    order.exch_timestamp = timestamp
    if takes or order.time_in_force in (FOK, IOC):
        order.status = EXPIRED
        return OK
    enter(order, book)
    order.status = NEW
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
