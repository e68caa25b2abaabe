"""Workers of a sweep: what they answer, and what happens when one of them or their parent is lost."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest
from support.paths import ROOT

#: Two workers, and one thread for each.
PROGRAM = """
import os, signal, sys, threading, time
from pathlib import Path
from arb.errors import InputError
from arb.sweep.pool import in_order
from arb.sweep.worker_processes import Workers

def work(number, text):
    WORK

workers = Workers(2, work)
END
"""
SQUARES = """
for answer in in_order(iter(range(20)), lambda job: workers.run(job, "x" * 200_000), 2):
    print(*answer, flush=True)
workers.close()
print("closed", flush=True)
"""


def program(work: str, end: str = SQUARES) -> list[str]:
    return [sys.executable, "-c", PROGRAM.replace("WORK", work).replace("END", end)]


def run(work: str, end: str = SQUARES) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        program(work, end), capture_output=True, text=True, cwd=ROOT, check=False, timeout=60
    )


def test_results_are_those_of_two_other_processes_in_the_order_of_the_jobs() -> None:
    done = run("time.sleep(0.01); return number ** 2, len(text), os.getpid(), os.getppid()")
    *lines, last = (line.split() for line in done.stdout.splitlines())
    assert last == ["closed"], done.stderr
    assert [line[:2] for line in lines] == [[str(number**2), "200000"] for number in range(20)]
    assert len({line[2] for line in lines}) == 2
    assert not {line[2] for line in lines} & {line[3] for line in lines}


def test_what_a_worker_raises_is_raised_where_its_result_is_awaited() -> None:
    end = """
try:
    workers.run(7, "")
except InputError as error:
    print("raised", error)
print(workers.run(8, ""))
workers.close()
"""
    done = run("if number == 7: raise InputError('seven')\n    return number", end)
    assert done.stdout.splitlines() == ["raised seven", "8"], done.stderr


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("os._exit(0)", 0),
        ("os._exit(3)", 3),
        ("os.kill(os.getpid(), signal.SIGSEGV)", -signal.SIGSEGV),
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("os.kill(os.getpid(), signal.SIGTERM)\n        time.sleep(0.1); os.abort()", -signal.SIGABRT),
    ],
)
def test_a_worker_that_is_lost_ends_its_parent_in_the_same_way(how: str, code: int) -> None:
    done = run(f"if number == 5:\n        {how}\n    return (number,)")
    assert done.returncode == code
    assert "closed" not in done.stdout


def test_a_killed_parent_leaves_no_worker_even_while_it_runs_a_set() -> None:
    end = """
for number in range(2):
    threading.Thread(target=workers.run, args=(number, ""), daemon=True).start()
print("ready", flush=True)
time.sleep(60)
"""
    with subprocess.Popen(
        program("time.sleep(60)", end), stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.kill()
        # Ends when nobody holds the other end any more.
        began = time.monotonic()
        assert process.stdout.read() == ""
        assert time.monotonic() - began < 30


def test_closing_ends_workers_that_run_a_set_and_an_interrupt_reaches_none_of_them() -> None:
    end = """
def wait(number):
    try:
        workers.run(number, "")
    except EOFError as error:
        found.append(str(error))

found = []
threads = [threading.Thread(target=wait, args=(number,)) for number in range(2)]
for thread in threads:
    thread.start()
time.sleep(0.2)
for worker in workers._workers:
    os.kill(worker.process, signal.SIGINT)
time.sleep(0.1)
print([os.waitpid(worker.process, os.WNOHANG)[0] for worker in workers._workers], flush=True)
workers.close()
for thread in threads:
    thread.join()
print(found)
"""
    done = run("time.sleep(60)", end)
    assert done.stdout.splitlines() == [
        "[0, 0]",
        str(["the processes of the sweep were ended"] * 2),
    ], done.stderr
    assert done.returncode == 0
