"""The journal of a session is the lock of its folder."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import Any

import pytest

from arb.errors import ExitCode, InputError
from arb.runtime.journal import Journal, held_journal


def test_it_is_held_until_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "session.journal"
    journal = Journal(path, {})
    with pytest.raises(InputError) as caught, held_journal(path):
        pass
    assert str(caught.value) == (
        f"{tmp_path}: its session still runs, or another arb verify finishes it; run arb verify when that has ended"
    )
    assert caught.value.exit_code == ExitCode.USER_INPUT
    journal.close()
    with held_journal(path) as is_ours:
        assert is_ours


def test_one_holds_it_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "session.journal"
    Journal(path, {}).close()
    with held_journal(path) as is_ours:
        assert is_ours
        with pytest.raises(InputError, match="another arb verify"), held_journal(path):
            pass
    with held_journal(path) as is_ours:
        assert is_ours


def test_one_that_was_removed_meanwhile_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "session.journal"
    Journal(path, {}).close()
    flock = fcntl.flock

    def late(file: Any, operation: int) -> None:
        path.unlink()  # by who held it until now
        flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    with held_journal(path) as is_ours:
        assert not is_ours


def test_without_one_there_is_nothing_to_hold(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path, tmp_path / "none", tmp_path / "file"):
        with held_journal(folder / "session.journal") as is_ours:
            assert not is_ours


def test_one_that_cannot_be_begun_is_let_go_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "session.journal"

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Journal, "write", fail)
    with pytest.raises(OSError, match="No space"):
        Journal(path, {})
    with held_journal(path) as is_ours:
        assert is_ours
