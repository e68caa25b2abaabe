"""What a person sees of a session, in a terminal and without one."""

from __future__ import annotations

import io
import math
import re
import sys

import pytest
from rich.console import Console
from support.cli_tables import session_view
from support.screens import WIDTHS, drawn

from arb.cli.session_view import STATUS_S, SessionTable, StatusLine, session_screen, status_text
from arb.runtime.view import EventLine

VIEW = session_view()
ALTERNATE, MAIN = "\x1b[?1049h", "\x1b[?1049l"
HIDDEN_CURSOR, SHOWN_CURSOR = "\x1b[?25l", "\x1b[?25h"
GREEN, RED, BOLD_GREEN = "\x1b[32m", "\x1b[31m", "\x1b[1;32m"


def coloured(environment: dict[str, str] | None = None) -> str:
    file = io.StringIO()
    environment = {"TERM": "xterm-256color"} | (environment or {})
    console = Console(file=file, width=100, force_terminal=True, _environ=environment)
    console.print(session_screen(VIEW))
    return file.getvalue()


def test_a_sign_and_a_state_have_a_colour() -> None:
    text = coloured()
    for colour, words in (
        (GREEN, "synced"), (RED, "down"), (RED, "-1,234.56"), (GREEN, "+123456"), (RED, "-123456"),
        (BOLD_GREEN, "+34.56"),
    ):  # fmt: skip
        assert re.search(rf"{re.escape(colour)} *{re.escape(words)}", text), words
    assert not re.search(rf"{re.escape(GREEN)} *-52.30", text)


def test_no_color_is_respected() -> None:
    text = coloured({"NO_COLOR": "1"})
    assert GREEN not in text
    assert RED not in text


def test_a_live_screen_is_as_high_as_the_terminal_and_has_the_newest_events() -> None:
    out = io.StringIO()
    table = SessionTable(Console(file=out, width=80, height=24, force_terminal=True))
    table.show(VIEW._replace(events=[EventLine(n, "feed", f"number {n}") for n in range(100)]))
    assert "number 99" in out.getvalue()
    assert "Ctrl+C ends the session" in out.getvalue()
    assert "number 50" not in out.getvalue()
    table.close()


def test_the_screen_is_another_one_than_the_command_line_s() -> None:
    out = io.StringIO()
    table = SessionTable(Console(file=out, width=120, height=30, force_terminal=True, legacy_windows=False))

    table.show(VIEW)
    assert out.getvalue().startswith(ALTERNATE)
    table.close()
    table.close()

    reported = out.getvalue()
    assert reported.endswith(MAIN)
    assert reported.count(MAIN) == reported.count(ALTERNATE) == 1
    assert reported.count(HIDDEN_CURSOR) == reported.count(SHOWN_CURSOR) == 1


def test_what_others_print_is_among_the_events_and_printed_at_the_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = io.StringIO()
    table = SessionTable(Console(file=out, width=120, height=30, force_terminal=True))
    stdout = sys.stdout
    table.show(VIEW)
    sys.stdout.write("of a strategy\n")
    sys.stderr.write("of a library, without its end")
    assert capsys.readouterr() == ("", "")

    table.show(VIEW)
    table.close()

    assert "output of a strategy" in out.getvalue()
    assert capsys.readouterr() == ("of a strategy\n", "of a library, without its end\n")
    assert sys.stdout is stdout


def test_what_others_print_is_bounded(capsys: pytest.CaptureFixture[str]) -> None:
    table = SessionTable(Console(file=io.StringIO(), width=120, height=30, force_terminal=True))
    table.show(VIEW)
    for n in range(1_500):
        sys.stdout.write(f"{n}\n")
    table.close()
    reported = capsys.readouterr()
    assert reported.out.splitlines() == [str(n) for n in range(500, 1_500)]
    assert reported.err == "... 500 earlier lines of output are left out\n"


@pytest.mark.parametrize("width", WIDTHS)
def test_the_screen_is_never_higher_than_the_terminal(width: int) -> None:
    view = VIEW._replace(events=[EventLine(n, "feed", f"number {n}") for n in range(100)])
    for height in range(1, 60):
        text = drawn(session_screen(view), width, height)
        assert len(text.splitlines()) <= height
        if height >= 40:
            assert len(text.splitlines()) == height, "the room is used"
            assert "number 99" in text


@pytest.mark.parametrize("width", WIDTHS)
def test_a_lower_terminal_loses_events_first_and_figures_last(width: int) -> None:
    lines = {height: drawn(session_screen(VIEW), width, height).splitlines() for height in range(7, 60)}
    whole = next(h for h in lines if any("hedged attempt" in line for line in lines[h]))
    rows = [line for line in lines[59] if "USDT" in line and not line.startswith(("12:", "  "))]
    for height, shown in lines.items():
        assert any("PnL -1,234.56" in line for line in shown)
        if height < whole:
            assert not any("hedged attempt" in line for line in shown)
        if not all(row in shown for row in rows):
            assert "" not in shown, "blank lines are dropped before rows"
            assert any("more lines in a higher terminal" in line for line in shown)


def test_a_strategy_without_attempts_has_no_counts_of_them() -> None:
    view = VIEW._replace(threshold_bps=math.nan, totals=VIEW.totals._replace(attempts=0))
    text = drawn(session_screen(view), 100)
    for word in ("min_spread_bps", "attempts", "opportunities"):
        assert word not in text


def test_edges_over_an_average_are_not_compared_with_the_threshold() -> None:
    text = drawn(session_screen(VIEW._replace(is_over_basis=True)), 100)
    assert "min_spread_bps" in text
    assert "over average" in text


def test_without_a_terminal_there_is_a_line_every_five_minutes() -> None:
    reported: list[str] = []
    now = [0.0]
    line = StatusLine(reported.append, clock=lambda: now[0])

    for at in (1.0, STATUS_S + 1, STATUS_S + 2, 2 * STATUS_S + 3):
        now[0] = at
        line.show(VIEW)
    line.close()

    assert reported == [status_text(VIEW)] * 2
    assert "bybit_spot:BTCUSDT down -/- +0" in reported[0]
    assert "PnL -1,234.56, fees 18,234.56, fills 24,680, working orders 2" in reported[0]
