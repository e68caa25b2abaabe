"""The numbers of one session as its page shows them: tiles, tables, and each number by its key.

A key is the number's place in `summary.json`; with `status.` in front its place in `status.json`, for what no summary
has. A session that goes on has both from its status, one that has ended its figures from its summary. Labels and
kinds are the report's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from arb.alerts.message import iso_time
from arb.alerts.store import Alarm
from arb.report.signs import sign_class, state_class
from arb.report.wording import UNKNOWN, shown
from arb.results.figures.declared import ATTEMPTS, LEGS, OPPORTUNITIES, RESULT, RISK, value_at
from arb.results.status import Status
from arb.watch.attempts import HEADS, attempt_lines
from arb.watch.sessions import WatchedSession
from connectors.text import printable

#: Place of a number in `status.json`.
STATUS = "status."
#: Kinds of numbers that no report has.
_OWN_KINDS: Mapping[str, Callable[[Any], str]] = MappingProxyType(
    {
        "ms": lambda value: f"{value:,.1f} ms",
        "percent": lambda value: f"{value:,.1f} %",
        "gb": lambda value: f"{value:,.2f} GB",
        "rate": lambda value: f"{value:,.1f} /s",
    }
)
#: Of a file whose values have other types than a summary's.
_ODD = (AttributeError, IndexError, KeyError, TypeError, ValueError)


class Figure(NamedTuple):
    """A number: its label, its key and its kind."""

    label: str
    key: str
    kind: str


class Table(NamedTuple):
    """A table of the page. rows: a label and cells, each a Figure or a text."""

    title: str
    heads: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Figure | str]]]


#: Shown large. Those of a summary are the same of a session that goes on.
_TILES = (
    Figure("Profit", "pnl_quote", "gain"),
    Figure("Equity", "equity.end_quote", "money"),
    Figure("Fees", "fee_quote", "money"),
    Figure("Fills", "fills", "count"),
    Figure("Attempts", "attempts.count", "count"),
    Figure("Opportunities", "opportunities.seen", "count"),
)
_DRAWDOWN_NOW = Figure("Drawdown now", f"{STATUS}drawdown_quote", "money")
_DRAWDOWN_MAX = Figure("Largest drawdown", "equity.drawdown_quote_max", "money")
#: The lines of a table: (title, of a session that goes on, of one that has ended).
_ATTEMPTS = (
    Figure("Attempts", "attempts.count", "count"),
    Figure("... hedged", "attempts.hedged", "count"),
    Figure("... missed", "attempts.missed", "count"),
    Figure("... reversed", "attempts.reversed", "count"),
)
_SEEN = (
    Figure("Seen", "opportunities.seen", "count"),
    Figure("Taken", "opportunities.taken", "count"),
    Figure("Missed", "opportunities.missed", "count"),
)
_MONEY = (
    Figure("Capital at the start", "equity.capital_quote", "money"),
    Figure("Equity at the end", "equity.end_quote", "money"),
    Figure("Profit at mid", "pnl_quote", "gain"),
    Figure("Fees", "fee_quote", "money"),
)
_LIVE_TABLES = (
    (
        RESULT,
        (
            *(line._replace(label=line.label.removesuffix(" at the end")) for line in _MONEY),
            _DRAWDOWN_NOW,
            Figure("Loss of the day (UTC)", f"{STATUS}day_loss_quote", "money"),
        ),
    ),
    (ATTEMPTS, (*_ATTEMPTS, Figure("Working orders", f"{STATUS}working", "count"))),
    (OPPORTUNITIES, _SEEN),
)
_ENDED_TABLES = (
    (RESULT, (*_MONEY, Figure("Return", "equity.return_share", "return"))),
    (
        RISK,
        (
            _DRAWDOWN_MAX,
            Figure("... of the capital", "equity.drawdown_share_max", "share"),
            Figure("... from", "equity.drawdown_from_time", "time"),
            Figure("... to", "equity.drawdown_to_time", "time"),
            Figure("Stopped by rule", "risk_halt.rule", "text"),
        ),
    ),
    (
        ATTEMPTS,
        (
            *_ATTEMPTS,
            Figure("... halted", "attempts.halted", "count"),
            Figure("Orders sent", "orders.sent", "count"),
            Figure("Fill ratio", "orders.fill_ratio_share", "share"),
            Figure("Time unhedged", "unhedged.duration_s_sum", "duration"),
        ),
    ),
    (OPPORTUNITIES, _SEEN),
)
_SYSTEM = (
    Figure("Processor, of one core", "processor_pct", "percent"),
    Figure("Memory", "memory_gb", "gb"),
    Figure("Free on its disk", "disk_free_gb", "gb"),
    Figure("Open files", "open_files", "count"),
    Figure("Process", "pid", "value"),
    Figure("Since its start", "elapsed_s", "duration"),
    Figure("Until its end", "remaining_s", "duration"),
)
_FEEDS = (
    Figure("Feed", "feed", "text"),
    Figure("Bid", "bid", "price"),
    Figure("Ask", "ask", "price"),
    Figure("Last message", "age_s", "duration"),
    Figure("Lag", "lag_ms", "ms"),
    Figure("Messages", "messages_per_s", "rate"),
    Figure("Frames", "frames", "count"),
    Figure("Gaps", "gaps", "count"),
    Figure("Exposure (quote)", "exposure_quote", "gain"),
)
_LEG_ENDS = (
    Figure("Fills", "fills", "count"),
    Figure("Volume (base)", "volume_base", "quantity"),
    Figure("Position (base)", "position_base", "base"),
    Figure("Cash", "cash_quote", "gain"),
    Figure("Fees", "fee_quote", "money"),
    Figure("Profit at mid", "pnl_quote", "gain"),
    Figure("Mid at the end", "mid", "price"),
)
_POSITION = Figure("Position (base)", "position_base", "base")
_LATENCY = (
    Figure("Answers", "answers", "count"),
    Figure("p50", "p50_ms", "ms"),
    Figure("p95", "p95_ms", "ms"),
    Figure("p99", "p99_ms", "ms"),
)


def sheet_of(session: WatchedSession) -> dict[str, Any]:
    """For JSON: `tiles` and `tables`, whose cells are keys or texts, and `numbers`: [text, class, value] by key.

    A summary that is not one is a line of a table.
    """
    try:
        return _sheet(session)
    except _ODD as error:
        why = [["summary.json", [{"text": printable(f"cannot be read: {error}")}]]]
        return {"tiles": [], "tables": [{"title": RESULT, "heads": [], "rows": why}], "numbers": {}}


def _sheet(session: WatchedSession) -> dict[str, Any]:
    status, summary = session.status, session.summary
    as_object = {} if status is None else msgspec.to_builtins(status)
    if summary is not None:
        tiles = [*_TILES, _DRAWDOWN_MAX]
        tables = [*_ended_tables(summary), *_status_tables(status, is_over=True)]
        known: Mapping[str, Any] = summary
    else:
        tiles = [*_TILES, _DRAWDOWN_NOW]
        known = {} if status is None else _summary_of(status, session.missed)
        tables = (
            [] if status is None else [*_live_tables(status, known), *_status_tables(status, is_over=False)]
        )

    if attempts := attempt_lines(reversed(session.trading)):
        tables.append(Table("Last attempts", HEADS, attempts))
    if session.alarms:
        tables.append(_alarms(session.alarms))

    def number(figure: Figure) -> list[Any]:
        if figure.key.startswith(STATUS):
            value = value_at(as_object, figure.key.removeprefix(STATUS))
        else:
            value = value_at(known, figure.key)
        return _number(value, figure)

    # Wide ones first, so that no gaps are left between the others.
    tables.sort(key=lambda table: len(table.heads) < 2)
    cells = (cell for table in tables for _, row in table.rows for cell in row)
    figures = [*tiles, *(cell for cell in cells if isinstance(cell, Figure))]
    return {
        "tiles": [[figure.label, figure.key] for figure in tiles],
        "tables": [
            {
                "title": table.title,
                "heads": [printable(head) for head in table.heads],
                "rows": [
                    [
                        printable(label),
                        [{"key": c.key} if isinstance(c, Figure) else {"text": printable(c)} for c in row],
                    ]
                    for label, row in table.rows
                ],
            }
            for table in tables
        ],
        "numbers": {figure.key: number(figure) for figure in figures},
    }


def gain_of(value: float | None) -> list[Any]:
    """A profit of the list of sessions."""
    return _number(value, _TILES[0])


def count_of(value: int | None) -> list[Any]:
    """A count of the list of sessions."""
    return _number(value, _TILES[3])


def _number(value: Any, figure: Figure) -> list[Any]:
    kind = figure.kind
    if value is None:
        return [UNKNOWN, "unknown", None]
    try:
        text = _OWN_KINDS[kind](value) if kind in _OWN_KINDS else shown(value, kind)
        state = state_class(value) if isinstance(value, str) else sign_class(value, kind)
    except _ODD:  # no number of this kind: as it is
        return [printable(str(value)), "unknown", None]
    return [printable(text), state, value]


def _summary_of(status: Status, missed: Mapping[str, int]) -> dict[str, Any]:
    """What `summary.json` would have of a session that goes on."""
    capital, pnl = status.capital_quote, status.pnl_quote
    return {
        "fills": status.fills,
        "fee_quote": status.fee_quote,
        "pnl_quote": pnl,
        "equity": {
            "capital_quote": capital,
            "end_quote": None if capital is None or pnl is None else capital + pnl,
        },
        "attempts": {
            "count": status.attempts,
            "hedged": status.hedged,
            "missed": status.missed,
            "reversed": status.reversed,
        },
        "opportunities": {
            "seen": status.opportunities,
            "taken": status.opportunities_taken,
            "missed": sum(missed.values()),
            "missed_by_reason": dict(missed),
        },
        "legs": [{"position_base": leg.position} for leg in status.legs],
    }


def _lines(title: str, lines: Iterable[Figure]) -> Table:
    return Table(title, (), [(line.label, (line,)) for line in lines])


def _by_leg(
    title: str, legs: Sequence[str], lines: Sequence[Figure], prefix: str, group: str = "legs"
) -> Table:
    rows = [
        (line.label, [line._replace(key=f"{prefix}{group}.{n}.{line.key}") for n in range(len(legs))])
        for line in lines
    ]
    return Table(title, legs, rows)


def _live_tables(status: Status, known: Mapping[str, Any]) -> list[Table]:
    legs = [leg.name for leg in status.legs]
    feeds, positions = (
        _by_leg(LEGS, legs, lines, prefix) for lines, prefix in ((_FEEDS, STATUS), ((_POSITION,), ""))
    )
    edges: list[tuple[str, Sequence[Figure | str]]] = [
        (
            f"buy {edge.buy}, sell {edge.sell}",
            [Figure("", f"{STATUS}edges.{n}.{name}_bps", "bps") for name in ("edge", "best")],
        )
        for n, edge in enumerate(status.edges)
    ]
    if status.threshold_bps is not None:
        label = "Threshold, over the average cross spread" if status.is_over_basis else "Threshold"
        edges.append((label, (Figure("", f"{STATUS}threshold_bps", "bps"), "")))
    return [
        feeds._replace(rows=[*feeds.rows, *positions.rows]),
        Table("Edge", ("now", "largest"), edges),
        *(_lines(title, [*lines, *_reasons(title, known)]) for title, lines in _LIVE_TABLES),
        _held_back(status),
    ]


def _held_back(status: Status) -> Table:
    """What keeps the session from trading."""
    rows: list[tuple[str, Sequence[Figure | str]]] = [
        ("Halted", (status.halted or "no",)),
        ("Orders in doubt", (Figure("", f"{STATUS}doubts", "count"),)),
        *((f"Rule {rule.name}", (rule.text,)) for rule in status.rules),
        *(
            (f"Refused by {name.replace('_', ' ')}", (Figure("", f"{STATUS}refusals.{name}", "count"),))
            for name in sorted(status.refusals)
        ),
    ]
    return Table("Halts, doubts and rules", (), rows)


def _alarms(alarms: Mapping[str, Alarm]) -> Table:
    """The states that guard and watcher have reported, the latest first."""
    rows: list[tuple[str, Sequence[Figure | str]]] = []
    for alarm in sorted(alarms.values(), key=lambda one: -one.at_ns):
        state = "is over" if alarm.is_over else "holds"
        rows.append(
            (
                alarm.rule,
                (state, iso_time(alarm.at_ns)[:19].replace("T", " "), f"{alarm.begun:,}", alarm.text),
            )
        )
    return Table("Alarms", ("state", "since (UTC)", "times", "what"), rows)


def _ended_tables(summary: Mapping[str, Any]) -> list[Table]:
    legs = [str(leg.get("leg", "")) for leg in summary.get("legs") or []]
    tables = [_by_leg(LEGS, legs, _LEG_ENDS, "")]
    for title, lines in _ENDED_TABLES:
        known = [line for line in lines if _has_group(summary, line)]
        known += _reasons(title, summary)
        if known:
            tables.append(_lines(title, known))
    return tables


def _reasons(title: str, summary: Mapping[str, Any]) -> list[Figure]:
    """Under OPPORTUNITIES a line for each reason why some were missed, the most frequent first."""
    reasons = (value_at(summary, "opportunities.missed_by_reason") or {}) if title == OPPORTUNITIES else {}
    return [
        Figure(f"... {name.replace('_', ' ')}", f"opportunities.missed_by_reason.{name}", "count")
        for name in sorted(reasons, key=lambda name: (-reasons[name], name))
    ]


def _has_group(summary: Mapping[str, Any], line: Figure) -> bool:
    group = line.key.rpartition(".")[0]
    return not group or value_at(summary, group) is not None


def _status_tables(status: Status | None, *, is_over: bool) -> list[Table]:
    """What no summary has: latencies of orders, and of the machine while it goes on."""
    if status is None:
        return []
    tables = []
    if status.latencies:
        legs = [one.leg for one in status.latencies]
        tables.append(_by_leg("Answers to orders", legs, _LATENCY, STATUS, "latencies"))
    if not is_over:
        tables.append(_lines("System", [line._replace(key=f"{STATUS}{line.key}") for line in _SYSTEM]))
    return tables
