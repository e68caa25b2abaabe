"""Reads and writes files that only the user may have written, e.g. pickles, which are executed when read.

The folder is opened first and the file relative to it, so that neither can be replaced between check and read.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path


class ForeignError(Exception):
    """Somebody else may have written a file or its folder. The message contains the path and what to do."""


def read_own(path: Path) -> bytes:
    """The content of a file. Raises ForeignError, or OSError if it cannot be read."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _refuse_foreign(path.parent, os.fstat(folder))
        handle = os.open(path.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    finally:
        os.close(folder)
    with os.fdopen(handle, "rb") as file:
        _refuse_foreign(path, os.fstat(handle))
        return file.read()


def make_own_folder(path: Path) -> None:
    """Creates a folder that only the user may write, if missing. Raises ForeignError if others may write, OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(mode=0o700, exist_ok=True)
    _refuse_foreign(path, path.stat())


def write_own(path: Path, content: bytes) -> None:
    """Writes a new file that only the user may write or read. Raises OSError, also if it exists."""
    path.touch(mode=0o600, exist_ok=False)
    path.write_bytes(content)


def _refuse_foreign(path: Path, found: os.stat_result) -> None:
    if found.st_uid != os.geteuid():
        raise ForeignError(f"{path} belongs to another user (uid {found.st_uid}): remove it")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ForeignError(f"{path} can be written by others: chmod go-w {path}")
