"""Strategies in the manner of hftbacktest's tutorials through every world: `python -m tests.parity.tutorials`.

Each strategy of `tutorial_strategies.py` trades one leg and both legs of a pair, over every shared recording; those of
`ALONE` also trade a run of one leg, and of five legs at three venues, two of them with two instruments:

- hftbacktest's own jitclass bot over the rows that the backtest replays,
- `arb backtest`, `arb dry-run` over the recorded days, and `arb verify` of both run folders.

Money and limits are so large that no rule refuses. The records of all three must be equal (time, price, position,
balance, fee, number of trades, volume and value), and so must the lines of `trades.csv`. hftbacktest adds up the fills
of one nanosecond in a random order, so sums may differ by their rounding. Prints a table; exit code 4 on a difference.
"""

from __future__ import annotations

import argparse
import csv
import gc
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "examples")]

import strategy_on_bots as bots  # noqa: E402
from click.testing import CliRunner  # noqa: E402
from hftbacktest import HashMapMarketDepthBacktest, ROIVectorMarketDepthBacktest  # noqa: E402
from hftbacktest import Recorder as PeerRecorder  # noqa: E402
from numba import njit  # noqa: E402

from arb.backtest.assets import LegData, array_ranges, make_asset  # noqa: E402
from arb.bot.uses import Uses  # noqa: E402
from arb.cli import cli  # noqa: E402
from arb.config import Config, load, on_data_grid  # noqa: E402
from arb.strategies.loader import load_strategy  # noqa: E402

STRATEGIES = Path(__file__).with_name("tutorial_strategies.py")
#: Every strategy with its numbers, `assets` aside.
CASES: Mapping[str, Mapping[str, float | int]] = {
    "quote": {"half_spread_bps": 0.2},
    "grid": {"half_spread_bps": 0.3, "levels": 5, "skew": 0.02},
    "glft": {"gamma": 0.05, "levels": 3},
    "depth_imbalance": {"within_bps": 5.0, "factor": 0.4},
    "tick_imbalance": {"ticks": 40, "factor": 0.4},
    "queue_based": {"queue_bps": 30.0},
    "tick_sizes": {"ticks_0": 20, "ticks_1": 7},
    "trade_momentum": {"flow_min": 50.0, "hold_ms": 1500},
    "state_stop": {"half_spread_bps": 0.3, "trades_max": 150},
    "latency_aware": {"widen": 0.5},
    "stop_by_elapse": {"half_spread_bps": 0.3, "run_s": 200},
    "feed_driven": {"cross_bps": 2.0},
}
#: Strategies that read `bid_depth` and `ask_depth`.
READ_ARRAYS = ("depth_imbalance", "queue_based")
#: Strategies of one instrument, run on every leg of a run of one and of five.
ALONE = ("quote", "grid", "glft", "depth_imbalance")


class Market(NamedTuple):
    """A configuration: the folder of its files, overrides, and `--legs` ("" for the configured ones)."""

    folder: Path
    name: str
    overrides: tuple[str, ...] = ()
    legs: str = ""
    #: How many of the legs the strategies trade, in turn.
    traded: tuple[int, ...] = (1, 2)

    def load(self, settings: Sequence[str] = ()) -> Config:
        """The configuration for recorded days."""
        legs = self.legs.split(",") if self.legs else None
        return on_data_grid(load(self.main_file, [*self.overrides, *settings], legs))

    @property
    def main_file(self) -> Path:
        return self.folder / "arbitrage.toml"


MARKETS = [
    Market(bots.EXAMPLES / "spot_usdm", "spot, USD-M BTC"),
    Market(bots.EXAMPLES / "spot_usdm", "spot, USD-M ETH", bots.ETH),
    Market(bots.EXAMPLES / "usdm_bybit", "USD-M, Bybit BTC"),
    Market(bots.EXAMPLES / "usdm_bybit", "USD-M, Bybit ETH", bots.ETH),
]
ONE = Market(ROOT / "config", "USD-M BTC alone", legs="binance_usdm:BTCUSDT", traded=(1,))
FIVE = Market(
    ROOT / "config",
    "five legs",
    legs="binance_usdm:BTCUSDT,binance_spot:ETHUSDT,binance_spot:BTCUSDT,bybit_linear:BTCUSDT,binance_usdm:ETHUSDT",
    traded=(5,),
)
#: So much money, and limits so far away, that nothing is refused.
FREE = (
    "risk.max_orders_per_second=0",
    "risk.position_limit=1e9",
    "risk.max_leverage=125.0",
    "risk.capital_allocation=1.0",
    "risk.max_drawdown=1.0",
)
DAY = "2024-08-08"
#: hftbacktest may add a nanosecond's fills in another order: this much, relative to the largest sum of a run.
_SUM_ROOM = 1e-12


class Outcome(NamedTuple):
    """One strategy in all worlds: how much it did, and what was not equal or refused."""

    fills: int
    records: int
    faults: list[str]


def settings_of(market: Market, name: str, assets: int) -> list[str]:
    """The overrides of one case, after those of the market."""
    params = {"assets": assets, **CASES[name]}
    capital = [
        f"capital.{leg.venue}.{key}=1e12"
        for leg in market.load().legs
        for key in (("quote", "base") if leg.is_spot else ("quote",))
    ]
    chosen = [f'strategy.function="{STRATEGIES}:{name}"']
    chosen += [f"strategy.params.{key}={value}" for key, value in params.items()]
    return [*FREE, *capital, *chosen]


def peer_bot(legs: Sequence[LegData], *, has_arrays: bool) -> Any:
    """hftbacktest's own bot over the same assets; with the vector book where a strategy reads its arrays."""
    assets = [make_asset(leg, keep_trades=True) for leg in legs]
    ranges = array_ranges(legs, Uses(arrays=has_arrays))
    if ranges is None:
        return HashMapMarketDepthBacktest(assets)
    for asset, price_range in zip(assets, ranges, strict=True):
        asset.roi_lb(price_range.low).roi_ub(price_range.high)
    return ROIVectorMarketDepthBacktest(assets)


def run_peer(
    config: Config, recordings: Path, name: str, assets: int, dispatchers: dict[str, Any]
) -> list[Any]:
    """The records of every leg from hftbacktest's own bot over the rows of the backtest."""
    if name not in dispatchers:
        dispatchers[name] = njit(load_strategy(f"{STRATEGIES}:{name}").function)
    legs = bots.replayed(config, recordings)
    peer, recorder = peer_bot(legs, has_arrays=name in READ_ARRAYS), PeerRecorder(len(legs), 100_000)
    dispatchers[name](peer, recorder.recorder, assets, *CASES[name].values())
    peer.close()
    return [recorder.get(number) for number in range(len(legs))]


def run_command(words: Sequence[str]) -> str:
    """Runs `arb`; what went wrong, or nothing."""
    result = CliRunner().invoke(cli, list(words), catch_exceptions=False)
    return (
        "" if result.exit_code == 0 else f"exit {result.exit_code}: {result.output.strip().splitlines()[-1:]}"
    )


def records_of(run: Path, legs: int) -> list[Any]:
    """The records of every leg in a run folder."""
    with np.load(run / "records.npz") as arrays:
        return [arrays[str(number)] for number in range(legs)]


def lines_of(run: Path) -> list[tuple[str, ...]]:
    """The lines of `trades.csv`, sorted: hftbacktest logs the fills of one nanosecond in a random order."""
    with (run / "trades.csv").open(newline="") as text:
        return sorted(tuple(line) for line in csv.reader(text))


def unequal_fields(theirs: Sequence[Any], ours: Sequence[Any], what: str) -> list[str]:
    """Which fields of the records differ by more than the order of addition explains."""
    faults = []
    for number, (one, other) in enumerate(zip(theirs, ours, strict=True)):
        if len(one) != len(other):
            faults.append(f"{what} leg {number}: {len(one)} records, {len(other)}")
            continue
        for field in one.dtype.names:
            room = _SUM_ROOM * max(1.0, float(np.nanmax(np.abs(one[field]), initial=0.0)))
            if field in ("timestamp", "price", "num_trades"):
                room = 0.0
            if not np.allclose(one[field], other[field], rtol=0.0, atol=room, equal_nan=True):
                faults.append(f"{what} leg {number}: {field}")
    return faults


def run_case(
    market: Market,
    name: str,
    assets: int,
    recordings: Path,
    dispatchers: dict[str, Any],
) -> Outcome:
    """One strategy on one market, in all worlds."""
    settings = settings_of(market, name, assets)
    shared = [
        "--config",
        str(market.main_file),
        "--data",
        str(recordings),
        "--start",
        DAY,
        "--end",
        DAY,
        "--no-report",
    ]
    for setting in (*market.overrides, *settings):
        shared += ["--set", setting]
    if market.legs:
        shared += ["--legs", market.legs]
    faults = []
    with tempfile.TemporaryDirectory() as folder:
        runs = {world: Path(folder) / world for world in ("backtest", "dry-run")}
        for world, run in runs.items():
            failure = run_command([world, *shared, "--out", str(run)])
            if failure:
                return Outcome(0, 0, [f"{world} {failure}"])
        theirs = run_peer(market.load(settings), recordings, name, assets, dispatchers)
        backtest, dry_run = (records_of(run, len(theirs)) for run in runs.values())
        faults += unequal_fields(theirs, backtest, "hftbacktest, backtest")
        faults += unequal_fields(backtest, dry_run, "backtest, dry-run")
        lines = {world: lines_of(run) for world, run in runs.items()}
        if lines["backtest"] != lines["dry-run"]:
            faults.append("trades.csv of backtest and dry-run")
        for world, run in runs.items():
            failure = run_command(["verify", str(run)])
            if failure:
                faults.append(f"verify of {world} {failure}")
    return Outcome(len(lines["backtest"]) - 1, sum(len(records) for records in theirs), faults)


def main() -> int:
    """Runs and prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--recordings", type=Path, default=ROOT.parent / "shared" / "recordings")
    parser.add_argument("--only", choices=list(CASES))
    parser.add_argument("--market", type=int, choices=range(len(MARKETS) + 2))
    given = parser.parse_args()
    start, cases, fills, differing = time.perf_counter(), 0, 0, 0
    dispatchers: dict[str, Any] = {}
    print(f"{'strategy':<18}{'recordings':<18}{'legs':>4}{'fills':>9}{'records':>9}  result")
    for name in [given.only] if given.only else CASES:
        for number, market in enumerate([*MARKETS, ONE, FIVE]):
            if given.market not in (None, number) or (number >= len(MARKETS) and name not in ALONE):
                continue
            for assets in market.traded:
                outcome = run_case(market, name, assets, given.recordings.resolve(), dispatchers)
                cases, fills = cases + 1, fills + outcome.fills
                differing += bool(outcome.faults)
                result = "; ".join(outcome.faults) or "equal, verified"
                counts = f"{assets:>4}{outcome.fills:>9,}{outcome.records:>9,}"
                print(f"{name:<18}{market.name:<18}{counts}  {result}", flush=True)
                gc.collect()
    print(f"{cases} cases, {fills:,} fills, {differing} differing, {time.perf_counter() - start:.0f} s")
    return 4 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
