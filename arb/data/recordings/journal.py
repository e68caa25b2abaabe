"""Journals, the plain-text files of frames that are not compressed yet: names and lines.

`<venue>/<symbol>_<YYYYMMDD>.<number>.journal`, numbered in the order of writing. Once its offset in the day's `.gz`
is decided, the name contains it (`.at<length>.journal`), so that a compression that was killed half-way can be
repeated and cannot leave a duplicate or truncated member.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

#: Venue names that are valid folder names.
VENUE = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
_NAME = re.compile(
    r"(?P<name>[a-z0-9._-]+)_(?P<day>\d{8})\.(?P<number>\d{6,})(?:\.at(?P<length>\d+))?\.journal", re.ASCII
)
_LINE = re.compile(rb"\d{19} [^\n\0]*\n")
_LINES = re.compile(rb"(?:\d{19} [^\n\0]*+\n)*+")
#: Text is read in pieces of this size: few thread switches, and constant memory.
PIECE_BYTES = 1 << 20
#: Checking lines holds the GIL, so it uses smaller steps.
_CHECKED_BYTES = 32 << 10
#: A longer line (bytes) was not written by this program.
_LINE_BYTES_MAX = 64 << 20
_SHOWN_BYTES = 100


class DayKey(NamedTuple):
    """One instrument's UTC day; `name` is the symbol in lower case, `day` YYYYMMDD."""

    venue: str
    name: str
    day: str

    def gz(self, directory: Path) -> Path:
        """The day's recording."""
        return directory / self.venue / f"{self.name}_{self.day}.gz"

    def events(self, directory: Path) -> Path:
        """The day's sidecar."""
        return directory / self.venue / f"{self.name}_{self.day}.events.jsonl"

    def journal(self, directory: Path, number: int, length: int | None = None) -> Journal:
        """The path of a journal of the day; `length`: the offset of its member in the `.gz`, once decided."""
        place = "" if length is None else f".at{length}"
        path = directory / self.venue / f"{self.name}_{self.day}.{number:06d}{place}.journal"
        return Journal(self, number, length, path)


class Journal(NamedTuple):
    """One journal file."""

    key: DayKey
    number: int
    length: int | None
    path: Path


def find_journals(directory: Path) -> dict[DayKey, list[Journal]]:
    """The journals below a folder, those of each day in the order of writing."""
    found: dict[DayKey, list[Journal]] = {}
    for path in sorted(directory.glob("*/*.journal")):
        match = _NAME.fullmatch(path.name)
        if match and VENUE.fullmatch(path.parent.name):
            key = DayKey(path.parent.name, match["name"], match["day"])
            length = None if match["length"] is None else int(match["length"])
            found.setdefault(key, []).append(Journal(key, int(match["number"]), length, path))
    for journals in found.values():
        journals.sort(key=lambda journal: journal.number)
    return found


class Dropped:
    """Text of a journal outside complete lines: a partial last line after a kill, or damage by a power failure."""

    def __init__(self) -> None:
        self.lines = 0
        self.bytes = 0
        self.first = ""

    def add(self, line: bytes) -> None:
        """Counts a dropped piece."""
        if not self.lines:
            self.first = line[:_SHOWN_BYTES].decode("utf-8", "replace")
        self.lines += 1
        self.bytes += len(line)


def all_text(path: Path) -> Iterator[bytes]:
    """The text of a journal that this process wrote and closed."""
    with path.open("rb", buffering=0) as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def whole_lines(path: Path, dropped: Dropped) -> Iterator[bytes]:
    """The complete lines of a journal of another process; all other text is counted in `dropped`."""
    rest = b""
    with path.open("rb", buffering=0) as file:
        while piece := file.read(_CHECKED_BYTES):
            piece = rest + piece
            end = piece.rfind(b"\n") + 1
            text, rest = piece[:end], piece[end:]
            if len(rest) > _LINE_BYTES_MAX:
                dropped.add(rest)
                rest = b""
            if text:
                yield text if _LINES.fullmatch(text) else _good_lines(text, dropped)
    if rest:
        dropped.add(rest)


def _good_lines(text: bytes, dropped: Dropped) -> bytes:
    good = []
    for line in text[:-1].split(b"\n"):
        line += b"\n"
        if _LINE.fullmatch(line):
            good.append(line)
        else:
            dropped.add(line)
    return b"".join(good)


def cut_torn_line(handle: int) -> int:
    """Truncates an open file after its last newline; returns the number of bytes removed."""
    size = os.fstat(handle).st_size
    end = size
    while end > 0:
        start = max(0, end - PIECE_BYTES)
        newline = os.pread(handle, end - start, start).rfind(b"\n")
        if newline >= 0:
            end = start + newline + 1
            break
        end = start
    if end < size:
        os.ftruncate(handle, end)
    return size - end
