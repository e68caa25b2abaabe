"""Random sessions of orders through the sandbox's trading and the plain reference: fills, fees, locks, balances.

Each seed is a market of four venues with three accounts; after every frame and request both sides must be equal. Prints
the first differences with their history, then what was compared. Exit code 4 if anything differs.

    python -m tests.soak.order_agreement [--seeds 200] [--first 0] [--orders 500] [--matching levels|whole|both]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]

from support.agreement_session import DifferenceError, Session

#: Differences that are printed in full; the others only count.
SHOWN_MAX = 5


def main() -> int:
    parser = argparse.ArgumentParser(description="Random orders, compared with the plain reference.")
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--orders", type=int, default=500, help="of each seed")
    parser.add_argument("--matching", choices=["levels", "whole", "both"], default="both")
    options = parser.parse_args()
    matchings = ("levels", "whole") if options.matching == "both" else (options.matching,)
    seeds = range(options.first, options.first + options.seeds)
    return max(_run(matching, seeds, options.orders) for matching in matchings)


def _run(matching: str, seeds: range, orders: int) -> int:
    """Runs the seeds with one matching. Returns the exit code."""
    start = time.monotonic()
    differences: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for seed in seeds:
        session = Session(seed, matching)
        try:
            session.run(orders)
        except DifferenceError as error:
            differences[error.kind] += 1
            if differences.total() <= SHOWN_MAX:
                print(f"seed {seed}: {error}\n")
        counts += session.counts
        if sys.stderr.isatty():
            print(f"\r{matching}: seed {seed}, {counts['orders']} orders", end="", file=sys.stderr)
    print(f"matching {matching}: {len(seeds)} seeds in {time.monotonic() - start:.0f} s")
    print(f"  differences {differences.total()} {dict(differences) or ''}")
    for name, count in sorted(counts.items()):
        print(f"  {name:40} {count:>10,}")
    return 4 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
