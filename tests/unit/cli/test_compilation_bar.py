"""What is shown while functions are compiled: a bar on a terminal, one line elsewhere, otherwise nothing."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from numba.core.event import install_listener
from rich.console import Console
from support.cli_tables import session_view

from arb.cli import compilation_bar
from arb.cli.compilation_bar import (
    LINE,
    LINE_AFTER_S,
    TITLE,
    CompilationBar,
    _Current,
    listener_of,
    show_compilation,
)
from arb.cli.options import ReadingProgress
from arb.cli.session_view import SessionTable
from connectors.jit import compilation as jit

HIDDEN_CURSOR, SHOWN_CURSOR = "\x1b[?25l", "\x1b[?25h"


class Terminal:
    """A console whose output is kept, and a bar on it."""

    def __init__(
        self,
        *,
        is_terminal: bool = True,
        is_first_use: bool = True,
        total: int | None = 30,
        width: int = 80,
        clock: Callable[[], float] = lambda: 1.0,
    ) -> None:
        self.file = io.StringIO()
        console = Console(
            file=self.file, force_terminal=is_terminal, width=width, color_system=None, _environ={}
        )
        self.bar = CompilationBar(console, lambda: is_first_use, total, clock)

    def compile(self, *, callees: int = 0) -> None:
        """As Numba does: a function's callees are compiled inside of it."""
        self.bar.begin()
        for _ in range(callees):
            self.compile()
        self.bar.end()

    @property
    def text(self) -> str:
        return self.file.getvalue()

    @property
    def last_drawn(self) -> str:
        """The last bar that was drawn; after it, it was removed."""
        return [part for part in self.text.split("\r") if TITLE in part][-1]


def test_a_terminal_shows_how_many_functions_are_compiled() -> None:
    terminal = Terminal()
    terminal.compile(callees=4)
    terminal.compile(callees=6)
    assert "12 of about 30" in terminal.last_drawn


def test_the_bar_is_removed_while_nothing_is_compiled() -> None:
    terminal = Terminal()
    terminal.compile()
    assert terminal.text.endswith("\x1b[1A\x1b[2K")
    assert terminal.text.count(HIDDEN_CURSOR) == terminal.text.count(SHOWN_CURSOR)


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_the_figures_are_whole_at_every_width(width: int) -> None:
    terminal = Terminal(total=390, width=width)
    terminal.compile(callees=122)
    assert TITLE in terminal.last_drawn
    assert "123 of about 390 0:00:0" in terminal.last_drawn
    assert "…" not in terminal.last_drawn


def test_a_total_that_was_passed_is_no_longer_shown() -> None:
    terminal = Terminal(total=3)
    terminal.compile(callees=4)
    assert "5 functions" in terminal.last_drawn


def test_without_a_known_total_only_the_count_is_shown() -> None:
    terminal = Terminal(total=None)
    terminal.compile(callees=1)
    assert "2 functions" in terminal.last_drawn
    assert " of " not in terminal.last_drawn


def test_what_a_half_filled_cache_needs_is_at_most_the_total() -> None:
    terminal = Terminal(is_first_use=False, total=3)
    terminal.compile(callees=1)
    assert "2 of at most 3" in terminal.last_drawn
    terminal.compile(callees=3)
    assert "6 functions" in terminal.last_drawn


def test_a_function_that_cannot_be_compiled_leaves_no_bar() -> None:
    terminal = Terminal()
    terminal.bar.begin()
    terminal.bar.begin()  # interrupted here
    terminal.bar.close()
    shown = terminal.text
    assert shown.endswith("\x1b[1A\x1b[2K")
    terminal.compile()
    assert terminal.text == shown


def test_elsewhere_the_first_use_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    other = Terminal(is_terminal=False)
    other.compile(callees=3)
    other.compile()
    assert other.text == ""
    assert capsys.readouterr() == ("", f"{LINE}\n")


def test_elsewhere_a_later_use_is_a_line_once_it_takes_long(capsys: pytest.CaptureFixture[str]) -> None:
    now_s = 100.0
    other = Terminal(is_terminal=False, is_first_use=False, clock=lambda: now_s)
    other.compile()
    now_s += LINE_AFTER_S / 2
    other.compile()
    assert capsys.readouterr().err == ""
    now_s += LINE_AFTER_S
    other.compile(callees=2)
    assert capsys.readouterr().err == f"{LINE}\n"


def test_no_bar_is_drawn_into_a_session_s_table(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, table = Terminal(), io.StringIO()
    monkeypatch.setattr(_Current, "bar", terminal.bar)
    terminal.compile()
    before = terminal.text
    shown = SessionTable(Console(file=table, force_terminal=True, width=80))
    shown.show(session_view())
    terminal.compile(callees=2)
    shown.close()
    assert "fills 24,680" in table.getvalue()
    assert terminal.text == before


def test_a_terminal_that_is_gone_stops_no_compilation() -> None:
    terminal = Terminal()
    terminal.file.close()
    terminal.compile(callees=2)
    terminal.compile()
    terminal.bar.close()


def test_one_bar_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    terminal = Terminal()
    with ReadingProgress("reading") as begin:
        begin(2_000_000)
        reading = ReadingProgress._open
        assert reading is not None
        monkeypatch.setattr(reading, "stop", lambda: steps.append("stop"))
        monkeypatch.setattr(reading, "start", lambda: steps.append("start"))
        terminal.compile(callees=2)
        assert steps == ["stop", "start"]
        terminal.compile()
        monkeypatch.undo()
    terminal.compile()
    assert steps == ["stop", "start"] * 2


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Path]:
    before = jit._folder_override
    jit.set_cache_folder(tmp_path)
    yield tmp_path
    jit.set_cache_folder(before)


@pytest.mark.usefixtures("cache")
def test_a_function_counts_when_it_is_compiled_and_not_when_it_is_loaded() -> None:
    def double(x: int) -> int:
        return 2 * x

    assert not jit.has_compiled_code()
    counts = []
    for _ in range(2):
        terminal = Terminal()
        with install_listener("numba:compile", listener_of(terminal.bar)):
            assert jit.compiled(double)(4) == 8
        counts.append(terminal.text.count("1 of about 30"))
    assert counts[0] > 0
    assert counts[1] == 0
    assert jit.has_compiled_code()


@pytest.mark.usefixtures("cache")
def test_callbacks_count_as_well() -> None:
    def one(x: float) -> float:
        return x + 1.0

    shown = []
    for _ in range(2):
        terminal = Terminal()
        with install_listener("numba:compile", listener_of(terminal.bar)):
            jit.compiled_callback("float64(float64)", one)
        shown.append(TITLE in terminal.text)
    assert shown == [True, False]


@pytest.mark.usefixtures("cache")
def test_a_command_reports_its_first_use_on_standard_error_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    function = jit.compiled(lambda x: x + 1)

    @click.command()
    def work() -> None:
        show_compilation()
        click.echo(function(1))

    monkeypatch.setattr(compilation_bar, "TOTALS", {"work": 3})
    runs = [CliRunner().invoke(work, prog_name="work") for _ in range(2)]
    assert [run.stdout for run in runs] == ["2\n", "2\n"]
    assert [run.stderr for run in runs] == [f"{LINE}\n", ""]
    function(1.5)  # the command is over
