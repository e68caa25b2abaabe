"""The full comparison: `python -m tests.parity.full [--seeds 100] [--orders 200]`, over the shared recordings.

Every pair of legs that the examples have, BTC and ETH: the spread strategy, the quoting example, quotes at the
touches of both legs, and random orders of all kinds. Prints what was compared and what differed; exit code 4 when
anything did.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "examples")]

import quoting  # noqa: E402
import strategy_on_bots as bots  # noqa: E402

from arb.backtest.assets import LegData  # noqa: E402
from arb.commands.run_files import limits_of  # noqa: E402
from arb.simulation.queue import QUEUE_MODELS  # noqa: E402
from arb.strategies.arguments import Arguments  # noqa: E402
from arb.strategies.loader import load_strategy  # noqa: E402
from tests.parity.strategies import quote_touches, random_orders  # noqa: E402
from tests.parity.worlds import Compared, compare, compare_again, hashmap_backtest, vector_backtest  # noqa: E402

MARKETS = [
    ("spot_usdm", "BTC", ()),
    ("spot_usdm", "ETH", bots.ETH),
    ("usdm_bybit", "BTC", ()),
    ("usdm_bybit", "ETH", bots.ETH),
]
_MS = 1_000_000


class Tally:
    """Adds up what was compared."""

    def __init__(self) -> None:
        self.runs = self.orders = self.fills = self.looks = self.differing = 0

    def add(self, what: str, compared: Compared, *, is_shown: bool = True) -> None:
        self.runs += 1
        self.orders += compared.orders
        self.fills += compared.fills
        self.looks += compared.looks
        is_bad = bool(compared.differing or compared.compiled)
        self.differing += is_bad
        if is_shown or is_bad:
            result = f"DIFFERS in {', '.join(compared.differing)}" if compared.differing else "equal"
            if compared.compiled:
                result += f", {compared.compiled} compilations in the dry-run"
            print(f"{what:<58} orders {compared.orders:>6} fills {compared.fills:>6}  {result}", flush=True)

    def show(self, what: str) -> None:
        print(
            f"{what}: {self.runs} runs, {self.orders:,} orders, {self.fills:,} fills, {self.looks:,} numbers and "
            f"records looked at, {self.differing} runs differing",
            flush=True,
        )


def spread(legs: Sequence[LegData], config: Any, overrides: str) -> Compared:
    """The configured strategy."""
    strategy = load_strategy(config.strategy.function)
    bound = Arguments(strategy, bots.facts_of(config), config.strategy.params)
    return compare(
        strategy.function,
        legs,
        lambda bot, recorder, _: bound.bind(bot, recorder),
        limits=(lambda: limits_of(config)) if overrides else None,
    )


def compare_quotes(tally: Tally, what: str, legs: Sequence[LegData], qty: float) -> None:
    """The quoting example, and quotes at both touches."""
    mid = float(legs[0].arrays[-1]["px"][100])
    for half_spread in (mid * 2e-5, mid * 1e-4):
        tally.add(
            f"{what} examples/quoting.py, half spread {half_spread:.2f}",
            compare(
                quoting.quote.py_func, legs, lambda bot, recorder, _, h=half_spread: (bot, recorder, h, qty)
            ),
        )
    for model in QUEUE_MODELS:
        changed = [
            LegData(
                replace(data.leg, queue_model=model, queue_power=3.0, maker_fee=-0.00007, taker_fee=0.00041),
                data.arrays,
            )
            for data in legs
        ]
        tally.add(
            f"{what} quotes at the touches, {model}",
            compare(quote_touches, changed, lambda bot, _, journal: (bot, journal, qty, 50 * _MS)),
        )


def compare_random(
    tally: Tally, legs: Sequence[LegData], seeds: Sequence[int], orders: int, what: str
) -> None:
    """Random orders: queue models and latencies by seed; every fifth seed has many orders resting side by side."""
    models = list(QUEUE_MODELS)
    for seed in seeds:
        entry, response = [(10, 10), (1, 3), (0, 0), (40, 5), (2, 250)][seed // 6 % 5]
        changed = [
            LegData(
                replace(
                    data.leg,
                    queue_model=models[seed % 6],
                    queue_power=1.0 + seed % 4,
                    entry_latency_ns=entry * _MS,
                    response_latency_ns=response * _MS,
                    maker_fee=-0.00011 if seed % 3 else 0.00017,
                    taker_fee=0.00043 + 0.00001 * (seed % 7),
                ),
                data.arrays,
            )
            for data in legs
        ]
        crowd = 6 if seed % 5 == 4 else 1
        lots = [data.leg.lot_size for data in legs]
        tally.add(
            f"{what} random orders, seed {seed}",
            compare(
                random_orders,
                changed,
                lambda bot, _, journal, s=seed, c=crowd, lots=lots: (bot, journal, s, orders, c, *lots),
                backtest=hashmap_backtest if seed % 2 else vector_backtest,
                is_exact=crowd == 1,
                piece_rows=[1 << 16, 4_099, 1 << 13][seed % 3],
                book_width=[1 << 15, 512, 64][seed % 3],
            ),
            is_shown=False,
        )


def compare_live(tally: Tally, legs: Sequence[LegData], what: str, qty: float) -> None:
    """Rows as a feed gives them, the venues' side behind its watermark; then a replay with the recorded times."""
    lots = [data.leg.lot_size for data in legs]
    tally.add(
        f"{what} random orders as they come, and again",
        compare_again(random_orders, legs, lambda bot, _, journal: (bot, journal, 5, 600, 1, *lots)),
    )
    tally.add(
        f"{what} quotes as they come, and again",
        compare_again(quote_touches, legs, lambda bot, _, journal: (bot, journal, qty, 50 * _MS)),
    )


def main() -> int:
    """Compares and prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--recordings", type=Path, default=ROOT.parent / "shared" / "recordings")
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--orders", type=int, default=200)
    parser.add_argument("--only", choices=["spread", "quotes", "random", "live"])
    given = parser.parse_args()
    start = time.perf_counter()
    tallies = {name: Tally() for name in ("spread", "quotes", "random", "live")}
    for number, (name, coin, overrides) in enumerate(MARKETS):
        config = bots.example(name, overrides)
        legs = bots.replayed(config, given.recordings)
        what = f"{name} {coin}"
        if given.only in (None, "spread"):
            tallies["spread"].add(f"{what} spread strategy", spread(legs, config, ""))
            tallies["spread"].add(f"{what} spread strategy, with limits", spread(legs, config, "limits"))
        if given.only in (None, "quotes"):
            compare_quotes(tallies["quotes"], what, legs, 0.01 if coin == "BTC" else 0.1)
        if given.only in (None, "random"):
            seeds = range(number, given.seeds, len(MARKETS))
            compare_random(tallies["random"], legs, seeds, given.orders, what)
        if given.only in (None, "live"):
            compare_live(tallies["live"], legs, what, 0.01 if coin == "BTC" else 0.1)
    for name, tally in tallies.items():
        if tally.runs:
            tally.show(name)
    print(f"{time.perf_counter() - start:.0f} s")
    return 4 if any(tally.differing for tally in tallies.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
