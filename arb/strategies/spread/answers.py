"""Answers to an attempt's orders, by the state of the orders and positions that the bot shows.

Not by what ended a wait: at one time with a row, an answer may not be its reason. Pure.
"""

from __future__ import annotations

from hftbacktest.order import NEW, NONE, PARTIALLY_FILLED
from numba import njit

from arb.strategies.spread.uncounted import is_counted

#: What is known of an order: nothing, executions but no end, or its end.
UNANSWERED, IN_PARTS, ANSWERED = 0, 1, 2


@njit
def answer_of(bot, leg):
    """What is known of the order that a leg waits for."""
    order = bot.orders(leg.asset).get(leg.order_id)
    if order is None:
        return UNANSWERED
    if order.req != NONE or order.status in (NONE, NEW, PARTIALLY_FILLED):
        return IN_PARTS if order.leaves_qty < order.qty else UNANSWERED
    return ANSWERED


@njit
def has_answer(bot, attempt, legs):
    """Whether something has arrived that the attempt in progress has not counted: the end of an order, its first
    execution, or, with no order unanswered, another change of a position."""
    is_settled = True
    for leg in legs:
        if leg.order_id != 0:
            answer = answer_of(bot, leg)
            if answer == ANSWERED or (answer == IN_PARTS and attempt.exposed_ts == 0):
                return True
            is_settled = False
    return is_settled and not (is_counted(bot, legs[0]) and is_counted(bot, legs[1]))
