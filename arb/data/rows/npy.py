"""Event rows on disk as `.npy`, which hftbacktest loads by path and NumPy maps into memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
from hftbacktest.types import event_dtype

from arb.files import staged
from connectors.model import Rows

#: Size of the header, which is rewritten once the number of rows is known; a multiple of 64 as the format requires.
_HEADER_BYTES = 320
_MAGIC = b"\x93NUMPY\x01\x00"


class NpyWriter:
    """Appends rows to a file that `open_npy` completes. One thread."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.count = 0

    def write(self, rows: Rows) -> None:
        """Appends rows. Raises OSError."""
        self._file.write(np.ascontiguousarray(rows).view(np.uint8).data)
        self.count += len(rows)


@contextlib.contextmanager
def open_npy(path: Path) -> Iterator[NpyWriter]:
    """A writer of rows, piece by piece, into a file that gets its name only when the context ends.

    An error inside leaves nothing behind. Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with staged(path, is_synced=True) as file:
        file.write(_header(0))
        writer = NpyWriter(file)
        yield writer
        file.seek(0)
        file.write(_header(writer.count))


def _header(count: int) -> bytes:
    """A version 1.0 header of fixed length, so that it can be written before the rows are counted."""
    descr = np.lib.format.dtype_to_descr(event_dtype)
    fields = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': ({count},), }}"
    length = _HEADER_BYTES - len(_MAGIC) - 2
    return _MAGIC + length.to_bytes(2, "little") + fields.ljust(length - 1).encode("latin1") + b"\n"


def is_whole(path: Path) -> bool:
    """Whether `path` is a complete file of `open_npy`: its length matches its header."""
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
