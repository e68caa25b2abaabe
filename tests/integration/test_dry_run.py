"""`arb dry-run` on the sandbox's sockets and on recorded days, and `arb verify` of what it writes."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hftbacktest import BacktestAsset, HashMapMarketDepthBacktest
from hftbacktest.types import event_dtype
from numba.core import event
from support.command_line import arb
from support.live_sandbox import (
    BUSY,
    LiveSandbox,
    await_first_row,
    await_that,
    demo_config,
    demo_files,
    demo_settings,
    dry_run_process,
    free_ports,
)
from support.mutations import mutate
from support.paths import GUARD, ROOT
from support.published import finds_changes, is_whole_for_others, most_late_s
from support.run_mutations import reseal

from arb.commands.dryrun import paced
from arb.commands.dryrun_live import run_live
from arb.commands.run_setup import WrittenRun
from arb.commands.verify import Verdict, verify
from arb.errors import ExitCode, InputError, StrategyError
from arb.runtime import interruption
from arb.runtime.keeper import SessionKeeper
from arb.runtime.watchdog import Watchdog
from arb.sandbox.faults import Fault, FaultKind

pytestmark = pytest.mark.slow

DAY = "2024-01-01"


def session(folder: Path, sandbox: LiveSandbox, function: str = "busy", seconds: float = 3.0) -> WrittenRun:
    config = demo_config(folder, function=function)
    return run_live(config, folder / "run", duration_s=seconds, sandbox=sandbox.urls, has_report=False)


def manifest_of(run: Path) -> dict[str, Any]:
    return json.loads((run / "manifest.json").read_bytes())


class Finished(NamedTuple):
    """A session, and what Numba compiled while it ran; `folder` is not to be changed."""

    run: WrittenRun
    compiled: list[Any]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("finished")
    with LiveSandbox() as sandbox:
        session(folder, sandbox, seconds=0.5)
        shutil.rmtree(folder / "run")
        with event.install_recorder("numba:compile") as reported:
            return Finished(session(folder, sandbox), reported.buffer)


def test_a_session_is_replayed_to_the_last_fill(finished: Finished, tmp_path: Path) -> None:
    run = finished.run.folder
    assert verify(run).differences == []
    assert len(finished.run.trades) >= 20
    assert not any(np.isnan(trade.price) for trade in finished.run.trades)
    assert finished.compiled == []
    manifest = manifest_of(run)
    assert (manifest["command"], manifest["outcome"]) == ("dry-run", "ended")
    assert manifest["session"]["late_rows"] == 0 or most_late_s(run) > 1.0  # the machine had other work
    assert "ready after" in (run / "log.txt").read_text()
    is_whole_for_others(run, finished.run.trades, finished.run.summary)
    finds_changes(run, tmp_path)


def test_a_session_that_halts_is_flattened_and_replayed(tmp_path: Path) -> None:
    with LiveSandbox() as sandbox:
        config = demo_config(tmp_path, "risk.on_halt='flatten'", function="halting")
        result = run_live(config, tmp_path / "run", duration_s=20.0, sandbox=sandbox.urls, has_report=False)

    assert result.exit_code == ExitCode.HALTED_BY_RISK
    assert {trade.attempt for trade in result.trades} == {"", "flatten"}
    assert [round(leg["position_base"], 9) for leg in result.summary["legs"]] == [0.0, 0.0]
    assert verify(result.folder).differences == []


def test_its_latencies_are_files_of_hftbacktest(finished: Finished) -> None:
    paths = sorted((finished.run.folder / "latency").iterdir())
    assert [path.name for path in paths] == [
        f"{venue}_btcusdt_{kind}.npz"
        for venue in ("binance_spot", "bybit_spot")
        for kind in ("feed", "orders")
    ]
    for path in paths:
        data = np.load(path)["data"]
        assert len(data) >= 2
        assert (data["req_ts"] <= data["exch_ts"]).all()
        assert (data["exch_ts"] <= data["resp_ts"]).all()
        if path.stem.endswith("_feed"):
            assert np.diff(data["req_ts"]).min() >= 1_000_000_000
        asset = BacktestAsset().data([np.zeros(0, event_dtype)]).intp_order_latency(str(path), 0)
        asset.linear_asset(1.0).risk_adverse_queue_model().no_partial_fill_exchange()
        asset.trading_value_fee_model(0.0, 0.0).tick_size(0.1).lot_size(0.001)
        HashMapMarketDepthBacktest([asset]).close()


def test_answers_wait_for_the_disorder_that_is_allowed(finished: Finished, tmp_path: Path) -> None:
    config = demo_config(tmp_path, "dry_run.disorder_ms=1000.0", function="busy")
    with LiveSandbox() as sandbox:
        slow = run_live(config, tmp_path / "run", duration_s=3.0, sandbox=sandbox.urls, has_report=False)
    spans = []
    for run in (finished.run, slow):
        data = np.load(run.folder / "latency" / "binance_spot_btcusdt_orders.npz")["data"]
        spans.append(float(np.median(data["resp_ts"] - data["req_ts"])) / 1e6)

    assert 240 < spans[0] < 900
    assert spans[1] > 950


def test_a_session_with_faults_is_replayed(tmp_path: Path) -> None:
    faults = [
        Fault(FaultKind.GAP, "hole", venue="binance_spot", stream="*depth*", every_s=1.0),
        Fault(FaultKind.DISCONNECT, "cut", venue="bybit_spot", every_s=2.5),
    ]
    with LiveSandbox(faults=faults) as sandbox:
        result = session(tmp_path, sandbox, seconds=5.0)
        injected = {fault["kind"] for fault in sandbox.injected}

    assert injected == {"gap", "disconnect"}
    assert verify(result.folder).differences == []
    inputs = manifest_of(result.folder)["inputs"]
    assert inputs[0]["gaps"] >= 1
    assert inputs[1]["book"]["outages"] >= 1


@pytest.mark.parametrize(("function", "seconds"), [("raises", 60.0), ("breaks", 3.0)])
def test_a_session_whose_strategy_raises_is_replayed_to_the_same_error(
    function: str, seconds: float, tmp_path: Path
) -> None:
    """By itself, or when it is stopped. Another text, error or outcome in the manifest is a difference."""
    with LiveSandbox() as sandbox, pytest.raises(StrategyError, match="ZeroDivisionError"):
        session(tmp_path, sandbox, function, seconds)

    run = tmp_path / "run"
    manifest = manifest_of(run)
    assert manifest["outcome"] == "failed"
    assert verify(run).differences == []
    error = str(manifest["error"])
    digit = error.index(" of its clock") - 2
    for changes in (
        {"error": error.replace("busy.py line ", "busy.py line 1")},
        {"error": error.replace("ZeroDivisionError", "IndexError")},
        {"error": f"{error[:digit]}{(int(error[digit]) + 1) % 10}{error[digit + 1 :]}"},
        {"error": "no room on the disk"},
        {"error": None},
        {"error": None, "outcome": "ended"},
        {"error": None, "outcome": "interrupted"},
    ):
        change_manifest(run, **changes)
        found = verify(run)
        assert found.verdict == Verdict.DIFFERS, changes
        assert "end" in {one.what for one in found.differences}
        change_manifest(run, error=error, outcome="failed")
    assert verify(run).is_proven


def test_a_session_that_failed_with_another_error_is_not_proven(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_keeper: SessionKeeper) -> None:
        raise InputError("session.db: cannot be written")

    monkeypatch.setattr(SessionKeeper, "keep", full)
    with LiveSandbox() as sandbox, pytest.raises(InputError, match="cannot be written"):
        session(tmp_path, sandbox, seconds=60.0)

    found = verify(tmp_path / "run")
    assert found.verdict == Verdict.NOT_PROVEN
    assert found.causes == ["the session failed with an error that is not its strategy's"]


def change_manifest(run: Path, **changes: Any) -> None:
    """Other values, with hashes that fit."""
    manifest = manifest_of(run)
    (run / "manifest.json").write_text(json.dumps({**manifest, **changes}))
    reseal(run)


def test_ctrl_c_ends_a_session_with_whole_files(tmp_path: Path) -> None:
    base = free_ports()
    with LiveSandbox(port_base=base):
        process = dry_run_process(tmp_path, base, "busy")
        await_first_row(tmp_path / "run")
        process.send_signal(signal.SIGINT)
        reported, errors = process.communicate(timeout=120)

    assert process.returncode == 130, errors
    assert "position binance_spot:BTCUSDT" in errors
    assert "interrupted" in reported
    assert verify(tmp_path / "run").differences == []


@pytest.mark.parametrize(
    ("function", "outcome", "why"),
    [
        ("endless", "interrupted", "did not wait when it was interrupted"),
        ("silent", "hung", "did not call the bot after it was interrupted"),
    ],
)
def test_ctrl_c_ends_a_session_whose_strategy_never_waits(
    function: str, outcome: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")
    base = free_ports()
    with LiveSandbox(port_base=base):
        process = dry_run_process(tmp_path, base, function, "dry_run.hang_s=600.0")
        assert process.stdout is not None
        assert process.stdout.readline() == "under way\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=120)

    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    manifest = manifest_of(tmp_path / "run")
    assert manifest["outcome"] == outcome
    assert why in manifest["error"]
    fills = len((tmp_path / "run" / "trades.csv").read_text().splitlines()) - 1
    assert fills == (function == "endless")
    with pytest.raises(InputError, match="did not return"):
        verify(tmp_path / "run")


def test_ctrl_c_ends_a_session_whose_strategy_heeds_no_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a busy machine the strategy may not run for seconds; given up, it would end the process of the tests.
    monkeypatch.setattr(interruption, "HOLD_S", 120.0)

    def press(line: str) -> None:
        if "received its first row" in line:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    with LiveSandbox() as sandbox:
        config = demo_config(tmp_path, function="deaf")
        result = run_live(config, tmp_path / "run", sandbox=sandbox.urls, has_report=False, echo=press)

    assert result.exit_code == ExitCode.INTERRUPTED
    manifest = manifest_of(tmp_path / "run")
    assert manifest["outcome"] == "interrupted"
    assert "did not wait when it was interrupted" in manifest["error"]


def test_a_mistake_in_a_session_is_reported_with_its_line(tmp_path: Path) -> None:
    with LiveSandbox() as sandbox, pytest.raises(StrategyError) as raised:
        session(tmp_path, sandbox, "errs", 60.0)

    manifest = manifest_of(tmp_path / "run")
    assert (manifest["outcome"], manifest["error"]) == ("failed", str(raised.value))
    called = next(n for n, line in enumerate(BUSY.splitlines(), 1) if "pick(np" in line)
    assert "picks.py line 7 in pick" in manifest["error"]
    assert f"busy.py line {called} in errs" in manifest["error"]
    assert " of its clock" in manifest["error"]


def test_a_strategy_that_never_comes_back_ends_the_process(tmp_path: Path) -> None:
    base = free_ports()
    with LiveSandbox(port_base=base):
        process = dry_run_process(tmp_path, base, "hangs", "dry_run.hang_s=0.5")
        _, errors = process.communicate(timeout=120)

    assert process.returncode == 1
    assert errors.splitlines()[-1].startswith(
        "error: the strategy computes without calling the bot since 0.5 s"
    )
    assert manifest_of(tmp_path / "run")["outcome"] == "hung"
    with pytest.raises(InputError, match="did not return"):
        verify(tmp_path / "run")


def test_without_a_sandbox_there_is_one_line_and_nothing_is_written(tmp_path: Path) -> None:
    words = ["dry-run", "--sandbox", "--port-base", str(free_ports()), "--out", str(tmp_path / "run")]
    reported = arb(*words, "--config", demo_files(tmp_path), code=2)
    assert reported.stderr.count("\n") == 1
    assert "start one with arb sandbox serve" in reported.stderr
    assert not (tmp_path / "run").exists()


# Recorded days.


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorded")
    arb("sandbox", "record", "--out", folder / "data", "--duration", "30s", "--config", demo_files(folder))
    run(folder, "backtest", "backtest")
    return folder


def run(folder: Path, command: str, name: str, *words: str) -> Any:
    settings = [word for setting in demo_settings(folder, "busy") for word in ("--set", setting)]
    files = ("--data", folder / "data", "--config", demo_files(folder), "--out", folder / name)
    return arb(command, "--start", DAY, *files, "--no-report", *settings, *words)


@pytest.mark.parametrize("words", [(), ("--speed", "40")])
def test_recorded_days_give_the_trades_of_the_backtest_at_any_speed(
    words: tuple[str, ...], recorded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"dry-{len(words)}{words[-1:]}"
    paces: list[tuple[float, Watchdog]] = []
    monkeypatch.setattr("arb.commands.dryrun.paced", lambda *of: (paces.append(of), paced(*of))[1])

    run(recorded, "dry-run", name, *words)

    assert [speed for speed, _ in paces] == [float(speed) for speed in words[1:]]
    assert (recorded / name / "trades.csv").read_bytes() == (
        recorded / "backtest" / "trades.csv"
    ).read_bytes()
    assert len((recorded / name / "trades.csv").read_text().splitlines()) > 300
    assert manifest_of(recorded / name)["command"] == "dry-run"


def test_ctrl_c_ends_a_paced_run_of_recorded_days_and_a_hanging_strategy_ends_by_itself(
    recorded: Path, tmp_path: Path
) -> None:
    runs = [recorded_process(recorded, tmp_path / name, name, *words) for name, words in (
        ("busy", ("--speed", "1")),
        ("hangs", ("--set", "dry_run.hang_s=0.5")),
    )]  # fmt: skip
    hung = runs[1].communicate(timeout=120)[1]
    await_that((tmp_path / "busy.paced").exists, "the first pause of a paced run")
    runs[0].send_signal(signal.SIGINT)
    reported, errors = runs[0].communicate(timeout=120)

    assert runs[0].returncode == 130, errors
    assert "interrupted: everything until then is written" in reported
    assert manifest_of(tmp_path / "busy")["outcome"] == "interrupted"
    assert runs[1].returncode == 1
    assert "without calling the bot" in hung
    manifest = manifest_of(tmp_path / "hangs")
    assert manifest["outcome"] == "hung"
    assert "without calling the bot" in manifest["error"]
    assert not list(tmp_path.glob(".hangs.*"))


#: `arb`, which leaves a file where its first argument says when a run makes its first pause.
TELLING_ARB = """
import functools, pathlib, sys, time
from arb.__main__ import main
from arb.commands import dryrun

told = pathlib.Path(sys.argv.pop(1))

def sleep(seconds):
    told.touch()
    time.sleep(seconds)

dryrun.paced = functools.partial(dryrun.paced, sleep=sleep)
main()
"""


def recorded_process(recorded: Path, out: Path, function: str, *words: str) -> subprocess.Popen[str]:
    """`arb dry-run --start` in a process of its own, and `out`.paced when it makes its first pause."""
    settings = [word for one in demo_settings(recorded, function) for word in ("--set", one)]
    return subprocess.Popen(
        [sys.executable, "-c", TELLING_ARB, f"{out}.paced", "dry-run", "--start", DAY, "--data",
         str(recorded / "data"), "--no-report", "--config", str(demo_files(recorded)), "--out", str(out), *settings,
         *words],
        env={**os.environ, "PYTHONPATH": f"{GUARD}{os.pathsep}{ROOT}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip


def test_a_backtest_is_proven_in_both_engines(recorded: Path) -> None:
    found = verify(recorded / "backtest")

    assert [replay.engine for replay in found.replays] == ["hftbacktest's engine", "dry-run"]
    assert found.differences == []
    arb("verify", "--trust", recorded / "backtest")


#: One of every kind of difference; the rest are in tests/soak/mutations.py.
CHANGES = ["price", "time as text", "attempt", "dropped", "added", "swapped", "other leg", "summary"]


@pytest.mark.parametrize("kind", CHANGES)
def test_whatever_is_changed_in_a_run_is_reported_with_exit_code_4(
    kind: str, recorded: Path, tmp_path: Path
) -> None:
    shutil.copytree(recorded / "backtest", tmp_path / "run")
    mutate(tmp_path / "run", kind, np.random.default_rng(1))

    reported = arb("verify", "--trust", tmp_path / "run", "--json", code=4)
    found = json.loads(reported.output)
    kinds = {one["what"] for part in (found, *found["replays"]) for one in part["differences"]}
    assert ("summary" if kind == "summary" else "fill") in kinds


def test_a_changed_recording_of_a_session_is_reported(finished: Finished, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished.run.folder, run)
    path = next((run / "recording" / "binance_spot").glob("*.gz"))
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    path.write_bytes(gzip.compress(b"".join(lines[: len(lines) * 2 // 3])))

    reported = arb("verify", "--trust", run, code=4)
    assert "binance_spot:BTCUSDT frames" in reported.output


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ((), "nothing to run on: give one of --live-data, --sandbox"),
        (("--sandbox", "--duration", "soon"), "is no time; write it as 90s"),
        (("--start", DAY, "--end", "2023-01-01"), "lies before"),
        (("--start", DAY, "--speed", "1e-300"), "is not in the range 0.01<=x<=10000"),
        (("--start", DAY, "--speed", "nan"), "is not in the range 0.01<=x<=10000"),
    ],
)
def test_what_no_session_can_run_on_is_refused(words: tuple[str, ...], text: str, tmp_path: Path) -> None:
    reported = arb("dry-run", "--config", demo_files(tmp_path), *words, code=2)
    assert text in reported.output
