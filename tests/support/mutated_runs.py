"""Runs of every kind whose folders are changed, and the exit code of `arb verify` on them."""

from __future__ import annotations

import time
from pathlib import Path

from arb.commands.dryrun_live import run_live
from support.command_line import arb
from support.live_sandbox import (
    LiveSandbox,
    await_first_row,
    demo_config,
    demo_files,
    demo_settings,
    dry_run_process,
    free_ports,
)

SECONDS = 2.0


def a_session(folder: Path, function: str = "busy") -> Path:
    """One that ended by itself."""
    with LiveSandbox() as sandbox:
        config = demo_config(folder, function=function)
        out = folder / f"session-{function}"
        return run_live(config, out, duration_s=SECONDS, sandbox=sandbox.urls, has_report=False).folder


def a_killed_session(folder: Path, function: str = "busy") -> Path:
    """One whose process was killed, finished by the first `arb verify`."""
    base = free_ports()
    place = folder / f"killed-{function}"
    place.mkdir()
    with LiveSandbox(port_base=base):
        process = dry_run_process(place, base, function)
        await_first_row(place / "run")
        time.sleep(SECONDS)
        process.kill()
        process.communicate()
    return place / "run"


def a_backtest(folder: Path, function: str = "") -> Path:
    """One of a recorded half minute, with its report; without a function, of the spread strategy."""
    return _of_days(folder, "backtest", function)


def a_dry_run(folder: Path, function: str = "busy") -> Path:
    """One over a recorded half minute."""
    return _of_days(folder, "dry-run", function, "--no-report")


def _of_days(folder: Path, command: str, function: str, *words: str) -> Path:
    files, data = str(demo_files(folder)), str(folder / "data")
    if not (folder / "data").exists():
        arb("sandbox", "record", "--out", data, "--duration", "30s", "--config", files)
    out = folder / f"{command}-{function or 'spread'}"
    settings = [*demo_settings(folder, function), "strategy.min_spread_bps=0.1"]
    sets = [word for one in settings for word in ("--set", one)]
    arb(command, "--start", "2024-01-01", "--data", data, "--config", files, "--out", out, *sets, *words)
    return out


def verified(run: Path) -> int:
    """The exit code of `arb verify`."""
    return arb("verify", "--trust", run, code=None).exit_code
