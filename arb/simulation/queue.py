"""The queue position of a resting order at its price level: hftbacktest's queue models, operation by operation.

A resting order has `front_qty`, the quantity ahead of it, and (in the probability models) `cum_trade_qty`, the quantity
traded since the level's last change. Operations have the engine's order: the last bit can decide a fill.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from hftbacktest.order import BUY

from arb.engine.book import qty_at, rounded
from connectors.jit.compilation import compiled

RISK_ADVERSE, LOG_PROB, LOG_PROB2, POWER_PROB, POWER_PROB2, POWER_PROB3 = range(6)

#: Names in the configuration.
QUEUE_MODELS: Final = {
    "risk_adverse": RISK_ADVERSE,
    "log_prob": LOG_PROB,
    "log_prob2": LOG_PROB2,
    "power_prob": POWER_PROB,
    "power_prob2": POWER_PROB2,
    "power_prob3": POWER_PROB3,
}


@compiled
def _least(a, b):
    """The smaller of two numbers; the number if the other is NaN, as Rust's `f64::min`."""
    if a != a:
        return b
    return b if b < a else a


@compiled(error_model="numpy")
def _share(front, back, model, power):
    """Probability that a decrease happened behind the order; NaN for 0 / 0, as in the engine: nothing is on either
    side."""
    if model == LOG_PROB:
        return math.log(1.0 + back) / (math.log(1.0 + back) + math.log(1.0 + front))
    if model == LOG_PROB2:
        return math.log(1.0 + back) / math.log(1.0 + (back + front))
    if model == POWER_PROB:
        return back**power / (back**power + front**power)
    if model == POWER_PROB2:
        return back**power / (back + front) ** power
    return 1.0 - (front / (front + back)) ** power


@compiled
def enter(order, book):
    """Places a new order behind the whole quantity of its level."""
    order.front_qty = qty_at(book, order.side == BUY, order.price_tick)
    order.cum_trade_qty = 0.0


@compiled
def on_trade(order, qty, model):
    """Applies a trade at the order's price."""
    order.front_qty -= qty
    if model != RISK_ADVERSE:
        order.cum_trade_qty += qty


@compiled
def on_level(order, before, after, model, power):
    """Applies a change of the level's quantity from `before` to `after`."""
    if model == RISK_ADVERSE:
        order.front_qty = _least(order.front_qty, after)
        return
    change = before - after
    # Traded quantity was already subtracted.
    change -= order.cum_trade_qty
    order.cum_trade_qty = 0.0
    if change < 0.0:
        order.front_qty = _least(order.front_qty, after)
        return
    front = order.front_qty
    back = before - front
    share = _share(front, back, model, power)
    if np.isinf(share):
        share = 1.0
    estimated = front - (1.0 - share) * change + _least(back - share * change, 0.0)
    order.front_qty = _least(estimated, after)


@compiled
def is_reached(order, lot_size):
    """Whether trades have reached the order."""
    if rounded(-order.front_qty / lot_size) > 0:
        order.front_qty = 0.0
        return True
    return False
