"""A stand-in for the `os` module whose n-th change of the disk goes wrong half-way."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from arb import files
from arb.data.recordings import finish, journal, members, track
from arb.data.recordings import recorder as recorder_module

#: Calls that change what is on the disk.
CHANGES = frozenset({"ftruncate", "fsync", "open", "rename", "unlink", "write"})
MODULES = (files, finish, journal, members, track, recorder_module)


class Killed(BaseException):
    """Stands for kill -9: nothing of ours runs behind it."""


class BrokenDisk:
    """Behaves like `os`, but raises at the change number `at` (from 0); a write has written its first half then."""

    def __init__(self, at: int, error: Callable[[], BaseException], *, for_good: bool = False) -> None:
        self._at = at
        self._error = error
        self._for_good = for_good
        self.changes = 0

    @property
    def is_broken(self) -> bool:
        """Whether it has gone wrong."""
        return self.changes > self._at

    def __getattr__(self, name: str) -> Any:
        call = getattr(os, name)
        if name not in CHANGES:
            return call

        def counted(*arguments: Any) -> Any:
            if name == "open" and not arguments[1] & os.O_CREAT:
                return call(*arguments)
            number, self.changes = self.changes, self.changes + 1
            if number == self._at or (self._for_good and number > self._at and name in ("write", "open")):
                if name == "write" and number == self._at:
                    os.write(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
                raise self._error()
            return call(*arguments)

        return counted


def break_disk(monkeypatch: pytest.MonkeyPatch, disk: BrokenDisk) -> None:
    """The recorder's modules use this disk from now on."""
    for module in MODULES:
        monkeypatch.setattr(module, "os", disk)
