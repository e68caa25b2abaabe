"""The size of an attempt: the smallest of displayed, allowed and affordable quantity, floored to the common lot.

Pure. Positions and balances count from the start of the run; the account's initial holdings are `base` and `quote` of
the leg. Attempts use the fraction `capital_allocation` of those; the rest is reserved.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from arb.strategies.spread.decisions import Missed

#: A number of steps that is just below an integer counts as the integer: 0.3 / 0.1 is 2.9999999999999996. The relative
#: part covers the rounding of price, tick and quotient for many steps: 100,000 in ticks of 0.01 are 1e7.
_ROOM = 1e-9
_ROOM_RELATIVE = 1e-15
#: Means no leverage cap.
_ANY_LEVERAGE = 1e9
#: A fee asset must cover so many times the fee of an attempt's order: the order, a chase and a reversal. The rule
#: `funds` requires two of these at the second order.
FEES_KEPT = 3.0


@njit
def floor_steps(steps):
    """The integer number of steps in `steps` (not negative), corrected for the error of a division."""
    return math.floor(steps + (_ROOM + steps * _ROOM_RELATIVE))


@njit
def floor_to_lot(qty, lot):
    """`qty` floored to a whole number of lots."""
    return floor_steps(qty / lot) * lot


@njit
def ceil_to_lot(qty, lot):
    """`qty` rounded up to a whole number of lots."""
    lots = floor_steps(qty / lot)
    return (lots if qty / lot - lots <= _ROOM + lots * _ROOM_RELATIVE else lots + 1) * lot


@njit
def bought_lots(leg, qty):
    """The purchase, in whole lots, that brings at most `qty`: its fee may be taken from what is bought."""
    return floor_to_lot(qty / (1.0 - leg.base_fee), leg.lot_size)


@njit
def opening_qty(leg, qty):
    """The purchase of an attempt that hedges `qty`: with its fee, and what earlier ones received too little."""
    if leg.base_fee == 0.0:
        return qty
    return bought_lots(leg, max(0.0, qty + leg.due_qty))


@njit
def hedged_by(leg, qty):
    """The quantity of an attempt whose purchase is at most `qty`."""
    return qty * (1.0 - leg.base_fee) - leg.due_qty


@njit
def share_funds(bot, legs, first, params):
    """Updates what the other legs use of the money that they share with the pair at `first`.

    Money that their open attempts may still spend counts as spent, and quantity that they sold may have to be bought
    back. legs: all legs.
    """
    for side in range(2):
        leg = legs[first + side]
        leg.other_cash = 0.0
        leg.other_notional = 0.0
        if leg.is_fee_cash == 0.0:
            leg.fee_budget = _fee_budget(bot, legs, leg, params)
            if legs[first].fee_account == legs[first + 1].fee_account:
                leg.fee_budget *= 0.5
        for leg_no in range(len(legs)):
            other = legs[leg_no]
            if leg_no == first + side or other.funds != leg.funds:
                continue
            values = bot.state_values(other.asset)
            leg.other_cash += values.balance - values.fee * other.is_fee_cash
            reserved = (
                _reserved_qty(other) * other.reference_px * other.contract_size
                if other.attempt_qty > 0.0
                else 0.0
            )
            if leg.is_spot != 0:
                leg.other_cash -= reserved * (1.0 + params.slippage_tolerance) * (1.0 + other.taker_fee)
            else:
                leg.other_notional += reserved
            if values.position != 0.0:
                notional = values.position * other.mark * other.contract_size
                leg.other_notional += abs(notional)
                if leg.is_spot == 0:
                    leg.other_cash += notional
                elif params.is_convergence and notional < 0.0:
                    # An open spread must be closed later: what it sold is bought back.
                    leg.other_cash += notional * (1.0 + params.slippage_tolerance) * (1.0 + other.taker_fee)


@njit
def _fee_budget(bot, legs, leg, params):
    """What the fee asset of the leg is worth, less what fees have cost, open attempts may cost, and closing will.

    At its lowest price so far, so that fees of other times are not undervalued; NaN if that is unknown.
    """
    if leg.fee_price_leg >= 0:
        mark = legs[leg.fee_price_leg].mark
        if not leg.fee_price <= mark:
            leg.fee_price = mark
    budget = leg.fee_units * leg.fee_price
    for other in legs:
        if other.fee_account != leg.fee_account:
            continue
        values = bot.state_values(other.asset)
        budget -= values.fee
        qty = other.attempt_qty
        if params.is_convergence:
            qty += abs(values.position)
        if qty > 0.0:
            budget -= FEES_KEPT * other.taker_fee * qty * other.mark * other.contract_size
    return budget


@njit
def fee_room(leg, price):
    """How much a leg may trade at `price` so that its fee asset can pay for it."""
    if leg.is_fee_cash != 0.0 or not leg.taker_fee > 0.0:
        return np.inf
    if not leg.fee_budget > 0.0:
        return 0.0
    return leg.fee_budget / (FEES_KEPT * leg.taker_fee * price * leg.contract_size)


@njit
def _reserved_qty(leg):
    """Quantity that the leg's attempt may still buy: the unfilled rest; for a spot sale, the quantity to buy back."""
    unfilled = max(0.0, leg.attempt_qty - leg.filled_qty)
    if leg.is_spot == 0 or leg.side > 0:
        return unfilled
    return max(0.0, leg.filled_qty)


@njit
def buy_room(leg, values, price, position_limit, share, leverage):
    """How much a leg may still buy at `price`, by its position limit and its money.

    Spot pays the price from its quote balance, and the fee unless it is taken from something else. A perpetual needs
    equity times the allowed leverage to cover the whole position; buying back a short position needs nothing. `share`:
    fraction of the account's initial holdings that may be used.
    """
    if leg.is_spot != 0:
        is_in_quote = leg.base_fee == 0.0 and leg.is_fee_cash != 0.0
        cost = price * leg.contract_size * (1.0 + leg.taker_fee if is_in_quote else 1.0)
        cash = leg.quote * share + leg.other_cash + values.balance - values.fee * leg.is_fee_cash
        return min(position_limit - values.position, cash / cost)
    return min(position_limit, _covered_qty(leg, values, price, share, leverage)) - values.position


@njit
def sell_room(leg, values, price, position_limit, share, leverage):
    """How much a leg may still sell at `price`: spot by its holdings, a perpetual by its equity."""
    if leg.is_spot != 0:
        return min(position_limit, leg.base * share) + values.position
    return min(position_limit, _covered_qty(leg, values, price, share, leverage)) + values.position


@njit
def _covered_qty(leg, values, price, share, leverage):
    """The largest absolute position that a perpetual leg's equity covers; 0 once the equity is lost."""
    value = price * leg.contract_size
    cash = leg.quote + leg.other_cash + values.balance - values.fee * leg.is_fee_cash
    equity = cash + values.position * value
    notional = equity * share * leverage - leg.other_notional
    return max(0.0, notional / (value * (1.0 + leg.taker_fee)))


@njit
def attempt_qty(buy, sell, buy_values, sell_values, params):
    """The quantity of an attempt at the touches, equal for both legs; 0 if it would be too small for either."""
    # In a replay, and briefly in live trading, the touch still shows the quantity just taken.
    shown = min(hedged_by(buy, buy.ask_qty - buy.ask_taken), sell.bid_qty - sell.bid_taken)
    qty = min(buy.max_position_size, params.touch_share * shown)
    # Valued at the worst price that the orders accept.
    buy_px = buy.ask * (1.0 + params.slippage_tolerance)
    share, leverage = params.capital_allocation, params.max_leverage
    room = min(buy_room(buy, buy_values, buy_px, buy.position_limit, share, leverage), fee_room(buy, buy_px))
    qty = min(qty, hedged_by(buy, room))
    room = sell_room(sell, sell_values, sell.bid, sell.position_limit, share, leverage)
    qty = min(qty, min(room, fee_room(sell, sell.bid)))
    return whole_qty(buy, sell, qty, params)


@njit
def whole_qty(buy, sell, qty, params):
    """`qty` within the limits of one order, in common lots; 0 if that is below the minimum of either venue."""
    buy_value = buy.ask * (1.0 + params.slippage_tolerance) * buy.contract_size
    qty = order_qty(qty, max(buy_value, sell.bid * sell.contract_size), params)
    qty = min(qty, hedged_by(buy, order_qty(np.inf, buy_value, params)))
    if not qty > 0.0:
        return 0.0
    qty = floor_to_lot(qty, buy.common_lot)
    sell_px = sell.bid * (1.0 - params.slippage_tolerance)
    is_bought = is_large_enough(buy, opening_qty(buy, qty), buy.ask)
    return qty if is_bought and is_large_enough(sell, qty, sell_px) else 0.0


@njit
def order_qty(qty, value, params):
    """The part of `qty` that one order may have under the order-level limits, which are 0 for no limit.

    value: of one unit of quantity, in quote units, at the highest price that the limits may value it at.
    """
    if params.max_order_qty > 0.0:
        qty = min(qty, params.max_order_qty)
    if params.max_order_notional > 0.0:
        qty = min(qty, params.max_order_notional / value)
    return qty


@njit
def is_large_enough(leg, qty, price):
    """Whether `qty` at `price` meets the venue's minimum quantity and notional."""
    return qty > 0.0 and qty >= leg.min_qty and qty * price * leg.contract_size >= leg.min_notional


@njit
def why_no_qty(buy, sell, buy_values, sell_values, params):
    """Why `attempt_qty` is 0, as a `Missed` reason: no position room, no funds, or below the minimum."""
    least = max(buy.common_lot, buy.min_qty, sell.min_qty)
    room = min(buy.position_limit - buy_values.position, sell.position_limit + sell_values.position)
    if not room >= least:
        return np.int64(Missed.POSITION)
    share, leverage = params.capital_allocation, params.max_leverage
    if _paid_qty(buy, sell, buy_values, sell_values, share, leverage, params) >= least:
        return np.int64(Missed.TOO_SMALL)
    owned = _paid_qty(buy, sell, buy_values, sell_values, 1.0, _ANY_LEVERAGE, params)
    return np.int64(Missed.POSITION) if owned >= least else np.int64(Missed.INVENTORY)


@njit
def _paid_qty(buy, sell, buy_values, sell_values, share, leverage, params):
    """The quantity that both legs can pay for, ignoring position limits."""
    buy_px = buy.ask * (1.0 + params.slippage_tolerance)
    bought = min(buy_room(buy, buy_values, buy_px, np.inf, share, leverage), fee_room(buy, buy_px))
    sold = min(sell_room(sell, sell_values, sell.bid, np.inf, share, leverage), fee_room(sell, sell.bid))
    return min(hedged_by(buy, bought), sold)


@njit
def limit_price(side, px, tolerance, tick_size):
    """The worst price within `tolerance` (a fraction) of `px`, rounded to a tick within it; at least one tick.

    side: 1 buys, -1 sells.
    """
    if side > 0:
        return floor_steps(px * (1.0 + tolerance) / tick_size) * tick_size
    steps = px * (1.0 - tolerance) / tick_size
    return max(1, math.ceil(steps - (_ROOM + steps * _ROOM_RELATIVE))) * tick_size
