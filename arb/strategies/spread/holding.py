"""The spread that is held open, what it costs to leave it, and when it is left.

A pair holds a spread from the first attempt that enters it until both legs are flat again but for dust. It is left when
the cross spread has come back to its average, at a loss, or after the longest time. In inventory mode what has moved is
held in the same sense, and is moved back at a loss alone. Pure.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from arb.strategies.spread.decisions import Purpose
from arb.strategies.spread.sizing import floor_to_lot, is_large_enough, whole_qty
from arb.strategies.spread.touch import BPS, mid_spread_bps

#: One pair's open spread. `bought_no`: the leg that was bought, -1 for none. `cash`: of both legs, without fees, when
#: the pair was flat, and what was too small to be sold then, at its mid. `since_ts`: when it was entered. `blocked_no`:
#: the leg that is not bought again until the spread has come back, because it was closed at a loss or for its time; -1
#: for none.
HOLDING = np.dtype(
    [("bought_no", "i8"), ("cash", "f8"), ("since_ts", "i8"), ("blocked_no", "i8")], align=True
)

#: No leg is held.
NONE_HELD = -1


@njit
def cost_to_leave_bps(pair):  # type: ignore[no-untyped-def]
    """What leaving costs at today's spreads when the mids have come back: half of both spreads, and both fees."""
    cost = 0.0
    for leg in pair:
        cost += 0.5 * (leg.ask - leg.bid) / leg.ask + leg.taker_fee
    return BPS * cost


@njit
def open_profit(pair, holding, values_0, values_1):  # type: ignore[no-untyped-def]
    """What closing at the touches would bring since the pair was flat, without fees, in quote units; and the value of
    the larger leg. NaN where a touch is not known."""
    profit = values_0.balance + values_1.balance - holding.cash
    value = 0.0
    for leg_no in range(2):
        leg = pair[leg_no]
        position = values_0.position if leg_no == 0 else values_1.position
        closing_px = leg.bid if position > 0.0 else leg.ask
        leg_value = position * closing_px * leg.contract_size
        profit += leg_value
        value = max(value, abs(leg_value))
    return profit, value


@njit
def held_qty(pair, bought_no, values_0, values_1):  # type: ignore[no-untyped-def]
    """What both legs hold against each other of a spread that bought `bought_no`; not above 0 where there is none."""
    position_0 = values_0.position if bought_no == 0 else -values_0.position
    position_1 = values_1.position if bought_no == 1 else -values_1.position
    return min(position_0, position_1)


@njit
def update_holding(bot, pair, holding, now, params):  # type: ignore[no-untyped-def]
    """Takes what the attempt that ended left open into account: nothing, where it is too small to be closed."""
    values_0, values_1 = bot.state_values(pair[0].asset), bot.state_values(pair[1].asset)
    worst = 1.0 - params.slippage_tolerance
    for bought_no in range(2):
        qty = held_qty(pair, bought_no, values_0, values_1)
        qty = floor_to_lot(qty, pair[0].common_lot) if qty > 0.0 else 0.0
        if is_large_enough(pair[0], qty, pair[0].mark * worst) and is_large_enough(
            pair[1], qty, pair[1].mark * worst
        ):
            if holding.bought_no != bought_no:
                holding.bought_no = bought_no
                holding.since_ts = now
            return
    holding.bought_no = NONE_HELD
    holding.cash = values_0.balance + values_1.balance
    if values_0.position != 0.0:
        holding.cash += values_0.position * pair[0].mark * pair[0].contract_size
    if values_1.position != 0.0:
        holding.cash += values_1.position * pair[1].mark * pair[1].contract_size


@njit
def why_leave(bot, pair, holding, basis_bps, now, params):  # type: ignore[no-untyped-def]
    """The `Purpose` of closing now, 0 for none: a stop loss first, reversion last; else none in inventory mode."""
    values_0, values_1 = bot.state_values(pair[0].asset), bot.state_values(pair[1].asset)
    profit, value = open_profit(pair, holding, values_0, values_1)
    if value > 0.0 and -profit * BPS >= params.stop_loss_bps * value:
        return np.int64(Purpose.STOP_LOSS)
    if not params.is_convergence:
        return np.int64(0)
    if params.max_holding_ns > 0 and now - holding.since_ts >= params.max_holding_ns:
        return np.int64(Purpose.TIMEOUT)
    if divergence_bps(pair, holding.bought_no, basis_bps) <= params.exit_spread_bps:
        return np.int64(Purpose.LEAVE)
    return np.int64(0)


@njit
def divergence_bps(pair, bought_no, basis_bps):  # type: ignore[no-untyped-def]
    """How far the mids are from their average, positive where that pays who bought `bought_no`; NaN if not known."""
    divergence = mid_spread_bps(pair) - basis_bps
    return divergence if bought_no == 0 else -divergence


@njit
def unblock(pair, holding, basis_bps, exit_spread_bps):  # type: ignore[no-untyped-def]
    """Lets a direction be entered again when its spread has come back."""
    if holding.blocked_no != NONE_HELD:
        if divergence_bps(pair, holding.blocked_no, basis_bps) <= exit_spread_bps:
            holding.blocked_no = NONE_HELD


@njit
def closing_qty(bot, pair, holding, params):  # type: ignore[no-untyped-def]
    """What one attempt may close: the least of what is held and what both touches show, in lots that venues take."""
    values_0, values_1 = bot.state_values(pair[0].asset), bot.state_values(pair[1].asset)
    # Closing sells what was bought.
    sell, buy = pair[holding.bought_no], pair[1 - holding.bought_no]
    qty = held_qty(pair, holding.bought_no, values_0, values_1)
    shown = min(buy.ask_qty - buy.ask_taken, sell.bid_qty - sell.bid_taken)
    return whole_qty(buy, sell, min(qty, shown), params)
