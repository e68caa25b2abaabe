"""Atomic file writes: a file is complete or absent, however the writing process ends."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from pathlib import Path

#: Names of the temporary files of `write_atomically`.
_ASIDE = re.compile(r"\..+\.[0-9a-f]{8}")


def write_atomically(path: Path, content: bytes, *, is_synced: bool = False) -> None:
    """Writes a temporary file and renames it: the name always has the complete old or new file.

    is_synced: content and name are synced to disk before it returns, and so before any later write; otherwise a power
    failure may leave a file without content. Raises OSError; the old file is then unchanged.
    """
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with aside.open("xb") as file:
            file.write(content)
            file.flush()
            if is_synced:
                os.fsync(file.fileno())
        aside.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise
    if is_synced:
        sync_folder(path.parent)


def remove_asides(folder: Path) -> None:
    """Removes temporary files that killed processes left in a folder. Raises OSError."""
    for path in folder.iterdir():
        if _ASIDE.fullmatch(path.name) and path.is_file():
            path.unlink()


def sync_folder(path: Path) -> None:
    """Syncs a folder, so that created and removed names survive a power failure. Raises OSError."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
