"""The spans of time in which the strategy may use displayed quantities, from prices alone; and when it did, in a run.

In inventory mode, between attempts, it acts at changes of a price and at its own times: a change of quantity alone has
an effect only while an opportunity is open, in an attempt, and after one until each side that it may have taken from
has changed. An opportunity opens at an edge above the threshold, which moved inventory lowers by the skew at most. So
these spans can be computed for a set of parameters before it runs. Attempts may outlast them: a run's decisions show
whether one did. In convergence mode an open spread uses every change, so that all time is such a span. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from arb.strategies.spread.decisions import Decision, Purpose
from arb.strategies.spread.touch import BASIS, LEG, edge_bps, is_quoted, update_basis

#: Edges are compared with this room for errors of rounding.
_ROOM_BPS = 1e-6
_NEVER = np.iinfo(np.int64).max
#: Decisions that end an attempt.
_ENDS = (Decision.HEDGED, Decision.REVERSED, Decision.MISSED, Decision.HALTED)
#: Attempts after which quantities count until the next one.
_STOPS = (Purpose.STOP_LOSS, Purpose.TIMEOUT)


class Attempts(NamedTuple):
    """When the attempts of a run began and ended, in ns; the largest int64 for one that did not end.

    is_stopped: the run closed something at a stop loss or a timeout.
    """

    begun: Any
    ended: Any
    is_stopped: bool


def least_threshold_bps(params: Mapping[str, Any]) -> float:
    """The lowest threshold of an opportunity that any inventory gives (`inventory.skewed_threshold_bps`)."""
    least = float(params["min_spread_bps"])
    return max(least - float(params["inventory_skew_bps"]), min(least, 0.0))


def active_spans(
    prices: Any, params: Mapping[str, Any], after_ns: int, put: Callable[..., int] | None = None
) -> Any:
    """(n, 2) times from when to when an edge is above the lowest threshold, and `after_ns` more; ascending, apart.

    prices: by time and leg, with the fields ts, leg, bid and ask. put: `put_spans`, if it is compiled already.
    """
    fees = np.array(params["taker_fee"], np.float64)
    above = least_threshold_bps(params) - _ROOM_BPS
    spans = np.empty((len(prices) + 1, 2), np.int64)
    count = (put or put_spans)(prices, fees, above, int(params["basis_halflife_ns"]), int(after_ns), spans)
    return spans[:count]


@njit
def put_spans(prices, fees, above, halflife_ns, after_ns, spans):
    pairs = len(fees) // 2
    legs = np.zeros(2 * pairs, LEG)
    bases = np.zeros(pairs, BASIS)
    is_active = np.zeros(pairs, np.int64)
    for leg_no in range(2 * pairs):
        legs[leg_no].bid = legs[leg_no].ask = np.nan
        legs[leg_no].taker_fee = fees[leg_no]
    count = 0
    for row in prices:
        pair_no = row.leg // 2
        legs[row.leg].bid, legs[row.leg].ask = row.bid, row.ask
        pair = legs[2 * pair_no], legs[2 * pair_no + 1]
        basis = bases[pair_no]
        if halflife_ns > 0:
            update_basis(basis, pair, row.ts, halflife_ns)
        was_any = is_active.any()
        is_active[pair_no] = _is_above(pair, basis.bps, above)
        if is_active.any() and not was_any:
            if count == 0 or row.ts > spans[count - 1, 1]:
                spans[count, 0] = row.ts
                count += 1
            spans[count - 1, 1] = _NEVER
        elif was_any and not is_active.any():
            spans[count - 1, 1] = row.ts + after_ns
    return count


@njit
def _is_above(pair, basis_bps, above):
    if not (is_quoted(pair[0]) and is_quoted(pair[1])):
        return False
    return edge_bps(pair[0], pair[1]) - basis_bps > above or edge_bps(pair[1], pair[0]) + basis_bps > above


def attempts_in(decisions: Any) -> Attempts:
    """The attempts of a run, by its decisions (rows of `arb.bot.recorder.DECISION`)."""
    codes = decisions["code"]
    begins = decisions[codes == Decision.ATTEMPT]
    ended = np.full(len(begins), _NEVER)
    order = np.argsort(begins["attempt"], kind="stable")
    numbers = begins["attempt"][order]
    for code in _ENDS:
        ends = decisions[codes == code]
        place = np.searchsorted(numbers, ends["attempt"])
        is_found = place < len(numbers)
        ended[order[place[is_found]]] = ends["timestamp"][is_found]
    purposes = begins["order_id"]
    is_stopped = any(bool((purposes == purpose).any()) for purpose in _STOPS)
    return Attempts(begins["timestamp"], ended, is_stopped)
