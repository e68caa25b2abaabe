"""Kills `arb record --sandbox` at random moments, repeatedly on one folder, and compares the recordings.

python -m tests.soak.record_kills [--rounds 20] [--seed 1]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from random import Random

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

from support.record_kills import run
from support.recording_files import command_environment


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--rounds", type=int, default=20, help="processes killed")
    words.add_argument("--seed", type=int, default=1)
    given = words.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        environment = command_environment(Path(folder) / "cache")
        faults, taken = run(Path(folder), environment, Random(given.seed), given.rounds)
    print(f"{given.rounds} kills, {taken} frames acknowledged, {len(faults)} faults")
    for fault in faults:
        print(f"  {fault}")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
