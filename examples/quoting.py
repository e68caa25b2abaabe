"""A quoting strategy in the style of hftbacktest's tutorials: one bid and one ask around the mid of asset 0.

A plain `@njit` function for hftbacktest's bot; only return code 20 is specific to `arb`. Both quotes are post-only
(GTX) and follow the mid. It neither hedges on the other leg nor skews quotes: it shows the calls, not a way to profit.
"""

import numpy as np
from hftbacktest import BUY, GTX, LIMIT
from numba import njit

#: arb's addition to hftbacktest's codes: a limit of [risk] refused the order, nothing was sent.
REFUSED = 20
#: Position at which a side stops quoting, in multiples of `qty`. A spot leg must hold as much base before the run.
POSITION_QTYS_MAX = 5
INTERVAL_NS = 100_000_000


@njit
def quote(hbt, recorder, half_spread, qty):
    """Quotes until the end of the data. half_spread: quote units between the mid and a quote. qty: base units."""
    asset_no = 0
    tick_size = hbt.depth(asset_no).tick_size
    position_max = POSITION_QTYS_MAX * qty
    next_order_id = 1
    while True:
        result = hbt.elapse(INTERVAL_NS)
        if result == 1:  # the end of the data, or the bot was stopped
            break
        if result != 0:
            raise RuntimeError("the bot failed: see hftbacktest's return codes")
        recorder.record(hbt)
        # Remove filled, cancelled and rejected orders: position limits add up all orders in the dictionary.
        hbt.clear_inactive_orders(asset_no)

        depth = hbt.depth(asset_no)
        # False if a touch is NaN (the book is not in sync): then every quote is cancelled and none is sent.
        is_quoted = depth.best_bid > 0.0 and depth.best_ask > depth.best_bid
        bid_tick, ask_tick = 0, 0
        if is_quoted:
            mid = (depth.best_bid + depth.best_ask) / 2.0
            # Never at or through the opposite touch: a GTX order would be rejected.
            bid_tick = min(int(np.floor((mid - half_spread) / tick_size)), depth.best_ask_tick - 1)
            ask_tick = max(int(np.ceil((mid + half_spread) / tick_size)), depth.best_bid_tick + 1)
        position = hbt.position(asset_no)
        wants_bid = is_quoted and position + qty <= position_max and bid_tick > 0
        wants_ask = is_quoted and position - qty >= -position_max

        # An existing order blocks its side, even while its cancel is in flight: it may still be filled.
        has_bid, has_ask = False, False
        orders = hbt.orders(asset_no).values()
        while orders.has_next():
            order = orders.get()
            if order.side == BUY:
                has_bid = True
                is_wanted = wants_bid and order.price_tick == bid_tick
            else:
                has_ask = True
                is_wanted = wants_ask and order.price_tick == ask_tick
            # Not cancellable: not yet accepted, or a request is in flight.
            if order.cancellable and not is_wanted:
                hbt.cancel(asset_no, order.order_id, False)

        if wants_bid and not has_bid:
            result = hbt.submit_buy_order(
                asset_no, next_order_id, bid_tick * tick_size, qty, GTX, LIMIT, False
            )
            next_order_id += 1
            if result != 0 and result != REFUSED:  # refused: tried again after the next interval
                raise RuntimeError("an order was not taken: see hftbacktest's return codes")
        if wants_ask and not has_ask:
            result = hbt.submit_sell_order(
                asset_no, next_order_id, ask_tick * tick_size, qty, GTX, LIMIT, False
            )
            next_order_id += 1
            if result != 0 and result != REFUSED:
                raise RuntimeError("an order was not taken: see hftbacktest's return codes")
