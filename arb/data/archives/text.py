"""The text of an archive's file, unpacked in pieces: gzip, or a zip of one member."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from arb.data.raw import Progress, read_pieces
from arb.errors import InputError

_PIECE_BYTES = 1 << 20
AGAIN = "download it again"


def read_text(path: Path, symbol: str, progress: Progress | None = None) -> Iterator[bytes]:
    """The text in pieces. Raises InputError for a cut, damaged or empty file, and a zip that holds something else.

    A thread unpacks the next piece while the caller works on one.
    """
    if path.suffix == ".zip":
        return _read_ahead(_read_zip(path, symbol, progress))
    return _read_ahead(read_pieces(path, progress, again=AGAIN))


def _read_ahead(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same pieces, one of them in advance."""
    with ThreadPoolExecutor(1, "unpack") as pool:
        coming = pool.submit(next, pieces, b"")
        while piece := coming.result():
            coming = pool.submit(next, pieces, b"")
            yield piece


def _read_zip(path: Path, symbol: str, progress: Progress | None) -> Iterator[bytes]:
    done = 0
    try:
        with zipfile.ZipFile(path) as archive:
            member = _member(path, archive, symbol)
            with archive.open(member) as file:
                while piece := file.read(_PIECE_BYTES):
                    read = member.compress_size * file.tell() // max(member.file_size, 1)
                    if progress is not None:
                        progress(read - done)
                        done = read
                    yield piece
    except (zipfile.BadZipFile, EOFError, zlib.error) as error:
        reason = str(error) or "its compressed data end early"
        raise InputError(f"{path}: not a whole zip file ({reason}); {AGAIN}") from None
    except (NotImplementedError, RuntimeError) as error:
        raise InputError(f"{path}: a zip that cannot be read ({error})") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None


def _member(path: Path, archive: zipfile.ZipFile, symbol: str) -> zipfile.ZipInfo:
    """The one file in a zip, whose name must hold the symbol: nothing else says what its rows are of."""
    members = [member for member in archive.infolist() if not member.is_dir()]
    if len(members) != 1:
        raise InputError(f"{path}: the zip holds {len(members)} files, where one belongs")
    if symbol not in re.split(r"[-_./]", members[0].filename):
        raise InputError(f"{path}: the zip holds {members[0].filename!r}, which is no file of {symbol}")
    return members[0]
