"""`arb live` on a busy machine: its guard must not act.

    PYTHONPATH=tests python -m tests.soak.guard_load [--minutes 60] [--load 8] [--seed 1]

A session trades on a running sandbox, both as usual, while so many processes keep the processors busy. Each silence
that the guard counts is a false alarm, and so is a guard that was replaced. Exit code 4 if there is one, or if the
session ends before its time.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.guarded import Guarded
from support.live_sandbox import await_first_row


@contextlib.contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes compute."""
    words = [sys.executable, "-c", "while True: pass"]
    processes = [subprocess.Popen(words) for _ in range(count)]
    try:
        yield
    finally:
        for one in processes:
            one.kill()
            one.wait()


def run(seconds: float, load: int, seed: int) -> tuple[list[str], int]:
    """The false alarms of one session, and its exit code."""
    with tempfile.TemporaryDirectory(prefix="arb-guard-") as name, Guarded(Path(name), seed) as guarded:
        process = guarded.begin("--duration", f"{seconds:g}s", function="swinging")
        await_first_row(guarded.run)
        with busy(load):
            errors = process.communicate()[1]
        alarms = [line for line in guarded.guard_log().splitlines() if "no sign of life" in line]
        alarms += [line for line in guarded.log().splitlines() if "the guard has ended" in line]
        if process.returncode != 0:
            print(errors.strip().splitlines()[-1:])
        path = guarded.run / "trades.csv"
        trades = path.read_text().count("\n") - 1 if path.exists() else 0
        print(
            f"{seconds:g} s at a load of {load} on {os.cpu_count()} processors: {trades} fills, {len(alarms)} alarms, "
            f"exit code {process.returncode}"
        )
        return alarms, process.returncode


def main() -> int:
    """Runs and prints."""
    words = argparse.ArgumentParser()
    words.add_argument("--minutes", type=float, default=60.0)
    words.add_argument("--load", type=int, default=8)
    words.add_argument("--seed", type=int, default=1)
    given = words.parse_args()
    alarms, code = run(60.0 * given.minutes, given.load, given.seed)
    for line in alarms:
        print(line)
    return 4 if alarms or code else 0


if __name__ == "__main__":
    sys.exit(main())
