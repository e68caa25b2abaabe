"""Inventory: how far the positions have moved base from one leg to the other, and what that does to thresholds.

An attempt that buys leg 0 and sells leg 1 moves base to leg 0. The more has been moved one way, the more the next
attempt that way must earn, and the less one that moves it back; beyond `rebalance_threshold` it is brought back at a
small cost. Pure.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit
def imbalance(pair, values_0, values_1):  # type: ignore[no-untyped-def]
    """What has moved to leg 0, as a share of the whole: of the inventory of both legs, or of leg 0's position limit
    where a leg is a perpetual, which holds none. Negative: to leg 1."""
    moved = 0.5 * (values_0.position - values_1.position)
    whole = pair[0].base + pair[1].base
    if pair[0].is_spot == 0 or pair[1].is_spot == 0:
        whole = pair[0].position_limit
    return moved / whole if whole > 0.0 else 0.0


@njit
def skewed_threshold_bps(share, buy_no, params):  # type: ignore[no-untyped-def]
    """The least edge of the direction that buys `buy_no` at an imbalance: never below nothing by the skew alone."""
    if params.rebalance_threshold > 0.0:
        fullness = min(1.0, max(-1.0, share / params.rebalance_threshold))
    else:
        fullness = np.sign(share)
    skew = params.inventory_skew_bps * (fullness if buy_no == 0 else -fullness)
    return max(params.min_spread_bps + skew, min(params.min_spread_bps, 0.0))


@njit
def must_rebalance(share, buy_no, edge, params):  # type: ignore[no-untyped-def]
    """Whether buying `buy_no` brings inventory back that has moved too far, at a cost that is allowed."""
    back = -share if buy_no == 0 else share
    return back > params.rebalance_threshold and edge >= -params.rebalance_cost_bps
