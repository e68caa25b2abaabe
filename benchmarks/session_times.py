"""`arb` as a program that also notes when the strategy was done with each message, and garbage collections.

For `session_frame.py --times`: ns from the receipt of a message to the moment at which the session goes on after the
strategy waits again; of the messages of a read all count to the end of the read, so the figure is an upper bound.

    python benchmarks/session_times.py FILE.npz dry-run --live-data ...
"""

from __future__ import annotations

import gc
import runpy
import sys
import time
from array import array
from typing import Any

import numpy as np

from arb.runtime.session import Session
from connectors.model import Rows

#: Where the times are written when the session stops.
FILE = sys.argv.pop(1) if __name__ == "__main__" else ""
spans = array("q")
#: ns of the thread's processor time that each garbage collection took.
pauses = array("q")


def note(session: Session, received_ts: Any) -> None:
    """Notes rows by their local times, on the run's clock."""
    now = time.time_ns() + session.offset_ns
    spans.extend((now - received_ts).tolist())


def on_collection(phase: str, _: object) -> None:
    """Notes how long a garbage collection takes."""
    now = time.thread_time_ns()
    if phase == "start":
        pauses.append(now)
    else:
        pauses[-1] = now - pauses[-1]


class TimedSession(Session):
    """Notes the times of rows."""

    def on_rows(self, leg_no: int, rows: Rows) -> None:
        super().on_rows(leg_no, rows)
        if not self._is_inside:
            note(self, rows["local_ts"][-1:])

    def on_read(self, leg_no: int, batch: Any, first: int, rows: Rows, ends: Any) -> None:
        self._is_inside = True
        super().on_read(leg_no, batch, first, rows, ends)
        self._is_inside = False
        has_rows = np.diff(ends, prepend=0) > 0
        note(self, rows["local_ts"][ends[has_rows] - 1])

    def start(self) -> bool:
        del pauses[:]  # those of the start delay nothing
        return super().start()

    def stop(self) -> bool:
        np.savez(FILE, spans=np.array(spans, np.int64), pauses=np.array(pauses, np.int64))
        return super().stop()

    _is_inside = False


if __name__ == "__main__":
    import arb.commands.live_run as live_run

    gc.callbacks.append(on_collection)

    live_run.Session = TimedSession  # type: ignore[attr-defined]
    runpy.run_module("arb", run_name="__main__", alter_sys=True)
