"""Tick and lot against the data, from the command line: a mismatch ends with 2 and the line to write."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.archives import (
    START_MS,
    binance_book_ticker,
    binance_trades,
    bybit_book,
    write_archive,
)
from support.command_line import arb
from support.paths import RECORDINGS, needs_recordings
from support.recording_files import NOON_NS, bybit_lines, depth_lines, example, write_recording

from arb.data.catalog.archived import ArchiveKind

pytestmark = pytest.mark.slow

DAY_NS = 86_400_000_000_000
CONFIG = example("usdm_bybit")
#: The prices of the made recordings are multiples of 0.1, their quantities of 0.001.
PX = 60_000.1
TICK = 'binance_usdm.symbols.BTCUSDT.tick_size="{}"'
LOT = 'binance_usdm.symbols.BTCUSDT.lot_size="{}"'


def usdm_lines(count: int = 50, start_ns: int = NOON_NS) -> list[str]:
    lines = depth_lines(count, px=PX, start_ns=start_ns)
    return [line.replace('"6.000"', '"6.011"') for line in lines]


def write_legs(folder: Path, lines: Sequence[str] | None = None) -> Path:
    """A USD-M recording of these lines and one of Bybit linear beside it."""
    write_recording(folder, "binance_usdm", usdm_lines() if lines is None else lines)
    write_recording(folder, "bybit_linear", bybit_lines(50, px=PX))
    return folder


def run(*words: object) -> tuple[int, str]:
    """Exit code and standard error of a command in this process."""
    done = arb(*words, code=None)
    return done.exit_code, done.stderr


def backtest(data: Path, out: Path, *words: str, start: str = "2024-08-08") -> tuple[int, str]:
    files = ("-c", CONFIG, "--data", data, "--out", out)
    return run("backtest", *files, "--start", start, "--no-report", *words)


def settings(*texts: str) -> list[str]:
    return [word for text in texts for word in ("--set", text)]


def test_data_on_the_configured_grid_are_replayed(tmp_path: Path) -> None:
    data = write_legs(tmp_path / "data")
    assert backtest(data, tmp_path / "run") == (0, "")
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_bytes())
    grid = manifest["inputs"][0]["grid"]
    assert (grid["tick_size"], grid["lot_size"]) == ("0.1", "0.001")
    assert (grid["off_prices"], grid["off_quantities"]) == (0, 0)


@pytest.mark.parametrize(
    ("setting", "found", "write"),
    [
        (TICK.format("0.5"), "no multiples of the configured tick_size 0.5", 'write tick_size = "0.1" in'),
        (TICK.format("10"), "no multiples of the configured tick_size 10,", 'write tick_size = "0.1" in'),
        (TICK.format("1.0"), "no multiples of the configured tick_size 1,", 'write tick_size = "0.1" in'),
        (LOT.format("0.01"), "no multiples of the configured lot_size 0.01", 'write lot_size = "0.001" in'),
        (LOT.format("100"), "are less than half of it", 'write lot_size = "0.001" in'),
    ],
)
def test_a_wrong_tick_or_lot_is_refused(tmp_path: Path, setting: str, found: str, write: str) -> None:
    data, out = write_legs(tmp_path / "data"), tmp_path / "run"
    # The check is in the reading of rows, which both commands share.
    command = "dry-run" if "0.5" in setting or "100" in setting else "backtest"
    words = (command, "-c", CONFIG, "--data", str(data), "--out", str(out), "--start", "2024-08-08")
    code, reported = run(*words, *settings(setting))
    assert code == 2
    assert reported.startswith(
        f"error: {data}/binance_usdm/btcusdt_20240808.gz: 2024-08-08: binance_usdm:BTCUSDT is off"
    )
    assert found in reported
    assert f"{write} [symbols.BTCUSDT] of {Path(CONFIG).parent / 'binance_usdm.toml'}" in reported
    assert f"[data.grid.binance_usdm.BTCUSDT] of {CONFIG}" in reported
    assert len(reported.splitlines()) == 1
    assert not out.exists()


def spoilt(what: str) -> list[str]:
    """A recording with one value finer than the tick in one frame."""
    lines = usdm_lines()
    if what == "snapshot":
        lines[0] = lines[0].replace('"59999.1"', '"59999.15"', 1)
    elif what == "delta":
        lines[20] = lines[20].replace('"59999.1"', '"59999.15"', 1)
    elif what == "deletion":
        lines[20] = lines[20].replace('"b":[', '"b":[["59998.15","0"],', 1)
    else:
        at = NOON_NS + 2_010_000_000
        data = {"e": "trade", "E": at // 10**6, "T": at // 10**6, "s": "BTCUSDT", "t": 7, "p": "60000.15", "q": "0.001",
                "X": "MARKET", "m": False}  # fmt: skip
        trade = {"stream": "btcusdt@trade", "data": data}
        lines.insert(21, f"{at + 5_000_000} {json.dumps(trade, separators=(',', ':'))}")
    return lines


@pytest.mark.parametrize(
    ("command", "what"),
    [
        ("backtest", "snapshot"),
        ("backtest", "delta"),
        ("backtest", "deletion"),
        ("backtest", "trade"),
        ("convert", "delta"),
        ("check", "delta"),
    ],
)
def test_one_value_finer_than_the_tick_is_enough(tmp_path: Path, command: str, what: str) -> None:
    data = write_legs(tmp_path / "data", spoilt(what))
    if command == "backtest":
        code, reported = backtest(data, tmp_path / "run")
    else:
        words = {"convert": ("convert",), "check": ("data", "check")}[command]
        code, reported = run(*words, str(data), "-c", CONFIG)
    assert code == 2
    assert "btcusdt_20240808.gz: " in reported
    assert "1 prices are no multiples of the configured tick_size 0.1, all are of 0.05" in reported
    assert 'write tick_size = "0.05" in [symbols.BTCUSDT] of' in reported


def test_data_that_state_their_own_grid_are_replayed(tmp_path: Path) -> None:
    data = write_legs(tmp_path / "data", spoilt("delta"))
    stated = settings('data.grid.binance_usdm.BTCUSDT.tick_size="0.05"')
    assert backtest(data, tmp_path / "run", *stated) == (0, "")
    code, reported = backtest(
        data, tmp_path / "again", *settings('data.grid.binance_usdm.BTCUSDT.tick_size="0.5"')
    )
    assert code == 2
    assert f'write tick_size = "0.05" in [data.grid.binance_usdm.BTCUSDT] of {CONFIG}' in reported
    code, reported = backtest(data, tmp_path / "again", *settings('data.grid.nowhere.BTCUSDT.lot_size="0.5"'))
    assert code == 2
    assert "data.grid.nowhere" in reported
    assert run("verify", str(tmp_path / "run"))[0] == 0


def test_a_stated_lot_holds_for_conversion_and_check(tmp_path: Path) -> None:
    """The example's file says that the quantities of Bybit's ETHUSDT are re-encoded: finer than the venue's lot."""
    data = tmp_path / "data"
    lines = [line.replace("BTCUSDT", "ETHUSDT").replace('"6.000"', '"6.001"') for line in bybit_lines(50)]
    write_recording(data, "bybit_linear", lines, symbol="ethusdt")
    assert run("convert", str(data), "-c", CONFIG)[0] == 0
    assert run("data", "check", str(data), "-c", CONFIG)[0] == 0
    code, reported = run("data", "check", str(data), "-c", "config/arbitrage.toml")
    assert code == 2
    assert 'write lot_size = "0.001" in [symbols.ETHUSDT] of config/bybit_linear.toml' in reported


def test_a_grid_that_only_looks_coarser_is_a_note(tmp_path: Path) -> None:
    data = write_legs(tmp_path / "data", usdm_lines(600))
    finer = settings(TICK.format("0.01"))
    assert backtest(data, tmp_path / "run", *finer) == (0, "")
    notes = json.loads((tmp_path / "run" / "manifest.json").read_bytes())["notes"]
    assert any("all prices are multiples of 0.1, tick_size is 0.01" in note for note in notes)
    # A lot that no quantity was smaller than says nothing in so few rows.
    assert not any("lot_size" in note for note in notes)


def test_a_grid_that_changes_between_days_ends_with_the_day(tmp_path: Path) -> None:
    data = write_legs(tmp_path / "data", usdm_lines(600))
    write_recording(data, "bybit_linear", bybit_lines(600, px=PX, start_ns=NOON_NS + DAY_NS), "20240809")
    finer = [line.replace('59999.1"', '59999.15"') for line in usdm_lines(600, NOON_NS + DAY_NS)]
    write_recording(data, "binance_usdm", finer, "20240809")
    code, reported = backtest(data, tmp_path / "run")
    assert code == 2
    assert "btcusdt_20240809.gz: 2024-08-09 (the days before it are on that grid: it has changed)" in reported
    # All values are on the finer grid; the first day still shows another one.
    code, reported = backtest(data, tmp_path / "run", *settings(TICK.format("0.05")))
    assert code == 2
    assert "the grid of binance_usdm:BTCUSDT changes on 2024-08-09: tick_size from 0.1 to 0.05" in reported
    stated = settings('data.grid.binance_usdm.BTCUSDT.tick_size="0.05"')
    assert backtest(data, tmp_path / "run", *stated)[0] == 0
    assert backtest(data, tmp_path / "second", *settings(TICK.format("0.05")), start="2024-08-09")[0] == 0


@pytest.mark.parametrize(
    ("source", "venue", "files"),
    [
        ("binance", "binance_usdm", {ArchiveKind.TOUCH: binance_book_ticker(1, 400)}),
        (
            "binance",
            "binance_usdm",
            {
                ArchiveKind.TOUCH: binance_book_ticker(1, 400),
                ArchiveKind.TRADES: binance_trades(2, 100, is_spot=False).replace(b".5,", b".55,"),
            },
        ),
        ("bybit", "bybit_linear", {ArchiveKind.BOOK: bybit_book(3, 60, START_MS)}),
    ],
)
def test_archives_are_measured_too(
    tmp_path: Path, source: str, venue: str, files: dict[ArchiveKind, bytes]
) -> None:
    for kind, content in files.items():
        write_archive(tmp_path, source, venue, kind, content)
    is_fine = len(files) == 1
    assert run("convert", str(tmp_path), "-c", CONFIG)[0] == (0 if is_fine else 2)
    for path in Path(CONFIG).parent.glob("*.toml"):
        text = path.read_text().replace('tick_size = "0.10"', 'tick_size = "1"')
        (tmp_path / path.name).write_text(text)
    code, reported = run("convert", str(tmp_path), "-c", str(tmp_path / "arbitrage.toml"))
    assert code == 2
    assert "no multiples of the configured tick_size 1, all are of " in reported
    assert f"/archive/{source}/{venue}/" in reported


@needs_recordings
def test_the_real_recordings_with_another_tick(tmp_path: Path) -> None:
    code, reported = backtest(RECORDINGS, tmp_path / "run", *settings(TICK.format("0.5")))
    assert code == 2
    assert 'all are of 0.1; write tick_size = "0.1" in' in reported


@needs_recordings
def test_the_real_recordings_with_another_lot(tmp_path: Path) -> None:
    words = (
        "--start",
        "2024-08-08",
        "--no-report",
        "--data",
        str(RECORDINGS),
        "--out",
        str(tmp_path / "run"),
    )
    setting = settings('binance_spot.symbols.BTCUSDT.lot_size="1.0"')
    code, reported = run("backtest", "-c", example("spot_usdm"), *words, *setting)
    assert code == 2
    assert 'measured: 0.00001; write lot_size = "0.00001" in' in reported
