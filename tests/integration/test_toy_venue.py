"""A venue from outside of the packages, named in a file: recorded, converted, replayed, over loopback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.paths import ROOT
from support.recorded_runs import lines_of
from support.recording_files import command_environment, run_command

from arb.errors import ExitCode

pytestmark = pytest.mark.slow

EXAMPLE = ROOT / "examples" / "venue"


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The example's files with the port of a server that runs, and its module on the path."""
    environment = command_environment(tmp_path / "cache")
    environment["PYTHONPATH"] += f"{os.pathsep}{EXAMPLE}"
    for path in EXAMPLE.glob("*.toml"):
        shutil.copy(path, tmp_path)
    words = [sys.executable, str(EXAMPLE / "toy_server.py"), "--port", "0"]
    serving = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True)
    port = serving.stdout.readline().strip()
    for path in tmp_path.glob("toy_*.toml"):
        path.write_text(path.read_text().replace("8990", port))
    yield environment
    serving.kill()
    serving.communicate()


def test_it_is_recorded_converted_and_replayed(environment: dict[str, str], tmp_path: Path) -> None:
    words = ["-c", "arbitrage.toml"]
    done = run_command(["doctor", *words, "--json"], environment, tmp_path)
    reported = {one["name"]: one["level"] for one in map(json.loads, done.out.splitlines())}
    assert [reported[name] for name in ("toy_east REST", "toy_west streams", "toy_east:ABCUSD")] == ["ok"] * 3
    done = run_command(
        ["record", *words, "--data", "data", "--duration", "3s", "--json"], environment, tmp_path
    )
    assert done.code == ExitCode.DONE, done
    last = json.loads(done.out.splitlines()[-1])
    assert [(one["venue"], one["state"], one["gaps"]) for one in last["instruments"]] == [
        ("toy_east", "synced", 0),
        ("toy_west", "synced", 0),
    ]
    for venue in ("toy_east", "toy_west"):
        frames = [json.loads(frame) for _, frame in lines_of(tmp_path / "data", venue, "abcusd")]
        seqs = [frame["seq"] for frame in frames if frame["ch"] == "book:ABCUSD"]
        assert len(seqs) > 50
        assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
        assert any(frame["ch"] == "trade:ABCUSD" for frame in frames)
    done = run_command(["convert", "data", *words, "--json"], environment, tmp_path)
    converted = [json.loads(line) for line in done.out.splitlines()]
    assert [(one["venue"], one["gaps"]) for one in converted] == [("toy_east", 0), ("toy_west", 0)]
    assert all(one["rows"] > 300 for one in converted)
    day = converted[0]["day"]
    words += ["--data", "data", "--start", day, "--no-report", "--json"]
    done = run_command(["backtest", *words, "--set", "strategy.min_spread_bps=0.0"], environment, tmp_path)
    assert done.code == ExitCode.DONE, done
    assert json.loads(done.out)["outcome"] == "ended"
