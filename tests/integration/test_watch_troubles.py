"""A watcher in trouble beside a session: the session is the same, and no alarm is lost or new twice.

The session is one on simulated time that publishes its files, with attempts that end many times a second, some with a
loss; the watcher is a process with a rule for that. The trouble lasts from the session's second second to its end.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from parity.live import first_exch_ts, made_of, session_config
from support.alert_receiver import Receiver
from support.live_world import LiveSession
from support.published_session import PublishedSession, traded

from arb.bot.recorder import Recorder
from arb.results.event_log import START, read_events
from tests.soak.watch_soak import RULE, Watcher, wait_until

pytestmark = pytest.mark.slow

SECONDS = 6.0
#: Of a file, in bytes: less than a page of a database.
_FULL = 2_048
LOSING = (f"alerts.rules.{RULE}.when='attempt_loss_pct > 0'", f"alerts.rules.{RULE}.every_s=0.0")


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the session does without a watcher."""
    config, recorder = session_config("spot-spot", "spread", 0), Recorder(2)
    folder = tmp_path_factory.mktemp("alone") / "run-1"
    first_ts = first_exch_ts("spot-spot", 0)
    live = LiveSession(config, 0, folder, made_of(config, recorder), start_ts=first_ts)
    return traded(live, recorder, SECONDS)


class Trouble:
    """What happens to a watcher."""

    def begin(self, watcher: Watcher, folder: Path) -> None:
        """In the session's second second."""

    def end(self, watcher: Watcher, folder: Path) -> None:
        """After the session."""


class Stopped(Trouble):
    def begin(self, watcher: Watcher, folder: Path) -> None:
        os.kill(watcher.pid, signal.SIGSTOP)

    def end(self, watcher: Watcher, folder: Path) -> None:
        os.kill(watcher.pid, signal.SIGCONT)


class Killed(Trouble):
    def begin(self, watcher: Watcher, folder: Path) -> None:
        watcher.kill()
        watcher.wait()

    def end(self, watcher: Watcher, folder: Path) -> None:
        watcher.start()


class FullDisk(Trouble):
    """No file of the watcher can grow."""

    def begin(self, watcher: Watcher, folder: Path) -> None:
        resource.prlimit(watcher.pid, resource.RLIMIT_FSIZE, (_FULL, resource.RLIM_INFINITY))

    def end(self, watcher: Watcher, folder: Path) -> None:
        wait_until(lambda: "cannot be used" in watcher.log.read_text(), 20.0)
        assert "alerts.db cannot be used" in watcher.log.read_text()
        resource.prlimit(watcher.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


class Unreadable(Trouble):
    """Permission is denied in the session's folder."""

    def begin(self, watcher: Watcher, folder: Path) -> None:
        (folder / "locked").touch()

    def end(self, watcher: Watcher, folder: Path) -> None:
        # Not before it has tried.
        wait_until(lambda: b"Permission denied" in page_of(watcher), 20.0)
        assert b"Permission denied" in page_of(watcher)
        (folder / "locked").unlink()


class Clients(Trouble):
    """A thousand connect, and ask for nothing."""

    def __init__(self) -> None:
        self.held = contextlib.ExitStack()

    def begin(self, watcher: Watcher, folder: Path) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4_096), max(hard, 4_096)))
        self.held.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        port = watcher.await_page()
        for _ in range(1_000):
            self.held.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20.0))

    def end(self, watcher: Watcher, folder: Path) -> None:
        assert b"run-1" in page_of(watcher)
        self.held.close()


def page_of(watcher: Watcher) -> bytes:
    """The list of sessions."""
    with urllib.request.urlopen(
        f"http://127.0.0.1:{watcher.await_page()}/data/runs.json", timeout=20.0
    ) as answer:
        found: bytes = answer.read()
    return found


def flips(run: Path) -> list[str]:
    """The ids of the messages that the events of a session are to make, without what names the session."""
    found, holds, begun, position = [], False, 0, START
    while True:
        events, position = read_events(run, position)
        if not events:
            return found
        for event in events:
            if event.event not in ("hedged", "missed", "reversed"):
                continue
            profit = event.data.get("profit", 0.0)  # None: not known yet
            if profit is not None and (float(profit) < 0.0) != holds:
                holds = not holds
                begun = event.number if holds else begun
                found.append(f"{event.number}" if holds else f"{begun}-over")


@contextlib.contextmanager
def watched(folder: Path, *, is_locked: bool) -> Iterator[tuple[Watcher, Receiver]]:
    with Receiver() as receiver:
        watcher = Watcher(folder, receiver, *LOSING)
        if is_locked:
            watcher.forbid(str(folder / "runs" / "run-1"), folder / "locked")
        watcher.start()
        try:
            watcher.await_page()
            yield watcher, receiver
        finally:
            watcher.kill()
            watcher.wait()


@pytest.mark.parametrize("make", [Stopped, Killed, FullDisk, Unreadable, Clients])
def test_a_watcher_in_trouble_costs_the_session_nothing_and_no_alarm(
    make: Callable[[], Trouble], alone: dict[str, bytes], tmp_path: Path
) -> None:
    config, recorder, trouble = session_config("spot-spot", "spread", 0), Recorder(2), make()
    run, first_ts = tmp_path / "runs" / "run-1", first_exch_ts("spot-spot", 0)
    with watched(tmp_path, is_locked=make is Unreadable) as (watcher, receiver):
        live = PublishedSession(config, 0, run, made_of(config, recorder), recorder, start_ts=first_ts)
        seconds: list[int] = []

        def on_second() -> None:
            seconds.append(len(flips(run)))
            if len(seconds) == 2:
                # The session's own times are not those of the machine: only one that was seen while it ran is reported.
                wait_until(lambda: b"run-1" in page_of(watcher), 60.0)
                wait_until(lambda: len(ids(receiver)) >= seconds[-1], 60.0)
                trouble.begin(watcher, tmp_path)

        live.on_second = on_second
        assert traded(live, recorder, SECONDS) == alone
        assert len(seconds) >= SECONDS - 1
        trouble.end(watcher, tmp_path)
        expected = [f"{RULE}-{name}" for name in flips(run)]
        wait_until(lambda: len(ids(receiver)) >= len(expected), 60.0)
        time.sleep(0.5)
    assert len(expected) > seconds[1] + 1, "some are of the time of the trouble"
    assert Counter(ids(receiver)) == Counter(expected)


def ids(receiver: Receiver) -> list[str]:
    """Of the rule's messages, without the session."""
    return [
        message["id"].partition("-")[2] for _, message in list(receiver.received) if message["rule"] == RULE
    ]
