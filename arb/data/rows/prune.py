"""Limits the size of the row cache: deletes the least recently used rows, never those that a run is using.

A process that converts holds a shared lock on the cache's folder, and one on each row file of its run until that ends
(`RowCache`). Pruning takes the folder's lock exclusively; if it is not free, another process is converting and will
prune later. The kernel releases the locks when a process ends.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from arb.files import try_lock

#: Files of the cache, including partial files of killed processes. Other files are ignored.
_ENTRY = re.compile(r"(rows|book|scan|cold|file)-([0-9a-f]+)\.(npy|json)")
_LEFT_BEHIND = re.compile(r"\.(rows|book|scan|cold|file)-[0-9a-f]+\.(npy|json)\..+")


class Usage(NamedTuple):
    """The contents of a cache: recordings with rows, files, bytes."""

    recordings: int
    files: int
    bytes: int


class _Entry(NamedTuple):
    """Files that belong together: a recording's rows and the book at their end, or one small value."""

    used_ns: int
    bytes: int
    paths: list[Path]

    @property
    def rows_path(self) -> Path | None:
        return next(
            (path for path in self.paths if path.name.startswith("rows-") and path.suffix == ".npy"), None
        )


def usage(directory: Path) -> Usage:
    """The current contents of the cache."""
    entries = _entries(directory)
    return Usage(
        sum(entry.rows_path is not None for entry in entries),
        sum(len(entry.paths) for entry in entries),
        sum(entry.bytes for entry in entries),
    )


def prune(directory: Path, bytes_max: int) -> Usage | None:
    """Deletes the least recently used entries until at most `bytes_max` remain; returns what was deleted.

    Returns None and does nothing while another process converts. Rows in use by a run are kept and counted, so the
    cache may exceed its bound during the run. Raises OSError if the folder cannot be read.
    """
    with _alone(directory) as is_alone:
        if not is_alone:
            return None
        for path in directory.iterdir():
            if _LEFT_BEHIND.fullmatch(path.name):
                path.unlink(missing_ok=True)
        entries = _entries(directory)
        total = sum(entry.bytes for entry in entries)
        deleted = [0, 0, 0]
        for entry in sorted(entries, key=lambda entry: (entry.used_ns, entry.paths)):
            if total <= bytes_max:
                break
            if _delete(entry):
                total -= entry.bytes
                deleted[0] += entry.rows_path is not None
                deleted[1] += len(entry.paths)
                deleted[2] += entry.bytes
        return Usage(*deleted)


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[bool]:
    """A context that yields whether no process converts into the cache; if so, none can begin during it."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        yield _try_lock(handle)
    finally:
        os.close(handle)


def _try_lock(handle: int) -> bool:
    try:
        return try_lock(handle)
    except OSError:  # a file system without locks
        return False


def _entries(directory: Path) -> list[_Entry]:
    grouped: dict[str, list[tuple[Path, os.stat_result]]] = {}
    for path in directory.iterdir():
        match = _ENTRY.fullmatch(path.name)
        if match is None:
            continue
        with contextlib.suppress(FileNotFoundError):
            kind, key = match.group(1), match.group(2)
            group = f"rows-{key}" if kind in ("rows", "book") else path.name
            grouped.setdefault(group, []).append((path, path.stat()))
    return [
        _Entry(
            max(stat.st_mtime_ns for _, stat in files),
            sum(stat.st_size for _, stat in files),
            # The value is deleted first: without it the other files count as absent.
            sorted((path for path, _ in files), key=lambda path: (path.suffix, path.name)),
        )
        for files in grouped.values()
    ]


def _delete(entry: _Entry) -> bool:
    """Deletes an entry; False if its rows are in use, or its files belong to another user."""
    rows_path = entry.rows_path
    handle = None
    try:
        if rows_path is not None:
            handle = os.open(rows_path, os.O_RDONLY)
            if not _try_lock(handle):
                return False
        for path in entry.paths:
            path.unlink(missing_ok=True)
    except OSError:
        return False
    finally:
        if handle is not None:
            os.close(handle)
    return True
