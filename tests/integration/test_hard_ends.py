"""Sessions whose process stood still or was killed: what was written is proven all the same."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.command_line import arb
from support.disk import fill_disk_at
from support.live_sandbox import LiveSandbox, await_fills, await_first_row, dry_run_process, free_ports
from support.mutations import SESSION, mutate
from support.paths import GUARD, ROOT
from support.recording_files import command

from arb.commands import verify_session
from arb.commands.session_folder import finish_killed
from arb.commands.verify import verify
from arb.errors import InputError
from arb.results.event_log import read_events
from arb.results.folder import RunFolder
from arb.results.series import read_series

pytestmark = pytest.mark.slow


def manifest_of(run: Path) -> dict[str, Any]:
    return json.loads((run / "manifest.json").read_bytes())


def rows_of(run: Path, *words: str) -> list[dict[str, Any]]:
    """What a command prints about the orders of a run."""
    return [json.loads(line) for line in arb(*words, "--run", run, "--json").output.splitlines()]


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
        with pytest.raises(InputError, match="its session still runs"):
            verify(folder / "run")
        await_fills(folder / "run", 60)
        process.kill()
        process.communicate(timeout=120)
    return folder / "run"


@pytest.fixture
def run(killed: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(killed, tmp_path / "run"))


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


def test_a_killed_session_is_finished_and_replayed(run: Path) -> None:
    assert not (run / "manifest.json").exists()
    for name in ("events.jsonl", "series.bin"):  # the kernel has a line at once: a disk may have a part of it
        content = (run / name).read_bytes()
        (run / name).write_bytes(content[:-7])
    events, _ = read_events(run)

    reported = arb("verify", "--trust", run)

    assert "the session was killed; what it had written up to" in reported.output
    assert "0 differences" in reported.output
    assert len(lines_of(run)) > 30
    assert manifest_of(run)["outcome"] == "killed"
    assert {"events.jsonl", "series.bin"} <= manifest_of(run)["files"].keys()
    assert sum(one.event == "fill" for one in events) > 30
    assert read_series(run) is not None
    arb("verify", "--trust", run)
    arb("report", run)


#: What is changed in fills is reported as in a session that ended: `test_dry_run.py`.
@pytest.mark.parametrize("kind", ["price", *SESSION])
def test_whatever_is_changed_in_a_session_is_reported(kind: str, run: Path) -> None:
    finish_killed(run)
    where = mutate(run, kind, np.random.default_rng(2))

    assert "difference" in arb("verify", "--trust", run, code=4).output, where


@pytest.mark.parametrize("seed", range(3))
def test_a_session_that_is_killed_at_any_moment_is_finished(seed: int, tmp_path: Path) -> None:
    base, run = free_ports(), tmp_path / "run"
    with LiveSandbox(port_base=base):
        process = dry_run_process(tmp_path, base, "busy")
        await_fills(run, 1)
        time.sleep(np.random.default_rng(seed).uniform(0.0, 2.5))
        process.kill()
        process.communicate(timeout=120)
    beside = rows_of(run, "trades")

    assert verify(run).is_proven
    assert rows_of(run, "trades") == beside
    assert len(beside) == len(lines_of(run)) - 1


@pytest.mark.parametrize("share", [0.75, 0.99])
def test_a_log_that_was_cut_counts_up_to_its_last_whole_entry(share: float, run: Path) -> None:
    path = run / "session.db-wal"
    os.truncate(path, int(path.stat().st_size * share))
    found = verify(run)

    assert found.differences == []
    assert found.replays[0].fills > 5


@pytest.mark.parametrize("is_there", [True, False])
def test_a_session_without_an_entry_is_nothing_to_verify(is_there: bool, run: Path) -> None:
    for path in run.glob("session.db*"):
        path.unlink()
    if is_there:
        (run / "session.db").write_bytes(b"")
    with pytest.raises(InputError, match="nothing to verify"):
        verify(run)


def test_a_file_that_is_damaged_is_one_line(run: Path) -> None:
    (run / "session.db-wal").unlink()
    (run / "session.db").write_bytes(b"no database " * 1000)
    reported = arb("verify", "--trust", run, code=2)
    assert reported.stderr == f"error: {run}/session.db: cannot be read: file is not a database\n"


@pytest.mark.parametrize("name", ["verify", "report"])
def test_a_killed_session_of_an_earlier_arb_is_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / "session.journal").write_bytes(b"of another format")
    reported = arb(name, tmp_path, code=2)
    assert reported.stderr == (
        f"error: {tmp_path}: a session that was killed, of an earlier arb: finish it with the arb that wrote it\n"
    )


def test_the_orders_of_a_killed_session_are_those_of_its_trades(run: Path) -> None:
    before = rows_of(run, "trades")
    assert len(before) > 30
    finish_killed(run)
    assert not list(run.glob("session.[dl]*"))
    assert rows_of(run, "trades") == before
    assert len(before) == len(lines_of(run)) - 1
    assert rows_of(run, "orders", "--open") == []
    assert verify(run).differences == []
    (run / "orders.db").write_bytes(b"")
    assert [one.where for one in verify(run).own] == ["orders.db"]


def test_two_who_verify_a_killed_session_at_once_do_not_spoil_it(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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

    assert len(second) == 5, "session, records, trades, manifest, and the end of what it was finished from"
    assert all("another arb verify finishes it" in line for line in second)
    assert not finish_killed(run)
    assert verify(run).differences == []


@pytest.mark.parametrize(
    "content", [None, b"", b'{"format": 1, "out', b"\0" * 9], ids=["none", "empty", "cut", "zeros"]
)
def test_a_manifest_that_is_not_whole_beside_a_whole_session_is_written_again(
    content: bytes | None, run: Path
) -> None:
    if content is not None:
        (run / "manifest.json").write_bytes(content)

    reported = arb("report", run, code=2)
    assert "arb verify finishes the folder" in reported.output
    assert verify(run).differences == []
    assert manifest_of(run)["outcome"] == "killed"
    assert not list(run.glob("session.[dl]*"))


def test_a_session_that_was_killed_behind_its_last_file_stays_as_it_is(killed: Path, run: Path) -> None:
    finish_killed(run)
    for path in killed.glob("session.[dl]*"):
        shutil.copy(path, run)
    written = (run / "manifest.json").stat()

    assert not finish_killed(run)

    assert (run / "manifest.json").stat().st_ino == written.st_ino, "the file of the session"
    assert not list(run.glob("session.[dl]*"))
    assert verify(run).differences == []


@pytest.mark.parametrize("name", ["session.npz", "manifest.json"])
def test_a_killed_session_without_room_for_its_folder_is_finished_when_there_is(
    name: str, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        fill_disk_at(patched, name)
        with pytest.raises(InputError, match="cannot be written: File too large"):
            verify(run)
    assert not (run / "manifest.json").exists()
    assert verify(run).differences == []


def test_a_replay_that_is_stopped_leaves_no_scratch_folder(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
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


@pytest.mark.parametrize("name", ["verify", "report"])
def test_what_is_no_folder_is_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "none"):
        reported = arb(name, path, code=2)
        assert reported.stderr == f"error: {path}: no such folder; name the folder that a run wrote\n"


def test_sigterm_to_verify_leaves_nothing(run: Path, tmp_path: Path) -> None:
    finish_killed(run)
    (tmp_path / "aside").mkdir()
    process = subprocess.Popen(
        command(["verify", "--trust", "run"]),
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{GUARD}{os.pathsep}{ROOT}", "TMPDIR": str(tmp_path / "aside")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None and not list((tmp_path / "aside").glob("arb-rows-*")):
        time.sleep(0.001)
    process.send_signal(signal.SIGTERM)
    reported, errors = process.communicate(timeout=60)

    assert (process.returncode, reported, errors) == (130, "", "error: interrupted\n")
    assert list((tmp_path / "aside").iterdir()) == []


def test_a_sandbox_of_its_own_needs_no_server_and_no_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    reported = arb("dry-run", "--sandbox", "--duration", "2s", "--no-report", "--out", "run")

    assert "SIMULATED DATA: market data of a sandbox, simulated" in reported.stdout
    assert verify(tmp_path / "run").differences == []
    assert not list((tmp_path / "run").glob("session.[dl]*"))
    assert manifest_of(tmp_path / "run")["inputs"][0]["rows"] > 100
