"""The whole interface in a backtest and in a dry-run over the same rows, and the first event at which they differ.

`python -m tests.parity.differential [--recordings FOLDER] [--snapshot-every 1]` runs it over the shared recordings.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numba import typeof

from arb.backtest.assets import LegData, array_ranges, backtest_bot_for
from arb.bot.compilation import compile_strategy
from arb.bot.numba_types import bot_type
from arb.bot.uses import Uses, uses_of
from arb.runtime.replay import PIECE_ROWS, replay
from arb.simulation.bot import DryRunBot

from .interface import EVENTS, VALUES, Probe, ask_all, ask_arrays, make_probe

ROOT = Path(__file__).parents[2]


class Agreement(NamedTuple):
    """How many events were compared; first: the first one that differs, -1 for none, with both worlds' answers."""

    events: int
    first: int
    theirs: Any
    ours: Any


def compare_interface(
    function: Callable[..., Any],
    legs: Sequence[LegData],
    *,
    qty: float,
    snapshot_every: int = 1,
    piece_rows: int = PIECE_ROWS,
) -> Agreement:
    """Runs `ask_all` or `ask_arrays` in both worlds. Raises what it raises in a dry-run."""
    worlds = (_backtest, lambda *given: _dry_run(*given, piece_rows))
    strategy = compile_strategy(function)
    strategy.compile((bot_type, typeof(make_probe(1)), typeof(qty), typeof(snapshot_every)))
    uses = uses_of(strategy)
    theirs, ours = (_run(world, strategy, uses, legs, qty, snapshot_every) for world in worlds)
    events = int(max(theirs.state[EVENTS], ours.state[EVENTS]))
    differing = np.flatnonzero(theirs.hashes[:events] != ours.hashes[:events])
    if not len(differing) and theirs.state.tolist() == ours.state.tolist():
        return Agreement(events, -1, None, None)
    first = int(differing[0]) if len(differing) else events
    theirs, ours = (_run(world, strategy, uses, legs, qty, snapshot_every, first) for world in worlds)
    return Agreement(events, first, theirs.values[: theirs.state[VALUES]], ours.values[: ours.state[VALUES]])


def _run(
    world: Callable[..., None],
    strategy: Any,
    uses: Uses,
    legs: Sequence[LegData],
    qty: float,
    snapshot_every: int,
    watched: int = -1,
) -> Probe:
    probe = make_probe(watched=watched)
    world(strategy, uses, legs, (probe, qty, snapshot_every))
    return probe


def _backtest(strategy: Any, uses: Uses, legs: Sequence[LegData], arguments: tuple[Any, ...]) -> None:
    with backtest_bot_for(uses, legs, None) as bot:
        strategy(bot, *arguments)


def _dry_run(
    strategy: Any, uses: Uses, legs: Sequence[LegData], arguments: tuple[Any, ...], piece_rows: int
) -> None:
    bot = DryRunBot(
        [data.leg for data in legs],
        keep_trades=uses.trades,
        arrays_over=array_ranges(legs, uses),
    )
    task = replay(bot, [data.arrays for data in legs], strategy, (bot, *arguments), piece_rows=piece_rows)
    if task.error is not None:
        raise task.error
    if bot.world.lost:
        raise AssertionError(f"{bot.world.lost} requests or answers were lost")


def show(what: str, found: Agreement, seconds: float) -> None:
    """A line, and the answers that differ."""
    said = "equal" if found.first < 0 else f"DIFFERS at event {found.first:,}"
    print(f"{what:<34} {found.events:>9,} events  {said}  {seconds:.0f} s", flush=True)
    if found.first >= 0:
        for index, (theirs, ours) in enumerate(zip(found.theirs, found.ours, strict=False)):
            # Zeros have a sign.
            if repr(theirs) != repr(ours):
                print(f"  answer {index}: backtest {theirs!r}, dry-run {ours!r}")


def main() -> int:
    """Compares and prints; 4 where anything differs."""
    sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "examples")]
    import strategy_on_bots as bots

    parser = argparse.ArgumentParser()
    parser.add_argument("--recordings", type=Path, default=ROOT.parent / "shared" / "recordings")
    parser.add_argument("--snapshot-every", type=int, default=1)
    given = parser.parse_args()
    is_equal = True
    for name, coin, overrides in (
        ("spot_usdm", "BTC", ()), ("spot_usdm", "ETH", bots.ETH),
        ("usdm_bybit", "BTC", ()), ("usdm_bybit", "ETH", bots.ETH),
    ):  # fmt: skip
        legs = bots.replayed(bots.example(name, overrides), given.recordings)
        for function in (ask_all, ask_arrays):
            start = time.perf_counter()
            qty = 0.01 if coin == "BTC" else 0.1
            found = compare_interface(function, legs, qty=qty, snapshot_every=given.snapshot_every)
            show(f"{name} {coin} {function.__name__}", found, time.perf_counter() - start)
            is_equal = is_equal and found.first < 0
    return 0 if is_equal else 4


if __name__ == "__main__":
    sys.exit(main())
