"""Sends signals at random moments of a start.

    python tests/soak/signals.py --cold 100 --warm 200 [--load 2] [--seed 1]

Prints how long the commands took to end, and each one that did not exit with 130 or left files. Exit code 1 then. A
command ends at the earliest after the compilation step that was running: LLVM cannot be interrupted.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

from support.signal_soak import Outcome, one_signal

#: Up to when after its begin a command gets its signal: somewhat longer than it takes to open its feeds.
COLD_S, WARM_S = 60.0, 4.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cold", type=int, default=100)
    parser.add_argument("--warm", type=int, default=200)
    parser.add_argument("--load", type=int, default=2, help="processes that compute meanwhile")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    source = random.Random(options.seed)
    load = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(options.load)]
    try:
        with tempfile.TemporaryDirectory(prefix="arb-signals-") as name:
            found = [
                one_signal(Path(name) / f"{is_cold}-{n}", source, latest_s, is_cold=is_cold)
                for is_cold, count, latest_s in ((True, options.cold, COLD_S), (False, options.warm, WARM_S))
                for n in range(count)
            ]
    finally:
        for process in load:
            process.kill()
    sys.exit(report(found))


def report(found: list[Outcome]) -> int:
    """Prints what came of the signals; the exit code."""
    for one in found:
        if one.fault:
            print(f"{one.number.name} after {one.after_s:.3f} s: {one.fault}")
    took = sorted(one.took_s for one in found)
    faults = sum(bool(one.fault) for one in found)
    print(
        f"{len(found)} signals, {faults} faults; ended after p50 {took[len(took) // 2]:.2f} s, most {took[-1]:.2f} s"
    )
    return int(faults > 0)


if __name__ == "__main__":
    main()
