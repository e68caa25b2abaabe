"""`arb backtest`: replays recorded days through a strategy and writes a run folder."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

from arb.backtest.assets import backtest_bot_for
from arb.backtest.runner import Ended, compile_ahead, run
from arb.bot.recorder import Recorder
from arb.commands.dryrun import MAKES_NO_CALL, HungRun, Replayed, replay_inputs
from arb.commands.idle_keys import World, configuration_notes
from arb.commands.legs import leg_of
from arb.commands.recordings import StartProgress
from arb.commands.run_checks import refuse_coarse_lots
from arb.commands.run_files import (
    Inputs,
    common_manifest,
    days_of_run,
    inputs_manifest,
    limits_of,
    output_of,
    read_inputs,
    write_run,
)
from arb.commands.run_setup import (
    Setup,
    WrittenRun,
    ended_manifest,
    outcome_of,
    run_folder_path,
    setup_of,
    with_end,
    written_error,
)
from arb.config import Config, on_data_grid
from arb.data.rows.cache import RowCache
from arb.errors import ExitCode, StrategyError
from arb.results.folder import RunFolder
from arb.results.result import RunResult
from arb.risk.limits import Limits


def run_backtest(
    config: Config,
    start: date,
    end: date | None,
    out: Path | None,
    *,
    progress: StartProgress | None = None,
    has_report: bool = True,
) -> WrittenRun:
    """Replays the days of both legs through the configured strategy and writes the run's folder.

    `progress` receives the number of bytes read while recordings are converted. Without `has_report`, or when the run
    is interrupted, no page and no charts are written; `arb report` can create them later. Raises StrategyError after
    the folder is written if the strategy raised.
    """
    config = on_data_grid(config)
    setup = setup_of(config)
    notes = configuration_notes(config, setup, World.BACKTEST)
    legs = [leg_of(leg) for leg in config.legs]
    days = days_of_run(config, legs, start, end)
    now = datetime.now(UTC)
    with RunFolder(run_folder_path(out, now, "backtest")) as folder, RowCache() as cache:
        inputs = read_inputs(config, legs, days, cache, progress)
        refuse_coarse_lots(config)
        limits = limits_of(config)

        def write(replayed: Replayed) -> RunResult:
            manifest = (
                common_manifest("backtest", config, *setup, now)
                | inputs_manifest(config, inputs, notes)
                | ended_manifest(replayed.outcome, replayed.error)
                | {"refusals": limits.refusals_of(legs)}
            )
            # An interrupted or failed run skips the charts.
            is_whole = replayed.exit_code not in (ExitCode.INTERRUPTED, ExitCode.OUR_FAULT)
            result = write_run(folder, manifest, replayed.output, has_report=has_report and is_whole)
            folder.publish()
            return result

        if config.backtest.engine == "arb":
            on_hung = HungRun(folder, write).end
            replayed = replay_inputs(config, setup, inputs, limits, on_hung=on_hung)
        else:
            replayed = in_hftbacktest(config, setup, inputs, limits)
        result = write(replayed)
    if replayed.error is not None and not replayed.is_lost:
        raise written_error(replayed.error, folder.path)
    return WrittenRun(
        folder.path, result.summary, replayed.output.trades, replayed.exit_code, replayed.is_lost
    )


def in_hftbacktest(config: Config, setup: Setup, inputs: Inputs, limits: Limits) -> Replayed:
    """Runs the strategy over recorded rows in hftbacktest's engine; returns its results and how it ended."""
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
