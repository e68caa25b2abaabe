"""A forked process that ends with its parent, also if that is killed. Imports nothing of arb but its exit codes."""

from __future__ import annotations

import os
import threading

from arb.errors import ExitCode


def end_with_parent(lifeline: int) -> None:
    """From now on this process ends at once when the other end of the pipe `lifeline`, of its parent, is closed."""
    threading.Thread(target=_await_end, args=(lifeline,), name="lifeline", daemon=True).start()


def _await_end(lifeline: int) -> None:
    os.read(lifeline, 1)
    os._exit(ExitCode.INTERRUPTED)
