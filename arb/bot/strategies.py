"""Compilation of strategies, of users and our own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# Teaches Numba the bot's methods.
import arb.bot.methods  # noqa: F401
from arb.bot.cache import bot_compiled


def compile_strategy(function: Callable[..., Any]) -> Any:
    """Numba dispatcher of a strategy `function(bot, ...)`, cached on disk across processes.

    function: a plain function or one under the user's own `@njit`, whose flags are dropped: the GIL is
    released and division by zero raises. Nothing is compiled before the first call. The same dispatcher takes
    the bot of every world, with one compilation.
    """
    return bot_compiled(function)
