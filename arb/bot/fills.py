"""The fill log: every fill of a run, exactly once, whatever the strategy does.

A live world logs each execution when the bot receives it (`arb.engine.account`). hftbacktest shows a fill only as an
order of status FILLED in the local order dictionary, until `clear_inactive_orders` removes it. So our
`clear_inactive_orders` logs the asset's filled orders first, and `close` clears once more; a fill is logged when it
leaves the dictionary, hence exactly once.

In hftbacktest's engine complete if orders are filled whole (`no_partial_fill_exchange`). Partial fills are not logged
individually: the order is logged when it is completely filled, with the price and quantity of its last partial fill.
"""

from __future__ import annotations

import numpy as np
from hftbacktest.order import FILLED

from arb.bot.cache import bot_compiled
from arb.bot.log import publish_row, reserve_row
from arb.bot.memory import record_view
from arb.bot.orders import order_at
from connectors.jit.compilation import compiled

#: One fill. price and qty are the execution's; exch_ts is its time at the exchange, request_ts the local time
#: of the order's last request. side is 1 or -1, maker 1 or 0.
FILL = np.dtype(
    [
        ("asset_no", "i8"),
        ("order_id", "u8"),
        ("side", "i8"),
        ("price", "f8"),
        ("qty", "f8"),
        ("maker", "i8"),
        ("exch_ts", "i8"),
        ("request_ts", "i8"),
    ],
    align=True,
)

#: The fill at `address`.
fill_at = record_view(FILL)


@bot_compiled
def log_fills(bot, control, asset_no):
    """Appends the filled orders of one asset to the log whose control block is at `control`; 0: the world logs."""
    if control == 0:
        return
    orders = bot.orders(asset_no)
    if len(orders) == 0:
        return
    # The engine's own iterator: nothing changes the orders meanwhile, and reaching its end frees it.
    iterator = orders.c_orders_values()
    address = orders.c_orders_values_next(iterator)
    while address != 0:
        order = order_at(address)
        # An order of quantity 0 is filled without an execution.
        if order.status == FILLED and order.exec_qty > 0.0:
            _log_fill(control, asset_no, order)
        address = orders.c_orders_values_next(iterator)


@bot_compiled
def _log_fill(control, asset_no, order):
    address = reserve_row(control)
    if address == 0:
        return
    put_fill(fill_at(address), asset_no, order, order.exec_price, order.exec_qty, order.local_timestamp)
    publish_row(control)


@compiled
def put_fill(fill, asset_no, order, price, qty, request_ts):
    """Fills a row from an order of the engine, or from a response of our own, which has only a tick for a price."""
    fill.asset_no = asset_no
    fill.order_id = order.order_id
    fill.side = order.side
    fill.price = price
    fill.qty = qty
    fill.maker = 1 if order.maker else 0
    fill.exch_ts = order.exch_timestamp
    fill.request_ts = request_ts
