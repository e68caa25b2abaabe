"""A disk that fills: a limit on the size of every file that this process writes, which fails in the same calls."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from arb.results import folder


@contextlib.contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """Within it no file grows beyond `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def fill_disk_at(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """From now on there is no room for the file of that name in any run's folder."""
    write = folder.write_atomically

    def without_room(path: Path, content: bytes, *, is_synced: bool) -> None:
        with files_up_to(len(content) // 2) if path.name == name else contextlib.nullcontext():
            write(path, content, is_synced=is_synced)

    monkeypatch.setattr(folder, "write_atomically", without_room)
