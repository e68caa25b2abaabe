"""`arb watch`, and its start beside a session: bad input is one line, and what the process is given."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.command_line import arb

from arb.commands import watch as command
from arb.commands import watch_beside
from arb.commands.alert_channels import channel_variables
from arb.commands.watch_beside import start_beside
from arb.config import load_alerts
from arb.errors import InputError
from arb.watch.access import TOKEN_VARIABLE

SECRET = "planted-8c1e"


def refusal(*words: object) -> str:
    ended = arb("watch", *words, code=2)
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    return line


def test_bad_input_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    assert "none: no such folder" in refusal(tmp_path / "none")
    assert f"set {TOKEN_VARIABLE}" in refusal(tmp_path, "--host", "0.0.0.0", "--port", "0")
    assert "192.0.2.1 --port 0: cannot be listened on" in with_token(
        monkeypatch, SECRET * 2, tmp_path, "--host", "192.0.2.1", "--port", "0"
    )
    short = with_token(monkeypatch, SECRET, tmp_path)
    assert "16 printable" in short
    assert SECRET not in short
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "manifest.json").write_text("{}")
    monkeypatch.delenv(TOKEN_VARIABLE)
    assert "run: manifest.json is of another format, without 'inputs'" in refusal(tmp_path / "run")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"--port {port}: another process listens there" in refusal(tmp_path / "..", "--port", port)


def with_token(monkeypatch: pytest.MonkeyPatch, token: str, *words: object) -> str:
    monkeypatch.setenv(TOKEN_VARIABLE, token)
    return refusal(*words)


class Popen:
    """Takes the place of `subprocess.Popen`."""

    started: tuple[list[str], dict[str, Any]]
    pid = 4321

    def __init__(self, words: list[str], **options: Any) -> None:
        Popen.started = words, options


def test_the_watcher_beside_a_session_has_no_pipe_and_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BINANCE_SECRET_KEY", SECRET)
    monkeypatch.setattr(watch_beside.subprocess, "Popen", Popen)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("HOOK", "https://127.0.0.1:9/hook")
    channels = channel_variables(load_alerts(None, ["alerts.webhook='${HOOK}'"]))
    words = ["--set", "alerts.webhook='${HOOK}'"]
    assert start_beside(tmp_path / "runs", port, words, channels) == (f"http://127.0.0.1:{port}", 4321)
    words, options = Popen.started
    assert words[:5] == [sys.executable, "-P", "-m", "arb", "watch"]
    assert words[5:] == [
        str(tmp_path / "runs"), "--host", "127.0.0.1", "--port", str(port), "--beside", str(os.getpid()),
        "--set", "alerts.webhook='${HOOK}'",
    ]  # fmt: skip
    assert {options[name] for name in ("stdin", "stdout", "stderr")} == {subprocess.DEVNULL}
    assert options["start_new_session"] is True
    assert SECRET not in str(options["env"])
    assert options["env"]["HOOK"] == "https://127.0.0.1:9/hook"
    assert options["env"]["PATH"] == os.environ["PATH"]


def test_a_session_runs_without_a_watcher_whose_port_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            InputError, match=f"port {port} of 127.0.0.1 cannot be used: Address already in use"
        ):
            start_beside(tmp_path, port)


def test_the_watcher_beside_a_real_time_session_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr(os, "sched_setscheduler", lambda *words: calls.append(words), raising=False)
    monkeypatch.setattr(os, "nice", lambda more: calls.append((more,)))
    command.give_way()
    assert [words[:2] for words in calls] == [(0, os.SCHED_OTHER), (10,)]


def test_the_watcher_beside_a_session_ends_after_it_and_its_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s, parent = [100.0], [7]
    monkeypatch.setattr(command.time, "monotonic", lambda: now_s[0])
    monkeypatch.setattr(command.os, "getppid", lambda: parent[0])
    is_over = command.Lingering(7)
    for second, parent_pid, pages, expected in (
        (1_000.0, 7, 0, False),
        (1_005.0, 1, 0, False),
        (1_009.0, 1, 1, False),
        (1_018.0, 1, 0, False),
        (1_020.0, 1, 0, True),
    ):
        now_s[0], parent[0] = second, parent_pid
        assert is_over(pages) is expected, second
