"""Why no edge was above the threshold: books that were not known, or prices, fees and threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arb.results.no_trades.cause import Cause, bps, listed, share
from arb.results.no_trades.edges import Edges, Parts, Way
from arb.results.no_trades.settings import Setting, Settings
from arb.results.trades import time_text
from connectors.units import SECOND

if TYPE_CHECKING:
    from arb.results.result import RunResult

#: Books that are known together for a smaller share of the time are the main cause.
_KNOWN_SHARE_MIN = 0.5


def why_unknown(run: RunResult, settings: Settings, edges: Edges | None) -> Cause | None:
    """The cause if edges were never, or seldom, known; None if they were."""
    if edges is None:
        return None
    never = [leg.name for n, leg in enumerate(run.legs) if not edges.leg(n).quoted_s]
    if never:
        return Cause(
            f"{listed(never)} never had a book with a bid below its ask.",
            details=["arb data check looks for the cause in recordings, arb doctor in a connection."],
        )
    both_s = max(way.both_s for way in edges.ways)
    if both_s < _KNOWN_SHARE_MIN * edges.span_s:
        return _seldom(run, settings, edges, both_s)
    if edges.best is None:
        halflife = settings.halflife
        return Cause(
            f"No edge was ever known: the average that edges are measured from takes {halflife} of known books, and "
            f"the run had {both_s:,.0f} s.",
            [halflife],
        )
    return None


def _seldom(run: RunResult, settings: Settings, edges: Edges, both_s: float) -> Cause:
    """Both books were known for a small part of the time."""
    shares = listed(
        f"{leg.name} {share(edges.leg(n).quoted_s, edges.span_s)}" for n, leg in enumerate(run.legs)
    )
    known = f"Both books were known together for {share(both_s, edges.span_s)} of the time ({shares})"
    missing_s = sum(edges.span_s - edges.leg(n).quoted_s for n in range(len(run.legs)))
    lost_s = sum(leg.outages.before_ns + leg.outages.total_ns for leg in run.legs) / SECOND
    if missing_s > 2.0 * lost_s:
        limit = settings.stale_after
        return Cause(f"{known}: a book that does not change for longer than {limit} is emptied.", [limit])
    return Cause(f"{known}: the data have gaps, or end early; arb data check shows where.")


def why_below(run: RunResult, settings: Settings, edges: Edges | None) -> Cause:
    """The cause if no edge was above the threshold."""
    threshold = settings.threshold
    way = None if edges is None else edges.best
    if way is None:
        return Cause(f"No edge exceeded {threshold} while both books were known.", [threshold])
    fees = [settings.taker_fee(leg_no) for leg_no in (way.buy, way.sell)]
    at = (
        f"The largest edge was that of buying {run.legs[way.buy].name} and selling {run.legs[way.sell].name} at "
        f"{time_text(way.max_ts)[:19].replace('T', ' ')}."
    )
    sentence, settings_named = _below(way, threshold, fees, settings)
    return Cause(f"{sentence}.", settings_named, [at])


def _below(
    way: Way, threshold: Setting, fees: list[Setting], settings: Settings
) -> tuple[str, list[Setting]]:
    """What kept the largest edge below the threshold, the first of: prices, fees, basis, cost of leaving, threshold."""
    parts, least = way.largest, float(threshold.value)
    made_of = _made_of(parts, fees, settings)
    largest = f"the largest edge was {bps(parts.net)}: {made_of}"
    if parts.gross <= 0.0:
        return f"The prices of the venues never crossed, so no edge exceeded {threshold}; {largest}", [
            threshold,
            *fees,
        ]
    if parts.gross <= parts.fees:
        return (
            f"Fees were larger than the spread, so no edge exceeded {threshold}; {largest}",
            [*fees, threshold],
        )
    if parts.net + parts.basis > least:
        return (
            f"No edge exceeded {threshold} over the average cross spread ({settings.halflife}); {largest}",
            [threshold, settings.halflife, *fees],
        )
    if parts.net + parts.leave > least:
        mode = Setting("strategy.mode", "convergence")
        return (
            f"No edge exceeded {threshold} and the cost of closing it later ({mode}); {largest}",
            [threshold, mode, *fees],
        )
    return (
        f"The edge never exceeded {threshold}: its maximum was {bps(parts.net)}: {made_of}",
        [threshold, *fees],
    )


def _made_of(parts: Parts, fees: list[Setting], settings: Settings) -> str:
    named = f"{bps(parts.gross)} gross, less {bps(parts.fees)} of fees ({listed(fees)})"
    if float(settings.halflife.value) > 0.0:
        sign = "less" if parts.basis >= 0.0 else "plus"
        named += f", {sign} {bps(abs(parts.basis))} of basis"
    if settings.is_convergence:
        named += f", less {bps(parts.leave)} to close it later"
    return named
