"""A run over recorded days, the same for `arb backtest` and `arb dry-run --start`: inputs, strategy, folder.

The commands differ in what runs the strategy over the rows; this module knows neither engine.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from arb.backtest.runner import compile_ahead, leave_now
from arb.bot.recorder import Recorder
from arb.commands.compilation_beside import CompilationBeside
from arb.commands.idle_keys import World, configuration_notes
from arb.commands.legs import legs_of
from arb.commands.measured_edges import with_edges
from arb.commands.run_checks import refuse_coarse_lots
from arb.commands.run_files import (
    Inputs,
    common_manifest,
    days_of_run,
    inputs_manifest,
    limits_of,
    read_inputs,
    write_run,
)
from arb.commands.run_setup import (
    Setup,
    WrittenRun,
    default_capital_note,
    ended_manifest,
    run_folder_path,
    setup_of,
    written_error,
)
from arb.config import Config, on_data_grid
from arb.config.starting_capital import with_starting_capital
from arb.data.rows.cache import RowCache
from arb.data.rows.window import Window
from arb.engine.price_range import RangeFinder, first_mid
from arb.errors import ExitCode, StrategyError
from arb.leg import IN_QUOTE, Leg
from arb.results.folder import RunFolder
from arb.results.notes import engine_note
from arb.results.result import RunOutput, RunResult
from arb.risk.limits import Limits
from arb.runtime.display import write_error

if TYPE_CHECKING:
    from arb.commands.recordings import StartProgress

#: Error for a strategy that an interrupt cannot end.
MAKES_NO_CALL = "the strategy did not call the bot after it was interrupted"


class Ready(NamedTuple):
    """What a run over recorded days begins with. config: the effective one; inputs: with its legs and notes."""

    config: Config
    setup: Setup
    inputs: Inputs
    limits: Limits


def ready(
    config: Config,
    setup: Setup,
    inputs: Inputs,
    *,
    command: str,
    mids: Callable[[], Sequence[float]] | None = None,
) -> Ready:
    """Completes a configuration by what the data say: the default capital, and an engine that knows its fees.

    mids: the first mid of every leg; None: found in the inputs. Raises ConfigError for lots that no attempt may trade.
    """
    inputs = inputs._replace(notes=list(inputs.notes))
    if not config.capital:
        known = mids() if mids is not None else first_mids(inputs)
        config = with_starting_capital(config, known)
        setup = setup_of(config, setup.strategy)
        inputs = inputs.of_legs(legs_of(config))
        inputs.notes.insert(0, default_capital_note(config))
    refuse_coarse_lots(config)
    if command == "backtest":
        config = _with_able_engine(config, inputs)
    return Ready(config, setup, inputs, limits_of(config))


def first_mids(inputs: Inputs) -> list[float]:
    """The first mid of every leg; NaN where there is none."""
    return [first_mid(data.arrays, data.leg) for data in inputs.data]


class Replayed(NamedTuple):
    """Result of a replay of recorded days: the strategy's output, how it ended, and its error."""

    output: RunOutput
    outcome: str
    exit_code: ExitCode
    error: StrategyError | None = None
    #: The strategy still runs and cannot be stopped: the process must exit without it.
    is_lost: bool = False


def run_days(
    config: Config,
    start: date,
    end: date | None,
    out: Path | None,
    engine: Callable[..., Replayed],
    *,
    measured_by: Callable[..., Replayed],
    command: str,
    world: World,
    window: Window | None = None,
    progress: StartProgress | None = None,
    has_report: bool = True,
    **manifest_extra: Any,
) -> WrittenRun:
    """Runs the days, or the window within them, through the configured strategy and writes the run's folder.

    engine: called with the configuration, setup, inputs, limits and `on_hung`, which it may call on another thread if
    the strategy blocks the main one: that writes the folder and ends the process. measured_by: the same at full speed,
    for the second pass over a run without a fill. out: None for a new folder below `runs`. progress: receives the
    number of bytes read while recordings are converted. manifest_extra: further keys of the manifest. An interrupted or
    failed run has no page and no charts; `arb report` can create them later. Raises StrategyError after the folder is
    written if the strategy raised.
    """
    config = on_data_grid(config)
    setup = setup_of(config)
    notes = configuration_notes(config, setup, world)
    legs = legs_of(config)
    days = days_of_run(config, legs, start, end)
    now = datetime.now(UTC)
    with (
        CompilationBeside(f"{command}-days", partial(_compile, setup, legs)),
        RunFolder(run_folder_path(out, now, command)) as folder,
        RowCache() as cache,
    ):
        inputs = read_inputs(config, legs, days, cache, progress, window=window)
        config, setup, inputs, limits = ready(config, setup, inputs, command=command)

        def write(replayed: Replayed) -> RunResult:
            manifest = (
                common_manifest(command, config, *setup, now)
                | inputs_manifest(config, inputs, notes)
                | ended_manifest(replayed.outcome, replayed.error)
                | {"refusals": limits.refusals_of(inputs.legs), **manifest_extra}
            )
            is_whole = replayed.exit_code not in (ExitCode.INTERRUPTED, ExitCode.OUR_FAULT)
            result = write_run(folder, manifest, replayed.output, has_report=has_report and is_whole)
            folder.publish()
            return result

        def end_hung(replayed: Replayed) -> None:
            _write_and_leave(folder, write, replayed)

        replayed = engine(config, setup, inputs, limits, on_hung=end_hung)
        replayed = with_edges(replayed, config, setup.arguments.params, inputs, measured_by)
        result = write(replayed)
    if replayed.error is not None and not replayed.is_lost:
        raise written_error(replayed.error, folder.path)
    return WrittenRun(
        folder.path, result.summary, replayed.output.trades, replayed.exit_code, replayed.is_lost
    )


def _compile(setup: Setup, legs: Sequence[Leg]) -> None:
    """Compiles what the strategy needs, while recordings are read."""
    RangeFinder(legs[0])
    compile_ahead(*setup, Recorder(len(legs)))


def _with_able_engine(config: Config, inputs: Inputs) -> Config:
    """The configuration with an engine that knows what the legs are charged and paid; a note names a change."""
    why = beyond_hftbacktest(config, inputs)
    if config.backtest.engine == "arb" or not why:
        return config
    inputs.notes.append(engine_note(why))
    return replace(config, backtest=msgspec.structs.replace(config.backtest, engine="arb"))


def beyond_hftbacktest(config: Config, inputs: Inputs) -> str:
    """What of a run hftbacktest's engine does not know; "" if there is nothing."""
    why = ["backtest.liquidity_consumption is set"] if config.backtest.liquidity_consumption else []
    why += [
        f"{leg.name} has funding rates"
        for leg, has in zip(inputs.legs, inputs.has_funding, strict=True)
        if has
    ]
    why += [f"{leg.name} pays fees as {leg.fee_asset!r}" for leg in inputs.legs if leg.fee_asset != IN_QUOTE]
    return why[0] if why else ""


def _write_and_leave(folder: RunFolder, write: Callable[[Replayed], object], replayed: Replayed) -> None:
    """Ends a run whose strategy blocks the main thread forever: writes the folder from another thread, and ends the
    process, even if writing fails."""
    try:
        write(replayed)
        if replayed.error is not None:
            write_error(f"error: {written_error(replayed.error, folder.path)}")
    except Exception as error:  # the process ends here in any case
        write_error(f"error: {replayed.error}; the run cannot be written: {error}")
    finally:
        with contextlib.suppress(OSError):  # removes unpublished files
            folder.__exit__(None, None, None)
        leave_now(replayed.exit_code)
