"""From process start to the strategy's first event, cache warm: our bot against hftbacktest's own.

Each side is a fresh process that loads the rows, compiles or loads the spread strategy, and runs it over the first
rows of a recording. A run that is not counted fills the compiled cache.

    python benchmarks/startup.py [RECORDINGS]
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from alternate import show_machine
from samples import recordings_folder

RUNS = 7
#: Enough for a wake-up on both legs.
ROWS = 4000

CHILD = """
import sys, time
sys.path.insert(0, {benchmarks!r})
from strategy_on_bots import example, params_of, replayed, our_bot, peer_bot
from arb.bot.recorder import Recorder
from arb.strategies.spread import strategy as spread
from pathlib import Path
config = example("spot_usdm")
legs = replayed(config, Path({recordings!r}), {rows})
params, recorder = params_of(config), Recorder(2)
if {is_ours}:
    from arb.bot.compilation import compile_strategy
    compile_strategy(spread.run)(our_bot(legs, None), params, recorder)
else:
    from numba import njit
    njit(nogil=True)(spread.run.py_func)(peer_bot(legs), params, recorder)
print(time.time() - float(sys.argv[1]), len(recorder.records), int(recorder.records["timestamp"][-1, 0]))
"""


def start(*, is_ours: bool, folder: Path) -> tuple[float, str]:
    """Seconds from starting the process to the end of the strategy's first rows, and what it recorded."""
    code = CHILD.format(
        benchmarks=str(Path(__file__).parent), recordings=str(folder), rows=ROWS, is_ours=is_ours
    )
    run = subprocess.run(
        [sys.executable, "-c", code, repr(time.time())], capture_output=True, text=True, check=True
    )
    took, _, recorded = run.stdout.partition(" ")
    return float(took), recorded.strip()


def main() -> None:
    show_machine()
    folder = recordings_folder().resolve()
    start(is_ours=True, folder=folder)
    pairs = []
    for _ in range(RUNS):
        ours, our_record = start(is_ours=True, folder=folder)
        peer, peer_record = start(is_ours=False, folder=folder)
        if our_record != peer_record:
            sys.exit(f"the two runs differ: {our_record} against {peer_record}")
        pairs.append((ours, peer))
    ratios = sorted(b / a for a, b in pairs)
    print(
        f"warm start to the first strategy event {statistics.median(ratios):.2f}x "
        f"[{ratios[1]:.2f} to {ratios[-2]:.2f}], target: 6x   "
        f"ours {statistics.median(a for a, _ in pairs):.2f} s, hftbacktest's bot "
        f"{statistics.median(b for _, b in pairs):.2f} s"
    )


if __name__ == "__main__":
    main()
