"""Market rows applied to a book: levels, clears, and of the bot's own rows the public trades and the feed's times."""

from __future__ import annotations

import numpy as np
from hftbacktest.types import (
    BUY_EVENT,
    DEPTH_CLEAR_EVENT,
    DEPTH_EVENT,
    DEPTH_SNAPSHOT_EVENT,
    SELL_EVENT,
    TRADE_EVENT,
    event_dtype,
)
from numba import carray

from arb.bot.memory import as_pointer, record_address
from arb.engine.blocks import grow_in_place
from arb.engine.book import book_at, clear_asks, clear_bids, rounded, update_ask, update_bid
from arb.engine.taken import left_after
from arb.engine.world import TRADES_MAX, trades_at
from connectors.jit.compilation import compiled

_BUY_FLAG = np.uint64(BUY_EVENT)
_SELL_FLAG = np.uint64(SELL_EVENT)
_EVENT_BYTES = event_dtype.itemsize


@compiled
def apply_row(asset, row):
    """Applies a market row that the bot has received."""
    apply_depth(book_at(asset.book), row)
    if np.int64(row.ev) & 0xFF == TRADE_EVENT and asset.keeps_trades:
        _keep_trade(trades_at(asset.trades), row)
    asset.has_feed_latency = 1
    asset.feed_exch_ts = row.exch_ts
    asset.feed_local_ts = row.local_ts


@compiled
def apply_depth(book, row):
    """Applies a row that changes or clears levels; ignores any other."""
    kind = np.int64(row.ev) & 0xFF
    is_buy = row.ev & _BUY_FLAG != 0
    is_sell = row.ev & _SELL_FLAG != 0
    if kind in (DEPTH_EVENT, DEPTH_SNAPSHOT_EVENT):
        if is_buy:
            update_bid(book, row.px, shown_qty(book, row, True))
        elif is_sell:
            update_ask(book, row.px, shown_qty(book, row, False))
    elif kind == DEPTH_CLEAR_EVENT:
        clear_side(book, is_buy, is_sell, row.px)


@compiled
def shown_qty(book, row, is_bid):
    """The quantity to which a row sets its level."""
    if book.taken == 0:
        return row.qty
    tick = rounded(row.px / book.tick_size)
    return left_after(book.taken, is_bid, tick, row.qty, row.exch_ts, book.lot_size)


@compiled
def clear_side(book, is_buy, is_sell, price):
    """Clears one side up to a price, or the whole book."""
    if is_buy:
        clear_bids(book, price)
    elif is_sell:
        clear_asks(book, price)
    else:
        clear_bids(book, np.nan)
        clear_asks(book, np.nan)


@compiled
def _keep_trade(trades, row):
    if trades.count >= trades.capacity and not grow_in_place(
        record_address(trades), _EVENT_BYTES, TRADES_MAX
    ):
        trades.dropped += 1
        return
    trades.count += 1
    carray(as_pointer(trades.data), trades.count, event_dtype)[trades.count - 1] = row
