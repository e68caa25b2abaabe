"""Room on the journal's disk that nothing else takes: a file, removed when the journal finds the disk full.

What it leaves is enough for the orders that bring a session to its end, and no more: whoever writes much has to stop.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from arb.errors import InputError
from arb.files import sync_folder, write_all

#: A step is a few pages of 1 kB, and as much follows; the session's folder may be on the same disk, and takes more.
RESERVE_BYTES = 16_000_000
FILE = "journal.reserve"
_PIECE = 1 << 20
#: Of `st_blocks`, whatever the blocks of the disk are.
_BLOCK = 512


class Reserve:
    """See the module."""

    def __init__(self, path: Path, size: int) -> None:
        """Takes the room, unless the file has it already. Raises InputError if there is none."""
        self._path = path
        self.size = size
        self._is_free = False
        try:
            if not _has_room(path, size):
                _fill(path, size)
        except OSError as error:
            with contextlib.suppress(OSError):
                path.unlink()
            raise InputError(
                f"{path}: cannot be written: {error.strerror}; the journal needs {size / 1e6:.0f} MB in reserve for a "
                "full disk: make room, or choose another live.state_directory"
            ) from None

    def free(self) -> bool:
        """Gives the room back, once. False if it was given before, or cannot be."""
        if self._is_free:
            return False
        self._is_free = True
        try:
            os.truncate(self._path, 0)
            self._path.unlink()
            sync_folder(self._path.parent)  # some file systems give blocks back only then
        except OSError:
            return False
        return True


def _has_room(path: Path, size: int) -> bool:
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    return found.st_size == size and found.st_blocks * _BLOCK >= size


def _fill(path: Path, size: int) -> None:
    """Zeros, or a length alone, take no room on file systems that compress or leave holes."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        for at in range(0, size, _PIECE):
            write_all(file, os.urandom(min(_PIECE, size - at)))
        os.fsync(file)
    finally:
        os.close(file)
