"""A folder of derived files that can always be made again: small JSON values and row files, each under a key.

Values appear whole or not at all, and a damaged one counts as absent; so several processes may share the folder, and
deleting it loses nothing but time. A file's time is that of its last use, by which `arb.data.rows.prune` chooses.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec
from platformdirs import user_cache_path

from arb.data.atomic import write_atomically
from arb.data.text.raw import sha256_of
from arb.errors import InputError

Value = TypeVar("Value")


class _Fingerprint(msgspec.Struct, frozen=True):
    """The content hash of a file, and what must not have changed for it to hold."""

    size: int
    mtime_ns: int
    inode: int
    sha256: str


class RowCache:
    """Derived files below one folder, by default the user's cache folder.

    As a context manager, or until `close`, it keeps the files that were held from being pruned.
    """

    def __init__(self, directory: Path | None = None) -> None:
        """Raises InputError when the folder cannot be written."""
        #: Open files with a shared lock: what this run uses.
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
        """Lets go of what was held. Again: nothing."""
        while self._held:
            os.close(self._held.pop())

    def __del__(self) -> None:
        self.close()

    @contextlib.contextmanager
    def filling(self) -> Iterator[None]:
        """Nothing is pruned meanwhile, by any process. Waits while one prunes."""
        handle = os.open(self.directory, os.O_RDONLY)
        try:
            with contextlib.suppress(OSError):  # a file system without locks: nothing is pruned there either
                fcntl.flock(handle, fcntl.LOCK_SH)
            yield
        finally:
            os.close(handle)

    def hold(self, path: Path) -> None:
        """Keeps a file of the cache from being pruned until `close`, and notes that it is used now.

        Only while `filling`. Where no more files may be open, being used last must do.
        """
        with contextlib.suppress(OSError):
            os.utime(path)
        with contextlib.suppress(OSError):
            handle = os.open(path, os.O_RDONLY)
            self._held.append(handle)
            fcntl.flock(handle, fcntl.LOCK_SH)

    def get(self, key: str, kind: type[Value]) -> Value | None:
        """The value under `key`; None when it is absent or damaged."""
        path = self.directory / f"{key}.json"
        try:
            value = msgspec.json.decode(path.read_bytes(), type=kind)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return None
        with contextlib.suppress(OSError):  # it is another user's, or gone by now
            os.utime(path)
        return value

    def put(self, key: str, value: Any) -> None:
        """Stores `value` under `key`."""
        write_atomically(self.directory / f"{key}.json", msgspec.json.encode(value))

    def fingerprint(self, path: Path) -> str:
        """The SHA-256 of a file, computed once as long as its size, time and inode stay the same."""
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
