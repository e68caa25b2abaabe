"""The terminal's table, the page and the charts: that they show the summary's numbers and nothing else."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from rich.console import Console
from support.finished_runs import (
    LEGS,
    NOON,
    S,
    decision,
    decisions,
    fill,
    fills,
    records,
    run_of,
    simulated_run,
    small_run,
)
from support.screens import run_with_legs

from arb.report.chart_layout import Chart, Series, lay_out, nice_ticks, thinned, time_ticks
from arb.report.charts import CHARTED_MAX, charts_of
from arb.report.html import ATTEMPTS_MAX, OUTAGES_MAX, page
from arb.report.layout import TABLES, headlines_of, leg_lines, lines_of, tables_of
from arb.report.page_style import STYLE
from arb.report.png import draw_png
from arb.report.simulated import ORDERS_MAX
from arb.report.terminal import summary_view
from arb.report.wording import KINDS, shown
from arb.results.attempts_table import COLUMNS, attempts_csv
from arb.results.figures.declared import SETUP, SIMULATED, TERMS, UNITS, value_at
from arb.results.figures.summary import GROUPS
from arb.results.metrics.coverage import LegOutages
from arb.results.notes import capital_note
from arb.results.result import RunResult
from arb.results.simulated_orders import simulated_csv
from arb.results.trades import iso_time
from arb.strategies.spread.decisions import Decision

NOTE = "venue_b:BTCUSDT: simulated <b>& seeded</b> [bold]7[/bold]"


#: Numbers that a strategy of one's own may write into its log, whatever they mean.
ANY_INTEGER = st.one_of(st.integers(-3, 5), st.sampled_from([-(1 << 63), (1 << 63) - 1, 1 << 40]))
ANY_LINE = st.tuples(
    st.one_of(st.integers(NOON, NOON + 6 * S), ANY_INTEGER),
    st.one_of(st.sampled_from([int(code) for code in Decision]), ANY_INTEGER),
    ANY_INTEGER,
    ANY_INTEGER,
    st.one_of(st.integers(0, 6), st.just((1 << 64) - 1)),
    st.one_of(st.floats(-10.0, 10.0), st.sampled_from([math.nan, math.inf, -math.inf])),
)


@settings(max_examples=50, deadline=None)
@given(st.lists(ANY_LINE, min_size=1, max_size=12))
def test_any_log_of_a_strategy_gives_a_report(lines: list[Any]) -> None:
    run = small_run()
    with np.errstate(all="ignore"):  # sums of infinities
        made = run_of(run.records, decisions(*lines), run.fills)
        assert made.summary

    json.loads(json.dumps(made.summary, allow_nan=False))
    assert attempts_csv(made.attempts)
    assert page(made, charts_of(made))
    assert summary_view(made.summary)


class Page(HTMLParser):
    """Numbers by their place, and the text outside of them, of drawings and of heads of tables."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.numbers: list[tuple[str | None, str, str | None, str, str]] = []
        self.texts: list[str] = []
        self.addresses: list[str] = []
        self._attempt: str | None = None
        self._open: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text.replace("<wbr>", ""))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.addresses += [str(given[name]) for name in ("src", "href") if name in given]
        if tag == "tr":
            self._attempt = given.get("data-attempt") or given.get("data-order")
        if tag not in ("meta", "path"):
            self._open.append((tag, given))

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("meta", "path"):
            assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        tag, given = self._open[-1] if self._open else ("", {})
        within = {name for name, _ in self._open}
        if "data-key" in given:
            value = given.get("value") if tag == "data" else given.get("datetime")
            self.numbers.append(
                (self._attempt, str(given["data-key"]), value, str(given.get("data-kind")), data)
            )
        elif not within & {"svg", "style", "title", "th", "h1"}:
            self.texts.append(data)


def many_attempts(count: int) -> RunResult:
    log = [decision(n, Decision.ATTEMPT, n + 1, value=2.0) for n in range(count)]
    rows = [
        row
        for n in range(count)
        for row in (fill(n, n + 1, 0, 1.0, 100.0, 0.1), fill(n, n + 1, 1, -1.0, 100.0 + 0.01 * n, 0.1))
    ]
    return run_of(records([[100.0, 101.0]] * (count + 1)), decisions(*log), fills(*rows))


def check_numbers(made: RunResult) -> int:
    """Every number of the page is that of the summary, `attempts.csv` or `simulated.csv`; how many there are."""
    summary = made.summary
    lines = {line["attempt"]: line for line in csv.DictReader(io.StringIO(attempts_csv(made.attempts)))}
    orders = csv.DictReader(io.StringIO(simulated_csv(made.simulated or ())))
    lines |= {line["client_id"]: line for line in orders}
    shown_page = Page(page(made, charts_of(made)))
    for attempt, key, value, kind, text in shown_page.numbers:
        known = value_at(summary, key) if attempt is None else lines[attempt][key] or None
        if text == "-":
            assert known is None or known == "", key
        elif value is None:
            assert text == known, key
        elif attempt is not None or isinstance(known, str):
            assert value == known, key
        else:
            assert float(value) == known, key
            assert text == shown(known, kind), key
    outside = [text for text in shown_page.texts if re.search(r"\d", text)]
    assert [t for t in outside if "left out" not in t] == []
    return len(shown_page.numbers)


def test_every_number_of_the_page_is_the_summarys() -> None:
    assert check_numbers(small_run()) > 80
    assert check_numbers(replace(small_run(), decisions=decisions())) > 60
    assert check_numbers(run_of(records([[math.nan, math.nan]]))) > 50
    assert check_numbers(many_attempts(ATTEMPTS_MAX + 50)) > 200
    assert check_numbers(simulated_run()) > check_numbers(small_run()) + 9 * 10


def test_the_orders_of_the_largest_difference_are_on_the_page() -> None:
    made = simulated_run(ORDERS_MAX + 30)
    text = page(made, [])
    listed = list(dict.fromkeys(one[0] for one in Page(text).numbers if str(one[0]).startswith("arb-")))
    assert len(listed) == ORDERS_MAX
    assert {f"arb-1-0-{number}" for number in range(1, 5)} < set(listed)
    assert "the 200 of the largest difference; 30 left out" in text
    assert SIMULATED not in page(small_run(), [])


def test_the_page_shows_every_line_of_the_layout() -> None:
    made = small_run()
    keys = {number[1] for number in Page(page(made, [])).numbers}
    assert {line.key for line in headlines_of(made.summary)} <= keys
    assert {line.key for _, lines in tables_of(TABLES, made.summary) for line in lines} <= keys
    assert {f"legs.1.{line.leg_key}" for line in leg_lines(made.summary)} <= keys


def test_every_kind_of_a_figure_has_a_format_and_a_unit() -> None:
    for group in GROUPS:
        for figure in group.figures:
            assert figure.kind in UNITS
            assert figure.kind in KINDS or not figure.table or figure.kind in ("counts", "values")
            assert bool(figure.table) == bool(figure.label)
            assert figure.text
    assert {column.kind for column in COLUMNS} <= UNITS.keys() & KINDS.keys()


@pytest.mark.parametrize("count", [1, 5, 64])
def test_runs_without_pairs_have_a_table_and_a_page(count: int) -> None:
    made = run_with_legs(count)
    check_numbers(made)
    text, body = drawn(made), page(made, charts_of(made)).replace("<wbr>", "")
    assert len(text.splitlines()) <= 80
    assert max(map(len, text.splitlines())) <= 100
    for absent in ("both", "imbalance", "Edge", "Attempts", "Opportunities", "while the other"):
        assert absent not in text, absent
        assert f">{absent}<" not in body, absent
    assert all(leg.name in body for leg in made.legs)
    charted = min(count, CHARTED_MAX)
    assert len(charts_of(made)) == 2 * charted + 2
    title = text.splitlines()[0]
    assert title.startswith("backtest of venue_of_leg:S0USDT")
    assert ("60 more" in text) == (count == 64)
    assert ("more legs in summary.json" in text) == (count == 64)


def test_the_page_needs_nothing_but_itself() -> None:
    text = page(small_run(), charts_of(small_run()))
    assert "<script" not in text
    assert "url(" not in text
    assert all(re.fullmatch(r"[a-z]+\.(json|csv|npz)|#quality", address) for address in Page(text).addresses)


def test_the_source_of_the_data_is_below_the_title_and_is_text() -> None:
    made = small_run(notes=["no [capital]: the run began with little", NOTE])
    title, note, *_ = page(made, []).partition("<main>")[2].strip().splitlines()
    assert title.startswith("<header>")
    assert note.startswith('<div class="note"')
    assert "simulated &lt;b&gt;&amp; seeded" in note
    notes = [line for line in drawn(made).splitlines() if line.startswith(("SIMULATED DATA:", "CAPITAL:"))]
    assert notes == [
        "SIMULATED DATA: venue_b:BTCUSDT: simulated <b>& seeded</b> [bold]7[/bold]",
        "CAPITAL: no [capital]: the run began with little",
    ]


def test_the_report_begins_with_what_was_run() -> None:
    body = page(small_run(), []).partition("<main>")[2]
    begin = body.partition('<section class="tiles">')[0]
    keys = [number[1] for number in Page(begin).numbers]
    assert {line.key for line in lines_of(SETUP, small_run().summary)} <= set(keys)
    assert {f"legs.1.{line.leg_key}" for line in leg_lines(small_run().summary, (TERMS,))} <= set(keys)
    text = " ".join(drawn(small_run()).split())
    assert (
        "engine hftbacktest; arb.strategies.spread.strategy:run: mode inventory, min_spread_bps 10," in text
    )
    assert "venue_b:BTCUSDT: spot; fees 0.05 % maker, 0.055 % taker; orders 10 ms there, 12 ms back" in text


def test_what_fees_are_charged_in_is_named() -> None:
    legs = [
        leg._replace(terms=leg.terms._replace(fee_asset=asset))
        for leg, asset in zip(LEGS, ("received", "BNB"), strict=True)
    ]
    text = " ".join(drawn(small_run(legs=legs)).split())

    assert "venue_a:BTCUSDT: spot; fees 0.05 % maker, 0.10 % taker, as received;" in text
    assert "0.055 % taker, in BNB;" in text


def test_the_quality_of_the_data_is_below_the_charts() -> None:
    made = small_run(notes=["venue_a:BTCUSDT: its book is lost for 9.0 s"])
    charts = charts_of(made)
    begin, _, end = page(made, charts).rpartition("</figure>")
    for key in ("notes.0", "legs.0.book.no_book_s", "legs.1.no_mid_s"):
        assert f'data-key="{key}"' in end
        assert f'data-key="{key}"' not in begin
    assert 'Book incomplete.</strong> See <a href="#quality">' in begin
    assert 'href="#quality"' not in page(small_run(), charts)


def test_signs_and_outcomes_have_a_class_and_are_written() -> None:
    text = page(small_run(outcome="halted"), [])
    for part in (
        '<span class="bad" data-key="outcome">halted</span>',
        '<span class="good" data-key="outcome">hedged</span>',
        '<data class="gain" data-key="legs.1.pnl_quote" data-kind="gain" value="1.5999999999999943">+1.60</data>',
        '<data class="loss" data-key="legs.0.pnl_quote" data-kind="gain" value="-1.2999999999999972">-1.30</data>',
        '<data class="long" data-key="legs.0.position_base" data-kind="base" value="1.0">+1</data>',
        '<data class="short" data-key="legs.1.position_base" data-kind="base" value="-1.0">-1</data>',
        '<data data-key="pairs.0.imbalance_base" data-kind="base" value="0.0">+0</data>',
    ):
        assert part in text, part
    classes = set(re.findall(r'<(?:data|span) class="([a-z]+)"', text)) - {"unknown"}
    assert all(re.search(rf"\.{name}\b", STYLE) for name in classes)


def test_a_note_that_is_the_same_for_several_legs_takes_no_room_from_others() -> None:
    made = run_with_legs(6)
    simulated = [f"{leg.name}: simulated, seed 7" for leg in made.legs]
    text = drawn(replace(made, notes=[*simulated, capital_note({"venue": (1.0, {})})]), 160)
    names = ", ".join(leg.name for leg in made.legs[:4])
    assert f"SIMULATED DATA: {names} and 2 more: simulated, seed 7\n" in text
    assert "CAPITAL: no [capital]" in text
    assert "more notes" not in text


def test_quote_that_legs_of_a_venue_share_is_not_zero() -> None:
    first, second = small_run().legs
    other = second._replace(name="venue_a:ETHUSDT", base=2.5, quote=0.0)
    text = drawn(small_run(legs=[first, other]))
    assert "starts with 5,000.00 quote, 10 base" in text
    assert "starts with 2.5 base, and the quote of venue_a:BTCUSDT" in " ".join(text.split())
    assert "<td>that of venue_a:BTCUSDT</td>" in page(small_run(legs=[first, other]), [])


def test_attempts_beyond_the_bound_are_counted() -> None:
    text = page(many_attempts(ATTEMPTS_MAX + 50), [])
    assert "50 left out" in text
    assert text.count("<tr data-attempt=") == ATTEMPTS_MAX
    # Those of the largest profit or loss, by time.
    numbers = [int(n) for n in re.findall(r'<tr data-attempt="(\d+)"', text)]
    assert numbers == sorted(numbers)
    assert numbers[-1] == ATTEMPTS_MAX + 50


def drawn(made: RunResult, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(summary_view(made.summary))
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


def test_the_table_fits_sixty_lines_of_a_hundred_columns() -> None:
    reasons = decisions(
        *(
            line
            for n in range(13)
            for line in (
                decision(n, Decision.OPPORTUNITY, leg=0),
                decision(n + 0.5, Decision.OPPORTUNITY_END, 0, 0, n),
            )
        )
    )
    text = drawn(replace(small_run(), decisions=reasons, notes=[f"{NOTE} {n}" for n in range(9)]))
    lines = text.splitlines()
    assert len(lines) <= 60
    assert max(map(len, lines)) <= 100
    assert "... and 6 more notes in summary.json" in text


def test_times_without_a_book_are_on_the_page_and_in_the_terminal() -> None:
    outages = tuple((NOON + n * S, NOON + n * S + 1_500_000) for n in range(30))
    found = LegOutages(2 * S, 40, 60_000_000, outages[0], outages)
    legs = small_run().legs
    made = small_run(legs=[legs[0]._replace(outages=found), legs[1]])
    check_numbers(made)
    body = page(made, [])
    assert body.count("2024-08-08 12:00:0") > 0
    assert f"the first {OUTAGES_MAX}; {40 - OUTAGES_MAX} left out" in body
    assert 'data-key="legs.0.book.first_outages.19.duration_s"' in body
    assert "first_outages.20" not in body
    assert "Times without a book" not in page(small_run(), [])
    lines = drawn(made).splitlines()
    assert any(line.split() == ["Without", "a", "book", "2.06", "s", "0", "s"] for line in lines), lines
    assert any("... outages" in line and "40" in line for line in lines)


def test_the_table_holds_the_legs_and_both() -> None:
    text = drawn(small_run())
    for part in (
        "backtest of venue_a:BTCUSDT and venue_b:BTCUSDT: ended",
        "+0.3000",
        "10,000.30",
        "... position",
    ):
        assert part in text
    assert "-" in drawn(run_of(records([[math.nan, math.nan]])))


def test_charts_are_the_same_bytes_each_time_and_pictures() -> None:
    for chart, same in zip(charts_of(small_run()), charts_of(small_run()), strict=True):
        png = draw_png(chart)
        assert png == draw_png(same)
        picture = Image.open(io.BytesIO(png))
        assert picture.format == "PNG"
        assert picture.info == {}
    assert page(small_run(), charts_of(small_run())) == page(small_run(), charts_of(small_run()))


def test_charts_of_a_run_without_values_say_so() -> None:
    made = run_of(records([[math.nan, math.nan]] * 3))
    texts = [label.text for label in lay_out(charts_of(made)[0]).labels]
    assert "no values" in texts
    assert all(draw_png(chart) for chart in charts_of(made))


def test_long_series_keep_their_extremes_and_stay_small() -> None:
    times = np.arange(1_000_000) * S + NOON
    values = np.sin(np.arange(1_000_000) / 1e5)
    values[123_456], values[654_321] = 50.0, -50.0
    values[400_000:600_000] = np.nan
    kept_times, kept = thinned(times, values, 900)
    assert len(kept) <= 1_800
    assert (np.nanmax(kept), np.nanmin(kept)) == (50.0, -50.0)
    assert (np.diff(kept_times) > 0).all()
    (path,) = lay_out(Chart("a", "a", "", [Series("", times, values, "blue")])).paths
    assert len(path.pieces) == 2  # the gap is left open


def test_a_step_holds_each_value_until_the_next() -> None:
    times = np.array([0, S, 2 * S]) + NOON
    (path,) = lay_out(
        Chart("a", "a", "", [Series("", times, np.array([0.0, 1.0, 1.0]), "blue", "step")])
    ).paths
    (piece,) = path.pieces
    assert piece[0, 1] == piece[1, 1] != piece[2, 1] == piece[3, 1]
    assert piece[1, 0] == piece[2, 0]


@pytest.mark.parametrize(
    ("low", "high", "ticks", "digits"),
    [
        (0.0, 10.0, [0.0, 2.0, 4.0, 6.0, 8.0, 10.0], 0),
        (-0.6, 0.6, [-0.5, -0.25, 0.0, 0.25, 0.5], 2),
        (61_600.5, 61_601.5, None, 1),
    ],
)
def test_ticks_are_round(low: float, high: float, ticks: list[float] | None, digits: int) -> None:
    made, decimals = nice_ticks(low, high)
    assert decimals == digits
    assert ticks is None or made == pytest.approx(ticks)
    assert 3 <= len(made) <= 7


def test_time_ticks_are_round_and_named_by_the_span() -> None:
    assert [text for _, text in time_ticks(NOON, NOON + 345 * S)] == [f"12:0{n}" for n in range(6)]
    assert time_ticks(NOON, NOON + 20 * S)[1][1] == "12:00:05"
    assert time_ticks(NOON, NOON + 20 * 86_400 * S)[0][1] == "08-10"
    assert all(iso_time(t).endswith("00:00.000000000Z") for t, _ in time_ticks(NOON, NOON + 86_400 * S))


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (None, "count", "-"), (math.nan, "money", "-"), (1234, "count", "1,234"), (-1234.5, "gain", "-1,234.50"),
        (0.01234, "gain", "+0.0123"), (0.0, "gain", "0.00"), (0.5, "share", "50.00 %"), (1e-6, "return", "+0.0001 %"),
        (1.25, "bps", "+1.250 bps"), (0.0, "duration", "0 s"), (0.25, "duration", "250 ms"), (90.0, "duration", "90 s"),
        (345.0, "duration", "5.8 min"), (7200.0, "duration", "2.0 h"), (864_000.0, "duration", "10.0 days"),
        ("2024-08-08T12:00:00.5Z", "time", "2024-08-08 12:00:00"), ("", "time", "-"), (-1e-12, "base", "+0"),
        (-1_234_567.8, "base", "-1,234,568"), (0.00005, "base", "+0.00005"), (61_234.5678, "quantity", "61,234.6"),
        (25_000_000.0, "quantity", "25,000,000"), (0.0000123456789, "price", "0.000012345679"),
        (61_234.567, "price", "61,234.567"), (3e-9, "share", "0.0000003 %"), (0.9996, "duration", "1,000 ms"),
    ],
)  # fmt: skip
def test_values_are_written_as_people_read_them(value: Any, kind: str, text: str) -> None:
    assert shown(value, kind) == text
