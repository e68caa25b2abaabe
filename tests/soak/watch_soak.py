"""`arb watch` is killed again and again while sessions' states begin and end: no message is lost, none is new twice.

    PYTHONPATH=tests python -m tests.soak.watch_soak [--kills 50] [--events 10000] [--seed 1]
    PYTHONPATH=tests python -m tests.soak.watch_soak --alarms 1000
    PYTHONPATH=tests python -m tests.soak.watch_soak --deaths 5

Real watchers, files and sockets; the sessions are files that this program writes. Each event begins or ends a state.
The watcher is killed at random moments, and between the receiver's answer and its own note of it: such a message is
sent again with the same id, which a receiver drops, and is counted. With --alarms nothing is killed, and the time from
the written event to the receiver is printed; with --deaths sessions are killed by SIGKILL, and the time until that is
reported. Exit code 4 for a message that is lost or new twice, for a p99 of more than two seconds, and for a death that
is reported after more than five.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parents[1]))

from soak.kills import Result, kills_at_the_answer
from support.alert_receiver import Receiver
from support.alert_world import calm
from support.watched_folders import WatchedFolder, event

from arb.config import write_templates

#: The rule whose state each event begins or ends.
RULE = "flip"
DEAD_S = 5.0
#: Events a second, and at once.
_RATE, _BATCH = 100, 5
_VARIABLE = "SOAK_HOOK"
#: `arb` that may open and list nothing below a place while a file is there: the words before its own.
_FORBIDDEN = """
import os, runpy, sys
place, flag = os.fsencode(sys.argv.pop(1)), sys.argv.pop(1)
def look(event, arguments):
    if event in ("open", "os.listdir", "os.scandir") and isinstance(arguments[0], (str, bytes)):
        if os.fsencode(arguments[0]).startswith(place) and os.access(flag, os.F_OK):
            raise PermissionError(13, "Permission denied", arguments[0])
sys.addaudithook(look)
runpy.run_module("arb", run_name="__main__", alter_sys=True)
"""


class Watcher:
    """The process of `arb watch` over a folder of runs, which sends to a receiver. Restarted by `start`."""

    def __init__(self, folder: Path, receiver: Receiver, *settings: str) -> None:
        if not (folder / "config").exists():
            write_templates(folder / "config")
        (folder / "runs").mkdir(exist_ok=True)
        own = (f'live.state_directory="{folder / "state"}"', f"alerts.webhook='${{{_VARIABLE}}}'", *settings)
        self.command = [sys.executable, "-P", "-m", "arb", "watch", str(folder / "runs"), "--port", "0"]
        self.command += ["--config", str(folder / "config" / "arbitrage.toml")]
        self.command += [word for setting in own for word in ("--set", setting)]
        self.log = folder / "watch.txt"
        self._environment = {**os.environ, _VARIABLE: receiver.address}
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0

    def forbid(self, place: str, flag: Path) -> None:
        """From its next start on, permission is denied for paths that begin so while the file `flag` is there."""
        assert self.command[1:4] == ["-P", "-m", "arb"]
        self.command[1:4] = ["-P", "-c", _FORBIDDEN, place, str(flag)]

    def start(self) -> None:
        self._started += 1
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self.command, env=self._environment, stdout=log, stderr=log)

    def kill(self) -> None:
        """Kills it, at any moment."""
        if self._process is not None:
            self._process.kill()

    def wait(self) -> int:
        assert self._process is not None
        return self._process.wait()

    def await_page(self) -> int:
        """Until the watcher that was started last listens; returns its port."""
        wait_until(lambda: len(self._addresses()) >= self._started, 60.0)
        return int(self._addresses()[-1].rpartition(":")[2])

    def _addresses(self) -> list[str]:
        return [line for line in self.log.read_text().splitlines() if line.startswith("watching ")]

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None


#: A state that an outcome begins, and the next one ends.
FLIPPING = (f"alerts.rules.{RULE}.when='reversed_in_a_row >= 1'", f"alerts.rules.{RULE}.every_s=0.0")


class Writer(threading.Thread):
    """A session whose events each begin or end a state, and its status once a second."""

    def __init__(self, folder: Path, events: int) -> None:
        super().__init__(daemon=True)
        self.session = WatchedFolder(folder)
        self._events = events
        #: By the event's number, when it was written.
        self.written: dict[int, float] = {}
        self._stopped = threading.Event()

    def run(self) -> None:
        began_ns, next_status = time.time_ns(), 0.0
        while not self._stopped.is_set():
            if time.monotonic() >= next_status:
                next_status = time.monotonic() + 1.0
                self.session.write_status(
                    **{
                        name: getattr(calm(time.time_ns(), began_ns), name)
                        for name in calm(0, 0).__struct_fields__
                    }
                )
            first = len(self.written) + 1
            numbers = range(first, min(first + _BATCH, self._events + 1))
            self.session.write_events(
                *(
                    event(n, "reversed" if n % 2 else "hedged", time_ns=time.time_ns(), attempt=n, profit=0.0)
                    for n in numbers
                )
            )
            self.written.update(dict.fromkeys(numbers, time.monotonic()))
            self._stopped.wait(_BATCH / _RATE)

    @property
    def is_done(self) -> bool:
        return len(self.written) >= self._events

    def stop(self) -> None:
        self._stopped.set()
        self.join()
        self.session.close()


def run(folder: Path, receiver: Receiver, kills: int, events: int, seed: int) -> Result:
    """Kills the watcher so often while the events are written."""
    chance = Random(seed)
    watcher, writer = Watcher(folder, receiver, *FLIPPING), Writer(folder / "runs" / "run-1", events)
    writer.start()
    watcher.start()
    killed = 0
    try:
        while killed < kills:
            _wait_for_news(receiver)
            time.sleep(chance.uniform(0.0, 1.0))
            if chance.random() < 0.5:
                watcher.kill()
            else:  # between the receiver's answer and the watcher's note of it
                with kills_at_the_answer(receiver, watcher.kill):
                    wait_until(lambda: not watcher.is_running, 5.0)
            watcher.wait()
            killed += 1
            watcher.start()
        wait_until(lambda: writer.is_done and len(_ids(receiver)) >= events, 60.0 + events / _RATE)
        time.sleep(1.0)
    finally:
        watcher.kill()
        watcher.wait()
        writer.stop()
    return _result(writer.written, receiver, killed)


def _wait_for_news(receiver: Receiver) -> None:
    """Until the watcher that was just started has sent something, or has nothing to send."""
    count = len(receiver.received)
    wait_until(lambda: len(receiver.received) > count, 10.0)


def wait_until(is_so: Callable[[], object], span_s: float) -> None:
    """Returns when it is so, or after a time."""
    deadline = time.monotonic() + span_s
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.005)


def _ids(receiver: Receiver) -> Counter[str]:
    return Counter(message["id"] for _, message in list(receiver.received) if message["rule"] == RULE)


def _result(written: dict[int, float], receiver: Receiver, kills: int) -> Result:
    first: dict[str, float] = {}
    for at, message in receiver.received:
        if message["rule"] == RULE:
            first.setdefault(message["id"], at)
    source = min(first, default="").rpartition(f"-{RULE}-")[0]
    expected = {
        f"{source}-{RULE}-{n}" if n % 2 else f"{source}-{RULE}-{n - 1}-over": at for n, at in written.items()
    }
    lost, doubled = len(expected.keys() - first.keys()), len(first.keys() - expected.keys())
    again = sum(_ids(receiver).values()) - len(first)
    latencies = [first[name] - at for name, at in expected.items() if name in first]
    return Result(len(written), kills, lost, doubled, again, latencies)


_SLEEPER = """
import sys, time
sys.path[:0] = {paths!r}
from pathlib import Path
from support.alert_world import calm
from support.watched_folders import WatchedFolder
session, began_ns = WatchedFolder(Path({folder!r})), time.time_ns()
while True:
    status = calm(time.time_ns(), began_ns)
    session.write_status(**{{name: getattr(status, name) for name in status.__struct_fields__}})
    print(flush=True)
    time.sleep(1.0)
"""


def deaths(folder: Path, receiver: Receiver, count: int, seed: int) -> list[float]:
    """Sessions are killed; the seconds until each was reported."""
    chance, spans = Random(seed), []
    watcher = Watcher(folder, receiver)
    watcher.start()
    try:
        for number in range(count):
            runs = folder / "runs" / f"run-{number}"
            code = _SLEEPER.format(paths=[str(Path(__file__).parents[1])], folder=str(runs))
            with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as session:
                assert session.stdout is not None
                session.stdout.readline()
                # The watcher has seen it; a young lock file may be one that is about to be locked.
                time.sleep(chance.uniform(6.0, 7.0))
                session.kill()
                killed = time.monotonic()
            wait_until(lambda name=runs.name: _lost(receiver, name), 20.0)
            spans.append(_lost(receiver, runs.name)[0] - killed)
    finally:
        watcher.kill()
        watcher.wait()
    return spans


def _lost(receiver: Receiver, session: str) -> list[float]:
    return [
        at
        for at, message in list(receiver.received)
        if (message["rule"], message["event"], message["session"]) == ("lost", "begin", session)
    ]


@contextlib.contextmanager
def _place() -> Iterator[tuple[Path, Receiver]]:
    with tempfile.TemporaryDirectory(prefix="arb-watch-") as name, Receiver() as receiver:
        yield Path(name), receiver


def main(given: Sequence[str] | None = None) -> int:
    """Runs and prints."""
    words = argparse.ArgumentParser()
    words.add_argument("--kills", type=int, default=50)
    words.add_argument("--events", type=int, default=10_000)
    words.add_argument("--alarms", type=int, default=0)
    words.add_argument("--deaths", type=int, default=0)
    words.add_argument("--seed", type=int, default=1)
    options = words.parse_args(given)
    with _place() as (folder, receiver):
        if options.deaths:
            spans = deaths(folder, receiver, options.deaths, options.seed)
            print(
                f"{len(spans)} sessions were killed: reported after {', '.join(f'{span:.2f}' for span in spans)} s"
            )
            return 4 if max(spans) > DEAD_S else 0
        kills, events = (0, options.alarms) if options.alarms else (options.kills, options.events)
        result = run(folder, receiver, kills, events, options.seed)
    print(result)
    return result.code


if __name__ == "__main__":
    sys.exit(main())
