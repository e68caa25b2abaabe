"""What a venue and a session sent each other about orders, and everything else that its order states follow from.

One line for each, in the order of processing: its number from 1, 19 digits of time (ns UTC, the session's clock), a
mark, where, the text.
While a session runs they are in `private/<venue>.journal`; a killed one keeps what was written by then. At its end they
are compressed into `private/<venue>.gz`. Keys and signatures are blanked (`connectors.orders.blanking`).
"""

from __future__ import annotations

import contextlib
import gzip
import os
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from arb.errors import InputError
from arb.files import staged, write_all

#: The folder of these files in that of a session.
PRIVATE = "private"
_RUNNING, _FINISHED = ".journal", ".gz"
_DIGITS = 19
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
    #: Its number in the file.
    number: int = 0


class PrivateLog:
    """Writes the lines of one venue. The host's thread."""

    def __init__(self, path: Path, blanked: Callable[[str], str]) -> None:
        """path: without the ending. blanked: removes keys and signatures from a text. Raises InputError."""
        self._path = path.with_name(path.name + _RUNNING)
        self._blanked = blanked
        #: Lines that are not written yet: `flush` is called after each event of the loop that made any.
        self._pending: list[PrivateLine] = []
        self._file = -1
        #: Bytes of whole lines in the file.
        self._size = 0
        #: Number of lines so far.
        self.count = 0
        try:
            path.parent.mkdir(exist_ok=True)
            self._file = os.open(self._path, _FLAGS, 0o644)
        except OSError as error:
            raise self._cannot_be_written(error) from None

    def add(self, ts: int, mark: Mark, where: str, text: str | bytes) -> None:
        """Adds a line; it is written by the next `flush`."""
        if isinstance(text, bytes):
            text = text.decode(errors="surrogateescape")
        self.count += 1
        self._pending.append(PrivateLine(ts, mark, where, text, self.count))

    def flush(self) -> None:
        """Writes what was added; the kernel has it on return. Raises InputError; the next call writes what was not."""
        if not self._pending or self._file < 0:
            return
        text = "".join(
            f"{number} {ts:0{_DIGITS}} {mark} {where} {self._blanked(text).translate(_NO_BREAKS)}\n"
            for ts, mark, where, text, number in self._pending
        )
        content = text.encode(errors="surrogateescape")
        try:
            write_all(self._file, content)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._size)
            raise self._cannot_be_written(error) from None
        self._size += len(content)
        self._pending.clear()

    def close(self) -> None:
        """Writes what is left and closes the file. May be called repeatedly. Raises InputError."""
        if self._file >= 0:
            try:
                self.flush()
            finally:
                file, self._file = self._file, -1
                os.close(file)

    def _cannot_be_written(self, error: OSError) -> InputError:
        return InputError(
            f"{self._path}: cannot be written: {error.strerror}; make room, or use another disk"
        )


def finish_private(folder: Path) -> None:
    """Compresses the files of an ended session, or of a killed one; `folder` is the session's. Raises InputError."""
    for path in sorted((folder / PRIVATE).glob(f"*{_RUNNING}")):
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


def private_venues(folder: Path) -> list[str]:
    """The venues of which a session has a file."""
    return sorted(path.stem for path in (folder / PRIVATE).glob(f"*{_FINISHED}"))


def read_private(folder: Path, venue: str) -> Iterator[PrivateLine]:
    """The lines of a finished file; a line that a kill cut off is ignored. Raises InputError."""
    path = folder / PRIVATE / f"{venue}{_FINISHED}"
    try:
        with gzip.open(path) as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    return
                yield _line_of(line[:-1].decode(errors="surrogateescape"), path, number)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None


def kept_line(number: int) -> str:
    """The text of the event that the session's journal has this many entries."""
    return f"kept {number}"


def until_kept(lines: Iterable[PrivateLine], number: int) -> Iterator[PrivateLine]:
    """The lines up to an entry of the session's journal; all, if that is missing."""
    for line in lines:
        yield line
        if line.mark == Mark.EVENT and line.text == kept_line(number):
            return


def _line_of(line: str, path: Path, number: int) -> PrivateLine:
    found = _LINE.fullmatch(line)
    if found is None:
        raise InputError(f"{path}: line {number} is no line of a session")
    return PrivateLine(int(found[2]), found[3], found[4], found[5], int(found[1]))
