"""The figures of one session that alerts compare (`arb.alerts.metrics`), from its status and events. Pure.

Each is the worst of its legs or edges, with a text that names it. Windows of time are those of the session's own times,
so that a watcher that starts again and reads the events again has them at once.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from arb.results.event_log import LoggedEvent
from arb.results.status import EdgeStatus, Status
from connectors.units import MINUTE, SECOND

_HOUR_NS = 60 * MINUTE
#: Of the lags.
_LAGS_NS = 5 * MINUTE
#: Least time of an edge, and least deviation, in bps, with which another is compared.
_EDGES_NS, _DEVIATION_MIN_BPS = 10 * MINUTE, 0.1
#: The orders of `orders_failed_pct`; of `orders_of_usual` those in a minute, after how long, and the least usual.
_FAILED_OF, _FAILED_MIN = 50, 20
_ORDERS_MIN, _ORDERS_NS, _USUAL_MIN = 10, 10 * MINUTE, 1.0
_ORDERS = frozenset({"order", "chase", "reverse", "flatten", "hedge"})
#: An order that was not sent, because of a limit, and one that the venue or the gate refused.
_FAILED = frozenset({"refused", "rejected"})
_OUTCOMES = frozenset({"hedged", "missed", "reversed"})


#: Leg and id of an order as events have them.
_Order: TypeAlias = tuple[Any, Any]


class Figure(NamedTuple):
    """value: None if it is not known. text: what it is about."""

    value: float | None
    text: str


UNKNOWN = Figure(None, "")


class Step(NamedTuple):
    """A figure that has changed with an event."""

    event: LoggedEvent
    metric: str
    figure: Figure


class _Hour:
    """The edge of one direction in the last hour, each value with the time for which it counts."""

    def __init__(self) -> None:
        self._kept: deque[tuple[int, float, float]] = deque()
        self._weight = self._sum = self._squares = 0.0

    def add(self, time_ns: int, value: float, weight_s: float) -> None:
        """Adds a value; those of more than an hour ago are dropped."""
        self._kept.append((time_ns, value, weight_s))
        self._count(value, weight_s)
        while self._kept[0][0] <= time_ns - _HOUR_NS:
            _, old, weight = self._kept.popleft()
            self._count(old, -weight)

    def _count(self, value: float, weight_s: float) -> None:
        self._weight += weight_s
        self._sum += weight_s * value
        self._squares += weight_s * value * value

    def deviations(self, value: float) -> float | None:
        """How far a value is from the mean, in standard deviations; None while too few are known."""
        if self._weight * SECOND < _EDGES_NS:
            return None
        mean = self._sum / self._weight
        variance = max(0.0, self._squares / self._weight - mean * mean)
        return abs(value - mean) / max(math.sqrt(variance), _DEVIATION_MIN_BPS)


class AlertFigures:
    """One session. Give it everything in order."""

    def __init__(self, status: Status | None = None) -> None:
        """status: the first one, if it is known before the events."""
        #: By metric, those of events and of windows.
        self._now: dict[str, Figure] = {}
        self._status = status
        self._lags: dict[str, deque[tuple[int, float]]] = {}
        self._hours: dict[tuple[str, str], _Hour] = {}
        self._orders: deque[int] = deque()
        #: The last orders, by leg and id, and whether each was refused.
        self._tried: deque[tuple[_Order, bool]] = deque(maxlen=_FAILED_OF)
        self._reversed = 0

    def follow_edges(self, edges: Sequence[tuple[str, str]], rows: Any) -> None:
        """Takes the edges of a series before the first status; see `arb.results.series.row_type`."""
        times = rows["time_ns"].tolist()
        for number, way in enumerate(edges):
            hour = self._hours.setdefault(way, _Hour())
            ranges = rows["edge_bps"][:, number].tolist()
            for time_ns, following_ns, pair in zip(times, times[1:], ranges, strict=False):
                for value in pair:
                    if value == value:
                        hour.add(time_ns, value, (following_ns - time_ns) / SECOND / 2.0)

    def on_status(self, status: Status) -> None:
        """Takes a status."""
        self._status = status
        self._now["edge_deviations"] = _worst(self._deviations(status))
        self._now["lag_p99_ms"] = _worst(self._lag(status))

    def on_events(self, events: Iterable[LoggedEvent]) -> Iterator[Step]:
        """Takes events; what has changed with each."""
        for event in events:
            for metric, figure in self._steps(event):
                self._now[metric] = figure
                yield Step(event, metric, figure)

    def value(self, metric: str, now_ns: int) -> Figure:
        """The figure now; unknown before the first status."""
        if metric == "orders_of_usual":
            return self._of_usual(now_ns)
        if metric in self._now:
            return self._now[metric]
        if self._status is None:
            return UNKNOWN
        compute = _OF_STATUS.get(metric)
        return UNKNOWN if compute is None else compute(self._status)

    # -- events

    def _steps(self, event: LoggedEvent) -> Iterator[tuple[str, Figure]]:
        kind = event.event
        if kind in _ORDERS:
            self._orders.append(event.time_ns)
        if kind in _ORDERS or kind in _FAILED:
            self._try(event)
            if len(self._tried) >= _FAILED_MIN:
                failed = sum(is_failed for _, is_failed in self._tried)
                text = f"{failed} of the last {len(self._tried)} orders were refused"
                yield "orders_failed_pct", Figure(100.0 * failed / len(self._tried), text)
        if kind in _OUTCOMES:
            self._reversed = self._reversed + 1 if kind == "reversed" else 0
            yield (
                "reversed_in_a_row",
                Figure(self._reversed, f"{self._reversed} attempts in a row were reversed"),
            )
            yield "attempt_loss_pct", self._loss(event)

    def _try(self, event: LoggedEvent) -> None:
        order: _Order = event.data.get("leg"), event.data.get("order_id")
        if event.event == "rejected" and (order, False) in self._tried:
            self._tried[self._tried.index((order, False))] = order, True
        else:
            self._tried.append((order, event.event in _FAILED))

    def _loss(self, event: LoggedEvent) -> Figure:
        capital, profit = self._status and self._status.capital_quote, event.data.get("profit", 0.0)
        if not capital or not isinstance(profit, int | float):
            return UNKNOWN
        percent = max(0.0, -100.0 * profit / capital)
        return Figure(
            percent,
            f"attempt {event.data.get('attempt')} has lost {-profit:,.2f}, {percent:.2f} % of the capital",
        )

    def _of_usual(self, now_ns: int) -> Figure:
        while self._orders and self._orders[0] <= now_ns - _HOUR_NS - MINUTE:
            self._orders.popleft()
        last_ns = now_ns - MINUTE
        count = sum(1 for time_ns in self._orders if last_ns < time_ns <= now_ns)
        began_ns = self._status.began_ns if self._status else now_ns
        before_ns = min(last_ns - began_ns, _HOUR_NS)
        if before_ns < _ORDERS_NS:
            return UNKNOWN
        usual = max(_USUAL_MIN, (len(self._orders) - count) / (before_ns / MINUTE))
        text = f"{count} orders in the last minute, {usual:.1f} in a usual one"
        return Figure(count / usual if count >= _ORDERS_MIN else 0.0, text)

    # -- statuses

    def _deviations(self, status: Status) -> Iterator[Figure]:
        for edge in status.edges:
            if edge.edge_bps is None:
                continue
            hour = self._hours.setdefault((edge.buy, edge.sell), _Hour())
            found = hour.deviations(edge.edge_bps)
            hour.add(status.time_ns, edge.edge_bps, 1.0)
            yield Figure(
                found, f"{_way(edge)}: {edge.edge_bps:+.2f} bps, {found or 0.0:.1f} deviations from its hour"
            )

    def _lag(self, status: Status) -> Iterator[Figure]:
        for leg in status.legs:
            lags = self._lags.setdefault(leg.name, deque())
            if leg.lag_ms is not None:
                lags.append((status.time_ns, leg.lag_ms))
            while lags and lags[0][0] <= status.time_ns - _LAGS_NS:
                lags.popleft()
            if lags:
                ordered = sorted(lag for _, lag in lags)
                p99 = ordered[math.ceil(0.99 * len(ordered)) - 1]
                yield Figure(p99, f"{leg.name}: {p99:,.0f} ms late, p99 of {len(ordered)} s")


def _worst(figures: Iterable[Figure]) -> Figure:
    """The largest that is known."""
    known = [one for one in figures if one.value is not None and one.value == one.value]
    return max(known, key=lambda one: one.value or 0.0, default=UNKNOWN)


def _way(edge: EdgeStatus) -> str:
    return f"buy {edge.buy}, sell {edge.sell}"


def _named(names: Sequence[str], what: str) -> Figure:
    return Figure(len(names), f"{', '.join(names)}: {what}" if names else f"no leg: {what}")


def _share(amount: float | None, whole: float | None, what: str) -> Figure:
    if amount is None or not whole:
        return UNKNOWN
    percent = 100.0 * amount / whole
    return Figure(percent, f"{amount:,.2f} {what}, {percent:.2f} %")


def _edges(status: Status, most: float, what: str) -> Figure:
    return _worst(
        Figure(edge.edge_bps - most, f"{_way(edge)}: edge {edge.edge_bps:+.2f} bps{what}")
        for edge in status.edges
        if edge.edge_bps is not None
    )


def _over_max(status: Status) -> Figure:
    most = status.max_edge_bps
    return UNKNOWN if most is None else _edges(status, most, f", max_edge_bps is {most:g}")


def _ages(status: Status) -> Figure:
    ages = [(leg.age_s, leg.name) for leg in status.legs if leg.age_s is not None]
    return _worst(Figure(age_s, f"{name}: {age_s:.1f} s without a message") for age_s, name in ages)


def _drawdown_used(status: Status) -> Figure:
    capital, most = status.capital_quote, status.max_drawdown_pct
    limit = capital * most / 100.0 if capital and most else None
    return _share(
        status.drawdown_quote, limit, f"lost since the largest profit, of the {limit or 0.0:,.2f} that halt"
    )


def _off(status: Status) -> Figure:
    return _worst(
        Figure(abs(leg.off), f"{leg.name} has {leg.off:+.10g} beyond the session's executions")
        for leg in status.legs
    )


def _exposure(status: Status) -> Figure:
    values = [leg.exposure_quote for leg in status.legs]
    if any(value is None for value in values):
        return UNKNOWN
    net = sum(value or 0.0 for value in values)
    return _share(abs(net), status.capital_quote, "net value of the positions, of the capital")


def _plain(text: str, value: float | None) -> Figure:
    return Figure(value, "" if value is None else text.format(value))


def _heartbeat(status: Status) -> Figure:
    if not status.heartbeat_ns:
        return UNKNOWN
    seconds = max(0.0, (status.time_ns - status.heartbeat_ns) / SECOND)
    return Figure(seconds, f"the strategy's clock has not advanced for {seconds:.1f} s")


_OF_STATUS: Mapping[str, Any] = {
    "unconnected_legs": lambda s: _named([leg.name for leg in s.legs if leg.feed == "down"], "no connection"),
    "unknown_books": lambda s: _named(
        [leg.name for leg in s.legs if leg.bid is None or leg.ask is None], "its book is not known"
    ),
    "age_s": _ages,
    "gaps": lambda s: _plain("{:,} broken chains", sum(leg.gaps for leg in s.legs)),
    "edge_bps": lambda s: _edges(s, 0.0, ""),
    "edge_over_max_bps": _over_max,
    "pnl_quote": lambda s: _plain("profit {:+,.2f}", s.pnl_quote),
    "drawdown_quote": lambda s: _plain("{:,.2f} lost since the largest profit", s.drawdown_quote),
    "drawdown_used_pct": _drawdown_used,
    "day_loss_quote": lambda s: _plain("{:,.2f} lost since 0:00 UTC", s.day_loss_quote),
    "day_loss_pct": lambda s: _share(
        s.day_loss_quote, s.capital_quote, "lost since 0:00 UTC, of the capital"
    ),
    "unhedged_s": lambda s: _plain("the legs of a pair have not balanced for {:.1f} s", s.unhedged_s),
    "attempts_affordable": lambda s: _plain("the balances pay for {:.2f} attempts", s.attempts_affordable),
    "position_off": _off,
    "exposure_pct": _exposure,
    "margin_pct": lambda s: _plain(
        "the maintenance margin is {:.1f} % of what the account has", s.margin_pct
    ),
    "leverage_pct": lambda s: _plain("positions are {:.1f} % of what max_leverage allows", s.leverage_pct),
    "working": lambda s: _plain("{} open orders", s.working),
    "doubts": lambda s: _plain("the outcome of {} orders is not known", s.doubts),
    "processor_pct": lambda s: _plain("{:.0f} % of one core", s.processor_pct),
    "memory_gb": lambda s: _plain("{:.2f} GB of memory", s.memory_gb),
    "open_files": lambda s: _plain("{} open files", s.open_files),
    "disk_free_gb": lambda s: _plain("{:.2f} GB free", s.disk_free_gb),
    "heartbeat_s": _heartbeat,
}
