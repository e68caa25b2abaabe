"""What a run reports of an exception of its strategy: what was raised, where in the source, and when."""

from __future__ import annotations

from pathlib import Path

from arb.bot.bot import Bot
from arb.bot.error_lines import ErrorLine, error_lines
from arb.bot.world import NEVER
from arb.errors import StrategyError
from arb.run.trades import iso_time

#: What the line begins with, and what stands before the time in it.
RAISED, AT = "the strategy raised ", ", at "


def strategy_error(error: BaseException, bot: Bot) -> StrategyError:
    """The error with its lines of source and the bot's time. Right after the strategy raised it."""
    raised = f"{type(error).__name__}: {error}".removesuffix(": ")
    return StrategyError(f"{RAISED}{raised}{_place(error_lines())}{_time(bot.now)}")


def _place(lines: list[ErrorLine]) -> str:
    """Where it was raised, and the line of the strategy itself that led there."""
    if not lines:
        return ""
    calls = f", called from {_line(lines[-1])}" if len(lines) > 1 else ""
    return f"; {_line(lines[0])}{calls}"


def _line(line: ErrorLine) -> str:
    path = Path(line.file)
    shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    return f"{shown} line {line.line} in {line.function.rpartition('.')[2]}"


def _time(now_ns: int) -> str:
    if now_ns in (0, NEVER):
        return ", before its first wait"
    return f"{AT}{iso_time(now_ns)} of its clock"
