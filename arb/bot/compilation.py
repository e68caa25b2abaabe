"""Compilation of strategies: users' and our own.

Ours are tested to stay within their arrays. Users' strategies, and their helper functions, are compiled with bounds
checks and record the lines of their errors (`arb.bot.error_lines`), so that a mistake raises an error with its line and
does not crash the process.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# Registers the bot's methods with Numba.
import arb.bot.methods  # noqa: F401
from arb.bot.cache import bot_compiled
from arb.bot.error_lines import StrategyCompiler, check_helpers, link_error_lines
from connectors.jit.dependencies import functions_reached

#: Packages that count as our own code.
_OUR_PACKAGES = ("arb", "connectors")


def compile_strategy(function: Callable[..., Any]) -> Any:
    """Numba dispatcher of a strategy `function(bot, ...)`, cached on disk across processes.

    function: a plain function or one under the user's own `@njit`, whose flags are dropped: the GIL is released and
    division by zero raises. Nothing is compiled before the first call. One compilation serves the bots of all worlds.
    """
    function = getattr(function, "py_func", function)
    if _is_ours(function):
        return bot_compiled(function)
    link_error_lines()
    check_helpers(helper for helper in functions_reached(function) if not _is_ours(helper.py_func))
    return bot_compiled(function, boundscheck=True, pipeline_class=StrategyCompiler)


def _is_ours(function: Callable[..., Any]) -> bool:
    return str(function.__module__).split(".")[0] in _OUR_PACKAGES
