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
#: What SQLite says of a full disk, and of one that refuses to take more for a user, or of this file.
_FULL = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE})
#: macOS has no `fdatasync`.
_flush = getattr(os, "fdatasync", os.fsync)


def is_full(error: Exception) -> bool:
    """Whether more room on the disk may help a commit or a checkpoint. Not a flush: what that lost stays lost."""
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) in _FULL


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
        self._is_saving = False
        self._fault: Exception | None = None

    def run(self) -> None:
        """Until `stop`."""
        try:
            connection = sqlite3.connect(self._path, isolation_level=None)
            try:
                connection.execute("PRAGMA synchronous = NORMAL")
                connection.execute("PRAGMA wal_autocheckpoint = 0")
                while not self._is_over.wait(self._wait_s):
                    try:
                        self._work(connection)
                    except sqlite3.Error as error:
                        if not is_full(error):
                            raise
                        self._fault = error  # of a checkpoint: the log has everything
            finally:
                connection.close()
        except (OSError, sqlite3.Error) as error:
            self._fault = error

    @property
    def fault(self) -> Exception | None:
        """Why the disk did not take something: what was written since the last flush may be lost with the power."""
        found = self._fault
        return None if found is not None and self._is_saving and is_full(found) else found

    def save_room(self) -> None:
        """From now on everything stays in the log, which needs the room; a checkpoint that found none is no fault."""
        self._is_saving = True

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
        if self._is_saving or count - self._checkpointed < _COMMITS_MAX:
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
