"""Allows one recorder per folder, by a file lock that the kernel releases when its process ends, however it ends."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from arb.errors import InputError
from arb.files import try_lock

_NAME = ".recorder.lock"
#: `holder_of` itself takes the lock for a moment.
_RETRY_S = 0.02


class FolderLock:
    """Locks a folder until `release`."""

    def __init__(self, directory: Path) -> None:
        """Raises InputError if another recorder, of this or another process, holds the folder; OSError."""
        self._handle = os.open(directory / _NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            if not self._take():
                raise InputError(
                    f"{directory}: another recorder (process {_number_in(self._handle)}) writes here; end it, or name "
                    "another folder with --data"
                )
        except BaseException:
            os.close(self._handle)
            raise
        with contextlib.suppress(OSError):  # on a full disk the lock works without the process number
            os.ftruncate(self._handle, 0)
            os.pwrite(self._handle, f"{os.getpid()}\n".encode(), 0)

    def _take(self) -> bool:
        """False if the lock is held for longer than `holder_of` does."""
        for _ in range(2):
            if try_lock(self._handle):
                return True
            time.sleep(_RETRY_S)
        return try_lock(self._handle)

    def release(self) -> None:
        """Releases the lock. Further calls do nothing."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def holder_of(directory: Path) -> str | None:
    """The id of the process that records into a folder, or "unknown"; None without one."""
    try:
        handle = os.open(directory / _NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return None if try_lock(handle, is_shared=True) else _number_in(handle)
    except OSError:  # a file system without locks
        return None
    finally:
        os.close(handle)


def _number_in(handle: int) -> str:
    return os.pread(handle, 20, 0).decode("ascii", "replace").strip() or "unknown"
