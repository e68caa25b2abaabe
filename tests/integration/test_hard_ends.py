"""Sessions whose process stood still or was killed: what was written is proven all the same."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from support.disk import fill_disk_at
from support.live_sandbox import LiveSandbox, await_fills, await_first_row, dry_run_process, free_ports
from support.mutations import FILLS, SESSION, mutate
from support.paths import GUARD, ROOT

from arb.cli import cli
from arb.commands import verify_session
from arb.commands.session_folder import finish_killed
from arb.commands.verify import verify
from arb.errors import InputError
from arb.results.folder import RunFolder

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
        with pytest.raises(InputError, match="its session goes on"):
            verify(folder / "run")
        await_fills(folder / "run", 60)
        process.kill()
        process.communicate(timeout=120)
    return folder / "run"


def test_a_session_that_stood_still_is_replayed(tmp_path: Path) -> None:
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
        _, errors = process.communicate(timeout=120)

    assert process.returncode == 130, errors
    assert manifest_of(tmp_path / "run")["session"]["late_rows"] > 0
    assert len(lines_of(tmp_path / "run")) > 20
    assert verify(tmp_path / "run").differences == []


def test_a_killed_session_is_finished_and_replayed(killed: Path, tmp_path: Path) -> None:
    shutil.copytree(killed, tmp_path / "run")
    assert not (tmp_path / "run" / "manifest.json").exists()

    reported = CliRunner().invoke(cli, ["verify", "--trust", str(tmp_path / "run")])

    assert reported.exit_code == 0, reported.output
    assert "the session was killed; what it had written up to" in reported.output
    assert "0 differences" in reported.output
    assert len(lines_of(tmp_path / "run")) > 30
    assert manifest_of(tmp_path / "run")["outcome"] == "killed"
    assert CliRunner().invoke(cli, ["verify", "--trust", str(tmp_path / "run")]).exit_code == 0, "again"
    assert CliRunner().invoke(cli, ["report", str(tmp_path / "run")]).exit_code == 0


@pytest.mark.parametrize("kind", [*FILLS, *SESSION, "summary"])
def test_whatever_is_changed_in_a_session_is_reported(kind: str, killed: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(killed, run)
    finish_killed(run)
    where = mutate(run, kind, np.random.default_rng(2))

    assert CliRunner().invoke(cli, ["verify", "--trust", str(run)]).exit_code == 4, where


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


def test_two_who_verify_a_killed_session_at_once_do_not_spoil_it(
    killed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    shutil.copytree(killed, run)
    second: list[str] = []

    def both(name: str) -> Callable[..., None]:
        call = getattr(RunFolder, name)

        def verified_before(*arguments: Any) -> None:
            with pytest.raises(InputError) as caught:
                verify(run)
            second.append(str(caught.value))
            call(*arguments)

        return verified_before

    with monkeypatch.context() as patched:
        for name in ("write_arrays", "write_csv", "write_manifest", "remove"):
            patched.setattr(RunFolder, name, both(name))
        assert finish_killed(run)

    assert len(second) == 5, "session, records, trades, manifest, and its journal's end"
    assert all("another arb verify finishes it" in line for line in second)
    assert not finish_killed(run)
    assert verify(run).differences == []


@pytest.mark.parametrize("content", [b"", b'{"format": 1, "out', b"\0" * 9], ids=["empty", "cut", "zeros"])
def test_a_manifest_that_was_cut_off_beside_a_whole_journal_is_written_again(
    content: bytes, killed: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(killed, run)
    (run / "manifest.json").write_bytes(content)

    reported = CliRunner().invoke(cli, ["report", str(run)])
    assert reported.exit_code == 2
    assert "arb verify finishes the folder" in reported.output
    assert verify(run).differences == []
    assert manifest_of(run)["outcome"] == "killed"
    assert not (run / "session.journal").exists()


def test_a_session_that_was_killed_behind_its_last_file_stays_as_it_is(killed: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(killed, run)
    finish_killed(run)
    shutil.copy(killed / "session.journal", run)
    written = (run / "manifest.json").stat()

    assert not finish_killed(run)

    assert (run / "manifest.json").stat().st_ino == written.st_ino, "the file of the session"
    assert not (run / "session.journal").exists()
    assert verify(run).differences == []


@pytest.mark.parametrize("name", ["session.npz", "summary.json", "manifest.json"])
def test_a_killed_session_without_room_for_its_folder_is_finished_when_there_is(
    name: str, killed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    shutil.copytree(killed, run)
    with monkeypatch.context() as patched:
        fill_disk_at(patched, name)
        with pytest.raises(InputError, match="cannot be written: File too large"):
            verify(run)
    assert not (run / "manifest.json").exists()
    assert verify(run).differences == []


def test_a_replay_that_is_stopped_leaves_no_scratch_folder(
    killed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, scratch = tmp_path / "run", tmp_path / "scratch"
    shutil.copytree(killed, run)
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    seen: list[Path] = []

    def stopped(*arguments: Any) -> None:
        seen.extend(scratch.iterdir())
        raise KeyboardInterrupt

    monkeypatch.setattr(verify_session, "leg_rows", stopped)
    with pytest.raises(KeyboardInterrupt):
        verify(run)
    assert len(seen) == 1
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("command", ["verify", "report"])
def test_what_is_no_folder_is_one_line(command: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "none"):
        reported = CliRunner().invoke(cli, [command, str(path)])
        assert reported.exit_code == 2
        assert reported.stderr == f"error: {path}: no such folder; name the folder that a run wrote\n"


def test_a_killed_session_without_verify_is_reported_what_to_do(killed: Path, tmp_path: Path) -> None:
    shutil.copytree(killed, tmp_path / "run")

    reported = CliRunner().invoke(cli, ["report", str(tmp_path / "run")])

    assert reported.exit_code == 2
    assert "arb verify finishes the folder" in reported.output


def test_sigterm_to_verify_leaves_nothing(killed: Path, tmp_path: Path) -> None:
    shutil.copytree(killed, tmp_path / "run")
    finish_killed(tmp_path / "run")
    (tmp_path / "aside").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "arb", "verify", "--trust", "run"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{GUARD}{os.pathsep}{ROOT}", "TMPDIR": str(tmp_path / "aside")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None and not list((tmp_path / "aside").glob("arb-verify-*")):
        time.sleep(0.001)
    process.send_signal(signal.SIGTERM)
    reported, errors = process.communicate(timeout=60)

    assert (process.returncode, reported, errors) == (130, "", "error: interrupted\n")
    assert list((tmp_path / "aside").iterdir()) == []


def test_a_sandbox_of_its_own_needs_no_server_and_no_configuration(tmp_path: Path) -> None:
    reported = subprocess.run(
        [sys.executable, "-m", "arb", "dry-run", "--sandbox", "--duration", "2s", "--no-report", "--out", "run"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{GUARD}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )  # fmt: skip

    assert reported.returncode == 0, reported.stderr
    assert "DATA NOT AS RECORDED: market data of a sandbox, simulated" in reported.stdout
    assert verify(tmp_path / "run").differences == []
    assert not (tmp_path / "run" / "session.journal").exists()
    assert manifest_of(tmp_path / "run")["inputs"][0]["rows"] > 100
