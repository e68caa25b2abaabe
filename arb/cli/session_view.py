"""A live session in the terminal: a table that is redrawn in place, or a periodic status line."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from arb.cli.compilation_bar import end_bar
from arb.cli.options import escape
from connectors.text import one_line

if TYPE_CHECKING:
    from arb.runtime.view import SessionView

#: Interval of status lines without a terminal.
STATUS_S = 300.0


class SessionTable:
    """A table that is redrawn in place."""

    def __init__(self, threshold_bps: float, console: Console | None = None) -> None:
        self._threshold_bps = threshold_bps
        self._live = Live(console=console or Console(), auto_refresh=False, transient=True)
        self._is_open = False

    def show(self, view: SessionView) -> None:
        """Draws a view of the session."""
        if not self._is_open:
            self._is_open = True
            end_bar()
            self._live.start()
        self._live.update(session_table(view, self._threshold_bps), refresh=True)

    def close(self) -> None:
        """Restores the terminal. May be called repeatedly."""
        if self._is_open:
            self._is_open = False
            self._live.stop()


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


def session_table(view: SessionView, threshold_bps: float) -> Group:
    """The table of a view."""
    books = Table(box=None, pad_edge=False)
    for name in ("leg", "feed", "bid", "ask", "age", "messages/s", "position"):
        books.add_column(name, justify="left" if name in ("leg", "feed") else "right")
    for leg in view.legs:
        age = "-" if math.isnan(leg.age_s) else f"{leg.age_s:.1f} s"
        books.add_row(
            escape(leg.name),
            leg.status,
            _price(leg.bid),
            _price(leg.ask),
            age,
            f"{leg.messages_per_s:.0f}",
            f"{leg.position:+.8g}",
        )
    edges = Table(box=None, pad_edge=False)
    for name in ("buy", "sell", "edge", "threshold"):
        edges.add_column(name, justify="left" if name in ("buy", "sell") else "right")
    for edge in view.edges:
        shown = "-" if math.isnan(edge.edge_bps) else f"{edge.edge_bps:+.2f} bps"
        edges.add_row(escape(edge.buy), escape(edge.sell), shown, f"{threshold_bps:.2f} bps")
    events = [Text(one_line(event), no_wrap=True, overflow="ellipsis") for event in view.events]
    return Group(
        books, Text(""), edges, Text(""), Text(_money(view)), *events, Text("Ctrl+C ends the session")
    )


def status_text(view: SessionView) -> str:
    """A view as one line."""
    legs = "; ".join(
        f"{leg.name} {leg.status} {_price(leg.bid)}/{_price(leg.ask)} {leg.position:+.8g}"
        for leg in view.legs
    )
    return f"status {legs}; {_money(view)}"


def _money(view: SessionView) -> str:
    pnl = "not known" if math.isnan(view.pnl) else f"{view.pnl:+.2f}"
    return f"fills {view.fills}, working orders {view.working}, PnL {pnl}"


def _price(price: float) -> str:
    return "-" if math.isnan(price) else f"{price:.10g}"
