"""Ctrl+C is remembered until it is acted on: an interrupt that Python discards is raised again.

Python discards an exception that is raised inside a callback from C, a finalizer or a callback of a weak reference: it
reports it to `sys.unraisablehook` and goes on. A compilation calls back from LLVM all the time, so an interrupt that
came while it compiled was lost. Imports nothing of ours: it is there before anything is loaded.
"""

from __future__ import annotations

import _thread
import contextlib
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

#: How long after an interrupt was discarded it is sent again.
AGAIN_S = 0.02


def ending_signals() -> list[signal.Signals]:
    """The signals that end a command beside Ctrl+C: SIGTERM, and SIGHUP where it is not ignored as `nohup` does."""
    hangup = getattr(signal, "SIGHUP", None)
    is_wanted = hangup is not None and signal.getsignal(hangup) != signal.SIG_IGN
    return [signal.SIGTERM, hangup] if is_wanted and hangup is not None else [signal.SIGTERM]


@contextlib.contextmanager
def interrupts_kept() -> Iterator[None]:
    """Within it a KeyboardInterrupt that Python discards is raised again shortly after, until one is not discarded."""
    before = sys.unraisablehook
    is_over = False

    def send_again() -> None:
        time.sleep(AGAIN_S)
        # Where Ctrl+C is ignored, as in the background of a shell, it was SIGTERM.
        if not is_over:
            is_heeded = callable(signal.getsignal(signal.SIGINT))
            _thread.interrupt_main(signal.SIGINT if is_heeded else signal.SIGTERM)

    def hook(discarded: Any) -> None:
        if discarded.exc_type is not None and issubclass(discarded.exc_type, KeyboardInterrupt):
            # Not `threading.Thread`: its locks may be held by what was interrupted.
            _thread.start_new_thread(send_again, ())
        else:
            before(discarded)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        is_over = True
        sys.unraisablehook = before
