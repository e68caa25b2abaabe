"""What a venue and a session sent each other about orders, and everything else that its order states follow from.

One line for each, in the order of processing: its number from 1, 19 digits of time (ns UTC, the session's clock), a
mark, where, the text.
While a session runs they are in `private/<venue>_<YYYYMMDD>.journal`, a file for each day (UTC); a killed one keeps
what was written by then. At the end of the day, or of the session, a file is compressed into `.gz` of the same name.
Keys and signatures are blanked (`connectors.orders.blanking`).
"""

from __future__ import annotations

import contextlib
import gzip
import os
import re
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from arb.errors import InputError
from arb.files import staged, write_all
from connectors.units import DAY

#: The folder of these files in that of a session.
PRIVATE = "private"
_RUNNING, _FINISHED = ".journal", ".gz"
_DIGITS = 19
#: The day in a file's name.
_DAY = "_[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]"
_PIECE = 1 << 20
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_APPEND
_LINE = re.compile(rf"([1-9]\d{{0,17}}) (\d{{{_DIGITS}}}) ([<>{{}}!@t]) (\S+) (.*)", re.ASCII | re.DOTALL)
#: Line breaks are white space of JSON, which no text on the wire needs.
_NO_BREAKS = str.maketrans("\n\r", "  ")


class Mark(StrEnum):
    """What a line is. Those of the desk are its inputs and outputs; a line's own are neither."""

    RECEIVED = "<"
    SENT = ">"
    """By the desk."""
    OWN_RECEIVED = "{"
    """By a line: log-on, subscriptions, pings, listen keys."""
    OWN_SENT = "}"
    EVENT = "!"
    """A line changed its state, or a request was sent or not."""
    REQUEST = "@"
    """A request of the bot."""
    TICK = "t"
    """Time passed, and the desk was asked what is due. The text is the time at which it is, ns."""


class PrivateLine(NamedTuple):
    """One line of the file."""

    ts: int
    mark: str
    where: str
    text: str
    #: Its number among the venue's.
    number: int = 0


class PrivateLog:
    """Writes the lines of one venue. The host's thread."""

    def __init__(self, path: Path, blanked: Callable[[str], str]) -> None:
        """path: without day and ending. blanked: removes keys and signatures from a text. Raises InputError."""
        self._base = self._path = path
        self._day = -1
        #: Compress the files of earlier days.
        self._compressing: list[threading.Thread] = []
        self._is_closed = False
        self._blanked = blanked
        #: Lines that are not written yet: `flush` is called after each event of the loop that made any.
        self._pending: list[tuple[int, Mark, str, str | bytes, int]] = []
        self._file = -1
        #: Bytes of whole lines in the file.
        self._size = 0
        #: Number of lines so far.
        self.count = 0
        try:
            path.parent.mkdir(exist_ok=True)
        except OSError as error:
            raise self._cannot_be_written(error) from None

    def add(self, ts: int, mark: Mark, where: str, text: str | bytes) -> None:
        """Adds a line; it is written by the next `flush`. The strategy waits for this, and not for that."""
        self.count += 1
        self._pending.append((ts, mark, where, text, self.count))

    def flush(self) -> None:
        """Writes what was added; the kernel has it on return. Raises InputError; the next call writes what was not."""
        while self._pending and not self._is_closed:
            day = self._pending[0][0] // DAY
            if day > self._day:
                self._begin(day)
            # Lines of the next day begin its file.
            behind = next((no for no, line in enumerate(self._pending) if line[0] // DAY > self._day), None)
            self._write(self._pending[:behind])
            del self._pending[:behind]

    def _write(self, lines: Sequence[tuple[int, Mark, str, str | bytes, int]]) -> None:
        text = "".join(
            f"{number} {ts:0{_DIGITS}} {mark} {where} {self._blanked(_text_of(text)).translate(_NO_BREAKS)}\n"
            for ts, mark, where, text, number in lines
        )
        content = text.encode(errors="surrogateescape")
        try:
            write_all(self._file, content)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._size)
            raise self._cannot_be_written(error) from None
        self._size += len(content)

    def _begin(self, day: int) -> None:
        """Begins the file of a day; the one before is compressed meanwhile."""
        written = self._path
        path = self._base.with_name(f"{self._base.name}_{_day_text(day)}{_RUNNING}")
        try:
            file = os.open(path, _FLAGS, 0o644)
        except OSError as error:
            self._path = path
            raise self._cannot_be_written(error) from None
        before, self._file, self._size, self._day, self._path = self._file, file, 0, day, path
        if before >= 0:
            os.close(before)
            thread = threading.Thread(target=_compress_quietly, args=(written,), name="private frames")
            self._compressing.append(thread)
            thread.start()

    def close(self) -> None:
        """Writes what is left and closes the file. May be called repeatedly. Raises InputError."""
        if self._is_closed:
            return
        try:
            self.flush()
        finally:
            self._is_closed = True
            file, self._file = self._file, -1
            if file >= 0:
                os.close(file)
            for thread in self._compressing:
                thread.join()

    def _cannot_be_written(self, error: OSError) -> InputError:
        return InputError(
            f"{self._path}: cannot be written: {error.strerror}; make room, or use another disk"
        )


def finish_private(folder: Path) -> None:
    """Compresses the files of an ended session, or of a killed one; `folder` is the session's. Raises InputError."""
    for path in sorted((folder / PRIVATE).glob(f"*{_RUNNING}")):
        _compress(path)


def _compress(path: Path) -> None:
    try:
        with (
            path.open("rb") as lines,
            staged(path.with_suffix(_FINISHED), is_synced=True) as file,
            gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0) as packed,
        ):
            while piece := lines.read(_PIECE):
                packed.write(piece)
        path.unlink()
    except OSError as error:
        raise InputError(f"{path}: cannot be compressed: {error.strerror or error}") from None


def _compress_quietly(path: Path) -> None:
    """On a thread of its own, while the session runs. What fails is done again at its end, and said there."""
    with contextlib.suppress(InputError):
        _compress(path)


def private_venues(folder: Path) -> list[str]:
    """The venues of which a session has files."""
    return sorted({path.stem[: -len("_YYYYMMDD")] for path in (folder / PRIVATE).glob(f"*{_DAY}{_FINISHED}")})


def read_private(folder: Path, venue: str) -> Iterator[PrivateLine]:
    """The lines of all days; a last line that a kill cut off is ignored. Raises InputError."""
    paths = sorted((folder / PRIVATE).glob(f"{venue}{_DAY}{_FINISHED}"))
    if not paths:
        raise InputError(f"{folder / PRIVATE}: cannot be read: there is no file of {venue}")
    for path in paths:
        try:
            with gzip.open(path) as file:
                for number, line in enumerate(file, 1):
                    if not line.endswith(b"\n"):
                        return
                    yield _line_of(line[:-1].decode(errors="surrogateescape"), path, number)
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"{path}: cannot be read: {error}") from None


def kept_line(number: int) -> str:
    """The text of the event that `session.db` has this many entries."""
    return f"kept {number}"


def until_kept(lines: Iterable[PrivateLine], number: int) -> Iterator[PrivateLine]:
    """The lines up to an entry of `session.db`; all, if that is missing."""
    for line in lines:
        yield line
        if line.mark == Mark.EVENT and line.text == kept_line(number):
            return


def _text_of(text: str | bytes) -> str:
    return text.decode(errors="surrogateescape") if isinstance(text, bytes) else text


def _day_text(day: int) -> str:
    """A day since 1970 as in a file's name."""
    return f"{datetime.fromtimestamp(day * 86_400, UTC):%Y%m%d}"


def _line_of(line: str, path: Path, number: int) -> PrivateLine:
    found = _LINE.fullmatch(line)
    if found is None:
        raise InputError(f"{path}: line {number} is no line of a session")
    return PrivateLine(int(found[2]), found[3], found[4], found[5], int(found[1]))
