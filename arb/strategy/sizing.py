"""How much an attempt may trade: the least of what is shown, allowed and paid for, floored to the common lot.

Pure. Positions and balances count from the start of the run; what the account held before comes in as `base` and
`quote` of the leg.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from arb.strategy.decisions import Missed

#: A number of steps so little below a whole one is the whole one: 0.3 / 0.1 is 2.9999999999999996. The relative part
#: covers the rounding of price, tick and quotient where there are many steps: 100,000 in ticks of 0.01 are 1e7.
_ROOM = 1e-9
_ROOM_RELATIVE = 1e-15


@njit
def floor_steps(steps):  # type: ignore[no-untyped-def]
    """The whole number of steps in `steps` (not negative), which has the error of a division."""
    return math.floor(steps + (_ROOM + steps * _ROOM_RELATIVE))


@njit
def floor_to_lot(qty, lot):  # type: ignore[no-untyped-def]
    """`qty` floored to a whole number of lots."""
    return floor_steps(qty / lot) * lot


@njit
def buy_room(leg, values, price, position_limit):  # type: ignore[no-untyped-def]
    """How much a leg may still buy at `price`: up to the position limit, and what its money pays for.

    Spot pays price and fee from its quote balance. A perpetual needs its equity to cover the whole position (one
    times leverage); buying back a short position needs nothing.
    """
    cost = price * leg.contract_size * (1.0 + leg.taker_fee)
    if leg.is_spot != 0:
        return min(position_limit - values.position, (leg.quote + values.balance - values.fee) / cost)
    return min(position_limit, _covered_qty(leg, values, price)) - values.position


@njit
def sell_room(leg, values, price, position_limit):  # type: ignore[no-untyped-def]
    """How much a leg may still sell at `price`; spot sells what it holds, a perpetual what its equity covers."""
    if leg.is_spot != 0:
        return min(position_limit, leg.base) + values.position
    return min(position_limit, _covered_qty(leg, values, price)) + values.position


@njit
def _covered_qty(leg, values, price):  # type: ignore[no-untyped-def]
    """The largest absolute position that a perpetual leg's equity covers; 0 when it has lost all of it."""
    value = price * leg.contract_size
    equity = leg.quote + values.balance - values.fee + values.position * value
    return max(0.0, equity / (value * (1.0 + leg.taker_fee)))


@njit
def attempt_qty(buy, sell, buy_values, sell_values, params):  # type: ignore[no-untyped-def]
    """The quantity of an attempt at the touches, for both legs alike; 0 when it would be too small for either."""
    qty = min(params.max_position_size, buy.ask_qty, sell.bid_qty)
    # Priced at the worst price that the orders accept.
    buy_px = buy.ask * (1.0 + params.slippage_tolerance)
    qty = min(qty, buy_room(buy, buy_values, buy_px, params.position_limit))
    qty = min(qty, sell_room(sell, sell_values, sell.bid, params.position_limit))
    # What the order-level limits would refuse is not asked for; 0: no limit.
    if params.max_order_qty > 0.0:
        qty = min(qty, params.max_order_qty)
    if params.max_order_notional > 0.0:
        dearest = max(buy_px * buy.contract_size, sell.bid * sell.contract_size)
        qty = min(qty, params.max_order_notional / dearest)
    if not qty > 0.0:
        return 0.0
    qty = floor_to_lot(qty, params.common_lot)
    is_large_enough = (
        qty >= buy.min_qty
        and qty >= sell.min_qty
        and qty * buy.ask * buy.contract_size >= buy.min_notional
        and qty * sell.bid * sell.contract_size * (1.0 - params.slippage_tolerance) >= sell.min_notional
    )
    return qty if is_large_enough and qty > 0.0 else 0.0


@njit
def why_no_qty(buy, sell, buy_values, sell_values, params):  # type: ignore[no-untyped-def]
    """Why `attempt_qty` is 0, as a `Missed` reason: no position room, nothing to pay with, or too little."""
    least = max(params.common_lot, buy.min_qty, sell.min_qty)
    room = min(params.position_limit - buy_values.position, params.position_limit + sell_values.position)
    if not room >= least:
        return np.int64(Missed.POSITION)
    paid = min(
        buy_room(buy, buy_values, buy.ask * (1.0 + params.slippage_tolerance), np.inf),
        sell_room(sell, sell_values, sell.bid, np.inf),
    )
    return np.int64(Missed.TOO_SMALL) if paid >= least else np.int64(Missed.INVENTORY)


@njit
def limit_price(side, px, tolerance, tick_size):  # type: ignore[no-untyped-def]
    """The worst price within `tolerance` (a share) of `px`, rounded to the tick that is still within.

    side: 1 buys, -1 sells.
    """
    if side > 0:
        return floor_steps(px * (1.0 + tolerance) / tick_size) * tick_size
    steps = px * (1.0 - tolerance) / tick_size
    return math.ceil(steps - (_ROOM + steps * _ROOM_RELATIVE)) * tick_size
