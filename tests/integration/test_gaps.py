"""A gap in a recorded day: the strategy sees NaN from its first row to the snapshot, and every report says how long."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from support.command_line import arb
from support.gaps import Gap, break_usdm, drop_snapshots, recorded
from support.paths import strategy_file
from support.recording_files import example

from arb.errors import ExitCode
from arb.results.trades import iso_time

pytestmark = pytest.mark.slow

LEGS = "binance_usdm:BTCUSDT,bybit_linear:BTCUSDT"
#: 2024-01-01 00:00 UTC.
START_NS = 1_704_067_200_000_000_000
S = 1_000_000_000

#: Records each time that leg 0's touch begins or ends to be known, at the nanosecond.
LOOK = """
def run(hbt, recorder):
    was_known = False
    while hbt.wait_next_feed(False, 100_000_000_000_000_000) == 2:
        depth = hbt.depth(0)
        is_known = depth.best_bid < depth.best_ask
        if is_known != was_known:
            recorder.record(hbt)
            was_known = is_known
    return 0
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute of a simulated market, without a gap."""
    folder = tmp_path_factory.mktemp("whole") / "data"
    arb(
        "sandbox", "record", "--out", str(folder), "--duration", "1m", "--venues", "binance_usdm,bybit_linear"
    )
    return folder


@pytest.fixture
def data(whole: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(whole, tmp_path / "data"))


class Run(NamedTuple):
    folder: Path
    summary: dict[str, Any]
    manifest: dict[str, Any]
    out: str


def backtest(data: Path, *words: str) -> Run:
    folder = data.parent / "run"
    reported = arb(
        "backtest", "-c", example("usdm_bybit"), "--data", str(data), "--start", "2024-01-01", "--legs", LEGS,
        "--out", str(folder), "--strategy", f"{strategy_file('look.py', LOOK)}:run", *words,
    )  # fmt: skip
    summary, manifest = (
        json.loads((folder / name).read_bytes()) for name in ("summary.json", "manifest.json")
    )
    return Run(folder, summary, manifest, reported.stdout)


def broken(data: Path, *spans_s: tuple[int, int | None]) -> list[Gap]:
    """The gaps, (from, to) in seconds of the minute."""
    return [
        break_usdm(recorded(data), START_NS + start * S, None if end is None else START_NS + end * S)
        for start, end in spans_s
    ]


def test_the_strategy_sees_nan_for_as_long_as_the_report_says(data: Path) -> None:
    gaps = broken(data, (20, 32), (40, 43))
    run = backtest(data)
    offset_ns = run.manifest["clock_offset_ns"]
    edges = [time + offset_ns for gap in gaps for time in gap]

    with np.load(run.folder / "records.npz") as file:
        seen = file["0"]
    assert seen["timestamp"][1:5].tolist() == edges
    assert np.isnan(seen["price"][:5]).tolist() == [False, True, False, True, False]

    lengths = [gap.to_ns - gap.from_ns for gap in gaps]
    book = run.summary["legs"][0]["book"]
    assert run.summary["gaps"] == {LEGS.split(",")[0]: 2, LEGS.split(",")[1]: 0}
    assert (book["outages"], book["outage_s_sum"], book["outage_s_max"]) == (
        2,
        sum(lengths) / S,
        max(lengths) / S,
    )
    assert 11 < book["outage_s_max"] < 13
    assert [outage["duration_s"] for outage in book["first_outages"]] == [length / S for length in lengths]
    assert [outage["from_time"] for outage in book["first_outages"]] == [
        iso_time(edges[0]),
        iso_time(edges[2]),
    ]
    assert book["no_book_s"] == pytest.approx(book["before_first_s"] + book["outage_s_sum"])
    assert START_NS + offset_ns + book["before_first_s"] * S == pytest.approx(seen["timestamp"][0], abs=S)
    of_file = run.manifest["inputs"][0]["book"]
    assert of_file["outages_ns"] == sum(lengths)
    assert of_file["first"] == [edges[:2], edges[2:]]

    other = run.summary["legs"][1]["book"]
    assert (other["outages"], other["outage_s_sum"], other["first_outages"]) == (0, 0.0, [])

    page = (run.folder / "report.html").read_text()
    assert "Times without a book" in page
    assert f'value="{lengths[0] / S!r}"' in page
    assert "... outages" in run.out


def test_a_window_has_its_own_outages_of_the_book(data: Path) -> None:
    """It begins in an outage, which ends within; a second one is within."""
    first, second = broken(data, (20, 32), (40, 43))
    run = backtest(data, "--start", "2024-01-01T00:00:25", "--end", "2024-01-01T00:00:50")
    offset_ns = run.manifest["clock_offset_ns"]
    begin = START_NS + 25 * S

    with np.load(run.folder / "records.npz") as file:
        seen = file["0"]
    assert seen["timestamp"][:3].tolist() == [
        time + offset_ns for time in (first.to_ns, second.from_ns, second.to_ns)
    ]
    book = run.summary["legs"][0]["book"]
    assert book["before_first_s"] == (first.to_ns + offset_ns - begin) / S
    assert [(one["from_time"], one["to_time"]) for one in book["first_outages"]] == [
        (iso_time(second.from_ns + offset_ns), iso_time(second.to_ns + offset_ns))
    ]
    assert list(run.summary["gaps"].values()) == [1, 0]
    assert run.summary["last_time"] < "2024-01-01T00:00:50"
    assert run.manifest["window"] == ["2024-01-01T00:00:25Z", "2024-01-01T00:00:50Z"]


def test_the_check_of_the_recording_says_the_same(data: Path) -> None:
    (gap,) = broken(data, (20, 32))
    book = backtest(data).manifest["inputs"][0]["book"]
    lines = arb("data", "check", str(data), "--json").stdout.splitlines()
    (checked,) = [c["book"] for c in map(json.loads, lines) if c["venue"] == "binance_usdm"]
    assert checked["gaps"] == 1
    assert [(s["start_ts"], s["end_ts"]) for s in checked["unknown_longest"]] == [tuple(gap)]
    assert checked["before_snapshot_ns"] == book["known_ts"] - book["first_ts"]
    assert (
        checked["unknown_ns"] - checked["before_snapshot_ns"] == gap.to_ns - gap.from_ns == book["outages_ns"]
    )


def test_the_report_made_again_says_the_same(data: Path) -> None:
    broken(data, (20, 32))
    run = backtest(data)
    before = (run.folder / "summary.json").read_bytes()
    arb("report", str(run.folder))
    assert (run.folder / "summary.json").read_bytes() == before


def test_a_gap_that_nothing_mends_lasts_to_the_end_of_the_run(data: Path) -> None:
    broken(data, (20, None))
    run = backtest(data)
    book = run.summary["legs"][0]["book"]
    end_ns = max(file["book"]["last_ts"] for file in run.manifest["inputs"])
    assert book["outages"] == 1
    assert book["first_outages"][0]["to_time"] == iso_time(end_ns)
    assert 39 < book["outage_s_max"] < 41
    assert run.summary["outcome"] == "ended"


def test_the_spread_strategy_walks_over_a_gap(data: Path) -> None:
    broken(data, (20, 32))
    run = backtest(data, "--strategy", "arb.strategies.spread.strategy:run")
    assert run.summary["outcome"] == "ended"
    assert run.summary["legs"][0]["book"]["outages"] == 1
    assert 10 < run.summary["legs"][0]["no_mid_s"] - run.summary["legs"][0]["book"]["before_first_s"] < 14


def refused(data: Path) -> str:
    words = ("--data", data, "--start", "2024-01-01", "--legs", LEGS, "--out", data.parent / "run")
    reported = arb("backtest", "-c", example("usdm_bybit"), *words, code=ExitCode.USER_INPUT)
    assert reported.stderr.count("\n") == 1
    assert not (data.parent / "run").exists()
    return reported.stderr


def test_a_day_that_is_all_gap_is_refused_where_it_is_the_only_one(data: Path) -> None:
    drop_snapshots(recorded(data))
    assert "the book of binance_usdm:BTCUSDT is never known: 1 gap in its ids" in refused(data)


def test_a_day_that_is_all_gap_is_reported_where_others_are_good(data: Path) -> None:
    arb("sandbox", "record", "--out", str(data), "--duration", "12s", "--venues", "binance_usdm,bybit_linear",
        "--start", "2024-01-02")  # fmt: skip
    drop_snapshots(data / "binance_usdm" / "btcusdt_20240102.gz")
    run = backtest(data)
    (note,) = [note for note in run.summary["notes"] if "unknown all of" in note]
    assert note.startswith("binance_usdm:BTCUSDT: its book is unknown all of 2024-01-02")
    book = run.summary["legs"][0]["book"]
    # From the second day's first frame, which carries nothing on, to the end of the run.
    second = run.manifest["inputs"][1]["book"]
    assert book["first_outages"][0]["from_time"] == iso_time(second["first_ts"])
    assert book["outages"] == 1
    with np.load(run.folder / "records.npz") as file:
        seen = file["0"]
    # For the strategy since the silence behind the first day.
    end_ns = run.manifest["inputs"][0]["book"]["last_ts"]
    assert end_ns + 2 * S - seen["timestamp"][1] == pytest.approx(S // 10, abs=S // 10)
    assert np.isnan(seen["price"][1:]).all()


def test_recordings_of_different_hours_are_refused(data: Path) -> None:
    other = data.parent / "later"
    arb("sandbox", "record", "--out", str(other), "--duration", "12s", "--venues", "bybit_linear",
        "--start", "2024-01-01T12:00")  # fmt: skip
    (path,) = (other / "bybit_linear").glob("*.gz")
    path.replace(data / "bybit_linear" / path.name)
    reported = refused(data)
    assert (
        "their books are at no time known together: binance_usdm:BTCUSDT from 2024-01-01 00:00:" in reported
    )
    assert "bybit_linear:BTCUSDT from 2024-01-01 12:00:0" in reported
