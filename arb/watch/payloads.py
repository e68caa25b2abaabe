"""What the page is sent, as JSON: the list of sessions, a whole session, and what is new of one.

Texts of files are printable; the page shows them as text, never as HTML.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np

from arb.alerts.alarms import alarm_line, last_of
from arb.report.signs import state_class
from arb.results.event_log import LoggedEvent
from arb.watch.figures import count_of, gain_of, sheet_of
from arb.watch.sessions import TRADING, Sessions, WatchedSession
from connectors.text import printable

#: Events of each kind that a page gets when it is opened; it keeps as many.
EVENTS_SHOWN = 400
_MS = 1_000_000


def encode(value: Any) -> bytes:
    """JSON in one line; NaN is null."""
    return msgspec.json.encode(value)


def runs_of(sessions: Sessions) -> dict[str, Any]:
    """The list of all sessions, the newest first, and why folders cannot be listed."""
    return {
        "runs": [run_of_list(one) for one in reversed(list(sessions))],
        "problems": problems_of(sessions),
    }


def problems_of(sessions: Sessions) -> list[str]:
    """Why folders cannot be listed."""
    return [printable(text) for text in sessions.problems.values()]


def run_of_list(session: WatchedSession) -> dict[str, Any]:
    """A session's row of the list."""
    run, last, alarm = session.run, last_event(session), last_of(session.alarms)
    return {
        "name": printable(session.name),
        "folder": printable(str(session.folder)),
        "command": printable(run.world),
        "accounts": [printable(account) for account in run.accounts],
        "began": printable(run.began),
        "state": printable(run.state),
        "class": _class_of(run.state),
        "legs": [printable(leg) for leg in run.legs],
        "fills": count_of(run.fills),
        "profit": gain_of(run.pnl_quote),
        "note": printable(" ".join(text for text in (run.note, session.problem) if text)),
        "last": None if last is None else _event(last),
        "alarm": None
        if alarm is None
        else [printable(alarm_line(alarm)), printable(alarm.text), alarm.is_over],
    }


def _class_of(state: str) -> str:
    return {"running": "good", "silent": "bad", "unreadable": "bad"}.get(state) or state_class(state)


def session_of(session: WatchedSession) -> dict[str, Any]:
    """All that the page shows of a session."""
    head = session.head
    return {
        "run": run_of_list(session),
        "sheet": sheet_of(session),
        "threshold_bps": threshold_of(session),
        "trading": [_event(event) for event in list(session.trading)[-EVENTS_SHOWN:]],
        "others": [_event(event) for event in list(session.others)[-EVENTS_SHOWN:]],
        "legs": [] if head is None else [printable(leg) for leg in head.legs],
        "edges": [] if head is None else [[printable(buy), printable(sell)] for buy, sell in head.edges],
        "whole": None if session.thinned is None else series_of(session.thinned.rows),
        "recent": None if session.last is None else series_of(session.last.rows),
        "marks": marks_of(session.trading),
        "tradingKinds": sorted(TRADING),
    }


def marks_of(events: Iterable[LoggedEvent]) -> dict[str, list[list[float]]]:
    """What charts mark, times in ms and values: attempts (their edge in bps) that enter a position, those that end or
    move one back, fills (their price) by side."""
    marks: dict[str, list[list[float]]] = {name: [[], []] for name in ("entry", "exit", "buy", "sell")}
    for event in events:
        data = event.data
        if event.event == "fill":
            name, value = data.get("side"), data.get("price")
        elif event.event == "attempt":
            name, value = "entry" if data.get("purpose") is None else "exit", data.get("edge_bps")
        else:
            continue
        if name in marks and isinstance(value, int | float):
            times, values = marks[str(name)]
            times.append(event.time_ns // _MS)
            values.append(value)
    return marks


def last_event(session: WatchedSession) -> LoggedEvent | None:
    """The last one of those that are kept; None without any."""
    kept = (events[-1] for events in (session.trading, session.others) if events)
    return max(kept, key=lambda event: event.number, default=None)


def threshold_of(session: WatchedSession) -> float | None:
    """The edge from which on the session trades; None if it depends on the average cross spread."""
    status = session.status
    return None if status is None or status.is_over_basis else status.threshold_bps


def series_of(rows: Any) -> dict[str, Any]:
    """Columns: `t` in ms; for each leg the least bid and the largest ask; for each edge, and of the profit, the least
    and the largest."""
    return {
        "t": (rows["time_ns"] // _MS).tolist(),
        "legs": [
            [_column(rows["bid"][:, n, 0], 10), _column(rows["ask"][:, n, 1], 10)]
            for n in range(rows["bid"].shape[1])
        ],
        "edges": [
            [_column(rows["edge_bps"][:, n, side], 3) for side in (0, 1)]
            for n in range(rows["edge_bps"].shape[1])
        ],
        "pnl": [_column(rows["pnl_quote"][:, side], 6) for side in (0, 1)],
    }


def events_of(events: Iterable[LoggedEvent]) -> list[Any]:
    """Events for the page."""
    return [_event(event) for event in events]


def _column(values: Any, decimals: int) -> list[float]:
    return np.round(values, decimals).tolist()


def _event(event: LoggedEvent) -> list[Any]:
    """[number, time in ms, kind, text, data]."""
    data = {
        printable(name): printable(value) if isinstance(value, str) else value
        for name, value in event.data.items()
    }
    return [event.number, event.time_ns // _MS, printable(event.event), printable(event.text), data]
