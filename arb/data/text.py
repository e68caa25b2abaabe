"""Reads files of market data as text: gzip in pieces, deflate for zips, and the file hash that cache keys use.

ISA-L decompresses if its wheel is installed, twice as fast as zlib: the same bytes, the same checksums. Stateless.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import re
import stat
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import IO, Any, TypeVar

from arb.errors import InputError
from arb.files import lock

#: The modules `gzip` and `zlib`, or ISA-L's of the same interface.
fast_gzip: Any
fast_zlib: Any
try:
    from isal import igzip as fast_gzip
    from isal import isal_zlib as fast_zlib
except ImportError:  # no wheel for this machine
    fast_gzip, fast_zlib = gzip, zlib

#: Exceptions raised for damaged data, besides EOFError.
ERRORS: tuple[type[Exception], ...] = (gzip.BadGzipFile, zlib.error, fast_zlib.error)

#: The first bytes of a gzip file.
_GZIP_MAGIC = b"\x1f\x8b"
#: Bytes of text per piece.
_PIECE_BYTES = 1 << 20
#: A local time in us before a frame.
_STAMP_US = re.compile(rb"^\d{16}(?= )", re.MULTILINE)
_STAMP_US_BYTES = 17
_LINE_BYTES_MAX = 32 << 20

T = TypeVar("T")

#: Called with the number of bytes of the compressed file read since the last call.
Progress = Callable[[int], None]


def read_pieces(
    path: Path, progress: Progress | None = None, *, again: str = "record or copy it again"
) -> Iterator[bytes]:
    """The text of a gzip file in pieces. Raises InputError for a truncated, damaged, empty or unreadable file.

    `again`: the next step for an incomplete file, for the error text.
    """
    return read_gzip(path, lambda file: file.read(_PIECE_BYTES), progress, again=again)


def read_recording(path: Path, progress: Progress | None = None) -> Iterator[bytes]:
    """The text of a recording in pieces, with local times in ns: 16 digits (us, older collectors) get three zeros.

    The first line decides which. Raises InputError as `read_pieces` does.
    """
    pieces = read_pieces(path, progress)
    head = b""
    for piece in pieces:
        head += piece
        if len(head) > _STAMP_US_BYTES:
            break
    rest = chain([head], pieces)
    return _in_ns(rest) if is_in_us(head) else rest


def is_in_us(text: bytes) -> bool:
    """Whether a recording that begins with this text has local times in microseconds."""
    return _STAMP_US.match(text) is not None


def _in_ns(pieces: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        text = rest + piece
        # Without a line break for long, the decoder rejects the line.
        end = len(text) if len(text) - len(piece) > _LINE_BYTES_MAX else text.rfind(b"\n") + 1
        text, rest = text[:end], text[end:]
        if text:
            yield _STAMP_US.sub(rb"\g<0>000", text)
    if rest:
        yield _STAMP_US.sub(rb"\g<0>000", rest)


def read_gzip(
    path: Path, read: Callable[[IO[bytes]], T | None], progress: Progress | None = None, *, again: str
) -> Iterator[T]:
    """The results of `read` on the open file until one is empty; otherwise as `read_pieces`."""
    done = 0
    try:
        _refuse_unreadable(path)
        with path.open("rb") as compressed, fast_gzip.open(compressed) as file:
            _hold(compressed)
            if os.fstat(compressed.fileno()).st_size == 0:
                raise InputError(f"{path}: the file is empty; {again}")
            if os.pread(compressed.fileno(), 2, 0) != _GZIP_MAGIC:
                raise InputError(f"{path}: not a whole gzip file (it does not begin as one); {again}")
            while piece := read(file):
                if progress is not None:
                    progress(compressed.tell() - done)
                    done = compressed.tell()
                yield piece
    except EOFError:
        raise InputError(f"{path}: the file is cut off: its compressed data end early; {again}") from None
    except ERRORS as error:
        raise InputError(f"{path}: not a whole gzip file ({error}); {again}") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None


def fault_of(path: Path) -> str:
    """Why a file cannot be read: a broken link, a folder, no permission; "" if it can be opened.

    Only regular files are opened: a pipe would wait for a writer.
    """
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            return "a folder, not a file" if stat.S_ISDIR(mode) else "not a regular file"
        os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    except FileNotFoundError:
        return "a link to a file that does not exist" if path.is_symlink() else "No such file or directory"
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _refuse_unreadable(path: Path) -> None:
    if fault := fault_of(path):
        raise InputError(f"{path}: {fault}")


def _hold(file: IO[bytes]) -> None:
    """Prevents a recorder from appending to the file until it is closed; a recorder waits for its readers."""
    with contextlib.suppress(OSError):  # a file system without locks
        lock(file, is_shared=True)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hex. Raises InputError when it cannot be read."""
    try:
        _refuse_unreadable(path)
        with path.open("rb") as file:
            _hold(file)
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
