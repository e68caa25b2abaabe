"""From nothing recorded to a backtest: a day of the venues' archives is downloaded, run, listed and converted."""

from __future__ import annotations

import json
import re
import shutil
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from support.archive_server import ArchiveServer
from support.archives import DAY, SYMBOL, packed, text_of
from support.command_line import arb
from support.figure_tables import documented
from support.paths import ROOT
from support.recording_files import command_environment

from arb.data.catalog.archived import ArchiveKind
from arb.data.download.markets import all_series

pytestmark = pytest.mark.slow

FILES = [
    ("binance", "binance_usdm", ArchiveKind.TOUCH),
    ("binance", "binance_usdm", ArchiveKind.TRADES),
    ("bybit", "bybit_linear", ArchiveKind.BOOK),
    ("bybit", "bybit_linear", ArchiveKind.TRADES),
]


def serve_day(server: ArchiveServer) -> None:
    for series in all_series(date(2023, 5, 1), date(2025, 5, 1)):
        place = (series.source, series.market, series.kind)
        if place in FILES and series.covers(DAY):
            path, name = (text.format(symbol=SYMBOL, day=DAY) for text in (series.path, series.name))
            content = packed(name, text_of(*place, 1, 1_000))
            server.put(f"/{path}", content, has_checksum=series.has_checksum)


def test_a_day_of_archives_is_downloaded_run_listed_and_converted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TARDIS_API_KEY", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", command_environment(tmp_path / "cache")["XDG_CACHE_HOME"])
    shutil.copytree(ROOT / "config", "config")
    main = Path("config/arbitrage.toml")
    with ArchiveServer() as server:
        main.write_text(
            re.sub(r'^(\w+_url) = "https:.*$', rf'\1 = "{server.url}"', main.read_text(), flags=re.M)
        )
        serve_day(server)
        run = ["backtest", "--start", str(DAY), "--download", "--no-report"]
        run += ["--legs", f"binance_usdm:{SYMBOL},bybit_linear:{SYMBOL}"]
        done = arb(*run, "--out", "run")
        assert "4 files fetched into recordings/archive" in done.stderr
        before = len(server.requests)
        assert "fetched" not in arb(*run, "--out", "again").stderr
        assert len(server.requests) == before
    assert Path("again/trades.csv").read_bytes() == Path("run/trades.csv").read_bytes()

    manifest, again = (json.loads(Path(name, "manifest.json").read_bytes()) for name in ("run", "again"))
    assert manifest["outcome"] == "ended"
    assert manifest["inputs"] == again["inputs"]
    assert [line["source"] for line in manifest["inputs"]] == ["binance", "bybit"]
    assert [line["rows"] > 1_000 for line in manifest["inputs"]] == [True, True]
    assert [len(line["raw_sha256"].split("+")) for line in manifest["inputs"]] == [2, 2]
    reported = " ".join(done.stdout.split())
    names = (
        "binance_usdm:BTCUSDT: Binance's public archive",
        "bybit_linear:BTCUSDT: Bybit's public archive (ob500",
    )
    for note, begin in zip(manifest["notes"], names, strict=True):
        assert note.startswith(begin)
        assert "the venue's plus 10 ms" in note
        assert note in reported

    lines = [json.loads(line) for line in arb("data", "list", "recordings", "--json").stdout.splitlines()]
    assert lines[0].keys() == documented("arb data list --json")
    assert [(line["venue"], line["source"], line["contents"]) for line in lines] == [
        ("binance_usdm", "binance", "best bid and offer, trades"),
        ("bybit_linear", "bybit", "ob500, trades"),
    ]
    done = arb("convert", "recordings", "--out", "rows", "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[0].keys() == documented("arb convert --json")
    assert [(line["source"], line["gaps"], line["clamped"]) for line in lines] == [
        ("binance", 0, 0),
        ("bybit", 0, 0),
    ]
    for line in lines:
        assert len(np.load(line["file"])) >= line["rows"] > 1_000
