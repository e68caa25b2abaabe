"""A set of a sweep against the same strategy on hftbacktest's own bot and against all rows; sets beside each other.

    python benchmarks/sweep.py [RECORDINGS]

Binance USD-M against Bybit linear, BTC: the recorded day of the example; compilation aside. A set is what `arb sweep`
does for one: its configuration, bot, run over thinned rows, figures and returns. The peer runs the same strategy on
hftbacktest's own bot, whose assets read both legs' rows from `.npz` files, and computes nothing of its result. The
table has the time of sets over days that repeat the recorded hours without a pause, and that of each set and day; the
last line that of a whole sweep with its checks, tables and page.
"""

from __future__ import annotations

import functools
import itertools
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from alternate import Times, alternate_measured, show, show_machine, times_of
from hftbacktest import ROIVectorMarketDepthBacktest
from numba import njit
from samples import recordings_folder
from strategy_on_bots import EXAMPLES, params_of

from arb.backtest.assets import LegData, make_asset, vector_range
from arb.bot.recorder import Recorder
from arb.commands.sweep_plan import GroupReader, Span
from arb.commands.sweep_sets import Job, SetMaker, run_job
from arb.config import Config, load
from arb.data.rows.cache import RowCache
from arb.strategies.spread import strategy as spread
from arb.sweep.engine import KeptRows, Running
from arb.sweep.pool import in_order
from arb.sweep.thin import thinned
from arb.sweep.thin_files import ThinRows
from arb.sweep.worker_processes import Workers
from connectors.units import SECOND

DAY = date(2024, 8, 8)
SPAN = Span(DAY, None, None, str(DAY), None)
#: Sets of one measured run, of thresholds around the example's.
SETS = 12
#: Thresholds above nearly all edges: the median is 0.1 bps, the 99th of 100 shares of the seconds' largest 9 bps.
QUIET_BPS = (6.0, 12.0)
#: Alternations, and of runs of sets beside each other, each of so many.
RUNS, THREAD_RUNS, THREAD_SETS = 9, 5, 60
#: Of the whole sweep.
WHOLE_SETS = 1_000


def loaded(settings: Sequence[str]) -> Config:
    """The example with further settings."""
    place = f'data.directory="{recordings_folder()}"'
    return load(EXAMPLES / "usdm_bybit" / "arbitrage.toml", (place, *settings))


class Fixed(ThinRows):
    """Thinned rows of a group that are given."""

    def __init__(self, legs: Sequence[LegData], rows: KeptRows, stale_after_ns: int) -> None:
        super().__init__(legs, rows, b"", stale_after_ns, RowCache())
        self._fixed = rows

    def kept(self, *, keeps_trades: bool) -> KeptRows:
        return self._fixed


class Case:
    """The sets, and the ways to run them."""

    def __init__(self, folder: Path) -> None:
        maker = SetMaker.of(loaded)
        self._group = GroupReader(maker, [SPAN], RowCache(), None).groups({})[0]
        self._jobs = self._jobs_of(0.5, 1.5)
        #: Of thresholds that few edges reach.
        self._quiet_jobs = itertools.cycle(self._jobs_of(*QUIET_BPS))
        self._strategy = maker.compiled()
        run = functools.partial(run_job, maker, self._strategy, Running())
        self._work, self._on_all = functools.partial(run, is_thin=True), run
        self._params = [params_of(maker.config_of(job.values)) for job in self._jobs]
        self.legs = self._group.rows.of_legs(self._group.inputs.legs)
        self._ranges = [vector_range(leg) for leg in self.legs]
        self._files = [
            [folder / f"{n}-{k}.npz" for k in range(len(leg.arrays))] for n, leg in enumerate(self.legs)
        ]
        for leg, files in zip(self.legs, self._files, strict=True):
            for array, file in zip(leg.arrays, files, strict=True):
                np.savez_compressed(file, data=array)
        self._peer = njit(spread.run.py_func)
        # Each side takes the sets in the same order, so that neighbouring runs are of one set.
        self._peers = itertools.cycle(self._params)
        self._thin_jobs, self._all_jobs = itertools.cycle(self._jobs), itertools.cycle(self._jobs)

    def _jobs_of(self, low: float, high: float) -> list[Job]:
        values = np.linspace(low, high, SETS).round(6).tolist()
        return [self._job(number, value) for number, value in enumerate(values)]

    def _job(self, number: int, value: float) -> Job:
        return Job(number, 0, {"strategy.min_spread_bps": value}, self._group)

    def one_set(self) -> Times:
        """A set of the sweep, on one thread."""
        job = next(self._thin_jobs)
        return times_of(lambda: self._work(job))

    def quiet_set(self) -> Times:
        """A set of the sweep that seldom acts, on one thread."""
        job = next(self._quiet_jobs)
        return times_of(lambda: self._work(job))

    def on_all_rows(self) -> Times:
        """A set over all rows, which are mapped as well."""
        job = next(self._all_jobs)
        return times_of(lambda: self._on_all(job))

    def on_hftbacktest(self) -> Times:
        """The same strategy on hftbacktest's own bot, from `.npz`."""
        params = next(self._peers)
        return times_of(lambda: self._run_peer(params))

    def _run_peer(self, params: Any) -> None:
        assets = []
        for leg, files, price_range in zip(self.legs, self._files, self._ranges, strict=True):
            asset = make_asset(leg._replace(arrays=[]), keep_trades=False).data([str(file) for file in files])
            if price_range is None:
                raise ValueError("the recording does not fit a vector book")
            assets.append(asset.roi_lb(price_range.low).roi_ub(price_range.high))
        bot = ROIVectorMarketDepthBacktest(assets)
        self._peer(bot, params, Recorder(2))
        bot.close()

    def processes(self, count: int) -> Times:
        """Sets beside each other, as `arb sweep --threads` runs them."""
        return times_of(lambda: self.seconds(THREAD_SETS, count))

    def over_days(self, days: int) -> None:
        """Makes the thinned rows those of this many days, each as the recorded one."""
        times = [
            int(rows["local_ts"][place]) for leg in self.legs for rows in leg.arrays for place in (0, -1)
        ]
        span_ns = max(times) - min(times) + SECOND
        arrays = [_repeated(leg.arrays, days, span_ns) for leg in self.legs]
        stale_ns = self._group.thin.stale_after_ns
        rows = [
            [thinned(one, leg.leg.tick_size, leg.leg.lot_size, stale_ns)]
            for one, leg in zip(arrays, self.legs, strict=True)
        ]
        self._group = self._group._replace(thin=Fixed(self.legs, KeptRows(rows, self._group.rows), stale_ns))

    def seconds(self, sets: int, threads: int) -> float:
        """The time of this many sets."""
        jobs = [self._job(number, value) for number, value in enumerate(np.linspace(0.5, 1.5, sets).tolist())]
        began = time.perf_counter()
        if threads == 1:
            for job in jobs:
                self._work(job)
        else:
            workers = Workers(threads, lambda number: self._work(jobs[number]))
            list(in_order(iter(range(sets)), workers.run, threads))
            workers.close()
        return time.perf_counter() - began


def _repeated(arrays: Sequence[Any], days: int, span_ns: int) -> list[Any]:
    shifted = []
    for day in range(days):
        for array in arrays:
            rows = array.copy()
            rows["exch_ts"] += day * span_ns
            rows["local_ts"] += day * span_ns
            shifted.append(rows)
    return shifted


def show_table(case: Case) -> None:
    """Sets x days x how many at a time."""
    print(f"{'sets':>6} {'days':>5} {'--threads':>9} {'s':>8} {'ms a set and day':>17}")
    for days in (1, 2, 4):
        case.over_days(days)
        for sets, threads in itertools.product((25, 100), (1, 2)):
            took = case.seconds(sets, threads)
            print(
                f"{sets:>6} {days:>5} {threads:>9} {took:>8.2f} {took / sets / days * 1e3:>17.2f}", flush=True
            )


def show_whole(sets: int) -> None:
    """The command as a user runs it."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["--vary", "strategy.min_spread_bps=0.5:1.5", "--vary", "execution.order_timeout_ms=100:1000"]
        words += ["--random", str(sets), "--threads", "2", "--start", str(DAY), "--out", f"{folder}/sweep"]
        config = str(EXAMPLES / "usdm_bybit" / "arbitrage.toml")
        place = ["-c", config, "--data", str(recordings_folder())]
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "arb", "sweep", *place, *words], check=True, capture_output=True
        )
        print(
            f"arb sweep of {sets:,} sets with checks, tables and page, --threads 2: {time.perf_counter() - began:.1f} s"
        )


def main() -> None:
    show_machine()
    with tempfile.TemporaryDirectory() as folder:
        case = Case(Path(folder))
        peer = alternate_measured(case.one_set, case.on_hftbacktest, RUNS)
        show("a set against hftbacktest's bot from .npz", peer, 8)
        whole = alternate_measured(case.one_set, case.on_all_rows, RUNS)
        show("a set against all rows kept mapped", whole, 4)
        quiet = alternate_measured(case.quiet_set, case.on_all_rows, RUNS)
        show(f"a set above {QUIET_BPS[0]:g} bps against all rows kept mapped", quiet, 50)
        processes = alternate_measured(lambda: case.processes(2), lambda: case.processes(1), THREAD_RUNS)
        show(f"{THREAD_SETS} sets, two at a time against one", processes, 1.85)
        show_table(case)
    show_whole(WHOLE_SETS)


if __name__ == "__main__":
    main()
