"""Feeds on real sockets against the sandbox under seeded faults: every published touch must be NaN or correct.

    python tests/soak/socket_chaos.py --seeds 20 --seconds 20

Loopback only. The seed selects venue and websocket library. Exit code 1 if a touch was wrong, or not known again after
the last fault. `tests/integration/test_socket_chaos.py` is its small form in the suite.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

from support.socket_chaos import Report, run


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--seeds", type=int, default=20)
    words.add_argument("--first", type=int, default=0, help="the first seed")
    words.add_argument("--seconds", type=float, default=20.0, help="of real time, a seed")
    given = words.parse_args()
    reports = []
    for seed in range(given.first, given.first + given.seeds):
        report = run(seed, given.seconds)
        reports.append(report)
        print(f"{describe(report)}", flush=True)
    print(summary(reports))
    return int(any(report.lies or not report.recovered for report in reports))


def describe(report: Report) -> str:
    """A seed in a line, and its first lies."""
    end = "known again" if report.recovered else "NOT KNOWN AGAIN"
    head = f"seed {report.seed} {report.venue}: {sum(report.hits.values())} faults, {report.looks} looks"
    lies = "".join(f"\n  lie: {lie}" for lie in report.lies[:3])
    return f"{head}, {report.known} known, {len(report.lies)} lies, {end}{lies}"


def summary(reports: list[Report]) -> str:
    """The figures of all seeds."""
    hits = sum((report.hits for report in reports), Counter[str]())
    lines = [
        f"{sum(report.known for report in reports):,} known touches compared, "
        f"{sum(len(report.lies) for report in reports)} lies",
        "faults: " + ", ".join(f"{kind} {count}" for kind, count in sorted(hits.items())),
    ]
    spans = sorted(span for report in reports for span in report.unknown_s)
    if spans:
        p50, p99 = (spans[min(len(spans) - 1, int(q * len(spans)))] for q in (0.5, 0.99))
        lines.append(f"unknown {len(spans)} times: p50 {p50:.2f} s, p99 {p99:.2f} s, most {spans[-1]:.2f} s")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
