"""Rows per second: the spread strategy with limits and recorder on, against a bare `wait_next_feed` loop.

Same rows, same engine, same bot. Only the run is timed, not the building of the bot.

    python benchmarks/replay.py [RECORDINGS]
"""

from __future__ import annotations

from typing import Any

from alternate import Result, show_machine
from samples import recordings_folder
from strategy_on_bots import ETH, bare_loop, example, our_bot, params_of, replayed

from arb.app.run_files import limits_of
from arb.bot.recorder import Recorder
from arb.bot.strategies import compile_strategy
from arb.strategy import spread

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


def main() -> None:
    show_machine()
    for name in ("spot_usdm", "usdm_bybit"):
        for overrides in ((), ETH):
            measure(name, overrides)


if __name__ == "__main__":
    main()
