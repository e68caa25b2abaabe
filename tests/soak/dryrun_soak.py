"""Hours of a session: `python tests/soak/dryrun_soak.py [--market-hours 2] [--speed 10] [--out DIR]`.

Runs the demo's strategy on `arb sandbox serve`, a process of its own, sped up, with faults of all kinds. Prints memory
at intervals, and at the end unhandled errors, gaps, trades on NaN, attempts, and the result of `arb verify`. Exit code
4 if any of these is wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import math
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from support.live_sandbox import VENUES, demo_config, demo_files

from arb.commands.dryrun_live import run_live
from arb.commands.run_setup import WrittenRun
from arb.commands.verify import verify
from arb.sandbox.serve.urls import VenueUrls

ATTEMPTS_MIN = 30
#: Of the last memory to that after the first third.
GROWTH_MAX = 1.15

#: Delays of the sockets, of the machine, of books that are asked for again (some seconds) and of
#: `dry_run.disorder_ms` are those of the wall clock: at ten times the speed each counts tenfold in the market's time.
#: The demo gives its orders 400 ms. Within them nothing can be answered here, and a leg that is short when its book is
#: lost stays so until the book is back: the strategy halts then, as it should. So it is given a minute; and what is
#: lost by hedging minutes of the market later is no fault of its own, so the rules that halt it for losses and failures
#: are wide. Positions, quantities and order rates are limited as in the demo.
SETTINGS = (
    "strategy.min_spread_bps=0.3",
    "strategy.max_position_size=0.01",
    "execution.order_timeout_ms=60000",
    "risk.max_drawdown=1.0",
    "risk.max_attempt_loss=1.0",
    "risk.max_daily_loss=1.0",
    "risk.max_failures=0",
)

#: By the sandbox's clock, which is the wall's.
FAULTS = """
[faults.gap]
kind = "gap"
stream = "*depth*"
every_s = 61.0
[faults.hole]
kind = "gap"
stream = "*orderbook*"
every_s = 47.0
[faults.twice]
kind = "duplicate"
every_s = 31.0
[faults.garbage]
kind = "garbage"
every_s = 73.0
[faults.cut]
kind = "truncate"
every_s = 89.0
[faults.line]
kind = "disconnect"
every_s = 113.0
[faults.silence]
kind = "silence"
every_s = 97.0
duration_s = 4.0
[faults.slow]
kind = "rest_slow"
every_s = 127.0
"""


class Errors(logging.Handler):
    """Counts what the process logged as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


def memory_mb() -> float:
    """Resident memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


class Memory:
    """Looks at the memory now and then, while the session goes on: what writes the folder at its end is apart."""

    def __init__(self, span_s: float) -> None:
        self.seen: list[float] = []
        self._until_s = time.monotonic() + span_s
        every_s = max(5.0, span_s / 24)
        self._over = threading.Event()
        self._every_s = every_s
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        self._thread.join()

    @property
    def growth(self) -> float:
        """The last one by that after the first third."""
        return self.seen[-1] / self.seen[len(self.seen) // 3] if self.seen else math.nan

    def _run(self) -> None:
        while not self._over.wait(self._every_s) and time.monotonic() < self._until_s:
            self.seen.append(memory_mb())
            print(f"{time.strftime('%H:%M:%S')} {self.seen[-1]:.0f} MB", flush=True)


@contextlib.contextmanager
def served(folder: Path, speed: float, seed: int) -> Iterator[Mapping[str, VenueUrls]]:
    """The addresses of `arb sandbox serve` with the faults, told of in `folder / "faults.jsonl"`."""
    (folder / "faults.toml").write_text(FAULTS)
    process = subprocess.Popen(
        [sys.executable, "-m", "arb", "sandbox", "serve", "--config", str(demo_files(folder)), "--venues",
         ",".join(VENUES), "--speed", str(speed), "--seed", str(seed), "--port-base", "0", "--json", "--faults",
         str(folder / "faults.toml"), "--fault-log", str(folder / "faults.jsonl")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    try:
        line = process.stdout.readline() if process.stdout is not None else ""
        yield {venue: VenueUrls(**urls) for venue, urls in json.loads(line).items()}
    finally:
        process.terminate()
        process.wait()


def main() -> int:
    """Runs and prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--market-hours", type=float, default=2.0)
    parser.add_argument("--speed", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    folder = given.out or Path(tempfile.mkdtemp(prefix="arb-soak-"))
    folder.mkdir(exist_ok=True)
    errors = Errors()
    logging.getLogger().addHandler(errors)
    span_s = given.market_hours * 3600 / given.speed
    config = demo_config(folder, *SETTINGS)
    with served(folder, given.speed, given.seed) as urls:
        memory = Memory(span_s)
        result = run_live(config, folder / "run", duration_s=span_s, sandbox=urls, has_report=False)
        memory.close()
    print(f"{span_s:.0f} s, {given.market_hours:g} hours of the market")
    is_good = reported(result, memory, errors, folder / "faults.jsonl")
    found = verify(result.folder)
    unexplained = sum(not one.cause for one in found.differences)
    print(
        f"verify: {len(found.differences)} differences, {unexplained} not explained; {'; '.join(found.facts)}"
    )
    return 0 if is_good and found.is_proven else 4


def reported(result: WrittenRun, memory: Memory, errors: Errors, faults: Path) -> bool:
    """Prints what came of the session; whether all of it is as it should be."""
    manifest = json.loads((result.folder / "manifest.json").read_bytes())
    summary = json.loads((result.folder / "summary.json").read_bytes())
    injected = Counter(json.loads(line)["kind"] for line in faults.read_text().splitlines())
    gaps = sum(summary["gaps"].values())
    seen = manifest["session"]["events"].get("gap", 0)
    attempts = len((result.folder / "attempts.csv").read_text().splitlines()) - 1
    on_nan = sum(math.isnan(trade.price) for trade in result.trades)
    print(f"outcome {manifest['outcome']}")
    print(f"{injected.total()} faults injected: {dict(injected)}")
    print(
        f"memory {memory.seen[0]:.0f} to {memory.seen[-1]:.0f} MB, {memory.growth:.2f} times the one of a third"
    )
    print(f"events {manifest['session']['events']}")
    print(f"gaps seen {seen}, in the report {gaps}; late rows {manifest['session']['late_rows']}")
    print(f"unhandled errors {len(errors.texts)} {errors.texts[:3]}")
    print(f"attempts {attempts}, fills {len(result.trades)}, trades on NaN {on_nan}")
    return (
        manifest["outcome"] == "ended"
        and memory.growth <= GROWTH_MAX
        and not errors.texts
        and not on_nan
        and attempts >= ATTEMPTS_MIN
        and seen == gaps > 0
    )


if __name__ == "__main__":
    sys.exit(main())
