"""Recordings as other collectors name and stamp them, inverse contracts, and folders that nothing describes."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from support.command_line import arb
from support.recording_files import MS, NOON_NS, bybit_lines, depth_lines, write_recording

from arb.config import write_templates
from arb.data.catalog.days import find_days, find_recordings
from arb.data.rows.memory import rows_of_day
from arb.data.text import read_recording
from connectors.binance import BinanceUsdm

pytestmark = pytest.mark.slow

LINES = depth_lines(300)


def in_us(lines: list[str]) -> list[str]:
    """The lines as the first collectors wrote them: 16 digits."""
    return [f"{line[:16]} {line[20:]}" for line in lines]


def write_old(folder: Path, lines: list[str], venue: str = "binance_usdm") -> Path:
    path = folder / venue / "btcusdt_20240808.dat.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode(), 1))
    return path


def test_names_of_older_collectors_are_recordings(tmp_path: Path) -> None:
    path = write_old(tmp_path, LINES)
    (one,) = find_recordings(tmp_path)
    assert (one.venue, one.symbol, str(one.day), one.path) == ("binance_usdm", "BTCUSDT", "2024-08-08", path)


def test_of_two_files_of_a_day_one_counts_and_the_other_is_named(tmp_path: Path) -> None:
    old, new = write_old(tmp_path, LINES), write_recording(tmp_path, "binance_usdm", LINES)
    assert [one.path for one in find_recordings(tmp_path)] == [new]
    assert arb("data", "list", tmp_path).stderr == (
        f"not listed: {old}: there is another file of this day, {new.name}\n"
    )


@pytest.mark.parametrize("piece", [1, 16, 17, 1000])
def test_microseconds_become_nanoseconds(tmp_path: Path, piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_old(tmp_path, in_us(LINES))
    monkeypatch.setattr("arb.data.text._PIECE_BYTES", piece)
    text = b"".join(read_recording(path)).decode()
    # NOON_NS and what the lines add to it are whole microseconds.
    assert text.splitlines() == LINES


def test_rows_of_microseconds_are_those_of_nanoseconds(tmp_path: Path) -> None:
    write_old(tmp_path / "old", in_us(LINES))
    write_recording(tmp_path / "new", "binance_usdm", LINES)
    rows = [
        rows_of_day(BinanceUsdm(), find_days(tmp_path / name)[0], feed_latency_ns=0)
        for name in ("old", "new")
    ]
    assert rows[0].tobytes() == rows[1].tobytes()
    assert int(rows[0]["local_ts"][0]) == NOON_NS + 105 * MS, "the first change joins the snapshot"


def test_a_check_and_a_conversion_read_them(tmp_path: Path) -> None:
    write_old(tmp_path, in_us(LINES))
    reported = arb("data", "check", tmp_path, "--json")
    assert json.loads(reported.stdout)["verdict"] == "ok"
    arb("convert", tmp_path, "--json")
    reported = arb("convert", tmp_path, "--compare", code=2)
    assert "btcusdt_20240808.dat.gz: its local times have 16 digits (us)" in reported.stderr


def test_stamps_of_other_lengths_are_refused_with_file_and_line(tmp_path: Path) -> None:
    path = write_old(tmp_path, [f"{line[:13]} {line[20:]}" for line in LINES])
    reported = arb("convert", tmp_path, code=2)
    assert f"{path}, line 1: binance_usdm: the line does not begin with a 19-digit" in reported.stderr


def test_a_conversion_names_what_it_leaves_out(tmp_path: Path) -> None:
    write_recording(tmp_path, "binance_usdm", LINES)
    write_recording(tmp_path, "okx_spot", LINES)
    write_recording(tmp_path, "okx_spot", LINES, symbol="ethusdt")
    reported = arb("convert", tmp_path)
    assert f"left out: {tmp_path}/okx_spot (2 days): no venue file describes okx_spot\n" in reported.stderr


def inverse(lines: list[str], symbol: str) -> list[str]:
    """The lines as of an inverse contract."""
    pair = symbol.partition("_")[0]
    return [
        line.replace('"s":"BTCUSDT"', f'"s":"{symbol}","ps":"{pair}"')
        .replace("btcusdt@", f"{symbol.lower()}@")
        .replace(".BTCUSDT", f".{symbol}")
        for line in lines
    ]


@pytest.mark.parametrize(
    ("venue", "lines", "symbol", "is_misnamed"),
    [
        ("binance_usdm", LINES, "BTCUSD_PERP", False),
        ("binance_usdm", LINES, "BTCUSD_240927", True),
        ("bybit_linear", bybit_lines(300), "BTCUSD", True),
        ("bybit_linear", bybit_lines(300), "BTCUSDU24", False),
    ],
)
def test_inverse_contracts_are_refused_by_name(
    tmp_path: Path, venue: str, lines: list[str], symbol: str, is_misnamed: bool
) -> None:
    name = "btcusdt" if is_misnamed else symbol.lower()
    path = write_recording(tmp_path, venue, inverse(lines, symbol), symbol=name)
    for words in (("convert", str(tmp_path)), ("data", "check", str(tmp_path), "--json")):
        reported = arb(*words, code=None)
        said = reported.stderr or reported.stdout
        assert reported.exit_code in (2, 4)
        assert f"{path}, line " in said
        assert f"{symbol} is an inverse contract (COIN-M), priced and margined in its base" in said


@pytest.mark.parametrize("words", [["record", "--sandbox"], ["dry-run", "--live-data", "--out", "run"]])
def test_an_inverse_contract_is_neither_recorded_nor_traded(
    tmp_path: Path, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_templates(tmp_path)
    perpetual = tmp_path / "binance_usdm.toml"
    perpetual.write_text(perpetual.read_text() + '[symbols.BTCUSD_PERP]\ntick_size = "0.1"\nlot_size = "1"\n')
    legs = "strategy.legs=['binance_usdm:BTCUSD_PERP', 'bybit_spot:BTCUSDT']"
    allowed = ["--set", legs, "--set", "strategy.allow_different_assets=true"]
    reported = arb(*words, "-c", "arbitrage.toml", *allowed, "--duration", "1s", code=2)
    assert "binance_usdm: BTCUSD_PERP is an inverse contract (COIN-M)" in reported.stderr
    assert reported.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()
