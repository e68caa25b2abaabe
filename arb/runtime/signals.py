"""Handlers for Ctrl+C, SIGTERM and SIGHUP (a closed terminal), and waking a sleeping event loop for them.

Handlers are installed with `signal.signal`, not in an event loop, so that they work before a loop starts and after it
ends.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from types import FrameType
from typing import TYPE_CHECKING

from arb.interrupts import ending_signals

if TYPE_CHECKING:
    import asyncio


@contextlib.contextmanager
def signals_call(
    act: Callable[[signal.Signals], object],
    numbers: Sequence[signal.Signals] | None = None,
) -> Iterator[None]:
    """Inside the context these signals call `act`. Restores the previous Python handlers on exit.

    numbers: by default, all signals that end a command.

    `act` runs between any two steps of the main thread: it may raise or set a flag, but must not take a lock; it
    reaches an event loop through `call_soon_threadsafe`. Does nothing on another thread: only the main thread handles
    signals.
    """
    if not _is_main_thread():
        yield
        return

    def handle(number: int, _: FrameType | None) -> None:
        act(signal.Signals(number))

    with contextlib.ExitStack() as stack:
        for number in [signal.SIGINT, *ending_signals()] if numbers is None else numbers:
            # None: the handler was not installed from Python and cannot be restored.
            stack.callback(signal.signal, number, signal.getsignal(number) or signal.SIG_DFL)
            signal.signal(number, handle)
        yield


def sigterm_as_ctrl_c() -> AbstractContextManager[None]:
    """Inside the context SIGTERM and SIGHUP act like Ctrl+C, so that a command can clean up before it ends."""

    def interrupt(_: signal.Signals) -> None:
        handler = signal.getsignal(signal.SIGINT)
        if callable(handler):  # `asyncio.Runner` installs its own, which cancels the task
            handler(signal.SIGINT, None)
        else:  # SIGINT is ignored in a shell's background jobs; SIGTERM must end the command all the same
            raise KeyboardInterrupt

    return signals_call(interrupt, ending_signals())


@contextlib.contextmanager
def signals_wake(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Inside the context every signal wakes the loop. Does nothing off the main thread.

    uvloop does so itself. asyncio does so only for its own handlers: a signal that the system delivers to another
    thread, or that arrives right before the loop sleeps, would wait for the next timer.
    """
    if not _is_main_thread():
        yield
        return
    reader, writer = socket.socketpair()

    # A Python function: the interpreter runs pending signal handlers when it is called.
    def wake() -> None:
        reader.recv(4096)

    with reader, writer:
        reader.setblocking(False)
        writer.setblocking(False)
        loop.add_reader(reader, wake)
        before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            loop.remove_reader(reader)


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
