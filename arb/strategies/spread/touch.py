"""Touches of both legs as last read, edges across them, and the average cross spread.

Pure arithmetic on a record per leg; compiled, no allocation, NaN if a book is unknown.
"""

from __future__ import annotations

import numpy as np
from numba import njit

BPS = 1e4

#: One leg. Prices in quote per base, quantities in base units; NaN: the book is not in sync.
LEG = np.dtype(
    [
        ("bid", "f8"),
        ("ask", "f8"),
        ("bid_qty", "f8"),
        ("ask_qty", "f8"),
        # Quantity that our own orders took from either side since the venue last changed it.
        ("bid_taken", "f8"),
        ("ask_taken", "f8"),
        # The last known mid; NaN before the first.
        ("mark", "f8"),
        # Constant during a run. `asset` is the bot's number of the leg.
        ("asset", "i8"),
        ("tick_size", "f8"),
        ("lot_size", "f8"),
        ("common_lot", "f8"),
        ("taker_fee", "f8"),
        # Share of a purchase that its fee takes from the base; whether other fees are taken from the quote (1.0).
        ("base_fee", "f8"),
        ("is_fee_cash", "f8"),
        # Where they are not: legs with the same number share `fee_units` of a further asset. Its price in quote, the
        # lowest so far, and the leg whose mid that is, -1 for a constant.
        ("fee_account", "i8"),
        ("fee_units", "f8"),
        ("fee_price", "f8"),
        ("fee_price_leg", "i8"),
        ("is_spot", "i8"),
        ("base", "f8"),
        ("quote", "f8"),
        # Legs with the same number share their quote.
        ("funds", "i8"),
        ("min_qty", "f8"),
        ("min_notional", "f8"),
        ("contract_size", "f8"),
        ("max_position_size", "f8"),
        ("position_limit", "f8"),
        # What the other legs use of the money that they share with this leg.
        ("other_cash", "f8"),
        ("other_notional", "f8"),
        # Fees that the next attempt may cost in the further asset, in quote.
        ("fee_budget", "f8"),
        # Where `base_fee` is not 0: base that earlier attempts of the pair received too little, and what fees took
        # since it was flat.
        ("due_qty", "f8"),
        ("paid_base", "f8"),
        # The attempt in progress; its quantity is 0 if there is none.
        ("attempt_qty", "f8"),
        ("side", "i8"),
        ("reference_px", "f8"),
        ("order_id", "u8"),
        ("filled_qty", "f8"),
        # Refused orders in a row, after which none is sent before this time.
        ("refusals", "i8"),
        ("resend_ts", "i8"),
        # The leg's position as attempts have counted it.
        ("counted_qty", "f8"),
    ],
    align=True,
)

#: The exponentially weighted basis: the mid-to-mid cross spread of leg 1 over leg 0. `last_bps`: the cross spread since
#: `last_ts`, NaN if a book was unknown; `start_ts`: when the average began, plus the time without a book.
BASIS = np.dtype([("bps", "f8"), ("last_bps", "f8"), ("last_ts", "i8"), ("start_ts", "i8")], align=True)


# Results of `read_touches`. Most changes are of a quantity only, which does not change an edge.
UNCHANGED, QTY_CHANGED, PRICE_CHANGED = 0, 1, 2


@njit
def read_touches(bot, legs, first, needs_qty):
    """Reads the touches of the two legs from `first` on; returns whether a price, or only a quantity, has changed.

    If no price changed and the quantities are not needed, they are not updated: this is the usual case. A price that
    stays unknown has not changed.
    """
    legs_0, legs_1 = legs[first], legs[first + 1]
    depth_0, depth_1 = bot.depth(first), bot.depth(first + 1)
    bid_0, ask_0 = depth_0.best_bid, depth_0.best_ask
    bid_1, ask_1 = depth_1.best_bid, depth_1.best_ask
    is_same = bid_0 == legs_0.bid and ask_0 == legs_0.ask and bid_1 == legs_1.bid and ask_1 == legs_1.ask
    if is_same and not needs_qty:
        return UNCHANGED
    is_changed_0 = _take_touch(legs_0, bid_0, ask_0, depth_0.best_bid_qty, depth_0.best_ask_qty)
    is_changed_1 = _take_touch(legs_1, bid_1, ask_1, depth_1.best_bid_qty, depth_1.best_ask_qty)
    if not (is_changed_0 or is_changed_1):
        return UNCHANGED
    return QTY_CHANGED if is_same else PRICE_CHANGED


@njit
def _take_touch(leg, bid, ask, bid_qty, ask_qty):
    """Stores a touch; returns whether it changed."""
    is_bid_same = (bid == leg.bid and bid_qty == leg.bid_qty) or (np.isnan(bid) and np.isnan(leg.bid))
    is_ask_same = (ask == leg.ask and ask_qty == leg.ask_qty) or (np.isnan(ask) and np.isnan(leg.ask))
    if not is_bid_same:
        leg.bid_taken = 0.0
    if not is_ask_same:
        leg.ask_taken = 0.0
    leg.bid, leg.ask, leg.bid_qty, leg.ask_qty = bid, ask, bid_qty, ask_qty
    mid = 0.5 * (bid + ask)
    if mid > 0.0:
        leg.mark = mid
    return not (is_bid_same and is_ask_same)


@njit
def is_quoted(leg):
    """Whether a leg has a touch to trade at: both sides known, positive, not crossed."""
    return leg.bid > 0.0 and leg.ask > leg.bid


@njit
def mid_spread_bps(pair):
    """The cross spread, mid to mid, of leg 1 over leg 0 in bps; NaN if a book is unknown or crossed."""
    if not (is_quoted(pair[0]) and is_quoted(pair[1])):
        return np.nan
    mid_0 = 0.5 * (pair[0].bid + pair[0].ask)
    mid_1 = 0.5 * (pair[1].bid + pair[1].ask)
    return BPS * (mid_1 - mid_0) / mid_0


@njit
def edge_bps(buy, sell):
    """Gain of buying at one touch and selling at the other, in bps of the buy price, net of both taker fees."""
    return BPS * (sell.bid * (1.0 - sell.taker_fee) - buy.ask * (1.0 + buy.taker_fee)) / buy.ask


@njit
def update_basis(basis, pair, now, halflife_ns):
    """Advances the average to `now`, weighting the last cross spread with the time since then.

    While a book is unknown the average is kept and the time does not count: otherwise the value before a gap would
    become the average.
    """
    if basis.start_ts != 0:
        if np.isnan(basis.last_bps):
            basis.start_ts += now - basis.last_ts
        else:
            decay = 0.5 ** ((now - basis.last_ts) / halflife_ns)
            basis.bps = basis.last_bps + (basis.bps - basis.last_bps) * decay
    basis.last_bps = mid_spread_bps(pair)
    if basis.start_ts == 0 and not np.isnan(basis.last_bps):
        basis.start_ts = now
        basis.bps = basis.last_bps
    basis.last_ts = now


@njit
def is_basis_known(basis, now, halflife_ns):
    """Whether the average has seen at least one half-life of known books."""
    return basis.start_ts != 0 and now - basis.start_ts >= halflife_ns
