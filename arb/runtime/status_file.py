"""Writes `status.json` of a session from its view. The host's thread, between two calls of the strategy."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from arb.files import write_atomically
from arb.results.status import FORMAT, STATUS, EdgeStatus, LegStatus, Status
from arb.runtime.process_use import memory
from arb.runtime.view import SessionView

#: Interval of the writes.
STATUS_S = 1.0


class StatusFile:
    """One session's. A disk that refuses it costs this file, not the session: one line, and it is tried again."""

    def __init__(self, folder: Path, command: str, warn: Callable[[str], None]) -> None:
        """warn: receives the line."""
        self._path = folder / STATUS
        self._command = command
        self._warn = warn
        self._began_ns = time.time_ns()
        self._is_failing = False

    def write(self, view: SessionView) -> None:
        """Replaces the file."""
        try:
            write_atomically(self._path, msgspec.json.encode(self._status(view)))
        except OSError as error:
            if not self._is_failing:
                self._warn(f"{self._path.name}: cannot be written: {error.strerror}; others see an older one")
            self._is_failing = True
            return
        self._is_failing = False

    def _status(self, view: SessionView) -> Status:
        # The encoder writes NaN as null.
        return Status(
            format=FORMAT,
            command=self._command,
            pid=os.getpid(),
            began_ns=self._began_ns,
            time_ns=time.time_ns(),
            elapsed_s=view.elapsed_s,
            remaining_s=view.remaining_s,
            legs=[LegStatus(*leg) for leg in view.legs],
            edges=[EdgeStatus(*edge) for edge in view.edges],
            threshold_bps=view.threshold_bps,
            is_over_basis=view.is_over_basis,
            working=view.working,
            fills=view.fills,
            attempts=view.totals.attempts,
            hedged=view.totals.hedged,
            fee_quote=view.fees,
            pnl_quote=view.pnl,
            memory_gb=memory().value,
        )
