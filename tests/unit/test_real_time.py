"""Tests in real time that failed beside others are run again alone; no other failure is forgiven."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import uvloop
from support.guard.markers import REPORTS
from support.paths import ROOT
from support.real_time import MOST, PROPERTY, Failures, RealTime

# Fails while there is no file `passed` beside it, which the test itself makes.
SUITE = """
import socket
from pathlib import Path

MARK = Path(__file__).with_name("passed")

def test_in_real_time():
    socket.socket().close() if {plain} else socket.create_server(("127.0.0.1", 0)).close()
    there = MARK.exists()
    MARK.touch()
    assert there
"""
OTHER = """
def test_other():
    assert {other}
"""


def _report(name: str, in_real_time: bool) -> Any:
    properties = [(PROPERTY, True)] if in_real_time else []
    return SimpleNamespace(nodeid=name, failed=True, user_properties=properties)


def test_one_failure_that_is_not_in_real_time_counts_for_all() -> None:
    failures = Failures()
    failures.add(_report("b", True))
    failures.add(_report("a", True))
    assert failures.to_repeat() == ["a", "b"]
    failures.add(SimpleNamespace(nodeid="file.py", failed=True))  # a file that could not be read
    assert failures.to_repeat() == []


def test_many_failures_are_not_the_machine_s() -> None:
    failures = Failures()
    for number in range(MOST + 1):
        assert len(failures.to_repeat()) == number
        failures.add(_report(str(number), True))
    assert failures.to_repeat() == []


async def _serves() -> None:
    (await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)).close()


async def _asks() -> None:
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as server:
        transport, _ = await loop.create_connection(asyncio.Protocol, *server.getsockname())
        transport.close()


async def _starts() -> None:
    await (await asyncio.create_subprocess_exec(sys.executable, "-c", "pass")).wait()


def _started() -> None:
    process = multiprocessing.get_context("fork").Process(target=int)
    process.start()
    process.join()


@pytest.mark.parametrize(
    "does",
    [
        lambda: socket.create_server(("127.0.0.1", 0)).close(),
        lambda: subprocess.run([sys.executable, "-c", "pass"], check=True),
        _started,
        *(
            lambda run=run, make=make: run(make())
            for run in (asyncio.run, uvloop.run)
            for make in (_serves, _asks, _starts)
        ),
    ],
)
def test_sockets_and_processes_are_counted(
    does: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = RealTime()
    with monkeypatch.context() as patch:
        watched.watch(patch.setattr)
        does()
    assert watched.count


@pytest.mark.slow
@pytest.mark.parametrize(
    ("plain", "other", "codes"),
    [
        (False, True, [1, 0]),  # in real time: judged by the second run
        (True, True, [1, 4]),
        (False, False, [1, 4]),
    ],
)
def test_the_second_run_judges_what_is_in_real_time(
    tmp_path: Path, plain: bool, other: bool, codes: list[int]
) -> None:
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    (tmp_path / "test_it.py").write_text(SUITE.format(plain=plain))
    (tmp_path / "test_other.py").write_text(OTHER.format(other=other))
    (tmp_path / "pytest.ini").write_text(f"[pytest]\npythonpath = {ROOT / 'tests'} {ROOT}\n")
    # It is a run of its own, also where this one is a worker's.
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", REPORTS))}
    for arguments, code in zip([["-n", "2"], ["-n", "0", "--again"]], codes, strict=True):
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *arguments],
            cwd=tmp_path,
            env=own,
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, done.stdout + done.stderr
