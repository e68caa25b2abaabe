"""Hours of a session: `python tests/soak/dryrun_soak.py [--market-hours 2] [--speed 10] [--out DIR]`.

The demo's strategy on a sandbox in this process, sped up, with faults of all kinds. Prints memory now and then, at the
end what came of it: unhandled errors, gaps, trades on NaN, attempts, and whether `arb verify` proves the session.
Exit code 4 where something is not as it should be.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import resource
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from support.live_sandbox import LiveSandbox, demo_config

from arb.app.dryrun_live import run_live
from arb.app.verify import verify
from arb.sandbox.serve.faults import Fault, FaultKind

ATTEMPTS_MIN = 30
#: Of the last memory to that after the first tenth.
GROWTH_MAX = 1.5

#: Answers come later than in a backtest, and a soak is not to end by a rule of risk.
SETTINGS = (
    "strategy.min_spread_bps=0.3",
    "strategy.max_position_size=0.01",
    "execution.order_timeout_ms=5000",
    "risk.max_drawdown=1.0",
    "risk.max_attempt_loss=1.0",
    "risk.max_daily_loss=1.0",
    "risk.max_failures=0",
)

FAULTS = [
    Fault(FaultKind.GAP, "gap", stream="*depth*", every_s=61),
    Fault(FaultKind.GAP, "hole", stream="*orderbook*", every_s=47),
    Fault(FaultKind.DUPLICATE, "twice", every_s=31),
    Fault(FaultKind.GARBAGE, "garbage", every_s=73),
    Fault(FaultKind.TRUNCATE, "cut", every_s=89),
    Fault(FaultKind.DISCONNECT, "line", every_s=113),
    Fault(FaultKind.SILENCE, "silence", every_s=97, duration_s=4.0),
    Fault(FaultKind.REST_SLOW, "slow", every_s=127),
]


class Errors(logging.Handler):
    """Counts what the process logged as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


def memory_mb() -> float:
    """Resident memory now."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Memory:
    """Looks at the memory now and then."""

    def __init__(self, every_s: float) -> None:
        self.seen: list[float] = []
        self._over = threading.Event()
        self._every_s = every_s
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(self._every_s):
            self.seen.append(memory_mb())
            print(f"{time.strftime('%H:%M:%S')} {self.seen[-1]:.0f} MB", flush=True)


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
    memory = Memory(max(5.0, span_s / 20))
    with LiveSandbox(seed=given.seed, faults=FAULTS, speed=given.speed) as sandbox:
        result = run_live(config, folder / "run", duration_s=span_s, sandbox=sandbox.urls, has_report=False)
        injected = sandbox.injected
    memory.close()
    manifest = json.loads((result.folder / "manifest.json").read_bytes())
    found = verify(result.folder)
    attempts = _attempts(result.folder)
    on_nan = sum(math.isnan(trade.price) for trade in result.trades)
    is_flat = not memory.seen or memory.seen[-1] <= GROWTH_MAX * memory.seen[len(memory.seen) // 10]
    print(f"outcome {manifest['outcome']}")
    print(f"{span_s:.0f} s, {given.market_hours:g} hours of the market, {len(injected)} faults injected")
    print(
        f"memory {memory.seen[0]:.0f} to {memory.seen[-1]:.0f} MB" if memory.seen else "memory: not looked at"
    )
    print(f"events {manifest['session']['events']}")
    gaps, late = [row["gaps"] for row in manifest["inputs"]], manifest["session"]["late_rows"]
    print(f"gaps in the manifest {gaps}, late rows {late}")
    print(f"unhandled errors {len(errors.texts)} {errors.texts[:3]}")
    print(f"attempts {attempts}, fills {len(result.trades)}, trades on NaN {on_nan}")
    unexplained = sum(not one.cause for one in found.differences)
    print(
        f"verify: {len(found.differences)} differences, {unexplained} not explained; {'; '.join(found.facts)}"
    )
    is_good = is_flat and not errors.texts and not on_nan and attempts >= ATTEMPTS_MIN and found.is_proven
    return 0 if is_good else 4


def _attempts(run: Path) -> int:
    return len((run / "attempts.csv").read_text().splitlines()) - 1


if __name__ == "__main__":
    sys.exit(main())
