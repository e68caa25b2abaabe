"""A cache folder of derived files that can always be derived again: small JSON values and row files, by key.

Values are written atomically, and a damaged one counts as absent; so several processes may share the folder, and
deleting it only costs time. A file's modification time is that of its last use, which `arb.data.rows.prune` reads.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec
from platformdirs import user_cache_path

from arb.data.text.raw import sha256_of
from arb.errors import InputError
from arb.files import lock, write_atomically

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
