"""Verifies downloaded files: by checksum, or else by the CRC of gzip and zip.

Reads files, may run in any thread, and can be stopped early.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import threading
import zipfile
import zlib
from pathlib import Path
from typing import IO

_PIECE_BYTES = 1 << 20
_SHA256_LINE = re.compile(r"([0-9a-fA-F]{64}) [ *](\S+)\s*", re.ASCII)
_MAGIC = {".zip": b"PK\x03\x04", ".gz": b"\x1f\x8b\x08"}
#: Number of first bytes that identify a file type, and that are read to quote other content in an error.
MAGIC_BYTES = max(map(len, _MAGIC.values()))
HEAD_BYTES = 64
#: Market data compresses to about a tenth. A file that decompresses to more than this factor is not market data.
_GROWTH_MAX = 200
_SHOWN_CHARS = 40


class DamagedError(Exception):
    """The file is damaged; the message has the reason and follows the file's name."""


def refuse_other_content(name: str, head: bytes) -> None:
    """Raises DamagedError if the content `head` does not fit the file name `name`, for example a web page."""
    if not head.startswith(_MAGIC[Path(name).suffix]):
        shown = head[:_SHOWN_CHARS].decode("ascii", "backslashreplace").split("\n")[0]
        raise DamagedError(f"is no {Path(name).suffix} file; it begins with {shown!r}")


def checksum_of(text: str, name: str) -> str:
    """The SHA-256 of `name`, in lower case, from a file in the format of `sha256sum -c`. Raises DamagedError."""
    for line in text.splitlines():
        match = _SHA256_LINE.fullmatch(line)
        if match and match[2].rpartition("/")[2] == name:
            return match[1].lower()
    raise DamagedError(f"has a .CHECKSUM without its SHA-256: it begins with {text[:_SHOWN_CHARS]!r}")


def prove(path: Path, name: str, sha256: str | None, stop: threading.Event) -> None:
    """Raises DamagedError unless the file at `path`, which will be renamed to `name`, is complete.

    With `sha256`, it only compares that; without, it decompresses the whole file, which checks its CRC. Returns
    early, without a result, once `stop` is set. Raises OSError.
    """
    if sha256 is not None:
        found = _sha256_of(path, stop)
        if found != sha256 and not stop.is_set():
            raise DamagedError(f"has SHA-256 {found}, but {name}.CHECKSUM says {sha256}")
        return
    with path.open("rb") as file:
        refuse_other_content(name, file.read(HEAD_BYTES))
    try:
        if name.endswith(".zip"):
            _read_zip(path, stop)
        else:
            with gzip.open(path) as file:
                _read(file, path.stat().st_size * _GROWTH_MAX, stop)
    except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, NotImplementedError) as error:
        # zipfile raises the last one for an unknown compression.
        raise DamagedError(f"is damaged or cut off ({error})") from None


def looks_whole(path: Path) -> bool:
    """A quick check of a file under its final name: its first bytes, and the end of a zip.

    Files get their final names only after verification, so this detects later truncation or replacement.
    """
    try:
        with path.open("rb") as file:
            refuse_other_content(path.name, file.read(HEAD_BYTES))
        return path.suffix != ".zip" or zipfile.is_zipfile(path)
    except (OSError, DamagedError):
        return False


def _read_zip(path: Path, stop: threading.Event) -> None:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if not any(member.file_size for member in members):
            raise DamagedError("is an empty .zip file")
        bytes_left = path.stat().st_size * _GROWTH_MAX
        for member in members:
            if member.flag_bits & 1:
                raise DamagedError("is an encrypted .zip file")
            with archive.open(member) as file:
                bytes_left = _read(file, bytes_left, stop)


def _read(file: IO[bytes] | gzip.GzipFile, bytes_left: int, stop: threading.Event) -> int:
    """Reads to the end; returns how many of `bytes_left` remain. Raises DamagedError beyond them."""
    while not stop.is_set() and (piece := file.read(_PIECE_BYTES)):
        bytes_left -= len(piece)
        if bytes_left < 0:
            raise DamagedError(f"holds more than {_GROWTH_MAX} times its size, which market data do not")
    return bytes_left


def _sha256_of(path: Path, stop: threading.Event) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while not stop.is_set() and (piece := file.read(_PIECE_BYTES)):
            digest.update(piece)
    return digest.hexdigest()
