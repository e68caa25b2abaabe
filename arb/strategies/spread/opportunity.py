"""Opportunities: an edge above the threshold in one direction, from its rise until it is gone.

Each is logged with its largest edge and its outcome: taken, or the last reason why not.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from arb.strategies.spread.decisions import Decision, Missed

#: One direction's opportunity. `asset`: the bot's number of the leg to buy. `threshold_bps`: an edge above it is an
#: opportunity.
OPPORTUNITY = np.dtype(
    [("asset", "i8"), ("threshold_bps", "f8"), ("is_open", "i8"), ("peak_bps", "f8"), ("missed", "i8")],
    align=True,
)


@njit
def is_any_open(seen):
    """Whether either direction has an opportunity: then a change of quantity matters, too."""
    return seen[0].is_open != 0 or seen[1].is_open != 0


@njit
def see(recorder, opportunity, edge, missed, now):
    """Records an edge above the threshold; `missed`: a `Missed` reason."""
    if opportunity.is_open == 0:
        opportunity.is_open = 1
        opportunity.peak_bps = edge
        opportunity.missed = missed
        recorder.decide(now, Decision.OPPORTUNITY, 0, opportunity.asset, 0, edge)
    opportunity.peak_bps = max(opportunity.peak_bps, edge)
    if opportunity.missed != Missed.TAKEN:
        opportunity.missed = missed


@njit
def lose(recorder, opportunity, now):
    """Ends the opportunity: the edge is not above the threshold, or unknown."""
    if opportunity.is_open != 0:
        opportunity.is_open = 0
        missed = np.uint64(opportunity.missed)
        recorder.decide(now, Decision.OPPORTUNITY_END, 0, opportunity.asset, missed, opportunity.peak_bps)
