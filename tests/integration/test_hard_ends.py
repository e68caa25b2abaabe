"""Sessions whose process stood still or was killed: what was written is proven all the same."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from support.live_sandbox import LiveSandbox, await_fills, await_first_row, dry_run_process, free_ports
from support.mutations import FILLS, SESSION, mutate
from support.paths import GUARD, ROOT

from arb.app.session_killed import finish_killed
from arb.app.verify import verify
from arb.cli import cli
from arb.errors import InputError

pytestmark = pytest.mark.slow


def manifest_of(run: Path) -> dict[str, Any]:
    return json.loads((run / "manifest.json").read_bytes())


def lines_of(run: Path) -> list[str]:
    return (run / "trades.csv").read_text().splitlines()


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a session left when it was killed."""
    folder = tmp_path_factory.mktemp("killed")
    base = free_ports()
    with LiveSandbox(port_base=base):
        process = dry_run_process(folder, base, "busy")
        await_first_row(folder / "run")
        with pytest.raises(InputError, match="another recorder"):
            verify(folder / "run")
        await_fills(folder / "run", 60)
        process.kill()
        process.communicate(timeout=20)
    return folder / "run"


def test_a_session_that_stood_still_is_told_again(tmp_path: Path) -> None:
    base = free_ports()
    with LiveSandbox(port_base=base):
        process = dry_run_process(tmp_path, base, "busy")
        await_first_row(tmp_path / "run")
        for _ in range(2):
            await_fills(tmp_path / "run", 10)
            process.send_signal(signal.SIGSTOP)
            # So long it stands still: no waiting for anything.
            time.sleep(2.5)
            process.send_signal(signal.SIGCONT)
        await_fills(tmp_path / "run", 10)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)

    assert process.returncode == 130, errors
    assert manifest_of(tmp_path / "run")["session"]["late_rows"] > 0
    assert len(lines_of(tmp_path / "run")) > 20
    assert verify(tmp_path / "run").differences == []


def test_a_killed_session_is_finished_and_told_again(killed: Path, tmp_path: Path) -> None:
    shutil.copytree(killed, tmp_path / "run")
    assert not (tmp_path / "run" / "manifest.json").exists()

    told = CliRunner().invoke(cli, ["verify", str(tmp_path / "run")])

    assert told.exit_code == 0, told.output
    assert "the session was killed; what it had told up to" in told.output
    assert "0 differences" in told.output
    assert len(lines_of(tmp_path / "run")) > 30
    assert manifest_of(tmp_path / "run")["outcome"] == "killed"
    assert CliRunner().invoke(cli, ["verify", str(tmp_path / "run")]).exit_code == 0, "again"
    assert CliRunner().invoke(cli, ["report", str(tmp_path / "run")]).exit_code == 0


@pytest.mark.parametrize("kind", [*FILLS, *SESSION, "summary"])
def test_whatever_is_changed_in_a_session_is_told(kind: str, killed: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(killed, run)
    finish_killed(run)
    where = mutate(run, kind, np.random.default_rng(2))

    assert CliRunner().invoke(cli, ["verify", str(run)]).exit_code == 4, where


@pytest.mark.parametrize("share", [0.0, 0.75, 0.99])
def test_a_journal_that_was_cut_counts_up_to_its_last_whole_entry(
    share: float, killed: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(killed, run)
    path = run / "session.journal"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])

    if not share:
        with pytest.raises(InputError, match="nothing to verify"):
            verify(run)
        return
    found = verify(run)

    assert found.differences == []
    assert found.replays[0].fills > 5


def test_a_killed_session_without_verify_is_told_what_to_do(killed: Path, tmp_path: Path) -> None:
    shutil.copytree(killed, tmp_path / "run")

    told = CliRunner().invoke(cli, ["report", str(tmp_path / "run")])

    assert told.exit_code == 2
    assert "arb verify finishes the folder" in told.output


def test_a_sandbox_of_its_own_needs_no_server_and_no_configuration(tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "arb", "dry-run", "--sandbox", "--duration", "2s", "--no-report", "--out", "run"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{GUARD}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )  # fmt: skip

    assert told.returncode == 0, told.stderr
    assert "DATA NOT AS RECORDED: market data of a sandbox, simulated" in told.stdout
    assert verify(tmp_path / "run").differences == []
    assert not (tmp_path / "run" / "session.journal").exists()
    assert manifest_of(tmp_path / "run")["inputs"][0]["rows"] > 100
