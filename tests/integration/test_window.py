"""A run over a part of its days, across midnight: the same in every world, and proven by `arb verify`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.command_line import arb

from arb.cli.period import Time, period_of
from arb.commands.legs import legs_of
from arb.commands.run_files import days_of_run, read_inputs
from arb.config import load
from arb.data.rows.cache import RowCache

pytestmark = pytest.mark.slow

WORLDS = {
    "hftbacktest": ("backtest",),
    "engine arb": ("backtest", "--set", 'backtest.engine="arb"'),
    "dry-run": ("dry-run",),
    "paced": ("dry-run", "--speed", "10000"),
}
#: Without fees the simulated market has something to trade.
FREE = [
    word
    for venue in ("binance_usdm", "bybit_spot")
    for word in ("--set", f"{venue}.fees.taker=0", "--set", f"{venue}.fees.maker=0")
]
LEGS = ("--legs", "binance_usdm:BTCUSDT,bybit_spot:BTCUSDT")
MIDNIGHT = ("2024-01-01T23:59:30", "2024-01-02T00:00:20Z")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration and a minute and a half over midnight; the second day continues the first."""
    folder = tmp_path_factory.mktemp("window")
    arb("init", folder / "my")
    words = ["--duration", "90s", "--start", "2024-01-01T23:59", "--venues", "binance_usdm,bybit_spot"]
    arb("sandbox", "record", "--out", folder / "data", *words)
    return folder


@pytest.fixture(scope="module")
def run(place: Path) -> Callable[..., Path]:
    """Runs a world once from a start to an end; the folder of the run."""

    def of(world: str, start: str, end: str) -> Path:
        out = place / f"{world}-{start}-{end}".replace(" ", "-").replace(":", "")
        command, *words = WORLDS[world]
        if not out.exists():
            arb(
                command, "-c", place / "my" / "arbitrage.toml", "--data", place / "data", "--out", out, "--no-report",
                *LEGS, "--start", start, "--end", end,
                "--set", "strategy.min_spread_bps=0", "--set", "strategy.basis_halflife_s=5", *FREE, *words,
            )  # fmt: skip
        return out

    return of


def manifest_of(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "manifest.json").read_bytes()))


def test_it_is_equal_in_all_worlds(run: Callable[..., Path]) -> None:
    folders = [run(world, *MIDNIGHT) for world in WORLDS]
    for name in ("trades.csv", "records.npz"):
        assert len({(folder / name).read_bytes() for folder in folders}) == 1
    assert len((folders[0] / "trades.csv").read_text().splitlines()) > 10


@pytest.mark.parametrize("world", WORLDS)
def test_it_is_proven(world: str, run: Callable[..., Path]) -> None:
    done = arb("verify", run(world, *MIDNIGHT))
    assert "proven" in done.stdout
    assert "from 2024-01-01T23:59:30Z to 2024-01-02T00:00:20Z" in done.stdout


def test_it_has_records_fills_and_coverage_of_that_time_alone(run: Callable[..., Path]) -> None:
    folder = run("dry-run", *MIDNIGHT)
    summary = json.loads((folder / "summary.json").read_bytes())
    with np.load(folder / "records.npz") as file:
        times = file["0"]["timestamp"]
    start, end = 1_704_153_570_000_000_000, 1_704_153_620_000_000_000
    assert start <= times.min() < start + 1_000_000_000
    assert end - 1_000_000_000 < times.max() < end
    assert summary["duration_s"] == pytest.approx(50.0, abs=1.0)
    assert [leg["book"]["no_book_s"] for leg in summary["legs"]] == [0.0, 0.0]
    whole = manifest_of(run("dry-run", "2024-01-01", "2024-01-02"))
    assert whole["window"] is None
    assert manifest_of(folder)["window"] == ["2024-01-01T23:59:30Z", "2024-01-02T00:00:20Z"]
    for own, of_day in zip(manifest_of(folder)["inputs"], whole["inputs"], strict=True):
        assert 0 < own["rows"] < of_day["rows"]
        assert own["raw_sha256"] == of_day["raw_sha256"]


def test_a_window_around_all_rows_is_the_whole_run(run: Callable[..., Path]) -> None:
    whole = run("hftbacktest", "2024-01-01", "2024-01-02")
    around = run("hftbacktest", "2024-01-01T23:58", "2024-01-02T00:01")
    for name in ("trades.csv", "records.npz", "summary.json"):
        assert (around / name).read_bytes() == (whole / name).read_bytes()


def test_a_window_without_data_is_one_line(place: Path) -> None:
    words = ["-c", place / "my" / "arbitrage.toml", "--data", place / "data", "--out", place / "none"]
    for command in ("backtest", "dry-run"):
        done = arb(command, *words, *LEGS, "--start", "2024-01-02T12:00", code=2)
        assert "no data from 2024-01-02T12:00:00Z; its data of these days are from 2024-01-02" in done.stderr
        assert done.stderr.count("\n") == 1
    assert not (place / "none").exists()


@pytest.mark.parametrize(
    ("times", "files"),
    [
        (MIDNIGHT, ["btcusdt_20240101.npy", "btcusdt_20240102.npy"]),
        (("2024-01-02T00:00:10", "2024-01-02T00:00:20"), ["btcusdt_20240102.npy"]),
        (("2024-01-02T00:00:10", "2024-01-02"), ["btcusdt_20240102.npy"]),
    ],
)
def test_converted_rows_are_those_of_a_backtest(
    place: Path, tmp_path: Path, times: tuple[str, str], files: list[str]
) -> None:
    config_path, data = place / "my" / "arbitrage.toml", place / "data"
    words = ("--start", times[0], "--end", times[1], "--config", config_path, "--out", tmp_path, "--json")
    lines = [json.loads(line) for line in arb("convert", data, *words).stdout.splitlines()]
    # Without the rows with which a run empties a silent book.
    config = load(
        config_path,
        legs=LEGS[1].split(","),
        overrides=(f"data.directory='{data}'", "execution.stale_after_ms=86_400_000"),
    )
    start, end = (Time().convert(text, None, None) for text in times)
    period = period_of(start, end)
    assert period.last is not None
    legs = legs_of(config)
    days = days_of_run(config, legs, period.first, period.last)
    with RowCache() as cache:
        inputs = read_inputs(config, legs, days, cache, window=period.window)
        for leg, arrays, of_days in zip(legs, inputs.data, inputs.conversion.files, strict=True):
            assert sorted(path.name for path in (tmp_path / leg.venue).iterdir()) == files
            found = np.concatenate([np.load(tmp_path / leg.venue / name) for name in files])
            assert len(found) > 100
            assert found.tobytes() == np.concatenate(arrays.arrays).tobytes()
            own = [line for line in lines if line["venue"] == leg.venue]
            assert [line["rows"] for line in own] == [file.rows for file in of_days]


def test_a_conversion_of_a_time_needs_copies_and_data(place: Path, tmp_path: Path) -> None:
    data, config = place / "data", ("--config", place / "my" / "arbitrage.toml")
    time = ("--start", "2024-01-01T23:59:30")
    assert "add --out FOLDER" in arb("convert", data, *config, *time, code=2).stderr
    assert "write --start and --end as days" in arb("convert", data, *time, "--compare", code=2).stderr
    line = arb("convert", data, *config, "--out", tmp_path, "--start", "2024-01-02T12:00", code=2).stderr
    assert line.startswith(
        f"error: {data}: no data from 2024-01-02T12:00:00Z; its data of these days are from"
    )
    assert not [*tmp_path.iterdir()]


def test_a_converted_day_without_data_in_the_window_is_left_out(place: Path, tmp_path: Path) -> None:
    for venue, start in (("binance_usdm", "2024-01-01T12:00"), ("bybit_spot", "2024-01-01T13:00")):
        words = ("--duration", "15s", "--start", start, "--venues", venue)
        arb("sandbox", "record", "--out", tmp_path / "data", *words)
    words = (
        "--config",
        place / "my" / "arbitrage.toml",
        "--out",
        tmp_path / "rows",
        "--end",
        "2024-01-01T12:30",
    )
    done = arb("convert", tmp_path / "data", *words)
    left_out = "left out: bybit_spot:BTCUSDT 2024-01-01: no data to 2024-01-01T12:30:00Z"
    assert left_out in done.stderr.splitlines()
    assert [path.parent.name for path in (tmp_path / "rows").glob("*/*")] == ["binance_usdm"]


def test_commands_that_take_days_take_times_as_their_days(place: Path) -> None:
    data, times = place / "data", ("--start", "2024-01-02T00:00:10", "--end", "2024-01-02T00:00:20")
    listed = [json.loads(line) for line in arb("data", "list", data, *times, "--json").stdout.splitlines()]
    assert [(one["venue"], one["day"]) for one in listed] == [
        ("binance_usdm", "2024-01-02"),
        ("bybit_spot", "2024-01-02"),
    ]
    checked = arb("data", "check", data, "--end", "2024-01-01", "--json").stdout.splitlines()
    assert {json.loads(line)["day"] for line in checked} == {"2024-01-01"}
    books = [
        {
            one["recording"]: one["book"]
            for one in map(json.loads, arb("data", "check", data, *words, "--json").stdout.splitlines())
        }
        for words in ((), times)
    ]
    # The second day continues the first, which is read for it.
    assert sorted(books[1]) == ["binance_usdm/btcusdt_20240102.gz", "bybit_spot/btcusdt_20240102.gz"]
    assert books[1].items() <= books[0].items()
    for words in ((), ("--json",)):
        line = arb("data", "check", data, *times, *words).stderr
        assert line == (
            "whole days were checked from 2024-01-02 to 2024-01-02: a check is not cut to a time of day\n"
        )
        assert not arb("data", "check", data, "--start", "2024-01-02", *words).stderr
    for command in (["data", "list"], ["data", "check"], ["convert"]):
        line = arb(*command, data, "--start", "2024-01-03", code=2).stderr
        assert line == f"error: {data}: no day from 2024-01-03; its days are from 2024-01-01 to 2024-01-02\n"
