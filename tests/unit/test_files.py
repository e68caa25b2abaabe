"""A file is there whole or not at all."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest
from support.disk import files_up_to
from support.paths import ROOT

from arb.files import write_atomically


def contents(folder: Path) -> list[tuple[str, bytes]]:
    return sorted((file.name, file.read_bytes()) for file in folder.iterdir())


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    write_atomically(path, b"old")

    def refuse(*_: object) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new")
    assert contents(tmp_path) == [("a", b"old")]


@pytest.mark.parametrize("is_synced", [False, True])
def test_a_disk_without_room_leaves_no_part(is_synced: bool, tmp_path: Path) -> None:
    write_atomically(tmp_path / "a", b"old")
    with files_up_to(100):
        for name in "ab":
            with pytest.raises(OSError, match="File too large"):
                write_atomically(tmp_path / name, bytes(200), is_synced=is_synced)
    assert contents(tmp_path) == [("a", b"old")]
    write_atomically(tmp_path / "b", bytes(200), is_synced=is_synced)
    assert contents(tmp_path) == [("a", b"old"), ("b", bytes(200))]


def test_a_kill_inside_a_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_atomically(path, b"old")
    # Killed where the file is aside, and its content given to the kernel.
    script = (
        "import os, pathlib, signal, sys; from arb.files import write_atomically; "
        "os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL); "
        "write_atomically(pathlib.Path(sys.argv[1]), b'new', is_synced=True)"
    )
    killed = subprocess.run(
        [sys.executable, "-c", script, str(path)], cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    assert len(contents(tmp_path)) == 2, "it was killed later than it should"


def test_a_synced_file_is_on_the_disk_before_its_name_and_its_name_before_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    replace, fsync = os.replace, os.fsync

    def synced(handle: int) -> None:
        synced_path = Path(os.readlink(f"/proc/self/fd/{handle}"))
        steps.append("folder" if synced_path == tmp_path else f"content of {synced_path.stat().st_size}")
        fsync(handle)

    def renamed(source: Path, target: Path) -> Any:
        steps.append("name")
        return replace(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    write_atomically(tmp_path / "a", b"four", is_synced=True)
    assert steps == ["content of 4", "name", "folder"]


def test_who_may_read_it_is_what_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "a", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640
