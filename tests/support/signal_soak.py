"""Signals at random moments of `arb dry-run --sandbox`: it ends with 130, and leaves nothing or a whole folder."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from support.recording_files import command_environment

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: A process that does not end at all; seconds.
GIVEN_UP_S = 300.0


#: The `arb` command, which writes a byte when the handlers of all signals are there: inside the `try` of its `main`.
#: Before, SIGTERM and SIGHUP end the process as the system does.
_COMMAND = """
import os, signal, sys
import arb.interrupts
from arb.__main__ import main

ready, kept = int(sys.argv.pop(1)), arb.interrupts.interrupts_kept

def interrupts_kept():
    os.write(ready, b".")
    return kept()

signal.signal(signal.SIGINT, signal.default_int_handler)
arb.interrupts.interrupts_kept = interrupts_kept
main()
"""


class Outcome(NamedTuple):
    """One signal: when it was sent and what came of it. `fault` is empty where all is as it should be."""

    number: signal.Signals
    after_s: float
    took_s: float
    fault: str


def one_signal(folder: Path, random_source: random.Random, latest_s: float, *, is_cold: bool) -> Outcome:
    """Starts a session in a new folder and sends one signal after up to `latest_s` from its first module on.

    is_cold: without compiled code; else with that of this process.
    """
    folder.mkdir(parents=True)
    environment = command_environment(folder / "cache")
    if is_cold:
        (folder / "cache" / "arb" / "compiled").unlink()
    work = folder / "work"
    work.mkdir()
    number, after_s = random_source.choice(NUMBERS), random_source.uniform(0.0, latest_s)
    ready, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", _COMMAND, str(writing), "dry-run", "--sandbox", "--no-report", "--out", "run"],
        cwd=work,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=[writing],
    )
    os.close(writing)
    os.read(ready, 1)
    os.close(ready)
    time.sleep(after_s)
    process.send_signal(number)
    sent = time.monotonic()
    try:
        _, errors = process.communicate(timeout=GIVEN_UP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        _, errors = process.communicate()
    took_s = time.monotonic() - sent
    fault = _fault(process.returncode, errors, work)
    shutil.rmtree(folder)
    return Outcome(number, after_s, took_s, fault)


def _fault(code: int, errors: str, work: Path) -> str:
    if code != 130:
        return f"exit code {code}: {errors[-300:]}"
    if "Traceback" in errors or "Exception ignored" in errors:
        return errors[-300:]
    left = [path.name for path in work.iterdir()]
    if not left:
        return ""
    try:
        outcome = json.loads((work / "run" / "manifest.json").read_bytes())["outcome"]
    except OSError:
        return f"left {left}, without a manifest"
    return "" if left == ["run"] and outcome == "interrupted" else f"left {left}, {outcome}"
