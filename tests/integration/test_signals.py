"""Signals at the edges of a session and of a recording: before the loop, behind it, on other threads."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.live_sandbox import LiveSandbox, demo_config, free_ports
from support.recorded_runs import lines_of

from arb.cli.options import load_config
from arb.commands.dryrun_live import run_live
from arb.commands.legs import known_venues
from arb.commands.record import Progress, record
from arb.commands.sandbox_choice import SandboxChoice
from arb.commands.selection import Wanted
from arb.commands.verify import verify
from arb.data.recordings.recorder import Recorder
from arb.errors import ExitCode
from arb.results.folder import RunFolder
from arb.runtime import host
from arb.runtime.host import Ending
from arb.runtime.signals import signals_call
from arb.sandbox.serve.urls import ports_from, venue_urls
from connectors.net.sockets import new_event_loop

pytestmark = pytest.mark.slow

NewLoop = Callable[[], asyncio.AbstractEventLoop]
#: A signal before the loop, and one in it before the feeds are open.
EARLY = pytest.mark.parametrize(
    ("number", "new_loop", "is_before_loop"),
    [
        (signal.SIGINT, asyncio.new_event_loop, True),
        (signal.SIGTERM, asyncio.new_event_loop, False),
        (signal.SIGTERM, new_event_loop, True),
        (signal.SIGINT, new_event_loop, False),
    ],
)


@pytest.fixture
def outside() -> Iterator[list[signal.Signals]]:
    """The signals that no session handles; else one would end the tests."""
    found: list[signal.Signals] = []
    with signals_call(found.append):
        yield found


def send_to_main_thread(number: signal.Signals) -> None:
    """From any thread, as the system does with a signal to the process."""
    signal.pthread_kill(threading.main_thread().ident or 0, number)


def signal_early(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals, new_loop: NewLoop, *, is_before_loop: bool
) -> None:
    """Sends a signal right before the event loop, or in it before the feeds are open."""

    def loop() -> asyncio.AbstractEventLoop:
        if is_before_loop:
            signal.raise_signal(number)
        return new_loop()

    async def compare(asked: Any, **_: object) -> list[str]:
        signal.raise_signal(number)
        return []

    monkeypatch.setattr(host, "new_event_loop", loop)
    if not is_before_loop:
        monkeypatch.setattr(host, "compare_grids", compare)


def record_sandbox(folder: Path, show: Callable[[Progress], None]) -> tuple[Ending, Progress]:
    """Records a simulated market for up to a minute."""
    config = load_config(Path("none"), (), None, None, folder, is_sandbox=True)
    wanted = [Wanted(known_venues(Path("none"))["bybit_spot"], ("BTCUSDT",))]
    return record(config, wanted, show, duration_s=60.0, sandbox=SandboxChoice())


def interrupt_writing(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Both signals before and behind everything that is done in a run's folder; the names of what was done."""
    done: list[str] = []

    def interrupted(name: str, call: Callable[..., None]) -> Callable[..., None]:
        def both(*arguments: Any) -> None:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.raise_signal(number)
            call(*arguments)
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.raise_signal(number)
            done.append(name)

        return both

    for name in ("write_csv", "write_arrays", "write_bytes", "remove", "publish"):
        monkeypatch.setattr(RunFolder, name, interrupted(name, getattr(RunFolder, name)))
    return done


@pytest.mark.parametrize(
    ("new_loop", "is_interrupted"), [(asyncio.new_event_loop, False), (new_event_loop, True)]
)
def test_signals_while_the_folder_is_written_lose_nothing(
    new_loop: NewLoop,
    is_interrupted: bool,
    outside: list[signal.Signals],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    def press(line: str) -> None:
        if is_interrupted and "received its first row" in line:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(host, "new_event_loop", new_loop)
    run = tmp_path / "run"
    with LiveSandbox() as sandbox, monkeypatch.context() as patched:
        done = interrupt_writing(patched)
        result = run_live(
            demo_config(tmp_path, function="busy"),
            run,
            duration_s=60.0 if is_interrupted else 1.5,
            sandbox=sandbox.urls,
            has_report=False,
            echo=press,
        )

    assert {"write_bytes", "write_csv", "write_arrays", "remove", "publish"} <= set(done)
    assert result.exit_code == (ExitCode.INTERRUPTED if is_interrupted else ExitCode.DONE)
    assert json.loads((run / "manifest.json").read_bytes())["outcome"] == (
        "interrupted" if is_interrupted else "ended"
    )
    assert verify(run).differences == []
    assert outside == []
    signal.raise_signal(signal.SIGINT)
    assert outside == [signal.SIGINT], "after the session it is not handled"


@EARLY
def test_a_signal_before_the_feeds_are_open_leaves_nothing(
    number: signal.Signals,
    new_loop: NewLoop,
    is_before_loop: bool,
    outside: list[signal.Signals],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    signal_early(monkeypatch, number, new_loop, is_before_loop=is_before_loop)
    # Nobody is there: had the feeds been opened, the session would have gone on and left its folder.
    nobody = venue_urls(ports_from(free_ports()))

    with pytest.raises(KeyboardInterrupt):
        run_live(demo_config(tmp_path, function="busy"), tmp_path / "run", sandbox=nobody, has_report=False)

    assert not (tmp_path / "run").exists()
    assert outside == []


def test_a_session_on_a_thread_of_its_own_leaves_signals_alone(
    outside: list[signal.Signals], tmp_path: Path
) -> None:
    results = []
    with LiveSandbox() as sandbox:
        config = demo_config(tmp_path, function="busy")

        def press(line: str) -> None:
            if "received its first row" in line:
                send_to_main_thread(signal.SIGINT)

        def work() -> None:
            run = tmp_path / "run"
            results.append(
                run_live(config, run, duration_s=1.5, sandbox=sandbox.urls, has_report=False, echo=press)
            )

        thread = threading.Thread(target=work)
        thread.start()
        thread.join(60)

    assert [result.exit_code for result in results] == [ExitCode.DONE]
    assert outside == [signal.SIGINT]
    assert verify(tmp_path / "run").differences == []


@pytest.mark.parametrize(
    ("number", "ended"), [(signal.SIGINT, Ending.INTERRUPTED), (signal.SIGTERM, Ending.STOPPED)]
)
def test_signals_while_a_recording_is_finished_change_nothing(
    number: signal.Signals,
    ended: Ending,
    outside: list[signal.Signals],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    numbers = (signal.SIGINT, signal.SIGTERM)
    close = Recorder.close

    def closing(recorder: Recorder) -> None:
        for one in (*numbers, *reversed(numbers)):
            signal.raise_signal(one)
        close(recorder)
        for one in numbers:
            signal.raise_signal(one)

    def press(progress: Progress) -> None:
        send_to_main_thread(number)

    monkeypatch.setattr(Recorder, "close", closing)
    ending, progress = record_sandbox(tmp_path, press)
    assert ending == ended
    assert outside == []
    assert len(lines_of(tmp_path, "bybit_spot")) == progress.recorder.frames
    signal.raise_signal(signal.SIGINT)
    assert outside == [signal.SIGINT], "after the recording it is not handled"


@EARLY
def test_a_signal_before_a_recording_has_begun_leaves_no_file(
    number: signal.Signals,
    new_loop: NewLoop,
    is_before_loop: bool,
    outside: list[signal.Signals],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    signal_early(monkeypatch, number, new_loop, is_before_loop=is_before_loop)

    with pytest.raises(KeyboardInterrupt):
        record_sandbox(tmp_path, lambda progress: None)

    assert list(tmp_path.glob("*/*")) == []
    assert outside == []
