"""The answers of `arb watch` to a person's questions, as plain text: from what it knows of the sessions. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType

from arb.alerts.message import iso_time
from arb.report.wording import shown
from arb.results.runs import KILLED
from arb.watch.sessions import Sessions, WatchedSession
from connectors.text import printable
from connectors.units import SECOND

#: Runs and fills of an answer.
_LINES_MAX = 10


def answer_of(command: str, sessions: Sessions, now_ns: int) -> str:
    """The text for a command without its slash; what is known, for any other."""
    compute = ANSWERS.get(command)
    if compute is None:
        return "known: " + ", ".join(f"/{name}" for name in ANSWERS)
    return printable_lines(compute(list(sessions), now_ns)) or "no session"


def printable_lines(lines: Sequence[str]) -> str:
    """Lines of texts that may be of files."""
    return "\n".join(printable(line) for line in lines)


def _status(sessions: Sequence[WatchedSession], now_ns: int) -> list[str]:
    lines = []
    for one in sessions:
        status = one.status
        if (one.is_over and one.run.state != KILLED) or status is None:
            continue
        age_s = max(0.0, (now_ns - status.time_ns) / SECOND)
        lines.append(f"{one.name}: {one.run.state}, {age_s:.0f} s ago, profit {_gain(status.pnl_quote)}")
        lines += [f"  {leg.name}: {leg.feed}, position {leg.position:.10g}" for leg in status.legs]
        if status.halted:
            lines.append(f"  halted: {status.halted}")
        lines += [f"  {rule.name}: {rule.text}" for rule in status.rules]
    return lines or ["no session goes on"]


def _profit(sessions: Sequence[WatchedSession], now_ns: int) -> list[str]:
    shown_ones = [one for one in sessions if one.run.pnl_quote is not None][-_LINES_MAX:]
    return [f"{one.name}: {one.run.state}, {_gain(one.run.pnl_quote)}" for one in shown_ones]


def _daily(sessions: Sequence[WatchedSession], now_ns: int) -> list[str]:
    today = f"{datetime.fromtimestamp(now_ns / SECOND, UTC):%Y-%m-%d}"
    own = [one for one in sessions if one.run.began.startswith(today)]
    total = sum(one.run.pnl_quote or 0.0 for one in own)
    fills = sum(one.run.fills or 0 for one in own)
    return [f"sessions begun on {today} UTC: {len(own)}, fills {fills:,}, profit {_gain(total)}"]


def _trades(sessions: Sequence[WatchedSession], now_ns: int) -> list[str]:
    fills = [(one.name, event) for one in sessions for event in one.trading if event.event == "fill"]
    last = sorted(fills, key=lambda fill: fill[1].time_ns)[-_LINES_MAX:]
    return [f"{iso_time(event.time_ns)[5:19]} {name}: {event.text}" for name, event in last] or ["no fill"]


def _runs(sessions: Sequence[WatchedSession], now_ns: int) -> list[str]:
    return [
        f"{one.name}: {one.run.command} {one.run.state}, fills {shown(one.run.fills, 'count')}, "
        f"profit {_gain(one.run.pnl_quote)}"
        for one in list(sessions)[-_LINES_MAX:]
    ]


def _gain(value: float | None) -> str:
    return str(shown(value, "gain"))


ANSWERS: Mapping[str, Callable[[Sequence[WatchedSession], int], list[str]]] = MappingProxyType(
    {"status": _status, "profit": _profit, "daily": _daily, "trades": _trades, "runs": _runs}
)
