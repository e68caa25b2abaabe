"""The end of a session: until its folder is whole nobody else writes there, and one alone writes it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.disk import fill_disk_at
from support.live_sandbox import LiveSandbox, demo_config

from arb.commands import live_run
from arb.commands.dryrun_live import run_live
from arb.commands.live_run import LiveRun
from arb.commands.run_setup import WrittenRun
from arb.commands.verify import verify
from arb.errors import ExitCode, InputError
from arb.results.folder import RunFolder
from arb.results.reader import read_manifest

pytestmark = pytest.mark.slow


def session(folder: Path) -> WrittenRun:
    """One of two seconds, which writes `folder / "run"`."""
    with LiveSandbox() as sandbox:
        config = demo_config(folder, function="busy")
        return run_live(config, folder / "run", duration_s=2.0, sandbox=sandbox.urls, has_report=False)


def test_verify_while_the_folder_is_written_is_refused_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    refusals: list[tuple[str, str]] = []

    def verified_before(name: str, call: Callable[..., None]) -> Callable[..., None]:
        def both(*arguments: Any) -> None:
            before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
            with pytest.raises(InputError) as caught:
                verify(run)
            assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
            refusals.append((name, str(caught.value)))
            call(*arguments)

        return both

    with monkeypatch.context() as patched:
        for name in ("write_arrays", "write_csv", "write_bytes", "remove"):
            patched.setattr(RunFolder, name, verified_before(name, getattr(RunFolder, name)))
        result = session(tmp_path)

    assert result.exit_code == ExitCode.DONE
    assert {name for name, _ in refusals} >= {"write_arrays", "write_bytes", "write_csv", "remove"}
    assert refusals[-1][0] == "remove", "the manifest is there, the journal still is"
    assert {line for _, line in refusals} == {
        f"{run}: its session still runs, or another arb verify finishes it; run arb verify when that has ended"
    }
    assert read_manifest(run)["outcome"] == "ended"
    assert verify(run).differences == []


@pytest.mark.parametrize("name", ["session.npz", "manifest.json"])
def test_without_room_at_the_end_verify_finishes_the_folder_when_there_is(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    with monkeypatch.context() as patched:
        fill_disk_at(patched, name)
        with pytest.raises(InputError, match=r"make room, then arb verify .* finishes the folder"):
            session(tmp_path)

    assert not (run / "manifest.json").exists()
    found = verify(run)
    assert found.differences == []
    assert found.replays[0].fills > 0
    assert read_manifest(run)["outcome"] == "killed"


class Ends:
    """Who writes the folder of a session, in the order in which it is done; the process is not ended here."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, before: Callable[[str], None]) -> None:
        self.done: list[str] = []
        self.live: list[LiveRun] = []
        write, begin = live_run.write_session, LiveRun.__init__

        def writing(folder: Any, legs: Any, left: Any, reported: Any, **named: Any) -> Any:
            before(left.outcome)
            figures = write(folder, legs, left, reported, **named)
            self.done.append(left.outcome)
            return figures

        def begun(run: LiveRun, *arguments: Any, **named: Any) -> None:
            self.live.append(run)
            begin(run, *arguments, **named)

        def leave(code: int) -> None:
            self.done.append(f"left with {code}")
            self.live[0]._writing.release()  # the host, which waits, would have ended with the process

        monkeypatch.setattr(live_run, "write_session", writing)
        monkeypatch.setattr(live_run, "leave_now", leave)
        # It would end this process some seconds later, whatever runs in it then.
        monkeypatch.setattr(live_run, "end_within", lambda code: None)
        monkeypatch.setattr(LiveRun, "__init__", begun)

    def hang(self) -> threading.Thread:
        """The watchdog, as it gives the strategy up."""
        thread = threading.Thread(target=self.live[0]._hung, args=("it computes",), daemon=True)
        thread.start()
        return thread


def test_a_watchdog_that_is_late_does_not_write_over_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def before(outcome: str) -> None:
        if outcome == "ended":
            ends.hang().join(20)

    ends = Ends(monkeypatch, before)
    result = session(tmp_path)

    assert ends.done == ["ended"]
    assert result.exit_code == ExitCode.DONE
    assert verify(tmp_path / "run").differences == []


def test_a_strategy_that_comes_back_while_the_watchdog_writes_does_not_write_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_hung, host_writes = threading.Event(), threading.Event()

    def before(outcome: str) -> None:
        if outcome == "hung":
            is_hung.set()
            host_writes.wait(1.0)  # in vain
        else:
            host_writes.set()

    def end(run: LiveRun) -> None:
        ends.hang()
        assert is_hung.wait(20)
        end_strategy(run)

    ends = Ends(monkeypatch, before)
    end_strategy = LiveRun._end_strategy
    monkeypatch.setattr(LiveRun, "_end_strategy", end)
    with pytest.raises(Exception, match="it computes"):
        session(tmp_path)

    assert ends.done[:2] == ["hung", "left with 1"]
