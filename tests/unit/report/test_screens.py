"""Tables at 60, 80, 100 and 160 columns: the golden screens, and that no figure is cut at any width."""

from __future__ import annotations

import io
import re
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from support.finished_runs import small_run
from support.screens import SCREENS, WIDTHS, drawn, golden_screens, large_run, run_with_legs

from arb.report.layout import TABLES, leg_lines, tables_of
from arb.report.screen import Column, Fitted, Lines, abreast, tables
from arb.report.terminal import summary_view
from arb.report.wording import shown
from arb.results.figures.declared import value_at


def figures(text: str) -> Counter[str]:
    return Counter(re.findall(r"[+-]?\d[\d,.:-]*", text))


def test_the_golden_screens() -> None:
    for path, text in golden_screens():
        assert path.read_text(encoding="utf-8") == text, f"{path}: python -m tests.support.write_screens"


@pytest.mark.parametrize("name", SCREENS)
def test_every_width_shows_the_figures_of_the_widest(name: str) -> None:
    thing = SCREENS[name]()
    widest = figures(drawn(thing, 160))
    for width in (*WIDTHS, 140, 120, 99, 72):
        text = drawn(thing, width)
        assert max(map(len, text.splitlines())) <= width
        assert "…" not in text
        # A table in parts repeats the columns that name its rows.
        assert figures(text) == widest if name.startswith("run") else set(figures(text)) == set(widest), width


@pytest.mark.parametrize("made", [small_run, large_run, lambda: run_with_legs(3)])
@pytest.mark.parametrize("width", WIDTHS)
def test_every_number_of_json_that_a_table_names_is_on_the_screen(made: Any, width: int) -> None:
    summary = made().summary
    text = drawn(summary_view(summary), width)
    for _, lines in tables_of(TABLES, summary):
        assert lines
        for line in lines:
            label, figure = f"  {line.label}", shown(value_at(summary, line.key), line.kind)
            is_there = re.search(rf"{re.escape(label)} +{re.escape(figure)}(?: |$)", text, re.MULTILINE)
            # Reasons beyond the first five are in the file that the screen names.
            assert is_there or (".missed_by_reason." in line.key and "more reasons: summary.json" in text), (
                label
            )
    for row in leg_lines(summary):
        for leg in summary["legs"] if not row.is_page_only else ():
            assert shown(value_at(leg, row.leg_key), row.kind) in text


WORDS = st.text("abc :", max_size=24)
FIGURES = st.from_regex(r"[1-9]{1,14}", fullmatch=True)


@settings(max_examples=60)
@given(
    st.lists(st.tuples(WORDS, st.lists(FIGURES, min_size=2, max_size=2)), min_size=1, max_size=7),
    st.integers(30, 160),
)
def test_any_table_keeps_its_figures(columns: list[tuple[str, list[str]]], width: int) -> None:
    keys = [Column("name", ["first line", "second line"], is_figures=False)]
    text = drawn(Fitted(lambda w: tables(keys, [Column(*one) for one in columns], w)), width)
    assert max(map(len, text.splitlines())) <= width
    assert figures(text) == Counter(figure for _, cells in columns for figure in cells)


@settings(max_examples=60)
@given(
    st.lists(st.lists(st.tuples(WORDS, FIGURES), max_size=4), min_size=1, max_size=4), st.integers(25, 160)
)
def test_any_labels_keep_their_figures(columns: list[list[tuple[str, str]]], width: int) -> None:
    text = drawn(Fitted(lambda w: abreast([Lines(lines) for lines in columns], w)), width)
    assert max(map(len, text.splitlines()), default=0) <= width
    assert figures(text) == Counter(figure for lines in columns for _, figure in lines)


def test_a_profit_is_green_and_a_loss_red() -> None:
    console = Console(file=io.StringIO(), width=100, force_terminal=True, _environ={"TERM": "xterm"})
    with console.capture() as captured:
        console.print(summary_view(small_run().summary))
    for words in (
        r"Profit +\x1b\[32m\+0.3000",
        r"in positions, at mid +\x1b\[31m-1.00",
        r"Largest drawdown +1.20",
    ):
        assert re.search(words, captured.get()), words
