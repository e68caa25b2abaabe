"""A cache folder of derived files that can always be derived again: small JSON values and row files, by key.

Values are written atomically, and a damaged one counts as absent; so several processes may share the folder, and
deleting it only costs time. A file's modification time is that of its last use.

`prune` limits the size: it deletes the least recently used rows, never those that a run is using. A process that
converts holds a shared lock on the folder, and one on each row file of its run until that ends. Pruning takes the
folder's lock exclusively; if it is not free, another process is converting and will prune later.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

import msgspec
from platformdirs import user_cache_path

from arb.data.text import sha256_of
from arb.errors import InputError
from arb.files import lock, try_lock, write_atomically

Value = TypeVar("Value")


class _Fingerprint(msgspec.Struct, frozen=True):
    """The content hash of a file, and the file attributes for which it is valid."""

    size: int
    mtime_ns: int
    inode: int
    sha256: str


class RowCache:
    """Derived files below one folder, by default the user's cache folder.

    As a context manager, or until `close`, it protects files marked by `hold` from pruning.
    """

    def __init__(self, directory: Path | None = None) -> None:
        """Raises InputError when the folder cannot be written."""
        #: Open files with a shared lock: those that this run uses.
        self._held: list[int] = []
        self.directory = directory or user_cache_path("arb") / "rows"
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.directory):
                pass
        except OSError as error:
            raise InputError(f"{self.directory}: the row cache cannot be written: {error.strerror}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Releases the held files. Further calls do nothing."""
        while self._held:
            os.close(self._held.pop())

    def __del__(self) -> None:
        self.close()

    @contextlib.contextmanager
    def filling(self) -> Iterator[None]:
        """A context in which no process prunes. Waits while one does."""
        handle = os.open(self.directory, os.O_RDONLY)
        try:
            with contextlib.suppress(OSError):  # a file system without locks: nothing is pruned there either
                lock(handle, is_shared=True)
            yield
        finally:
            os.close(handle)

    def hold(self, path: Path) -> None:
        """Protects a file of the cache from pruning until `close`, and updates its time of last use.

        Call only within `filling`. If no more files can be opened, only the time of last use protects it.
        """
        with contextlib.suppress(OSError):
            os.utime(path)
        with contextlib.suppress(OSError):
            handle = os.open(path, os.O_RDONLY)
            self._held.append(handle)
            lock(handle, is_shared=True)

    def get(self, key: str, kind: type[Value]) -> Value | None:
        """The value of `key`; None if it is absent or damaged."""
        path = self.directory / f"{key}.json"
        try:
            value = msgspec.json.decode(path.read_bytes(), type=kind)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return None
        with contextlib.suppress(OSError):  # owned by another user, or deleted meanwhile
            os.utime(path)
        return value

    def put(self, key: str, value: Any) -> None:
        """Stores `value` under `key`."""
        write_atomically(self.directory / f"{key}.json", msgspec.json.encode(value))

    def fingerprint(self, path: Path) -> str:
        """The SHA-256 of a file, computed again only if its size, time or inode changed."""
        try:
            stat = path.stat()
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}") from None
        key = "file-" + hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:32]
        known = self.get(key, _Fingerprint)
        if known and (known.size, known.mtime_ns, known.inode) == (
            stat.st_size,
            stat.st_mtime_ns,
            stat.st_ino,
        ):
            return known.sha256
        sha256 = sha256_of(path)
        self.put(key, _Fingerprint(stat.st_size, stat.st_mtime_ns, stat.st_ino, sha256))
        return sha256


#: Files of the cache, including partial files of killed processes. Other files are ignored.
_ENTRY = re.compile(r"(rows|book|thin|scan|cold|file)-([0-9a-f]+)\.(npy|json)")
_LEFT_BEHIND = re.compile(r"\.(rows|book|thin|scan|cold|file)-[0-9a-f]+\.(npy|json)\..+")


class Usage(NamedTuple):
    """The contents of a cache: recordings with rows, files, bytes."""

    recordings: int
    files: int
    bytes: int


class _Entry(NamedTuple):
    """Files that belong together: a recording's rows and the book at their end, or one other file."""

    used_ns: int
    bytes: int
    paths: list[Path]

    @property
    def rows_path(self) -> Path | None:
        return next(
            (path for path in self.paths if path.name.startswith("rows-") and path.suffix == ".npy"), None
        )

    @property
    def mapped_path(self) -> Path | None:
        """The file that a run holds a lock on while it uses it."""
        thin = (path for path in self.paths if path.name.startswith("thin-"))
        return self.rows_path or next(thin, None)


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
    mapped_path = entry.mapped_path
    handle = None
    try:
        if mapped_path is not None:
            handle = os.open(mapped_path, os.O_RDONLY)
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
