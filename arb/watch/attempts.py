"""The last attempts of a session, from its events, as lines of a table: texts as the report formats them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from arb.alerts.message import iso_time
from arb.report.wording import UNKNOWN, shown
from arb.results.event_log import LoggedEvent

#: Attempts of the table.
SHOWN_MAX = 12
HEADS = ("begun (UTC)", "buy", "sell", "edge", "outcome", "profit")
_OUTCOMES = frozenset({"hedged", "missed", "reversed", "halted"})


def attempt_lines(events: Iterable[LoggedEvent]) -> list[tuple[str, list[str]]]:
    """Number and cells (see HEADS) of the last attempts, the latest first. events: newest first."""
    outcomes: dict[Any, LoggedEvent] = {}
    lines: list[tuple[str, list[str]]] = []
    for event in events:
        number = event.data.get("attempt")
        if event.event in _OUTCOMES and number is not None:
            outcomes[number] = event
        elif event.event == "attempt":
            lines.append((str(number), _cells(event, outcomes.pop(number, None))))
            if len(lines) == SHOWN_MAX:
                break
    return lines


def _cells(attempt: LoggedEvent, end: LoggedEvent | None) -> list[str]:
    data, edge_bps = attempt.data, attempt.data.get("edge_bps")
    outcome, profit = ("under way", None) if end is None else (_outcome(end), end.data.get("profit"))
    if data.get("purpose"):
        outcome += f", {data['purpose']}"
    return [
        iso_time(attempt.time_ns)[11:23],
        _side(data, "buy"),
        _side(data, "sell"),
        shown(edge_bps, "bps") if isinstance(edge_bps, int | float) else UNKNOWN,
        outcome,
        shown(profit, "gain") if isinstance(profit, int | float) else UNKNOWN,
    ]


def _side(data: Mapping[str, Any], side: str) -> str:
    leg, qty = data.get(side), data.get(f"{side}_qty")
    return f"{_exact(qty)}{leg}" if leg else UNKNOWN


def _outcome(end: LoggedEvent) -> str:
    return f"{_exact(end.data.get('qty'))}{end.event}"


def _exact(qty: Any) -> str:
    return f"{qty:.10g} " if isinstance(qty, int | float) else ""
