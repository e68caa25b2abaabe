"""The second process that compiles at the first run of a command: when it runs, and that it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.paths import ROOT

#: A process with one thread, as a command is when it begins. Its arguments: a folder, and Python lines that the second
#: process runs, that are run before it, and beside it.
_PROGRAM = """
import os, sys, threading, time
from pathlib import Path
from arb.commands.compilation_beside import CompilationBeside
from connectors.jit.compilation import cache_folder, set_cache_folder

folder, compiling, before, within = Path(sys.argv[1]), *sys.argv[2:]
set_cache_folder(folder / "cache")

def compile_all():
    (folder / f"{os.getpid()}.begun").touch()
    exec(compiling)

def begun():
    return list(folder.glob("*.begun"))

exec(before)
opened = set(os.listdir("/proc/self/fd"))
with CompilationBeside("test", compile_all) as beside:
    exec(within)
assert set(os.listdir("/proc/self/fd")) == opened
print(len(list(cache_folder().glob("test-*.done"))))
"""
_UNTIL_DONE = "os.waitid(os.P_PID, beside._process, os.WEXITED | os.WNOWAIT)"
_UNTIL_BEGUN = "while not begun(): time.sleep(0.01)"


def _begin(folder: Path, *, compiling: str = "", before: str = "", within: str = "") -> subprocess.Popen[str]:
    words = [sys.executable, "-c", _PROGRAM, str(folder), compiling, before, within]
    return subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def _run(folder: Path, **lines: str) -> str:
    process = _begin(folder, **lines)
    output, _ = process.communicate(timeout=60.0)
    assert process.returncode == 0
    return output.strip()


def _begun(folder: Path) -> list[int]:
    return [int(path.stem) for path in folder.glob("*.begun")]


def _is_gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


@pytest.fixture(autouse=True)
def two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    if (os.cpu_count() or 1) == 1:
        pytest.skip("one processor: there is no second process")


def test_it_compiles_at_the_first_run_only(tmp_path: Path) -> None:
    assert _run(tmp_path, within=_UNTIL_DONE) == "1"
    assert _run(tmp_path) == "1"
    assert len(_begun(tmp_path)) == 1


def test_it_ends_with_the_context_and_compiles_at_the_next_run(tmp_path: Path) -> None:
    assert _run(tmp_path, compiling="time.sleep(60)", within=_UNTIL_BEGUN) == "0"
    assert _is_gone(_begun(tmp_path)[0])
    assert _run(tmp_path, within=_UNTIL_DONE) == "1"
    assert len(_begun(tmp_path)) == 2


def test_its_errors_are_not_shown_and_it_is_not_done(tmp_path: Path) -> None:
    assert _run(tmp_path, compiling='print("shown", flush=True); 1 / 0', within=_UNTIL_DONE) == "0"
    assert len(_begun(tmp_path)) == 1


def test_it_ends_when_the_command_is_killed(tmp_path: Path) -> None:
    process = _begin(tmp_path, compiling="time.sleep(60)", within="time.sleep(60)")
    try:
        until = time.monotonic() + 30.0
        while not _begun(tmp_path) and time.monotonic() < until:
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    while not _is_gone(_begun(tmp_path)[0]) and time.monotonic() < until:
        time.sleep(0.01)
    assert _is_gone(_begun(tmp_path)[0])


def test_it_is_not_forked_beside_other_threads(tmp_path: Path) -> None:
    beside = "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()"
    assert _run(tmp_path, before=beside) == "0"
    assert not _begun(tmp_path)
