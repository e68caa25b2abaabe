"""An incomplete download: `<name>.part` with the bytes received, and `<name>.part.json` with their source.

Owned by the process that holds the folder's lock. Written bytes survive a kill, so that the next process can resume.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from arb.files import sync_folder, write_atomically


class PartNote(msgspec.Struct, frozen=True):
    """The source of a part's bytes. `validator`: the ETag or date that identifies the server's version of the file."""

    url: str
    length: int | None
    validator: str | None


class Part:
    """The incomplete download of the file at `path`."""

    def __init__(self, path: Path) -> None:
        self.final = path
        self.path = path.with_name(f"{path.name}.part")
        self._note_path = path.with_name(f"{path.name}.part.json")

    def begun(self, url: str) -> tuple[PartNote, int] | None:
        """The note on the bytes received from `url` so far, and their number; None if there is nothing to resume."""
        try:
            note = msgspec.json.decode(self._note_path.read_bytes(), type=PartNote)
            size = self.path.stat().st_size
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return None
        is_ours = note.url == url and note.length is not None and 0 < size <= note.length
        return (note, size) if is_ours else None

    def begin(self, note: PartNote) -> PartWriter:
        """Starts from the beginning. Raises OSError."""
        self.discard()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self._note_path, msgspec.json.encode(note))
        return PartWriter(self.path, "wb")

    def resume(self) -> PartWriter:
        """Opens the part to append. Raises OSError."""
        return PartWriter(self.path, "ab")

    def size(self) -> int:
        """The number of bytes received."""
        return self.path.stat().st_size if self.path.exists() else 0

    def head(self, count: int) -> bytes:
        """The first bytes of the part."""
        with self.path.open("rb") as file:
            return file.read(count)

    def discard(self) -> None:
        """Removes the part."""
        self.path.unlink(missing_ok=True)
        self._note_path.unlink(missing_ok=True)

    def publish(self) -> None:
        """Syncs the file and renames it to its final name. Raises OSError."""
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        self.path.replace(self.final)
        self._note_path.unlink(missing_ok=True)
        sync_folder(self.final.parent)


class PartWriter:
    """Writes without Python's buffer: counted bytes are in the file even if the process is killed."""

    def __init__(self, path: Path, mode: str) -> None:
        self._file = path.open(mode, buffering=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, piece: bytes) -> None:
        """Appends all of `piece`. Raises OSError; a part of it may then be written."""
        rest = memoryview(piece)
        while rest:
            rest = rest[self._file.write(rest) :]
