"""Which process compiles a signature, and how long others wait."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from numba.core.errors import TypingError

from connectors.jit import compilation, turns


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Path]:
    compilation.set_cache_folder(tmp_path)
    yield tmp_path
    compilation.set_cache_folder(None)


def test_a_compilation_that_fails_ends_its_turn(cache: Path) -> None:
    @compilation.compiled
    def wrong(x: Any) -> Any:
        return x.no_such_attribute

    with pytest.raises(TypingError):
        wrong(1)
    assert not list(cache.rglob("*.lock"))


def test_a_turn_is_waited_for_but_not_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "machine" / "f.bin"
    held = turns.take_turn(path)
    assert held is not None
    assert not held.has_waited
    monkeypatch.setattr(turns, "WAIT_S", 0.1)
    assert turns.take_turn(path) is None, "the other process may be stopped"
    monkeypatch.setattr(turns.time, "sleep", lambda _: held.end())
    later = turns.take_turn(path)
    assert later is not None
    assert later.has_waited
    later.end()
    assert list(path.parent.iterdir()) == []


def test_without_a_folder_there_is_no_turn(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert turns.take_turn(tmp_path / "file" / "f.bin") is None
