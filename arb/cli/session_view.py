"""A live session in the terminal: a screen that is redrawn in place, or a periodic status line."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from rich.console import Console, RenderableType
from rich.text import Text

from arb.cli.live_screen import STATUS_STYLES, Event, FittedScreen, LiveScreen, packed
from arb.report.screen import Fitted, rows_view
from arb.report.wording import gain, money
from arb.runtime.view import EventLine
from connectors.text import one_line
from connectors.units import SECOND

if TYPE_CHECKING:
    from arb.runtime.view import SessionView

#: Interval of status lines without a terminal.
STATUS_S = 300.0
_EVENT_STYLES = {
    **dict.fromkeys(("halted", "error", "disconnect"), "red"),
    **dict.fromkeys(("missed", "reversed", "imbalance", "refused", "gap", "stale", "warning"), "yellow"),
}


class SessionTable:
    """A screen that is redrawn in place."""

    def __init__(self, console: Console | None = None) -> None:
        self._screen = LiveScreen(console)

    def show(self, view: SessionView) -> None:
        """Draws a view of the session, with the lines that a strategy or a library wrote among its events."""
        if held := self._screen.held:
            events = [*view.events, *(EventLine(line.time_ns, "output", line.text) for line in held)]
            view = view._replace(events=sorted(events, key=lambda event: event.time_ns))
        self._screen.show(session_screen(view))

    def close(self) -> None:
        """Restores the terminal. May be called repeatedly."""
        self._screen.close()


class StatusLine:
    """A status line every `STATUS_S`."""

    def __init__(self, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._clock = clock
        self._due_s = clock() + STATUS_S

    def show(self, view: SessionView) -> None:
        """Writes a status line if one is due."""
        if self._clock() >= self._due_s:
            self._due_s = self._clock() + STATUS_S
            self._write(status_text(view))

    def close(self) -> None:
        """Nothing to close."""


def session_screen(view: SessionView) -> FittedScreen:
    """The screen of a view."""
    return FittedScreen(
        head=[_title(view)],
        tables=[_legs(view), *([_edges(view)] if view.edges else [])],
        totals=[Fitted(lambda width: packed(list(_totals(view)), width))],
        events=[_event(event) for event in view.events],
        foot=[Text("Ctrl+C ends the session", style="dim")],
    )


def _event(event: EventLine) -> Event:
    return Event(f"{_clock(event.time_ns)} {event.event} {event.text}", _EVENT_STYLES.get(event.event, ""))


def _title(view: SessionView) -> RenderableType:
    times = f"{_span(view.elapsed_s)} elapsed"
    if not math.isnan(view.remaining_s):
        times += f", {_span(view.remaining_s)} remaining"
    parts = [Text(one_line(view.name), style="bold"), Text(times)]
    return Fitted(lambda width: packed(parts, width))


def _legs(view: SessionView) -> RenderableType:
    rows = [
        (
            leg.name,
            Text(leg.status or "-", STATUS_STYLES.get(leg.status, "")),
            _known(leg.bid, ".10g"),
            _known(leg.ask, ".10g"),
            _known(leg.age_s, ".1f"),
            f"{leg.messages_per_s:,.0f}",
            _signed(leg.position, "+.8g"),
        )
        for leg in view.legs
    ]
    headings = ("leg", "feed", "bid", "ask", "age s", "msg/s", "position")
    return rows_view(headings, rows, words=("leg", "feed"))


def _edges(view: SessionView) -> RenderableType:
    threshold = view.threshold_bps

    def cell(edge_bps: float) -> Text:
        is_above = edge_bps > threshold and not view.is_over_basis
        return Text("-" if math.isnan(edge_bps) else f"{edge_bps:+,.2f}", "bold green" if is_above else "")

    rows = [
        (
            f"buy {edge.buy}, sell {edge.sell}",
            cell(edge.edge_bps),
            cell(edge.best_bps),
            _known(threshold, ",.2f"),
        )
        for edge in view.edges
    ]
    # The parameter's name: the strategy's own threshold moves with its inventory, and this is what it starts from.
    name = "min_spread_bps over average" if view.is_over_basis else "min_spread_bps"
    columns = 3 if math.isnan(threshold) else 4
    return rows_view(
        ("edge after fees, bps", "now", "best", name)[:columns],
        [row[:columns] for row in rows],
        words=("edge after fees, bps",),
    )


def _totals(view: SessionView) -> Iterator[Text]:
    totals = view.totals
    yield Text("PnL ") + (Text("not known") if math.isnan(view.pnl) else _coloured(gain(view.pnl), view.pnl))
    yield Text(f"fees {money(view.fees)}")
    yield Text(f"fills {view.fills:,}")
    yield Text(f"working orders {view.working:,}")
    if totals.attempts or not math.isnan(view.threshold_bps):
        yield Text(f"attempts {totals.attempts:,}, hedged {totals.hedged:,}")
        yield Text(f"opportunities {totals.seen:,}, taken {totals.taken:,}")


def status_text(view: SessionView) -> str:
    """A view as one line."""
    legs = "; ".join(
        f"{leg.name} {leg.status} {_known(leg.bid, '.10g')}/{_known(leg.ask, '.10g')} {leg.position:+.8g}"
        for leg in view.legs
    )
    return f"status {legs}; {', '.join(one.plain for one in _totals(view))}"


def _known(value: float, form: str) -> str:
    return "-" if math.isnan(value) else format(value, form)


def _signed(value: float, form: str) -> Text:
    return _coloured(format(value, form), value)


def _coloured(text: str, value: float) -> Text:
    """Green above zero, red below."""
    return Text(text, "green" if value > 0.0 else "red" if value < 0.0 else "")


def _span(seconds: float) -> str:
    return str(timedelta(seconds=int(seconds)))


def _clock(time_ns: int) -> str:
    return f"{datetime.fromtimestamp(time_ns / SECOND, UTC):%H:%M:%S}"
