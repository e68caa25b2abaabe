"""The folder of a sweep: opened or taken up again, results appended in order, and whole at every moment.

One process writes a folder at a time. A line of `results.jsonl` that was cut off by a kill or a full disk is removed
before more is written.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import msgspec

from arb.errors import InputError
from arb.files import try_lock, write_all, write_atomically
from arb.sweep.table import HEAD, RESULTS, SetResult, SweepHead, read_head

_BLOCK = 1 << 20


class SweepFolder:
    """Appends results. Use as a context manager. One thread."""

    def __init__(self, path: Path, head: SweepHead) -> None:
        """Creates nothing. head: of the sweep that is to be begun or continued."""
        self.path = path
        self.head = head
        #: Results that the folder has.
        self.count = 0
        self._handle = -1
        self._size = 0

    def __enter__(self) -> Self:
        """Raises InputError for a folder with another sweep, one that another process fills, or that is no sweep's."""
        try:
            self._open()
        except OSError as error:
            self.close()
            raise self._unwritable(error) from None
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file. Further calls do nothing."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def append(self, results: Sequence[SetResult]) -> None:
        """Writes results behind the others: all of them, or none. Raises InputError."""
        content = b"".join(msgspec.json.encode(one) + b"\n" for one in results)
        try:
            write_all(self._handle, content)
        except OSError as error:
            self._cut(self._size)
            raise self._unwritable(error) from None
        self._size += len(content)
        self.count += len(results)

    @contextlib.contextmanager
    def naming(self) -> Iterator[None]:
        """Makes an OSError an InputError that names the folder."""
        try:
            yield
        except OSError as error:
            raise self._unwritable(error) from None

    def _open(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        if not (self.path / HEAD).exists() and any(self.path.iterdir()):
            raise InputError(f"{self.path}: exists already and is no sweep; name another folder with --out")
        self._handle = os.open(self.path / RESULTS, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        if not _is_alone(self._handle):
            raise InputError(f"{self.path}: another process is running this sweep")
        if not (self.path / HEAD).exists():
            write_atomically(self.path / HEAD, msgspec.json.encode(self.head), is_synced=True)
        else:
            self._continue()
        self._count()

    def _continue(self) -> None:
        """Refuses a head that differs in more than its time; keeps that of the folder."""
        known = read_head(self.path)
        mine = msgspec.structs.replace(self.head, created=known.created)
        for name in SweepHead.__struct_fields__:
            if getattr(known, name) != getattr(mine, name):
                raise InputError(
                    f"{self.path}: has a sweep that differs in its {name}: name another folder with --out, or run the "
                    "command that began it"
                )
        self.head = known

    def _count(self) -> None:
        """Counts whole lines and cuts off what is behind the last."""
        os.lseek(self._handle, 0, os.SEEK_SET)
        size = position = 0
        while block := os.read(self._handle, _BLOCK):
            self.count += block.count(b"\n")
            if b"\n" in block:
                size = position + block.rindex(b"\n") + 1
            position += len(block)
        self._cut(size)

    def _cut(self, size: int) -> None:
        os.ftruncate(self._handle, size)
        self._size = size

    def _unwritable(self, error: OSError) -> InputError:
        return InputError(
            f"{self.path}: cannot be written: {error.strerror}; what is done is kept, the same command continues it"
        )


def _is_alone(handle: int) -> bool:
    try:
        return try_lock(handle)
    except OSError:  # a file system without locks
        return True
