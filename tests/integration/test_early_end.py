"""A leg whose recording ends before the other's: its touch is NaN behind it, in every world that replays recordings."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from support.command_line import arb
from support.live_sandbox import LiveSandbox, demo_config, demo_files
from support.paths import strategy_file
from support.recording_files import example

from arb.commands.dryrun_live import run_live
from arb.commands.verify import verify
from arb.sandbox.faults import Fault, FaultKind

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


def record(folder: Path, start: str, *venues: str) -> None:
    words = ("--duration", "1m", "--venues", ",".join(venues), "--start", start)
    arb("sandbox", "record", "--out", folder, *words)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute of two venues on one day, and another on the next."""
    folder = tmp_path_factory.mktemp("whole") / "data"
    for start in ("2024-01-01", "2024-01-02T10:00"):
        record(folder, start, "binance_usdm", "bybit_linear")
    return folder


@pytest.fixture
def data(whole: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(whole, tmp_path / "data"))


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
    arb(
        WORLDS[world][0], "-c", example("usdm_bybit"), "--data", str(data), "--start", "2024-01-01",
        "--legs", LEGS, "--out", str(folder), "--strategy", f"{strategy_file('look.py', LOOK)}:run",
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
    ends = [note for note in run.notes if "the run goes on: its book is empty until 2024-01-0" in note]
    assert [note.split(" ends at ")[0].split(": its recording of ") for note in ends] == [
        ["binance_usdm:BTCUSDT", "2024-01-01"],
        ["binance_usdm:BTCUSDT", "2024-01-02"],
        ["bybit_linear:BTCUSDT", "2024-01-01"],
    ]


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


#: Leg 0's touch, every 20 ms, until it has been unknown for 2 s.
WATCH = """
def run(hbt, recorder):
    was_known = False
    looks = 0
    while hbt.elapse(20_000_000) == 0 and looks < 100:
        depth = hbt.depth(0)
        is_known = depth.best_bid < depth.best_ask
        looks = looks + 1 if was_known and not is_known else 0
        if is_known and not was_known or looks == 1:
            recorder.record(hbt)
        was_known = is_known or looks > 0
    return 0
"""


def test_a_session_with_a_half_open_leg_is_verified_and_its_recording_says_the_same(tmp_path: Path) -> None:
    settings = [
        "execution.stale_after_ms=1000",
        f'strategy.function="{strategy_file("watch.py", WATCH)}:run"',
    ]
    fault = Fault(FaultKind.HALF_OPEN, venue="binance_spot", every_s=7.0)
    with LiveSandbox(faults=[fault]) as sandbox:
        config = demo_config(tmp_path, *settings)
        run_live(config, tmp_path / "run", duration_s=60.0, sandbox=sandbox.urls, has_report=False)
    assert verify(tmp_path / "run").differences == []
    (path,) = (tmp_path / "run" / "recording" / "binance_spot").glob("*.gz")
    words = [word for setting in settings for word in ("--set", setting)]
    day = f"{path.name[-11:-7]}-{path.name[-7:-5]}-{path.name[-5:-3]}"
    arb("backtest", "-c", str(demo_files(tmp_path)), "--data", str(path.parents[1]), "--start", day,
        "--out", str(tmp_path / "again"), "--no-report", *words)  # fmt: skip
    live, again = (edges_of(tmp_path / name)[-2:] for name in ("run", "again"))
    assert live[1] - live[0] > 0
    assert np.abs(np.array(live) - again).max() < 0.1 * S
    lines = [line for line in gzip.decompress(path.read_bytes()).splitlines() if b"depthUpdate" in line]
    assert 0 <= live[1] - int(lines[-1][:19]) - S < 0.1 * S


def edges_of(folder: Path) -> list[int]:
    with np.load(folder / "records.npz") as file:
        return file["0"]["timestamp"].tolist()
