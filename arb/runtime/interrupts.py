"""Raises Ctrl+C again when Python discards the KeyboardInterrupt.

Python discards an exception that is raised inside a callback from C, a finalizer or a weak reference's callback: it
reports it to `sys.unraisablehook` and continues. LLVM calls back often during a compilation, so an interrupt would be
lost there. Imports nothing of arb: this module is active before anything else is loaded.
"""

from __future__ import annotations

import _thread
import contextlib
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

#: Delay before a discarded interrupt is sent again.
AGAIN_S = 0.02


def ending_signals() -> list[signal.Signals]:
    """The signals besides Ctrl+C that end a command: SIGTERM, and SIGHUP unless it is ignored, as under `nohup`."""
    hangup = getattr(signal, "SIGHUP", None)
    is_wanted = hangup is not None and signal.getsignal(hangup) != signal.SIG_IGN
    return [signal.SIGTERM, hangup] if is_wanted and hangup is not None else [signal.SIGTERM]


@contextlib.contextmanager
def interrupts_kept() -> Iterator[None]:
    """Inside the context, a KeyboardInterrupt that Python discards is raised again until one is delivered."""
    before = sys.unraisablehook
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
        else:
            before(discarded)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        is_over = True
        sys.unraisablehook = before
