"""Why every edge above the threshold was missed: the most frequent reason of the log, and the keys behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from arb.results.metrics.opportunities import Opportunities
from arb.results.no_trades.cause import Cause, bps, counted, listed
from arb.results.no_trades.edges import Edges, Way
from arb.results.no_trades.settings import Setting, Settings
from arb.results.no_trades.size import Cap, least_order, too_small
from arb.strategies.spread.decisions import Decision, Missed

if TYPE_CHECKING:
    from arb.results.result import RunResult

#: Reasons whose keys follow from the prices and what the run began with.
_OF_SIZE = (Missed.POSITION, Missed.INVENTORY, Missed.TOO_SMALL)
#: Limits that a sentence lists; of more it names the tightest.
_CAPS_MAX = 2
#: What to look at where the sizes are not known.
_SIZE_KEYS = "capital, risk.position_limit, strategy.max_position_size, and the least order of the venues"


def why_missed(run: RunResult, settings: Settings, edges: Edges | None, seen: Opportunities) -> Cause:
    """The cause of a run with opportunities and without an attempt."""
    ended = run.decisions[run.decisions["code"] == Decision.OPPORTUNITY_END]
    reasons = Counter(ended["order_id"].tolist())
    if not reasons:
        return Cause(f"{_all(seen.seen)} still open when the run ended.")
    code = max(reasons, key=lambda one: (reasons[one], -one))
    of_legs = Counter(ended["leg"][ended["order_id"] == code].tolist())
    ways = [] if edges is None else [way for way in edges.ways if way.buy in of_legs and way.is_known]
    ways.sort(key=lambda way: -of_legs[way.buy])
    opening = (
        _all(seen.seen) if len(reasons) == 1 else f"{reasons[code]:,} of {seen.seen:,} opportunities were"
    )
    if code in _OF_SIZE:
        return _of_size(opening, ways, settings)
    if code == Missed.STALE:
        return _stale(opening, run, settings, edges, ways)
    if code == Missed.DISTRUSTED:
        cap = settings.of("strategy.max_edge_bps")
        largest = max(ended["value"][ended["order_id"] == code].tolist())
        return Cause(
            f"{opening} missed because the edge was above {cap}, where a price is more likely wrong than favourable: "
            f"the largest was {bps(largest)}.",
            [cap],
        )
    name = Missed(code).name.lower().replace("_", " ") if code in list(Missed) else f"reason {code}"
    return Cause(f"{opening} missed, by the log: {name}.")


def _all(seen: int) -> str:
    return "The only opportunity was" if seen == 1 else f"All {seen:,} opportunities were"


def _of_size(opening: str, ways: list[Way], settings: Settings) -> Cause:
    """Each direction has limits of its own; those of the one that was missed most are the sentence."""
    found: list[tuple[str, list[Setting]]] = []
    for way in ways:
        least = least_order(way, settings)
        caps = too_small(way, settings, least)
        if caps:
            named = [setting for cap in caps for setting in cap.settings]
            found.append((f"{least}, and {_allowed(caps)}", [*named, least.setting]))
    if not found:
        return Cause(f"{opening} missed because the quantity was too small: see {_SIZE_KEYS}.")
    (text, named), *others = found
    return Cause(
        f"{opening} missed because the quantity was too small: {text}.",
        named,
        [f"In the other direction {other}." for other, _ in others if other != text],
    )


def _allowed(caps: Sequence[Cap]) -> str:
    """The limits, the tightest first. If many are too small, the least order is what is unusual."""
    texts = list(dict.fromkeys(map(str, caps)))
    if len(texts) <= _CAPS_MAX:
        return listed(texts)
    return f"{texts[0]}; {counted(len(texts) - 1, 'further limit')} are too small as well"


def _stale(opening: str, run: RunResult, settings: Settings, edges: Edges | None, ways: list[Way]) -> Cause:
    """A book without news for too long, or data that were too old on arrival."""
    limit = settings.stale_after
    legs = {leg_no for way in ways for leg_no in (way.buy, way.sell)}
    late = [] if edges is None else [n for n in sorted(legs) if edges.leg(n).late_s > 0.0]
    if edges is None or not late:
        return Cause(f"{opening} missed because a book was older than {limit} allows.", [limit])
    lags = listed(f"{run.legs[n].name} at least {edges.leg(n).lag_ms_min:,.0f} ms" for n in late)
    named = [limit]
    causes = []
    offset = settings.clock_offset
    if offset is not None and float(offset.value) != 0.0:
        named.append(offset)
        causes.append(f"{offset} is added to every time of arrival")
    for leg_no in late:
        assumed = settings.feed_latency(leg_no)
        if float(assumed.value) > float(limit.value):
            named.append(assumed)
            causes.append(f"{assumed} is assumed where a venue sends no time")
    because = f"; {listed(causes)}" if causes else ""
    return Cause(
        f"{opening} missed because data arrived later than {limit} allows: {lags}{because}.",
        named,
        []
        if causes
        else [f"{counted(len(late), 'leg')} with late data: a clock that is wrong looks the same."],
    )
