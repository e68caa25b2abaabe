"""Compilation of what is written against the bot: our own functions that take one, and what `arb.bot.compilation`
compiles for users.

The methods of a bot reach a strategy as overloads, which no name in the strategy's file leads to; so
everything that uses them is stamped with the whole of `arb/bot` and `arb/risk` besides its own sources.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from connectors.jit.compilation import compiled, compiled_callback

_PACKAGE = Path(__file__).parent

#: Folders whose code is compiled into everything that takes a bot.
FRAMEWORK = (_PACKAGE, _PACKAGE.parent / "risk")


def bot_compiled(function: Callable[..., Any] | None = None, **flags: Any) -> Any:
    """`connectors.jit.compilation.compiled` for a function that takes a bot, a recorder or their parts."""
    return compiled(function, framework=FRAMEWORK, **flags)


def bot_callback(signature: Any, function: Callable[..., Any] | None = None, **flags: Any) -> Any:
    """`connectors.jit.compilation.compiled_callback` for a slot of a bot's table."""
    return compiled_callback(signature, function, framework=FRAMEWORK, **flags)
