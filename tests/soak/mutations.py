"""Whatever is changed in a run is told: `python -m tests.soak.mutations [--count 100] [--seed 1] [--out DIR]`.

A session on a sandbox's sockets, one that was killed, and a backtest of recorded days. In a copy of each run's files,
as they lie on the disk, one thing is changed, `--count` times, every kind in turn, by the seed; `arb verify` must end
with exit code 4 every time, and with 0 on the run as it was. Exit code 4 where a change was not told.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from click.testing import CliRunner

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from support.live_sandbox import (
    LiveSandbox,
    await_first_row,
    demo_config,
    demo_files,
    demo_settings,
    dry_run_process,
    free_ports,
)
from support.mutations import ARRAYS, FILLS, SESSION, mutate

from arb.app.dryrun_live import run_live
from arb.cli import cli

SECONDS = 6.0


def a_session(folder: Path) -> Path:
    """One that ended by itself."""
    with LiveSandbox() as sandbox:
        config = demo_config(folder, function="busy")
        return run_live(
            config, folder / "session", duration_s=SECONDS, sandbox=sandbox.urls, has_report=False
        ).folder


def a_killed_session(folder: Path) -> Path:
    """One whose process was killed, finished by the first `arb verify`."""
    base = free_ports()
    with LiveSandbox(port_base=base):
        process = dry_run_process(folder, base, "busy")
        await_first_row(folder / "run")
        time.sleep(SECONDS)
        process.kill()
        process.communicate()
    return folder / "run"


def a_backtest(folder: Path) -> Path:
    """One of a recorded half minute."""
    files, data = str(demo_files(folder)), str(folder / "data")
    settings = [word for one in demo_settings(folder, "busy") for word in ("--set", one)]
    for words in (
        ["sandbox", "record", "--out", data, "--minutes", "0.5", "--config", files],
        ["backtest", "--start", "2024-01-01", "--data", data, "--config", files, "--no-report", "--out",
         str(folder / "backtest"), *settings],
    ):  # fmt: skip
        told = CliRunner().invoke(cli, words)
        if told.exit_code:
            raise SystemExit(told.output)
    return folder / "backtest"


def change_all(run: Path, kinds: Sequence[str], count: int, seed: int) -> int:
    """How many of `count` changes were not told."""
    code = CliRunner().invoke(cli, ["verify", "--trust", str(run)]).exit_code
    missed = int(code != 0)
    chance, told, began = np.random.default_rng(seed), Counter[str](), time.monotonic()
    for number in range(count):
        kind = kinds[number % len(kinds)]
        copy = run.with_name(f"{run.name}-changed")
        shutil.copytree(run, copy)
        where = mutate(copy, kind, chance)
        found = CliRunner().invoke(cli, ["verify", "--trust", str(copy)])
        told[kind] += found.exit_code == 4
        if found.exit_code != 4:
            missed += 1
            print(f"{run.name}: NOT TOLD (exit {found.exit_code}): {kind}, {where}")
        shutil.rmtree(copy)
    print(f"{run.name}: as it was exit {code}; {count} changes, {sum(told.values())} told with exit 4, "
          f"{(time.monotonic() - began) / count:.2f} s each; {dict(told)}", flush=True)  # fmt: skip
    return missed


def main() -> int:
    """Runs and prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    folder = given.out or Path(tempfile.mkdtemp(prefix="arb-mutations-"))
    folder.mkdir(exist_ok=True)
    arrays = tuple(kind for kind in ARRAYS if not kind.startswith(("record", "decision")))
    # The strategy of these runs records nothing of its own but fills.
    missed = change_all(a_session(folder), (*FILLS, *SESSION, *arrays), given.count, given.seed)
    missed += change_all(a_killed_session(folder), FILLS, given.count, given.seed + 1)
    missed += change_all(a_backtest(folder), (*FILLS, *arrays), given.count, given.seed + 2)
    return 4 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
