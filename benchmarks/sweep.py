"""A set of a sweep against hftbacktest's own bot from `.npz`, and two threads against one.

    python benchmarks/sweep.py [RECORDINGS]

USD-M against Bybit linear, BTC, of the example; compilation aside. A set is what `arb sweep` does for one: its
configuration, bot, run, figures and returns. The peer runs the same strategy on hftbacktest's own bot, whose assets
read both legs' rows from `.npz` files, and computes nothing of its result.
"""

from __future__ import annotations

import functools
import itertools
import tempfile
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

from arb.backtest.assets import make_asset, vector_range
from arb.bot.recorder import Recorder
from arb.commands.sweep_plan import GroupReader, Span
from arb.commands.sweep_sets import Job, SetMaker, run_job
from arb.config import Config, load
from arb.data.rows.cache import RowCache
from arb.strategies.spread import strategy as spread
from arb.sweep.engine import Running
from arb.sweep.pool import in_order

DAY = date(2024, 8, 8)
#: Sets of one measured run, of thresholds around the example's.
SETS = 12
#: Alternations.
RUNS = 9


class Case:
    """The sets, and both ways to run them."""

    def __init__(self, folder: Path) -> None:
        def loaded(settings: Sequence[str]) -> Config:
            place = f'data.directory="{recordings_folder()}"'
            return load(EXAMPLES / "usdm_bybit" / "arbitrage.toml", (place, *settings))

        maker = SetMaker.of(loaded)
        spans = [Span(DAY, None, None, str(DAY), None)]
        reader = GroupReader(maker, spans, RowCache(), None)
        group = reader.groups({})[0]
        values = np.linspace(0.5, 1.5, SETS).round(6).tolist()
        self._jobs = [
            Job(number, 0, {"strategy.min_spread_bps": value}, group) for number, value in enumerate(values)
        ]
        self._work = functools.partial(run_job, maker, maker.compiled(), Running())
        self._params = [params_of(maker.config_of(job.values)) for job in self._jobs]
        self._legs = group.rows.of_legs(group.inputs.legs)
        self._ranges = [vector_range(leg) for leg in self._legs]
        self._files = [
            [folder / f"{n}-{k}.npz" for k in range(len(leg.arrays))] for n, leg in enumerate(self._legs)
        ]
        for leg, files in zip(self._legs, self._files, strict=True):
            for array, file in zip(leg.arrays, files, strict=True):
                np.savez_compressed(file, data=array)
        self._strategy = njit(spread.run.py_func)
        self._next = itertools.cycle(self._params)

    def one_set(self) -> Times:
        """A set of the sweep, on one thread."""
        job = self._jobs[0]
        self._jobs = [*self._jobs[1:], job]
        return times_of(lambda: self._work(job))

    def on_hftbacktest(self) -> Times:
        """The same strategy on hftbacktest's own bot, from `.npz`."""
        params = next(self._next)
        return times_of(lambda: self._run_peer(params))

    def _run_peer(self, params: Any) -> None:
        assets = []
        for leg, files, price_range in zip(self._legs, self._files, self._ranges, strict=True):
            asset = make_asset(leg._replace(arrays=[]), keep_trades=False).data([str(file) for file in files])
            if price_range is None:
                raise ValueError("the recording does not fit a vector book")
            assets.append(asset.roi_lb(price_range.low).roi_ub(price_range.high))
        bot = ROIVectorMarketDepthBacktest(assets)
        self._strategy(bot, params, Recorder(2))
        bot.close()

    def threads(self, count: int) -> Times:
        """All sets in threads."""
        return times_of(lambda: list(in_order(iter(self._jobs), self._work, count)))


def main() -> None:
    show_machine()
    with tempfile.TemporaryDirectory() as folder:
        case = Case(Path(folder))
        one_set = alternate_measured(case.one_set, case.on_hftbacktest, RUNS)
        show("a set against hftbacktest's bot from .npz", one_set, 8)
        threads = alternate_measured(lambda: case.threads(2), lambda: case.threads(1), RUNS)
        show(f"{SETS} sets, two threads against one", threads, 1.85)


if __name__ == "__main__":
    main()
