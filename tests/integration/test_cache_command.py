"""`arb data cache`, and the bound of `[data] cache_gb` in a backtest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.command_line import arb
from support.figure_tables import documented
from support.recording_files import command_environment, example, write_pair

from arb.data.rows.cache import RowCache

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", command_environment(tmp_path / "cache")["XDG_CACHE_HOME"])


def held() -> dict[str, Any]:
    return dict(json.loads(arb("data", "cache", "--json").stdout))


def backtest(data: Path, *words: str) -> None:
    out = data.parent / f"{data.name}-run"
    days = ("--data", data, "--start", "2024-08-08", "--no-report")
    arb("backtest", "-c", example("usdm_bybit"), *days, "--out", out, *words)


def test_it_shows_and_clears(tmp_path: Path) -> None:
    assert (held()["recordings"], held()["bytes"]) == (0, 0)
    backtest(write_pair(tmp_path / "data"))
    assert held()["recordings"] == 2
    assert held()["directory"] == str(tmp_path / "cache" / "arb" / "rows")
    size = held()["bytes"]
    assert f"rows of 2 recordings, {held()['files']} files" in arb("data", "cache").stdout
    reported = arb("data", "cache", "--clear", "--json")
    line = json.loads(reported.stdout)
    assert line.keys() == documented("arb data cache --json") - {"--clear"}
    assert (line["recordings"], line["bytes"], line["deleted"]["bytes"]) == (0, 0, size)
    assert "deleted: rows of 0 recordings" in arb("data", "cache", "--clear").stdout


def test_it_is_not_cleared_under_a_conversion() -> None:
    with RowCache().filling():
        reported = arb("data", "cache", "--clear", code=2)
    assert reported.stderr.count("\n") == 1
    assert "another process is converting into it" in reported.stderr


@pytest.mark.parametrize(("cache_gb", "kept"), [("0", 4), ("1", 4), ("0.000000001", 2)])
def test_a_backtest_keeps_the_cache_to_its_bound_but_for_its_own_rows(
    tmp_path: Path, cache_gb: str, kept: int
) -> None:
    backtest(write_pair(tmp_path / "one", 20))
    backtest(write_pair(tmp_path / "two", 30), "--set", f"data.cache_gb={cache_gb}")
    assert held()["recordings"] == kept
