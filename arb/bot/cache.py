"""Compilation of code that uses the bot: our own functions, and what `arb.bot.compilation` compiles for users.

A strategy reaches a bot's methods as overloads, which no name in the strategy's file refers to; so the cache key of
everything that uses them covers all of `arb/bot` and `arb/risk` in addition to its own sources.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from connectors.jit.compilation import compiled, compiled_callback
from connectors.jit.dependencies import digest_of, tree_digest

_PACKAGE = Path(__file__).parent

#: Digest of the folders whose code is compiled into every function that takes a bot. Computed when they are imported:
#: a later compilation uses the imported code, even if a file is edited in the meantime.
FRAMEWORK = digest_of(tree_digest(folder) for folder in (_PACKAGE, _PACKAGE.parent / "risk"))


def bot_compiled(function: Callable[..., Any] | None = None, **flags: Any) -> Any:
    """`connectors.jit.compilation.compiled` for a function that takes a bot, a recorder or their parts."""
    return compiled(function, framework=FRAMEWORK, **flags)


def bot_callback(signature: Any, function: Callable[..., Any] | None = None, **flags: Any) -> Any:
    """`connectors.jit.compilation.compiled_callback` for a slot of a bot's table."""
    return compiled_callback(signature, function, framework=FRAMEWORK, **flags)
