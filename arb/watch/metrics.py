"""`/metrics` for Prometheus: what each session that has not ended says in its status, and what its events count.

A run that has ended has no metrics but its count in `arb_runs`. Counters are those of the session, so they begin again
with a session and not with the watcher; only the lags of feeds are the watcher's own. docs/metrics.md lists what is
declared below.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, islice
from pathlib import Path
from typing import NamedTuple, TypeAlias

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from arb.alerts.store import Alarm
from arb.results.event_log import LoggedEvent
from arb.results.runs import KILLED, RUNNING, SILENT, UNREADABLE
from arb.results.status import SPANS_MS, EdgeStatus, LatencyStatus, LegStatus, SpanStatus, Status
from arb.watch.sessions import Sessions, WatchedSession
from connectors.text import printable
from connectors.units import SECOND

#: States of runs that have not ended as they should.
_OPEN = frozenset({RUNNING, SILENT, KILLED, UNREADABLE})
#: What `arb_runs` always has.
STATES = (RUNNING, SILENT, KILLED, UNREADABLE, "ended", "halted", "interrupted", "failed", "hung")
#: Sessions with metrics, the newest; values of a label in a session, the first ones.
SESSIONS_MAX, VALUES_MAX = 32, 40
_OTHER = "other"
#: Upper ends of the buckets of the feeds' lags, in seconds.
LAGS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_ORDERS = ("order", "chase", "reverse", "flatten", "hedge")
#: The feed's state in which its book can be used.
_SYNCED = "synced"
_GB = 1e9

Samples: TypeAlias = Iterable[tuple[tuple[str, ...], float | None]]


class Lags:
    """The lags of one leg, a sample with each status."""

    def __init__(self) -> None:
        self._counts = [0] * (len(LAGS_S) + 1)
        self.sum_s = 0.0

    def add(self, lag_s: float) -> None:
        """Adds a sample."""
        self._counts[bisect_left(LAGS_S, lag_s)] += 1
        self.sum_s += lag_s

    @property
    def buckets(self) -> list[tuple[str, float]]:
        """Upper ends, and how many samples are not above them."""
        found, total = [], 0
        for end, count in zip((*map(str, LAGS_S), "+Inf"), self._counts, strict=True):
            total += count
            found.append((end, float(total)))
        return found


class Tally:
    """What the events and the statuses of one session add up to."""

    def __init__(self) -> None:
        self.began_ns = 0
        self.kinds: Counter[str] = Counter()
        self.opportunities: Counter[str] = Counter()
        #: By kind and leg.
        self.orders: dict[str, Counter[str]] = {kind: Counter() for kind in _ORDERS}
        self.rejected: Counter[str] = Counter()
        self.lags: dict[str, Lags] = {}

    def add(self, event: LoggedEvent) -> None:
        """Counts an event."""
        _count(self.kinds, event.event)
        if event.event == "opportunity":
            _count(self.opportunities, str(event.data.get("reason")))
        elif event.event == "rejected":
            _count(self.rejected, str(event.data.get("leg")))
        elif event.event in _ORDERS:
            _count(self.orders[event.event], str(event.data.get("leg")))


class View(NamedTuple):
    """A session at the time of a scrape."""

    status: Status
    tally: Tally
    now_ns: int
    alarms: Mapping[str, Alarm]


class Declared(NamedTuple):
    """A metric. kind: gauge or counter; labels: after `session`. samples: of one session; None is left out."""

    name: str
    kind: str
    labels: tuple[str, ...]
    text: str
    samples: Callable[[View], Samples]


def _of_session(name: str, kind: str, text: str, value: Callable[[Status], float | None]) -> Declared:
    return Declared(name, kind, (), text, lambda view: [((), value(view.status))])


def _of_leg(name: str, kind: str, text: str, value: Callable[[LegStatus], float | None]) -> Declared:
    return Declared(
        name,
        kind,
        ("leg", "venue"),
        text,
        lambda view: [((leg.name, venue_of(leg.name)), value(leg)) for leg in view.status.legs],
    )


def _of_edge(name: str, text: str, value: Callable[[EdgeStatus], float | None]) -> Declared:
    return Declared(
        name,
        "gauge",
        ("buy", "sell"),
        text,
        lambda view: [((edge.buy, edge.sell), value(edge)) for edge in view.status.edges],
    )


def _counts(name: str, label: str, text: str, counts: Callable[[View], Mapping[str, int]]) -> Declared:
    return Declared(name, "counter", (label,), text, lambda view: bounded(counts(view)))


def _count(counts: Counter[str], value: str) -> None:
    counts[value if value in counts or len(counts) < VALUES_MAX else _OTHER] += 1


def bounded(counts: Mapping[str, int]) -> Samples:
    """The first values of a label; all others in one. None of them falls while the counts do not."""
    yield from (((name,), count) for name, count in islice(counts.items(), VALUES_MAX))
    if len(counts) > VALUES_MAX:
        yield (_OTHER,), sum(islice(counts.values(), VALUES_MAX, None))


def venue_of(leg: str) -> str:
    """The venue in the name of a leg."""
    return leg.partition(":")[0]


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _age_s(then_ns: Callable[[Status], int]) -> Callable[[View], Samples]:
    return lambda view: [((), max(0.0, (view.now_ns - then_ns(view.status)) / SECOND))]


def _outcomes(view: View) -> Mapping[str, int]:
    status, halted = view.status, view.tally.kinds["halted"]
    return {
        "hedged": status.hedged, "missed": status.missed, "reversed": status.reversed, "halted": halted
    }  # fmt: skip


DECLARED: Sequence[Declared] = (
    Declared("arb_status_age_seconds", "gauge", (), "Since its last status.", _age_s(lambda s: s.time_ns)),
    Declared(
        "arb_heartbeat_age_seconds", "gauge", (), "Since the strategy's clock was last advanced.",
        _age_s(lambda s: s.heartbeat_ns),
    ),
    _of_session("arb_elapsed_seconds", "gauge", "Since its feeds were started.", lambda s: s.elapsed_s),
    _of_leg("arb_feed_up", "gauge", "1 if the book can be used.", lambda leg: float(leg.feed == _SYNCED)),
    _of_leg("arb_bid_price", "gauge", "Best bid.", lambda leg: leg.bid),
    _of_leg("arb_ask_price", "gauge", "Best ask.", lambda leg: leg.ask),
    _of_leg("arb_book_age_seconds", "gauge", "Since the book's last message.", lambda leg: leg.age_s),
    _of_leg("arb_feed_messages_per_second", "gauge", "Messages of the feed.", lambda leg: leg.messages_per_s),
    _of_leg("arb_frames_total", "counter", "Frames received.", lambda leg: leg.frames),
    _of_leg("arb_gaps_total", "counter", "Broken chains of ids.", lambda leg: leg.gaps),
    _of_leg("arb_position_base", "gauge", "Position, in base.", lambda leg: leg.position),
    _of_leg("arb_exposure_quote", "gauge", "Position at the mid, in quote.", lambda leg: leg.exposure_quote),
    _of_edge("arb_edge_bps", "Edge of buying one leg and selling the other, after both taker fees.",
             lambda edge: edge.edge_bps),
    _of_edge("arb_edge_largest_bps", "Largest so far.", lambda edge: edge.best_bps),
    _of_session("arb_threshold_bps", "gauge", "Least edge at which the strategy trades; of one with a basis, over "
                "the average cross spread.", lambda s: s.threshold_bps),
    _of_session("arb_working_orders", "gauge", "Orders that are open.", lambda s: s.working),
    _of_session("arb_fills_total", "counter", "Fills.", lambda s: s.fills),
    _of_session("arb_attempts_total", "counter", "Attempts that were begun.", lambda s: s.attempts),
    _counts("arb_attempt_outcomes_total", "outcome", "Attempts that have ended.", _outcomes),
    _counts("arb_opportunities_total", "reason", "Opportunities that have ended: taken, or why not.",
            lambda view: view.tally.opportunities),
    Declared(
        "arb_orders_total", "counter", ("leg", "venue", "kind"),
        "Orders that the strategy or the host has sent: order, chase, reverse, flatten, hedge.",
        lambda view: (
            ((leg, venue_of(leg), kind), n) for kind, legs in view.tally.orders.items() for leg, n in legs.items()
        ),
    ),
    Declared(
        "arb_rejected_orders_total", "counter", ("leg", "venue"), "Orders that the gate or the venue has refused.",
        lambda view: (((leg, venue_of(leg)), n) for leg, n in view.tally.rejected.items()),
    ),
    _counts("arb_refusals_total", "rule", "Orders that a limit has refused.", lambda view: view.status.refusals),
    _of_session("arb_reconnects_total", "counter", "Connections of feeds that ended.",
                lambda s: s.events.get("disconnect", 0)),
    _counts("arb_events_total", "kind", "Lines of events.jsonl.", lambda view: view.tally.kinds),
    _of_session("arb_capital_quote", "gauge", "Capital at the start.", lambda s: s.capital_quote),
    _of_session("arb_profit_quote", "gauge", "Profit, positions at the mid.", lambda s: s.pnl_quote),
    _of_session("arb_fees_quote", "gauge", "Fees.", lambda s: s.fee_quote),
    _of_session("arb_drawdown_quote", "gauge", "Lost since the largest profit.", lambda s: s.drawdown_quote),
    _of_session("arb_day_loss_quote", "gauge", "Lost since 0:00 UTC.", lambda s: s.day_loss_quote),
    _of_session("arb_halted", "gauge", "1 if a person or a rule has halted it.", lambda s: float(bool(s.halted))),
    _of_session("arb_doubts", "gauge", "Orders whose outcome is not known.", lambda s: s.doubts),
    Declared("arb_rule_holds", "gauge", ("rule",), "1 for each rule of the supervisor that holds.",
             lambda view: bounded(dict.fromkeys((rule.name for rule in view.status.rules), 1))),
    _counts("arb_alarms_total", "rule", "States that its guard or the watcher has reported, how often they have begun.",
            lambda view: {alarm.rule: alarm.begun for alarm in view.alarms.values()}),
    _of_session("arb_processor_ratio", "gauge", "Of one core, by its process.",
                lambda s: _scaled(s.processor_pct, 0.01)),
    _of_session("arb_memory_bytes", "gauge", "Of its process.", lambda s: _scaled(s.memory_gb, _GB)),
    _of_session("arb_open_files", "gauge", "Of its process.", lambda s: s.open_files),
    _of_session("arb_disk_free_bytes", "gauge", "On the disk of its folder.", lambda s: _scaled(s.disk_free_gb, _GB)),
)  # fmt: skip

#: Those that are made below, as in `Declared`, with all labels.
RUNS = ("arb_runs", "gauge", ("state",), "Runs in the folders, by state as in `arb runs`.")
UP = ("arb_up", "gauge", ("session", "command"), "1: it runs; 0: it is silent, killed or unreadable.")
LAG = (
    "arb_feed_lag_seconds", "histogram", ("session", "leg", "venue"),
    "From the venue's time to receipt, a sample a second, since the watcher's start.",
)  # fmt: skip
LATENCY = (
    "arb_order_latency_seconds", "histogram", ("session", "leg", "venue"),
    "From an order's request to its answer, of all since the session's start.",
)  # fmt: skip


DECISION = (
    "arb_decision_seconds", "histogram", ("session", "leg", "venue"),
    "From the receipt of the data that caused a request, or from the end of a wait, until the strategy made it. Live.",
)  # fmt: skip
TO_ORDER = (
    "arb_socket_to_order_seconds", "histogram", ("session", "leg", "venue"),
    "The same, until its bytes were written to the venue's socket. Live.",
)  # fmt: skip


class Metrics(Collector):
    """All metrics of a watcher; one of the listeners of its sessions. One thread."""

    def __init__(self, sessions: Sessions, clock: Callable[[], int] = time.time_ns) -> None:
        """clock: this machine's time in ns."""
        self._sessions = sessions
        self._clock = clock
        self._tallies: dict[Path, Tally] = {}
        self._registry = CollectorRegistry()
        self._registry.register(self)
        sessions.listeners.append(self)

    def text(self) -> bytes:
        """The present values in Prometheus's text format."""
        return generate_latest(self._registry)

    def on_status(self, session: WatchedSession, status: Status) -> None:
        """Adds the feeds' lags."""
        tally = self._tally(session)
        if tally.began_ns not in (0, status.began_ns):  # another session in the same folder
            self._tallies[session.folder] = tally = Tally()
        tally.began_ns = status.began_ns
        for leg in status.legs:
            if leg.lag_ms is not None:
                tally.lags.setdefault(leg.name, Lags()).add(leg.lag_ms / 1e3)

    def on_events(self, session: WatchedSession, events: Sequence[LoggedEvent]) -> None:
        """Counts events."""
        tally = self._tally(session)
        if events[0].number == 1 and tally.kinds:  # as above
            self._tallies[session.folder] = tally = Tally()
        for event in events:
            tally.add(event)

    def collect(self) -> Iterator[Metric]:
        """For the registry."""
        sessions = list(self._sessions)
        # Also the states of none: a rule sees the first run of each.
        states = Counter(dict.fromkeys(STATES, 0))
        states.update(one.run.state for one in sessions)
        yield _family(*RUNS, samples=bounded(states))
        known = {one.folder for one in sessions}
        self._tallies = {folder: tally for folder, tally in self._tallies.items() if folder in known}
        shown = [one for one in sessions if one.run.state in _OPEN and not one.summary][-SESSIONS_MAX:]
        yield _family(
            *UP,
            samples=[((one.name, one.run.command), float(one.run.state == RUNNING)) for one in shown],
        )
        now_ns = self._clock()
        views = [
            (one.name, View(one.status, self._tally(one), now_ns, one.alarms))
            for one in shown
            if one.status is not None
        ]
        for one in DECLARED:
            samples = (
                ((name, *labels), value) for name, view in views for labels, value in one.samples(view)
            )
            yield _family(one.name, one.kind, ("session", *one.labels), one.text, samples=samples)
        yield _lags(views)
        yield _spans(*LATENCY, views, lambda status: status.latencies)
        yield _spans(*DECISION, views, lambda status: status.decisions)
        yield _spans(*TO_ORDER, views, lambda status: status.sends)

    def _tally(self, session: WatchedSession) -> Tally:
        return self._tallies.setdefault(session.folder, Tally())


def _family(name: str, kind: str, labels: Sequence[str], text: str, *, samples: Samples) -> Metric:
    family: CounterMetricFamily | GaugeMetricFamily
    family = (CounterMetricFamily if kind == "counter" else GaugeMetricFamily)(name, text, labels=labels)
    for values, value in samples:
        if value is not None:
            family.add_metric([printable(one) for one in values], value)
    return family


def _lags(views: Sequence[tuple[str, View]]) -> Metric:
    name, _, labels, text = LAG
    family = HistogramMetricFamily(name, text, labels=labels)
    for session, view in views:
        for leg, lags in view.tally.lags.items():
            family.add_metric(
                [printable(one) for one in (session, leg, venue_of(leg))], lags.buckets, lags.sum_s
            )
    return family


def _spans(
    name: str,
    _: str,
    labels: Sequence[str],
    text: str,
    views: Sequence[tuple[str, View]],
    spans_of: Callable[[Status], Sequence[LatencyStatus | SpanStatus]],
) -> Metric:
    family = HistogramMetricFamily(name, text, labels=labels)
    ends = [*(str(end / 1e3) for end in SPANS_MS), "+Inf"]
    for session, view in views:
        for one in spans_of(view.status):
            buckets = list(zip(ends, map(float, accumulate(one.counts)), strict=False))
            if len(buckets) == len(ends):
                values = [printable(value) for value in (session, one.leg, venue_of(one.leg))]
                family.add_metric(values, buckets, one.sum_ms / 1e3)
    return family
