"""Commands that go on, with a terminal or a pipe that is closed, full, or read by nobody: they work and end as ever."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from support.live_sandbox import LiveSandbox, await_fills, demo_config, demo_files, demo_settings, fills_kept
from support.paths import GUARD, ROOT
from support.recorded_runs import is_whole, lines_of

from arb.commands.dryrun_live import run_live
from arb.commands.verify import verify
from arb.errors import ExitCode
from arb.runtime.display import held_displays
from arb.runtime.view import SessionView

pytestmark = pytest.mark.slow

#: For a machine that is busy with other things; what is checked is that there is an end.
PATIENCE_S = 120.0
FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="no device that is always full")


class HeldViewer:
    """A terminal that is held from the first view on."""

    def __init__(self) -> None:
        self.is_reached, self.released = threading.Event(), threading.Event()
        self.calls: list[str] = []

    def show(self, view: SessionView) -> None:
        self.calls.append("show")
        self.is_reached.set()
        self.released.wait(PATIENCE_S)

    def close(self) -> None:
        self.calls.append("close")


@pytest.mark.parametrize("is_signalled", [False, True], ids=["duration", "SIGTERM"])
def test_a_viewer_that_blocks_holds_up_no_session(is_signalled: bool, tmp_path: Path) -> None:
    viewer, run = HeldViewer(), tmp_path / "run"

    def press() -> None:
        if viewer.is_reached.wait(PATIENCE_S):
            try:
                await_fills(run, 6)  # while it is held
            finally:
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)

    if is_signalled:
        threading.Thread(target=press, daemon=True).start()
    with LiveSandbox() as sandbox:
        result = run_live(
            demo_config(tmp_path, function="busy"),
            run,
            duration_s=600.0 if is_signalled else 2.5,
            sandbox=sandbox.urls,
            has_report=False,
            viewer=viewer,
        )
    assert viewer.calls == ["show"], "it is held still"
    assert result.exit_code == (ExitCode.INTERRUPTED if is_signalled else ExitCode.DONE)
    assert len(result.trades) > 5
    assert verify(run).differences == []
    viewer.released.set()
    for thread in held_displays():
        thread.join(PATIENCE_S)
    assert viewer.calls[-1] == "close"


def environment() -> dict[str, str]:
    """Output as users have it: Python keeps what a stream did not take, and tries again at its very end."""
    own = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return own | {"PYTHONPATH": f"{GUARD}{os.pathsep}{ROOT}"}


def arb(words: list[str], folder: Path, **streams: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "arb", *words], env=environment(), cwd=folder, **streams)


def dry_run_words(folder: Path, *words: str) -> list[str]:
    settings = [word for setting in demo_settings(folder, "busy") for word in ("--set", setting)]
    files = str(demo_files(folder))
    return ["dry-run", "--sandbox", "--no-report", "--config", files, "--out", "run", *settings, *words]


def filled(descriptor: int) -> int:
    """The same, so full that the next write waits for ever."""
    os.set_blocking(descriptor, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(descriptor, b".")
    os.set_blocking(descriptor, True)
    return descriptor


@contextlib.contextmanager
def unread(make: Callable[[], tuple[int, int]]) -> Iterator[int]:
    """An output that nobody reads, and that takes nothing more."""
    reader, writer = make()
    try:
        yield filled(writer)
    finally:
        os.close(writer)
        os.close(reader)


def small_pipe() -> tuple[int, int]:
    reader, writer = os.pipe()
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    return reader, writer


def wait_for(is_there: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_there():
        assert process.poll() is None, "ended early"
        assert time.monotonic() < deadline
        time.sleep(0.05)


def ended(process: subprocess.Popen[bytes]) -> int:
    try:
        return process.wait(PATIENCE_S)
    finally:
        process.kill()
        process.wait()


def test_a_dry_run_that_nobody_reads_goes_on_and_ends(tmp_path: Path) -> None:
    with unread(small_pipe) as output:
        process = arb(dry_run_words(tmp_path), tmp_path, stdin=output, stdout=output, stderr=output)
        wait_for(lambda: fills_kept(tmp_path / "run") > 5, process)
        process.send_signal(signal.SIGTERM)
        assert ended(process) == ExitCode.INTERRUPTED
    manifest: Mapping[str, Any] = json.loads((tmp_path / "run" / "manifest.json").read_bytes())
    assert manifest["outcome"] == "interrupted"
    found = verify(tmp_path / "run")
    assert found.differences == []
    assert found.replays[0].fills > 5


def test_streams_that_were_closed_before_it_began_lead_nowhere(tmp_path: Path) -> None:
    def close() -> None:
        os.close(1)
        os.close(2)

    process = arb(["data", "list", "."], tmp_path, preexec_fn=close)
    listed = arb(["data", "list", "."], tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert listed.communicate(timeout=PATIENCE_S)[0]
    assert ended(process) == listed.returncode != ExitCode.OUR_FAULT


@needs_full
@pytest.mark.parametrize("is_closed", [True, False], ids=["closed", "full"])
def test_a_dry_run_that_cannot_tell_trades_on_and_ends_as_ever(is_closed: bool, tmp_path: Path) -> None:
    words = dry_run_words(tmp_path, "--duration", "3s")
    if is_closed:
        process = arb(words, tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert process.stdout is not None
        assert b" start comparing tick and lot " in process.stdout.readline()
        process.stdout.close()
    else:
        with FULL.open("wb") as full:
            process = arb(words, tmp_path, stdout=full, stderr=full)
    assert ended(process) == ExitCode.DONE
    run = tmp_path / "run"
    manifest = json.loads((run / "manifest.json").read_bytes())
    assert (manifest["outcome"], manifest["error"]) == ("ended", None)
    assert "disconnect" not in manifest["session"]["events"]
    lines = (run / "log.txt").read_text().splitlines()
    assert sum(" display console output failed" in line for line in lines) == 1
    found = verify(run)
    assert found.differences == []
    assert found.replays[0].fills > 5


def test_a_recording_that_nobody_reads_goes_on_and_ends(tmp_path: Path) -> None:
    with unread(pty.openpty) as output:
        words = ["record", "--sandbox", "--data", "data", "--duration", "2s", "--json"]
        process = arb(words, tmp_path, stdin=output, stdout=output, stderr=output)
        assert ended(process) == ExitCode.DONE
    assert is_whole(tmp_path / "data")
    assert len(lines_of(tmp_path / "data", "bybit_spot")) > 50


@needs_full
def test_a_recording_whose_output_is_full_ends_in_one_line_with_whole_files(tmp_path: Path) -> None:
    words = ["record", "--sandbox", "--data", "data", "--duration", "60s", "--json"]
    with FULL.open("wb") as full:
        process = arb(words, tmp_path, stdout=full, stderr=subprocess.PIPE)
    reported = process.communicate(timeout=PATIENCE_S)[1].decode().splitlines()
    assert process.returncode == ExitCode.USER_INPUT
    # The sandbox may note that the machine is busy.
    assert [line for line in reported if not line.startswith("late: ")] == [
        "error: the progress cannot be written: No space left on device; the recording is complete"
    ]
    assert is_whole(tmp_path / "data")


def test_a_sandbox_that_nobody_reads_serves_and_ends(tmp_path: Path) -> None:
    faults = tmp_path / "faults.jsonl"
    with unread(small_pipe) as output:
        words = ["sandbox", "serve", "--port-base", "0", "-v", "--fault-log", str(faults)]
        process = arb(words, tmp_path, stdout=output, stderr=output)
        wait_for(faults.exists, process)
        time.sleep(0.5)  # until it serves
        process.send_signal(signal.SIGTERM)
        assert ended(process) == ExitCode.DONE
