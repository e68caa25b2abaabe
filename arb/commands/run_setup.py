"""What every command that runs a strategy begins and ends with: the strategy, the folder's place, the outcome."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from arb.bot.bot import Bot
from arb.bot.recorder import Recorder
from arb.commands.run_checks import refuse_unfit
from arb.commands.strategy_facts import facts_of
from arb.config import Config
from arb.errors import ArbError, ExitCode, StrategyError
from arb.leg import Leg
from arb.strategies.arguments import Arguments
from arb.strategies.flatten import flattening
from arb.strategies.loader import LoadedStrategy, load_strategy
from arb.strategies.spread.decisions import is_halted


class Setup(NamedTuple):
    """The strategy of a configuration, checked, with its numbers."""

    strategy: LoadedStrategy
    arguments: Arguments


def setup_of(config: Config) -> Setup:
    """Raises InputError for a strategy that cannot be loaded, ConfigError for its parameters, legs or capital."""
    refuse_unfit(config)
    strategy = load_strategy(config.strategy.function)
    return Setup(
        strategy, Arguments(strategy, facts_of(config), config.strategy.params, legs=len(config.legs))
    )


def with_end(
    config: Config, strategy: Callable[..., Any], legs: Sequence[Leg], bot: Bot, recorder: Recorder
) -> Callable[..., Any]:
    """The compiled strategy with what the host does behind it: `risk.on_halt`. What every world runs.

    The bot is closed by the host alone: a strategy that calls `close` would take the last state along.
    """
    bot.host()
    if config.risk.on_halt == "leave":
        return strategy
    return flattening(
        strategy,
        bot,
        recorder,
        legs,
        band=config.execution.slippage_tolerance,
        qty_max=config.risk.max_order_qty or 0.0,
        notional_max=config.risk.max_order_notional or 0.0,
    )


def run_folder_path(out: Path | None, now: datetime, world: str) -> Path:
    """Where a run is written: `out`, or a folder of its own below `runs`."""
    return out or Path("runs") / f"{now:%Y%m%dT%H%M%S.%fZ}-{world}"


def outcome_of(
    value: object, *, is_interrupted: bool = False, error: ArbError | None = None
) -> tuple[str, ExitCode]:
    """The outcome in the manifest and the exit code of a strategy that returned, was interrupted or raised `error`."""
    if error is not None:
        return "failed", error.exit_code
    if is_interrupted:
        return "interrupted", ExitCode.INTERRUPTED
    return ("halted", ExitCode.HALTED_BY_RISK) if is_halted(value) else ("ended", ExitCode.DONE)


def ended_manifest(outcome: str, error: ArbError | None) -> dict[str, str | None]:
    """What the manifest of a run over recorded days says of its end; `error` is one line."""
    return {"outcome": outcome, "error": None if error is None else str(error)}


def written_error(error: StrategyError, folder: Path) -> StrategyError:
    """The error that a command ends with once the run's folder is written."""
    return StrategyError(f"{error}; the run until then is in {folder}")
