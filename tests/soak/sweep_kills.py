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

ROOT = Path(__file__).parents[2]
SETTINGS = ["strategy.basis_halflife_s=5.0"]
LEGS = "binance_usdm:BTCUSDT,bybit_spot:BTCUSDT"
#: Enough that a sweep takes a few seconds.
VARY = ["strategy.min_spread_bps=0:2:0.05", "execution.order_timeout_ms=50:400:25"]
DERIVED = ("results.jsonl", "sweep.csv")


class Killed(NamedTuple):
    """What kills have shown. kept: the results that each left."""

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
    """Runs a sweep whole, then another one in parts, each killed at a random moment."""

    def words(name: str) -> list[str]:
        return command(config, data, folder / name, vary)

    def run(name: str) -> float:
        began = time.monotonic()
        subprocess.run(words(name), check=True, capture_output=True, env=environment, cwd=ROOT)
        return time.monotonic() - began

    def is_equal() -> bool:
        names = [(folder / one / name) for name in DERIVED for one in ("whole", "cut")]
        return all(
            one.read_bytes() == other.read_bytes() for one, other in zip(names[::2], names[1::2], strict=True)
        )

    run("whole")
    took_s = run("whole2")
    total = len((folder / "whole" / "results.jsonl").read_bytes().splitlines())
    dice = random.Random(seed)
    kept, equal = [], True
    results = folder / "cut" / "results.jsonl"
    for _ in range(kills):
        process = subprocess.Popen(
            words("cut"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment, cwd=ROOT
        )
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(dice.uniform(0.3, 1.0) * took_s)
        process.kill()
        process.wait()
        kept.append(results.read_bytes().count(b"\n") if results.exists() else 0)
        if kept[-1] == total:  # the next kill is of a new one
            run("cut")
            equal = equal and is_equal()
            shutil.rmtree(folder / "cut")
    run("cut")
    sets = [msgspec.json.decode(line)["set_no"] for line in results.read_bytes().splitlines()]
    return Killed(kills, kept, equal and is_equal(), len(sets) - len(set(sets)))


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
