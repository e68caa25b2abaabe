"""`arb dry-run` over recorded days: live bot and simulated exchange over rows, into a run folder."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from arb.backtest.assets import array_ranges
from arb.backtest.output import output_of
from arb.backtest.runner import compile_ahead, leave_now
from arb.bot.recorder import Recorder
from arb.commands.idle_keys import World
from arb.commands.recorded_days import MAKES_NO_CALL, Replayed, run_days
from arb.commands.run_files import Inputs
from arb.commands.run_setup import Setup, WrittenRun, outcome_of, with_end
from arb.config import Config
from arb.data.rows.window import Window
from arb.engine.live import LiveBot
from arb.engine.world import NEVER
from arb.errors import ExitCode, InvariantError, StrategyError
from arb.interrupts import interrupt_handled
from arb.results.failure import strategy_error
from arb.risk.limits import Limits
from arb.runtime.display import write_error
from arb.runtime.replay import PIECE_ROWS, replay
from arb.runtime.watchdog import Watchdog
from arb.simulation.bot import DryRunBot
from connectors.units import SECOND

if TYPE_CHECKING:
    from arb.commands.recordings import StartProgress

#: Rows that a paced replay passes to a leg at a time: some hundredths of a second of a busy market.
_PACED_ROWS = 64


def run_recorded(
    config: Config,
    start: date,
    end: date | None,
    out: Path | None,
    *,
    window: Window | None = None,
    speed: float | None = None,
    progress: StartProgress | None = None,
    has_report: bool = True,
) -> WrittenRun:
    """Runs recorded days through the live bot; writes what a backtest of the same days writes, with the same trades.

    speed: multiple of real time; None: as fast as possible. Ctrl+C ends it, with the folder complete; see `run_days`.
    """
    return run_days(
        config,
        start,
        end,
        out,
        partial(replay_inputs, speed=speed),
        measured_by=replay_inputs,
        command="dry-run",
        world=World.REPLAY,
        window=window,
        progress=progress,
        has_report=has_report,
        speed=speed,
    )


def replay_inputs(
    config: Config,
    setup: Setup,
    inputs: Inputs,
    limits: Limits,
    *,
    speed: float | None = None,
    on_hung: Callable[[Replayed], None] | None = None,
) -> Replayed:
    """Runs the strategy over recorded rows in the simulation; returns its results and how it ended.

    on_hung: called on another thread when the strategy blocks the main thread, and must end the process. It blocks if
    it computes for `dry_run.hang_s` without calling the bot, or makes no call after an interrupt. Without `on_hung`,
    nothing is written then.
    """
    recorder = Recorder(len(inputs.legs))
    strategy = compile_ahead(*setup, recorder)
    bot = DryRunBot(
        inputs.legs,
        limits,
        keep_trades=strategy.uses.trades,
        arrays_over=array_ranges(inputs.data, strategy.uses),
        subtracts_taken=config.backtest.liquidity_consumption,
    )
    function = with_end(config, strategy.function, inputs.legs, bot, recorder)
    arrays = [data.arrays for data in inputs.data]
    began_ns = time.monotonic_ns()
    hang_s = config.dry_run.hang_s
    #: Acquired by the thread that continues, this one or the one that gives the strategy up; never released.
    going_on = threading.Lock()

    def give_up(what: str, code: ExitCode = ExitCode.OUR_FAULT) -> None:
        if not going_on.acquire(blocking=False):  # the strategy returned at this moment
            return
        if on_hung is not None:
            output = output_of(bot, recorder, inputs.legs, is_lost=True)
            on_hung(Replayed(output, "hung", code, StrategyError(what), is_lost=True))
        write_error(f"error: {what}; nothing is written")
        leave_now(code)

    watchdog = Watchdog(lambda: began_ns, lambda: bot.world.heartbeat, hang_s, give_up, may_be_busy=True)
    watchdog.start()
    is_interrupted = False
    try:
        task = replay(
            bot,
            arrays,
            function,
            setup.arguments.bind(bot, recorder),
            piece_rows=PIECE_ROWS if speed is None else _PACED_ROWS,
            pace=None if speed is None else paced(speed, watchdog),
            on_lost=lambda: give_up(MAKES_NO_CALL, ExitCode.INTERRUPTED),
        )
    except KeyboardInterrupt:
        interrupt_handled()
        is_interrupted = True
    finally:
        watchdog.close()
    going_on.acquire()
    if is_interrupted:
        return Replayed(output_of(bot, recorder, inputs.legs), "interrupted", ExitCode.INTERRUPTED)
    error = None if task.error is None else strategy_error(task.error, bot, setup.strategy.code)
    if error is None:
        refuse_lost(bot)
    output = output_of(bot, recorder, inputs.legs)
    return Replayed(output, *outcome_of(task.value, error=error), error)


def refuse_lost(bot: LiveBot) -> None:
    """Raises InvariantError if a queue overflowed: the results are invalid."""
    if bot.world.lost:
        raise InvariantError(
            f"{bot.world.lost} requests or responses found a queue full: the results are invalid"
        )


def paced(
    speed: float,
    watchdog: Watchdog | None = None,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Callable[[int], None]:
    """Paces a replay so that `speed` seconds of market time pass per second; suspends the watchdog meanwhile.

    clock, sleep: in seconds.
    """
    began: list[float] = []

    def wait(known_ts: int) -> None:
        if known_ts in (-1, NEVER):
            return
        if not began:
            began.extend((clock(), known_ts))
        ahead_s = (known_ts - began[1]) / SECOND / speed - (clock() - began[0])
        if ahead_s > 0:
            with watchdog.paused() if watchdog is not None else contextlib.nullcontext():
                sleep(ahead_s)

    return wait
