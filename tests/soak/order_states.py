"""Random histories of orders against a model of the venue: the desk says what happened there, or that it is in doubt.

Requests, answers and events are lost, repeated, late and reordered, lines are lost, orders are not found by queries.
After every input, what the desk said has happened at the venue; at the end nothing is in doubt that the venue can be
asked about. A history that fails is run again by its seed.

    python -m tests.soak.order_states [--histories 100000] [--seed 0]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1])]

from support.venue_history import History


def main() -> int:
    """Runs the histories; 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--histories", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    counts: Counter[str] = Counter()
    begun = time.monotonic()
    for seed in range(given.seed, given.seed + given.histories):
        history = History(seed)
        try:
            history.run()
        except Exception as error:
            counts["failed"] += 1
            print(f"seed {seed} ({history.style}): {type(error).__name__} {error}", flush=True)
        counts["orders"] += len(history.bot)
        counts["answers"] += len(history.answers)
        counts["doubts"] += len(history.desk.facts.doubts)
        counts["left in doubt"] += len(history.desk.doubts)
        if (seed + 1) % 5_000 == 0:
            print(f"{seed + 1 - given.seed} histories: {dict(counts)}", flush=True)
    print(f"{given.histories} histories in {time.monotonic() - begun:.0f} s: {dict(counts)}")
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
