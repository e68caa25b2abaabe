"""Tests in real time: they wait for sockets or for processes, so that other work on the machine can make them late.

Such a test that failed beside others is judged by a second run, in which nothing else runs (`make test`). Any other
test that failed has failed.
"""

from __future__ import annotations

import multiprocessing.process
import socket
import subprocess
from collections.abc import Callable, Sequence
from typing import Any

import pytest

#: Where the tests to be run again are kept, in pytest's cache.
KEPT = "real_time/again"
#: The name of the property of a report.
PROPERTY = "in real time"
#: More failures than this in one run are not the machine's.
MOST = 5


class RealTime:
    """Counts the sockets that are bound or connected, and the processes that are started, by this process."""

    def __init__(self) -> None:
        self.count = 0

    def watch(self, replace: Callable[[Any, str, Any], None] = setattr) -> None:
        """From now on counts; replace: puts a function in the place of another."""
        for owner, name in (
            (socket.socket, "bind"),
            (socket.socket, "connect"),
            (socket.socket, "connect_ex"),
            (subprocess.Popen, "__init__"),
            (multiprocessing.process.BaseProcess, "start"),
        ):
            self._count(owner, name, replace)
        try:
            import uvloop
        except ImportError:
            return
        # It opens sockets and starts processes in C.
        for name in (
            "create_server",
            "create_connection",
            "sock_connect",
            "subprocess_exec",
            "subprocess_shell",
        ):
            self._count(uvloop.Loop, name, replace)

    def _count(self, owner: Any, name: str, replace: Callable[[Any, str, Any], None]) -> None:
        inner = getattr(owner, name)

        def counted(*arguments: Any, **options: Any) -> Any:
            self.count += 1
            return inner(*arguments, **options)

        replace(owner, name, counted)


class Failures:
    """The failed tests of a run, and which of them may be run again."""

    def __init__(self) -> None:
        self._failed: dict[str, bool] = {}

    def add(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        """Takes a report of any outcome."""
        if report.failed:
            in_real_time = (PROPERTY, True) in getattr(report, "user_properties", ())
            self._failed[report.nodeid] = in_real_time and self._failed.get(report.nodeid, True)

    def to_repeat(self) -> list[str]:
        """The tests to be run again: all that failed, or none where one of them is not in real time."""
        if len(self._failed) > MOST or not all(self._failed.values()):
            return []
        return sorted(self._failed)


def select(items: list[pytest.Item], again: Sequence[str]) -> list[pytest.Item]:
    """Leaves the tests of a list; returns the others."""
    others = [item for item in items if item.nodeid not in again]
    items[:] = [item for item in items if item.nodeid in again]
    return others
