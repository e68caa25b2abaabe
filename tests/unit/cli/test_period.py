"""`--start` and `--end`: days, times of day, and what is refused."""

from __future__ import annotations

from datetime import date

import click
import pytest
from click.testing import CliRunner
from support.command_line import arb

from arb.cli.options import CommandGroup
from arb.cli.period import Moment, Period, Time, period_of
from arb.data.rows.window import Window
from connectors.units import SECOND

#: 2024-08-08 23:55 UTC.
FIVE_TO = 1_723_161_300 * SECOND
FIRST, SECOND_DAY = date(2024, 8, 8), date(2024, 8, 9)


def period(*words: str) -> Period | str:
    """The period of these words, or the line that refuses them."""
    found: list[Period] = []

    @click.group(cls=CommandGroup)
    def group() -> None: ...

    @group.command()
    @click.option("--start", type=Time(), required=True)
    @click.option("--end", type=Time())
    def work(start: Moment, end: Moment | None) -> None:
        found.append(period_of(start, end))

    done = CliRunner().invoke(group, ["work", *words], prog_name="arb")
    assert done.exit_code == (0 if found else 2)
    return found[0] if found else str(done.stderr)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["--start", "2024-08-08"], Period(FIRST, None, None)),
        (["--start", "2024-08-08", "--end", "2024-08-09"], Period(FIRST, SECOND_DAY, None)),
        (["--start", "2024-08-08T23:55"], Period(FIRST, None, Window(FIVE_TO, None))),
        (["--start", "2024-08-08T23:55", "--end", "2024-08-08"], Period(FIRST, FIRST, Window(FIVE_TO, None))),
        (
            ["--start", "2024-08-08T23:55:01Z", "--end", "2024-08-09T00:10"],
            Period(FIRST, SECOND_DAY, Window(FIVE_TO + SECOND, FIVE_TO + 900 * SECOND)),
        ),
        # Midnight as an end is the end of the day before.
        (
            ["--start", "2024-08-08T23:55", "--end", "2024-08-09T00:00:00+00:00"],
            Period(FIRST, FIRST, Window(FIVE_TO, FIVE_TO + 300 * SECOND)),
        ),
        (
            ["--start", "2024-08-08", "--end", "2024-08-08T23:55"],
            Period(FIRST, FIRST, Window(None, FIVE_TO)),
        ),
    ],
)
def test_the_days_and_the_window_within(words: list[str], wanted: Period) -> None:
    assert period(*words) == wanted


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ["2024-08-08T10:00", "2024-08-08T09:59"],
            "--end 2024-08-08T09:59 lies before --start 2024-08-08T10:00",
        ),
        (["2024-08-08T10:00", "2024-08-07"], "--end 2024-08-07 lies before --start 2024-08-08T10:00"),
        (["2024-08-08T10:00", "2024-08-08T10:00:00"], "no time between them; a time as --end is exclusive"),
        (["2024-08-08", "2024-08-08T00:00"], "no time between them; a time as --end is exclusive"),
        (
            ["2024-08-08T10:00+02:00", "2024-08-09"],
            "is not UTC; write it as 2024-08-08T08:00:00; see arb work",
        ),
        *(
            ([text, "2024-08-09"], f"{text!r} is neither a day nor a time; write it as 2024-08-08 or 2024-")
            for text in ("8.8.2024", "2024-02-30", "2024-08-08T24:01", "2024-08-08T7:00", "9999-12-31", "")
        ),
    ],
)
def test_what_is_no_period_is_one_line(words: list[str], line: str) -> None:
    reported = period("--start", words[0], "--end", words[1])
    assert isinstance(reported, str)
    assert line in reported
    assert reported.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["backtest", "--end-date", "2024-08-08"], "Missing option '--start-date'"),
        (["backtest", "--start-date", "soon"], "Invalid value for '--start-date': 'soon' is neither a day"),
        (
            ["backtest", "--start-date", "2024-08-08", "--end-date", "2024-08-07T10:00"],
            "--end-date 2024-08-07T10:00 lies before --start-date 2024-08-08",
        ),
        (
            ["backtest", "--start", "2024-08-08", "--end", "2024-08-07"],
            "--end 2024-08-07 lies before --start 2024",
        ),
        (
            ["backtest", "--start-date", "2024-08-08", "--start=2024-08-07"],
            "--start-date and --start exclude each",
        ),
        (
            ["dry-run", "--live-data", "--start-date", "2024-08-08"],
            "--live-data and --start-date exclude each",
        ),
        (
            ["dry-run", "--live-data", "--end-date", "2024-08-08"],
            "--end-date: only for recorded days; give --start-",
        ),
    ],
)
def test_arb_run_names_the_option_that_was_given(words: list[str], line: str) -> None:
    done = arb("run", "--mode", *words, code=2)
    assert line in done.stderr
    assert done.stderr.count("\n") == 1
