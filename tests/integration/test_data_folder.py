"""`arb data list`, `check` and `finish` on folders with what a killed recorder, a link or a wrong name leaves there."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from support.command_line import arb
from support.live_recorder import NOON, SYMBOL, VENUE, Open, forget, gz, opener
from support.recording_files import depth_lines, write_recording

from arb.data.recordings.leftover import leftover_notes
from arb.results.note_kinds import kind_of

LINES = depth_lines(300)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    with opener(tmp_path) as open_recorder:
        yield open_recorder


@pytest.fixture
def killed(tmp_path: Path, opened: Open) -> Path:
    """A folder whose recorder was killed before anything was compressed."""
    recorder = opened()
    for line in LINES:
        stamp, _, frame = line.partition(" ")
        recorder.frame(VENUE, SYMBOL, int(stamp), frame.encode())
    forget(recorder)
    return tmp_path


def listed(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in arb("data", "list", folder, "--json").stdout.splitlines()]


def sole_line(text: str) -> str:
    assert text.count("\n") == 1
    return text.strip()


def test_a_recording_in_journals_is_listed_and_the_command_that_finishes_it_is_named(killed: Path) -> None:
    (row,) = listed(killed)
    assert (row["venue"], row["symbol"], row["day"], row["source"]) == (
        VENUE,
        SYMBOL,
        "2024-08-08",
        "journals",
    )
    assert row["bytes"] == sum(len(line) + 1 for line in LINES)
    reported = arb("data", "list", killed)
    assert sole_line(reported.stderr).startswith(
        f"not finished: {killed}: frames that are not in the .gz yet: "
    )
    assert sole_line(reported.stderr).endswith(f"; arb data finish {killed}")


def test_a_check_of_journals_alone_names_the_command(killed: Path) -> None:
    reported = arb("data", "check", killed, code=2)
    assert sole_line(reported.stderr).endswith(
        f"binance_usdm:BTCUSDT 2024-08-08 (0.1 MB); arb data finish {killed}"
    )


def test_a_backtest_of_journals_alone_names_the_command(killed: Path) -> None:
    words = ["backtest", "--data", str(killed), "--start", "2024-08-08", "--no-report"]
    legs = ["--legs", "binance_usdm:BTCUSDT,bybit_linear:BTCUSDT", "--set", "capital.bybit_linear.quote=1.0"]
    more = ["--set", "capital.binance_usdm.quote=1.0"]
    reported = arb(*words, *legs, *more, code=2)
    assert sole_line(reported.stderr).endswith(f"arb data finish {killed}")


def test_finish_moves_every_frame(killed: Path) -> None:
    reported = arb("data", "finish", killed)
    assert (reported.exit_code, reported.stderr) == (0, "")
    assert reported.stdout == "binance_usdm:BTCUSDT 2024-08-08: finished, 0.1 MB of text\n"
    assert gzip.decompress(gz(killed).read_bytes()).decode().splitlines() == LINES
    assert [row["source"] for row in listed(killed)] == ["recording"]
    assert arb("data", "list", killed).stderr == ""
    again = arb("data", "finish", killed)
    assert (again.exit_code, again.stdout) == (0, f"{killed}: nothing to finish\n")


def test_a_folder_that_is_being_recorded_into_is_left_alone(tmp_path: Path, opened: Open) -> None:
    recorder = opened()
    recorder.frame(VENUE, SYMBOL, NOON, b"{}")
    assert " is recording them" in arb("data", "list", tmp_path).stderr
    reported = arb("data", "finish", tmp_path, code=2)
    assert "another recorder" in sole_line(reported.stderr)
    recorder.frame(VENUE, SYMBOL, NOON, b"{}")
    assert recorder.state.lost_frames == 0


def test_a_run_of_a_day_that_is_partly_in_journals_says_so(killed: Path) -> None:
    day = (VENUE, SYMBOL, date(2024, 8, 8))
    (note,) = leftover_notes(killed, [day])
    assert note.startswith(
        "binance_usdm:BTCUSDT: 0.1 MB of 2024-08-08 are not in the .gz yet and not in this run"
    )
    assert kind_of(note).heading == "Data left out"
    assert leftover_notes(killed, [(VENUE, "ETHUSDT", day[2])]) == []


def untidy(folder: Path) -> Path:
    """A good recording among others that are none."""
    write_recording(folder, VENUE, LINES)
    (folder / VENUE / "ethusdt_20240808.gz").symlink_to(folder / "gone.gz")
    (folder / VENUE / "solusdt_20240808.gz").mkdir()
    (folder / VENUE / "xrpusdt_20240808.gz").symlink_to("xrpusdt_20240808.gz")
    (folder / "bybit_spot").symlink_to(folder / "nowhere")
    return folder


def test_what_cannot_be_read_is_a_line_each_and_the_rest_is_listed(tmp_path: Path) -> None:
    folder = untidy(tmp_path)
    reported = arb("data", "list", folder)
    assert [row["symbol"] for row in listed(folder)] == [SYMBOL]
    assert reported.stderr.splitlines() == [
        f"not listed: {folder}/binance_usdm/ethusdt_20240808.gz: a link to a file that does not exist",
        f"not listed: {folder}/binance_usdm/solusdt_20240808.gz: a folder, not a file",
        f"not listed: {folder}/binance_usdm/xrpusdt_20240808.gz: Too many levels of symbolic links",
        f"not listed: {folder}/bybit_spot: a link to a folder that does not exist",
    ]


@pytest.mark.slow
def test_what_cannot_be_read_is_broken_and_the_rest_is_checked(tmp_path: Path) -> None:
    reported = arb("data", "check", untidy(tmp_path), "--json", code=4)
    reports = [json.loads(line) for line in reported.stdout.splitlines()]
    assert [(report["symbol"], report["verdict"]) for report in reports] == [
        (SYMBOL, "ok"),
        ("ETHUSDT", "broken"),
        ("SOLUSDT", "broken"),
        ("XRPUSDT", "broken"),
    ]
    assert "a link to a file that does not exist" in reports[1]["error"]
    assert "a folder, not a file" in reports[2]["error"]


@pytest.mark.slow
def test_a_conversion_names_what_it_cannot_read(tmp_path: Path) -> None:
    reported = arb("convert", untidy(tmp_path), code=2)
    assert sole_line(reported.stderr).endswith("ethusdt_20240808.gz: No such file or directory")
