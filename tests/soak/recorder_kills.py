"""Kills recording processes at random moments, repeatedly on one folder, and compares the recordings.

python -m tests.soak.recorder_kills [--rounds 25] [--seeds 4] [--first-seed 1]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.support.recorder_kills import run


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--rounds", type=int, default=25, help="processes killed per seed")
    words.add_argument("--seeds", type=int, default=4)
    words.add_argument("--first-seed", type=int, default=1)
    given = words.parse_args()
    is_bad = False
    for seed in range(given.first_seed, given.first_seed + given.seeds):
        with tempfile.TemporaryDirectory() as folder:
            faults, taken = run(Path(folder), seed, given.rounds)
        is_bad |= bool(faults)
        sys.stdout.write(f"seed {seed}: {given.rounds} kills, {taken} acknowledged, {len(faults)} faults\n")
        sys.stdout.writelines(f"  {fault}\n" for fault in faults)
        sys.stdout.flush()
    sys.exit(1 if is_bad else 0)


if __name__ == "__main__":
    main()
