"""A session's state on disk while it runs, so that a killed session can also be replayed.

One file: an opening, then periodic entries with the data since the entry before. An entry is taken between two calls of
the strategy, so that its parts are consistent. Each part is preceded by its length and checksum; a part truncated by a
kill is ignored. Writes are not synced: the kernel keeps them when the process dies.

The file is also the lock of the session's folder: only its holder may write there. The kernel releases the
lock when the process ends, for whatever reason.
"""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from arb.bot.account import CHARGE
from arb.bot.fills import FILL
from arb.bot.recorder import DECISION, RECORD
from arb.engine.world import ANSWER
from arb.errors import InputError
from arb.files import lock, try_lock
from arb.runtime.live_files import REQUEST, RESPONSE
from arb.runtime.snapshot import Snapshot

_HEAD = struct.Struct("<QI")


class Opening(msgspec.Struct, frozen=True, tag="opening"):
    """What is known before the first row. head: the manifest's fields about code and configuration."""

    head: dict[str, Any]


class Entry(Snapshot, frozen=True, kw_only=True, tag="entry"):
    """A snapshot with what the strategy did. Rows, as those of marks, are those since the entry before."""

    start_ts: int
    answers: bytes
    fills: bytes
    charges: bytes
    decisions: bytes
    records: bytes
    #: The state of every leg, of dtype RECORD.
    final: bytes
    refusals: dict[str, dict[str, int]]
    #: Of a session whose orders a gateway answered: rows of `live_files.REQUEST` and `RESPONSE`.
    requests: bytes = b""
    responses: bytes = b""


class JournalContent(NamedTuple):
    """A session up to the last complete entry of its journal. fills: of dtype FILL. charges: of dtype CHARGE. final:
    of all legs."""

    head: dict[str, Any]
    start_ts: int
    snapshot: Snapshot
    answers: Any
    fills: Any
    charges: Any
    decisions: Any
    #: (row, leg), of dtype RECORD.
    records: Any
    final: Any
    refusals: dict[str, dict[str, int]]
    #: Of dtypes `live_files.REQUEST` and `RESPONSE`.
    requests: Any
    responses: Any
    #: Number of entries.
    entries: int


class Journal:
    """Writes the file of one session and holds its lock until `close`. One thread."""

    def __init__(self, path: Path, head: dict[str, Any]) -> None:
        """Raises OSError for a file that cannot be written, or exists."""
        self.path = path
        self._encoder = msgspec.msgpack.Encoder()
        self._file = path.open("xb", buffering=0)
        try:
            # If another process locked the file first, it finds no entry and releases it at once.
            lock(self._file)
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
        """Closes the file and releases the lock. May be called repeatedly."""
        self._file.close()


@contextlib.contextmanager
def held_journal(path: Path) -> Iterator[bool]:
    """Inside the context the caller holds the journal of an ended session; yields False where there is none.

    Raises InputError while its session or another process that finishes its folder holds it, and for a journal that
    cannot be opened.
    """
    try:
        file = path.open("r+b")  # some file systems only lock files opened for writing
    except (FileNotFoundError, NotADirectoryError):
        yield False
        return
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None
    with file:
        try:
            is_ours = try_lock(file)
        except OSError as error:
            raise InputError(f"{path}: cannot be locked: {error.strerror}") from None
        if not is_ours:
            raise InputError(
                f"{path.parent}: its session still runs, or another arb verify finishes it; "
                "run arb verify when that has ended"
            )
        # The previous holder may have finished the folder and removed the journal.
        yield os.fstat(file.fileno()).st_nlink > 0


def read_journal(path: Path) -> JournalContent:
    """Reads a session's journal. Raises InputError for another kind of file, or one without an entry."""
    try:
        parts = _parts(path.read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    opening, entries = next(iter(parts), None), [part for part in parts if isinstance(part, Entry)]
    if not isinstance(opening, Opening) or not entries:
        raise InputError(
            f"{path}: the session was killed before it had kept anything; there is nothing to verify"
        )
    try:
        return _content(opening.head, entries)
    except ValueError as error:
        raise InputError(f"{path}: cannot be read: {error}") from None


def _content(head: dict[str, Any], entries: list[Entry]) -> JournalContent:
    def rows(name: str, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
        return np.frombuffer(b"".join(getattr(entry, name) for entry in entries), dtype)

    last = entries[-1]
    legs = [
        msgspec.structs.replace(leg, lags=[lag for entry in entries for lag in entry.legs[n].lags])
        for n, leg in enumerate(last.legs)
    ]
    marks = b"".join(entry.marks for entry in entries)
    return JournalContent(
        head=head,
        start_ts=last.start_ts,
        snapshot=msgspec.structs.replace(last, legs=legs, marks=marks),
        answers=rows("answers", ANSWER),
        fills=rows("fills", FILL),
        charges=rows("charges", CHARGE),
        decisions=rows("decisions", DECISION),
        records=rows("records", RECORD).reshape(-1, len(legs)),
        final=np.frombuffer(last.final, RECORD),
        refusals=last.refusals,
        requests=rows("requests", REQUEST),
        responses=rows("responses", RESPONSE),
        entries=len(entries),
    )


def _parts(content: bytes) -> list[Opening | Entry]:
    """The complete parts, from the beginning."""
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
