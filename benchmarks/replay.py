"""Rows a second of the spread strategy with limits and recorder, against a bare `wait_next_feed` loop.

Also the simulated exchange of dry-runs (`[backtest] engine = "arb"`) against hftbacktest's engine. Same rows; only the
run is timed, not the construction of the bot.

    python benchmarks/replay.py [RECORDINGS]
"""

from __future__ import annotations

from alternate import Result, Times, alternate_measured, show_machine, times_of
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


class Case:
    """The spread strategy over the recordings of an example."""

    def __init__(self, name: str, overrides: tuple[str, ...]) -> None:
        self.config = example(name, overrides)
        self.title = f"{name} {self.config.strategy.symbol:<8}"
        self.legs = replayed(self.config, recordings_folder())
        self.rows = sum(len(array) for leg in self.legs for array in leg.arrays)
        self.params = params_of(self.config)
        self.strategy, self.bare_loop = compile_strategy(spread.run), compile_strategy(bare_loop)

    def on_hftbacktest(self) -> Times:
        recorder, bot = Recorder(2), our_bot(self.legs, limits_of(self.config))
        took = times_of(lambda: self.strategy(bot, self.params, recorder))
        bot.close()
        return took

    def on_arb(self) -> Times:
        recorder, bot = Recorder(2), DryRunBot([leg.leg for leg in self.legs], limits_of(self.config))
        arrays = [leg.arrays for leg in self.legs]
        took = times_of(lambda: replay(bot, arrays, self.strategy, (bot, self.params, recorder)))
        bot.close()
        return took

    def bare(self) -> Times:
        bot = our_bot(self.legs, None)
        took = times_of(lambda: self.bare_loop(bot))
        bot.close()
        return took

    def show(self, what: str, result: Result) -> None:
        """One line: rows per second over those of the peer."""
        print(
            f"{self.title} {result.ratio:.3f} of {what} [{result.ratio_low:.3f} to {result.ratio_high:.3f}]   "
            f"{self.rows / result.ours / 1e6:.2f}M against {self.rows / result.peer / 1e6:.2f}M rows/s"
        )


def main() -> None:
    show_machine()
    for name in ("spot_usdm", "usdm_bybit"):
        for overrides in ((), ETH):
            case = Case(name, overrides)
            case.show("the bare loop, target: 0.85", alternate_measured(case.on_hftbacktest, case.bare, RUNS))
            engines = alternate_measured(case.on_arb, case.on_hftbacktest, RUNS)
            case.show("hftbacktest's engine with engine arb", engines)


if __name__ == "__main__":
    main()
