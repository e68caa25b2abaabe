"""From nothing recorded to a backtest: days as the archives serve them, downloaded and run by one command."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hftbacktest import DEPTH_SNAPSHOT_EVENT, TRADE_EVENT
from hftbacktest.data.utils import tardis
from support.archive_days import serve_day
from support.archive_server import ArchiveServer
from support.paths import ROOT
from support.recording_files import command_environment

from arb.cli import cli

pytestmark = pytest.mark.slow


class Desk:
    """A folder with a configuration of archives on this machine, and `arb` run in it."""

    def __init__(self, folder: Path, server: ArchiveServer) -> None:
        self.folder = folder
        self.server = server
        shutil.copytree(ROOT / "config", folder / "config")
        main = folder / "config" / "arbitrage.toml"
        main.write_text(
            re.sub(r'^(\w+_url) = "https:.*$', rf'\1 = "{server.url}"', main.read_text(), flags=re.M)
        )

    def backtest(self, day: date, out: str, *words: str) -> tuple[dict[str, Any], str]:
        """Runs a backtest of a day with its download; its manifest and what it said on standard error."""
        reported = CliRunner().invoke(
            cli,
            ["backtest", "--start", str(day), "--download", "--out", out, "--no-report", "--json", *words],
        )
        assert reported.exit_code == 0, reported.output
        return json.loads((self.folder / out / "manifest.json").read_bytes()), reported.stderr


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TARDIS_API_KEY", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", command_environment(tmp_path / "cache")["XDG_CACHE_HOME"])
    with ArchiveServer() as server:
        yield Desk(tmp_path, server)


def test_hftbacktest_reads_what_tardis_would_serve(desk: Desk) -> None:
    """Its converter is the one reader of these files that is not ours."""
    day = date(2024, 1, 1)
    serve_day(desk.server, day, desk.folder / "market", markets=["binance_usdm", "bybit_spot"], minutes=0.3)
    for exchange in ("binance-futures", "bybit-spot"):
        paths = []
        for kind in ("trades", "incremental_book_L2"):  # trades first, as it asks
            path = desk.folder / f"{kind}.csv.gz"
            path.write_bytes(desk.server.files[f"/v1/{exchange}/{kind}/2024/01/01/BTCUSDT.csv.gz"])
            paths.append(str(path))
        rows = tardis.convert(paths, snapshot_mode="process")
        kinds = rows["ev"] & 0xFF
        assert np.count_nonzero(kinds == TRADE_EVENT) > 50
        assert np.count_nonzero(kinds == DEPTH_SNAPSHOT_EVENT) >= 100
        assert (rows["local_ts"] > rows["exch_ts"]).all()


def test_two_spot_legs_on_a_free_day(desk: Desk) -> None:
    day = date(2024, 1, 1)
    serve_day(desk.server, day, desk.folder / "market", markets=["binance_spot", "bybit_spot"])
    manifest, said = desk.backtest(day, "run")
    assert "6 files fetched into recordings/archive" in said
    assert manifest["outcome"] == "ended"
    assert [entry["rows"] > 1_000 for entry in manifest["inputs"]] == [True, True]
    before = len(desk.server.requests)
    again, said = desk.backtest(day, "again")
    assert len(desk.server.requests) == before
    assert said == ""
    assert again["inputs"] == manifest["inputs"]
    assert (desk.folder / "again" / "trades.csv").read_bytes() == (
        desk.folder / "run" / "trades.csv"
    ).read_bytes()


def test_the_venues_own_archives_without_a_key(desk: Desk) -> None:
    """A touch of Binance USD-M and an order book of Bybit linear, each with trades."""
    day = date(2024, 1, 2)
    serve_day(desk.server, day, desk.folder / "market", markets=["binance_usdm", "bybit_linear"])
    legs = ["--legs", "binance_usdm:BTCUSDT,bybit_linear:BTCUSDT"]
    manifest, said = desk.backtest(day, "run", *legs)
    assert "4 files fetched into recordings/archive" in said
    assert manifest["outcome"] == "ended"
    assert [entry["rows"] > 1_000 for entry in manifest["inputs"]] == [True, True]
