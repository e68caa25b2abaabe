"""Decompresses an archive's file in pieces: gzip, or a zip with one member."""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from itertools import cycle
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from arb.data.archives.ahead import AHEAD, ahead
from arb.data.text import ERRORS, Progress, fast_zlib, read_gzip, read_pieces
from arb.errors import InputError
from connectors.parsing.scanner import PADDING

# Smaller than pieces of gzip: zip decompression starts each piece with a small buffer and doubles it.
_PIECE_BYTES = 1 << 18
_PACKED_BYTES = 1 << 18
_BUFFER_BYTES = 1 << 20
#: Maximum length of a line of an archive.
LINE_BYTES_MAX = 1 << 20
# A member's local header: its length without name and extra field, and the offset of their lengths.
_HEADER_BYTES, _NAME_LENGTHS = 30, 26
_ENCRYPTED = 1
_NOT_WHOLE: tuple[type[Exception], ...] = (zipfile.BadZipFile, EOFError, *ERRORS)
AGAIN = "download it again"


class Text(NamedTuple):
    """A piece of text in writable memory: buffer[start:stop].

    `start` bytes before it are free; PADDING bytes after it are readable, with any content.
    """

    buffer: NDArray[np.uint8]
    start: int
    stop: int


def read_text(path: Path, symbol: str, progress: Progress | None = None) -> Iterator[bytes]:
    """The text in pieces. Raises InputError for a truncated, damaged or empty file, and a zip with other contents.

    A thread decompresses the next pieces while the caller processes one.
    """
    if path.suffix == ".zip":
        return ahead(_read_zip(path, symbol, progress), "unpack")
    return ahead(read_pieces(path, progress, again=AGAIN), "unpack")


def read_buffers(path: Path, symbol: str, progress: Progress | None = None) -> Iterator[Text]:
    """The same in buffers with LINE_BYTES_MAX free bytes in front: room for an incomplete line of the one before.

    A piece is valid until the next one is requested.
    """
    if path.suffix == ".zip":
        return ahead(buffered(_read_zip(path, symbol, progress)), "unpack")
    buffers = _buffers()

    def read(file: IO[bytes]) -> Text | None:
        buffer = next(buffers)
        view = buffer[LINE_BYTES_MAX:-PADDING].data
        count: int = file.readinto(view)  # type: ignore[attr-defined]
        return Text(buffer, LINE_BYTES_MAX, LINE_BYTES_MAX + count) if count else None

    return ahead(read_gzip(path, read, progress, again=AGAIN), "unpack")


def buffered(pieces: Iterable[bytes]) -> Iterator[Text]:
    """Copies text pieces of any size into buffers."""
    buffers = _buffers()
    for piece in pieces:
        for start in range(0, len(piece), _BUFFER_BYTES):
            count = min(len(piece) - start, _BUFFER_BYTES)
            buffer = next(buffers)
            buffer[LINE_BYTES_MAX : LINE_BYTES_MAX + count] = np.frombuffer(piece, np.uint8, count, start)
            yield Text(buffer, LINE_BYTES_MAX, LINE_BYTES_MAX + count)


def _buffers() -> Iterator[NDArray[np.uint8]]:
    """A cycle of as many buffers as may be in use at once."""
    made = [np.zeros(LINE_BYTES_MAX + _BUFFER_BYTES + PADDING, np.uint8) for _ in range(AHEAD + 1)]
    return cycle(made)


def _read_zip(path: Path, symbol: str, progress: Progress | None) -> Iterator[bytes]:
    done = 0
    try:
        with zipfile.ZipFile(path) as archive:
            member = _member(path, archive, symbol)
            unpacked = 0
            for piece in _pieces(archive, member):
                unpacked += len(piece)
                read = member.compress_size * unpacked // max(member.file_size, 1)
                if progress is not None:
                    progress(read - done)
                    done = read
                yield piece
    except _NOT_WHOLE as error:
        reason = str(error) or "its compressed data end early"
        raise InputError(f"{path}: not a whole zip file ({reason}); {AGAIN}") from None
    except (NotImplementedError, RuntimeError) as error:  # zipfile's: an unknown compression, a password
        raise InputError(f"{path}: a zip that cannot be read ({error})") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None


def _pieces(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    """The text of a member in pieces; checks length and CRC. Raises zipfile's exceptions."""
    with archive.open(member) as file:  # checks the local header
        if member.compress_type != zipfile.ZIP_DEFLATED or member.flag_bits & _ENCRYPTED:
            while piece := file.read(_PIECE_BYTES):
                yield piece
            return
    source = archive.fp
    if source is None:
        raise zipfile.BadZipFile("it is closed")
    source.seek(member.header_offset + _NAME_LENGTHS)
    name, extra = struct.unpack("<HH", source.read(4))
    source.seek(member.header_offset + _HEADER_BYTES + name + extra)
    inflater = fast_zlib.decompressobj(-zlib.MAX_WBITS)  # deflate without a header
    left, size, crc = member.compress_size, 0, 0
    while not inflater.eof:
        packed = inflater.unconsumed_tail
        if not packed:
            packed = source.read(min(left, _PACKED_BYTES))
            left -= len(packed)
        piece = inflater.decompress(packed, _PIECE_BYTES)
        if not piece and not packed:
            raise EOFError
        size += len(piece)
        crc = fast_zlib.crc32(piece, crc)
        if piece:
            yield piece
    if crc != member.CRC or size != member.file_size:
        raise zipfile.BadZipFile(f"Bad CRC-32 for file {member.filename!r}")


def _member(path: Path, archive: zipfile.ZipFile, symbol: str) -> zipfile.ZipInfo:
    """The only file in a zip. Its name must contain the symbol, because nothing else identifies the rows."""
    members = [member for member in archive.infolist() if not member.is_dir()]
    if len(members) != 1:
        raise InputError(f"{path}: the zip holds {len(members)} files, where one belongs")
    if symbol not in re.split(r"[-_./]", members[0].filename):
        raise InputError(f"{path}: the zip holds {members[0].filename!r}, which is no file of {symbol}")
    return members[0]
