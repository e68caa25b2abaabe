"""How a run reports an exception of its strategy: the error, its place in the source, and the bot's time."""

from __future__ import annotations

from arb.bot.bot import Bot
from arb.bot.error_lines import ErrorLine, error_lines
from arb.engine.world import NEVER
from arb.errors import StrategyError
from arb.results.trades import iso_time
from arb.strategies.source_code import Code

#: Prefix of the text of a strategy's error.
RAISED = "the strategy raised "


def strategy_error(error: BaseException, bot: Bot, code: Code) -> StrategyError:
    """The error's text with source lines and the bot's time. Call it right after the strategy raised the error.

    Files are named as in the manifest (`Code.name_of`), so that a replay in any working directory has the same text.
    """
    raised = f"{type(error).__name__}: {error}".removesuffix(": ")
    return StrategyError(f"{RAISED}{raised}{_place(error_lines(), code)}{_time(bot.now)}")


def _place(lines: list[ErrorLine], code: Code) -> str:
    """The line that raised the error, and the strategy's own line that led to it."""
    if not lines:
        return ""
    calls = f", called from {_line(lines[-1], code)}" if len(lines) > 1 else ""
    return f"; {_line(lines[0], code)}{calls}"


def _line(line: ErrorLine, code: Code) -> str:
    return f"{code.name_of(line.file)} line {line.line} in {line.function.rpartition('.')[2]}"


def _time(now_ns: int) -> str:
    if now_ns in (0, NEVER):
        return ", before its first wait"
    return f", at {iso_time(now_ns)} of its clock"
