"""What goes wrong around a session: a clear line, no order on doubtful data, whole files, an exit code."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from support.live_sandbox import LiveSandbox, demo_config, demo_files, demo_settings, free_ports
from support.paths import GUARD, ROOT

from arb.__main__ import main
from arb.app import dryrun_live
from arb.app.dryrun_live import run_live
from arb.app.signals import signals_call
from arb.app.verify import verify
from arb.errors import ExitCode, InputError
from arb.run.folder import RunFolder
from arb.sandbox.serve.faults import Fault, FaultKind
from arb.sandbox.serve.urls import ports_from, venue_urls
from connectors.sockets import new_event_loop

pytestmark = pytest.mark.slow


def manifest_of(run: Path) -> dict[str, Any]:
    return json.loads((run / "manifest.json").read_bytes())


def log_of(run: Path, event: str) -> list[str]:
    """The lines of an event, without time and event."""
    lines = [line.split(" ", 2) for line in (run / "log.txt").read_text().splitlines()]
    return [text for _, kind, text in lines if kind == event]


def test_no_network_is_one_line_and_a_whole_folder(tmp_path: Path) -> None:
    nobody = venue_urls(ports_from(free_ports()))
    run = tmp_path / "run"
    with pytest.raises(
        InputError, match=r"nothing was heard of binance_spot:BTCUSDT \(.*bybit_spot:BTCUSDT \("
    ):
        run_live(
            demo_config(tmp_path, function="busy"), run, duration_s=3.0, sandbox=nobody, has_report=False
        )

    assert len(log_of(run, "connect")) == 2
    assert len(log_of(run, "disconnect")) == 2
    assert manifest_of(run)["session"]["events"]["disconnect"] > 2
    assert json.loads((run / "summary.json").read_bytes())["first_time"].startswith("20")
    assert verify(run).differences == []


def test_a_venue_that_goes_down_is_told_once_and_not_traded_at(tmp_path: Path) -> None:
    faults = [
        Fault(FaultKind.DISCONNECT, "cut", venue="bybit_spot", at_s=3.0),
        Fault(FaultKind.REFUSE, "down", venue="bybit_spot", at_s=3.0, duration_s=600.0),
    ]
    run = tmp_path / "run"
    with LiveSandbox(faults=faults) as sandbox:
        config = demo_config(tmp_path, function="busy")
        result = run_live(config, run, duration_s=6.0, sandbox=sandbox.urls, has_report=False)

    lost_ts = manifest_of(run)["inputs"][1]["book"]["lost_ts"]
    assert lost_ts > 0
    # What was on its way when the book was lost may still be answered.
    late = [t for t in result.trades if t.leg.startswith("bybit") and t.exch_ts > lost_ts + 1_000_000_000]
    other = [t for t in result.trades if t.leg.startswith("binance") and t.exch_ts > lost_ts + 1_000_000_000]
    assert late == []
    assert len(other) > 5
    assert len(log_of(run, "disconnect")) <= 2
    assert verify(run).differences == []


def test_a_clock_that_is_off_is_told_once(tmp_path: Path) -> None:
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    fault = Fault(FaultKind.CLOCK, "off", venue="bybit_spot", at_s=0.0, duration_s=600.0, offset_ms=-5000)
    run = tmp_path / "run"
    with LiveSandbox(faults=[fault]) as sandbox:
        config = demo_config(tmp_path, function="busy")
        run_live(config, run, duration_s=7.0, sandbox=sandbox.urls, has_report=False)

    (line,) = log_of(run, "age")
    assert line.startswith("bybit_spot:BTCUSDT: its data are ")
    assert "a clock that is off (arb doctor)" in line
    assert verify(run).differences == []
    # Who runs sessions in a process of their own hears Ctrl+C behind them.
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers


def start(folder: Path, *words: str, bytes_max: int = 0) -> subprocess.Popen[str]:
    """`arb dry-run` on a sandbox of its own; bytes_max: of a file."""
    settings = [word for setting in demo_settings(folder, "busy") for word in ("--set", setting)]

    def limit() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if bytes_max:
            resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_max, bytes_max))

    return subprocess.Popen(
        [sys.executable, "-m", "arb", "dry-run", "--sandbox", "--no-report", "--config", str(demo_files(folder)),
         "--out", str(folder / "run"), *settings, *words],
        env={**os.environ, "PYTHONPATH": f"{GUARD}{os.pathsep}{ROOT}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=limit,
    )  # fmt: skip


def test_a_file_that_cannot_grow_ends_the_session_with_whole_files(tmp_path: Path) -> None:
    process = start(tmp_path, "--duration", "60s", bytes_max=400_000)
    _, errors = process.communicate(timeout=80)

    assert process.returncode == 2, errors
    assert errors.splitlines()[-1].startswith("error: ")
    assert sum(line.startswith("error: ") for line in errors.splitlines()) == 1
    assert "Traceback" not in errors
    found = verify(tmp_path / "run")
    assert found.is_proven
    assert found.replays[0].fills > 5


def test_without_the_reserve_nothing_is_written(tmp_path: Path) -> None:
    process = start(tmp_path, "--set", "record.reserve_gb=900000.0")
    _, errors = process.communicate(timeout=80)

    assert process.returncode == 2
    assert errors.count("\n") == 1
    assert "[record] reserve_gb" in errors
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_it_compiles_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    process = start(tmp_path)
    for _ in range(4000):
        if (tmp_path / "run").exists():
            break
        time.sleep(0.005)
    process.send_signal(number)
    _, errors = process.communicate(timeout=40)

    assert process.returncode == 130, errors
    if "ready after" not in errors:  # else it was quicker than we are
        assert errors == "error: interrupted\n"
        assert not (tmp_path / "run").exists()


NewLoop = Callable[[], asyncio.AbstractEventLoop]
LOOPS = pytest.mark.parametrize(
    "new_loop", [asyncio.new_event_loop, new_event_loop], ids=["asyncio", "as installed"]
)


@pytest.fixture
def unheard() -> Iterator[list[signal.Signals]]:
    """The signals that no session hears; else one would end the tests."""
    found: list[signal.Signals] = []
    with signals_call(found.append):
        yield found


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

    for name in ("write_json", "write_csv", "write_arrays", "write_bytes", "remove", "publish"):
        monkeypatch.setattr(RunFolder, name, interrupted(name, getattr(RunFolder, name)))
    return done


@LOOPS
@pytest.mark.parametrize("is_interrupted", [True, False], ids=["interrupted", "ended by itself"])
def test_signals_while_the_folder_is_written_lose_nothing(
    new_loop: NewLoop,
    is_interrupted: bool,
    unheard: list[signal.Signals],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    def press(line: str) -> None:
        if is_interrupted and "heard of its first row" in line:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(dryrun_live, "new_event_loop", new_loop)
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

    assert {"write_json", "write_csv", "write_arrays", "remove", "publish"} <= set(done)
    assert result.exit_code == (ExitCode.INTERRUPTED if is_interrupted else ExitCode.DONE)
    assert manifest_of(run)["outcome"] == ("interrupted" if is_interrupted else "ended")
    assert verify(run).differences == []
    assert unheard == []
    signal.raise_signal(signal.SIGINT)
    assert unheard == [signal.SIGINT], "behind the session it is not heard"


@LOOPS
@pytest.mark.parametrize("is_before_loop", [True, False], ids=["before the loop", "in the loop"])
def test_a_signal_before_the_feeds_are_open_leaves_nothing(
    new_loop: NewLoop,
    is_before_loop: bool,
    unheard: list[signal.Signals],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    def loop() -> asyncio.AbstractEventLoop:
        if is_before_loop:
            signal.raise_signal(signal.SIGTERM)
        return new_loop()

    def keeper(*arguments: Any, **named: Any) -> Any:
        signal.raise_signal(signal.SIGTERM)
        return keeper_of(*arguments, **named)

    keeper_of = dryrun_live.SessionKeeper
    monkeypatch.setattr(dryrun_live, "new_event_loop", loop)
    if not is_before_loop:
        monkeypatch.setattr(dryrun_live, "SessionKeeper", keeper)
    # Nobody is there: had the feeds been opened, the session would have gone on and left its folder.
    nobody = venue_urls(ports_from(free_ports()))

    with pytest.raises(KeyboardInterrupt):
        run_live(demo_config(tmp_path, function="busy"), tmp_path / "run", sandbox=nobody, has_report=False)

    assert not (tmp_path / "run").exists()
    assert unheard == []


def test_a_session_on_a_thread_of_its_own_leaves_signals_alone(
    unheard: list[signal.Signals], tmp_path: Path
) -> None:
    results = []
    with LiveSandbox() as sandbox:
        config = demo_config(tmp_path, function="busy")

        def work() -> None:
            results.append(
                run_live(config, tmp_path / "run", duration_s=1.5, sandbox=sandbox.urls, has_report=False)
            )

        thread = threading.Thread(target=work)
        thread.start()
        signal.raise_signal(signal.SIGINT)
        thread.join(60)

    assert [result.exit_code for result in results] == [ExitCode.DONE]
    assert unheard == [signal.SIGINT]
    assert verify(tmp_path / "run").differences == []


def test_ctrl_c_while_it_loads_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    loading = ModuleType("arb.cli")
    loading.main = interrupted  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "arb.cli", loading)

    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == 130
    assert capsys.readouterr().err == "error: interrupted\n"
