"""Files that are there whole or not at all, whatever ends the process that writes them."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from pathlib import Path

#: Names that `write_atomically` gives to files that are not whole yet.
_ASIDE = re.compile(r"\..+\.[0-9a-f]{8}")


def write_atomically(path: Path, content: bytes, *, is_synced: bool = False) -> None:
    """Writes a file aside and renames it: under its name there is the old one or the new one, never a part.

    is_synced: on the disk for good on return, the name included, and so before whatever is written after it; else a
    loss of power may leave a file without its content. Raises OSError, when the old file is untouched.
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
    """Removes what a process that was killed within `write_atomically` left in a folder. Raises OSError."""
    for path in folder.iterdir():
        if _ASIDE.fullmatch(path.name) and path.is_file():
            path.unlink()


def sync_folder(path: Path) -> None:
    """Makes names that appeared or went in a folder last through a loss of power. Raises OSError."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
