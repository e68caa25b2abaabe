"""Ctrl+C and SIGTERM on a running process: it ends at once, with what it has."""

from __future__ import annotations

import contextlib
import csv
import gzip
import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support.paths import strategy_file
from support.recording_files import (
    command,
    command_environment,
    depth_lines,
    example,
    write_pair,
    write_recording,
)

from arb.errors import ExitCode

pytestmark = pytest.mark.slow

#: How long a process may take to get going and to end on a loaded machine. The strategy itself has 90 ms to stop.
PATIENCE_S = 120.0
FILES = ["manifest.json", "records.npz", "summary.json", "trades.csv"]

#: Buys and sells a little, tells that it is on its way by a line in the terminal, then takes hours.
TRADES_THEN = """
from hftbacktest.order import IOC, LIMIT


def run(hbt, recorder):
    hbt.elapse(1_000_000_000)
    for n in range(5):
        hbt.submit_buy_order(0, n + 1, 70000.0, 0.01, IOC, LIMIT, True)
        hbt.clear_inactive_orders(0)
        recorder.record(hbt)
    print("under way")
    n = 0
    while {condition}:
        n += 1
    return n
"""
STOPPING = TRADES_THEN.replace("{condition}", "hbt.elapse(1) == 0")
#: Calls the bot for ever, and never waits.
ENDLESS = TRADES_THEN.replace("{condition}", "hbt.position(0) == hbt.position(0)")
#: Never calls the bot again.
DEAF = TRADES_THEN.replace("{condition}", "True")


class Running(NamedTuple):
    """`arb` under way in a folder of its own."""

    process: subprocess.Popen[str]
    folder: Path
    lines: list[str]

    def wait_for(self, is_there: Callable[[], bool]) -> None:
        """Waits for a sign of the process; fails when it ends without one."""
        deadline = time.monotonic() + PATIENCE_S
        while not is_there():
            assert self.process.poll() is None, f"ended early: {self.lines} {self.process.stderr}"
            assert time.monotonic() < deadline
            threading.Event().wait(0.01)

    def interrupt(self, number: signal.Signals) -> tuple[int, float]:
        """Presses Ctrl+C, or sends SIGTERM; the exit code, and how many seconds it took."""
        pressed = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE_S)
        return code, time.monotonic() - pressed


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    running = []

    def begin(*words: str) -> Running:
        process = subprocess.Popen(
            command(words), env={**command_environment(tmp_path / "cache"), "PYTHONUNBUFFERED": "1"}, cwd=tmp_path,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        lines: list[str] = []
        for stream in (process.stdout, process.stderr):
            threading.Thread(target=_read, args=(stream, lines), daemon=True).start()
        running.append(process)
        return Running(process, tmp_path, lines)

    yield begin
    for process in running:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()


def _read(stream: Any, lines: list[str]) -> None:
    with stream:
        for line in stream:
            lines.append(line)


@pytest.fixture
def recorded(tmp_path: Path, start: Callable[..., Running]) -> Callable[..., Running]:
    """A run of a strategy of one's own over a minute of two synthetic recordings, under way."""

    def begin(text: str, *words: str) -> Running:
        write_pair(tmp_path / "data", count=600)
        running = start(
            *words, "-c", example("usdm_bybit"), "--data", "data", "--start", "2024-08-08", "--out", "runs/mine",
            "--strategy", f"{strategy_file('own.py', text)}:run",
        )  # fmt: skip
        running.wait_for(lambda: "under way\n" in running.lines)
        return running

    return begin


def whole(folder: Path) -> dict[str, Any]:
    """The summary of a run's folder that is whole, and the only thing in its parent."""
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert set(FILES) <= {path.name for path in folder.iterdir()}
    json.loads((folder / "manifest.json").read_bytes())
    summary: dict[str, Any] = json.loads((folder / "summary.json").read_bytes())
    return summary


@pytest.mark.parametrize(
    "words",
    [("backtest",), ("backtest", "--set", 'backtest.engine="arb"'), ("dry-run",)],
    ids=["backtest", "engine arb", "dry-run"],
)
@pytest.mark.parametrize(
    ("text", "number", "outcome"),
    [
        (STOPPING, signal.SIGINT, "interrupted"),
        (ENDLESS, signal.SIGINT, "interrupted"),
        (DEAF, signal.SIGINT, "hung"),
        (ENDLESS, signal.SIGTERM, "interrupted"),
    ],
    ids=["calls the bot", "never waits", "never calls the bot again", "SIGTERM"],
)
def test_ctrl_c_ends_a_run_with_what_it_has(
    recorded: Callable[..., Running],
    text: str,
    number: signal.Signals,
    outcome: str,
    words: tuple[str, ...],
) -> None:
    running = recorded(text, *words)
    code, seconds = running.interrupt(number)
    assert code == ExitCode.INTERRUPTED, running.lines
    # Stopping takes 90 ms at most; the rest is writing, on a machine that may be busy with other things.
    assert seconds < 15.0
    folder = running.folder / "runs" / "mine"
    summary = whole(folder)
    assert summary["outcome"] == outcome
    assert summary["legs"][0]["fills"] == 5
    with (folder / "trades.csv").open(newline="") as file:
        trades = list(csv.DictReader(file))
    assert [float(trade["quantity"]) for trade in trades] == [0.01] * 5
    assert sum(float(trade["cash"]) for trade in trades) == pytest.approx(summary["cash_quote"], abs=1e-9)
    assert not any("Traceback" in line for line in running.lines)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_while_recordings_are_read_leaves_nothing(
    number: signal.Signals, tmp_path: Path, start: Callable[..., Running]
) -> None:
    data = write_pair(tmp_path / "data", count=10)
    # Long enough to be caught in the act: its last line again and again, which is stale but well formed.
    lines = depth_lines(10)
    path = write_recording(data, "binance_usdm", lines)
    path.write_bytes(path.read_bytes() + gzip.compress(f"{lines[-1]}\n".encode() * 100_000, 1) * 40)
    rows = tmp_path / "cache" / "arb" / "rows"
    running = start(
        "backtest", "-c", example("usdm_bybit"), "--data", "data", "--start", "2024-08-08", "--out", "runs/mine"
    )  # fmt: skip
    # The row cache is made right before the first recording is read.
    running.wait_for(lambda: any(rows.glob("file-*.json")))
    code, _ = running.interrupt(number)
    assert code == ExitCode.INTERRUPTED, running.lines
    assert not (tmp_path / "runs").exists()
    left = [path.name for path in rows.iterdir()]
    assert all(name.startswith(("file-", "cold-", "scan-")) for name in left), left
    assert not any("Traceback" in line for line in running.lines)
