"""What a session keeps on the disk while it goes on, so that one that was killed can be told again, too.

One file: an opening, then now and then an entry with what came since the one before. An entry is a moment between two
calls of the strategy, at which everything in it fits together. Each has a length and a checksum before it; what a kill
cut off at the end does not count. It is written without syncing: the kernel has it, and keeps it when the process dies.

It is also the lock of the session's folder (`flock`): who holds the journal may write there. The kernel takes the lock
back when its process ends, however it ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from arb.bot.fills import FILL
from arb.bot.recorder import DECISION
from arb.data.outages import BookSpells
from arb.engine.world import ANSWER
from arb.errors import InputError
from arb.runtime.replay_marks import MARK

_HEAD = struct.Struct("<QI")


class LegKept(msgspec.Struct, frozen=True):
    """Of one leg: its sums up to the moment, and the samples of its feed's latency since the entry before."""

    frames: int
    rows: int
    checksum: int
    gaps: int
    spells: BookSpells
    lags: list[tuple[int, int]]
    #: Why its values are not on the configured tick and lot, "" where they are.
    off_grid: str = ""


class Opening(msgspec.Struct, frozen=True, tag="opening"):
    """What is known before the first row. head: what the manifest says of code and configuration."""

    head: dict[str, Any]


class Entry(msgspec.Struct, frozen=True, tag="entry"):
    """A moment. Rows of marks, answers, fills, decisions and records are those since the entry before."""

    start_ts: int
    told_ts: int
    legs: list[LegKept]
    marks: bytes
    answers: bytes
    fills: bytes
    decisions: bytes
    records: bytes
    #: The state of every leg, of hftbacktest's `record_dtype`.
    final: bytes
    late: int
    late_since: int
    events: dict[str, int]
    refusals: dict[str, dict[str, int]]
    #: Of dtype LOSS: all up to the moment.
    losses: bytes = b""
    #: By venue and stream: messages with stamps that are not believed, and their largest lead in ns.
    wrong_stamps: dict[str, tuple[int, int]] = {}


class Kept(NamedTuple):
    """A session up to its last whole entry, which is `last`; the arrays and samples are those of all entries."""

    head: dict[str, Any]
    last: Entry
    #: By leg.
    lags: list[list[tuple[int, int]]]
    marks: Any
    answers: Any
    fills: Any
    decisions: Any
    #: As bytes: their shape depends on the number of legs.
    records: bytes


class Journal:
    """Writes the file of one session, and holds it until `close`. One thread."""

    def __init__(self, path: Path, head: dict[str, Any]) -> None:
        """Raises OSError for a file that cannot be written, or exists."""
        self.path = path
        self._encoder = msgspec.msgpack.Encoder()
        self._file = path.open("xb", buffering=0)
        try:
            # Who was quicker finds nothing in it, and lets go at once.
            fcntl.flock(self._file, fcntl.LOCK_EX)
            self.write(Opening(head))
        except BaseException:
            self._file.close()
            raise

    def write(self, part: Opening | Entry) -> None:
        """Appends; the kernel has it on return. Raises OSError."""
        text = self._encoder.encode(part)
        whole = memoryview(_HEAD.pack(len(text), zlib.crc32(text)) + text)
        while whole:
            whole = whole[self._file.write(whole) or 0 :]

    def close(self) -> None:
        """Ends it, and lets go of it. Any number of times."""
        self._file.close()


@contextlib.contextmanager
def held_journal(path: Path) -> Iterator[bool]:
    """Within it the journal of a session that is over is ours alone; False where there is none.

    Raises InputError while its session, or somebody else who finishes its folder, holds it, and for one that cannot be
    opened.
    """
    try:
        file = path.open("r+b")  # some file systems lock only what could be written
    except (FileNotFoundError, NotADirectoryError):
        yield False
        return
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"{path.parent}: its session goes on, or another arb verify finishes it; "
                "run arb verify when that has ended"
            ) from None
        except OSError as error:
            raise InputError(f"{path}: cannot be locked: {error.strerror}") from None
        # Who held it before us may have finished the folder, and removed it.
        yield os.fstat(file.fileno()).st_nlink > 0


def read_journal(path: Path) -> Kept:
    """What a session kept. Raises InputError for a file that is none, or holds no moment."""
    try:
        content = path.read_bytes()
        parts = _parts(content)
    except (OSError, msgspec.DecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    opening, entries = next(iter(parts), None), [part for part in parts if isinstance(part, Entry)]
    if not isinstance(opening, Opening) or not entries:
        raise InputError(
            f"{path}: the session was killed before it had kept anything; there is nothing to verify"
        )

    def joined(name: str) -> bytes:
        return b"".join(getattr(entry, name) for entry in entries)

    def rows(name: str, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
        return np.frombuffer(joined(name), dtype)

    last = entries[-1]
    lags = [[lag for entry in entries for lag in entry.legs[n].lags] for n in range(len(last.legs))]
    try:
        return Kept(
            head=opening.head,
            last=last,
            lags=lags,
            marks=rows("marks", MARK),
            answers=rows("answers", ANSWER),
            fills=rows("fills", FILL),
            decisions=rows("decisions", DECISION),
            records=joined("records"),
        )
    except ValueError as error:
        raise InputError(f"{path}: cannot be read: {error}") from None


def _parts(content: bytes) -> list[Opening | Entry]:
    """The whole parts from the beginning."""
    decoder = msgspec.msgpack.Decoder(Opening | Entry)
    parts: list[Opening | Entry] = []
    at = 0
    while at + _HEAD.size <= len(content):
        length, checksum = _HEAD.unpack_from(content, at)
        text = content[at + _HEAD.size : at + _HEAD.size + length]
        if len(text) != length or zlib.crc32(text) != checksum:
            break
        parts.append(decoder.decode(text))
        at += _HEAD.size + length
    return parts
