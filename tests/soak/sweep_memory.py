"""Memory of sweeps: `python -m tests.soak.sweep_memory [--days 30] [--sets 10000]`. About five minutes.

Days: the recorded day of an example, repeated, as mapped rows. A process whose private memory is bounded (RLIMIT_DATA)
to what it has after one day, and one day's rows, thins all days and runs a set on all rows and on thinned ones. Sets:
a sweep of 10 sets and one of many over a minute of the sample market, each in a process of its own; peaks of private
memory while sets run. Exit code 4 if the days do not fit, or the peaks differ by more than 5 %.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from arb.commands.sweep import run_sweep
from arb.commands.sweep_plan import RANDOM, Choice, GroupReader, Span, varied
from arb.commands.sweep_sets import Job, SetMaker, run_job
from arb.config import Config, load
from arb.data.rows.cache import RowCache
from arb.data.rows.npy import load_rows, open_npy
from arb.sweep.engine import KeptRows, Running
from arb.sweep.thin_files import ThinRows
from connectors.units import SECOND

ROOT = Path(__file__).parents[2]
DAY = date(2024, 8, 8)
SPAN = Span(DAY, None, None, str(DAY), None)
#: Of the set over all days: a high one, because a set keeps its fills and decisions.
SPREAD_BPS = 2.0
#: Largest difference of the peaks.
SHARE_MAX = 0.05
#: Interval of reading the memory.
_POLL_SECONDS = 0.02
_KB = 1_024


def private_bytes(name: str = "RssAnon") -> int:
    """A line of the process's status."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * _KB for line in lines if line.startswith(f"{name}:"))


def loaded(further: Sequence[str]) -> Config:
    """The example over the recordings beside the checkout."""
    data = ROOT.parent / "shared" / "recordings"
    return load(ROOT / "examples" / "usdm_bybit" / "arbitrage.toml", (f'data.directory="{data}"', *further))


def run_days(days: int, folder: Path) -> dict[str, Any]:
    """Writes the days' rows, bounds the memory, and runs a set over all of them."""
    maker = SetMaker.of(loaded)
    strategy = maker.compiled()
    cache = RowCache(folder)
    group = GroupReader(maker, [SPAN], RowCache(), None).groups({})[0]
    legs = group.rows.of_legs(group.inputs.legs)
    job = Job(0, 0, {"strategy.min_spread_bps": SPREAD_BPS}, group)
    for is_thin in (False, True):
        run_job(maker, strategy, Running(), job, is_thin=is_thin)
    paths = [list(_written(leg.arrays, days, folder, number)) for number, leg in enumerate(legs)]
    rows = KeptRows([[load_rows(path) for path in leg] for leg in paths])
    day_bytes = sum(array.nbytes for leg in legs for array in leg.arrays)
    bound = private_bytes("VmData") + day_bytes
    resource.setrlimit(resource.RLIMIT_DATA, (bound, bound))
    before = private_bytes()
    thin = ThinRows(rows.of_legs(group.inputs.legs), rows, b"", group.thin.stale_after_ns, cache)
    peak, fills = _peak_of(lambda: _runs(maker, strategy, job, group._replace(rows=rows, thin=thin)))
    return {"rows": sum(day_bytes // 64 for _ in range(days)), "day_mb": day_bytes / 1e6,
            "added_mb": (peak - before) / 1e6, "fills": fills}  # fmt: skip


def _runs(maker: SetMaker, strategy: Any, job: Job, group: Any) -> list[int]:
    """The fills of a set on all rows and on thinned ones."""
    own = job._replace(group=group)
    return [run_job(maker, strategy, Running(), own, is_thin=is_thin).fills or 0 for is_thin in (False, True)]


def _written(arrays: Sequence[Any], days: int, folder: Path, number: int) -> Any:
    """Files with the rows of each day; the times go on without a pause."""
    first, last = arrays[0]["local_ts"][0], arrays[-1]["local_ts"][-1]
    span = int(last - first) + 10 * SECOND
    for day in range(days):
        path = folder / f"leg{number}-{day}.npy"
        with open_npy(path) as file:
            for array in arrays:
                rows = array.copy()
                rows["exch_ts"] += day * span
                rows["local_ts"] += day * span
                file.write(rows)
        yield path


def _peak_of(work: Any) -> tuple[int, Any]:
    """The largest private memory while `work` runs, and what it returns."""
    peaks, is_over = [private_bytes()], threading.Event()

    def follow() -> None:
        while not is_over.wait(_POLL_SECONDS):
            peaks.append(private_bytes())

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    result = work()
    is_over.set()
    thread.join()
    return max(peaks), result


def run_sets(sets: int, folder: Path) -> dict[str, Any]:
    """A sweep of the sample market; its peak until the last set is done."""
    first = date(2024, 1, 1)
    ended: list[int] = []
    peaks = [0]

    def market(further: Sequence[str]) -> Config:
        free = [f"{venue}.fees.taker=0" for venue in ("binance_usdm", "bybit_spot")]
        place = f'data.directory="{folder / "data"}"'
        legs = ["binance_usdm:BTCUSDT", "bybit_spot:BTCUSDT"]
        return load(folder / "my" / "arbitrage.toml", (place, *free, *further), legs)

    def advance(count: int) -> None:
        ended.append(count)
        if len(ended) % 10 == 0:
            peaks.append(private_bytes())

    vary = ["strategy.min_spread_bps=0.1:3", "execution.order_timeout_ms=50:400"]
    out = folder / f"sweep-{sets}"
    began = time.monotonic()
    span = Span(first, None, None, str(first), None)
    choose = partial(varied, vary, Choice(RANDOM, sets, 1, sets))
    run_sweep(market, lambda _: choose(), lambda _: [span], out, threads=2, progress=lambda _: advance)
    return {"sets": sets, "peak_mb": max(peaks) / 1e6, "s": time.monotonic() - began}


def _child(*words: object) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.soak.sweep_memory", *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, words))}: exit code {done.returncode}: {done.stderr[-500:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--sets", type=int, default=10_000)
    parser.add_argument("--child", choices=("days", "sets"))
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    if given.child == "days":
        print(json.dumps(run_days(given.days, given.folder)))
        return 0
    if given.child == "sets":
        print(json.dumps(run_sets(given.sets, given.folder)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        found = _child("--child", "days", "--days", given.days, "--folder", folder)
    print(
        f"{given.days} days, {found['rows']:,} rows, within what one day needs and {found['day_mb']:.0f} MB: "
        f"{found['added_mb']:.1f} MB added; fills on all rows and on thinned ones: {found['fills']}", flush=True
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        arb = (sys.executable, "-m", "arb")
        words = ("--duration", "1m", "--venues", "binance_usdm,bybit_spot", "--out", f"{folder}/data")
        subprocess.run([*arb, "init", f"{folder}/my"], check=True, capture_output=True)
        subprocess.run([*arb, "sandbox", "record", *words], check=True, capture_output=True)
        # The first sweep converts the market, and its process keeps what that took.
        _, few, some, many = (
            _child("--child", "sets", "--sets", n, "--folder", folder) for n in (9, 10, 100, given.sets)
        )
    share = many["peak_mb"] / few["peak_mb"] - 1.0
    peaks = ", ".join(f"{one['sets']:,} sets {one['peak_mb']:.1f} MB" for one in (few, some, many))
    print(f"{peaks} ({many['s']:.0f} s): {100.0 * share:+.1f} % from the first to the last")
    is_equal = len(set(found["fills"])) == 1
    return 0 if is_equal and abs(share) <= SHARE_MAX else 4


if __name__ == "__main__":
    sys.exit(main())
