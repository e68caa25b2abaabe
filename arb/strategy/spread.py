"""The spread strategy: buy one leg and sell the other when the edge across two books pays for itself.

`run` watches both touches and opens an attempt when the edge of one direction (in bps of the buy price, net of both
taker fees, measured from the average cross spread where `basis_halflife_ns` asks for it) is above `min_spread_bps` and
not above the sanity cap `max_edge_bps`, both books are fresh, and the attempt before is not too near. One attempt at a
time; `arb.strategy.hedge` brings it to an end. A book that is not in sync reads NaN, and NaN never trades. It is the
strategy's thread, in every world.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from arb.strategy.decisions import Missed, Outcome
from arb.strategy.hedge import ATTEMPT, HALTED, IDLE, advance, begin, wait_ns
from arb.strategy.opportunity import OPPORTUNITY, is_any_open, lose, see
from arb.strategy.risk import RISK, begin_attempt, end_attempt, look, must_halt, obstacle
from arb.strategy.sizing import attempt_qty, why_no_qty
from arb.strategy.touch import (
    BASIS,
    LEG,
    PRICE_CHANGED,
    QTY_CHANGED,
    UNCHANGED,
    edge_bps,
    is_basis_known,
    is_quoted,
    read_touches,
    update_basis,
)

#: Arguments and their defaults. Names that the configuration has are filled in from it; `_0` and `_1` are the legs.
PARAMS = {
    "min_spread_bps": 10.0,
    "max_edge_bps": 200.0,
    "max_position_size": 1.0,
    "position_limit": 10.0,
    "slippage_tolerance": 0.001,
    "order_timeout_ns": 5_000_000_000,
    "attempt_interval_ns": 100_000_000,
    "stale_after_ns": 2_000_000_000,
    "max_order_qty": 0.0,
    "max_order_notional": 0.0,
    "max_drawdown": 0.05,
    "max_attempt_loss": 0.01,
    "max_daily_loss": 0.03,
    "max_failures": 5,
    "cooldown_ns": 60_000_000_000,
    "max_attempts_per_day": 0,
    "basis_halflife_ns": 0,
    "record_interval_ns": 1_000_000_000,
    "common_lot": 0.001,
    "is_spot_0": True,
    "is_spot_1": True,
    "base_0": 0.0,
    "base_1": 0.0,
    "quote_0": 0.0,
    "quote_1": 0.0,
    "taker_fee_0": 0.001,
    "taker_fee_1": 0.001,
    "contract_size_0": 1.0,
    "contract_size_1": 1.0,
    "min_qty_0": 0.0,
    "min_qty_1": 0.0,
    "min_notional_0": 0.0,
    "min_notional_1": 0.0,
}

# What `wait_next_feed` answers.
_TIMEOUT, _END_OF_DATA, _FEED, _ORDER_RESPONSE = 0, 1, 2, 3


@njit
def run(bot, params, recorder):  # type: ignore[no-untyped-def]
    """Trades the spread until the data end or it halts; an `Outcome`."""
    legs = np.zeros(2, LEG)
    # A compiled record does not keep its array alive, so the arrays are what stays in use to the end.
    bases = np.zeros(1, BASIS)
    attempts = np.zeros(1, ATTEMPT)
    risks = np.zeros(1, RISK)
    attempts[0].next_order_id = 1
    seen = np.zeros(2, OPPORTUNITY)
    begun = np.zeros(max(1, params.max_attempts_per_day), np.int64)
    _set_up(bot, params, legs)
    idle_ns = np.int64(params.record_interval_ns)
    next_record = np.int64(0)
    timeout = idle_ns
    while True:
        basis, attempt, risk = bases[0], attempts[0], risks[0]
        result = bot.wait_next_feed(True, timeout)
        if result == _END_OF_DATA:
            break
        if result > _ORDER_RESPONSE or result < _TIMEOUT:
            raise RuntimeError("the bot failed: see hftbacktest's return codes")
        change = read_touches(bot, legs)
        if change != UNCHANGED or attempt.phase != IDLE:
            now = bot.current_timestamp
            if change == PRICE_CHANGED and params.basis_halflife_ns > 0:
                update_basis(basis, legs, now, params.basis_halflife_ns)
            is_busy = attempt.phase != IDLE
            if is_busy:
                advance(bot, recorder, attempt, legs, params)
                if attempt.phase == IDLE:
                    _review(bot, recorder, risk, attempt, legs, now, params)
            is_news = change == PRICE_CHANGED or (change == QTY_CHANGED and is_any_open(seen))
            if is_news and (
                params.basis_halflife_ns == 0 or is_basis_known(basis, now, params.basis_halflife_ns)
            ):
                _seek(bot, recorder, attempt, legs, seen, risk, begun, is_busy, basis.bps, now, params)
            if attempt.phase == HALTED:
                break
            timeout = wait_ns(attempt, now, idle_ns, params)
        now = bot.current_timestamp
        if now >= next_record:
            recorder.record(bot)
            next_record = now + idle_ns
            if attempt.phase == IDLE:
                look(bot, risk, legs, now, params)
                if must_halt(recorder, risk, 0, now, params):
                    attempt.phase = HALTED
                    break
    for buy_no in range(2):
        lose(recorder, seen, buy_no, bot.current_timestamp)
    recorder.record(bot)
    return np.int64(Outcome.HALTED) if attempts[0].phase == HALTED else np.int64(Outcome.ENDED)


@njit
def _review(bot, recorder, risk, attempt, legs, now, params):  # type: ignore[no-untyped-def]
    """Takes an attempt that has ended into account; halts where a rule of risk says so."""
    look(bot, risk, legs, now, params)
    end_attempt(risk, attempt.is_hedged != 0, now, params)
    if must_halt(recorder, risk, attempt.number, now, params):
        attempt.phase = HALTED


@njit
def _set_up(bot, params, legs):  # type: ignore[no-untyped-def]
    """Fills in what never changes during the run."""
    legs[0].is_spot, legs[1].is_spot = params.is_spot_0, params.is_spot_1
    legs[0].base, legs[1].base = params.base_0, params.base_1
    legs[0].quote, legs[1].quote = params.quote_0, params.quote_1
    legs[0].taker_fee, legs[1].taker_fee = params.taker_fee_0, params.taker_fee_1
    legs[0].contract_size, legs[1].contract_size = params.contract_size_0, params.contract_size_1
    legs[0].min_qty, legs[1].min_qty = params.min_qty_0, params.min_qty_1
    legs[0].min_notional, legs[1].min_notional = params.min_notional_0, params.min_notional_1
    for leg_no in range(2):
        legs[leg_no].tick_size = bot.depth(leg_no).tick_size
        legs[leg_no].lot_size = bot.depth(leg_no).lot_size
        legs[leg_no].bid = legs[leg_no].ask = np.nan


@njit
def _seek(  # type: ignore[no-untyped-def]
    bot, recorder, attempt, legs, seen, risk, begun, is_busy, basis_bps, now, params
):
    """Notes the edges above the threshold, and opens an attempt for one when nothing stands in its way."""
    is_known = is_quoted(legs[0]) and is_quoted(legs[1])
    for buy_no in range(2):
        buy, sell = legs[buy_no], legs[1 - buy_no]
        # The basis is leg 1 over leg 0: what selling leg 1 earns on average, and buying it costs.
        edge = edge_bps(buy, sell) - (basis_bps if buy_no == 0 else -basis_bps) if is_known else np.nan
        if edge > params.min_spread_bps:
            missed = _obstacle(bot, attempt, is_busy, edge, now, params)
            if missed == Missed.TAKEN:
                missed = obstacle(risk, begun, now, params)
            if missed == Missed.TAKEN:
                buy_values, sell_values = bot.state_values(buy_no), bot.state_values(1 - buy_no)
                qty = attempt_qty(buy, sell, buy_values, sell_values, params)
                if qty > 0.0:
                    look(bot, risk, legs, now, params)
                    begin_attempt(risk, begun, now)
                    begin(bot, recorder, attempt, legs, buy_no, qty, edge, params)
                else:
                    missed = why_no_qty(buy, sell, buy_values, sell_values, params)
            see(recorder, seen, buy_no, edge, missed, now)
        else:
            lose(recorder, seen, buy_no, now)


@njit
def _obstacle(bot, attempt, is_busy, edge, now, params):  # type: ignore[no-untyped-def]
    """What forbids an attempt now, size aside: a `Missed` reason, TAKEN for nothing."""
    if is_busy or attempt.phase != IDLE:
        return np.int64(Missed.BUSY)
    if not edge <= params.max_edge_bps:
        return np.int64(Missed.DISTRUSTED)
    if now - attempt.last_ts < params.attempt_interval_ns:
        return np.int64(Missed.INTERVAL)
    for leg_no in range(2):
        latency = bot.feed_latency(leg_no)
        if latency is None:
            return np.int64(Missed.STALE)
        _, local_ts = latency
        if now - local_ts > params.stale_after_ns:
            return np.int64(Missed.STALE)
    return np.int64(Missed.TAKEN)
