"""What the first use of a session compiles, it compiles before the session begins, where the bar counts it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.live_sandbox import demo_files, demo_settings
from support.paths import GUARD, ROOT

pytestmark = pytest.mark.slow

#: Runs `arb`, and names the functions of arb that are loaded or compiled after the host's loop has begun.
SCRIPT = """
import sys

from numba.core.dispatcher import Dispatcher

from arb.cli import cli
from arb.runtime.host import Host

late = []
run, compile = Host.run, Dispatcher.compile


def begun(host, work):
    Dispatcher.compile = noted
    return run(host, work)


def noted(dispatcher, signature):
    if dispatcher.py_func.__module__.startswith("arb."):
        late.append(dispatcher.py_func.__qualname__)
    return compile(dispatcher, signature)


Host.run = begun
try:
    cli(sys.argv[1:], prog_name="arb")
finally:
    sys.stdout.write(f"late: {late}")
"""


def test_a_session_loads_and_compiles_nothing_of_arb(tmp_path: Path) -> None:
    settings = [word for one in demo_settings(tmp_path, "busy") for word in ("--set", one)]
    words = ["dry-run", "--sandbox", "--duration", "2s", "--no-report", "--json", *settings]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *words, "--config", str(demo_files(tmp_path)), "--out", "run"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{GUARD}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("late: []")
