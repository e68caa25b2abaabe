"""A sweep killed at random moments and continued: `python -m tests.soak.sweep_kills [--kills 50] [--seed 1]`.

The results of the continued sweep are those of one that was not killed, byte for byte, and no set is in them twice. A
simulated recording, the built-in strategy. Exit code 4 when anything differs.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import psutil

ROOT = Path(__file__).parents[2]
SETTINGS = ["strategy.basis_halflife_s=5.0"]
LEGS = "binance_usdm:BTCUSDT,bybit_spot:BTCUSDT"
VARY = ["strategy.min_spread_bps=0:2:0.05", "execution.order_timeout_ms=50:400:25"]
RESULTS = "results.jsonl"
DERIVED = (RESULTS, "sweep.csv")


class Killed(NamedTuple):
    """What kills before the end have shown. kept: the results that each left."""

    kills: int
    kept: list[int]
    is_equal: bool
    twice: int


def command(config: Path, data: Path, out: Path, vary: Sequence[str]) -> list[str]:
    words = [
        sys.executable,
        "-m",
        "arb",
        "sweep",
        "-c",
        str(config),
        "--data",
        str(data),
        "--start",
        "2024-01-01",
    ]
    words += ["--legs", LEGS, "--threads", "2", "--out", str(out)]
    for setting in SETTINGS:
        words += ["--set", setting]
    for key in vary:
        words += ["--vary", key]
    return words


def kill_often(
    config: Path,
    data: Path,
    folder: Path,
    kills: int,
    seed: int,
    vary: Sequence[str] = VARY,
    environment: Mapping[str, str] | None = None,
) -> Killed:
    """Runs a sweep whole, then others in parts: each is killed before its end, often more than once, and continued."""

    def words(name: str) -> list[str]:
        return command(config, data, folder / name, vary)

    def finish(name: str) -> None:
        subprocess.run(words(name), check=True, capture_output=True, env=environment, cwd=ROOT)

    def is_equal() -> bool:
        names = [(folder / one / name) for name in DERIVED for one in ("whole", "cut")]
        return all(
            one.read_bytes() == other.read_bytes() for one, other in zip(names[::2], names[1::2], strict=True)
        )

    finish("whole")
    total = lines_of(folder / "whole")
    dice = random.Random(seed)
    kept: list[int] = []
    equal, twice = True, 0
    while len(kept) < kills:
        killed_once(words("cut"), folder / "cut", total, dice, environment)
        begun = lines_of(folder / "cut")
        if begun < total:
            kept.append(begun)
        if begun > 0.8 * total or len(kept) == kills:
            finish("cut")
            sets = [
                msgspec.json.decode(line)["set_no"]
                for line in (folder / "cut" / RESULTS).read_bytes().splitlines()
            ]
            twice += len(sets) - len(set(sets))
            equal = equal and is_equal()
            shutil.rmtree(folder / "cut")
    return Killed(len(kept), kept, equal, twice)


def killed_once(
    words: Sequence[str], out: Path, total: int, dice: random.Random, environment: Mapping[str, str] | None
) -> None:
    """Begins or continues a sweep, and kills it: the process that runs the sets, or its parent.

    The moment is up to 20 ms after a random one of the next results, a third of the rest; of every fifth before it.
    """
    begun = lines_of(out)
    wanted = begun + dice.randint(1, max(1, (total - begun) // 3))
    late_s = dice.uniform(0.0, 0.02)
    has_time = dice.random() < 0.2
    until = time.monotonic() + (dice.uniform(0.0, 2.0) if has_time else 600.0)
    process = subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment, cwd=ROOT
    )
    while lines_of(out) < wanted and time.monotonic() < until and process.poll() is None:
        time.sleep(0.001)
    time.sleep(late_s)
    children = [psutil.Process(process.pid)] if process.poll() is None else []
    with contextlib.suppress(psutil.NoSuchProcess):
        children += [child for one in children for child in one.children()]
        (dice.choice(children) if children else process).kill()
    process.wait()
    psutil.wait_procs(children)


def lines_of(folder: Path) -> int:
    """The whole results in a folder."""
    results = folder / RESULTS
    return results.read_bytes().count(b"\n") if results.exists() else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        arb = [sys.executable, "-m", "arb"]
        subprocess.run([*arb, "init", str(folder / "my")], check=True, capture_output=True, cwd=ROOT)
        record = [
            "sandbox",
            "record",
            "--out",
            str(folder / "data"),
            "--duration",
            "3m",
            "--start",
            "2024-01-01",
        ]
        venues = ["--venues", "binance_usdm,bybit_spot"]
        subprocess.run([*arb, *record, *venues], check=True, capture_output=True, cwd=ROOT)
        found = kill_often(folder / "my" / "arbitrage.toml", folder / "data", folder, given.kills, given.seed)
    differs = "" if found.is_equal else ", the results differ"
    print(f"{found.kills} kills, which left {found.kept} results; {found.twice} sets twice{differs}")
    return 0 if found.is_equal and not found.twice else 4


if __name__ == "__main__":
    sys.exit(main())
