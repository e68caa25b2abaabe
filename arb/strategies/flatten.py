"""Closes the positions of a halted strategy: the host trades them back to those at the start of the run.

Runs on the strategy's thread, over the strategy's bot, after the strategy has returned: the same code and limits in
every world. Sends only IOC limit orders within a price band, none larger than the position or the touch, and a bounded
number. A bot's positions count from the start of the run, so flat means the initial inventory on spot and no position
on perpetuals. Each order is logged as a FLATTEN decision, which identifies its fill.

The legs of a pair are closed together. A leg that cannot be closed now (its book is unknown, its orders are refused)
keeps its hedge, and while an order of a pair is without an answer nothing is sent for the pair: it may be executed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from hftbacktest.order import BUY, IOC, LIMIT, NONE, SELL
from numba import typeof

from arb.bot.bot import Bot
from arb.bot.cache import bot_compiled
from arb.bot.codes import END_OF_DATA, OK, ORDER_ID_EXISTS, ORDER_RESPONSE
from arb.bot.recorder import Recorder
from arb.bot.working_orders import is_finished
from arb.leg import Leg, legs_of_pairs
from arb.strategies.spread.decisions import Decision, Outcome, is_halted
from arb.strategies.spread.sizing import floor_to_lot, is_large_enough, limit_price

#: A step: the time for responses and book changes before the next order of a leg. All steps take ten minutes at most.
STEP_NS = 100_000_000
STEPS_MAX = 6_000
#: Steps until the touches are known, of what is closed before the start. One minute.
WAITS_MAX = 600
#: Maximum number of orders per leg.
ORDERS_MAX = 1_000
#: After this many refusals in a row a leg is left as it is.
REFUSALS_MAX = 10
#: The band widens by its initial width with each order that was not filled, up to this multiple.
BANDS_MAX = 5
#: First order id: a strategy counts from 1. An id that exists is skipped.
FIRST_ID = np.uint64(1 << 62)

#: The clock before a run's first event.
_NOT_BEGUN = np.iinfo(np.int64).max
_FLATTEN = int(Decision.FLATTEN)
_REFUSED, _HALTED = int(Decision.REFUSED), int(Decision.HALTED)

#: What trading back needs of a leg, and how far it is.
TRADED_LEG = np.dtype(
    [
        ("tick_size", "f8"),
        ("lot_size", "f8"),
        ("min_qty", "f8"),
        ("min_notional", "f8"),
        ("contract_size", "f8"),
        # What the venue holds beyond the bot's position, which no order of the bot made.
        ("unbooked", "f8"),
        # The touch of the last order, and the quantity that own orders have taken from it.
        ("px", "f8"),
        ("shown_qty", "f8"),
        ("taken_qty", "f8"),
        ("order_id", "u8"),
        ("orders", "i8"),
        ("missed", "i8"),
        ("refusals", "i8"),
    ],
    align=True,
)


class HaltedBot(Protocol):
    """A bot that a person may halt."""

    is_halted: bool
    is_flattening: bool
    #: Whether the session only ends.
    is_stop: bool
    #: By leg; empty: none.
    unbooked: Sequence[float]

    def resume(self) -> None:
        """Makes it send orders again, after it was stopped."""


class HostOrders(NamedTuple):
    """What the host needs to trade over a strategy's bot. band: how far an order's price may be worse than the touch,
    as a fraction of the price; qty_max, notional_max: of one order, 0 for no limit."""

    bot: Bot
    recorder: Recorder
    legs: Sequence[Leg]
    band: float
    qty_max: float = 0.0
    notional_max: float = 0.0

    def arguments(self, function: Any, *further: Any) -> tuple[Any, ...]:
        """The arguments of a compiled function of the host, which is compiled for them now, before any order is sent.

        further: arguments after the legs.
        """
        rows = traded_legs(self.legs)
        bounds = float(self.band), float(self.qty_max), float(self.notional_max)
        found = (self.bot, self.recorder, rows, *further, *bounds)
        function.compile(tuple(typeof(argument) for argument in found))
        return found


def flattening(strategy: Callable[..., Any], host: HostOrders) -> Callable[..., Any]:
    """Returns a function that calls the strategy and, if it returns HALTED, trades its positions back to 0."""
    arguments = host.arguments(flatten, pairs_of(host.legs))

    def run(*given: Any) -> Any:
        value = strategy(*given)
        if is_halted(value):
            flatten(*arguments)
        return value

    return run


def pairs_of(legs: Sequence[Leg]) -> Any:
    """The legs of each pair, of shape (n, 2)."""
    return np.array(legs_of_pairs(legs), np.int64).reshape(-1, 2)


def traded_legs(legs: Sequence[Leg]) -> Any:
    """An array of TRADED_LEG, before the first order."""
    rows = np.zeros(len(legs), TRADED_LEG)
    for row, leg in zip(rows, legs, strict=True):
        for name in ("tick_size", "lot_size", "min_qty", "min_notional", "contract_size"):
            row[name] = getattr(leg, name)
    return rows


def halting(
    strategy: Callable[..., Any],
    bot: HaltedBot,
    host: HostOrders,
    balance: Callable[[], Any],
    *,
    has_pairs: bool,
) -> Callable[..., Any]:
    """Returns a function that calls the strategy; if a person has halted or stopped the session meanwhile, it trades
    the positions back to 0 where that was asked for, else balances the pairs if all of their positions are of its own
    orders, and returns HALTED, after a stop what the strategy returned. bot: that of `host`. balance: see
    `arb.strategies.hedge_first.hedge_of`. has_pairs: whether it also balances what a strategy that halts by itself has
    left, since the strategy takes pairs."""
    arguments = host.arguments(flatten, pairs_of(host.legs))

    def run(*given: Any) -> Any:
        value = strategy(*given)
        if has_pairs and is_halted(value) and not bot.is_halted:
            balance()  # it may have given up an attempt with one leg, whose venue returns
        if not bot.is_halted:
            return value
        bot.resume()
        if bot.is_flattening:
            if bot.unbooked:
                arguments[2]["unbooked"] = bot.unbooked
            flatten(*arguments)
        elif not any(bot.unbooked):
            balance()  # an attempt may have been interrupted between its legs
        return value if bot.is_stop else int(Outcome.HALTED)

    return run


def acting_first(
    strategy: Callable[..., Any], host: HostOrders, act: Any, *further: Any
) -> Callable[..., Any]:
    """Returns a function that calls `act`, a compiled function of the host, and then the strategy; it returns HALTED
    without the strategy if `act` returns False. further: see `HostOrders.arguments`."""
    arguments = host.arguments(act, *further)

    def run(*given: Any) -> Any:
        if not act(*arguments):
            return int(Outcome.HALTED)
        return strategy(*given)

    return run


def closing_first(strategy: Callable[..., Any], host: HostOrders) -> Callable[..., Any]:
    """Returns a function that trades the positions back to 0 and then calls the strategy; it returns HALTED without the
    strategy if a position remains."""
    return acting_first(strategy, host, close, pairs_of(host.legs))


@bot_compiled
def close(bot, recorder, legs, pairs, band, qty_max, notional_max):
    """Trades every position to 0; returns whether all are flat, except for remainders too small to trade.

    Nothing is traded before the touches of all positions are known: one closed leg leaves the other one open.
    """
    is_known = False
    for _ in range(WAITS_MAX):
        is_known = True
        for asset_no in range(len(legs)):
            leg = legs[asset_no]
            is_known &= _held(bot, asset_no, leg) == 0.0 or _touch(bot, asset_no, leg) > 0.0
        if is_known:
            break
        code = bot.elapse(STEP_NS)
        if code == END_OF_DATA or code > ORDER_RESPONSE:
            break
    if is_known:
        flatten(bot, recorder, legs, pairs, band, qty_max, notional_max)
    is_closed = True
    for asset_no in range(len(legs)):
        if not _is_flat(bot, asset_no, legs[asset_no]):
            is_closed = False
            position = _held(bot, asset_no, legs[asset_no])
            recorder.decide(bot.current_timestamp, _HALTED, 0, asset_no, np.uint64(0), position)
    return is_closed


@bot_compiled
def flatten(bot, recorder, legs, pairs, band, qty_max, notional_max):
    """Cancels working orders and trades every position to 0, step by step, until all are flat or a bound is reached.

    Positions too small for an order remain. Waits while a book is unknown or an order is unanswered.
    """
    next_id = FIRST_ID
    others = np.full(len(legs), -1)
    for pair_no in range(len(pairs)):
        others[pairs[pair_no, 0]], others[pairs[pair_no, 1]] = pairs[pair_no, 1], pairs[pair_no, 0]
    is_waiting = np.full(len(legs), False)
    for _ in range(STEPS_MAX):
        is_done = True
        for asset_no in range(len(legs)):
            is_waiting[asset_no] = has_working(bot, asset_no)
            is_done = is_done and not is_waiting[asset_no]
        for asset_no in range(len(legs)):
            leg, other = legs[asset_no], others[asset_no]
            if is_waiting[asset_no]:
                continue
            settle(bot, asset_no, leg)
            if _is_over(bot, asset_no, leg):
                continue
            amount = -_held(bot, asset_no, leg)
            if other >= 0:
                if is_waiting[other]:
                    continue
                amount = _amount_beside(bot, legs, asset_no, other)
                if amount == 0.0 and _is_over(bot, other, legs[other]):
                    continue  # its hedge cannot be closed
            is_done = False
            if amount != 0.0:
                next_id = send_part(
                    bot,
                    recorder,
                    asset_no,
                    leg,
                    amount,
                    _FLATTEN,
                    next_id,
                    band,
                    qty_max,
                    notional_max,
                )
        if is_done:
            break
        code = bot.elapse(STEP_NS)
        if code == END_OF_DATA or code > ORDER_RESPONSE:
            break
    record_state(bot, recorder)


@bot_compiled
def record_state(bot, recorder):
    """Records the state, unless the clock does not run yet: where nothing had to be traded, there is no time to it."""
    if bot.current_timestamp < _NOT_BEGUN:
        recorder.record(bot)


@bot_compiled
def _amount_beside(bot, legs, asset_no, other):
    """What a leg buys now to close its position, negative to sell; 0: nothing before the other leg of its pair.

    First what the other leg does not hedge; then all of it, together with that leg, if that can be closed too.
    """
    leg, hedge = legs[asset_no], legs[other]
    held, hedged = _held(bot, asset_no, leg), -_held(bot, other, hedge)
    if held * hedged <= 0.0 or _is_flat(bot, other, hedge):
        return -held
    sign, beyond = (1.0, held - hedged) if held > 0.0 else (-1.0, hedged - held)
    least = floor_to_lot(beyond, leg.lot_size) if beyond > 0.0 else 0.0
    touch, other_touch = _touch(bot, asset_no, leg), _touch(bot, other, hedge)
    if least > 0.0 and (not touch > 0.0 or is_large_enough(leg, least, touch)):
        return -sign * least
    if not other_touch > 0.0 or hedge.refusals > 0 or _is_over(bot, other, hedge):
        return 0.0
    behind = floor_to_lot(-beyond, hedge.lot_size) if beyond < 0.0 else 0.0
    return 0.0 if is_large_enough(hedge, behind, other_touch) else -held


@bot_compiled
def has_working(bot, asset_no):
    """Whether an order of the asset may still trade; cancels the orders that can be cancelled."""
    count = 0
    values = bot.orders(asset_no).values()
    while values.has_next():
        order = values.get()
        if not is_finished(order.status) or order.req != NONE:
            count += 1
            if order.cancellable:
                bot.cancel(asset_no, order.order_id, False)
    return count > 0


@bot_compiled
def settle(bot, asset_no, leg):
    """Applies the result of the last order: the band widens with each order that was not filled."""
    if leg.order_id == 0:
        return
    order = bot.orders(asset_no).get(leg.order_id)
    leg.order_id = 0
    if order is not None and order.qty > order.leaves_qty:
        leg.taken_qty += order.qty - order.leaves_qty
        leg.missed = 0
    else:
        leg.missed += 1


@bot_compiled
def _is_over(bot, asset_no, leg):
    """Whether a leg is flat except for a remainder too small to trade, or may send no more orders."""
    return leg.orders >= ORDERS_MAX or leg.refusals >= REFUSALS_MAX or _is_flat(bot, asset_no, leg)


@bot_compiled
def _held(bot, asset_no, leg):
    """A leg's position at its venue."""
    return bot.position(asset_no) + leg.unbooked


@bot_compiled
def _touch(bot, asset_no, leg):
    """The touch at which a leg's position can be closed; not above 0 while it is unknown."""
    depth = bot.depth(asset_no)
    return depth.best_bid if _held(bot, asset_no, leg) > 0.0 else depth.best_ask


@bot_compiled
def _is_flat(bot, asset_no, leg):
    """Whether a leg is flat except for a remainder too small to trade."""
    touch = _touch(bot, asset_no, leg)
    qty = floor_to_lot(abs(_held(bot, asset_no, leg)), leg.lot_size)
    if not touch > 0.0:
        return not qty >= leg.min_qty or qty == 0.0
    return not is_large_enough(leg, qty, touch)


@bot_compiled
def send_part(bot, recorder, asset_no, leg, amount, decision, next_id, band, qty_max, notional_max):
    """Sends one order that buys `amount`, or sells it if it is negative, or as much of it as the touch has; returns
    the next id. decision: the code under which it is logged."""
    depth = bot.depth(asset_no)
    side = SELL if amount < 0.0 else BUY
    touch = depth.best_bid if side == SELL else depth.best_ask
    shown = depth.best_bid_qty if side == SELL else depth.best_ask_qty
    if not touch > 0.0:
        return next_id
    # In a replay the touch still shows the quantity just taken.
    if touch != leg.px or shown != leg.shown_qty:
        leg.px, leg.shown_qty, leg.taken_qty = touch, shown, 0.0
    px = limit_price(side, touch, band * min(leg.missed + 1, BANDS_MAX), leg.tick_size)
    # The limits value a sale below the bid at the bid.
    value = max(px, touch) * leg.contract_size
    qty = min(abs(amount), shown - leg.taken_qty)
    if qty_max > 0.0:
        qty = min(qty, qty_max)
    if notional_max > 0.0:
        qty = min(qty, notional_max / value)
    qty = floor_to_lot(qty, leg.lot_size) if qty > 0.0 else 0.0
    if not is_large_enough(leg, qty, min(px, touch)):
        return next_id
    now = bot.current_timestamp
    code = ORDER_ID_EXISTS
    while code == ORDER_ID_EXISTS:
        if side == SELL:
            code = bot.submit_sell_order(asset_no, next_id, px, qty, IOC, LIMIT, False)
        else:
            code = bot.submit_buy_order(asset_no, next_id, px, qty, IOC, LIMIT, False)
        next_id += np.uint64(1)
    leg.orders += 1
    order_id = next_id - np.uint64(1)
    if code == OK:
        leg.order_id = order_id
        leg.refusals = 0
        recorder.decide(now, decision, 0, asset_no, order_id, px)
    else:
        leg.refusals += 1
        recorder.decide(now, _REFUSED, 0, asset_no, order_id, np.float64(code))
    return next_id
