"""Inventory: how much base the attempts have moved from one leg to the other, and the effect on thresholds.

An attempt that buys leg 0 and sells leg 1 moves base to leg 0. The more was moved in one direction, the larger the edge
that a further attempt in it needs, and the smaller that of one in the other direction; beyond `rebalance_threshold` the
inventory is moved back at a small cost. Pure.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit
def imbalance(pair, values_0, values_1):
    """Base moved to leg 0, as a fraction of the inventory of both legs, or of leg 0's position limit if a leg is a
    perpetual, which holds none. Negative: moved to leg 1."""
    moved = 0.5 * (values_0.position - values_1.position)
    whole = pair[0].base + pair[1].base
    if pair[0].is_spot == 0 or pair[1].is_spot == 0:
        whole = pair[0].position_limit
    return moved / whole if whole > 0.0 else 0.0


@njit
def skewed_threshold_bps(share, buy_no, params):
    """The edge needed to buy `buy_no` at an imbalance; the skew alone never makes it negative."""
    if params.rebalance_threshold > 0.0:
        fullness = min(1.0, max(-1.0, share / params.rebalance_threshold))
    else:
        fullness = np.sign(share)
    skew = params.inventory_skew_bps * (fullness if buy_no == 0 else -fullness)
    return max(params.min_spread_bps + skew, min(params.min_spread_bps, 0.0))


@njit
def must_rebalance(share, buy_no, edge, params):
    """Whether buying `buy_no` moves an excessive imbalance back, at an allowed cost."""
    back = -share if buy_no == 0 else share
    return back > params.rebalance_threshold and edge >= -params.rebalance_cost_bps
