"""The touch of a book, best bid and offer with quantities: in prices, and in ticks as compiled code records it."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from connectors.book.fused import best_qty_of
from connectors.book.level_table import BEST, NO_TICK
from connectors.jit.compilation import compiled

#: More decimals than any price has: removes the floating point error of ticks times tick size.
PX_DECIMALS = 10


class Touch(NamedTuple):
    """Best bid and offer with their quantities in quote and base units; NaN where not known.

    `order_id` is the venue's sequence number of this state (Binance: update id, Bybit: `seq`), 0 while nothing is
    known; `local_ts` is the local receive time.
    """

    bid_px: float
    bid_qty: float
    ask_px: float
    ask_qty: float
    order_id: int
    local_ts: int


UNKNOWN_TOUCH = Touch(math.nan, math.nan, math.nan, math.nan, 0, 0)

#: A touch in ticks; an ask's tick is negated, as in the book. NO_TICK: there is none.
TICK_TOUCH = np.dtype(
    [
        ("bid_tick", "i8"),
        ("bid_qty", "f8"),
        ("ask_tick", "i8"),
        ("ask_qty", "f8"),
        ("order_id", "i8"),
        ("local_ts", "i8"),
    ],
    align=True,
)


@compiled
def note_touch(touch, bids, asks, fused, sync, local_ts):
    """Writes the current touch to a `TICK_TOUCH` record. The rest: a fused book's arrays, the state of its chain."""
    touch.bid_tick, touch.ask_tick = fused[0, BEST], fused[1, BEST]
    touch.bid_qty, touch.ask_qty = best_qty_of(bids, fused, 0), best_qty_of(asks, fused, 1)
    touch.order_id = max(sync.book_order, sync.bbo_order)
    touch.local_ts = local_ts


def in_prices(touch: tuple[Any, ...], tick_size: float) -> Touch:
    """The values of a `TICK_TOUCH` record as a touch."""
    bid, bid_qty, ask, ask_qty, order_id, local_ts = touch
    return Touch(
        math.nan if bid == NO_TICK else round(bid * tick_size, PX_DECIMALS),
        bid_qty,
        math.nan if ask == NO_TICK else round(-ask * tick_size, PX_DECIMALS),
        ask_qty,
        order_id,
        local_ts,
    )
