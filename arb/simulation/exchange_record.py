"""The record of a simulated exchange, and how it responds: the log of what it delivers, and the queue of responses."""

from __future__ import annotations

import numpy as np
from numba import carray

from arb.bot.log import publish_row, reserve_row
from arb.bot.memory import as_pointer, record_view
from arb.engine.account import deliver
from arb.engine.book import NO_ASK, NO_BID, book_at
from arb.engine.order_table import ORDER
from arb.engine.world import world_at
from arb.simulation.latency import latency_at, response_ns
from connectors.jit.compilation import compiled

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


@compiled
def fee_price(exchange):
    """Price of the fee asset now, NaN if it is unknown."""
    if exchange.fee_exchange == 0:
        return exchange.fee_price
    book = book_at(exchange_at(exchange.fee_exchange).book)
    if book.best_bid == NO_BID or book.best_ask == NO_ASK:
        return np.nan
    return 0.5 * (book.best_bid + book.best_ask) * book.tick_size


@compiled
def respond(exchange, order):
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
