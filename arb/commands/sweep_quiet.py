"""Sets of the spread strategy over quiet rows: fewer rows where it cannot act, the same result.

A set's spans follow from prices alone before it runs. Its decisions show whether an attempt outlasted them: then the
set runs again, with the times of these attempts as further spans, and at last over all thinned rows.
"""

from __future__ import annotations

from typing import Any

from arb.commands.run_checks import BUILT_IN
from arb.strategies.loader import LoadedStrategy
from arb.strategies.spread.decisions import Decision
from arb.strategies.spread.quiet import active_spans, attempts_in, put_spans
from arb.sweep.engine import OneSet, Ran
from arb.sweep.quiet_spans import Spans
from arb.sweep.thin_files import ThinRows
from connectors.jit.compilation import compiled
from connectors.units import MILLISECOND

#: Most runs of a set over quiet rows.
ROUNDS_MAX = 3
#: Spans with more of the rows than this are not worth their making.
_SHARE_MAX = 0.7
#: Time after an edge, beside latencies and the timeout of an attempt, in which attempts usually end; and the most.
_AFTER_NS, _AFTER_NS_MAX = 100 * MILLISECOND, 1_000 * MILLISECOND

#: With its machine code kept on disk; a family of strategies knows of no such thing.
_put_spans = compiled(put_spans)


def spans_of(strategy: LoadedStrategy, one: OneSet, params: Any, thin: ThinRows) -> Spans | None:
    """The spans in which a set needs all thinned rows; None if it needs them all."""
    if strategy.spec != BUILT_IN or params["is_convergence"]:
        return None
    quiet = thin.quiet(int(params["record_interval_ns"]))
    if quiet is None:
        return None
    latencies = [leg.entry_latency_ns + leg.response_latency_ns for leg in one.legs]
    after_ns = min(_AFTER_NS + int(params["order_timeout_ns"]) + 2 * max(latencies), _AFTER_NS_MAX)
    spans = Spans(quiet, active_spans(quiet.prices, params, after_ns, _put_spans))
    return spans if spans.share < _SHARE_MAX else None


def further(spans: Spans, ran: Ran, params: Any) -> Spans | None:
    """The spans themselves if the run kept to them, with more where it did not; None: all thinned rows are needed."""
    attempts = attempts_in(ran.output.decisions)
    if ran.error or attempts.is_stopped or not _is_on_time(ran, attempts.ended, params):
        return None
    seen = ran.output.decisions
    seen = seen["timestamp"][seen["code"] == Decision.OPPORTUNITY]
    if spans.outside(seen, seen).any():
        return None
    is_outside = spans.outside(attempts.begun, attempts.ended)
    if not is_outside.any():
        return spans
    return spans.with_more(attempts.begun[is_outside], attempts.ended[is_outside])


def _is_on_time(ran: Ran, ended: Any, params: Any) -> bool:
    """Whether all records but the last one are those of the interval, which are points, or of ends of attempts."""
    times = ran.output.records["timestamp"][:, 0]
    if not len(times):
        return True
    is_usual = (times - times[0]) % int(params["record_interval_ns"]) == 0
    return set(times[:-1][~is_usual[:-1]].tolist()) <= set(ended.tolist())
