"""`arb record` that is ended before it begins, at its very end, or by an output that takes nothing."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.recorded_runs import Running, is_whole
from support.recording_files import command, command_environment

from arb.cli import cli
from arb.cli.compilation_bar import LINE
from arb.errors import ExitCode

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return command_environment(tmp_path_factory.mktemp("cache"))


def test_a_signal_before_it_has_begun_leaves_the_day_free(
    environment: dict[str, str], tmp_path: Path
) -> None:
    running = Running(["--data", "data"], environment, tmp_path)
    while running.process.poll() is None and not (tmp_path / "data").exists():
        time.sleep(0.001)
    done = running.end(signal.SIGTERM)
    if not done.out:  # else it was quicker than we are
        assert (done.code, done.err) == (ExitCode.INTERRUPTED, "error: interrupted\n")
        assert list((tmp_path / "data").glob("*/*")) == []


def test_a_simulated_recording_that_cannot_begin_leaves_the_day_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["record", "--sandbox", "--data", "data", "--set", "record.reserve_gb=900000.0"]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == ExitCode.USER_INPUT
    assert done.stderr.count("\n") == 1
    assert list((tmp_path / "data").glob("*/*")) == []


#: SIGTERM right before and right behind everything that is done when the recording is over.
SIGNALLED = """
import atexit, os, signal, sys
import arb.cli.record_view as view
from arb.data.recordings.recorder import Recorder
from arb.__main__ import main

def signalled(call):
    def both(*arguments):
        signal.raise_signal(signal.SIGTERM)
        call(*arguments)
        signal.raise_signal(signal.SIGTERM)
    return both

Recorder.close = signalled(Recorder.close)
view.JsonView.end = signalled(view.JsonView.end)
atexit.register(signalled(lambda: None))
sys.argv = ["arb", *sys.argv[1:]]
main()
"""


def test_further_signals_at_the_end_change_nothing(environment: dict[str, str], tmp_path: Path) -> None:
    words = ["record", "--sandbox", "--data", "data", "--duration", "2s", "--json"]
    done = subprocess.run(
        [sys.executable, "-c", SIGNALLED, *words],
        env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr.replace(f"{LINE}\n", "")) == (ExitCode.DONE, "")
    assert json.loads(done.stdout.splitlines()[-1])["outcome"] == "duration"
    assert is_whole(tmp_path / "data")


#: Output fails where it is flushed, or where it is written.
@pytest.mark.parametrize(
    ("words", "unbuffered"),
    [
        (["--help"], ""),
        (["data", "cache"], "1"),
        (["record", "--sandbox", "--json", "--duration", "30s", "--data", "data"], ""),
    ],
    ids=["help", "cache", "record"],
)
def test_output_that_nobody_takes_is_one_line(
    environment: dict[str, str], tmp_path: Path, words: list[str], unbuffered: str
) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command(words), env={**environment, "PYTHONUNBUFFERED": unbuffered}, cwd=tmp_path,
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=120, check=False,
        )  # fmt: skip
    assert done.returncode == ExitCode.USER_INPUT
    assert re.fullmatch(r"error: .* cannot be written: No space left on device.*\n", done.stderr), done.stderr
    assert is_whole(tmp_path / "data")
