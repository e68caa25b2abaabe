"""Runs a compiled strategy over a bot in a thread of its own, so that Ctrl+C is handled while it runs."""

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
from arb.interrupts import interrupt_handled, raise_if_interrupted
from arb.results.failure import strategy_error
from arb.strategies.arguments import Arguments
from arb.strategies.loader import LoadedStrategy
from arb.strategies.source_code import Code

#: How long a stopped strategy may take to return; one that does not call the bot never returns.
STOP_SECONDS = 0.09
#: How long a strategy that ignores the stop may take to reach its next call of the bot, where it is held.
HOLD_SECONDS = 2.0
_HOLD = ctypes.CFUNCTYPE(None)
#: Callbacks that hold strategies; kept alive forever.
_held: list[Any] = []
#: Poll interval of the waiting thread: a signal that another thread received does not wake it.
_POLL_SECONDS = 0.05


class Ended(NamedTuple):
    """How a run ended: the strategy's return value, and whether it was interrupted."""

    value: Any
    is_interrupted: bool
    #: The strategy neither returned after an interrupt nor called the bot: its bot must not be used any more.
    is_lost: bool = False


def compile_for(strategy: LoadedStrategy, arguments: tuple[Any, ...]) -> Callable[..., Any]:
    """The strategy's machine code for these arguments, from the cache or compiled now. Raises InputError.

    arguments: values, or Numba types for values that do not exist yet. No compilation happens once the strategy runs.
    """
    try:
        dispatcher = compile_strategy(strategy.function)
        dispatcher.compile(tuple(_type_of(argument) for argument in arguments))
    except (NumbaError, UnsupportedBytecodeError, NotImplementedError) as error:
        # NotImplementedError: Numba raises it for Python code that it cannot compile.
        raise InputError(f"{strategy.spec}: does not compile: {_reason(error, strategy)}") from None
    except Exception as error:  # internal errors of Numba for code that it cannot lower
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
    """Compiles the strategy before the bot exists: its uses determine how the bot is built. Raises InputError."""
    function = compile_for(strategy, arguments.bind(bot_type, recorder))
    raise_if_interrupted()
    return Compiled(function, uses_of(function))


def run(strategy: Callable[..., Any], arguments: tuple[Any, ...], bot: Bot, code: Code) -> Ended:
    """Runs to the end, or to Ctrl+C, after which it is held at its next call of the bot. Raises StrategyError.

    code: the strategy's code, for the file names in errors.
    """
    result: dict[str, Any] = {}
    # Not `Thread.join`: if interrupted, it reports a running thread as ended (CPython before 3.13).
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
        interrupt_handled()
        is_interrupted = True
        bot.stop()
        if not done.wait(STOP_SECONDS) and not _is_held(bot, done):
            return Ended(None, is_interrupted, is_lost=True)
    if "error" in result and not is_interrupted:
        raise strategy_error(result["error"], bot, code) from None
    return Ended(result.get("value"), is_interrupted)


def _is_held(bot: Bot, done: threading.Event) -> bool:
    """Whether the strategy ended or is held at its next call of the bot; the caller may then use the bot."""
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
    except BaseException as error:  # passed to the waiting thread
        result["error"] = error
    finally:
        done.set()


def _reason(error: Exception, strategy: LoadedStrategy) -> str:
    """The last line of the user's file that Numba names, else the function's first line; and Numba's first sentence."""
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
    # Numba's "no implementation found for signature:" is followed by the call on the next line.
    shown = sentences[: 2 if sentences and sentences[0].endswith(":") else 1]
    return f"line {line}: {' '.join(shown) or type(error).__name__}"


def leave_now(code: int) -> None:
    """Ends the process without waiting for a strategy that never returns."""
    os._exit(code)
