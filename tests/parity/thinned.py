"""Random sets of the spread strategy on all rows, on thinned and on quiet ones: fills, decisions, records and states
compared.

    python -m tests.parity.thinned [--sets 500] [--engine arb | hftbacktest] [--recordings DIR]

Every pair of legs that the examples have, BTC and ETH; a set draws its mode, numbers, latencies, fees and limits. Exit
code 4 if anything differs. Records are compared to the bit, so that every figure of a summary is equal, too.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "benchmarks"), str(ROOT / "examples")]

import strategy_on_bots as bots  # noqa: E402

from arb.backtest.assets import LegData, backtest_bot  # noqa: E402
from arb.bot.bot import Bot  # noqa: E402
from arb.bot.compilation import compile_strategy  # noqa: E402
from arb.bot.recorder import DECISION, RECORD, Recorder  # noqa: E402
from arb.commands.sweep_quiet import ROUNDS_MAX, further  # noqa: E402
from arb.leg import Leg  # noqa: E402
from arb.risk.limits import AssetLimits, Limits  # noqa: E402
from arb.runtime.replay import replay  # noqa: E402
from arb.simulation.bot import DryRunBot  # noqa: E402
from arb.strategies.arguments import Arguments, params_record  # noqa: E402
from arb.strategies.loader import load_strategy  # noqa: E402
from arb.strategies.spread import strategy as spread  # noqa: E402
from arb.strategies.spread.quiet import active_spans  # noqa: E402
from arb.sweep.quiet import QuietRows, quiet_rows  # noqa: E402
from arb.sweep.quiet_spans import Spans  # noqa: E402
from arb.sweep.thin import thinned  # noqa: E402
from parity.full import MARKETS  # noqa: E402

_MS, _S = 1_000_000, 1_000_000_000
#: Of a run, and those that make rows late and books silent.
STALE_NS = (2_000 * _MS, 60 * _MS, 15 * _MS)
#: Shorter than many attempts.
QUIET_AFTER_NS = 50 * _MS


class Drawn(NamedTuple):
    """A set: values of the strategy's record, both legs, and the arguments of its limits; () for no limits."""

    params: dict[str, Any]
    legs: list[Leg]
    limits: tuple[float, int] | tuple[()]


class Ran(NamedTuple):
    """What a run gave, as bytes; and its numbers of fills and decisions."""

    value: int
    fills: bytes
    decisions: bytes
    records: bytes
    final: bytes
    count: int
    decided: int


def draw(dice: np.random.Generator, facts: dict[str, Any], legs: Sequence[Leg]) -> Drawn:
    """A random set: sensible numbers, and now and then an extreme one."""
    one = dice.random
    size = float(facts["max_position_size"][0]) * float(dice.choice([0.2, 1.0, 5.0]))
    fee = float(dice.choice([0.0, 0.0, 0.00002, 0.0004]))
    timeout_ms = int(dice.choice([5, 30, 300, 2_000]))
    params = dict(
        facts,
        is_convergence=bool(one() < 0.5),
        min_spread_bps=float(dice.uniform(0.0, 1.5)) - 2e4 * fee,
        exit_spread_bps=float(dice.choice([-0.3, 0.0, 0.1, 0.3])),
        max_holding_ns=int(dice.choice([0, 0, 3 * _S, 20 * _S])),
        basis_halflife_ns=int(dice.choice([0, 5 * _S, 30 * _S])),
        max_position_size=(size, size),
        inventory_skew_bps=float(dice.choice([0.0, 0.5, 5.0])),
        rebalance_threshold=float(dice.choice([0.02, 0.1, 1.0])),
        rebalance_cost_bps=float(dice.choice([0.0, 1.0, 5.0])),
        stop_loss_bps=float(dice.choice([0.2, 1.0, 50.0])),
        max_failures=int(dice.choice([0, 2, 5])),
        cooldown_ns=int(dice.choice([1, 60])) * _S,
        order_timeout_ns=timeout_ms * _MS,
        unhedged_max_ns=int(dice.choice([0, timeout_ms * _MS // 2])),
        max_chases=int(dice.choice([0, 1, 5])),
        chase_interval_ns=int(dice.choice([0, 1, 50])) * _MS,
        attempt_interval_ns=int(dice.choice([0, 20, 100, 1_000])) * _MS,
        touch_share=float(dice.choice([0.1, 0.5, 1.0])),
        slippage_tolerance=float(dice.choice([0.0, 0.00001, 0.00003, 0.001])),
        stale_after_ns=int(STALE_NS[int(dice.choice([0, 0, 1, 2]))]),
        record_interval_ns=int(dice.choice([100, 1_000])) * _MS,
        taker_fee=(fee, fee),
    )  # fmt: skip
    drawn = [
        replace(
            leg,
            entry_latency_ns=int(dice.choice([1, 5, 10, 60])) * _MS,
            response_latency_ns=int(dice.choice([0, 2, 10, 200])) * _MS,
            taker_fee=fee,
        )
        for leg in legs
    ]
    limits = (2.0 * size, int(dice.choice([2, 5]))) if one() < 0.3 else ()
    return Drawn(params, drawn, limits)


class Market:
    """Both legs of an example with all rows, and thinned for each bound of staleness."""

    def __init__(self, name: str, overrides: tuple[str, ...], recordings: Path) -> None:
        self.config = bots.example(name, overrides)
        self.all = bots.replayed(self.config, recordings)
        self.facts = Arguments(
            load_strategy(self.config.strategy.function), bots.facts_of(self.config), {}
        ).params
        self.thin = {
            stale_ns: [
                [thinned(data.arrays, data.leg.tick_size, data.leg.lot_size, stale_ns)] for data in self.all
            ]
            for stale_ns in STALE_NS
        }
        self._made: dict[tuple[int, int], QuietRows] = {}

    def difference(self, drawn: Drawn, engine: Callable[..., Ran]) -> tuple[Ran, list[str], bool]:
        """The run on all rows, and the names of what differs from it on thinned and quiet ones; whether there were any
        of these."""
        whole = engine(drawn, [data.arrays for data in self.all])
        kept = [engine(drawn, self.thin[drawn.params["stale_after_ns"]])]
        quiet = on_quiet(drawn, self._quiet(drawn.params), engine)
        kept += [] if quiet is None else [quiet]
        names = [name for one in kept for name in Ran._fields if getattr(whole, name) != getattr(one, name)]
        return whole, names, quiet is not None

    def _quiet(self, params: dict[str, Any]) -> QuietRows:
        stale_ns, interval_ns = params["stale_after_ns"], params["record_interval_ns"]
        if (stale_ns, interval_ns) not in self._made:
            legs = [rows for (rows,) in self.thin[stale_ns]]
            ticks = [(data.leg.tick_size, data.leg.lot_size) for data in self.all]
            self._made[stale_ns, interval_ns] = quiet_rows(legs, ticks, interval_ns)
        return self._made[stale_ns, interval_ns]


def on_quiet(drawn: Drawn, quiet: QuietRows, engine: Callable[..., Ran]) -> Ran | None:
    """A run as `arb sweep` makes it, however few rows are quiet; None if the set needs all thinned ones."""
    spans = None
    if not drawn.params["is_convergence"]:
        spans = Spans(quiet, active_spans(quiet.prices, drawn.params, QUIET_AFTER_NS))
    for _ in range(ROUNDS_MAX):
        if spans is None:
            return None
        ran = engine(drawn, [[np.concatenate(pieces)] for pieces in quiet.within(spans.points)])
        records = np.frombuffer(ran.records, RECORD).reshape(-1, 2)
        output = SimpleNamespace(decisions=np.frombuffer(ran.decisions, DECISION), records=records)
        needed = further(spans, SimpleNamespace(error="", output=output), drawn.params)  # type: ignore[arg-type]
        if needed is spans:
            return ran
        spans = needed
    return None


def on_hftbacktest(drawn: Drawn, rows: Sequence[Any]) -> Ran:
    """A run in hftbacktest's engine."""
    legs = [LegData(leg, arrays) for leg, arrays in zip(drawn.legs, rows, strict=True)]
    bot = backtest_bot(legs, limits_of(drawn), keep_trades=False)
    recorder = Recorder(2)
    value = _strategy()(bot, params_record(drawn.params), recorder)
    return _ran(bot, recorder, value)


def on_arb(drawn: Drawn, rows: Sequence[Any]) -> Ran:
    """A run in the engine of dry-runs."""
    bot, recorder = DryRunBot(drawn.legs, limits_of(drawn)), Recorder(2)
    task = replay(bot, rows, _strategy(), (bot, params_record(drawn.params), recorder))
    if task.error is not None:
        raise task.error
    return _ran(bot, recorder, task.value)


ENGINES: dict[str, Callable[..., Ran]] = {"arb": on_arb, "hftbacktest": on_hftbacktest}


def limits_of(drawn: Drawn) -> Limits | None:
    """New limits of a set, which count what they refuse."""
    if not drawn.limits:
        return None
    position_max, orders_max = drawn.limits
    assets = [AssetLimits(position_max=position_max, contract_size=leg.contract_size) for leg in drawn.legs]
    return Limits(assets, orders_max=orders_max)


@cache
def _strategy() -> Any:
    return compile_strategy(spread.run)


def _ran(bot: Bot, recorder: Recorder, value: Any) -> Ran:
    last = Recorder(2, rows=1)
    _record_once(bot, last)
    fills = np.sort(bot.collect_fills(), order=["asset_no", "exch_ts", "order_id"])
    ran = Ran(
        int(value),
        fills.tobytes(),
        recorder.decisions.tobytes(),
        recorder.records.tobytes(),
        last.records.tobytes(),
        len(fills),
        len(recorder.decisions),
    )
    bot.close()
    return ran


@compile_strategy
def _record_once(bot, recorder):
    recorder.record(bot)


def main() -> int:
    """Compares and prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--recordings", type=Path, default=ROOT.parent / "shared" / "recordings")
    parser.add_argument("--sets", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engine", choices=list(ENGINES), action="append")
    given = parser.parse_args()
    start, all_fills, differing = time.perf_counter(), 0, 0
    for engine in given.engine or list(ENGINES):
        for number, (name, coin, overrides) in enumerate(MARKETS):
            market = Market(name, overrides, given.recordings)
            dice = np.random.default_rng([given.seed, number])
            fills = decided = bad = quiet = 0
            for set_no in range(given.sets):
                drawn = draw(dice, market.facts, [data.leg for data in market.all])
                ran, names, is_quiet = market.difference(drawn, ENGINES[engine])
                quiet += is_quiet
                fills, decided, bad = fills + ran.count, decided + ran.decided, bad + bool(names)
                if names:
                    print(f"  set {set_no} differs in {', '.join(names)}: {drawn}", flush=True)
            print(
                f"{engine:<12} {name:<11} {coin}  {given.sets} sets, {quiet} on quiet rows, {fills:,} fills, "
                f"{decided:,} decisions, {bad} sets differing  ({time.perf_counter() - start:.0f} s)",
                flush=True,
            )
            all_fills, differing = all_fills + fills, differing + bad
    print(f"{all_fills:,} fills, {differing} sets differing")
    return 4 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
