"""What a person sees of a session, in a terminal and without one."""

from __future__ import annotations

import io
import math

from rich.console import Console

from arb.cli.session_view import STATUS_S, SessionTable, StatusLine, status_text
from arb.runtime.view import EdgeLine, LegLine, SessionView

VIEW = SessionView(
    legs=[
        LegLine("binance_spot:BTCUSDT", "synced", 42_000.1, 42_000.2, 0.1, 55.0, 0.25),
        LegLine("bybit_spot:BTCUSDT", "syncing", math.nan, math.nan, math.nan, 0.0, -0.25),
    ],
    edges=[EdgeLine("binance_spot:BTCUSDT", "bybit_spot:BTCUSDT", 3.456), EdgeLine("b", "a", math.nan)],
    working=2,
    fills=7,
    pnl=-1.234,
    events=["gap binance_spot:BTCUSDT the chain of the book is broken"],
)


def test_the_table_shows_books_edges_positions_and_events() -> None:
    out = io.StringIO()
    table = SessionTable(2.5, Console(file=out, width=120, force_terminal=True, legacy_windows=False))

    table.show(VIEW)
    table.close()
    table.close()

    reported = out.getvalue()
    for text in ("42000.1", "+3.46 bps", "2.50 bps", "+0.25", "syncing", "working orders 2", "-1.23", "gap "):
        assert text in reported


def test_without_a_terminal_there_is_a_line_every_five_minutes() -> None:
    reported: list[str] = []
    now = [0.0]
    line = StatusLine(reported.append, clock=lambda: now[0])

    for at in (1.0, STATUS_S + 1, STATUS_S + 2, 2 * STATUS_S + 3):
        now[0] = at
        line.show(VIEW)
    line.close()

    assert reported == [status_text(VIEW)] * 2
    assert "bybit_spot:BTCUSDT syncing -/- -0.25" in reported[0]
