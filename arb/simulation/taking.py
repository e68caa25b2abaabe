"""What a taker gets from a book that subtracts what is taken (`arb.engine.taken`): what is left of the levels within
its limit, level by level; a FOK order all or nothing."""

from __future__ import annotations

import numpy as np
from hftbacktest.order import BUY, EXPIRED, FILLED, FOK, MARKET, NONE, PARTIALLY_FILLED, SELL

from arb.bot.codes import OK
from arb.engine.account import EXECUTED, NO_ORDER, TAKEN, deliver
from arb.engine.book import NO_ASK, NO_BID, book_at, highest, lowest, qty_at, set_level
from arb.engine.taken import levels_of, rest_of, take, taken_at
from arb.engine.world import world_at
from arb.simulation.exchange_record import fee_price, respond
from arb.simulation.latency import latency_at, response_ns
from connectors.jit.compilation import compiled


@compiled
def best_of(book, side):
    return book.best_bid if side == BUY else book.best_ask


@compiled
def is_none(best):
    return best in (NO_BID, NO_ASK)


@compiled
def is_better(tick, other, side):
    """Whether a tick is a better price for `side` to show than another: higher for bids, lower for asks."""
    return tick > other if side == BUY else tick < other


@compiled
def take_within(exchange, scratch, book, timestamp):
    """Fills a taker from what is left of the levels within its limit; what it does not get expires, unless it is GTC.

    Each level but the last is an execution with a response of its own.
    """
    order = scratch[0]
    side = order.side
    order.status = EXPIRED
    if order.order_type != MARKET and order.time_in_force == FOK and not _is_enough(book, order):
        return OK
    while order.leaves_qty > 0.0:
        tick = best_of(book, -side)
        is_within = order.order_type == MARKET or not is_better(tick, order.price_tick, side)
        before = 0.0 if is_none(tick) else qty_at(book, side == SELL, tick)
        if not (is_within and before > 0.0):
            break
        if order.fill_qty > 0.0:
            _report_part(exchange, scratch)
        qty = min(order.leaves_qty, before)
        left = take(book.taken, side == SELL, tick, before, qty, timestamp, book.lot_size)
        if np.isnan(left):
            world_at(exchange.world).lost += 1
            break
        set_level(book, side == SELL, tick, left)
        order.leaves_qty = rest_of(order.leaves_qty, qty, book.lot_size)
        order.maker = False
        order.exec_price_tick = tick
        order.exec_qty = order.fill_qty = qty
        order.fee_price = fee_price(exchange)
        exchange.position += qty * np.float64(side)
    if not order.leaves_qty > 0.0:
        order.status = FILLED
    return OK


@compiled
def _is_enough(book, order):
    """Whether the levels within a limit have the order's quantity."""
    side, left = order.side, order.leaves_qty
    tick = best_of(book, -side)
    while left > 0.0 and not is_none(tick) and not is_better(tick, order.price_tick, side):
        left = rest_of(left, qty_at(book, side == SELL, tick), book.lot_size)
        if side == BUY:
            tick = lowest(book, False, tick, book.high_ask)
        else:
            tick = highest(book, True, tick, book.low_bid)
    return not left > 0.0


@compiled
def _report_part(exchange, scratch):
    """Responds with an execution; the order's own response follows."""
    order = scratch[0]
    request_no, status = order.request_no, order.status
    order.req, order.request_no, order.status = EXECUTED, 0, PARTIALLY_FILLED
    respond(exchange, scratch)
    order.req, order.request_no, order.status = NONE, request_no, status
    order.fill_qty = 0.0


@compiled
def show_taken(exchange, scratch):
    """Lets the strategy's side know of what was taken, right after the answers: a venue's own feed shows it as well."""
    levels = levels_of(taken_at(book_at(exchange.book).taken))
    for place in range(len(levels)):
        level = levels[place]
        if level.is_new == 0:
            continue
        level.is_new = 0
        news = scratch[0]
        news.req = TAKEN
        news.order_id = NO_ORDER
        news.side = BUY if level.is_bid != 0 else SELL
        news.price_tick = level.tick
        news.qty, news.exec_qty = level.shown, level.taken
        news.exch_timestamp = level.ts
        received_ts = level.ts + response_ns(latency_at(exchange.latency), level.ts)
        deliver(world_at(exchange.world), exchange.responses, news, received_ts + 1)
