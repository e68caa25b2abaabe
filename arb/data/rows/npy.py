"""Event rows on disk as `.npy`, which hftbacktest loads by path and NumPy maps into memory."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np
from hftbacktest.types import event_dtype

from arb.errors import InvariantError
from connectors.model import Rows

#: Size of the header, which is rewritten once the number of rows is known; a multiple of 64 as the format requires.
_HEADER_BYTES = 320
_MAGIC = b"\x93NUMPY\x01\x00"


class NpyWriter:
    """Writes rows piece by piece into a file that gets its final name only when it is complete.

    Use as a context manager: an error inside leaves nothing behind. One thread.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._count = 0
        self._temporary = Path()
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{self._path.name}.", dir=self._path.parent)
        self._temporary = Path(name)
        self._temporary.chmod(
            0o644
        )  # mkstemp's files are private; derived rows are readable by all users with access to the folder
        self._file = os.fdopen(handle, "wb")
        self._file.write(_header(0))
        return self

    def write(self, rows: Rows) -> None:
        """Appends rows."""
        if self._file is None:
            raise InvariantError("rows written to a file that is not open")
        self._file.write(np.ascontiguousarray(rows).view(np.uint8).data)
        self._count += len(rows)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        file = self._file
        if file is None:
            return
        try:
            if kind is None:
                file.seek(0)
                file.write(_header(self._count))
                file.flush()
                os.fsync(file.fileno())
            file.close()
            if kind is None:
                self._temporary.replace(self._path)
        finally:
            self._temporary.unlink(missing_ok=True)


def _header(count: int) -> bytes:
    """A version 1.0 header of fixed length, so that it can be written before the rows are counted."""
    descr = np.lib.format.dtype_to_descr(event_dtype)
    fields = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': ({count},), }}"
    length = _HEADER_BYTES - len(_MAGIC) - 2
    return _MAGIC + length.to_bytes(2, "little") + fields.ljust(length - 1).encode("latin1") + b"\n"


def is_whole(path: Path) -> bool:
    """Whether `path` is a complete file of `NpyWriter`: its length matches its header."""
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
        count, rest = divmod(path.stat().st_size - _HEADER_BYTES, event_dtype.itemsize)
    except OSError:
        return False
    return rest == 0 and count >= 0 and header == _header(count)


def load_rows(path: Path, *, mapped: bool = True) -> Rows:
    """The rows of a file, mapped read-only into memory, or copied.

    `np.load` forgets the dtype's `align` flag, which compiled code is specialised for: the view restores it.
    """
    rows = np.load(path, mmap_mode="r" if mapped else None)
    return np.asarray(rows).view(event_dtype)
