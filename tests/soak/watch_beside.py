"""The tests of sessions beside a watcher in trouble: they stay green.

    PYTHONPATH=tests python -m tests.soak.watch_beside [--trouble stopped] [FILE ...]

A watcher follows every session that the tests of FILE (without: the files of `_FILES`) start in processes or in their
own, while it is, in turns of a few seconds, stopped (SIGSTOP), killed (SIGKILL) and started again, unable to write its
files, forbidden to read the sessions' folders, or while 1,000 clients are connected. Without --trouble each of the
five, one after the other. Printed: the outcome of the tests, how often the trouble began, and how many sessions the
watcher has seen. Exit code 4 if a test failed, or if the watcher saw no session or does not come back.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from soak.watch_soak import Watcher, wait_until
from support.alert_receiver import Receiver
from support.paths import ROOT

from arb.results.evidence import MANIFEST, SESSION_LOCK

#: Files whose tests run sessions: live and dry-run, on sockets, with their ends, signals and kills.
_FILES = [
    *("dry_run", "dry_run_orders", "dry_run_troubles", "hard_ends", "session_end", "signals", "account_halt"),
    *("live_accounts", "live_command", "live_funding", "live_gate", "live_journal", "live_killed"),
    *("live_sandbox", "supervision", "guard"),
]
#: Seconds of trouble, and without.
_TROUBLED_S, _CALM_S = 4.0, 2.0
#: Between two looks for sessions.
_LOOK_S = 0.5
#: Of a file of the watcher, in bytes.
_FULL = 2_048
_CLIENTS = 1_000


class Trouble:
    """One kind of trouble, which begins and ends again and again."""

    def __init__(self, watcher: Watcher, place: Path) -> None:
        self.watcher = watcher
        self.flag = place / "locked"
        self.held = contextlib.ExitStack()

    def stopped(self) -> Callable[[], object]:
        """SIGSTOP."""
        os.kill(self.watcher.pid, signal.SIGSTOP)
        return lambda: os.kill(self.watcher.pid, signal.SIGCONT)

    def killed(self) -> Callable[[], object]:
        """SIGKILL."""
        self.watcher.kill()
        self.watcher.wait()
        return self.watcher.start

    def full(self) -> Callable[[], object]:
        """No file of the watcher can grow."""
        endless = resource.RLIM_INFINITY
        resource.prlimit(self.watcher.pid, resource.RLIMIT_FSIZE, (_FULL, endless))
        return lambda: resource.prlimit(self.watcher.pid, resource.RLIMIT_FSIZE, (endless, endless))

    def locked(self) -> Callable[[], object]:
        """Permission is denied in the sessions' folders."""
        self.flag.touch()
        return self.flag.unlink

    def clients(self) -> Callable[[], object]:
        """A thousand clients connect and ask for nothing."""
        port = self.watcher.await_page()
        for _ in range(_CLIENTS):
            self.held.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20.0))
        return self.held.close


TROUBLES = ("stopped", "killed", "full", "locked", "clients")


def follow(base: Path, runs: Path, over: threading.Event) -> None:
    """Gives the watcher each session's folder that appears below `base`, under a name of its own."""
    known: set[Path] = set()
    while not over.wait(_LOOK_S):
        for folder, names, files in os.walk(base):
            path = Path(folder)
            if (SESSION_LOCK in files or MANIFEST in files) and path not in known:
                known.add(path)
                (runs / f"{len(known):05d}").symlink_to(path)
                names.clear()


def listed(watcher: Watcher) -> list[object]:
    """The sessions on the watcher's page."""
    address = f"http://127.0.0.1:{watcher.await_page()}/data/runs.json"
    with urllib.request.urlopen(address, timeout=60.0) as answer:
        return list(json.load(answer)["runs"])


def beside(trouble: str, files: list[str]) -> bool:
    """Whether the tests of the files are green beside such a watcher, and it has followed their sessions."""
    over, begun = threading.Event(), 0
    with tempfile.TemporaryDirectory(prefix="arb-beside-") as name, Receiver() as receiver:
        place, base = Path(name), Path(name) / "tests"
        watcher = Watcher(place, receiver)
        if trouble == "locked":
            watcher.forbid(f"{place / 'runs'}{os.sep}", place / "locked")
        watcher.start()
        watcher.await_page()
        following = threading.Thread(target=follow, args=(base, place / "runs", over))
        following.start()
        words = [sys.executable, "-m", "pytest", "-n", "0", f"--basetemp={base}", *files]
        tests = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        output: list[str] = []
        reading = threading.Thread(target=lambda: output.extend(tests.stdout or ()))
        reading.start()
        try:
            while reading.is_alive():
                reading.join(_CALM_S)
                if not reading.is_alive():
                    break
                end = getattr(Trouble(watcher, place), trouble)()
                begun += 1
                reading.join(_TROUBLED_S)
                end()
        finally:
            code = tests.wait()
            over.set()
            following.join()
        there = {path.name for path in (place / "runs").iterdir() if path.exists()}
        with contextlib.suppress(TimeoutError):
            wait_until(lambda: len(listed(watcher)) >= len(there), 60.0)
        seen = len(listed(watcher))
        watcher.kill()
        watcher.wait()
    print(
        f"{trouble}: {output[-1].strip()}; {begun} times; the watcher lists {seen} of {len(there)} sessions",
        flush=True,
    )
    if code:
        print("".join(output))
    return not code and seen == len(there) > 0


def main() -> int:
    """Runs and prints."""
    words = argparse.ArgumentParser()
    words.add_argument("--trouble", choices=TROUBLES)
    words.add_argument("files", nargs="*")
    given = words.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4_096), max(hard, 4_096)))
    files = given.files or [f"tests/integration/test_{name}.py" for name in _FILES]
    troubles = [given.trouble] if given.trouble else TROUBLES
    return 4 if sum(not beside(trouble, files) for trouble in troubles) else 0


if __name__ == "__main__":
    sys.exit(main())
