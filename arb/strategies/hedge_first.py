"""Hedges what earlier sessions left unhedged, before the strategy starts: nothing opens before its pairs are balanced.
Also what a halt has interrupted, after the strategy was stopped.

The legs of a pair are balanced when what one has bought the other has sold. A surplus is traded on the leg that has
traded less (chase), after a while on the other one (reverse), with the orders of `arb.strategies.flatten`. A pair that
is not balanced in time halts the run before the strategy has started. Runs on the strategy's thread, in every world.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from arb.bot.cache import bot_compiled
from arb.bot.codes import END_OF_DATA, ORDER_RESPONSE
from arb.strategies.flatten import (
    FIRST_ID,
    HostOrders,
    acting_first,
    has_working,
    pairs_of,
    record_state,
    send_part,
    settle,
)
from arb.strategies.spread.decisions import Decision
from arb.strategies.spread.sizing import floor_to_lot, is_large_enough

#: A step: the time for responses and book changes before the next order of a pair.
_STEP_NS = 50_000_000
#: Steps from when both touches are known: those in which the surplus is chased, and all. Three seconds, to which time
#: without an answer adds, but for the first second.
_CHASES, _STEPS = 20, 56
#: Steps in all, until the touches are known.
_WAITS = 1_200
#: After a halt a pair is tried for a minute, behind `_STEPS` once in so many steps: its venue may return.
_PATIENT_STEPS = 20
#: After so many refusals in a row a surplus is not chased any longer.
_REFUSALS = 2
#: Ids of its orders, after those of `flatten`.
_FIRST_ID = FIRST_ID + np.uint64(1 << 61)

_HEDGE, _HALTED = int(Decision.HEDGE), int(Decision.HALTED)


def hedging_first(strategy: Callable[..., Any], host: HostOrders) -> Callable[..., Any]:
    """Returns a function that balances every pair and then calls the strategy; it returns HALTED without the strategy
    if a pair cannot be balanced."""
    return acting_first(strategy, host, hedge, pairs_of(host.legs), False)


def hedge_of(host: HostOrders) -> Callable[[], bool]:
    """The hedge of every pair, compiled now, which also serves a later session: one that begins after a crash should
    not have to compile it."""
    arguments = host.arguments(hedge, pairs_of(host.legs), True)
    return lambda: bool(hedge(*arguments))


@bot_compiled
def hedge(bot, recorder, legs, pairs, is_patient, band, qty_max, notional_max):
    """Balances every pair; returns whether all are, except for remainders too small to trade. is_patient: tries for a
    minute."""
    next_id = _FIRST_ID
    steps = np.zeros(len(pairs), np.int64)
    is_open = np.ones(len(pairs), np.bool_)
    is_late = False
    for wait_no in range(_WAITS):
        for pair_no in range(len(pairs)):
            first, second = pairs[pair_no, 0], pairs[pair_no, 1]
            if not is_open[pair_no]:
                continue
            if has_working(bot, first) or has_working(bot, second):
                # Whether an order in doubt has hedged is known with its answer: there is still time to reverse then.
                if steps[pair_no] < _CHASES:
                    steps[pair_no] += 1
                continue
            settle(bot, first, legs[first])
            settle(bot, second, legs[second])
            surplus = bot.position(first) + bot.position(second)
            if not (_is_whole(legs[first], surplus) or _is_whole(legs[second], surplus)):
                is_open[pair_no] = False
                continue
            if not _is_tradable(bot, first, legs[first], surplus) and not _is_tradable(
                bot, second, legs[second], surplus
            ):
                is_open[pair_no] = not (_is_known(bot, first) and _is_known(bot, second))
                continue
            if steps[pair_no] >= _STEPS and (not is_patient or wait_no % _PATIENT_STEPS != 0):
                is_late |= not is_patient
                continue
            short, long = first, second
            if abs(bot.position(first)) > abs(bot.position(second)):
                short, long = second, first
            is_chased = (
                steps[pair_no] < _CHASES
                and legs[short].refusals < _REFUSALS
                and _is_tradable(bot, short, legs[short], surplus)
            )
            asset_no = short if is_chased else long
            steps[pair_no] += 1
            next_id = send_part(
                bot,
                recorder,
                asset_no,
                legs[asset_no],
                -surplus,
                _HEDGE,
                next_id,
                band,
                qty_max,
                notional_max,
            )
        if is_late or not is_open.any():
            break
        code = bot.elapse(_STEP_NS)
        if code == END_OF_DATA or code > ORDER_RESPONSE:
            break
    for pair_no in range(len(pairs)):
        if is_open[pair_no]:
            surplus = bot.position(pairs[pair_no, 0]) + bot.position(pairs[pair_no, 1])
            recorder.decide(bot.current_timestamp, _HALTED, 0, pairs[pair_no, 0], np.uint64(0), surplus)
    record_state(bot, recorder)
    return not is_open.any()


@bot_compiled
def _is_whole(leg, surplus):
    """Whether a surplus is at least a lot."""
    return floor_to_lot(abs(surplus), leg.lot_size) > 0.0


@bot_compiled
def _is_known(bot, asset_no):
    """Whether both touches of a leg are known."""
    depth = bot.depth(asset_no)
    return depth.best_bid > 0.0 and depth.best_ask > 0.0


@bot_compiled
def _is_tradable(bot, asset_no, leg, surplus):
    """Whether a surplus is enough for an order of the leg, at its touch."""
    depth = bot.depth(asset_no)
    touch = depth.best_bid if surplus > 0.0 else depth.best_ask
    return touch > 0.0 and is_large_enough(leg, floor_to_lot(abs(surplus), leg.lot_size), touch)
