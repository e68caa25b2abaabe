"""A folder of archives and nothing recorded: listing, converting, a backtest over two sources."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support.archives import DAY, SYMBOL, text_of, write_archive
from support.figure_tables import documented
from support.paths import ROOT
from support.recording_files import Finished, command_environment, run_command

from arb.data.catalog.archived import ArchiveKind

pytestmark = pytest.mark.slow

CONFIG = str(ROOT / "config" / "arbitrage.toml")
FILES = [
    ("binance", "binance_usdm", ArchiveKind.TOUCH),
    ("binance", "binance_usdm", ArchiveKind.AGG_TRADES),
    ("bybit", "bybit_linear", ArchiveKind.BOOK),
    ("bybit", "bybit_linear", ArchiveKind.TRADES),
    ("binance", "binance_spot", ArchiveKind.TRADES),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("archives")
    for source, venue, kind in FILES:
        write_archive(made / "data", source, venue, kind, text_of(source, venue, kind, 1, 1_000))
    return made


def arb(folder: Path, *words: str) -> Finished:
    return run_command(words, command_environment(folder / "cache"), folder)


def test_archives_are_listed_with_what_they_hold(folder: Path) -> None:
    done = arb(folder, "data", "list", "data", "--json")

    assert done.code == 0, done.err
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert lines[0].keys() == documented("arb data list --json")
    assert [(line["venue"], line["source"], line["contents"]) for line in lines] == [
        ("binance_spot", "binance", "trades"),
        ("binance_usdm", "binance", "best bid and offer, aggregated trades"),
        ("bybit_linear", "bybit", "ob500, trades"),
    ]


def test_archives_are_converted_to_rows_that_hftbacktest_loads(folder: Path) -> None:
    done = arb(folder, "convert", "data", "--out", "rows", "--json")

    assert done.code == 0, done.err
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert lines[0].keys() == documented("arb convert --json")
    assert [(line["source"], line["gaps"], line["clamped"]) for line in lines] == [
        ("binance", 0, 0),
        ("bybit", 0, 0),
    ]
    for line in lines:
        assert len(np.load(folder / line["file"])) >= line["rows"] > 1_000


def test_a_backtest_names_its_sources_first(folder: Path) -> None:
    legs = f"binance_usdm:{SYMBOL},bybit_linear:{SYMBOL}"
    words = ["backtest", "-c", CONFIG, "--data", "data", "--start", str(DAY), "--legs", legs, "--out", "run"]
    done = arb(folder, *words, "--no-report")

    assert done.code == 0, done.err
    manifest = json.loads((folder / "run" / "manifest.json").read_bytes())
    reported = " ".join(done.out.split())
    for note, words_of_it in zip(
        manifest["notes"],
        (
            "binance_usdm:BTCUSDT: Binance's public archive",
            "bybit_linear:BTCUSDT: Bybit's public archive (ob500",
        ),
        strict=True,
    ):
        assert note.startswith(words_of_it)
        assert "the venue's plus 10 ms" in note
        assert note in reported
    assert [line["source"] for line in manifest["inputs"]] == ["binance", "bybit"]
    assert [len(line["raw_sha256"].split("+")) for line in manifest["inputs"]] == [2, 2]


def test_a_leg_of_trades_alone_is_refused(folder: Path) -> None:
    legs = f"binance_usdm:{SYMBOL},binance_spot:{SYMBOL}"
    done = arb(folder, "backtest", "-c", CONFIG, "--data", "data", "--start", str(DAY), "--legs", legs)

    assert done.code == 2
    assert "BTCUSDT-trades-2024-01-01.zip: trades alone" in done.err
    assert "put a book from another source (Binance has none of spot) beside it" in done.err
    assert done.err.count("\n") == 1
