"""One recorder a folder: a file lock that the kernel takes back when its process ends, however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from arb.errors import InputError

_NAME = ".recorder.lock"


class FolderLock:
    """Holds a folder until `release`."""

    def __init__(self, directory: Path) -> None:
        """Raises InputError while another recorder, of this or another process, holds the folder; OSError."""
        self._handle = os.open(directory / _NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._handle, 20, 0).decode("ascii", "replace").strip()
            os.close(self._handle)
            raise InputError(
                f"{directory}: another recorder (process {holder or 'unknown'}) writes here; end it, or name "
                "another folder with --data"
            ) from None
        except BaseException:
            os.close(self._handle)
            raise
        with contextlib.suppress(OSError):  # on a full disk the lock holds without the number
            os.ftruncate(self._handle, 0)
            os.pwrite(self._handle, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Lets go; again: nothing."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
