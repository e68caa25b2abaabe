"""Orders from the decision log and the fills, the time with one leg short, and the risk rule that halted the run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from arb.results.metrics.attempts import ENDINGS
from arb.results.metrics.opportunities import reason_name
from arb.results.metrics.statistics import is_any_of, largest
from arb.strategies.spread.decisions import Decision
from connectors.units import SECOND

_SENT = (Decision.OPEN, Decision.CHASE, Decision.REVERSE)


class Orders(NamedTuple):
    """Orders of a strategy that logs them."""

    sent: int
    filled: int
    #: Lines of the log, by decision.
    logged: Mapping[int, int]


class Unhedged(NamedTuple):
    """Times with one leg short, from the imbalance to the end of its attempt; NaN if the log has none."""

    attempts: int
    duration_s_sum: float
    duration_s_max: float


class RiskHalt(NamedTuple):
    """A rule of risk that stopped the strategy: which, at what value, when."""

    rule: str
    value: float
    timestamp: int


def orders_of(decisions: Any, fills: Any) -> Orders | None:
    """Orders sent, and the number of those with a fill; None for a strategy that logs no orders."""
    sent = decisions[is_any_of(decisions["code"], _SENT)]
    if not len(sent):
        return None
    keys = _keys(sent)
    codes, counts = np.unique(decisions["code"], return_counts=True)
    logged = dict(zip(codes.tolist(), counts.tolist(), strict=True))
    return Orders(len(keys), len(keys & _keys(fills)), logged)


def _keys(lines: Any) -> set[tuple[int, int]]:
    """Leg and id of the orders."""
    return set(zip(lines["leg"].tolist(), lines["order_id"].tolist(), strict=True))


def unhedged_of(decisions: Any, end_ns: int) -> Unhedged:
    """How long one leg was short. An attempt without an end counts to `end_ns`.

    A log without an imbalance counts as zero time only if no leg was chased or reversed, and no attempt was halted with
    an order in doubt.
    """
    begun = decisions[decisions["code"] == Decision.IMBALANCE]
    if not len(begun):
        is_logged = (decisions["code"] == Decision.ATTEMPT).any()
        is_worked = is_any_of(decisions["code"], (Decision.CHASE, Decision.REVERSE, Decision.HALTED)).any()
        known = 0.0 if is_logged and not is_worked else math.nan
        return Unhedged(0, known, known)
    ended = decisions[is_any_of(decisions["code"], ENDINGS)]
    ends = dict(zip(ended["attempt"].tolist(), ended["timestamp"].tolist(), strict=True))
    starts: dict[int, int] = {}
    for attempt, timestamp in zip(begun["attempt"].tolist(), begun["timestamp"].tolist(), strict=True):
        starts.setdefault(attempt, timestamp)
    spans = [(ends.get(attempt, end_ns) - start) / SECOND for attempt, start in starts.items()]
    return Unhedged(len(spans), math.fsum(spans), largest(spans))


def risk_halt_of(decisions: Any) -> RiskHalt | None:
    """The last risk rule that stopped the strategy; None where none did."""
    lines = decisions[decisions["code"] == Decision.RISK_HALTED]
    if not len(lines):
        return None
    line = lines[-1]
    return RiskHalt(reason_name(int(line["order_id"])), float(line["value"]), int(line["timestamp"]))
