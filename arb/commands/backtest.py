"""`arb backtest`: replays recorded days through a strategy and writes a run folder."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arb.backtest.assets import backtest_bot_for
from arb.backtest.output import output_of
from arb.backtest.runner import Ended, compile_ahead, run
from arb.bot.recorder import Recorder
from arb.commands.idle_keys import World
from arb.commands.recorded_days import MAKES_NO_CALL, Replayed, run_days
from arb.commands.run_files import Inputs
from arb.commands.run_setup import Setup, WrittenRun, outcome_of, with_end
from arb.config import Config
from arb.data.rows.window import Window
from arb.errors import ExitCode, StrategyError
from arb.risk.limits import Limits

if TYPE_CHECKING:
    from arb.commands.recordings import StartProgress


def run_backtest(
    config: Config,
    start: date,
    end: date | None,
    out: Path | None,
    *,
    window: Window | None = None,
    progress: StartProgress | None = None,
    has_report: bool = True,
) -> WrittenRun:
    """Replays the days through the configured strategy and writes the run's folder: see `run_days`."""
    return run_days(
        config,
        start,
        end,
        out,
        _in_engine,
        measured_by=_in_engine,
        command="backtest",
        world=World.BACKTEST,
        window=window,
        progress=progress,
        has_report=has_report,
    )


def _in_engine(config: Config, *arguments: Any, **options: Any) -> Replayed:
    """Runs the strategy in the configured engine."""
    engine: Callable[..., Replayed] = in_hftbacktest
    if config.backtest.engine == "arb":
        # The simulated exchange of dry-runs takes time to load.
        from arb.commands.dryrun import replay_inputs

        engine = replay_inputs
    return engine(config, *arguments, **options)


def in_hftbacktest(
    config: Config, setup: Setup, inputs: Inputs, limits: Limits, *, on_hung: object = None
) -> Replayed:
    """Runs the strategy over recorded rows in hftbacktest's engine; returns its results and how it ended.

    on_hung: unused: the strategy has a thread of its own, and the command ends the process.
    """
    recorder = Recorder(len(inputs.legs))
    strategy = compile_ahead(*setup, recorder)
    bot = backtest_bot_for(strategy.uses, inputs.data, limits)
    function = with_end(config, strategy.function, inputs.legs, bot, recorder)
    error = None
    try:
        ended = run(function, setup.arguments.bind(bot, recorder), bot, setup.strategy.code)
    except StrategyError as raised:
        ended, error = Ended(None, is_interrupted=False), raised
    output = output_of(bot, recorder, inputs.legs, is_lost=ended.is_lost)
    if ended.is_lost:
        return Replayed(output, "hung", ExitCode.INTERRUPTED, StrategyError(MAKES_NO_CALL), is_lost=True)
    outcome, exit_code = outcome_of(ended.value, is_interrupted=ended.is_interrupted, error=error)
    return Replayed(output, outcome, exit_code, error)
