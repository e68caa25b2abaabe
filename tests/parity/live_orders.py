"""The orders of a lock-step session beside the simulated exchange: equal, as the sandbox matches with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hftbacktest.order import NEW
from support.live_world import LiveSession

from arb.execution.ids import ids_of
from arb.results.simulated_orders import BOTH, NEITHER, NOT_SENT, REFUSED, UNKNOWN
from arb.runtime.live_files import OrderRecords
from arb.verify.simulated_orders import simulated_orders


def beside_simulation(live: LiveSession, orders: OrderRecords, rows: Sequence[Sequence[Any]]) -> list[str]:
    """Each order alone, put to the simulated exchange: the same fills, prices, ends and times."""
    found = simulated_orders(live.legs, ids_of(live.orders.head), orders, rows, live.end_ts)
    legs = {leg.name: leg for leg in live.legs}
    # The recorded market ends earlier than the session, by a row's largest delay.
    delays = {leg.name: _largest_delay(own) for leg, own in zip(live.legs, rows, strict=True)}
    differing = []
    for one in found:
        leg = legs[one.leg]
        arrived_ts = max(one.request_ts + leg.entry_latency_ns, one.live_end_ts or 0)
        if one.filled_by == UNKNOWN and arrived_ts > live.end_ts - delays[one.leg]:
            continue
        end = "expired" if one.live_end in (REFUSED, NOT_SENT) else one.live_end
        is_equal = (
            one.filled_by in (BOTH, NEITHER)
            and one.live_worse_bps in (0.0, None)
            and (one.live_lots, one.live_price, end)
            == (one.simulated_lots, one.simulated_price, one.simulated_end)
            and (not one.live_lots or one.live_end_ts == one.simulated_end_ts)
            and (one.simulated_entry_ns, one.simulated_response_ns)
            == (leg.entry_latency_ns, leg.response_latency_ns)
        )
        if not is_equal:
            differing.append(f"beside the simulated exchange: {one}")
    placed = int((orders.requests["row"]["req"][orders.requests["taken_ns"] > 0] == NEW).sum())
    if len(found) != placed:
        differing.append(f"beside the simulated exchange: {len(found)} of {placed} orders")
    return differing[:3]


def _largest_delay(arrays: Sequence[Any]) -> int:
    return max((int((rows["local_ts"] - rows["exch_ts"]).max()) for rows in arrays if len(rows)), default=0)
