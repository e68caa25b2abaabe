"""Figures of a live session's orders beside the simulated exchange, of each leg."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from arb.results.figures.declared import SIMULATED, Figure, Group
from arb.results.metrics.statistics import median, percentile
from arb.results.simulated_orders import (
    BOTH,
    LIVE_ONLY,
    NEITHER,
    NOT_SENT,
    REFUSED,
    SIMULATED_ONLY,
    UNKNOWN,
    SimulatedOrder,
)
from connectors.units import SECOND

if TYPE_CHECKING:
    from arb.results.result import RunResult


class SimulatedLeg:
    """A leg's orders: the source of its figures."""

    def __init__(self, name: str, orders: Sequence[SimulatedOrder]) -> None:
        self.leg, self.orders = name, orders
        self.worse_bps = [one.live_worse_bps for one in orders if one.live_worse_bps is not None]

    def filled_by(self, name: str) -> int:
        return sum(one.filled_by == name for one in self.orders)

    @property
    def partial(self) -> int:
        return sum(one.filled_by == BOTH and one.live_lots < one.simulated_lots for one in self.orders)

    @property
    def refused(self) -> int:
        return sum(one.live_end in (REFUSED, NOT_SENT) for one in self.orders)

    def latency_s(self, of: Callable[[SimulatedOrder], int]) -> float:
        """The median of a latency, over the orders whose live latency is known."""
        return median([of(one) / SECOND for one in self.orders if one.live_entry_ns is not None])


def simulated_of(run: RunResult) -> list[SimulatedLeg] | None:
    """The legs of a session; None if its orders were not compared."""
    if run.simulated is None:
        return None
    return [SimulatedLeg(leg.name, [one for one in run.simulated if one.leg == leg.name]) for leg in run.legs]


def _filled_by(name: str) -> Callable[[SimulatedLeg], int]:
    return lambda leg: leg.filled_by(name)


def _trip(one: SimulatedOrder) -> Any:
    return (one.live_entry_ns or 0) + (one.live_response_ns or 0)


SIMULATED_FIGURES = Group(
    "simulated",
    "one object per leg of a live session: its orders, each also put to the simulated exchange "
    "([live.md](live.md#orders-beside-the-simulated-exchange)); null if they were not",
    simulated_of,
    (
        Figure("leg", "text", None,
               text="`venue:SYMBOL`"),
        Figure("orders", "count", lambda leg: len(leg.orders), SIMULATED, "Orders",
               text="orders"),
        Figure("both", "count", _filled_by(BOTH), SIMULATED, "... filled by both",
               text="filled by the venue and by the simulated exchange, at least in part"),
        Figure("live_only", "count", _filled_by(LIVE_ONLY), SIMULATED, "... by the venue alone",
               text="filled by the venue alone"),
        Figure("simulated_only", "count", _filled_by(SIMULATED_ONLY), SIMULATED, "... simulated alone",
               text="filled by the simulated exchange alone"),
        Figure("neither", "count", _filled_by(NEITHER), SIMULATED, "... by neither",
               text="filled by neither"),
        Figure("unknown", "count", _filled_by(UNKNOWN), SIMULATED, "... after the data",
               text="arrived or filled after the recorded market ends, with the session"),
        Figure("refused", "count", None, SIMULATED, "Refused, or not sent",
               text="refused by the venue, or not sent to it; counted above as well"),
        Figure("partial", "count", None, SIMULATED, "Filled less by the venue",
               text="filled by both, by the venue with fewer lots: the simulated exchange fills whole orders"),
        Figure("live_worse_bps_median", "bps", lambda leg: median(leg.worse_bps),
               SIMULATED, "Live price worse by, median",
               text="average price at the venue against the simulated one, of orders filled by both; above zero: the "
                    "venue's was worse"),
        Figure("live_worse_bps_p90", "bps", lambda leg: percentile(leg.worse_bps, 90.0),
               SIMULATED, "... 90th percentile",
               text="90th percentile"),
        Figure("live_worse_bps_max", "bps", lambda leg: max(leg.worse_bps, default=math.nan),
               SIMULATED, "... largest",
               text="largest"),
        Figure("live_entry_s_median", "duration", lambda leg: leg.latency_s(lambda one: one.live_entry_ns or 0),
               SIMULATED, "Latency there, live",
               text="from the request to the venue's time of its answer, median; venues give whole milliseconds"),
        Figure("simulated_entry_s_median", "duration", lambda leg: leg.latency_s(lambda one: one.simulated_entry_ns),
               SIMULATED, "... as configured",
               text="the same as configured, of the same orders"),
        Figure("live_latency_s_median", "duration", lambda leg: leg.latency_s(_trip),
               SIMULATED, "There and back, live",
               text="from the request to the receipt of its answer, median"),
        Figure("simulated_latency_s_median", "duration",
               lambda leg: leg.latency_s(lambda one: one.simulated_entry_ns + one.simulated_response_ns),
               SIMULATED, "... as configured",
               text="the same as configured"),
    ),
)  # fmt: skip
