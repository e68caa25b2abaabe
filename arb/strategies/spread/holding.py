"""The open spread of a pair, the cost of closing it, and when it is closed.

A pair holds a spread from the attempt that enters it until both legs are flat again, except for remainders too small to
trade. It is closed when the cross spread has reverted to its average, at a stop loss, or after the longest holding
time. In inventory mode the moved inventory counts as the open spread, and is moved back only at a stop loss. Pure.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from arb.strategies.spread.decisions import Purpose
from arb.strategies.spread.sizing import floor_to_lot, hedged_by, is_large_enough, whole_qty
from arb.strategies.spread.touch import BPS, mid_spread_bps

#: One pair's open spread. `bought_no`: the leg that was bought, -1 for none. `cash`: balances of both legs without fees
#: when the pair was last flat, plus the value at mid of remainders too small to sell. `since_ts`: when it was entered.
#: `blocked_no`: the leg that is not bought again until the spread has reverted, because it was closed by a stop loss or
#: a timeout; -1 for none.
HOLDING = np.dtype(
    [("bought_no", "i8"), ("cash", "f8"), ("since_ts", "i8"), ("blocked_no", "i8")], align=True
)

#: No spread is open.
NONE_HELD = -1


@njit
def cost_to_leave_bps(pair):
    """Cost of closing at today's spreads once the mids have reverted: half of both spreads, and both fees."""
    cost = 0.0
    for leg in pair:
        cost += 0.5 * (leg.ask - leg.bid) / leg.ask + leg.taker_fee
    return BPS * cost


@njit
def open_profit(pair, holding, values_0, values_1):
    """Profit of closing at the touches since the pair was flat, without fees, in quote units; and the value of the
    larger leg. NaN if a touch is unknown."""
    profit = values_0.balance + values_1.balance - holding.cash
    value = 0.0
    for leg_no in range(2):
        leg = pair[leg_no]
        position = values_0.position if leg_no == 0 else values_1.position
        closing_px = leg.bid if position > 0.0 else leg.ask
        leg_value = position * closing_px * leg.contract_size
        profit += leg_value + leg.paid_base * closing_px * leg.contract_size
        value = max(value, abs(leg_value))
    return profit, value


@njit
def held_qty(pair, bought_no, values_0, values_1):
    """Quantity that both legs hold against each other after buying `bought_no`; not above 0 if there is none."""
    position_0 = values_0.position if bought_no == 0 else -values_0.position
    position_1 = values_1.position if bought_no == 1 else -values_1.position
    return min(position_0, position_1)


@njit
def update_holding(bot, pair, holding, now, params):
    """Updates the open spread after an attempt; a spread that is too small to close counts as none."""
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
    pair[0].paid_base = pair[1].paid_base = 0.0
    if values_0.position != 0.0:
        holding.cash += values_0.position * pair[0].mark * pair[0].contract_size
    if values_1.position != 0.0:
        holding.cash += values_1.position * pair[1].mark * pair[1].contract_size


@njit
def why_leave(bot, pair, holding, basis_bps, now, params):
    """The `Purpose` of closing now, 0 for none: stop loss, then timeout, then reversion; only the first in inventory
    mode."""
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
def divergence_bps(pair, bought_no, basis_bps):
    """How far the mids are from their average, positive if that favours buying `bought_no`; NaN if unknown."""
    divergence = mid_spread_bps(pair) - basis_bps
    return divergence if bought_no == 0 else -divergence


@njit
def unblock(pair, holding, basis_bps, exit_spread_bps):
    """Allows a blocked direction again once its spread has reverted."""
    if holding.blocked_no != NONE_HELD:
        if divergence_bps(pair, holding.blocked_no, basis_bps) <= exit_spread_bps:
            holding.blocked_no = NONE_HELD


@njit
def closing_qty(bot, pair, holding, params):
    """Quantity of one closing attempt: the smaller of the holding and the displayed quantity, in valid lots."""
    values_0, values_1 = bot.state_values(pair[0].asset), bot.state_values(pair[1].asset)
    # Closing sells what was bought.
    sell, buy = pair[holding.bought_no], pair[1 - holding.bought_no]
    qty = held_qty(pair, holding.bought_no, values_0, values_1)
    shown = min(hedged_by(buy, buy.ask_qty - buy.ask_taken), sell.bid_qty - sell.bid_taken)
    return whole_qty(buy, sell, min(qty, shown), params)
