"""Feeds under seeded faults on simulated time: every published touch must be NaN or correct, and recover in time.

A second venue without faults runs beside each, on the same local clock and offset: its books must be fresh throughout.

    python tests/soak/chaos.py --seeds 500          all venues in turn; exit code 1 at the first wrong touch
    python tests/soak/chaos.py --replay 17          one seed, with all its events

No network. `tests/unit/connectors/test_chaos.py` is its small form in the suite.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections import Counter
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

from support.chaos import FAULTS, RECOVERY_NS, Chaos, LieError, Report
from support.clock_chaos import ClockChaos

from connectors.net.interfaces import Event

HITS_MIN = 20
KNOWN_MIN = 0.95


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=500, help="how many seeds")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--replay", type=int, help="run this seed alone and print its events")
    arguments = parser.parse_args()
    if arguments.replay is not None:
        return replay(arguments.replay)
    return soak(range(arguments.first, arguments.first + arguments.seeds))


def soak(seeds: range) -> int:
    """Runs the seeds and prints what came of them; 0 when all is well."""
    reports: list[Report] = []
    begun = time.process_time()
    for seed in seeds:
        chaos = Chaos(seed)
        try:
            reports.append(chaos.run())
            ClockChaos(seed).run()
        except LieError as lie:
            print(f"seed {seed}, {chaos.venue}: {lie}\nagain: python tests/soak/chaos.py --replay {seed}")
            return 1
        if len(reports) % 25 == 0:
            print(f"{len(reports)} of {len(seeds)} seeds", file=sys.stderr, flush=True)
        # Feeds and their timers refer to each other; a book of each would pile up until the collector comes by.
        del chaos
        gc.collect()
    return summary(reports, time.process_time() - begun)


def summary(reports: list[Report], elapsed_s: float) -> int:
    """Prints the figures; 1 when one of them is not good enough."""
    hits = sum((report.hits for report in reports), Counter[str]())
    looks = sum(report.looks for report in reports)
    known = sum(report.known for report in reports)
    simulated_s = sum(report.simulated_ns for report in reports) / 1e9
    checks = sum(report.checks for report in reports)
    print(f"\n{len(reports)} seeds, {simulated_s:,.0f} simulated s in {elapsed_s:,.0f} s of the processor")
    print(f"published touches compared with the truth: {checks:,}; none was wrong")
    for fault in FAULTS:
        print(f"  {fault:20} {hits[fault]:6} times")
    share = known / looks if looks else float("nan")
    print(f"in sync outside of faults: {share:.2%} of {looks:,} looks")
    for venue in sorted({report.venue for report in reports}):
        spans = sorted(span for report in reports if report.venue == venue for span in report.unknown_ns)
        if spans:
            p50, p99, most = (spans[min(len(spans) - 1, int(q * len(spans)))] / 1e9 for q in (0.5, 0.99, 1))
            head = f"  {venue:14} {len(spans):6} times unknown"
            print(f"{head}, until known again p50 {p50:.2f} s, p99 {p99:.2f} s, most {most:.2f} s")
    late = [report for report in reports if report.unfresh_ns > RECOVERY_NS]
    longest = max(reports, key=lambda report: report.unfresh_ns)
    print(
        f"longest without a fresh book behind a fault: {longest.unfresh_ns / 1e9:.2f} s (seed {longest.seed}, "
        f"{longest.venue}); allowed are {RECOVERY_NS / 1e9:.0f} s"
    )
    hurt = [report for report in reports if report.unfresh_beside]
    looks = sum(report.unfresh_beside for report in reports)
    print(f"books of the venues beside that were not fresh: at {looks} looks in {len(hurt)} seeds")
    for what, seeds in (("too long without a fresh book", late), ("a venue beside suffered", hurt)):
        if seeds:
            print(f"{what}: seeds {', '.join(str(report.seed) for report in seeds[:20])}")
    rare = [fault for fault in FAULTS if hits[fault] < HITS_MIN]
    if rare:
        print(f"hit fewer than {HITS_MIN} times: {', '.join(rare)}; run more seeds")
    return int(bool(rare or late or hurt) or not share >= KNOWN_MIN)


def replay(seed: int) -> int:
    """One seed with its faults and events."""
    chaos = Chaos(seed)
    inject = chaos.inject

    def reported(fault: str) -> None:
        print(f"{chaos.timers.monotonic_ns() / 1e9:9.3f}  FAULT {fault}")
        inject(fault)

    def show(event: Event) -> None:
        now = chaos.timers.monotonic_ns() / 1e9
        print(f"{now:9.3f}  {event.kind.value:10} {event.symbol:8} {event.text[:120]}")

    chaos.inject = reported  # type: ignore[method-assign]
    chaos.watch.on_event = show  # type: ignore[method-assign]
    try:
        print(chaos.run())
    except LieError as lie:
        print(f"{chaos.timers.monotonic_ns() / 1e9:9.3f}  {lie}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
