"""Keeping the row cache within bounds: what was not used for longest goes first, and never what a run is using.

A process that converts holds a shared lock on the cache's folder, and one on each row file of its run until that ends
(`RowCache`). Pruning takes the folder's lock for itself; where it cannot have it at once, somebody is converting and
will prune later. The locks are the system's (`flock`): a process that dies leaves none behind.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

#: Files of the cache, and those that a process which died left half-written. Others are none of ours.
_ENTRY = re.compile(r"(rows|book|scan|cold|file)-([0-9a-f]+)\.(npy|json)")
_LEFT_BEHIND = re.compile(r"\.(rows|book|scan|cold|file)-[0-9a-f]+\.(npy|json)\..+")


class Usage(NamedTuple):
    """What a cache holds: recordings with rows, files, bytes."""

    recordings: int
    files: int
    bytes: int


class _Entry(NamedTuple):
    """Files that go together: a recording's rows with the book behind them, or one small value."""

    used_ns: int
    bytes: int
    paths: list[Path]

    @property
    def rows_path(self) -> Path | None:
        return next(
            (path for path in self.paths if path.name.startswith("rows-") and path.suffix == ".npy"), None
        )


def usage(directory: Path) -> Usage:
    """What is in the cache now."""
    entries = _entries(directory)
    return Usage(
        sum(entry.rows_path is not None for entry in entries),
        sum(len(entry.paths) for entry in entries),
        sum(entry.bytes for entry in entries),
    )


def prune(directory: Path, bytes_max: int) -> Usage | None:
    """Deletes what was not used for longest until `bytes_max` is kept; what was deleted.

    None, and nothing is done, while another process converts. Rows that a run uses stay, and count; so the cache may be
    larger than its bound for as long as the run takes. Raises OSError where the folder cannot be read.
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
    """Whether nobody converts into the cache; nobody begins to while this lasts."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        yield try_lock(handle)
    finally:
        os.close(handle)


def try_lock(handle: int) -> bool:
    """Takes a lock for this process alone; False where another holds it, or where there are no locks."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


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
            # The value first: without it, the rest counts as absent.
            sorted((path for path, _ in files), key=lambda path: (path.suffix, path.name)),
        )
        for files in grouped.values()
    ]


def _delete(entry: _Entry) -> bool:
    """Whether the entry is gone: not where its rows are in use, or where its files are another user's."""
    rows_path = entry.rows_path
    handle = None
    try:
        if rows_path is not None:
            handle = os.open(rows_path, os.O_RDONLY)
            if not try_lock(handle):
                return False
        for path in entry.paths:
            path.unlink(missing_ok=True)
    except OSError:
        return False
    finally:
        if handle is not None:
            os.close(handle)
    return True
