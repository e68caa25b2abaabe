"""One attempt, from its two opening orders to flat or halted: open, chase the short leg, reverse the long one, halt.

Every order is an IOC limit, so nothing rests, and none is larger than the touch. Fills are counted from the orders' own
quantities, a purchase by what is received: where its fee is taken from the base, orders are larger by the fee. The
missing quantity of one leg is chased within the slippage tolerance of the attempt's decision price, in a bounded number
of orders and until the bound on unhedged time; then the surplus of the other leg is traded back at market prices,
within a band that widens, without a touch at the last known prices; while its orders are refused, the short leg is
brought up instead; if none of this succeeds, the strategy halts. A surplus too small for any order of the leg that
could still trade is left, and counts in the next attempt.

While an order is not answered its outcome is in doubt: nothing is sent, and the attempt goes on with the answer.
Without one for too long the strategy halts. Positions that differ from what was counted
(`arb.strategies.spread.uncounted`) are hedged like fills.
"""

from __future__ import annotations

import numpy as np
from hftbacktest.order import BUY, IOC, LIMIT, REJECTED, SELL
from numba import njit

from arb.strategies.spread.answers import ANSWERED, IN_PARTS, answer_of
from arb.strategies.spread.decisions import Decision
from arb.strategies.spread.sizing import (
    floor_to_lot,
    is_large_enough,
    limit_price,
    opening_qty,
    order_qty,
)
from arb.strategies.spread.touch import is_quoted
from arb.strategies.spread.uncounted import carry, price_within, take_difference, tradable_qty

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
        # Nothing is chased before this time.
        ("chase_ts", "i8"),
        # Orders that chased in this attempt.
        ("chases", "i8"),
        # When its last order was sent; its first execution, 0 for none; how often its reversal has had more time after
        # a doubt.
        ("sent_ts", "i8"),
        ("exposed_ts", "i8"),
        ("extensions", "i8"),
        # Whether the bot refused an order in the last step.
        ("is_refused", "i8"),
        # The last known mid of the pair's second leg, relative to that of the first; 0 before the first attempt.
        ("mid_ratio", "f8"),
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

#: How often an attempt has another timeout because the last one passed without an answer.
EXTENSIONS_MAX = 10

#: How long a refused chase or reversal waits before it is resent; twice as long after each further refusal in a row,
#: this many times.
RESEND_NS = 20_000_000
RESENDS_DOUBLED_MAX = 5

#: How long after the sending of an order that expires its leg sends no other one. Without latencies it would be sent
#: again at the same time for ever, at a touch that the venue has left.
EXPIRED_NS = 1_000_000

#: A leg that was refused so often in a row is not chased any longer.
REFUSALS_MAX = 2

#: A time that does not come.
_NEVER = np.iinfo(np.int64).max


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
        attempt.is_refused = 1
        _put_off(legs[leg_no], now)
        return False
    attempt.sent_ts = now
    attempt.next_order_id = order_id + np.uint64(1)
    legs[leg_no].order_id = order_id
    recorder.decide(now, code, attempt.number, asset, order_id, px)
    return True


@njit
def begin(bot, recorder, attempt, legs, number, purpose, buy_no, qty, edge, params):
    """Begins an attempt: opens both legs at once, each within the slippage tolerance of its touch.

    Without a quantity nothing is opened: the residual is hedged.
    """
    now = bot.current_timestamp
    sell_no = 1 - buy_no
    attempt.number = number
    attempt.purpose = purpose
    attempt.last_ts = now
    attempt.qty = qty
    attempt.reversals = attempt.chases = attempt.extensions = attempt.is_refused = 0
    attempt.chase_ts = 0
    attempt.exposed_ts = 0 if qty > 0.0 else now
    attempt.undone_qty = 0.0
    attempt.deadline = now + np.int64(params.order_timeout_ns)
    _note_relation(attempt, legs)
    recorder.decide(now, Decision.ATTEMPT, number, legs[buy_no].asset, np.uint64(purpose), edge)
    for leg_no in range(2):
        leg = legs[leg_no]
        leg.side = BUY if leg_no == buy_no else SELL
        leg.reference_px = leg.ask if leg_no == buy_no else leg.bid
        if not leg.reference_px > 0.0:
            leg.reference_px = leg.mark
        # The residual of earlier attempts counts as filled.
        leg.filled_qty = max(0.0, leg.side * attempt.residual)
        leg.attempt_qty = qty if qty > 0.0 else abs(attempt.residual)
        leg.order_id = 0
        leg.refusals = leg.resend_ts = 0
    attempt.phase = OPENING
    if not qty > 0.0:
        return
    for leg_no in (buy_no, sell_no):
        leg = legs[leg_no]
        px = limit_price(leg.side, leg.reference_px, params.slippage_tolerance, leg.tick_size)
        own_qty = opening_qty(leg, qty) if leg.side == BUY else qty
        if not send(bot, recorder, attempt, legs, leg_no, leg.side, px, own_qty, Decision.OPEN):
            break  # never opens a single second leg on purpose


@njit
def advance(bot, recorder, attempt, legs, params):
    """Advances the attempt as far as the answered orders and the touches allow."""
    now = bot.current_timestamp
    attempt.is_refused = 0
    _note_relation(attempt, legs)
    is_answer = legs[0].order_id != 0 or legs[1].order_id != 0
    if not _settle(bot, recorder, attempt, legs, now):
        if now >= attempt.sent_ts + np.int64(params.in_doubt_max_ns):
            _halt(recorder, attempt, legs, now)  # the result of an order remains unknown
        return
    _count_differences(bot, recorder, attempt, legs, now)
    long_no = 0 if legs[0].filled_qty > legs[1].filled_qty else 1
    surplus = legs[long_no].filled_qty - legs[1 - long_no].filled_qty
    long, short = legs[long_no], legs[1 - long_no]
    chase_px = price_within(short.side, short.reference_px, params.slippage_tolerance, short.tick_size)
    chase_qty = tradable_qty(short, long, short.side, surplus, chase_px)
    reverse_px = _reversal_price(attempt, legs, long_no, -long.side, params)
    reverse_qty = tradable_qty(long, short, -long.side, surplus, reverse_px)
    is_overdue = now >= _overdue_ts(attempt, params)
    if attempt.phase == OPENING:
        _enter(attempt, CHASING, now, params)
        if reverse_qty > 0.0:
            recorder.decide(now, Decision.IMBALANCE, attempt.number, legs[long_no].asset, 0, surplus)
    if attempt.phase == CHASING and (
        is_overdue
        or now >= attempt.deadline
        or not chase_qty > 0.0
        or attempt.chases >= params.max_chases
        or short.refusals >= REFUSALS_MAX
    ):
        _enter(attempt, REVERSING, now, params)
    if attempt.phase == CHASING:
        if now >= max(short.resend_ts, attempt.chase_ts):
            _chase(bot, recorder, attempt, legs, 1 - long_no, chase_px, chase_qty, params)
        return
    if not reverse_qty > 0.0:
        _end(bot, recorder, attempt, legs, now)
        return
    timeout_ns = np.int64(params.order_timeout_ns)
    is_late_answer = is_answer and 2 * (now - attempt.sent_ts) >= timeout_ns
    if now >= attempt.deadline and is_late_answer and attempt.extensions < EXTENSIONS_MAX:
        # Nothing could be sent in the time in doubt. Not for ever, so that an attempt has an end.
        attempt.extensions += 1
        attempt.deadline = now + timeout_ns
    if now >= attempt.deadline:
        _halt(recorder, attempt, legs, now)
    elif now >= long.resend_ts:
        _reverse(bot, recorder, attempt, legs, long_no, reverse_px, reverse_qty, is_overdue, params)
    elif long.refusals >= REFUSALS_MAX and now >= short.resend_ts:
        _complete(bot, recorder, attempt, legs, 1 - long_no, surplus, params)


@njit
def due_ts(attempt, legs, now, params):
    """The attempt's next deadline after `now`; the next ns after a refusal, since nothing else need follow it."""
    if attempt.is_refused != 0:
        return now + 1
    due = np.int64(_NEVER)
    for ts in (
        attempt.deadline,
        attempt.chase_ts,
        legs[0].resend_ts,
        legs[1].resend_ts,
        _overdue_ts(attempt, params),
        attempt.sent_ts + np.int64(params.in_doubt_max_ns),
    ):
        if ts > now:
            due = min(due, ts)
    return due


@njit
def _note_relation(attempt, legs):
    """Keeps the relation of both mids while both are known."""
    if is_quoted(legs[0]) and is_quoted(legs[1]):
        attempt.mid_ratio = (legs[1].bid + legs[1].ask) / (legs[0].bid + legs[0].ask)


@njit
def _enter(attempt, phase, now, params):
    """Starts a phase, with a timeout of its own."""
    attempt.phase = phase
    attempt.deadline = now + np.int64(params.order_timeout_ns)


@njit
def _overdue_ts(attempt, params):
    """From when on the long leg is reversed: the bound on unhedged time, from the attempt's first execution on."""
    if attempt.exposed_ts == 0:
        return np.int64(_NEVER)
    bound = np.int64(params.order_timeout_ns)
    if params.unhedged_max_ns > 0:
        bound = min(bound, np.int64(params.unhedged_max_ns))
    return attempt.exposed_ts + bound


@njit
def _put_off(leg, now):
    """Counts a refusal of a leg's order, and delays its next one."""
    leg.resend_ts = now + (RESEND_NS << min(leg.refusals, RESENDS_DOUBLED_MAX))
    leg.refusals += 1


@njit
def _settle(bot, recorder, attempt, legs, now):
    """Counts the fills of the answered orders; returns whether no order is unanswered."""
    is_settled = True
    for leg_no in range(2):
        leg = legs[leg_no]
        if leg.order_id == 0:
            continue
        answer = answer_of(bot, leg)
        if answer != ANSWERED:
            if attempt.exposed_ts == 0 and answer == IN_PARTS:
                attempt.exposed_ts = now
            is_settled = False
            continue
        order = bot.orders(leg.asset).get(leg.order_id)
        if order is None:
            continue
        filled = order.qty - order.leaves_qty
        # What was refused on its way, or by the venue, has no time at the venue.
        if not filled > 0.0 and (order.status == REJECTED or order.exch_timestamp <= 0):
            _put_off(leg, now)
        else:
            leg.refusals = 0
            if not filled > 0.0:
                leg.resend_ts = max(leg.resend_ts, attempt.sent_ts + EXPIRED_NS)
        if filled > 0.0 and attempt.exposed_ts == 0:
            attempt.exposed_ts = now
        if order.side == BUY:
            leg.ask_taken += filled
            base_fee = filled * leg.base_fee
            leg.paid_base += base_fee
            filled -= base_fee
        else:
            leg.bid_taken += filled
        leg.counted_qty += order.side * filled
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
def _count_differences(bot, recorder, attempt, legs, now):
    """Counts as filled what the positions have beyond the counted fills."""
    for leg_no in range(2):
        leg = legs[leg_no]
        difference = take_difference(bot, recorder, leg, attempt.number, now)
        if difference != 0.0:
            leg.filled_qty += leg.side * difference
            if attempt.exposed_ts == 0:
                attempt.exposed_ts = now


@njit
def _chase(bot, recorder, attempt, legs, leg_no, px, qty, params):
    """Sends an order for the missing quantity if the touch is within the tolerance of the attempt's price."""
    leg = legs[leg_no]
    is_within = leg.ask <= px if leg.side == BUY else leg.bid >= px
    qty = _sendable(leg, leg.side, px, qty, leg.ask_qty if leg.side == BUY else leg.bid_qty, params)
    if is_within and qty > 0.0:
        send(bot, recorder, attempt, legs, leg_no, leg.side, px, qty, Decision.CHASE)
        attempt.chases += 1
        attempt.chase_ts = bot.current_timestamp + np.int64(params.chase_interval_ns)


@njit
def _reversal_price(attempt, legs, leg_no, side, params):
    """The limit of an order that undoes an imbalance: within a band of its touch, which widens with each order.

    While the touch is unknown, of the other leg's mid and their last known relation; without that of its last mid.
    """
    leg, other = legs[leg_no], legs[1 - leg_no]
    px = leg.ask if side == BUY else leg.bid
    if not px > 0.0:
        px = leg.mark
        if is_quoted(other) and attempt.mid_ratio > 0.0:
            px = 0.5 * (other.bid + other.ask)
            px = px / attempt.mid_ratio if leg_no == 0 else px * attempt.mid_ratio
    band = params.slippage_tolerance * min(attempt.reversals + 1, REVERSAL_BANDS_MAX)
    if params.price_band > 0.0:
        # A session's gate refuses what is beyond.
        band = min(band, params.price_band)
    return price_within(side, px, band, leg.tick_size)


@njit
def _reverse(bot, recorder, attempt, legs, leg_no, px, qty, is_overdue, params):
    """Reverses the surplus of a leg at the touch; once the bound is reached, without a known touch, too."""
    leg = legs[leg_no]
    side = -leg.side
    touch, shown = (leg.ask, leg.ask_qty) if side == BUY else (leg.bid, leg.bid_qty)
    if not (touch > 0.0 and shown > 0.0):
        if not is_overdue:
            return
        shown = np.inf
    qty = _sendable(leg, side, px, qty, shown, params)
    if qty > 0.0 and send(bot, recorder, attempt, legs, leg_no, side, px, qty, Decision.REVERSE):
        attempt.reversals += 1


@njit
def _complete(bot, recorder, attempt, legs, leg_no, surplus, params):
    """Brings the short leg up at its touch, since orders that reverse the long one are refused, as by a venue that
    takes none."""
    leg = legs[leg_no]
    px = _reversal_price(attempt, legs, leg_no, leg.side, params)
    qty = tradable_qty(leg, legs[1 - leg_no], leg.side, surplus, px)
    qty = _sendable(leg, leg.side, px, qty, leg.ask_qty if leg.side == BUY else leg.bid_qty, params)
    if qty > 0.0 and send(bot, recorder, attempt, legs, leg_no, leg.side, px, qty, Decision.CHASE):
        attempt.reversals += 1


@njit
def _sendable(leg, side, px, qty, shown, params):
    """The part of `qty` for one order at `px`, in whole lots, of which `shown` can be traded; 0 if that is unknown or
    too small.

    The simulated exchange fills an order whole at the touch, whatever its size: a fill beyond the displayed quantity
    would be unrealistic. An order above the order-level limits would be refused, and the leg left unhedged.
    """
    if not shown > 0.0:
        return 0.0
    # The limits value a sale below the bid at the bid.
    value = (leg.bid if side == SELL and leg.bid > px else px) * leg.contract_size
    qty = floor_to_lot(order_qty(min(qty, shown), value, params), leg.lot_size)
    return qty if is_large_enough(leg, qty, px) else 0.0


@njit
def _end(bot, recorder, attempt, legs, now):
    attempt.phase = IDLE
    legs[0].attempt_qty = legs[1].attempt_qty = 0.0
    qty = min(legs[0].filled_qty, legs[1].filled_qty)
    carry(recorder, attempt, legs, _surplus_bought(legs), attempt.number, now)
    lot_size = min(legs[0].lot_size, legs[1].lot_size)
    # Of a lot that was bought, less than one may have been received.
    attempt.is_hedged = floor_to_lot(qty / (1.0 - max(legs[0].base_fee, legs[1].base_fee)), lot_size) > 0.0
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
