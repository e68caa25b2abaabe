"""A venue from outside of the packages, named in a file: recorded, converted, replayed, over loopback."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.command_line import arb
from support.paths import ROOT
from support.recorded_runs import lines_of

pytestmark = pytest.mark.slow

EXAMPLE = ROOT / "examples" / "venue"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The example's files with the port of a server that runs, and its module on the path."""
    monkeypatch.syspath_prepend(EXAMPLE)
    monkeypatch.chdir(tmp_path)
    for path in EXAMPLE.glob("*.toml"):
        shutil.copy(path, tmp_path)
    words = [sys.executable, str(EXAMPLE / "toy_server.py"), "--port", "0"]
    serving = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    port = serving.stdout.readline().strip()
    for path in tmp_path.glob("toy_*.toml"):
        path.write_text(path.read_text().replace("8990", port))
    yield tmp_path
    serving.kill()
    serving.communicate()


def json_of(*words: str) -> list[dict[str, object]]:
    """The lines that a command prints as JSON."""
    done = arb(*words, "-c", "arbitrage.toml", "--json")
    return [json.loads(line) for line in done.stdout.splitlines()]


def words_of(command: str, **other: str) -> list[str]:
    """The words of a command of the walk-through in docs/venues/adding.md, after `arb` and without `--config`.

    other: options with another value here.
    """
    walk = (ROOT / "docs" / "venues" / "adding.md").read_text()
    (line,) = re.findall(rf"^arb {command} --config examples/venue/arbitrage.toml(.*)$", walk, re.MULTILINE)
    words = [command, *shlex.split(line.replace("$(date -u +%F)", "TODAY"))]
    for option, value in other.items():
        words[words.index(f"--{option}") + 1] = value
    return words


def test_it_is_recorded_converted_and_replayed(folder: Path) -> None:
    reported = {one["name"]: one["level"] for one in json_of(*words_of("doctor"))}
    assert [reported[name] for name in ("toy_east REST", "toy_west streams", "toy_east:ABCUSD")] == ["ok"] * 3
    last = json_of(*words_of("record", data="data", duration="8s"))[-1]
    assert [(one["venue"], one["state"], one["gaps"]) for one in last["instruments"]] == [
        ("toy_east", "synced", 0),
        ("toy_west", "synced", 0),
    ]
    for venue in ("toy_east", "toy_west"):
        frames = [json.loads(frame) for _, frame in lines_of(folder / "data", venue, "abcusd")]
        seqs = [frame["seq"] for frame in frames if frame["ch"] == "book:ABCUSD"]
        assert len(seqs) > 50
        assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
        assert any(frame["ch"] == "trade:ABCUSD" for frame in frames)
    converted = json_of("convert", "data")
    assert [(one["venue"], one["gaps"]) for one in converted] == [("toy_east", 0), ("toy_west", 0)]
    assert all(one["rows"] > 300 for one in converted)
    words = words_of("backtest", data="data", start=converted[0]["day"])
    (summary,) = json_of(*words, "--no-report")
    assert summary["outcome"] == "ended"
    assert sum(leg["fills"] for leg in summary["legs"]) >= 2
