"""Edges above the threshold as the strategy logged them: number, duration and outcome."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from arb.results.metrics.statistics import is_any_of
from arb.strategies.spread.decisions import Decision, Missed
from connectors.units import SECOND

_REASONS = {reason.value: reason.name.lower() for reason in Missed}


class Opportunities(NamedTuple):
    """Totals of the logged opportunities."""

    seen: int
    taken: int
    #: By `Missed` reason in lower case.
    missed_by_reason: dict[str, int]
    #: Still open at the end of the run.
    open: int
    #: Of those that ended.
    durations_s: Any
    peaks_bps: Any


def opportunities_of(decisions: Any) -> Opportunities | None:
    """Matches beginnings with ends, leg by leg. None when the log has neither."""
    lines = decisions[is_any_of(decisions["code"], (Decision.OPPORTUNITY, Decision.OPPORTUNITY_END))]
    if not len(lines):
        return None
    seen, durations, peaks, reasons = 0, [], [], []
    for leg_no in np.unique(lines["leg"]):
        own = lines[lines["leg"] == leg_no]
        is_begin = own["code"] == Decision.OPPORTUNITY
        ends = np.flatnonzero(is_begin[:-1] & ~is_begin[1:]) + 1
        seen += int(is_begin.sum())
        durations.append((own["timestamp"][ends] - own["timestamp"][ends - 1]) / SECOND)
        peaks.append(own["value"][ends])
        reasons.append(own["order_id"][ends])
    reason = np.concatenate(reasons)
    taken = int((reason == Missed.TAKEN).sum())
    return Opportunities(
        seen=seen,
        taken=taken,
        missed_by_reason=_counted(reason[reason != Missed.TAKEN]),
        open=seen - len(reason),
        durations_s=np.concatenate(durations),
        peaks_bps=np.concatenate(peaks),
    )


def reason_name(code: int) -> str:
    """A `Missed` reason in lower case; an unknown one as its number."""
    return _REASONS.get(code, f"reason_{code}")


def _counted(reasons: Any) -> dict[str, int]:
    codes, counts = np.unique(reasons, return_counts=True)
    return {reason_name(int(code)): int(count) for code, count in zip(codes, counts, strict=True)}
