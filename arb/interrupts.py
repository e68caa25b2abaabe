"""Raises Ctrl+C again when Python discards the KeyboardInterrupt.

Python discards an exception that is raised inside a callback from C, a finalizer or a weak reference's callback: it
reports it to `sys.unraisablehook` and continues. LLVM calls back often during a compilation, so an interrupt would be
lost there. An interrupt may also turn into another error, as where C code imports the module that was interrupted;
`was_interrupted` then reports it. Imports nothing of arb: this module is active before anything else is loaded.
"""

from __future__ import annotations

import _thread  # noqa: PLC2701 (its interrupt_main is public nowhere)
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

#: Delay before a discarded interrupt is sent again.
AGAIN_S = 0.02


class _Received:
    """The signals that arrived: the interpreter writes the number of each into a pipe (`signal.set_wakeup_fd`)."""

    def __init__(self) -> None:
        self.pipe = (-1, -1)
        self.numbers: set[int] = set()

    def read(self) -> set[int]:
        with contextlib.suppress(OSError):  # nothing new, or no pipe
            self.numbers.update(os.read(self.pipe[0], 4096))
        return self.numbers


_received = _Received()


def was_interrupted() -> bool:
    """Whether a signal that ends a command arrived since `interrupts_kept` began or `interrupt_handled` was called.

    False outside `interrupts_kept`.
    """
    return not _received.read().isdisjoint({signal.SIGINT, *ending_signals()})


def raise_if_interrupted() -> None:
    """Raises KeyboardInterrupt if a signal arrived and nothing handled it: code in C may clear it without a report."""
    if was_interrupted():
        raise KeyboardInterrupt


def interrupt_handled() -> None:
    """Marks interrupts as handled: the command continues to its end, and a later error is not due to them."""
    _received.read().clear()


def insist(step: Callable[[], object]) -> None:
    """Calls `step` again whenever an interrupt stops it, then raises the interrupt: for a cleanup."""
    interrupt = None
    while True:
        try:
            step()
            break
        except KeyboardInterrupt as signalled:
            interrupt = signalled
    if interrupt is not None:
        raise interrupt


def ending_signals() -> list[signal.Signals]:
    """The signals besides Ctrl+C that end a command: SIGTERM, and SIGHUP unless it is ignored, as under `nohup`."""
    hangup = getattr(signal, "SIGHUP", None)
    is_wanted = hangup is not None and signal.getsignal(hangup) != signal.SIG_IGN
    return [signal.SIGTERM, hangup] if is_wanted and hangup is not None else [signal.SIGTERM]


@contextlib.contextmanager
def interrupts_kept() -> Iterator[None]:
    """Inside the context, a KeyboardInterrupt that Python discards is raised again until one is delivered.

    Other exceptions that Python discards after an interrupt, as in a finalizer, are not reported. Main thread only.
    """
    before = sys.unraisablehook
    _received.numbers.clear()
    _received.pipe = os.pipe()
    for end in _received.pipe:
        os.set_blocking(end, False)
    descriptor = signal.set_wakeup_fd(_received.pipe[1], warn_on_full_buffer=False)
    is_over = False

    def send_again() -> None:
        time.sleep(AGAIN_S)
        # Where SIGINT is ignored, as for a shell's background job, the interrupt was raised by SIGTERM.
        if not is_over:
            is_heeded = callable(signal.getsignal(signal.SIGINT))
            _thread.interrupt_main(signal.SIGINT if is_heeded else signal.SIGTERM)

    def hook(discarded: Any) -> None:
        if discarded.exc_type is not None and issubclass(discarded.exc_type, KeyboardInterrupt):
            # Not `threading.Thread`: the interrupted code may hold its locks.
            _thread.start_new_thread(send_again, ())
        elif not was_interrupted():
            before(discarded)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        is_over = True
        sys.unraisablehook = before
        signal.set_wakeup_fd(descriptor)
        interrupt_handled()
        for end in _received.pipe:
            os.close(end)
        _received.pipe = (-1, -1)
