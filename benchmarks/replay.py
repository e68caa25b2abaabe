"""Rows a second of the spread strategy with limits and recorder, against a bare `wait_next_feed` loop.

Also the simulated exchange of dry-runs (`[backtest] engine = "arb"`) against hftbacktest's engine. Same rows; only the
run is timed, not the construction of the bot.

    python benchmarks/replay.py [RECORDINGS]
"""

from __future__ import annotations

from typing import Any

from alternate import Result, show_machine
from samples import recordings_folder
from strategy_on_bots import ETH, bare_loop, example, our_bot, params_of, replayed

from arb.bot.compilation import compile_strategy
from arb.bot.recorder import Recorder
from arb.commands.run_files import limits_of
from arb.runtime.replay import replay
from arb.simulation.bot import DryRunBot
from arb.strategies.spread import strategy as spread

#: The recordings are six minutes long; read this often in a row, a run is long enough to time.
RUNS = 25


def measure(name: str, overrides: tuple[str, ...]) -> None:
    """One line: strategy rows per second over bare rows per second."""
    import statistics

    from alternate import seconds

    config = example(name, overrides)
    legs = replayed(config, recordings_folder())
    rows = sum(len(array) for leg in legs for array in leg.arrays)
    params = params_of(config)
    strategy, bare = compile_strategy(spread.run), compile_strategy(bare_loop)

    def run_strategy() -> float:
        recorder = Recorder(2)
        bot = our_bot(legs, limits_of(config))
        took = seconds(lambda: strategy(bot, params, recorder))
        bot.close()
        return took

    def run_bare() -> float:
        bot = our_bot(legs, None)
        took = seconds(lambda: bare(bot))
        bot.close()
        return took

    run_strategy()
    run_bare()
    pairs: list[Any] = []
    for number in range(RUNS):
        if number % 2:
            bare_s, strategy_s = run_bare(), run_strategy()
        else:
            strategy_s, bare_s = run_strategy(), run_bare()
        pairs.append((strategy_s, bare_s))
    ratios = sorted(b / s for s, b in pairs)
    ours = statistics.median(s for s, _ in pairs)
    peer = statistics.median(b for _, b in pairs)
    result = Result(ours, peer, statistics.median(ratios), ratios[RUNS // 4], ratios[-1 - RUNS // 4])
    print(
        f"{name} {config.strategy.symbol:<8} {result.ratio:.3f} of the bare loop "
        f"[{result.ratio_low:.3f} to {result.ratio_high:.3f}], target: 0.85   "
        f"{rows / ours / 1e6:.2f}M against {rows / peer / 1e6:.2f}M rows/s"
    )


def measure_engine(name: str, overrides: tuple[str, ...]) -> None:
    """One line: rows per second of the simulated exchange over those of hftbacktest's engine."""
    import statistics

    from alternate import seconds

    config = example(name, overrides)
    legs = replayed(config, recordings_folder())
    arrays = [leg.arrays for leg in legs]
    rows = sum(len(array) for own in arrays for array in own)
    params = params_of(config)
    strategy = compile_strategy(spread.run)

    def in_arb() -> float:
        recorder = Recorder(2)
        bot = DryRunBot([leg.leg for leg in legs], limits_of(config))
        took = seconds(lambda: replay(bot, arrays, strategy, (bot, params, recorder)))
        bot.close()
        return took

    def in_hftbacktest() -> float:
        recorder = Recorder(2)
        bot = our_bot(legs, limits_of(config))
        took = seconds(lambda: strategy(bot, params, recorder))
        bot.close()
        return took

    in_arb()
    in_hftbacktest()
    pairs: list[Any] = []
    for number in range(RUNS):
        if number % 2:
            theirs, ours = in_hftbacktest(), in_arb()
        else:
            ours, theirs = in_arb(), in_hftbacktest()
        pairs.append((ours, theirs))
    ratios = sorted(theirs / ours for ours, theirs in pairs)
    arb_s, hft_s = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
    print(
        f"{name} {config.strategy.symbol:<8} engine arb: {statistics.median(ratios):.3f} of hftbacktest's "
        f"[{ratios[RUNS // 4]:.3f} to {ratios[-1 - RUNS // 4]:.3f}]   "
        f"{rows / arb_s / 1e6:.2f}M against {rows / hft_s / 1e6:.2f}M rows/s"
    )


def main() -> None:
    show_machine()
    for name in ("spot_usdm", "usdm_bybit"):
        for overrides in ((), ETH):
            measure(name, overrides)
            measure_engine(name, overrides)


if __name__ == "__main__":
    main()
