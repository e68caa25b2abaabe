"""`arb watch` as a process: its messages over kills, two of them on one file, and what it refuses."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support.alert_receiver import Receiver
from support.command_line import arb

from arb.commands.watch_alerts import FOLDER, LOCK
from tests.soak.watch_soak import Watcher, deaths, run, wait_until


def test_kills_of_the_watcher_lose_no_message_and_make_none_twice(tmp_path: Path) -> None:
    with Receiver() as receiver:
        result = run(tmp_path, receiver, kills=2, events=200, seed=3)
    assert (result.count, result.kills, result.lost, result.doubled) == (200, 2, 0, 0), result
    # Addresses are secrets.
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name == "alerts.db" for path in files)
    assert not [path for path in files if b"canary" in path.read_bytes()]
    assert "canary" not in str([message for _, message in receiver.received])


def test_a_killed_session_is_reported_within_five_seconds(tmp_path: Path) -> None:
    with Receiver() as receiver:
        (span_s,) = deaths(tmp_path, receiver, 1, seed=2)
    assert span_s <= 5.0


def test_two_watchers_on_one_file_are_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Receiver() as receiver:
        watcher = Watcher(tmp_path, receiver)
        watcher.start()
        try:
            lock = tmp_path / "state" / FOLDER / LOCK
            wait_until(lambda: lock.exists() and lock.read_text(), 30.0)
            second = subprocess.run(
                watcher.command,
                env=watcher._environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
        finally:
            watcher.kill()
            watcher.wait()
    (line,) = second.stderr.splitlines()
    assert second.returncode == 2
    assert line.startswith(f"error: {lock}: the file of the alerts is in use by arb watch, process ")
    monkeypatch.delenv("HOOK", raising=False)
    unset = arb(
        "watch", *watcher.command[5:6], *watcher.command[8:10], "--set", "alerts.webhook='${HOOK}'", code=2
    )
    (line,) = unset.stderr.splitlines()
    assert line.endswith("[alerts] webhook needs the environment variable HOOK, which is not set")
