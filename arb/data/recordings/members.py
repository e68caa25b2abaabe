"""gzip members of a file: the end of the last complete one, the text of a truncated one, and appending one.

Every reader treats a file of several members as one gzip file. Appending takes an exclusive lock;
`arb.data.text` reads under a shared one, so that it never reads a partly written member.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

from arb.data.recordings.journal import PIECE_BYTES
from arb.files import try_lock, write_all

#: zlib's `wbits` for a gzip header and trailer, without name and time: the same text gives the same bytes.
_GZIP = 31
_LEVEL = 5
#: The suffix of a file before it has its first member.
_ASIDE = ".gz-aside"


class Whole(NamedTuple):
    """The part of a file that consists of complete gzip members."""

    length: int
    size: int
    #: Whether the text of that part ends with a newline, or is empty.
    ends_line: bool


def whole_members(path: Path) -> Whole:
    """Reads a whole gzip file. A missing one is empty; zeros between and after members belong to them."""
    end = position = 0
    last = b"\n"
    member: zlib._Decompress | None = None
    with contextlib.suppress(FileNotFoundError, zlib.error), path.open("rb", buffering=0) as file:
        while piece := file.read(PIECE_BYTES):
            while piece:
                if member is None:
                    rest = piece.lstrip(b"\0") if end else piece
                    position += len(piece) - len(rest)
                    piece, end = rest, position
                    if not piece:
                        break
                    member, text_last = zlib.decompressobj(_GZIP), last
                text = member.decompress(piece)
                text_last = text[-1:] or text_last
                rest = member.unused_data
                position += len(piece) - len(rest)
                piece = rest
                if member.eof:
                    member, end, last = None, position, text_last
    size = path.stat().st_size if path.exists() else 0
    return Whole(end, size, last == b"\n")


def cut_text(path: Path, start: int) -> Iterator[bytes]:
    """The readable text of a truncated or damaged member that begins at byte `start`."""
    member = zlib.decompressobj(_GZIP)
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        while (piece := file.read(PIECE_BYTES)) and not member.eof:
            before = member.copy()
            try:
                yield member.decompress(piece)
            except zlib.error:
                # An error discards what the same call had decompressed before it, so repeat it byte by byte.
                with contextlib.suppress(zlib.error):
                    for n in range(len(piece)):
                        yield before.decompress(piece[n : n + 1])
                return
    with contextlib.suppress(zlib.error):
        yield member.flush()


class Member(NamedTuple):
    """A compressed member in an unnamed temporary file."""

    file: IO[bytes]
    frames: int
    text_bytes: int


@contextlib.contextmanager
def compressed(text: Iterable[bytes], folder: Path) -> Iterator[Member]:
    """Compresses the text to one gzip member, in the folder of its target file."""
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
        frames = text_bytes = 0
        for piece in text:
            write_all(file.fileno(), packer.compress(piece))
            frames += piece.count(b"\n")
            text_bytes += len(piece)
        write_all(file.fileno(), packer.flush())
        yield Member(file, frames, text_bytes)


def append_member(path: Path, length: int, member: Member | None) -> int | None:
    """Truncates `path` to `length` bytes, appends `member` and syncs; returns the new length.

    Returns None and does nothing if a reader holds the file. After an OSError the file has its `length` bytes again.
    A file that is not there yet gets its name with its first member: no reader meets an empty one.
    """
    if member is not None and not path.exists():
        return _begin(path, member)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        if not _lock(handle):
            return None
        try:
            os.ftruncate(handle, length)
            end = length if member is None else _copy(member.file.fileno(), handle, length)
            os.fsync(handle)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(handle, length)
            if length == 0:
                with contextlib.suppress(OSError):
                    os.unlink(path)
            raise
        if end == 0:
            os.unlink(path)
        return end
    finally:
        os.close(handle)


def _begin(path: Path, member: Member) -> int:
    """Makes a file of one member; returns its length. After an OSError there is no file."""
    aside = path.with_suffix(_ASIDE)
    handle = os.open(aside, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        end = _copy(member.file.fileno(), handle, 0)
        os.fsync(handle)
        os.rename(aside, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(aside)
        raise
    finally:
        os.close(handle)
    return end


def is_being_read(path: Path) -> bool:
    """Whether a reader holds the file now."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not _lock(handle)
    finally:
        os.close(handle)


def _lock(handle: int) -> bool:
    try:
        return try_lock(handle)
    except OSError:
        return True  # a file system without locks: readers may briefly see an incomplete end


def _copy(source: int, target: int, at: int) -> int:
    """Copies a whole file to an offset of another; returns the end offset."""
    os.lseek(target, at, os.SEEK_SET)
    position = 0
    while piece := os.pread(source, PIECE_BYTES, position):
        write_all(target, piece)
        position += len(piece)
    return at + position
