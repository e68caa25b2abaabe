"""One attempt, from its two opening orders to flat or halted: open, chase the short leg, reverse the long one, halt.

Every order is an IOC limit, so nothing rests, and none is larger than the touch. Fills are counted from the orders' own
quantities, a purchase by what is received: where its fee is taken from the base, orders are larger by the fee. The
missing quantity of one leg is chased within the slippage tolerance of the attempt's decision price,
until the deadline; then the surplus of the other leg is traded back at market prices, within a band that widens; if
that does not succeed either, the strategy halts. A surplus too small for any order of the leg that could still trade is
left, and counts in the next attempt. An order that is never answered is in doubt: nothing is sent after it, and the
strategy halts.
"""

from __future__ import annotations

import numpy as np
from hftbacktest.order import BUY, IOC, LIMIT, NEW, NONE, PARTIALLY_FILLED, SELL
from numba import njit

from arb.strategies.spread.decisions import Decision
from arb.strategies.spread.sizing import (
    bought_lots,
    ceil_to_lot,
    floor_to_lot,
    is_large_enough,
    limit_price,
    opening_qty,
    order_qty,
)

#: Phases of the attempt.
IDLE, OPENING, CHASING, REVERSING, HALTED = 0, 1, 2, 3, 4

#: The attempt in progress; its fills are in the records of the legs.
ATTEMPT = np.dtype(
    [
        ("phase", "i8"),
        ("number", "i8"),
        # A `Purpose`.
        ("purpose", "i8"),
        # When the last attempt began.
        ("last_ts", "i8"),
        ("qty", "f8"),
        ("deadline", "i8"),
        ("next_order_id", "u8"),
        ("reversals", "i8"),
        # Quantity that reversals have traded back.
        ("undone_qty", "f8"),
        # After a refusal nothing is sent before this time.
        ("resend_ts", "i8"),
        # Whether the last attempt ended with both legs filled.
        ("is_hedged", "i8"),
        # Base that earlier attempts bought less what they sold, too small to be traded so far.
        ("residual", "f8"),
        # The pair's profit before the current attempt.
        ("profit_before", "f8"),
    ],
    align=True,
)

#: The band of a reversal grows by one slippage tolerance with each order, up to this many.
REVERSAL_BANDS_MAX = 10

#: How long a refused chase or reversal waits before it is resent.
RESEND_NS = 20_000_000


@njit
def send(bot, recorder, attempt, legs, leg_no, side, px, qty, code):
    """Sends one IOC limit of an attempt and logs it; returns whether it was sent. `px` is already on a tick."""
    now = bot.current_timestamp
    order_id = attempt.next_order_id
    asset = legs[leg_no].asset
    if side == BUY:
        result = bot.submit_buy_order(asset, order_id, px, qty, IOC, LIMIT, False)
    else:
        result = bot.submit_sell_order(asset, order_id, px, qty, IOC, LIMIT, False)
    if result != 0:
        recorder.decide(now, Decision.REFUSED, attempt.number, asset, order_id, result)
        attempt.resend_ts = now + RESEND_NS
        return False
    attempt.next_order_id = order_id + np.uint64(1)
    legs[leg_no].order_id = order_id
    recorder.decide(now, code, attempt.number, asset, order_id, px)
    return True


@njit
def begin(bot, recorder, attempt, legs, number, purpose, buy_no, qty, edge, params):
    """Opens an attempt: both legs at once, each within the slippage tolerance of its touch."""
    now = bot.current_timestamp
    sell_no = 1 - buy_no
    attempt.number = number
    attempt.purpose = purpose
    attempt.last_ts = now
    attempt.qty = qty
    attempt.reversals = 0
    attempt.undone_qty = 0.0
    attempt.deadline = now + np.int64(params.order_timeout_ns)
    recorder.decide(now, Decision.ATTEMPT, number, legs[buy_no].asset, np.uint64(purpose), edge)
    for leg_no in range(2):
        leg = legs[leg_no]
        leg.side = BUY if leg_no == buy_no else SELL
        leg.reference_px = leg.ask if leg_no == buy_no else leg.bid
        # The residual of earlier attempts counts as filled.
        leg.filled_qty = max(0.0, leg.side * attempt.residual)
        leg.attempt_qty = qty
        leg.order_id = 0
    for leg_no in (buy_no, sell_no):
        leg = legs[leg_no]
        px = limit_price(leg.side, leg.reference_px, params.slippage_tolerance, leg.tick_size)
        own_qty = opening_qty(leg, qty) if leg.side == BUY else qty
        if not send(bot, recorder, attempt, legs, leg_no, leg.side, px, own_qty, Decision.OPEN):
            break  # never opens a single second leg on purpose
    attempt.phase = OPENING


@njit
def advance(bot, recorder, attempt, legs, params):
    """Advances the attempt as far as the answered orders and the touches allow."""
    now = bot.current_timestamp
    if not _settle(bot, recorder, attempt, legs, now):
        if now >= attempt.deadline + np.int64(params.order_timeout_ns):
            _halt(recorder, attempt, legs, now)  # in doubt: the order's result is unknown
        return
    long_no = 0 if legs[0].filled_qty > legs[1].filled_qty else 1
    surplus = legs[long_no].filled_qty - legs[1 - long_no].filled_qty
    long, short = legs[long_no], legs[1 - long_no]
    chase_qty = _tradable(short, long, short.side, surplus)
    reverse_qty = _tradable(long, short, -long.side, surplus)
    if attempt.phase == OPENING:
        _enter(attempt, CHASING, now, params)
        if reverse_qty > 0.0:
            recorder.decide(now, Decision.IMBALANCE, attempt.number, legs[long_no].asset, 0, surplus)
    if attempt.phase == CHASING and (now >= attempt.deadline or not chase_qty > 0.0):
        _enter(attempt, REVERSING, now, params)
    if attempt.phase == CHASING:
        if now >= attempt.resend_ts:
            _chase(bot, recorder, attempt, legs, 1 - long_no, chase_qty, params)
    elif not reverse_qty > 0.0:
        _end(bot, recorder, attempt, legs, now)
    elif now >= attempt.deadline:
        _halt(recorder, attempt, legs, now)
    elif now >= attempt.resend_ts:
        _reverse(bot, recorder, attempt, legs, long_no, reverse_qty, params)


@njit
def wait_ns(attempt, now, idle_ns, params):
    """How long the strategy may wait: until the attempt's next deadline, at most `idle_ns`.

    After its deadline an attempt only waits for an answer, for one more timeout.
    """
    if attempt.phase == IDLE:
        return idle_ns
    due = attempt.deadline if now < attempt.deadline else attempt.deadline + np.int64(params.order_timeout_ns)
    if attempt.resend_ts > now:
        due = min(due, attempt.resend_ts)
    return max(np.int64(1), min(idle_ns, due - now))


@njit
def _enter(attempt, phase, now, params):
    """Starts a phase, with a timeout of its own."""
    attempt.phase = phase
    attempt.deadline = now + np.int64(params.order_timeout_ns)


@njit
def _settle(bot, recorder, attempt, legs, now):
    """Counts the fills of the answered orders; returns whether no order is unanswered."""
    is_settled = True
    for leg_no in range(2):
        leg = legs[leg_no]
        if leg.order_id == 0:
            continue
        order = bot.orders(leg.asset).get(leg.order_id)
        if order is None or order.req != NONE or order.status in (NONE, NEW, PARTIALLY_FILLED):
            is_settled = False
            continue
        filled = order.qty - order.leaves_qty
        if order.side == BUY:
            leg.ask_taken += filled
            base_fee = filled * leg.base_fee
            leg.paid_base += base_fee
            filled -= base_fee
        else:
            leg.bid_taken += filled
        # A reversal reduces its leg's fills.
        if order.side == leg.side:
            leg.filled_qty += filled
        else:
            leg.filled_qty -= filled
            attempt.undone_qty += filled
        if order.leaves_qty > 0.0:
            recorder.decide(now, Decision.EXPIRED, attempt.number, leg.asset, leg.order_id, order.leaves_qty)
        leg.order_id = 0
    return is_settled


@njit
def _chase(bot, recorder, attempt, legs, leg_no, qty, params):
    """Sends an order for the missing quantity if the touch is within the tolerance of the attempt's price."""
    leg = legs[leg_no]
    px = limit_price(leg.side, leg.reference_px, params.slippage_tolerance, leg.tick_size)
    is_within = leg.ask <= px if leg.side == BUY else leg.bid >= px
    qty = _sendable(leg, leg.side, px, qty, params)
    if is_within and qty > 0.0:
        send(bot, recorder, attempt, legs, leg_no, leg.side, px, qty, Decision.CHASE)


@njit
def _reverse(bot, recorder, attempt, legs, leg_no, qty, params):
    """Reverses the surplus of a leg at the touch, in a band that widens with each order."""
    leg = legs[leg_no]
    side = -leg.side
    touch = leg.ask if side == BUY else leg.bid
    if not touch > 0.0:
        return  # the book is unknown: wait for it, or for the deadline
    band = params.slippage_tolerance * min(attempt.reversals + 1, REVERSAL_BANDS_MAX)
    px = limit_price(side, touch, band, leg.tick_size)
    qty = _sendable(leg, side, px, qty, params)
    if qty > 0.0 and send(bot, recorder, attempt, legs, leg_no, side, px, qty, Decision.REVERSE):
        attempt.reversals += 1


@njit
def _tradable(leg, other, side, surplus):
    """The order of this leg that trades as much as possible of a surplus, at the attempt's decision price."""
    if (leg.base_fee != 0.0 or other.base_fee != 0.0) and leg.lot_size > other.lot_size:
        # Fees in base leave parts of lots: of 49.9995 lots all 50 are traded, not 49.
        surplus = ceil_to_lot(surplus, other.lot_size)
    qty = bought_lots(leg, surplus) if side == BUY else floor_to_lot(surplus, leg.lot_size)
    return qty if is_large_enough(leg, qty, leg.reference_px) else 0.0


@njit
def _sendable(leg, side, px, qty, params):
    """The part of `qty` for one order at `px`, in whole lots; 0 if the touch is unknown or the quantity too small.

    The simulated exchange fills an order whole at the touch, whatever its size: a fill beyond the displayed quantity
    would be unrealistic. An order above the order-level limits would be refused, and the leg left unhedged.
    """
    shown = leg.ask_qty if side == BUY else leg.bid_qty
    if not shown > 0.0:
        return 0.0
    # The limits value a sale below the bid at the bid.
    value = (px if side == BUY else max(px, leg.bid)) * leg.contract_size
    qty = floor_to_lot(order_qty(min(qty, shown), value, params), leg.lot_size)
    return qty if is_large_enough(leg, qty, leg.reference_px) else 0.0


@njit
def _end(bot, recorder, attempt, legs, now):
    attempt.phase = IDLE
    legs[0].attempt_qty = legs[1].attempt_qty = 0.0
    qty = min(legs[0].filled_qty, legs[1].filled_qty)
    attempt.residual = _surplus_bought(legs)
    lot_size = min(legs[0].lot_size, legs[1].lot_size)
    # Of a lot that was bought, less than one may have been received.
    attempt.is_hedged = floor_to_lot(qty / (1.0 - max(legs[0].base_fee, legs[1].base_fee)), lot_size) > 0.0
    for leg_no in range(2):
        legs[leg_no].due_qty = -attempt.residual if legs[leg_no].base_fee != 0.0 else 0.0
    if attempt.is_hedged:
        recorder.decide(now, Decision.HEDGED, attempt.number, -1, 0, qty)
    elif attempt.undone_qty > 0.0:
        recorder.decide(now, Decision.REVERSED, attempt.number, -1, 0, attempt.undone_qty)
    else:
        recorder.decide(now, Decision.MISSED, attempt.number, -1, 0, 0.0)
    bot.clear_inactive_orders(legs[0].asset)
    bot.clear_inactive_orders(legs[1].asset)
    recorder.record(bot)


@njit
def _halt(recorder, attempt, legs, now):
    attempt.phase = HALTED
    recorder.decide(now, Decision.HALTED, attempt.number, -1, 0, _surplus_bought(legs))


@njit
def _surplus_bought(legs):
    """Base that the legs bought less what they sold, by the answered orders."""
    return legs[0].side * legs[0].filled_qty + legs[1].side * legs[1].filled_qty
