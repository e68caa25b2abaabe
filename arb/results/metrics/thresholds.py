"""The cross spreads at which the spread strategy trades, and those at which a trade costs nothing and earns nothing.

Both are cross spreads of a pair in bps, leg 1 over leg 0, as the chart shows them from mid to mid. The strategy
compares touches: the mids have to be further apart by half of both bid-ask spreads. Thresholds follow the moved
inventory and the basis, which are known at the records (about one a second and at the end of each attempt).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from arb.results.metrics.statistics import BPS

if TYPE_CHECKING:
    from arb.results.result import ResultLeg

#: The taker fees of a pair's legs, as shares.
Fees = tuple[float, float]


class Levels(NamedTuple):
    """Cross spreads in bps: leg 0 is bought above the first, leg 1 below the second."""

    buy_0: Any
    buy_1: Any


def fees_of(legs: Sequence[ResultLeg]) -> Fees:
    """The taker fees of a pair; NaN where unknown."""
    return legs[0].terms.taker_fee, legs[1].terms.taker_fee


def levels_at(edges_bps: tuple[Any, Any], fees: Fees) -> Levels:
    """The cross spreads at which buying leg 0, and buying leg 1, has these edges.

    edges_bps: net of both taker fees, in bps of the buy price, as the strategy computes them; numbers or arrays.
    """
    fee_0, fee_1 = fees
    return Levels(
        BPS * ((1.0 + fee_0 + edges_bps[0] / BPS) / (1.0 - fee_1) - 1.0),
        BPS * ((1.0 - fee_0) / (1.0 + fee_1 + edges_bps[1] / BPS) - 1.0),
    )


def cost_levels(fees: Fees, basis_bps: Any) -> Levels:
    """The cross spreads at which the taker fees of both legs are just paid. basis_bps: 0 without a basis."""
    return levels_at((basis_bps, -basis_bps), fees)


def threshold_levels(
    parameters: Mapping[str, Any], legs: Sequence[ResultLeg], positions: Any, basis_bps: Any
) -> Levels:
    """The cross spreads that open an attempt at each record.

    parameters: of the spread strategy (`RunSetup`). legs: of the pair. positions: (row, 2), as in the records.
    """
    fees = fees_of(legs)
    if parameters["mode"] == "convergence":
        # Leaving at today's spreads is paid for at entry; of its cost the chart leaves out half of both spreads.
        entry = parameters["min_spread_bps"] + BPS * (fees[0] + fees[1])
        return levels_at((entry + basis_bps, entry - basis_bps), fees)
    moved = _moved_share(legs, positions)
    entries = tuple(_inventory_threshold(parameters, share) for share in (moved, -moved))
    return levels_at((entries[0] + basis_bps, entries[1] - basis_bps), fees)


def _moved_share(legs: Sequence[ResultLeg], positions: Any) -> Any:
    """Base moved to leg 0 at each record, as `arb.strategies.spread.inventory.imbalance`."""
    moved = 0.5 * (positions[:, 0] - positions[:, 1])
    is_spot = all(leg.terms.kind == "spot" for leg in legs)
    whole = legs[0].base + legs[1].base if is_spot else legs[0].terms.position_limit
    return moved / whole if whole > 0.0 else np.zeros(len(moved))


def _inventory_threshold(parameters: Mapping[str, Any], share: Any) -> Any:
    """The edge that buying a leg needs when `share` of the inventory was moved to it: the skewed threshold, or less to
    move an excess back."""
    least, limit = parameters["min_spread_bps"], parameters["rebalance_threshold"]
    fullness = np.clip(share / limit, -1.0, 1.0) if limit > 0.0 else np.sign(share)
    skewed = np.maximum(least + parameters["inventory_skew_bps"] * fullness, min(least, 0.0))
    back = np.minimum(skewed, -parameters["rebalance_cost_bps"])
    return np.where(-share > limit, back, skewed)
