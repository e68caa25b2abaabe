"""Files that are complete or absent however the writing process ends, and locks on files.

A lock belongs to an open file (`flock`). The kernel releases it when the file is closed or its process ends, for
whatever reason. Some file systems have no locks: there every lock function raises OSError.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO

#: Names of the temporary files of `staged`.
_ASIDE = re.compile(r"\..+\.[0-9a-f]{8}")


def write_atomically(path: Path, content: bytes, *, is_synced: bool = False, is_new: bool = False) -> None:
    """Writes a file as `staged` does."""
    with staged(path, is_synced=is_synced, is_new=is_new) as file:
        file.write(content)


@contextlib.contextmanager
def staged(path: Path, *, is_synced: bool = False, is_new: bool = False) -> Iterator[IO[bytes]]:
    """A temporary file that gets its name when the context ends: the name has the complete old or new file.

    is_synced: content and name are synced to disk at the end, and so before any later write; otherwise a power failure
    may leave a file without content. is_new: raises FileExistsError if the name exists by then. Raises OSError; after
    any error nothing has changed.
    """
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    is_left = True
    try:
        with open(aside, "xb") as file:
            yield file
            file.flush()
            if is_synced:
                os.fsync(file.fileno())
        if is_new:
            give_new_name(aside, path)
        else:
            os.replace(aside, path)
            is_left = False
    finally:
        if is_left:
            with contextlib.suppress(OSError):
                os.unlink(aside)
    if is_synced:
        sync_folder(path.parent)


def write_all(handle: int, content: bytes) -> None:
    """Writes all bytes, or raises OSError; a part may then be written."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(handle, rest) :]


def give_new_name(source: Path, target: Path) -> None:
    """Links `source` as `target`, since a link, unlike a rename, never replaces. Raises FileExistsError; OSError."""
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:
        # Some file systems (exFAT, some network mounts) do not support links.
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
        source.rename(target)


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


def lock(file: int | IO[bytes], *, is_shared: bool = False) -> None:
    """Waits for a lock on an open file. Raises OSError."""
    fcntl.flock(file, fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX)


def try_lock(file: int | IO[bytes], *, is_shared: bool = False) -> bool:
    """Locks an open file; False, at once, while another holds it. Raises OSError."""
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
