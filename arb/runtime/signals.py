"""Ctrl+C, SIGTERM and SIGHUP (a closed terminal): who handles them, and that a loop that sleeps wakes for them.

Handlers stand through `signal.signal`, not in an event loop: they can stand before a loop begins and behind its end.
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

from arb.runtime.interrupts import ending_signals

if TYPE_CHECKING:
    import asyncio


@contextlib.contextmanager
def signals_call(
    act: Callable[[signal.Signals], object],
    numbers: Sequence[signal.Signals] | None = None,
) -> Iterator[None]:
    """Within it these signals call `act`; behind it what stood before stands again, as far as Python knows it.

    numbers: without them, all that end a command.

    `act` runs between any two steps of the main thread: it may raise, or set something, but takes no lock; to an event
    loop it speaks through `call_soon_threadsafe`. On another thread nothing is done: signals are the main thread's.
    """
    if not _is_main_thread():
        yield
        return

    def handle(number: int, _: FrameType | None) -> None:
        act(signal.Signals(number))

    with contextlib.ExitStack() as stack:
        for number in [signal.SIGINT, *ending_signals()] if numbers is None else numbers:
            # None: it was not installed from Python, and cannot be put back.
            stack.callback(signal.signal, number, signal.getsignal(number) or signal.SIG_DFL)
            signal.signal(number, handle)
        yield


def sigterm_as_ctrl_c() -> AbstractContextManager[None]:
    """Within it SIGTERM and SIGHUP do what Ctrl+C would do, until another handler is set: nothing half done is left."""

    def interrupt(_: signal.Signals) -> None:
        heard = signal.getsignal(signal.SIGINT)
        if callable(heard):  # `asyncio.Runner` has one of its own, which cancels the task
            heard(signal.SIGINT, None)
        else:  # ignored, as shells do for what runs in the background: SIGTERM is meant all the same
            raise KeyboardInterrupt

    return signals_call(interrupt, ending_signals())


@contextlib.contextmanager
def signals_wake(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Within it every signal wakes the loop, which runs on the main thread; on another one nothing is done.

    uvloop sees to that by itself. asyncio's loop does so for its own handlers only: a signal that the system gives to
    another thread, or that comes right before the loop sleeps, would wait for the next timer.
    """
    if not _is_main_thread():
        yield
        return
    heard, told = socket.socketpair()

    # A function of Python's own: its call is where the handlers that wait are run.
    def wake() -> None:
        heard.recv(4096)

    with heard, told:
        heard.setblocking(False)
        told.setblocking(False)
        loop.add_reader(heard, wake)
        before = signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            loop.remove_reader(heard)


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
