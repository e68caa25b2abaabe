"""Searches what the whole suite has written and shown for its own keys (`support.guard.markers`).

At the end of a run: every file below its folder and in the folder of journals, packed ones unpacked; during it: the
captured output and errors of every test, the output of processes, and what `arb` prints.
"""

from __future__ import annotations

import stat
import subprocess
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from support.guard.markers import is_marked

#: Files that are keys, or have them for a sandbox; and tests that hide keys to find them, or a core file without the
#: guard against it, by the beginnings of their names.
_KEY_FILES = frozenset({"accounts.toml", "key", "key.pem", "guard.pem"})
_HIDING = ("test_the_search_finds_what_is_", "test_without_the_guard_there_w")
_GZIP = b"\x1f\x8b"
#: Of a packed file so much is unpacked: a recording of minutes.
_UNPACKED_MAX = 64 << 20


class SuiteSearch:
    """What was found, as places; never the key."""

    def __init__(self, hiding: Sequence[str] = _HIDING) -> None:
        """hiding: in the names of folders that are left out."""
        self._hiding = hiding
        self.found: list[str] = []
        self.files = 0

    def look(self, content: bytes | str, where: str) -> None:
        """Searches an output."""
        if is_marked(content.encode(errors="replace") if isinstance(content, str) else content):
            self.found.append(where)

    def look_through(self, folder: Path) -> None:
        """Searches every file below a folder, and the names."""
        for path in _files(folder):
            self.files += 1
            if path.name in _KEY_FILES or any(one in str(path.parent) for one in self._hiding):
                continue
            self.look(path.name, f"name of a file in {path.parent}")
            try:
                content = path.read_bytes()
            except OSError:  # without the right to, or gone
                continue
            self.look(_unpacked(content) if content[:2] == _GZIP else content, str(path))

    def follow_processes(self) -> None:
        """From now on searches what is read of processes until they end."""
        communicate = subprocess.Popen.communicate

        def searched(process: Any, *arguments: Any, **options: Any) -> Any:
            outputs = communicate(process, *arguments, **options)
            for output in outputs:
                if output:
                    self.look(output, f"output of {str(process.args)[:200]}")
            return outputs

        subprocess.Popen.communicate = searched  # type: ignore[method-assign]


def _files(folder: Path) -> Iterator[Path]:
    """Regular files, without following links."""
    for path in folder.rglob("*"):
        try:
            if stat.S_ISREG(path.lstat().st_mode):
                yield path
        except OSError:
            continue


def _unpacked(content: bytes) -> bytes:
    """A packed file, of one part or more, also if it was cut."""
    parts: list[bytes] = []
    while content[:2] == _GZIP and sum(map(len, parts)) < _UNPACKED_MAX:
        unpacking = zlib.decompressobj(wbits=31)
        try:
            parts.append(unpacking.decompress(content, _UNPACKED_MAX))
        except zlib.error:
            break
        content = unpacking.unused_data
    return b"".join(parts)


#: Of this process.
SEARCH = SuiteSearch()
