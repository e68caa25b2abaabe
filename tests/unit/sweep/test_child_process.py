"""The child process of a sweep: what is lost with it, and what its parent does then."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.paths import ROOT

#: Runs "sets" 0 to 29, each beside the next one unless it is a suspect.
PROGRAM = """
import os, signal, sys, time
from pathlib import Path
from arb.errors import InputError
from arb.sweep.child_process import in_child

def end(number):
    if number in LOST:
        HOW

try:
    child = in_child(lambda line: print(line, flush=True))
except InputError as error:
    print(f"refused: {error}", flush=True)
    sys.exit(2)
child.board.set_folder(Path("folder"))
for number in range(30):
    if (number, 0) in child.failed:
        continue
    with child.board.running((number, 0)):
        if (number, 0) in child.suspects:
            end(number)
            continue
        with child.board.running((number + 1, 0)):
            end(number)
child.board.end()
print("whole", sorted(child.failed), child.is_later, child.board.folder, flush=True)
END
"""


def run(lost: str = "()", how: str = "pass", end: str = "sys.exit(0)") -> subprocess.CompletedProcess[str]:
    program = PROGRAM.replace("LOST", lost).replace("HOW", how).replace("END", end)
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False, timeout=60
    )


@pytest.mark.parametrize(
    ("how", "named"),
    [
        ("os._exit(0)", "exit code 0"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
        ("os.abort()", "SIGABRT"),
    ],
)
def test_a_set_that_ends_its_process_is_named_and_the_others_go_on(how: str, named: str) -> None:
    done = run("(7, 21)", how)
    assert done.stdout.splitlines() == [
        *(
            f"set {number}: the strategy ended the process with {named}; it is marked as failed, the others go on"
            for number in (7, 21)
        ),
        "whole [(7, 0), (21, 0)] True folder",
    ]
    assert done.returncode == 0


def test_a_strategy_whose_every_set_ends_its_process_is_given_up() -> None:
    done = run("range(30)", "os._exit(3)")
    assert done.returncode == 2
    last = done.stdout.splitlines()[-1]
    assert last.startswith(
        "refused: the strategy ended the process in sets 0, 1, 2, 3, 4, 5, 6, 7, 8, 9; what is done"
    )


def test_a_process_that_the_system_kills_marks_no_set() -> None:
    done = run("(4,)", "os.kill(os.getpid(), signal.SIGKILL)")
    assert done.returncode == 2
    assert done.stdout.splitlines() == [
        "refused: the process was ended by SIGKILL while it ran sets 4, 5; out of memory? fewer --threads need less; "
        "what is done is kept, the same command with --out folder continues it"
    ]


def test_the_exit_code_is_the_childs() -> None:
    assert run(end="sys.exit(4)").returncode == 4
    assert run(end="os.kill(os.getpid(), signal.SIGTERM)").returncode == 128 + signal.SIGTERM


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_the_child_once(number: signal.Signals, tmp_path: Path) -> None:
    got = tmp_path / "got"
    end = (
        f"signal.signal({int(number)}, lambda *_: open({str(got)!r}, 'a').write('x'))\n"
        f"print('ready', flush=True)\nwhile not os.path.exists({str(got)!r}): time.sleep(0.01)\n"
        "time.sleep(0.1)\nsys.exit(9)"
    )
    program = PROGRAM.replace("LOST", "()").replace("HOW", "pass").replace("END", end)
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        while process.stdout.readline() != "ready\n":
            pass
        process.send_signal(number)
        assert process.wait(60) == 9
    assert got.read_text() == "x"


def test_a_killed_parent_leaves_no_process() -> None:
    end = "print(os.getpid(), flush=True)\nos.read(0, 1)\ntime.sleep(60)"
    program = PROGRAM.replace("LOST", "()").replace("HOW", "pass").replace("END", end)
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("whole")
        process.stdout.readline()
        process.kill()
        # Ends when nobody holds the other end any more.
        assert process.stdout.read() == ""
