"""Ctrl+C and SIGTERM on a running process: it ends at once, with what it has."""

from __future__ import annotations

import csv
import gzip
import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

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
RUN = ("--data", "data", "--start", "2024-08-08", "--out", "runs/mine")

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


class Running:
    """`arb` as a process of its own, and what it prints."""

    def __init__(self, words: Sequence[str], folder: Path) -> None:
        self.folder = folder
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            command(words), env={**command_environment(folder / "cache"), "PYTHONUNBUFFERED": "1"}, cwd=folder,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as printed:
            for line in printed:
                self.lines.append(line)

    def wait_for(self, is_there: Callable[[], bool]) -> None:
        """Waits for a sign of the process; fails when it ends without one."""
        deadline = time.monotonic() + PATIENCE_S
        while not is_there():
            assert self.process.poll() is None, f"ended early: {self.lines}"
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def interrupt(self, number: signal.Signals) -> float:
        """Presses Ctrl+C, or sends SIGTERM; how many seconds the end took."""
        pressed = time.monotonic()
        self.process.send_signal(number)
        assert self.process.wait(PATIENCE_S) == ExitCode.INTERRUPTED, self.lines
        assert not any("Traceback" in line for line in self.lines)
        return time.monotonic() - pressed


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    running: list[Running] = []

    def begin(*words: str) -> Running:
        running.append(Running([*words, "-c", example("usdm_bybit"), *RUN], tmp_path))
        return running[-1]

    yield begin
    for one in running:
        one.process.kill()
        one.process.wait()


def whole(folder: Path) -> dict[str, Any]:
    """The summary of a run's folder that is whole, and the only thing in its parent."""
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert set(FILES) <= {path.name for path in folder.iterdir()}
    json.loads((folder / "manifest.json").read_bytes())
    summary: dict[str, Any] = json.loads((folder / "summary.json").read_bytes())
    return summary


@pytest.mark.parametrize(
    ("text", "number", "outcome", "words"),
    [
        (STOPPING, signal.SIGINT, "interrupted", ["backtest"]),
        (ENDLESS, signal.SIGTERM, "interrupted", ["backtest"]),
        (DEAF, signal.SIGINT, "hung", ["backtest"]),
        (ENDLESS, signal.SIGINT, "interrupted", ["dry-run"]),
        (ENDLESS, signal.SIGINT, "interrupted", ["backtest", "--set", 'backtest.engine="arb"']),
    ],
)
def test_ctrl_c_ends_a_run_with_what_it_has(
    start: Callable[..., Running],
    text: str,
    number: signal.Signals,
    outcome: str,
    words: list[str],
    tmp_path: Path,
) -> None:
    write_pair(tmp_path / "data", count=600)
    running = start(*words, "--strategy", f"{strategy_file('own.py', text)}:run")
    running.wait_for(lambda: "under way\n" in running.lines)
    # Stopping takes 90 ms at most; the rest is writing, on a machine that may be busy with other things.
    assert running.interrupt(number) < 15.0
    folder = tmp_path / "runs" / "mine"
    summary = whole(folder)
    assert summary["outcome"] == outcome
    assert summary["legs"][0]["fills"] == 5
    with (folder / "trades.csv").open(newline="") as file:
        trades = list(csv.DictReader(file))
    assert [float(trade["quantity"]) for trade in trades] == [0.01] * 5
    assert sum(float(trade["cash"]) for trade in trades) == pytest.approx(summary["cash_quote"], abs=1e-9)


def test_ctrl_c_while_recordings_are_read_leaves_nothing(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    data = write_pair(tmp_path / "data", count=10)
    # Long enough to be caught in the act: its last line again and again, which is stale but well formed.
    lines = depth_lines(10)
    path = write_recording(data, "binance_usdm", lines)
    path.write_bytes(path.read_bytes() + gzip.compress(f"{lines[-1]}\n".encode() * 100_000, 1) * 40)
    rows = tmp_path / "cache" / "arb" / "rows"
    running = start("backtest")
    # The row cache is made right before the first recording is read.
    running.wait_for(lambda: any(rows.glob("file-*.json")))
    running.interrupt(signal.SIGTERM)
    assert not (tmp_path / "runs").exists()
    left = [path.name for path in rows.iterdir()]
    assert all(name.startswith(("file-", "cold-", "scan-")) for name in left), left
