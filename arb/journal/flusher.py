"""Puts on the disk what the kernel has of a journal, every few milliseconds, and keeps its log short.

SQLite's write-ahead log is a file of its own: this flushes it, on a thread of its own, so that commits need not wait.
The journal's other files are never opened here but by SQLite: closing one would release its locks.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

#: Commits after which the log is written into the journal's file and begins anew: a commit is a few pages of 1 kB.
_COMMITS_MAX = 2_000
#: Commits after which that is done even if a step has to wait for it, since none pauses for long enough.
_COMMITS_HELD = 20_000
#: macOS has no `fdatasync`.
_flush = getattr(os, "fdatasync", os.fsync)


class Flusher(threading.Thread):
    """See the module."""

    def __init__(
        self, path: Path, flush_ms: int, commits: Callable[[], int], writing: threading.Lock
    ) -> None:
        """path: the journal. commits: their number so far. writing: held by whoever writes."""
        super().__init__(name="journal", daemon=True)
        self._path = path
        self._wait_s = flush_ms / 1_000
        self._commits = commits
        self._writing = writing
        self._log = os.open(f"{path}-wal", os.O_RDONLY | os.O_CLOEXEC)
        self._is_over = threading.Event()
        self._flushed = self._checkpointed = 0
        #: Why the disk did not take something: what was written since the last flush may be lost with the power.
        self.fault: Exception | None = None

    def run(self) -> None:
        """Until `stop`."""
        try:
            connection = sqlite3.connect(self._path, isolation_level=None)
            try:
                connection.execute("PRAGMA synchronous = NORMAL")
                connection.execute("PRAGMA wal_autocheckpoint = 0")
                while not self._is_over.wait(self._wait_s):
                    self._work(connection)
            finally:
                connection.close()
        except (OSError, sqlite3.Error) as error:
            self.fault = error

    def flush(self) -> None:
        """Returns when everything that is committed is on the disk. Any thread. Raises OSError."""
        _flush(self._log)

    def stop(self) -> None:
        """Ends the thread; nothing is flushed any more."""
        self._is_over.set()
        if self.is_alive():
            self.join()
        if self._log >= 0:
            os.close(self._log)
            self._log = -1

    def _work(self, connection: sqlite3.Connection) -> None:
        count = self._commits()
        if count == self._flushed:
            return
        self.flush()
        self._flushed = count
        if count - self._checkpointed < _COMMITS_MAX:
            return
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        with self._writing:
            if self._commits() != count:
                if count - self._checkpointed < _COMMITS_HELD:
                    return  # there was a commit meanwhile: the log can begin anew when all of it is in the file
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            # The log begins anew with the next commit, which waits for the disk once: here, not in a step.
            connection.execute(
                "INSERT OR REPLACE INTO meta VALUES ('checkpointed_ns', ?)", (str(time.time_ns()),)
            )
        self._checkpointed = count
