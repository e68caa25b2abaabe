"""Shared by all commands that run a strategy: loading it, the folder's path, the outcome."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

import arb
from arb.bot.bot import Bot
from arb.bot.recorder import Recorder
from arb.commands.run_checks import refuse_unfit
from arb.commands.strategy_facts import facts_of
from arb.config import Config
from arb.engine.live import LiveBot
from arb.errors import ArbError, ExitCode, StrategyError
from arb.journal.schema import RunRow
from arb.leg import Leg
from arb.results.notes import capital_note
from arb.results.trades import Trade
from arb.strategies.arguments import Arguments
from arb.strategies.flatten import BANDS_MAX, HostOrders, closing_first, flattening, halting
from arb.strategies.hedge_first import hedge_of, hedging_first
from arb.strategies.loader import LoadedStrategy, load_strategy
from arb.strategies.spread.decisions import is_halted


class Setup(NamedTuple):
    """The loaded and checked strategy of a configuration, with its arguments."""

    strategy: LoadedStrategy
    arguments: Arguments


class WrittenRun(NamedTuple):
    """A run whose folder is written. summary: the content of `summary.json`; exit_code: the command's."""

    folder: Path
    summary: dict[str, Any]
    trades: list[Trade]
    exit_code: ExitCode
    #: The strategy still runs and cannot be stopped: the process must exit without it.
    is_lost: bool = False


def setup_of(config: Config, strategy: LoadedStrategy | None = None) -> Setup:
    """Raises InputError for a strategy that cannot be loaded, ConfigError for its parameters, legs or capital.

    strategy: the configured one, if it is loaded already.
    """
    strategy = strategy or load_strategy(config.strategy.function)
    refuse_unfit(config, strategy)
    return Setup(
        strategy, Arguments(strategy, facts_of(config), config.strategy.params, legs=len(config.legs))
    )


def default_capital_note(config: Config) -> str:
    """The note of a run on its capital, which no `[capital]` states."""
    return capital_note({venue: (one.quote, one.base_of) for venue, one in config.capital.items()})


def with_end(
    config: Config,
    strategy: Callable[..., Any],
    legs: Sequence[Leg],
    bot: Bot,
    recorder: Recorder,
    *,
    is_closing_first: bool = False,
) -> Callable[..., Any]:
    """The compiled strategy, after the hedge of positions that it takes over, and before `risk.on_halt`. Every world
    runs this. is_closing_first: these positions are closed instead.

    Only the host closes the bot: if a strategy could, the final state would be lost.
    """
    bot.host()
    host = _host_orders(config, legs, bot, recorder)
    if any(leg.opening_position for leg in legs):
        strategy = hedging_first(strategy, host)
        if is_closing_first:
            strategy = closing_first(strategy, host)
    if config.risk.on_halt == "leave":
        return strategy
    return flattening(strategy, host)


def with_halt(
    config: Config,
    strategy: Callable[..., Any],
    legs: Sequence[Leg],
    bot: LiveBot,
    recorder: Recorder,
    *,
    has_pairs: bool,
) -> Callable[..., Any]:
    """What `with_end` gives, followed by what `arb halt` asks for, and by the balance of pairs if the strategy, which
    takes pairs, halts by itself. Sessions whose orders venues answer.

    Compiles also what a session after a crash needs, which must not wait for it with an open leg.
    """
    host = _host_orders(config, legs, bot, recorder)
    return halting(strategy, bot, host, hedge_of(host), has_pairs=has_pairs)


def _host_orders(config: Config, legs: Sequence[Leg], bot: Bot, recorder: Recorder) -> HostOrders:
    risk = config.risk
    # Its widest band is one that a session's gate lets pass.
    band = min(config.execution.slippage_tolerance, config.live.price_band_bps / 10_000.0 / BANDS_MAX)
    bounds = band, risk.max_order_qty or 0.0, risk.max_order_notional or 0.0
    return HostOrders(bot, recorder, legs, *bounds)


def run_folder_path(out: Path | None, now: datetime, world: str) -> Path:
    """The folder of a run: `out`, or a new folder below `runs`."""
    return out or Path("runs") / f"{now:%Y%m%dT%H%M%S.%fZ}-{world}"


def run_row(command: str, config: Config, folder: Path) -> RunRow:
    """A session that begins, for the tables of a journal. folder: of the session."""
    text = msgspec.json.encode(config.as_dict(), order="deterministic")
    return RunRow(command, arb.__version__, str(folder), hashlib.sha256(text).hexdigest(), time.time_ns())


def outcome_of(
    value: object, *, is_interrupted: bool = False, error: ArbError | None = None
) -> tuple[str, ExitCode]:
    """The manifest's outcome and the exit code of a strategy that returned, was interrupted or raised `error`."""
    if error is not None:
        return "failed", error.exit_code
    if is_interrupted:
        return "interrupted", ExitCode.INTERRUPTED
    return ("halted", ExitCode.HALTED_BY_RISK) if is_halted(value) else ("ended", ExitCode.DONE)


def ended_manifest(outcome: str, error: ArbError | None) -> dict[str, str | None]:
    """The manifest's fields about the end of a run; `error` is one line."""
    return {"outcome": outcome, "error": None if error is None else str(error)}


def written_error(error: StrategyError, folder: Path) -> StrategyError:
    """The error of the command after the run's folder was written."""
    return StrategyError(f"{error}; the run until then is in {folder}")
