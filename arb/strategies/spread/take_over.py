"""Positions with which a run begins become the open spreads and moved inventory of their pairs. Pure.

A live session takes over what earlier ones left; the host has balanced the pairs before (`arb.strategies.hedge_first`).
The holding time of a spread begins again; its profit counts from the price at which its positions were opened.
"""

from __future__ import annotations

from numba import njit

from arb.strategies.spread.holding import update_holding
from arb.strategies.spread.inventory import imbalance, skewed_threshold_bps
from arb.strategies.spread.touch import is_quoted, read_touches


@njit
def holds_any(bot, legs):
    """Whether any of the first `legs` assets has a position."""
    count = 0
    for leg_no in range(legs):
        count += bot.position(leg_no) != 0.0
    return count > 0


@njit
def take_over(bot, state, now, params):
    """Takes the positions over, once every pair's prices are known; returns whether they were."""
    for pair_no in range(len(state.attempts)):
        read_touches(bot, state.legs, 2 * pair_no, True)
        if not (is_quoted(state.legs[2 * pair_no]) and is_quoted(state.legs[2 * pair_no + 1])):
            return False
    for pair_no in range(len(state.attempts)):
        pair = state.legs[2 * pair_no], state.legs[2 * pair_no + 1]
        values_0, values_1 = bot.state_values(pair[0].asset), bot.state_values(pair[1].asset)
        state.attempts[pair_no].residual = values_0.position + values_1.position
        update_holding(bot, pair, state.holdings[pair_no], now, params)
        if not params.is_convergence:
            skew(state, pair_no, imbalance(pair, values_0, values_1), params)
    return True


@njit
def skew(state, pair_no, moved, params):
    """Sets a pair's imbalance, and the thresholds that follow from it."""
    state.moved[pair_no] = moved
    for buy_no in range(2):
        state.seen[2 * pair_no + buy_no].threshold_bps = skewed_threshold_bps(moved, buy_no, params)
