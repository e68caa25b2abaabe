"""Whether a downloaded file is what it should be: by its checksum, or else by what gzip and zip prove of themselves.

Reads files, may run in any thread, and ends early when it is told to.
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
#: As many bytes tell what a file is, and so many what else it is.
MAGIC_BYTES = max(map(len, _MAGIC.values()))
HEAD_BYTES = 64
#: Text of market data shrinks to a tenth or so. What claims to grow by more than this is not market data.
_GROWTH_MAX = 200
_SHOWN_CHARS = 40


class DamagedError(Exception):
    """The file is not what it should be; the message says why, to be read after the file's name."""


def refuse_other_content(name: str, head: bytes) -> None:
    """Raises DamagedError where a file called `name` that begins with `head` is of another kind, such as a web page."""
    if not head.startswith(_MAGIC[Path(name).suffix]):
        shown = head[:_SHOWN_CHARS].decode("ascii", "backslashreplace").split("\n")[0]
        raise DamagedError(f"is no {Path(name).suffix} file; it begins with {shown!r}")


def checksum_of(text: str, name: str) -> str:
    """The SHA-256 of `name` that a file in the form of `sha256sum -c` gives, in small letters. Raises DamagedError."""
    for line in text.splitlines():
        match = _SHA256_LINE.fullmatch(line)
        if match and match[2].rpartition("/")[2] == name:
            return match[1].lower()
    raise DamagedError(f"has a .CHECKSUM without its SHA-256: it begins with {text[:_SHOWN_CHARS]!r}")


def prove(path: Path, name: str, sha256: str | None, stop: threading.Event) -> None:
    """Raises DamagedError unless the file at `path`, which will be called `name`, is whole.

    With `sha256`, by that alone; without, by reading all of it through its decompression, which checks its CRC. Returns
    early, having proved nothing, once `stop` is set. Raises OSError.
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
        # The last is what zipfile raises for a compression that it does not know.
        raise DamagedError(f"is damaged or cut off ({error})") from None


def looks_whole(path: Path) -> bool:
    """Whether a file under its final name may be trusted, at a glance: its first bytes, and the end of a zip.

    Files get their final names only once they are proved, so this finds what somebody cut or replaced since.
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
    """Reads to the end. Raises DamagedError beyond `bytes_left`; returns how many are left."""
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
