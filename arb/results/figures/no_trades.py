"""Why a run has no fill, and the distribution of its edges, which is measured for such runs only."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from arb.results.figures.declared import WHY, Figure, Group
from arb.results.no_trades.edges import LegBook, Parts, Way
from arb.results.trades import time_text
from arb.strategies.spread.measures import LEVELS, SHARES

if TYPE_CHECKING:
    from arb.results.result import RunResult

#: The points of a distribution: the key and the heading of each of SHARES.
POINTS = tuple(
    ("max", "maximum") if one == 1.0 else (f"p{100 * one:g}".replace(".", "_"), f"{100 * one:g} %")
    for one in SHARES
)
#: The parts of an edge: key and label.
PARTS = (
    ("net", "net edge"),
    ("gross", "gross"),
    ("fees", "fees"),
    ("basis", "basis"),
    ("leave", "closing"),
)
#: The levels: key and heading; the last one is the threshold.
ABOVE = (
    *((f"above_{level:g}_bps_s", f"{level:g} bps") for level in LEVELS),
    ("above_threshold_s", "threshold"),
)

NO_TRADES = Group(
    "no_trades",
    "why there is no fill; null for a run with one, and for one that failed",
    lambda run: run.no_trades,
    (
        Figure("reason", "text",
               text="the main cause in a sentence, with the keys of the configuration that set it"),
        Figure("keys", "texts", lambda e: list(e.keys),
               text="these keys, as `--set` takes them"),
        Figure("details", "texts", lambda e: list(e.details),
               text="what else is known"),
        Figure("threshold_bps", "bps",
               text="the threshold: `strategy.min_spread_bps`; null for a strategy without one"),
        Figure("threshold_for_10_bps", "bps",
               text="the highest threshold above which edges rose ten times, at least `execution.attempt_interval_ms` "
                    "apart, in hundredths, rounded down: about ten attempts, if nothing else stood in their way; "
                    "negative: at a loss; null if they never did, or were not measured"),
    ),
)  # fmt: skip


class _Way(NamedTuple):
    """A direction and its legs: the source of its figures."""

    way: Way
    names: tuple[str, str]
    books: tuple[LegBook, LegBook]
    span_s: float


def _ways(run: RunResult) -> list[_Way]:
    edges = run.net_edges
    if edges is None or run.no_trades is None:
        return []
    return [
        _Way(
            way,
            (run.legs[way.buy].name, run.legs[way.sell].name),
            (edges.leg(way.buy), edges.leg(way.sell)),
            edges.span_s,
        )
        for way in edges.ways
    ]


def _part(point: int, name: str) -> Callable[[_Way], Any]:
    return lambda one: getattr(one.way.points[point], name)


def _above(level: int) -> Callable[[_Way], float]:
    return lambda one: one.way.above_s[level]


_TEXTS = dict(
    zip(
        Parts._fields,
        (
            "gain of buying and selling at the touches, net of both taker fees and of the next lines",
            "what the sale brings above the purchase",
            "both taker fees",
            "the average gain that edges are measured from; 0 without `strategy.basis_halflife_s`",
            "cost of closing the spread later, in convergence mode; otherwise 0",
        ),
        strict=True,
    )
)


def _figures_of_points() -> list[Figure]:
    """For each point, the edge and its parts; at a share of the time they are means over edges of that size."""
    found = []
    for point, (key, heading) in enumerate(POINTS):
        which = (
            "the largest" if not point else f"what was not exceeded for {heading} of the time with an edge"
        )
        for name, label in PARTS:
            text = f"{which}: {_TEXTS[name]}" if name == PARTS[0][0] else f"of it: {_TEXTS[name]}"
            shown_as = f"{label}, {heading}"
            found.append(Figure(f"{key}.{name}_bps", "bps", _part(point, name), WHY, shown_as, text))
    return found


NET_EDGES = Group(
    "net_edges",
    "of a run without a fill: one object for each direction of each pair, in bps of the buy price, weighted by time; "
    "empty if not measured",
    _ways,
    (
        Figure("buy", "text", lambda one: one.names[0],
               text="the leg that is bought"),
        Figure("sell", "text", lambda one: one.names[1],
               text="the leg that is sold"),
        Figure("span_s", "duration", lambda one: one.span_s,
               text="from the first row to the last"),
        Figure("both_books_s", "duration", lambda one: one.way.both_s,
               text="time with a book of both legs"),
        Figure("known_s", "duration", lambda one: one.way.known_s,
               text="of that, the time with an edge; less while the average cross spread is not known yet"),
        Figure("late_s", "duration", lambda one: max(book.late_s for book in one.books),
               text="time after data that arrived later than `execution.stale_after_ms`, of the leg with more"),
        *_figures_of_points(),
        Figure("max.time", "time", lambda one: time_text(one.way.max_ts) or None,
               text="when the edge was the largest"),
        *(
            Figure(key, "duration", _above(level), WHY, f"time above {heading}",
                   text=f"time with an edge above {f'{heading}' if level < len(LEVELS) else 'the threshold'}")
            for level, (key, heading) in enumerate(ABOVE)
        ),
        Figure("shown_base_max", "quantity", lambda one: one.way.shown,
               text="largest quantity that both touches showed at an edge above the threshold; 0 if there was none"),
    ),
)  # fmt: skip
