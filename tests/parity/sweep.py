"""Sweeps against backtests: `python -m tests.parity.sweep [--sets 500] [--threads 2] [--seed 1]`, over the recordings.

Random sets on every pair of legs of the examples, BTC and ETH, and on ten days of the sample market, of three minutes
each, in both modes and both engines, as one sweep in threads that is cut off half-way and continued; then `arb backtest
--set ...` of every set. The sweep runs over thinned rows, the backtests over all of them. Compares all figures of the
summary, every line of `trades.csv` and every decision; a set on its own connects the lines with the digest of its
fills. In hftbacktest's engine a set with a counted tie is left out: there resting orders fill in a random order. Exit
code 4 when anything differs.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np

from arb.backtest.runner import Compiled
from arb.commands.backtest import run_backtest
from arb.commands.legs import legs_of
from arb.commands.run_files import days_of_run, read_inputs
from arb.commands.sweep import run_sweep
from arb.commands.sweep_capacity import capacity_sets
from arb.commands.sweep_latency import latency_sets
from arb.commands.sweep_plan import RANDOM, Choice, Sets, Span, varied
from arb.commands.sweep_rows import RowChoice
from arb.commands.sweep_sets import Group, SetMaker, figures_of
from arb.config import Config, load
from arb.data.rows.cache import RowCache
from arb.errors import StrategyError
from arb.results.trades import HEADER, lines_of
from arb.sweep.engine import Running, run_set
from arb.sweep.sets import settings_of
from arb.sweep.table import FAILED, RESULTS, Period, SetResult, read_results

ROOT = Path(__file__).parents[2]
DAY = date(2024, 8, 8)
ENGINES, MODES = ("hftbacktest", "arb"), ("inventory", "convergence")
ETH = ('strategy.symbol="ETHUSDT"', "strategy.max_position_size=1.0", "risk.position_limit=20.0")
VARY = (
    "strategy.min_spread_bps=0.2:6",
    "strategy.basis_halflife_s=0:60",
    "strategy.max_position_size=0.005:0.08",
    "strategy.exit_spread_bps=-1:2",
    "execution.order_timeout_ms=50:1000",
    "execution.attempt_interval_ms=0:500",
    "execution.touch_share=0.2:1",
    "execution.chase_interval_ms=0:200",
    "risk.stop_loss_bps=2:60",
    "{first}.latency.entry_ms=0:20",
    "{second}.latency.response_ms=0:20",
    "{second}.fees.taker=0.0,0.00001,0.00002",
)


class Market(NamedTuple):
    """A configuration of the examples, and its venues."""

    name: str
    first: str
    second: str
    settings: tuple[str, ...]
    mode: str
    engine: str

    def load(self, data: Path, further: Sequence[str]) -> Config:
        settings = (f'strategy.mode="{self.mode}"', f'backtest.engine="{self.engine}"', *self.settings)
        # Pruning the cache would take most of a backtest's time.
        place = (f'data.directory="{data}"', "data.cache_gb=0.0")
        return load(ROOT / "examples" / self.name / "arbitrage.toml", (*place, *settings, *further))

    @property
    def vary(self) -> list[str]:
        texts = [text.format(first=self.first, second=self.second) for text in VARY]
        return [text for text in texts if self.mode == "convergence" or "exit_spread" not in text]


class Sample(NamedTuple):
    """The first minutes of ten days of the sample market, in a folder."""

    folder: Path
    engine: str
    mode: str

    name = "sample"
    settings = ()

    @classmethod
    def made(cls, folder: Path, days: int = 10, minutes: int = 3) -> None:
        """Records the days."""
        arb = (sys.executable, "-m", "arb")
        subprocess.run([*arb, "init", str(folder / "my")], check=True, capture_output=True)
        for day in range(1, days + 1):
            words = ["--duration", f"{minutes}m", "--start", f"2024-01-{day:02}", "--seed", str(day)]
            venues = ["--venues", "binance_usdm,bybit_spot", "--out", str(folder / "data")]
            subprocess.run([*arb, "sandbox", "record", *words, *venues], check=True, capture_output=True)

    def load(self, _: Path, further: Sequence[str]) -> Config:
        settings = (f'strategy.mode="{self.mode}"', f'backtest.engine="{self.engine}"')
        place = (f'data.directory="{self.folder / "data"}"', "data.cache_gb=0.0")
        legs = ["binance_usdm:BTCUSDT", "bybit_spot:BTCUSDT"]
        return load(self.folder / "my" / "arbitrage.toml", (*place, *settings, *FREE, *further), legs)

    @property
    def vary(self) -> list[str]:
        return Market(self.name, "binance_usdm", "bybit_spot", (), self.mode, self.engine).vary


#: Fees of the sample market's legs, beside those that are varied: its prices are near each other.
FREE = (
    "binance_usdm.fees.taker=0",
    "binance_usdm.fees.maker=0",
    "bybit_spot.fees.maker=0",
    "bybit_spot.fees.taker=0",
)


class Tally(NamedTuple):
    """What was compared, and what differed."""

    sets: int = 0
    fills: int = 0
    tied: int = 0
    failed: int = 0
    differing: tuple[str, ...] = ()


def markets() -> Iterator[Market]:
    for engine in ENGINES:
        for name, first, second in (
            ("usdm_bybit", "binance_usdm", "bybit_linear"),
            ("spot_usdm", "binance_spot", "binance_usdm"),
        ):
            for settings in ((), ETH):
                for mode in MODES:
                    yield Market(name, first, second, settings, mode, engine)


class Alone:
    """Runs sets once more, one after the other."""

    def __init__(self, loader: Any, span: Span) -> None:
        self._maker = SetMaker.of(loader)
        self.strategy = self._maker.compiled()
        self._cache = RowCache()
        self._span = span
        self._group = self._read()

    def _read(self) -> Group:
        config = self._maker.base
        legs = legs_of(config)
        days = days_of_run(config, legs, self._span.first, self._span.last)
        inputs = read_inputs(config, legs, days, self._cache, window=self._span.window)
        period = Period("", returns_interval_ns=1, returns_count=1)
        return self._maker.groups_of(config, [inputs], [period], self._cache)[0]

    def lines(self, result: SetResult) -> str:
        """The lines of a set's fills as in `trades.csv`; "" if the fills are not those of the result."""
        one = self._maker.prepare(result.values, self._group).one
        rows = self._group.rows if one.subtracts_taken else self._group.thin.kept(keeps_trades=False)
        ran = run_set(one, self.strategy, rows, Running(), has_lines=True)
        if ran.fills_sha256 != result.fills_sha256:
            return ""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([HEADER, *lines_of(ran.output.trades, ran.output.payments)])
        return text.getvalue()

    def close(self) -> None:
        self._cache.close()


@contextmanager
def _compiled_once(strategy: Compiled) -> Iterator[None]:
    """Backtests within use the compiled strategy, which they would load from its cache each time, and explain no run
    without a fill, which takes another run and is no part of a set's result."""
    with ExitStack() as stack:
        for module in ("backtest", "dryrun"):
            stack.enter_context(patch(f"arb.commands.{module}.compile_ahead", lambda *_: strategy))
        stack.enter_context(patch("arb.commands.recorded_days.with_edges", lambda replayed, *_: replayed))
        yield


def compare(
    loader: Any, choose: Callable[[SetMaker], Sets], span: Span, folder: Path, *, threads: int
) -> Tally:
    """A sweep in two parts against the backtests of its sets. loader: the configuration with further settings."""
    out = folder / "sweep"
    chosen: list[RowChoice] = []
    swept = partial(run_sweep, loader, choose, lambda _: [span], out)
    swept(threads=threads, chosen=chosen.append)
    whole = (out / RESULTS).read_bytes()
    # As if it had been killed within a line: the rest runs again, in one thread.
    (out / RESULTS).write_bytes(whole[: len(whole) // 2])
    swept(threads=1)
    differing = [] if (out / RESULTS).read_bytes() == whole else ["the continued sweep"]
    alone = Alone(loader, span)
    if not chosen[0].is_thin and not loader(()).backtest.liquidity_consumption:
        differing.append(chosen[0].line)
    sets = fills = tied = failed = 0
    for result in read_results(out):
        sets += 1
        run = folder / f"run-{result.set_no}"
        config = loader(settings_of(result.values))
        try:
            with _compiled_once(alone.strategy):
                written = run_backtest(
                    config, span.first, span.last, run, window=span.window, has_report=False
                )
        except StrategyError:
            failed += 1
            differing += [] if result.outcome == FAILED else [f"set {result.set_no}: outcome"]
            continue
        summary = written.summary
        if summary["setup"]["engine"] == "hftbacktest" and any(
            "in the same nanosecond" in note for note in summary["notes"]
        ):
            tied += 1
            continue
        fills += len(written.trades)
        differing += [
            f"set {result.set_no}: {one}" for one in differences(result, summary, run, alone.lines(result))
        ]
        shutil.rmtree(run)
    alone.close()
    return Tally(sets, fills, tied, failed, tuple(differing))


def differences(result: SetResult, summary: Any, run: Path, lines: str) -> Iterator[str]:
    """What of a set's result is not that of its backtest's folder. lines: see `Alone`."""
    figures = figures_of(summary)
    names = [name for name in figures if not _same(figures[name], result.figures.get(name, "none"))]
    if names or result.figures.keys() != figures.keys():
        yield f"figures {', '.join(names[:5]) or 'of other names'}"
    if result.outcome != summary["outcome"]:
        yield "outcome"
    with np.load(run / "records.npz") as arrays:
        decisions = np.ascontiguousarray(arrays["decisions"])
    if hashlib.sha256(decisions.tobytes()).hexdigest() != result.decisions_sha256:
        yield "decisions"
    if lines != (run / "trades.csv").read_text():
        yield "fills"


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and one == other


def _drawn(vary: Sequence[str], choice: Choice, _: SetMaker) -> Sets:
    return varied(vary, choice)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=500)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--latency", type=int, default=0, help="instead: arb sweep latency with so many points"
    )
    parser.add_argument(
        "--capacity", type=int, default=0, help="instead: arb sweep capacity with so many points"
    )
    parser.add_argument("--only", default="", help="markets whose text has this")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "recordings")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as sample:
        Sample.made(Path(sample))
        return _compare_all(given, Path(sample))


#: What `arb sweep capacity` sets; sizes are raised until another limit bounds them.
_CONSUMING = ("backtest.liquidity_consumption=true", "execution.attempt_interval_ms=0")


def _loaded(market: Market | Sample, data: Path, settings: Sequence[str], further: Sequence[str]) -> Config:
    return market.load(data, (*settings, *further))


def _chosen(given: argparse.Namespace, market: Market | Sample) -> Callable[[SetMaker], Sets]:
    if given.latency:
        return partial(latency_sets, count=given.latency, added_ms=20.0)
    if given.capacity:
        return partial(capacity_sets, count=given.capacity, factor=64.0)
    return partial(_drawn, market.vary, Choice(RANDOM, given.sets, given.seed))


def _compare_all(given: argparse.Namespace, sample: Path) -> int:
    samples = [Sample(sample, engine, mode) for engine in ENGINES for mode in MODES]
    total = Tally()
    for market in (*markets(), *samples):
        name = f"{market.engine} {market.name} {'ETH' if market.settings else 'BTC'} {market.mode}"
        if given.only not in name:
            continue
        began = time.monotonic()
        first = date(2024, 1, 1) if isinstance(market, Sample) else DAY
        with tempfile.TemporaryDirectory() as folder:
            found = compare(
                partial(_loaded, market, given.data, _CONSUMING if given.capacity else ()),
                _chosen(given, market),
                Span(first, None, None, str(first), None),
                Path(folder),
                threads=given.threads,
            )
        print(
            f"{name:<40} {found.sets:>5} sets {found.fills:>7,} fills, {found.tied} with ties, {found.failed} failed: "
            f"{len(found.differing)} differences {'; '.join(found.differing[:3])} ({time.monotonic() - began:.0f} s)",
            flush=True,
        )
        total = Tally(*(one + other for one, other in zip(total, found, strict=True)))
    print(
        f"{total.sets:,} sets, {total.fills:,} fills compared, {total.tied:,} sets with ties left out, "
        f"{total.failed:,} failed: {len(total.differing)} differences"
    )
    return 4 if total.differing else 0


if __name__ == "__main__":
    sys.exit(main())
