"""A file on its way: `<name>.part` with the bytes that have come, and `<name>.part.json` that says of what.

Owned by the process that holds the folder's lock. What is written here survives the death of the process, so that the
next one goes on where it ended.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from arb.data.atomic import sync_folder, write_atomically


class PartNote(msgspec.Struct, frozen=True):
    """What the bytes of a part are of. `validator`: the ETag or the date by which the server knows its file again."""

    url: str
    length: int | None
    validator: str | None


class Part:
    """The part of the file that will be at `path`."""

    def __init__(self, path: Path) -> None:
        self.final = path
        self.path = path.with_name(f"{path.name}.part")
        self._note_path = path.with_name(f"{path.name}.part.json")

    def begun(self, url: str) -> tuple[PartNote, int] | None:
        """What came of `url` so far, and how many bytes; None where there is nothing to go on from."""
        try:
            note = msgspec.json.decode(self._note_path.read_bytes(), type=PartNote)
            size = self.path.stat().st_size
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return None
        is_ours = note.url == url and note.length is not None and 0 < size <= note.length
        return (note, size) if is_ours else None

    def begin(self, note: PartNote) -> PartWriter:
        """Starts anew. Raises OSError."""
        self.discard()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self._note_path, msgspec.json.encode(note))
        return PartWriter(self.path, "wb")

    def resume(self) -> PartWriter:
        """Goes on at the end. Raises OSError."""
        return PartWriter(self.path, "ab")

    def size(self) -> int:
        """How many bytes are here."""
        return self.path.stat().st_size if self.path.exists() else 0

    def head(self, count: int) -> bytes:
        """The first bytes."""
        with self.path.open("rb") as file:
            return file.read(count)

    def discard(self) -> None:
        """Removes what came."""
        self.path.unlink(missing_ok=True)
        self._note_path.unlink(missing_ok=True)

    def publish(self) -> None:
        """Gives the file its name, on disk for good. Raises OSError."""
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        self.path.replace(self.final)
        self._note_path.unlink(missing_ok=True)
        sync_folder(self.final.parent)


class PartWriter:
    """Writes past Python's own buffer: what was counted is in the file, whatever becomes of the process."""

    def __init__(self, path: Path, mode: str) -> None:
        self._file = path.open(mode, buffering=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, piece: bytes) -> None:
        """Appends all of `piece`. Raises OSError, when a part of it may be written."""
        rest = memoryview(piece)
        while rest:
            rest = rest[self._file.write(rest) :]
