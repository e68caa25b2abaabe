"""An example strategy in one file: buys on the cheaper leg, sells on the dearer one, and hedges unequal fills.

Copy it and change it; examples/README.md has the command. It takes the edge across both touches with two IOC orders and
hedges an unfilled one with further IOC orders. `arb.strategies.spread.strategy` does the same with more safeguards.
Everything here is compiled with Numba and runs on one thread.
"""

import numpy as np
from hftbacktest.order import IOC, LIMIT, NONE
from numba import njit

from arb.bot.codes import END_OF_DATA, LIMIT_EXCEEDED, OK, ORDER_RESPONSE
from arb.strategies.spread.decisions import Decision, Outcome

#: Defaults of `params`; `--set strategy.params.NAME=VALUE` overrides any of them.
PARAMS = {
    # Net of both taker fees.
    "edge_bps_min": 1.0,
    # Order quantity in base units: a multiple of both venues' lots, at least their minimum quantity and value.
    "qty": 0.01,
    # Largest position of a leg, long or short, in base units. A spot leg must hold as much before the run.
    "position_max": 0.5,
    # Hedging orders in a row that may fail before the strategy halts.
    "hedges_max": 20,
    "record_interval_ns": 1_000_000_000,
    # Facts of the configuration, filled in by their names; docs/strategy.md lists them all.
    "slippage_tolerance": 0.0005,
    "order_timeout_ns": 1_000_000_000,
    "attempt_interval_ns": 100_000_000,
    "stale_after_ns": 2_000_000_000,
    "common_lot": 0.001,
    "taker_fee_0": 0.001,
    "taker_fee_1": 0.001,
}

#: In addition to the bot's codes: no response to an order in time.
IN_DOUBT = -1


@njit
def run(bot, params, recorder):
    """Trades until the end of the data. Returns an `Outcome`: HALTED (exit code 3) if a person must intervene."""
    attempt, hedges, buy_leg = 0, 0, 0
    next_record, next_attempt = 0, 0
    order_id = 1  # of the next order; never reused
    code = OK
    while code != END_OF_DATA:
        code = bot.wait_next_feed(True, params.record_interval_ns)
        if code > ORDER_RESPONSE:
            raise RuntimeError("the bot failed: arb.bot.codes tells why")
        now = bot.current_timestamp
        if code == END_OF_DATA or now >= next_record:
            recorder.record(bot)
            next_record = now + params.record_interval_ns
        # Position limits add up all orders in the dictionary at every submit, so remove the finished ones.
        bot.clear_inactive_orders(0)
        bot.clear_inactive_orders(1)
        if code == END_OF_DATA or not (is_ready(bot, params, 0) and is_ready(bot, params, 1)):
            continue

        net = imbalance(bot, params)
        if net == 0.0:
            hedges = 0
        if net != 0.0:  # one order of a pair was not filled: hedge it on the cheaper leg
            hedges += 1
            if hedges > params.hedges_max:
                return halt(bot, recorder, attempt, net)
            leg = best_leg(bot, params, net < 0.0)
            code = send(bot, recorder, Decision.CHASE, attempt, leg, order_id, -net, params)
            if code == OK:
                code = await_answer(bot, leg, order_id, params)
            if code == OK and imbalance(bot, params) == 0.0:
                # The missing order was filled late, or the other one was traded back.
                what = Decision.HEDGED if (leg == buy_leg) == (net < 0.0) else Decision.REVERSED
                recorder.decide(bot.current_timestamp, what, attempt, leg, 0, np.abs(net))
            order_id += 1
        elif now >= next_attempt:  # a persistent edge would use up the order rate of [risk] at once
            buy_leg = best_leg(bot, params, True)
            edge = edge_bps(bot, params, buy_leg)
            # False on NaN, so that an unknown edge is not traded.
            if edge > params.edge_bps_min and has_room(bot, params, buy_leg):
                attempt += 1
                next_attempt = now + params.attempt_interval_ns
                recorder.decide(now, Decision.ATTEMPT, attempt, buy_leg, 0, edge)
                code = take(bot, recorder, attempt, buy_leg, order_id, params)
                order_id += 2
        if code == IN_DOUBT:  # whether it was filled is unknown: another order might double it
            return halt(bot, recorder, attempt, net)
    return np.int64(Outcome.ENDED)


@njit
def take(bot, recorder, attempt, buy_leg, order_id, params):
    """Sends both orders at once, since the edge may vanish. Returns a code of the bot, or IN_DOUBT."""
    sell_leg = 1 - buy_leg
    before = bot.position(buy_leg), bot.position(sell_leg)
    code = send(bot, recorder, Decision.OPEN, attempt, buy_leg, order_id, params.qty, params)
    if code != OK:
        return code  # do not open the second leg alone
    sold = send(bot, recorder, Decision.OPEN, attempt, sell_leg, order_id + 1, -params.qty, params)
    code = await_answer(bot, buy_leg, order_id, params)
    if sold == OK and code == OK:
        code = await_answer(bot, sell_leg, order_id + 1, params)
    if code == OK and imbalance(bot, params) == 0.0:
        is_filled = bot.position(buy_leg) > before[0] and bot.position(sell_leg) < before[1]
        what = Decision.HEDGED if is_filled else Decision.MISSED
        recorder.decide(bot.current_timestamp, what, attempt, buy_leg, 0, params.qty if is_filled else 0.0)
    return code


@njit
def send(bot, recorder, what, attempt, leg, order_id, qty, params):
    """Sends an IOC limit order at the touch plus slippage tolerance; buys `qty`, or sells if it is negative."""
    depth = bot.depth(leg)
    tick = depth.tick_size
    if qty > 0.0:
        px = np.floor(depth.best_ask * (1.0 + params.slippage_tolerance) / tick) * tick
        code = bot.submit_buy_order(leg, order_id, px, qty, IOC, LIMIT, False)
    else:
        px = np.ceil(depth.best_bid * (1.0 - params.slippage_tolerance) / tick) * tick
        code = bot.submit_sell_order(leg, order_id, px, -qty, IOC, LIMIT, False)
    if code == OK:
        recorder.decide(bot.current_timestamp, what, attempt, leg, order_id, px)
    elif code == LIMIT_EXCEEDED:  # a limit of [risk] refused the order: nothing was sent
        recorder.decide(bot.current_timestamp, Decision.REFUSED, attempt, leg, order_id, code)
    else:
        raise RuntimeError("an order was not taken: arb.bot.codes tells why")
    return code


@njit
def await_answer(bot, leg, order_id, params):
    """Waits for the response to an order. Returns OK, END_OF_DATA or IN_DOUBT."""
    order = bot.orders(leg).get(order_id)
    if order is not None and order.req == NONE:
        return OK  # received while waiting for the other leg; waiting again would take the whole timeout
    if bot.wait_order_response(leg, order_id, params.order_timeout_ns) == END_OF_DATA:
        return END_OF_DATA
    order = bot.orders(leg).get(order_id)  # get it again: an order is valid only until the next wait
    return OK if order is not None and order.req == NONE else IN_DOUBT


@njit
def halt(bot, recorder, attempt, net):
    """Logs the imbalance and halts."""
    recorder.decide(bot.current_timestamp, Decision.HALTED, attempt, -1, 0, net)
    recorder.record(bot)
    return np.int64(Outcome.HALTED)


@njit
def is_ready(bot, params, leg):
    """Whether a leg has a touch to trade on: known (not NaN), not crossed, and not silent for too long."""
    depth = bot.depth(leg)
    latency = bot.feed_latency(leg)
    if latency is None or not (depth.best_bid > 0.0 and depth.best_ask > depth.best_bid):
        return False
    _, local_ts = latency
    return bot.current_timestamp - local_ts <= params.stale_after_ns


@njit
def imbalance(bot, params):
    """Sum of both positions in base units, rounded to whole lots; zero if they are hedged."""
    lots = np.round((bot.position(0) + bot.position(1)) / params.common_lot)
    return lots * params.common_lot


@njit
def best_leg(bot, params, is_buy):
    """The leg with the lowest buy price or the highest sell price, taker fee included."""
    if is_buy:
        px_0 = bot.depth(0).best_ask * (1.0 + params.taker_fee_0)
        px_1 = bot.depth(1).best_ask * (1.0 + params.taker_fee_1)
        return 0 if px_0 <= px_1 else 1
    px_0 = bot.depth(0).best_bid * (1.0 - params.taker_fee_0)
    px_1 = bot.depth(1).best_bid * (1.0 - params.taker_fee_1)
    return 0 if px_0 >= px_1 else 1


@njit
def edge_bps(bot, params, buy_leg):
    """The edge of buying on this leg and selling on the other, in bps of the buy price, net of both taker fees."""
    ask, bid = bot.depth(buy_leg).best_ask, bot.depth(1 - buy_leg).best_bid
    buy_fee = params.taker_fee_0 if buy_leg == 0 else params.taker_fee_1
    sell_fee = params.taker_fee_1 if buy_leg == 0 else params.taker_fee_0
    return 1e4 * (bid * (1.0 - sell_fee) - ask * (1.0 + buy_fee)) / ask


@njit
def has_room(bot, params, buy_leg):
    """Whether both touches show the quantity, and both positions stay within `position_max`."""
    sell_leg = 1 - buy_leg
    is_shown = (
        bot.depth(buy_leg).best_ask_qty >= params.qty and bot.depth(sell_leg).best_bid_qty >= params.qty
    )
    return (
        is_shown
        and bot.position(buy_leg) + params.qty <= params.position_max
        and bot.position(sell_leg) - params.qty >= -params.position_max
    )
