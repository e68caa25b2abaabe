"""A folder of archives and nothing recorded: listing, converting, a backtest over two sources."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from support.archives import DAY, SYMBOL, text_of, write_archive
from support.figure_tables import documented
from support.paths import ROOT
from support.recording_files import command_environment

from arb.cli import cli
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


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with nothing but archives."""
    for source, venue, kind in FILES:
        write_archive(tmp_path / "data", source, venue, kind, text_of(source, venue, kind, 1, 1_000))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", command_environment(tmp_path / "cache")["XDG_CACHE_HOME"])


def arb(*words: str) -> str:
    """The output of a command that succeeds."""
    done = CliRunner().invoke(cli, words, prog_name="arb")
    assert done.exit_code == 0, done.output
    return done.stdout


def test_archives_are_listed_with_what_they_hold() -> None:
    lines = [json.loads(line) for line in arb("data", "list", "data", "--json").splitlines()]
    assert lines[0].keys() == documented("arb data list --json")
    assert [(line["venue"], line["source"], line["contents"]) for line in lines] == [
        ("binance_spot", "binance", "trades"),
        ("binance_usdm", "binance", "best bid and offer, aggregated trades"),
        ("bybit_linear", "bybit", "ob500, trades"),
    ]


def test_archives_are_converted_to_rows_that_hftbacktest_loads() -> None:
    lines = [json.loads(line) for line in arb("convert", "data", "--out", "rows", "--json").splitlines()]
    assert lines[0].keys() == documented("arb convert --json")
    assert [(line["source"], line["gaps"], line["clamped"]) for line in lines] == [
        ("binance", 0, 0),
        ("bybit", 0, 0),
    ]
    for line in lines:
        assert len(np.load(line["file"])) >= line["rows"] > 1_000


def test_a_backtest_names_its_sources_first() -> None:
    legs = f"binance_usdm:{SYMBOL},bybit_linear:{SYMBOL}"
    words = ["backtest", "-c", CONFIG, "--data", "data", "--start", str(DAY), "--legs", legs, "--out", "run"]
    reported = " ".join(arb(*words, "--no-report").split())
    manifest = json.loads(Path("run/manifest.json").read_bytes())
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
