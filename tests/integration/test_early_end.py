"""A leg whose recording ends before the other's: its touch is NaN behind it, in every world that replays recordings."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from click.testing import CliRunner
from support.recording_files import clean_imports, example

from arb.cli import cli
from arb.errors import ExitCode

pytestmark = pytest.mark.slow

LEGS = "binance_usdm:BTCUSDT,bybit_linear:BTCUSDT"
#: 2024-01-01 00:00 UTC.
START_NS = 1_704_067_200_000_000_000
S = 1_000_000_000
DAY_NS = 86_400 * S
SILENCE_NS = 2 * S

#: Records each time that leg 0's touch begins or ends to be known, at the nanosecond.
LOOK = """
def run(hbt, recorder):
    was_known = False
    while hbt.wait_next_feed(False, 1_000_000_000_000_000_000) == 2:
        depth = hbt.depth(0)
        is_known = depth.best_bid < depth.best_ask
        if is_known != was_known:
            recorder.record(hbt)
            was_known = is_known
    return 0
"""

WORLDS = {
    "hftbacktest": ("backtest",),
    "engine arb": ("backtest", "--set", 'backtest.engine="arb"'),
    "dry-run": ("dry-run",),
}


def arb(*words: str, code: ExitCode = ExitCode.DONE) -> Any:
    result = CliRunner().invoke(cli, words, prog_name="arb")
    assert result.exit_code == code, result.output
    return result


def record(folder: Path, start: str, *venues: str) -> None:
    arb(
        "sandbox",
        "record",
        "--out",
        str(folder),
        "--minutes",
        "1",
        "--venues",
        ",".join(venues),
        "--start",
        start,
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A minute of two venues on one day, and another on the next."""
    folder = tmp_path / "data"
    for start in ("2024-01-01", "2024-01-02T10:00"):
        record(folder, start, "binance_usdm", "bybit_linear")
    return folder


def keep(path: Path, is_kept: Callable[[int], bool]) -> list[int]:
    """Keeps the lines of a recording whose local times are wanted; the times of its depth, snapshots included."""
    lines = [
        line
        for line in gzip.decompress(path.read_bytes()).splitlines(keepends=True)
        if is_kept(int(line[:19]))
    ]
    path.write_bytes(gzip.compress(b"".join(lines), 1))
    return [int(line[:19]) for line in lines if b"@depth" in line or b"lastUpdateId" in line]


def leg_0(data: Path, day: int = 1) -> Path:
    return data / "binance_usdm" / f"btcusdt_2024010{day}.gz"


class Run(NamedTuple):
    folder: Path
    #: When the touch of leg 0 began and ended to be known, in turn; on the recorder's clock.
    edges: list[int]
    notes: list[str]


def replay(data: Path, world: str, *words: str) -> Run:
    folder = data.parent / world.replace(" ", "-")
    (data.parent / "look.py").write_text(LOOK)
    with clean_imports(data.parent):
        arb(
            WORLDS[world][0], "-c", example("usdm_bybit"), "--data", str(data), "--start", "2024-01-01",
            "--legs", LEGS, "--out", str(folder), "--strategy", f"{data.parent / 'look.py'}:run",
            *WORLDS[world][1:], *words,
        )  # fmt: skip
        arb("verify", "--trust", str(folder))
    manifest = json.loads((folder / "manifest.json").read_bytes())
    with np.load(folder / "records.npz") as file:
        edges = file["0"]["timestamp"] - manifest["clock_offset_ns"]
        is_known = ~np.isnan(file["0"]["price"])
    assert is_known.tolist() == [n % 2 == 0 for n in range(len(edges))]
    return Run(folder, edges.tolist(), manifest["notes"])


@pytest.mark.parametrize("world", WORLDS)
def test_a_leg_that_ends_early_is_unknown_for_the_rest_of_the_day(data: Path, world: str) -> None:
    depth = keep(leg_0(data), lambda ts: ts < START_NS + 20 * S)
    run = replay(data, world, "--end", "2024-01-01")
    assert run.edges[1:] == [depth[-1] + SILENCE_NS]


@pytest.mark.parametrize("world", WORLDS)
def test_it_is_unknown_until_the_next_day_begins_and_behind_the_last_one(data: Path, world: str) -> None:
    first = keep(leg_0(data), lambda ts: ts < START_NS + 20 * S)
    second = keep(leg_0(data, 2), lambda ts: ts < START_NS + DAY_NS + 36_030 * S)
    run = replay(data, world)
    assert run.edges[1::2] == [first[-1] + SILENCE_NS, second[-1] + SILENCE_NS]
    assert second[0] <= run.edges[2] < second[0] + S
    assert len(run.edges) == 4


def test_how_long_counts_by_the_key_and_by_the_end_of_the_other_leg_whatever_is_cached(data: Path) -> None:
    depth = keep(leg_0(data), lambda ts: ts < START_NS + 20 * S)
    for span_ms in (2000, 5000, 30_000):
        run = replay(
            data, "hftbacktest", "--end", "2024-01-01", "--set", f"execution.stale_after_ms={span_ms}"
        )
        assert run.edges[1:] == [depth[-1] + span_ms * S // 1000]
        run.folder.rename(f"{run.folder}-{span_ms}")
    other = data / "bybit_linear" / "btcusdt_20240101.gz"
    keep(other, lambda ts: ts <= depth[-1] + SILENCE_NS)
    assert len(replay(data, "hftbacktest", "--end", "2024-01-01").edges) == 1


def test_a_pause_within_a_day_is_unknown_from_the_same_time_on(data: Path) -> None:
    depth = keep(leg_0(data), lambda ts: not 20 <= (ts - START_NS) / S < 40)
    last = max(ts for ts in depth if ts < START_NS + 20 * S)
    assert replay(data, "hftbacktest", "--end", "2024-01-01").edges[1] == last + SILENCE_NS
