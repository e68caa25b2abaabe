"""Positions beyond what attempts have counted, and what is left of a surplus that is too small to trade.

An execution may be reported after the end of its order was answered, and a venue may take a fee from something else
than expected: then a leg's position is not the sum of the counted fills. The difference is hedged: by the attempt in
progress, or by one of its own before anything is opened. Less than the smallest order is carried to the next attempt.
"""

from __future__ import annotations

import numpy as np
from hftbacktest.order import BUY, SELL
from numba import njit

from arb.strategies.spread.decisions import Decision
from arb.strategies.spread.sizing import (
    bought_lots,
    ceil_to_lot,
    floor_to_lot,
    is_large_enough,
    limit_price,
)

#: A smaller part of a lot is rounding, of sums and of fees.
LOTS_MIN = 0.01
#: Nothing has to be traded.
NO_LEG = -1


@njit
def is_counted(bot, leg):
    """Whether a leg's position is the sum of its counted fills."""
    return abs(bot.position(leg.asset) - leg.counted_qty) <= LOTS_MIN * leg.lot_size


@njit
def take_difference(bot, recorder, leg, number, now):
    """The part of a leg's position that was not counted, which it is from now on; 0.0 for none. Logs it.

    No order of the leg may be unanswered. number: of the attempt in progress, 0 between attempts.
    """
    if is_counted(bot, leg):
        return 0.0
    difference = bot.position(leg.asset) - leg.counted_qty
    leg.counted_qty += difference
    recorder.decide(now, Decision.UNCOUNTED, number, leg.asset, 0, difference)
    return difference


@njit
def leg_to_buy(bot, recorder, attempt, legs, now, params):
    """Adds to the residual what was not counted when the last attempt ended; returns the leg that an attempt which
    hedges it buys, NO_LEG if nothing was found or it is too small. Between attempts.

    The leg whose position has changed is the one that is traded back, should the other one not follow.
    """
    found_no = NO_LEG
    residual = attempt.residual
    for leg_no in range(2):
        difference = take_difference(bot, recorder, legs[leg_no], 0, now)
        if difference != 0.0:
            residual += difference
            found_no = leg_no
    if found_no == NO_LEG:
        return NO_LEG
    carry(recorder, attempt, legs, residual, 0, now)
    side = BUY if residual > 0.0 else SELL
    for leg_no in range(2):
        leg = legs[leg_no]
        px = price_within(-side, leg.mark, params.slippage_tolerance, leg.tick_size)
        if tradable_qty(leg, legs[1 - leg_no], -side, abs(residual), px) > 0.0:
            return found_no if side == BUY else 1 - found_no
    return NO_LEG


@njit
def carry(recorder, attempt, legs, residual, number, now):
    """Keeps what earlier attempts bought less what they sold for the next one, and logs it."""
    attempt.residual = residual
    for leg_no in range(2):
        legs[leg_no].due_qty = -residual if legs[leg_no].base_fee != 0.0 else 0.0
    if abs(residual) > LOTS_MIN * min(legs[0].lot_size, legs[1].lot_size):
        recorder.decide(now, Decision.RESIDUAL, number, -1, 0, residual)


@njit
def tradable_qty(leg, other, side, surplus, px):
    """The order of this leg that trades as much as possible of a surplus, at its own price; 0.0 if that is unknown."""
    if (leg.base_fee != 0.0 or other.base_fee != 0.0) and leg.lot_size > other.lot_size:
        # Fees in base leave parts of lots: of 49.9995 lots all 50 are traded, not 49.
        surplus = ceil_to_lot(surplus, other.lot_size)
    qty = bought_lots(leg, surplus) if side == BUY else floor_to_lot(surplus, leg.lot_size)
    return qty if is_large_enough(leg, qty, px) else 0.0


@njit
def price_within(side, px, tolerance, tick_size):
    """See `limit_price`; NaN for an unknown price."""
    return limit_price(side, px, tolerance, tick_size) if px > 0.0 else np.nan
