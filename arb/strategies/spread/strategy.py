"""The spread strategy: buys one leg and sells the other when the edge across two books exceeds its threshold.

`run` reads both touches of each pair of legs and opens an attempt when the edge of one direction is above its threshold
and not above the sanity cap `max_edge_bps`, both books are fresh, and the previous attempt is not too recent. The edge
is in bps of the buy price, net of both taker fees, and relative to the average cross spread if `basis_halflife_ns` is
set. In inventory mode every attempt is complete in itself, thresholds are skewed against the moved inventory, and it is
moved back at a stop loss; in convergence mode the spread is held until it has reverted. A pair has one attempt at a
time; `arb.strategies.spread.hedge` completes it. An unsynced book reads NaN, and comparisons with NaN never trade. Runs
on the strategy's thread, in every world.

It acts on a change of a touch or its quantity, on an answer, and at its own deadlines, which end its waits at exactly
their time. Any other row wakes it without an effect, so that rows which change no touch may be left out (`arb.sweep`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from arb.strategies.spread.answers import has_answer
from arb.strategies.spread.decisions import Missed, Outcome, Purpose
from arb.strategies.spread.hedge import ATTEMPT, HALTED, IDLE, advance, begin, due_ts
from arb.strategies.spread.holding import (
    HOLDING,
    NONE_HELD,
    closing_qty,
    cost_to_leave_bps,
    unblock,
    update_holding,
    why_leave,
)
from arb.strategies.spread.inventory import imbalance, must_rebalance
from arb.strategies.spread.opportunity import OPPORTUNITY, is_any_open, lose, see
from arb.strategies.spread.parameters import PARAMS as PARAMS
from arb.strategies.spread.risk import (
    RISK,
    begin_attempt,
    end_attempt,
    look,
    must_halt,
    must_halt_after,
    obstacle,
    profit_of,
)
from arb.strategies.spread.sizing import attempt_qty, share_funds, whole_qty, why_no_qty
from arb.strategies.spread.take_over import holds_any, skew, take_over
from arb.strategies.spread.touch import (
    BASIS,
    LEG,
    PRICE_CHANGED,
    UNCHANGED,
    edge_bps,
    is_basis_known,
    is_quoted,
    read_touches,
    update_basis,
)
from arb.strategies.spread.uncounted import NO_LEG, is_counted, leg_to_buy

#: Assets 0 and 1 are a pair, 2 and 3, and so on.
LEGS = "pairs"

# Return codes of `wait_next_feed`.
_TIMEOUT, _END_OF_DATA, _FEED, _ORDER_RESPONSE = 0, 1, 2, 3


class State(NamedTuple):
    """The strategy's state, as arrays: a compiled record does not keep its array alive."""

    #: Two per pair: LEG, OPPORTUNITY (indexed by the leg to buy).
    legs: Any
    seen: Any
    #: One per pair: BASIS, ATTEMPT, HOLDING.
    bases: Any
    attempts: Any
    holdings: Any
    #: One per pair: the imbalance of inventory, which only attempts change.
    moved: Any
    #: One in total: RISK; and the ring of the times of the last attempts.
    risks: Any
    begun: Any


@njit
def run(bot, params, recorder):
    """Trades the spread until the data end or it halts; returns an `Outcome`."""
    pairs = np.int64(bot.num_assets) // 2
    state = State(
        np.zeros(2 * pairs, LEG),
        np.zeros(2 * pairs, OPPORTUNITY),
        np.zeros(pairs, BASIS),
        np.zeros(pairs, ATTEMPT),
        np.zeros(pairs, HOLDING),
        np.zeros(pairs, np.float64),
        np.zeros(1, RISK),
        np.zeros(max(1, params.max_attempts_per_day), np.int64),
    )
    _set_up(bot, params, state)
    idle_ns = np.int64(params.record_interval_ns)
    # When the next record is due, and the next record or deadline of an attempt. The clock is unknown before a wait.
    next_record = due = np.int64(0)
    timeout = idle_ns
    # Not a constant, for which Numba would compile `_step` a second time.
    is_halted: Any = np.bool_(False)
    # Positions of earlier sessions are taken over before anything else.
    is_new: Any = np.bool_(holds_any(bot, 2 * pairs))
    has_news = True
    # The loop reads these at every event, and passes the whole state on only if something may follow.
    legs, seen, attempts = state.legs, state.seen, state.attempts
    bases, holdings, moved = state.bases, state.holdings, state.moved
    while True:
        result = bot.wait_next_feed(True, timeout)
        if result == _END_OF_DATA:
            break
        if result > _ORDER_RESPONSE or result < _TIMEOUT:
            raise RuntimeError("the bot failed: see hftbacktest's return codes")
        now = bot.current_timestamp
        if is_new:
            is_new = not take_over(bot, state, now, params)
            if is_new:
                continue
        is_due = now >= due
        is_stirred = False
        for pair_no in range(pairs):
            phase = attempts[pair_no].phase
            pair = _pair(legs, pair_no)
            hedge_no = np.int64(NO_LEG)
            if phase == IDLE and (result == _ORDER_RESPONSE or now >= next_record):
                hedge_no = leg_to_buy(bot, recorder, attempts[pair_no], pair, now, params)
            is_busy = phase != IDLE or hedge_no != NO_LEG
            # At a deadline, quantities are read before anything uses them.
            is_alert = is_busy or is_due or _is_alert(pair, _pair(seen, pair_no), holdings[pair_no], params)
            change = read_touches(bot, legs, 2 * pair_no, is_alert)
            if change == UNCHANGED and not (
                is_busy and (is_due or hedge_no != NO_LEG or has_answer(bot, attempts[pair_no], pair))
            ):
                continue
            if hedge_no != NO_LEG:
                _begin(
                    bot, recorder, state, pair_no, np.int64(Purpose.HEDGE), hedge_no, 0.0, 0.0, now, params
                )
            if change == PRICE_CHANGED:
                has_news = True
                if params.basis_halflife_ns > 0:
                    update_basis(bases[pair_no], pair, now, params.basis_halflife_ns)
            if not is_alert and _is_calm(
                pair, _pair(seen, pair_no), bases[pair_no].bps, moved[pair_no], params
            ):
                continue
            is_stirred = True
            if _step(bot, recorder, state, pair_no, change, is_halted, now, params):
                is_halted = True
        if now >= next_record:
            is_stirred = True
            # A record without news would repeat the last one; the end of an attempt writes its own.
            if has_news:
                recorder.record(bot)
                has_news = False
            next_record = now + idle_ns
            if not is_halted and not _is_any_busy(state):
                is_halted = _watch(bot, recorder, state, now, params)
        if is_stirred:
            # Attempts of other pairs are completed before the strategy returns.
            if is_halted and not _is_any_busy(state):
                break
            due = _due_ts(state, now, next_record, params)
        timeout = due - now
    for direction in range(2 * pairs):
        lose(recorder, state.seen[direction], bot.current_timestamp)
    recorder.record(bot)
    return np.int64(Outcome.HALTED) if is_halted else np.int64(Outcome.ENDED)


@njit
def _set_up(bot, params, state):
    """Sets what does not change during the run."""
    for leg_no in range(len(state.legs)):
        leg = state.legs[leg_no]
        depth = bot.depth(leg_no)
        leg.asset = leg_no
        leg.tick_size, leg.lot_size = depth.tick_size, depth.lot_size
        leg.is_spot = params.is_spot[leg_no]
        leg.base, leg.quote = params.base[leg_no], params.quote[leg_no]
        leg.funds = params.funds[leg_no]
        leg.taker_fee = params.taker_fee[leg_no]
        leg.base_fee = params.base_fee[leg_no]
        leg.fee_account, leg.fee_units = params.fee_account[leg_no], params.fee_units[leg_no]
        leg.is_fee_cash = 1.0 if leg.fee_account < 0 else 0.0
        leg.fee_price_leg = params.fee_price_leg[leg_no]
        leg.fee_price = params.fee_price[leg_no] if leg.fee_price_leg < 0 else np.nan
        leg.contract_size = params.contract_size[leg_no]
        leg.min_qty, leg.min_notional = params.min_qty[leg_no], params.min_notional[leg_no]
        leg.common_lot = params.common_lot[leg_no]
        leg.max_position_size = params.max_position_size[leg_no]
        leg.position_limit = params.position_limit[leg_no]
        leg.bid = leg.ask = leg.mark = np.nan
        leg.counted_qty = bot.position(leg_no)
        state.seen[leg_no].asset = leg_no
        state.seen[leg_no].threshold_bps = params.min_spread_bps
    for pair_no in range(len(state.attempts)):
        state.attempts[pair_no].next_order_id = 1
        state.holdings[pair_no].bought_no = state.holdings[pair_no].blocked_no = NONE_HELD


@njit
def _pair(records, pair_no):
    """The two records of a pair. Not a slice: that would add reference counting to the hot path."""
    return records[2 * pair_no], records[2 * pair_no + 1]


@njit
def _is_alert(pair, seen, holding, params):
    """Whether a change of quantity alone may matter between attempts: rarely."""
    if seen[0].is_open != 0 or seen[1].is_open != 0:
        return True
    if (params.is_convergence and holding.bought_no != NONE_HELD) or holding.blocked_no != NONE_HELD:
        return True
    # The quantity that our own orders took counts until the displayed quantity changes.
    is_taken_0 = pair[0].bid_taken != 0.0 or pair[0].ask_taken != 0.0
    return is_taken_0 or pair[1].bid_taken != 0.0 or pair[1].ask_taken != 0.0


@njit
def _is_calm(pair, seen, basis_bps, moved, params):
    """Whether a price change has no effect while no opportunity or spread is open: nearly always."""
    if not (is_quoted(pair[0]) and is_quoted(pair[1])):
        return True
    edge_0, edge_1 = edge_bps(pair[0], pair[1]) - basis_bps, edge_bps(pair[1], pair[0]) + basis_bps
    if edge_0 > seen[0].threshold_bps or edge_1 > seen[1].threshold_bps:
        return False
    if abs(moved) <= params.rebalance_threshold:
        return True
    return not (edge_0 >= -params.rebalance_cost_bps or edge_1 >= -params.rebalance_cost_bps)


@njit
def _is_all_counted(bot, pair):
    """Whether nothing is to be hedged before an attempt may open."""
    return is_counted(bot, pair[0]) and is_counted(bot, pair[1])


@njit
def _is_any_busy(state):
    """Whether an attempt is in progress that will end."""
    busy = 0
    for attempt in state.attempts:
        if attempt.phase != IDLE and attempt.phase != HALTED:
            busy += 1
    return busy > 0


@njit
def _due_ts(state, now, next_record, params):
    """When the next record or the next deadline of an attempt is due."""
    due = next_record
    for pair_no in range(len(state.attempts)):
        attempt = state.attempts[pair_no]
        if attempt.phase != IDLE and attempt.phase != HALTED:
            due = min(due, due_ts(attempt, _pair(state.legs, pair_no), now, params))
    return due


@njit
def _step(bot, recorder, state, pair_no, change, is_halted, now, params):
    """Handles an event of one pair; returns whether the strategy must halt."""
    basis, attempt = state.bases[pair_no], state.attempts[pair_no]
    pair = _pair(state.legs, pair_no)
    seen = _pair(state.seen, pair_no)
    was_busy = attempt.phase != IDLE
    if was_busy and attempt.phase != HALTED:
        advance(bot, recorder, attempt, pair, params)
        if attempt.phase == IDLE:
            is_halted = _review(bot, recorder, state, pair_no, now, params) or is_halted
    if attempt.phase == HALTED or is_halted:
        return True
    is_known = params.basis_halflife_ns == 0 or is_basis_known(basis, now, params.basis_halflife_ns)
    if change == UNCHANGED or not is_known:
        return False
    # Closing comes first: a spread in stop loss must not be increased.
    if params.is_convergence or _is_stopping(state.holdings[pair_no]):
        _leave(bot, recorder, state, pair_no, now, params)
    if change == PRICE_CHANGED or is_any_open(seen):
        _seek(bot, recorder, state, pair_no, was_busy, now, params)
    return False


@njit
def _watch(bot, recorder, state, now, params):
    """Once per record, between attempts: checks the drawdown, spreads held too long on silent books, and losses of
    moved inventory."""
    look(bot, state.risks[0], state.legs, now, params)
    if must_halt(recorder, state.risks[0], now, params):
        return True
    for pair_no in range(len(state.attempts)):
        basis = state.bases[pair_no]
        if params.basis_halflife_ns == 0 or is_basis_known(basis, now, params.basis_halflife_ns):
            _leave(bot, recorder, state, pair_no, now, params)
    return False


@njit
def _review(bot, recorder, state, pair_no, now, params):
    """Updates risk, holding and thresholds after an attempt; returns whether a risk rule stops the strategy."""
    attempt, risk = state.attempts[pair_no], state.risks[0]
    pair = _pair(state.legs, pair_no)
    look(bot, risk, state.legs, now, params)
    end_attempt(risk, attempt.is_hedged != 0, now, params)
    update_holding(bot, pair, state.holdings[pair_no], now, params)
    if not params.is_convergence:
        values_0, values_1 = bot.state_values(pair[0].asset), bot.state_values(pair[1].asset)
        skew(state, pair_no, imbalance(pair, values_0, values_1), params)
    loss = attempt.profit_before - profit_of(bot, pair)
    return must_halt(recorder, risk, now, params) or must_halt_after(
        recorder, risk, attempt.number, loss, now, params
    )


@njit
def _seek(bot, recorder, state, pair_no, was_busy, now, params):
    """Records the edges above their thresholds, and opens an attempt for one if nothing forbids it."""
    basis, holding = state.bases[pair_no], state.holdings[pair_no]
    pair = _pair(state.legs, pair_no)
    is_known = is_quoted(pair[0]) and is_quoted(pair[1])
    moved = state.moved[pair_no]
    if holding.blocked_no != NONE_HELD:
        unblock(pair, holding, basis.bps, params.exit_spread_bps if params.is_convergence else 0.0)
    for buy_no in range(2):
        buy, sell = pair[buy_no], pair[1 - buy_no]
        opportunity = state.seen[2 * pair_no + buy_no]
        # The basis is leg 1 over leg 0: the average gain of selling leg 1, and the cost of buying it.
        edge = edge_bps(buy, sell) - (basis.bps if buy_no == 0 else -basis.bps) if is_known else np.nan
        if is_known and edge > opportunity.threshold_bps + (
            cost_to_leave_bps(pair) if params.is_convergence else 0.0
        ):
            missed = _obstacle(bot, state, pair_no, buy_no, was_busy, edge, now, params)
            if missed == Missed.TAKEN:
                missed = _enter(bot, recorder, state, pair_no, buy_no, edge, now, params)
            see(recorder, opportunity, edge, missed, now)
        else:
            lose(recorder, opportunity, now)
            if not params.is_convergence and must_rebalance(moved, buy_no, edge, params):
                if _obstacle(bot, state, pair_no, buy_no, was_busy, edge, now, params) == Missed.TAKEN:
                    _rebalance(bot, recorder, state, pair_no, buy_no, edge, now, params)


@njit
def _enter(bot, recorder, state, pair_no, buy_no, edge, now, params):
    """Opens an attempt for an edge; returns TAKEN, or the `Missed` reason why not."""
    share_funds(bot, state.legs, 2 * pair_no, params)
    pair = _pair(state.legs, pair_no)
    buy, sell = pair[buy_no], pair[1 - buy_no]
    buy_values, sell_values = bot.state_values(buy.asset), bot.state_values(sell.asset)
    qty = attempt_qty(buy, sell, buy_values, sell_values, params)
    if not qty > 0.0:
        return why_no_qty(buy, sell, buy_values, sell_values, params)
    _begin(bot, recorder, state, pair_no, np.int64(Purpose.ENTER), buy_no, qty, edge, now, params)
    return np.int64(Missed.TAKEN)


@njit
def _rebalance(bot, recorder, state, pair_no, buy_no, edge, now, params):
    """Moves inventory back, limited by the displayed quantity."""
    share_funds(bot, state.legs, 2 * pair_no, params)
    pair = _pair(state.legs, pair_no)
    buy, sell = pair[buy_no], pair[1 - buy_no]
    buy_values, sell_values = bot.state_values(buy.asset), bot.state_values(sell.asset)
    moved = 0.5 * (sell_values.position - buy_values.position)
    qty = whole_qty(buy, sell, min(attempt_qty(buy, sell, buy_values, sell_values, params), moved), params)
    if qty > 0.0:
        _begin(bot, recorder, state, pair_no, np.int64(Purpose.REBALANCE), buy_no, qty, edge, now, params)


@njit
def _is_stopping(holding):
    """Whether the open spread is being closed by a stop loss or a timeout."""
    return holding.bought_no != NONE_HELD and holding.bought_no == holding.blocked_no


@njit
def _leave(bot, recorder, state, pair_no, now, params):
    """Closes the pair's open spread or moved inventory when it is due and its books are known."""
    attempt, holding, basis = state.attempts[pair_no], state.holdings[pair_no], state.bases[pair_no]
    pair = _pair(state.legs, pair_no)
    if holding.bought_no == NONE_HELD or attempt.phase != IDLE:
        return
    if not (is_quoted(pair[0]) and is_quoted(pair[1])) or is_stale(bot, pair, now, params):
        return
    if now - attempt.last_ts < params.attempt_interval_ns or not _is_all_counted(bot, pair):
        return
    purpose = why_leave(bot, pair, holding, basis.bps, now, params)
    if purpose == 0:
        return
    qty = closing_qty(bot, pair, holding, params)
    if qty > 0.0:
        if purpose != Purpose.LEAVE:
            holding.blocked_no = holding.bought_no
        buy_no = 1 - holding.bought_no
        edge = edge_bps(pair[buy_no], pair[1 - buy_no]) - (basis.bps if buy_no == 0 else -basis.bps)
        _begin(bot, recorder, state, pair_no, purpose, buy_no, qty, edge, now, params)


@njit
def _begin(bot, recorder, state, pair_no, purpose, buy_no, qty, edge, now, params):
    """Begins an attempt, and stores the values that the risk rules compare with afterwards."""
    attempt = state.attempts[pair_no]
    pair = _pair(state.legs, pair_no)
    look(bot, state.risks[0], state.legs, now, params)
    attempt.profit_before = profit_of(bot, pair)
    number = begin_attempt(state.risks[0], state.begun, now)
    begin(bot, recorder, attempt, pair, number, purpose, buy_no, qty, edge, params)


@njit
def _obstacle(bot, state, pair_no, buy_no, was_busy, edge, now, params):
    """What forbids an attempt now, apart from its size: a `Missed` reason, TAKEN if nothing."""
    attempt, holding = state.attempts[pair_no], state.holdings[pair_no]
    if was_busy or attempt.phase != IDLE or not _is_all_counted(bot, _pair(state.legs, pair_no)):
        return np.int64(Missed.BUSY)
    if params.is_convergence and holding.bought_no == 1 - buy_no:
        return np.int64(Missed.BUSY)  # the opposite spread is open: it is closed first
    if holding.blocked_no == buy_no:
        return np.int64(Missed.STOPPED)
    if not edge <= params.max_edge_bps:
        return np.int64(Missed.DISTRUSTED)
    if now - attempt.last_ts < params.attempt_interval_ns:
        return np.int64(Missed.INTERVAL)
    if is_stale(bot, _pair(state.legs, pair_no), now, params):
        return np.int64(Missed.STALE)
    return obstacle(state.risks[0], state.begun, now, params)


@njit
def is_stale(bot, pair, now, params):
    """Whether either book has been silent too long, or its last data was too old on arrival."""
    for leg in pair:
        latency = bot.feed_latency(leg.asset)
        if latency is None:
            return True
        exch_ts, local_ts = latency
        if now - local_ts > params.stale_after_ns or local_ts - exch_ts > params.stale_after_ns:
            return True
    return False
