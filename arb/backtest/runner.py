"""Running a compiled strategy over a bot: in a thread of its own, so that Ctrl+C is heard while it runs."""

from __future__ import annotations

import ctypes
import os
import re
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from numba import typeof, types
from numba.core.errors import NumbaError, UnsupportedBytecodeError

from arb.bot.bot import Bot
from arb.bot.compilation import compile_strategy
from arb.bot.error_lines import enter_strategy
from arb.bot.numba_types import bot_type
from arb.bot.recorder import Recorder
from arb.bot.uses import Uses, uses_of
from arb.errors import InputError
from arb.results.failure import strategy_error
from arb.strategies.arguments import Arguments
from arb.strategies.loader import LoadedStrategy
from arb.strategies.source_code import Code

#: How long a stopped strategy may take to come back; one that does not call the bot never does.
STOP_SECONDS = 0.09
#: How long one that does not heed the stop may take until its next call of the bot, where it is held.
HOLD_SECONDS = 2.0
_HOLD = ctypes.CFUNCTYPE(None)
#: What strategies are held in, for good.
_held: list[Any] = []
#: How often the waiting thread looks up: a signal that another thread took does not wake it.
_POLL_SECONDS = 0.05


class Ended(NamedTuple):
    """How a run ended: what the strategy returned, and whether a person interrupted it."""

    value: Any
    is_interrupted: bool
    #: The strategy neither came back from an interruption nor called the bot: its bot must not be touched any more.
    is_lost: bool = False


def compile_for(strategy: LoadedStrategy, arguments: tuple[Any, ...]) -> Callable[..., Any]:
    """The strategy's machine code for these arguments, from the cache or made now. Raises InputError.

    arguments: values, or Numba types in the place of values that do not exist yet. Nothing is compiled any more once
    it runs.
    """
    try:
        dispatcher = compile_strategy(strategy.function)
        dispatcher.compile(tuple(_type_of(argument) for argument in arguments))
    except (NumbaError, UnsupportedBytecodeError, NotImplementedError) as error:
        # The last is what Numba raises for Python that it cannot compile.
        raise InputError(f"{strategy.spec}: does not compile: {_reason(error, strategy)}") from None
    except Exception as error:  # Numba's own stumbling over code that it cannot lower
        raise InputError(
            f"{strategy.spec}: does not compile: Numba fails with {type(error).__name__}: {error}; a common cause: "
            "what may be None (feed_latency, order_latency, orders.get) is indexed before it is unpacked"
        ) from None
    return dispatcher


class Compiled(NamedTuple):
    """A compiled strategy, and what a world must provide for it."""

    function: Callable[..., Any]
    uses: Uses


def compile_ahead(strategy: LoadedStrategy, arguments: Arguments, recorder: Recorder) -> Compiled:
    """The strategy compiled before there is a bot: what it uses decides how the bot is made. Raises InputError."""
    function = compile_for(strategy, arguments.bind(bot_type, recorder))
    return Compiled(function, uses_of(function))


def run(strategy: Callable[..., Any], arguments: tuple[Any, ...], bot: Bot, code: Code) -> Ended:
    """Runs to the end, or to Ctrl+C, after which it is held at its next call of the bot. Raises StrategyError.

    code: the strategy's, whose files an error names.
    """
    result: dict[str, Any] = {}
    # Not `Thread.join`: interrupted, it takes the running thread for ended (CPython before 3.13).
    done = threading.Event()
    thread = threading.Thread(
        target=_call, args=(strategy, arguments, result, done), name="strategy", daemon=True
    )
    is_interrupted = False
    try:
        thread.start()
        while not done.wait(_POLL_SECONDS):
            pass
    except KeyboardInterrupt:
        is_interrupted = True
        bot.stop()
        if not done.wait(STOP_SECONDS) and not _is_held(bot, done):
            return Ended(None, is_interrupted, is_lost=True)
    if "error" in result and not is_interrupted:
        raise strategy_error(result["error"], bot, code) from None
    return Ended(result.get("value"), is_interrupted)


def _is_held(bot: Bot, done: threading.Event) -> bool:
    """Whether the strategy ended or was held at its next call of the bot, which the caller may then use."""
    held = threading.Event()

    def hold() -> None:
        held.set()
        while True:
            time.sleep(3600.0)

    callback = _HOLD(hold)
    _held.append(callback)
    bot.hold(ctypes.cast(callback, ctypes.c_void_p).value or 0)
    deadline = time.monotonic() + HOLD_SECONDS
    while not held.is_set() and not done.is_set() and time.monotonic() < deadline:
        held.wait(0.01)
    if held.is_set() or done.is_set():
        bot.release()
        return True
    return False


def _type_of(argument: Any) -> Any:
    return argument if isinstance(argument, types.Type) else typeof(argument)


def _call(
    strategy: Callable[..., Any], arguments: tuple[Any, ...], result: dict[str, Any], done: threading.Event
) -> None:
    try:
        enter_strategy()
        result["value"] = strategy(*arguments)
    except BaseException as error:  # handed to the waiting thread
        result["error"] = error
    finally:
        done.set()


def _reason(error: Exception, strategy: LoadedStrategy) -> str:
    """The last line of the user's file that Numba points to, else that of the function; its first own sentence."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    name = re.escape(strategy.source_path.name)
    lines = re.findall(rf'File "[^"]*{name}", line (\d+)', text) or re.findall(rf"{name} \((\d+)\)", text)
    line = lines[-1] if lines else strategy.function.__code__.co_firstlineno
    text = re.sub(r"\.* Raised from .*", "", text)
    sentences = [
        line.strip()
        for line in text.splitlines()
        if line.strip() and not line.startswith(("Failed in", "During:", "File", "- "))
    ]
    # Numba's "no implementation found for signature:" is told by the call in its next line.
    shown = sentences[: 2 if sentences and sentences[0].endswith(":") else 1]
    return f"line {line}: {' '.join(shown) or type(error).__name__}"


def leave_now(code: int) -> None:
    """Ends the process without waiting for a strategy that never comes back."""
    os._exit(code)
